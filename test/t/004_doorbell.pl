# The doorbell may stay silent, but a message is never lost for it: neither
# when the notification queue is nearly full nor in a prepared transaction.
# What the relay's slow poll looks at then shows that the room has moved.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--locale=C.UTF-8', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', 'max_prepared_transactions = 10');
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION taskchat;
	CREATE TABLE jobs (id int PRIMARY KEY, owner text NOT NULL, status text NOT NULL DEFAULT 'open');
	SELECT taskchat.bind_tasks('jobs', 'id', 'owner', '{status}');
	INSERT INTO jobs VALUES (1, 'ada');
	SELECT taskchat.add_member('1', 'ben');});
my $room = $node->safe_psql('postgres', q{SELECT room_id FROM taskchat.task_rooms WHERE task_id = '1'});
my $channel = $node->safe_psql('postgres', 'SELECT channel FROM taskchat.relay_hello()');

sub last_seq { return $node->safe_psql('postgres', "SELECT last_seq FROM taskchat.task_rooms WHERE room_id = $room") }

# What a relay that looks finds after a seq: the contents of messages, the kinds of other events.
sub fetched
{
	my ($after) = @_;
	return $node->safe_psql('postgres', qq{
		SELECT string_agg(coalesce(event::jsonb #>> '{message,content}', kind), ', ' ORDER BY seq)
		FROM taskchat.relay_fetch(ARRAY[$room], ARRAY[$after], 100)});
}

sub send_as
{
	my ($user, $content) = @_;
	$node->safe_psql('postgres', "BEGIN; SELECT taskchat.act_as('$user'); SELECT taskchat.send_message('1', '$content'); COMMIT");
}

my $listener = $node->background_psql('postgres');
$listener->query_safe("LISTEN $channel");
my $rung = qr/Asynchronous notification "$channel" with payload "(?:r$room"|e$room )/;

send_as('ada', 'one');
like($listener->query_safe('SELECT 1'), $rung, 'a message rings');

# A listener that sits in a transaction holds the queue's tail.
my $stuck = $node->background_psql('postgres');
$stuck->query_safe('LISTEN flood');
$stuck->query_safe('BEGIN');
$stuck->query_safe('SELECT 1');
$node->append_conf('postgresql.conf', 'taskchat.doorbell_queue_limit = 0.0005');
$node->reload;
$node->safe_psql('postgres', q{
	DO $$ BEGIN FOR i IN 1 .. 700 LOOP PERFORM pg_notify('flood', i || repeat('x', 7000)); END LOOP; END $$});
cmp_ok($node->safe_psql('postgres', 'SELECT pg_notification_queue_usage()'), '>', 0.0005, 'the queue counts as nearly full');

my $seq = last_seq();
send_as('ada', 'two');
$node->safe_psql('postgres', q{UPDATE jobs SET status = 'started' WHERE id = 1});
$node->safe_psql('postgres', q{SELECT taskchat.send_system_message('1', 'three')});
unlike($listener->query_safe('SELECT 1'), qr/notification/, 'then nothing rings');
is(last_seq(), $seq + 3, 'and all is stored');
is(fetched($seq), 'two, task_update, three', 'and found by who looks');

$stuck->query_safe('COMMIT');
$stuck->query_safe('SELECT 1');
$stuck->quit;
$node->poll_query_until('postgres', q{SELECT pg_notify('flood', '') IS NOT NULL AND pg_notification_queue_usage() < 0.0005})
	or die 'the queue does not drain';
send_as('ben', 'four');
like($listener->query_safe('SELECT 1'), $rung, 'once it drains it rings again');

# PREPARE TRANSACTION cannot NOTIFY. The event comes with COMMIT PREPARED.
$seq = last_seq();
$node->safe_psql('postgres', q{
	BEGIN;
	UPDATE jobs SET status = 'done' WHERE id = 1;
	SELECT taskchat.send_system_message('1', 'prepared');
	SELECT taskchat.notify_user('ada', 'payment');
	INSERT INTO jobs VALUES (2, 'ben');
	PREPARE TRANSACTION 'business'});
is(last_seq(), $seq, 'a prepared transaction shows nothing');
is(fetched($seq), '', 'and nobody is told');
$node->restart;
$listener->{run}->kill_kill;
is(last_seq(), $seq, 'not after a restart either');
$node->safe_psql('postgres', q{COMMIT PREPARED 'business'});
is(last_seq(), $seq + 2, 'COMMIT PREPARED moves the room');
is(fetched($seq), 'prepared, task_update', 'with its events');
is($node->safe_psql('postgres', q{SELECT count(*) FROM taskchat.notifications WHERE user_id = 'ada' AND kind = 'payment'}),
	'1', 'and its notification');
is($node->safe_psql('postgres', q{SELECT last_seq FROM taskchat.task_rooms WHERE task_id = '2'}), '1', 'and its room');
is($node->safe_psql('postgres', 'SELECT count(*) FROM taskchat.stage'), '0', 'the stage is empty');

$node->safe_psql('postgres', q{
	BEGIN;
	UPDATE jobs SET status = 'nothing' WHERE id = 1;
	PREPARE TRANSACTION 'business';
	ROLLBACK PREPARED 'business'});
is(last_seq(), $seq + 2, 'ROLLBACK PREPARED leaves no gap');
send_as('ada', 'after');
is(last_seq(), $seq + 3, 'the next message has the next seq');

$node->stop;
done_testing();
