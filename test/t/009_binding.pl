# Bound tables move with a dump, partitions and users included, and go on being
# followed; a crash leaves nothing of a stage behind; and dropping the extension
# or a bound table takes along what belongs to it, and no more.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--locale=C.UTF-8', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', 'max_prepared_transactions = 10');
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE source');
$node->safe_psql('source', q{
	CREATE EXTENSION taskchat;
	CREATE SCHEMA "My App";
	CREATE TABLE "My App".users (id uuid PRIMARY KEY);
	CREATE TABLE "My App"."Tasks" (id int, creator_id uuid, status text NOT NULL, "Price €" int, PRIMARY KEY (id, status)) PARTITION BY LIST (status);
	CREATE TABLE "My App".open PARTITION OF "My App"."Tasks" FOR VALUES IN ('open');
	CREATE TABLE "My App".rest PARTITION OF "My App"."Tasks" DEFAULT;
	CREATE TABLE dropped (id int PRIMARY KEY, creator_id text, status text);
	SELECT taskchat.bind_tasks('"My App"."Tasks"', watch => '{status,"Price €"}', users => '"My App".users');
	SELECT taskchat.bind_tasks('dropped');
	INSERT INTO "My App".users SELECT ('00000000-0000-4000-8000-00000000000' || i)::uuid FROM generate_series(1, 3) AS i;
	INSERT INTO "My App"."Tasks" SELECT i, ('00000000-0000-4000-8000-00000000000' || i)::uuid, 'open', 1 FROM generate_series(1, 3) AS i;
	INSERT INTO dropped VALUES (100, 'ada', 'open');});

# A dropped table is bound no more; its rooms stay, and a dump is none the worse.
$node->safe_psql('source', 'DROP TABLE dropped');
is($node->safe_psql('source', q{SELECT task_id FROM taskchat.task_rooms WHERE task_id = '100'}), '100', 'rooms of a dropped table stay');
is($node->safe_psql('source', q{SELECT task_id FROM taskchat.orphaned_rooms()}), '100', 'and are listed as orphans');

my $state = q{
	SELECT r.room_id, r.task_id, r.last_seq, (SELECT string_agg(m.user_id || m.role, ',' ORDER BY m.user_id) FROM taskchat.task_members AS m WHERE m.room_id = r.room_id)
	FROM taskchat.task_rooms AS r ORDER BY 1};
my $triggers = q{
	SELECT t.tgrelid::regclass, t.tgname, t.tgenabled,
		EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_trigger'::regclass AND d.objid = t.oid AND d.deptype = 'x') AS depends
	FROM pg_trigger AS t WHERE t.tgname LIKE 'taskchat_bound%' ORDER BY t.tgrelid::regclass::text, t.tgname};
my $dir = PostgreSQL::Test::Utils::tempdir();
my %expected = map { $_ => $node->safe_psql('source', $_) } $state, $triggers;

# Restores one way and lets the copy be used.
sub check_copy
{
	my ($how) = @_;
	is($node->safe_psql($how, $state), $expected{$state}, "$how: the same rooms and members");
	is($node->safe_psql($how, $triggers), $expected{$triggers}, "$how: the same triggers");
	is($node->safe_psql($how, q{SELECT tasks::text, users::text FROM taskchat.bindings}),
		'"My App"."Tasks"|"My App".users', "$how: bound to the same tables");
	$node->safe_psql($how, q{UPDATE "My App"."Tasks" SET status = 'done', "Price €" = 2 WHERE id = 1});
	is($node->safe_psql($how, q{SELECT seq, payload FROM taskchat.task_events WHERE task_id = '1' ORDER BY seq DESC LIMIT 1}),
		'2|{"status": {"new": "done", "old": "open"}, "Price €": {"new": 2, "old": 1}}', "$how: a change is told");
	$node->safe_psql($how, q{TRUNCATE "My App".rest});
	$node->safe_psql($how, q{INSERT INTO "My App"."Tasks" VALUES (4, '00000000-0000-4000-8000-000000000003', 'new')});
	$node->safe_psql($how, q{DELETE FROM "My App"."Tasks" WHERE id = 2});
	$node->safe_psql($how, q{DELETE FROM "My App".users WHERE id = '00000000-0000-4000-8000-000000000003'});
	is($node->safe_psql($how, q{SELECT r.task_id, count(m.user_id) FROM taskchat.task_rooms AS r LEFT JOIN taskchat.task_members AS m USING (room_id) GROUP BY 1 ORDER BY 1}),
		"100|1\n3|0\n4|0", "$how: new, truncated and deleted rows, and a deleted user");
	$node->safe_psql($how, q{SELECT taskchat.unbind_tasks('"My App"."Tasks"')});
	is($node->safe_psql($how, $triggers), '', "$how: unbound");
	$node->safe_psql($how, q{SELECT taskchat.bind_tasks('"My App"."Tasks"', watch => '{status}', users => '"My App".users')});
}

$node->command_ok([ 'pg_dump', '-f', "$dir/plain.sql", $node->connstr('source') ], 'plain dump');
$node->safe_psql('postgres', 'CREATE DATABASE plain');
$node->command_ok([ 'psql', '-X', '-q', '-o', "$dir/out", '-v', 'ON_ERROR_STOP=1', '-f', "$dir/plain.sql", $node->connstr('plain') ], 'plain restore');
check_copy('plain');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/custom.dump", $node->connstr('source') ], 'custom dump');
$node->safe_psql('postgres', 'CREATE DATABASE custom');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('custom'), "$dir/custom.dump" ], 'custom restore');
check_copy('custom');
unlike(slurp_file("$dir/plain.sql"), qr/COPY taskchat\.stage/, 'no dump carries the stage');

# Prepared: numbered and stored when it is prepared, seen when it is committed.
$node->safe_psql('source', q{BEGIN; UPDATE "My App"."Tasks" SET status = 'later' WHERE id = 1; PREPARE TRANSACTION 'one'});
is($node->safe_psql('source', q{SELECT last_seq FROM taskchat.task_rooms WHERE task_id = '1'}), '1', 'nothing is seen while it is prepared');

# A crash in the middle of a transaction that has staged, and with a prepared one.
my $session = $node->background_psql('source', on_error_stop => 0);
$session->query_safe(q{BEGIN; UPDATE "My App"."Tasks" SET "Price €" = 5 WHERE id = 2; SELECT 1});
$node->stop('immediate');
$session->{run}->kill_kill;
$node->start;
$node->safe_psql('source', q{COMMIT PREPARED 'one'});
is($node->safe_psql('source', q{SELECT task_id, last_seq FROM taskchat.task_rooms WHERE task_id IN ('1', '2') ORDER BY 1}), "1|2\n2|1",
	'after a crash the prepared transaction has told its change, the open one nothing');
$node->safe_psql('source', q{UPDATE "My App"."Tasks" SET "Price €" = 6 WHERE id = 2});
is($node->safe_psql('source', q{SELECT last_seq FROM taskchat.task_rooms WHERE task_id = '2'}), '2', 'and it goes on');

# The stage keeps no more than it must: its rows are dead at once, and vacuum gives all back.
$node->safe_psql('source', q{DO $$ BEGIN FOR i IN 1 .. 2000 LOOP UPDATE "My App"."Tasks" SET "Price €" = i WHERE id = 2; COMMIT; END LOOP; END $$});
is($node->safe_psql('source', 'SELECT count(*) FROM taskchat.stage'), '0', 'the stage is empty between transactions');
cmp_ok($node->safe_psql('source', q{SELECT pg_relation_size('taskchat.stage') / 2000}), '<', 64, 'a transaction costs it less than 64 bytes');
# As soon as nobody else's snapshot (autovacuum's, as it may be) keeps them.
ok($node->poll_query_until('source', q{VACUUM taskchat.stage; SELECT pg_relation_size('taskchat.stage') = 0}, "VACUUM\nt"), 'vacuum gives them back');

# Gone with everything, but for the application's own.
$node->safe_psql('source', 'DROP EXTENSION taskchat');
is($node->safe_psql('source', $triggers), '', 'dropped with the extension: the triggers');
is($node->safe_psql('source', q{SELECT count(*) FROM "My App"."Tasks"}), '3', 'not the tables');
$node->safe_psql('source', q{UPDATE "My App"."Tasks" SET status = 'alone'; DELETE FROM "My App".users; TRUNCATE "My App"."Tasks"});
$node->safe_psql('plain', q{DROP TABLE "My App"."Tasks"; DROP TABLE "My App".users; DROP EXTENSION taskchat});
pass('bound tables can be dropped, and the extension after them');

$node->stop;
done_testing();
