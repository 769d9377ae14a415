# At SERIALIZABLE what the extension does at commit is put apart from the
# server's watch: that costs a session no memory, and a session that is ended in
# the middle of it leaves nothing behind.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--locale=C.UTF-8', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "default_transaction_isolation = 'serializable'");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION taskchat;
	CREATE TABLE tasks (id text PRIMARY KEY, creator_id text, status int);
	INSERT INTO tasks VALUES ('a', 'ada', 0);
	SELECT taskchat.bind_tasks('tasks');});

my $bytes = q{SELECT sum(total_bytes) FROM pg_backend_memory_contexts};
my $tables = q{SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'Local predicate lock'};
my $update = q{UPDATE tasks SET status = status + 1 WHERE id = 'a';};

# Each time two parts: SET CONSTRAINTS and the commit.
my $twice = qq{BEGIN; $update SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; $update COMMIT;};
my @seen = split /\n/, $node->safe_psql('postgres', ($twice x 100) . "$bytes;" . ($twice x 1000) . "$bytes; $tables;");
cmp_ok($seen[1] - $seen[0], '<', 100_000, 'a thousand transactions take no memory');
is($seen[2], '1', 'and leave one table of predicate locks, that of who looks');
is($node->safe_psql('postgres', q{SELECT status FROM tasks}), '2200', 'all were committed');
is($node->safe_psql('postgres', q{SELECT count(*) FROM taskchat.task_events WHERE kind = 'task_update'}), '2200', 'and told');

# A session that waits in its commit is ended.
sub predicate_locks
{
	return $node->safe_psql('postgres', q{SELECT count(*) FROM pg_locks WHERE mode = 'SIReadLock' AND pid <> pg_backend_pid()});
}

foreach my $way (qw(pg_cancel_backend pg_terminate_backend))
{
	my $keeper = $node->background_psql('postgres');
	$keeper->query_safe(q{BEGIN ISOLATION LEVEL READ COMMITTED; SELECT (taskchat.send_system_message('a', 'keeping')).seq});
	my $business = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $business->query_safe('SELECT pg_backend_pid()');
	$business->query_safe("SET taskchat.commit_patience = '180s'; BEGIN; SELECT count(*) FROM tasks; $update");
	$business->query_until(qr/waiting/, "\\echo waiting\nCOMMIT;\n");
	$node->poll_query_until('postgres', qq{SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $pid})
		or die 'the commit does not wait';
	cmp_ok(predicate_locks(), '>', 0, "before $way: its locks are there");
	$node->safe_psql('postgres', "SELECT $way($pid)");
	$node->poll_query_until('postgres', qq{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid AND state <> 'idle')})
		or die 'it goes on';
	is(predicate_locks(), '0', "after $way: none is left");
	$keeper->query_safe('ROLLBACK');
	$keeper->quit;
	$business->{run}->kill_kill;
	is($node->safe_psql('postgres', q{SELECT status FROM tasks}), '2200', 'the change is undone');
}
is($node->safe_psql('postgres', "$update SELECT max(seq) - 2201 FROM taskchat.task_events"), '1', 'the next is committed and told');

$node->stop;
done_testing();
