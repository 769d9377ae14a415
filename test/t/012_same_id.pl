# Eight connections send the same client_msg_id at the same moment: by function
# all get the one row, of plain INSERTs one succeeds, with ON CONFLICT DO
# NOTHING all succeed; there is one row in the end, and no seq is lost.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $connections = 8;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--locale=C.UTF-8', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION taskchat;
	SELECT taskchat.open_room('t', 'ada');
	SELECT taskchat.add_member('t', 'ben', 'applicant');
	SELECT taskchat.add_member('t', 'ben');});

# Runs each statement as ben over a connection of its own, all let go at once
# by a lock that they wait for; gives what each printed, or its SQLSTATE.
sub at_once
{
	my @statements = @_;
	my $gate = $node->background_psql('postgres');
	$gate->query_safe('SELECT pg_advisory_lock(1)');
	my @runs;
	foreach my $statement (@statements)
	{
		my ($out, $err) = ('', '');
		my $file = PostgreSQL::Test::Utils::tempdir() . '/statement.sql';
		append_to_file($file, qq{BEGIN; SELECT taskchat.act_as('ben') \\g /dev/null
			SELECT pg_advisory_lock_shared(1) \\g /dev/null
			$statement;
			COMMIT;});
		push @runs, { out => \$out, err => \$err };
		$runs[-1]{run} = IPC::Run::start(
			[ 'psql', '-XAtq', '-v', 'VERBOSITY=sqlstate', '-f', $file, '-d', $node->connstr('postgres') ],
			'>', \$out, '2>', \$err);
	}
	$node->poll_query_until('postgres',
		qq{SELECT count(*) = $connections FROM pg_locks WHERE locktype = 'advisory' AND NOT granted})
		or die 'the connections did not come to the gate';
	$gate->quit;
	IPC::Run::finish($_->{run}) foreach @runs;
	return map { ${ $_->{err} } =~ /ERROR:\s+(\w{5})/ ? $1 : ${ $_->{out} } =~ s/\s+\z//r } @runs;
}

# How often each answer came, as "answer xN".
sub counted
{
	my %count;
	$count{$_}++ foreach @_;
	return join ', ', map { "$_ x$count{$_}" } sort keys %count;
}

sub last_seq
{
	return $node->safe_psql('postgres',
		q{SELECT string_agg(last_seq::text, ' ' ORDER BY applicant_id NULLS FIRST) FROM taskchat.task_rooms});
}

is(last_seq(), '2 2', 'the rooms before');

my @answers = at_once(map { "SELECT seq, content FROM taskchat.send_message('t', 'text $_', client_msg_id => 'one')" } 1 .. $connections);
like(counted(@answers), qr/^3\|text \d x$connections$/, 'by function every connection gets the one row');
is(last_seq(), '3 2', 'which took one seq');

@answers = at_once(map { "INSERT INTO taskchat.task_messages (task_id, content, client_msg_id) VALUES ('t', 'text $_', 'two') RETURNING seq" } 1 .. $connections);
is(counted(@answers), '23505 x7, 4 x1', 'of plain INSERTs one succeeds');
is(last_seq(), '4 2', 'and takes one seq');

@answers = at_once(map { "INSERT INTO taskchat.task_messages (task_id, content, client_msg_id) VALUES ('t', 'text $_', 'three') ON CONFLICT DO NOTHING RETURNING seq" } 1 .. $connections);
is(counted(@answers), ' x7, 5 x1', 'with ON CONFLICT DO NOTHING all succeed and one stores');
is(last_seq(), '5 2', 'and takes one seq');

# Half of them in the private room: it is one message in the whole task.
@answers = at_once(map { "SELECT id FROM taskchat.send_message('t', 'text $_', client_msg_id => 'four', applicant_id => "
	. ($_ % 2 ? 'NULL' : "'ben'") . ")" } 1 .. $connections);
like(counted(@answers), qr/^[0-9a-f-]{36} x$connections$/, 'over both rooms every connection gets the one row');
is($node->safe_psql('postgres', q{SELECT count(*) FROM taskchat.task_messages WHERE client_msg_id = 'four'}), '1', 'and there is one');
like(last_seq(), qr/^(6 2|5 3)$/, 'with one seq in one room');

# Some change their mind: the next in line stores it, with the number given back.
@answers = at_once((map { "SELECT seq FROM taskchat.send_message('t', 'taken back', client_msg_id => 'five'); ROLLBACK; BEGIN" } 1 .. $connections / 2),
	(map { "SELECT seq FROM taskchat.send_message('t', 'kept', client_msg_id => 'five')" } 1 .. $connections / 2));
is(scalar(grep { /^\d+$/ } @answers), $connections, 'rolled back or not, all get a number');
is( $node->safe_psql('postgres', q{
		SELECT bool_and(r.last_seq = (SELECT count(*) FROM (SELECT seq FROM taskchat.task_messages m WHERE m.room_id = r.room_id
			UNION ALL SELECT seq FROM taskchat.task_events e WHERE e.room_id = r.room_id) AS line)) FROM taskchat.task_rooms r}),
	't', 'the lines have no gap');

$node->stop;
done_testing();
