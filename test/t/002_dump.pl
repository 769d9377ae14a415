# A database moves by pg_dump with all its rooms, in any of its ways: same
# rows, same counters, same rights, nothing announced, another epoch; and
# sending goes on. Also while it is being written to.
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
	'last seen' => 'SELECT * FROM taskchat.last_seen ORDER BY user_id',
	'notification counters' => 'SELECT * FROM taskchat.notification_counters ORDER BY user_id',
	'delivery samples' => 'SELECT * FROM taskchat.delivery_samples ORDER BY room_id, user_id, up_to_seq',
	'what waits for a room' => 'SELECT * FROM taskchat.pending ORDER BY place, id',
	'its numbers' => 'SELECT last_value, is_called FROM taskchat.pending_numbers',
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
	INSERT INTO public.jobs VALUES (1, 'ada'), (2, 'ada');
	UPDATE public.jobs SET status = 'started' WHERE id = 1;
	SELECT taskchat.add_member('1', 'ben');
	SELECT taskchat.add_member('1', 'cyd', 'applicant');
	SELECT taskchat.send_system_message('1', 'welcome');
	SELECT taskchat.notify_user('ada', 'payment', '{"amount": 5}', '1');
	SELECT taskchat.create_ticket('ada');});
send_as('source', $_ % 2 ? 'ada' : 'ben', '1', "line $_") for 1 .. 20;
$node->safe_psql('source', q{
	BEGIN;
	SELECT taskchat.act_as('ben');
	SELECT taskchat.mark_read('1', 10);
	SELECT taskchat.set_muted('1', true);
	SELECT taskchat.set_presence(true);
	SELECT taskchat.set_presence(false);
	SELECT taskchat.send_message('1', 'an answer', reply_to => m.id, client_msg_id => 'c1', metadata => '{"a": 1}')
		FROM taskchat.get_messages('1', max_rows => 1) AS m;
	SELECT taskchat.edit_message(m.id, 'edited') FROM taskchat.get_messages('1') AS m WHERE m.content = 'line 2';
	SELECT taskchat.delete_message(m.id) FROM taskchat.get_messages('1') AS m WHERE m.content = 'line 4';
	COMMIT;
	SELECT taskchat.close_room('2');});

# A row of before there was a rule keeps what it has.
$node->safe_psql('source', q{UPDATE taskchat.task_messages SET metadata = '[1]' WHERE content = 'line 6'});

# A change that is committed but not told yet, as its room was busy.
my $keeper = $node->background_psql('source');
$keeper->query_safe(q{BEGIN; SELECT (taskchat.send_system_message('2', 'not to stay')).seq});
$node->safe_psql('source', q{SET taskchat.commit_patience = 0; UPDATE public.jobs SET status = 'waiting' WHERE id = 2});
$keeper->query_safe('ROLLBACK');
$keeper->quit;
is($node->safe_psql('source', 'SELECT count(*) FROM taskchat.pending'), '1', 'something waits for a room');

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
	is($node->safe_psql($db, q{SELECT seq, payload -> 'status' ->> 'new' FROM taskchat.task_events WHERE task_id = '2' AND kind = 'task_update'}),
		'3|waiting', "$how: what waited for a room is told there");
	$node->safe_psql($db, q{INSERT INTO public.jobs VALUES (3, 'ada')});
	is(last_seq($db, '3'), last_seq('source', '2') - 1, "$how: a new task opens a room of its own");
	is( $node->safe_psql($db, q{
			BEGIN; SELECT taskchat.act_as('ben'); SET LOCAL ROLE taskchat_user;
			SELECT content FROM taskchat.send_message('1', 'again', client_msg_id => 'c1'); COMMIT}),
		"\nan answer", "$how: what was sent before the dump is not sent again");
	is( $node->safe_psql($db, q{
			DROP EXTENSION taskchat;
			SELECT count(*) FROM pg_namespace WHERE nspname = 'taskchat'}),
		'0', "$how: DROP EXTENSION leaves nothing");
}

# How a dump is taken and brought back. DIR is where it lies, DB the new database.
my @ways = (
	[ 'plain', [ 'pg_dump', '-f', 'DIR', 'source' ],
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-o', 'DIR.out', '-f', 'DIR', 'DB' ] ],
	[ 'custom', [ 'pg_dump', '-Fc', '-f', 'DIR', 'source' ], [ 'pg_restore', '--exit-on-error', '-d', 'DB', 'DIR' ] ],
	[ 'custom with jobs', [ 'pg_dump', '-Fc', '-f', 'DIR', 'source' ],
		[ 'pg_restore', '--exit-on-error', '--jobs=4', '-d', 'DB', 'DIR' ] ],
	[ 'directory with jobs', [ 'pg_dump', '-Fd', '--jobs=2', '-f', 'DIR', 'source' ],
		[ 'pg_restore', '--exit-on-error', '--jobs=4', '-d', 'DB', 'DIR' ] ],
	[ 'schema, then data', [ 'pg_dump', '-Fc', '-f', 'DIR', 'source' ],
		[ 'pg_restore', '--exit-on-error', '--schema-only', '-d', 'DB', 'DIR' ],
		[ 'pg_restore', '--exit-on-error', '--data-only', '--disable-triggers', '--jobs=4', '-d', 'DB', 'DIR' ] ],
	[ 'in sections', [ 'pg_dump', '-Fd', '-f', 'DIR', 'source' ],
		map { [ 'pg_restore', '--exit-on-error', "--section=$_", '-d', 'DB', 'DIR' ] } qw(pre-data data post-data) ],
	[ 'where the extension is', [ 'pg_dump', '-Fc', '-f', 'DIR', 'source' ],
		[ 'psql', '-Xq', '-c', 'CREATE EXTENSION taskchat', 'DB' ],
		[ 'pg_restore', '--exit-on-error', '-d', 'DB', 'DIR' ] ]);

$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;

# Runs the commands of a way. Returns the name of the new database.
sub restore
{
	my ($how, @commands) = @_;
	my $db = $how =~ s/\W+/_/gr;
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	foreach my $command (@commands)
	{
		$node->command_ok([ map { s/DIR/$dir\/$db/r =~ s/^DB$/$db/r } @$command ],
			"$how: " . join(' ', grep { !/DIR|DB|^-[a-z]+$/ } @$command));
	}
	return $db;
}

check_restored($_->[0], restore(@$_)) foreach @ways;
is($node->safe_psql('source', $epoch), $old_epoch, 'the source keeps its epoch');

# Where somebody listens already, a restore is silent.
{
	$node->safe_psql('postgres', 'CREATE DATABASE silent');
	$node->safe_psql('silent', 'CREATE EXTENSION taskchat');
	my $channel = $node->safe_psql('silent', 'SELECT channel FROM taskchat.relay_hello()');
	my $listener = $node->background_psql('silent');
	$listener->query_safe("LISTEN $channel");
	$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', 'silent', "$dir/custom" ], 'restore under a listener');
	unlike($listener->query_safe('SELECT 1'), qr/notification/, 'a restore rings no bell');
	send_as('silent', 'ada', '1', 'ring');
	like($listener->query_safe('SELECT 1'), qr/Asynchronous notification/, 'a message does');
	$listener->quit;
	is($node->safe_psql('silent', 'SELECT channel FROM taskchat.relay_hello()'), $channel, 'the channel stays');
}

# In use: what is dumped while others send is the state of one moment.
my $script = "$dir/chat.sql";
append_to_file($script, q{
	\set room random(1, 2)
	BEGIN;
	SELECT taskchat.act_as('ada');
	SELECT taskchat.send_message(:room::text, 'live');
	COMMIT;
	UPDATE public.jobs SET status = status || '.' WHERE id = :room;
	SELECT taskchat.notify_user('ada', 'live');
	INSERT INTO public.jobs SELECT max(id) + 1, 'ada' FROM public.jobs ON CONFLICT DO NOTHING;
});
$node->safe_psql('source', q{SELECT taskchat.reopen_room('2')});
my $writers = IPC::Run::start(
	[ 'pgbench', '-n', '-c', '3', '-T', '3600', '-f', $script, 'source' ],
	'>', "$dir/pgbench.out", '2>', "$dir/pgbench.err");
$node->poll_query_until('source', q{SELECT count(*) > 100 FROM taskchat.task_messages WHERE content = 'live'})
	or die 'the writers do not write';
my @live = map {
	my ($how, @commands) = @$_;
	[ "live $how", @commands ]
} grep { $_->[0] =~ /^(plain|directory with jobs|schema, then data)$/ } @ways;
foreach my $way (@live)
{
	my ($how) = @$way;
	my $db = restore(@$way);
	cmp_ok($node->safe_psql($db, q{SELECT count(*) FROM taskchat.task_messages WHERE content = 'live'}),
		'>=', 100, "$how: what was there has come along");
	is( $node->safe_psql($db, q{
			SELECT r.room_id FROM taskchat.task_rooms AS r
			WHERE r.last_seq > 0 AND (SELECT array_agg(seq ORDER BY seq) FROM (
				SELECT seq FROM taskchat.task_messages AS m WHERE m.room_id = r.room_id
				UNION ALL SELECT seq FROM taskchat.task_events AS e WHERE e.room_id = r.room_id) AS line)
				IS DISTINCT FROM (SELECT array_agg(n) FROM generate_series(r.first_seq, r.last_seq) AS n)}),
		'', "$how: every line is whole and ends at its counter");
	is( $node->safe_psql($db, q{
			SELECT c.user_id FROM taskchat.notification_counters AS c
			WHERE c.last_seq IS DISTINCT FROM (SELECT max(n.seq) FROM taskchat.notifications AS n WHERE n.user_id = c.user_id)}),
		'', "$how: so do notifications");
	is( $node->safe_psql($db, q{
			SELECT j.id FROM public.jobs AS j FULL JOIN taskchat.task_rooms AS r ON r.task_id = j.id::text
			WHERE (j.id IS NULL OR r.task_id IS NULL)
			UNION ALL SELECT m.room_id FROM taskchat.task_members AS m WHERE m.room_id NOT IN (SELECT room_id FROM taskchat.task_rooms)}),
		'', "$how: the application's rows, rooms and members belong together");
	my $rooms = $node->safe_psql($db, 'SELECT max(room_id) FROM taskchat.task_rooms');
	my $seq = last_seq($db, '1');
	is(send_as($db, 'ada', '1', 'after'), $seq + 1, "$how: sending goes on");
	$node->safe_psql($db, q{INSERT INTO public.jobs VALUES (1000000, 'ada')});
	cmp_ok($node->safe_psql($db, q{SELECT room_id FROM taskchat.task_rooms WHERE task_id = '1000000'}),
		'>', $rooms, "$how: a new room's number was not given before");
}
ok($writers->pumpable, 'the writers wrote all the time');
$writers->kill_kill;
unlike(slurp_file("$dir/pgbench.err"), qr/ERROR|aborted/, 'and met no error');

$node->stop;
done_testing();
