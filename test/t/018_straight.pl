# Messages are sent while their table and its indexes are made anew under the
# senders: every index has every row in the end.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('straight');
$node->init(extra => [ '--locale=C.UTF-8', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION taskchat;
	CREATE EXTENSION amcheck;
	SELECT taskchat.open_room('r' || i, 'ada') FROM generate_series(1, 20) i;});

my $script = $node->basedir . '/send.sql';
append_to_file($script, q{
\set room random(1, 20)
SELECT taskchat.act_as('ada'), (taskchat.send_message('r' || :room, 'word' || :client_id || ' ' || :room, client_msg_id => gen_random_uuid()::text)).seq;
});
my @changes = (
	'REINDEX TABLE taskchat.task_messages',
	'REINDEX TABLE CONCURRENTLY taskchat.task_messages',
	'ANALYZE taskchat.task_messages',
	'CREATE INDEX added ON taskchat.task_messages (lower(content))',
	'VACUUM taskchat.task_messages',
	'DROP INDEX taskchat.added',
	'CREATE INDEX CONCURRENTLY added ON taskchat.task_messages (sender_id, created_at)',
	'VACUUM FULL taskchat.task_messages',
	'DROP INDEX taskchat.added',
	'REINDEX INDEX taskchat.task_messages_search',
	'REINDEX INDEX CONCURRENTLY taskchat.task_messages_time',
	'ALTER TABLE taskchat.task_messages SET (fillfactor = 90)',
	'BEGIN; ALTER TABLE taskchat.task_messages ADD COLUMN language text; ROLLBACK',
	'CREATE TABLE more (LIKE pg_class); ANALYZE more; DROP TABLE more');

# Sends for some seconds, and makes all changes meanwhile; gives how many messages there are then.
sub send_and_change
{
	my ($out, $err) = ('', '');
	my $senders = IPC::Run::start([ 'pgbench', '-n', '-M', 'prepared', '-c', 4, '-T', 8, '-f', $script, '-h', $node->host, '-p', $node->port, 'postgres' ],
		'<', \undef, '>', \$out, '2>', \$err);
	my $end = time() + 7;
	do { $node->safe_psql('postgres', $_) for @changes } while time() < $end;
	$senders->finish;
	is($senders->result(0), 0, 'all was sent while the table was changed') or diag($err);
	like($out, qr/number of failed transactions: 0 /, 'nothing failed');
	return $node->safe_psql('postgres', 'SELECT count(*) FROM taskchat.task_messages');
}

# A slow machine needs several times for many.
my $sent = 0;
for (my $times = 1; $times <= 10 && $sent <= 100; $times++)
{
	$sent = send_and_change();
}
cmp_ok($sent, '>', 100, 'many were sent');
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM taskchat.task_rooms r
	WHERE r.last_seq - 1 <> (SELECT count(*) FROM taskchat.task_messages m WHERE m.room_id = r.room_id)}),
	'0', 'and every line is whole');
for my $index (qw(task_messages_pkey task_messages_id_key task_messages_client_msg_id_key))
{
	is($node->safe_psql('postgres', "SELECT bt_index_check('taskchat.$index', true)"), '', "$index has every row");
}
my $count = sub {
	my ($index, $condition) = @_;
	return $node->safe_psql('postgres', ($index ? 'SET enable_seqscan = off; SET enable_indexscan = off;' : 'SET enable_bitmapscan = off; SET enable_indexscan = off;')
		. " SELECT count(*) FROM taskchat.task_messages WHERE $condition");
};
for my $condition ("to_tsvector('simple', content) @@ 'word1'", "created_at > 'yesterday'")
{
	is($count->(1, $condition), $count->(0, $condition), "the index of $condition too");
}
$node->stop;
done_testing();
