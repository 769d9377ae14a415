# A database moves by pg_dump with all its rooms: same rows, same counters,
# same rights, nothing announced, another epoch; and sending goes on.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--locale=C.UTF-8', '--encoding=UTF8' ]);
$node->start;

# What a dump must carry, each as a query whose result may not change. Of
# bindings the name of the table counts, not its number.
my %carried = (
	rooms => 'SELECT * FROM taskchat.task_rooms ORDER BY room_id',
	members => 'SELECT * FROM taskchat.task_members ORDER BY room_id, user_id',
	messages => 'SELECT * FROM taskchat.task_messages ORDER BY room_id, seq',
	events => 'SELECT * FROM taskchat.task_events ORDER BY room_id, seq',
	notifications => 'SELECT * FROM taskchat.notifications ORDER BY user_id, seq',
	bindings => 'SELECT tasks::regclass::text, task_key, creator_key, watch FROM taskchat.bindings',
	'room numbers' => 'SELECT last_value, is_called FROM taskchat.room_numbers',
	rights => q{SELECT c.relname, p.grantee::regrole, p.privilege_type
		FROM pg_class AS c CROSS JOIN aclexplode(c.relacl) AS p
		WHERE c.relnamespace = 'taskchat'::regnamespace AND p.grantee <> c.relowner
		UNION ALL
		SELECT f.oid::regprocedure::text, p.grantee, p.privilege_type
		FROM pg_proc AS f CROSS JOIN aclexplode(f.proacl) AS p
		WHERE f.pronamespace = 'taskchat'::regnamespace AND p.grantee <> f.proowner
		ORDER BY 1, 2, 3},
);

# What a member sees, as the member.
sub seen_by
{
	my ($db, $user) = @_;
	return $node->safe_psql($db, qq{
		BEGIN;
		SELECT taskchat.act_as('$user');
		SET LOCAL ROLE taskchat_user;
		SELECT room_id, seq, content FROM taskchat.task_messages ORDER BY room_id, seq;
		COMMIT;});
}

sub send_as
{
	my ($db, $user, $task, $content) = @_;
	my $out = $node->safe_psql($db, qq{
		BEGIN;
		SELECT taskchat.act_as('$user');
		SET LOCAL ROLE taskchat_user;
		SELECT (taskchat.send_message('$task', '$content')).seq;
		COMMIT;});
	return (split /\n/, $out)[-1];
}

sub last_seq
{
	my ($db, $task) = @_;
	return $node->safe_psql($db,
		"SELECT last_seq FROM taskchat.task_rooms WHERE task_id = '$task' AND applicant_id IS NULL");
}

my $epoch = q{SELECT epoch FROM taskchat.relay_hello()};

$node->safe_psql('postgres', 'CREATE DATABASE source');
$node->safe_psql('source', q{
	CREATE EXTENSION taskchat;
	CREATE TABLE public.jobs (id int PRIMARY KEY, owner text NOT NULL, status text NOT NULL DEFAULT 'open');
	SELECT taskchat.bind_tasks('public.jobs', 'id', 'owner', '{status}');
	INSERT INTO public.jobs VALUES (1, 'ada'), (2, 'ben');
	UPDATE public.jobs SET status = 'started' WHERE id = 1;
	SELECT taskchat.add_member('1', 'ben');
	SELECT taskchat.add_member('1', 'cyd', 'applicant');
	SELECT taskchat.send_system_message('1', 'welcome');
	SELECT taskchat.notify_user('ada', 'payment', '{"amount": 5}', '1');
	SELECT taskchat.create_ticket('ada');});
send_as('source', $_ % 2 ? 'ada' : 'ben', '1', "line $_") for 1 .. 20;
$node->safe_psql('source', q{
	BEGIN; SELECT taskchat.act_as('ben'); SELECT taskchat.mark_read('1', 10); COMMIT;
	SELECT taskchat.close_room('2');});

my %before = map { $_ => $node->safe_psql('source', $carried{$_}) } keys %carried;
my $seen = seen_by('source', 'ben');
my $old_epoch = $node->safe_psql('source', $epoch);
my $last = last_seq('source', '1');
my $dir = PostgreSQL::Test::Utils::tempdir();

# Restores a dump into a new database and compares everything.
sub check_restored
{
	my ($how, $db) = @_;
	foreach my $what (sort keys %carried)
	{
		is($node->safe_psql($db, $carried{$what}), $before{$what}, "$how: $what are the same");
	}
	is(seen_by($db, 'ben'), $seen, "$how: a member reads the same");
	is(seen_by($db, 'eve'), '', "$how: a stranger reads nothing");
	isnt($node->safe_psql($db, $epoch), $old_epoch, "$how: the epoch is another");
	is($node->safe_psql($db, 'SELECT count(*) FROM taskchat.tickets'), '0', "$how: tickets stay behind");
	is(send_as($db, 'ada', '1', 'on and on'), $last + 1, "$how: sending goes on with the next seq");
	$node->safe_psql($db, q{UPDATE public.jobs SET status = 'finished' WHERE id = 1});
	is(last_seq($db, '1'), $last + 2, "$how: the bound table still tells its changes, once");
	$node->safe_psql($db, q{INSERT INTO public.jobs VALUES (3, 'ada')});
	is(last_seq($db, '3'), last_seq('source', '2') - 1, "$how: a new task opens a room of its own");
	is( $node->safe_psql($db, q{
			DROP EXTENSION taskchat;
			SELECT count(*) FROM pg_namespace WHERE nspname = 'taskchat'}),
		'0', "$how: DROP EXTENSION leaves nothing");
}

$node->command_ok([ 'pg_dump', '-f', "$dir/plain.sql", $node->connstr('source') ], 'plain dump');
$node->safe_psql('postgres', 'CREATE DATABASE plain');
$node->command_ok(
	[ 'psql', '-X', '-q', '-o', "$dir/plain.out", '-v', 'ON_ERROR_STOP=1', '-f', "$dir/plain.sql", $node->connstr('plain') ],
	'plain restore');
check_restored('plain', 'plain');

$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/custom.dump", $node->connstr('source') ], 'custom dump');
$node->safe_psql('postgres', 'CREATE DATABASE custom');
$node->command_ok(
	[ 'pg_restore', '--exit-on-error', '-d', $node->connstr('custom'), "$dir/custom.dump" ],
	'custom restore');
check_restored('custom', 'custom');

is($node->safe_psql('source', $epoch), $old_epoch, 'the source keeps its epoch');

$node->stop;
done_testing();
