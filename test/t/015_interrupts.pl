# Sessions that send, keep rooms busy and change tasks are cancelled, ended and
# timed out all the time: no number is lost, none comes twice, what is committed is told once, and
# nothing stays stuck.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--locale=C.UTF-8', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', 'log_min_messages = panic');
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION taskchat;
	CREATE TABLE tasks (id text PRIMARY KEY, creator_id text, status int);
	INSERT INTO tasks VALUES ('a', 'ada', 0), ('b', 'ada', 0);
	SELECT taskchat.bind_tasks('tasks');
	SELECT taskchat.add_member(t, u) FROM unnest('{a,b}'::text[]) t, unnest('{ben,cyd}'::text[]) u;});

my $dir = PostgreSQL::Test::Utils::tempdir();

# A worker runs its script over and over, on a new connection where one was ended.
sub worker
{
	my ($name, $sql, $times) = @_;
	append_to_file("$dir/$name.sql", "$sql\n" x $times);
	return IPC::Run::start([ 'sh', '-c', "while ! test -e $dir/stop; do psql -XAtq -f $dir/$name.sql >$dir/$name.out 2>&1; done" ],
		init => sub { $ENV{PGHOST} = $node->host; $ENV{PGPORT} = $node->port; $ENV{PGDATABASE} = 'postgres'; $ENV{PGAPPNAME} = 'worker'; });
}

sub sending
{
	my ($user, $task) = @_;
	return "BEGIN; SELECT taskchat.act_as('$user'); SELECT seq FROM taskchat.send_message('$task', 'x', client_msg_id => gen_random_uuid()::text); COMMIT;";
}

my @workers = (
	worker('ada', sending('ada', 'a'), 200),
	worker('ben', sending('ben', 'a') . sending('ben', 'b'), 200),
	worker('timed', "SET statement_timeout = '1ms';" . sending('cyd', 'a') . "SET statement_timeout = 0;" . sending('cyd', 'b'), 200),
	worker('keep', "BEGIN; SELECT taskchat.act_as('cyd'); SELECT seq FROM taskchat.send_message('a', 'x'); SELECT pg_sleep(0.01); COMMIT;", 200),
	worker('read', "BEGIN; SELECT taskchat.act_as('cyd'); SELECT taskchat.mark_read('a', 1000000); SELECT taskchat.set_presence(true); COMMIT;", 200),
	worker('update', "BEGIN ISOLATION LEVEL SERIALIZABLE; UPDATE tasks SET status = status + 1; COMMIT;", 200),
	worker('subs', "SET taskchat.commit_patience = 0; BEGIN; UPDATE tasks SET status = status + 1 WHERE id = 'a'; SAVEPOINT s; UPDATE tasks SET status = status + 1; ROLLBACK TO s; COMMIT;", 200));

# For some seconds, and where the machine is slow until enough has come of it.
my $much = q{SELECT (SELECT last_value FROM taskchat.pending_numbers) > 20 AND (SELECT min(last_seq) FROM taskchat.task_rooms) > 20};
my $began = time;
my $round = 0;
while (time < $began + 8 || (time < $began + 180 && $node->safe_psql('postgres', $much) ne 't'))
{
	my $way = $round++ % 5 == 0 ? 'pg_terminate_backend' : 'pg_cancel_backend';
	$node->safe_psql('postgres', "SELECT $way(pid) FROM pg_stat_activity WHERE application_name = 'worker' AND random() < 0.5");
}
append_to_file("$dir/stop", '');
IPC::Run::finish($_) foreach @workers;
note("$round rounds");

# Whoever was ended last is gone.
$node->poll_query_until('postgres', q{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'worker')})
	or die 'a worker stays';
# (Those of autovacuum come and go.)
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_locks WHERE pid <> pg_backend_pid()}), 'no lock stays');
$node->safe_psql('postgres', 'SELECT taskchat.deliver_pending()');
is($node->safe_psql('postgres', 'SELECT count(*) FROM taskchat.pending'), '0', 'nothing waits');
cmp_ok($node->safe_psql('postgres', 'SELECT last_value FROM taskchat.pending_numbers'), '>', 20, 'though much did');
cmp_ok($node->safe_psql('postgres', 'SELECT min(last_seq) FROM taskchat.task_rooms'), '>', 20, 'much was sent');
is( $node->safe_psql('postgres', q{
		SELECT r.task_id, r.last_seq - count(*), count(DISTINCT l.seq) - count(*), max(l.seq) - r.last_seq
		FROM taskchat.task_rooms r JOIN (SELECT room_id, seq FROM taskchat.task_messages UNION ALL SELECT room_id, seq FROM taskchat.task_events) l USING (room_id)
		GROUP BY r.room_id ORDER BY 1}),
	"a|0|0|0\nb|0|0|0", 'each number is there once');
is( $node->safe_psql('postgres', q{
		SELECT t.id, t.status - max((e.payload -> 'status' ->> 'new')::int),
			count(*) FILTER (WHERE (e.payload -> 'status' ->> 'old')::int <> coalesce(e.before, 0)) FROM tasks t
		JOIN (SELECT task_id, payload, (lag(payload) OVER (PARTITION BY task_id ORDER BY seq) -> 'status' ->> 'new')::int AS before
			FROM taskchat.task_events WHERE kind = 'task_update') e ON e.task_id = t.id
		GROUP BY t.id ORDER BY 1}),
	"a|0|0\nb|0|0", 'each change that was committed is told once and in order');
is( $node->safe_psql('postgres', "SET statement_timeout = '60s';" . sending('ada', 'a') =~ s/SELECT seq/SELECT 'sent'/r),
	"\nsent", 'sending goes on');

$node->stop;
done_testing();
