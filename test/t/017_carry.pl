# What a bell brings along: one message is carried, under seal; everything else
# is only said to have happened.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('carry');
$node->init(extra => [ '--locale=C.UTF-8', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION taskchat;
	SELECT taskchat.open_room('1', 'ada');
	SELECT taskchat.open_room('2', 'ada');});
my $channel = $node->safe_psql('postgres', 'SELECT channel FROM taskchat.doorbell_channel');
my %room = map { $_ => $node->safe_psql('postgres', "SELECT room_id FROM taskchat.task_rooms WHERE task_id = '$_'") } 1, 2;
my $listener = $node->background_psql('postgres');
$listener->query_safe("LISTEN $channel");

# The payloads of a transaction of ada's, sorted; a sealed one as "e<room_id> <bytes of the event and its seal>".
sub rung
{
	my ($statements) = @_;
	$node->safe_psql('postgres', "BEGIN; SELECT FROM taskchat.act_as('ada'); $statements; COMMIT");
	my $out = $listener->query_safe('SELECT');
	my @payloads = $out =~ /with payload "([^"]*)"/g;
	unlike("@payloads", qr/secret/, 'nothing can be read');
	return join ' ', sort map { s{ ([A-Za-z0-9+/]+={0,2})\z}{' ' . int(length($1) * 3 / 4 / 100) * 100}er } @payloads;
}

my $send = "SELECT taskchat.send_message('1', 'secret')";
is(rung($send), "e$room{1} 400", 'one message goes along');
is(rung("INSERT INTO taskchat.task_messages (task_id, content) VALUES ('1', 'secret')"), "e$room{1} 400", 'so does a plain INSERT\'s');
is(rung("$send; $send"), "r$room{1}", 'two do not');
is(rung("$send; SELECT taskchat.send_message('2', 'secret')"), join(' ', sort "r$room{1}", "r$room{2}"), 'nor do those of two rooms');
is(rung("SAVEPOINT s; $send; ROLLBACK TO s"), "r$room{1}", 'nor one that was rolled back');
is(rung("SAVEPOINT s; $send; ROLLBACK TO s; $send"), "r$room{1}", 'nor the one after it');
is(rung("SELECT taskchat.edit_message((taskchat.send_message('1', 'secret')).id, 'secret too')"), "r$room{1}", 'nor one that was edited at once');
is(rung("SELECT taskchat.close_room('1')"), "r$room{1}", 'nor another event');
is(rung("SELECT taskchat.reopen_room('1')"), "r$room{1}", 'of whatever kind');
is(rung("SELECT taskchat.publish_task_update('1', '{\"a\": 1}'); $send"), "r$room{1}", 'nor a message beside one');
is(rung("SELECT taskchat.send_message('1', repeat('x', 7000))"), "r$room{1}", 'nor a long one');
is(rung("SELECT taskchat.send_message('1', (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 100) i))"), "r$room{1}", 'nor one that is stored elsewhere');

# Nothing of that is worth waiting, or failing, for.
my $locker = $node->background_psql('postgres');
my $waiter = $node->background_psql('postgres', on_error_stop => 0);
$waiter->query_safe("SET lock_timeout = '1s'; BEGIN; SELECT FROM taskchat.act_as('ada'); SAVEPOINT s; $send; ROLLBACK TO s");
$locker->query_safe('BEGIN; LOCK TABLE taskchat.task_messages');
is($waiter->query('COMMIT; SELECT 1'), '1', 'the commit');
is($waiter->{stderr}, '', 'does not wait for whoever has the table');
$locker->query_safe('ROLLBACK');
$_->quit for $locker, $waiter;
like($listener->query_safe('SELECT'), qr/payload "r\d+"/, 'and rings');
my $insert = "INSERT INTO taskchat.task_messages (task_id, content) VALUES ('1', 'secret')";
is(rung("$insert; ALTER TABLE taskchat.task_messages RENAME CONSTRAINT task_messages_pkey TO elsewhere"), "r$room{1}", 'nor does it need the index');
is(rung($send), "e$room{1} 400", 'which is needed only where the row may have moved');
$node->safe_psql('postgres', 'ALTER TABLE taskchat.task_messages RENAME CONSTRAINT elsewhere TO task_messages_pkey');

# Wherever the row has got to.
is(rung("$send; CLUSTER taskchat.task_messages USING task_messages_pkey"), "e$room{1} 400", 'the table was written anew');
is(rung("$send; UPDATE taskchat.task_messages SET read_at = now() WHERE seq = (SELECT max(seq) FROM taskchat.task_messages)"), "e$room{1} 400", 'the row was');
is(rung("$send; SET LOCAL session_replication_role = replica; DELETE FROM taskchat.task_messages WHERE seq = (SELECT max(seq) FROM taskchat.task_messages)"), "r$room{1}", 'it is gone');
is(rung("$send; SET LOCAL session_replication_role = replica; TRUNCATE taskchat.task_messages"), "r$room{1}", 'the table is empty');

my ($one, $other) = map {
	$node->safe_psql('postgres', "BEGIN; SELECT FROM taskchat.act_as('ada'); $send; COMMIT");
	$listener->query_safe('SELECT') =~ /with payload "e\d+ ([^"]*)"/
} 1, 2;
isnt(substr($one, 0, 16), substr($other, 0, 16), 'no nonce comes twice');

$node->safe_psql('postgres', 'UPDATE taskchat.doorbell_channel SET seal = NULL');
is(rung($send), "r$room{1}", 'without a key nothing goes along');
$node->safe_psql('postgres', "UPDATE taskchat.doorbell_channel SET seal = sha256('x')");
is(rung($send), "e$room{1} 400", 'another key is used at once');

# A session that has sent before knows of each change, and of none that was taken back.
my $session = $node->background_psql('postgres');
my $carries = sub {
	my ($statements, $end) = @_;
	$session->query_safe("BEGIN; SELECT FROM taskchat.act_as('ada'); $statements; $end");
	return join ' ', $listener->query_safe('SELECT') =~ /with payload "(.)/g;
};
is($carries->($send, 'COMMIT'), 'e', 'a session sends');
$node->safe_psql('postgres', 'UPDATE taskchat.doorbell_channel SET seal = NULL');
is($carries->($send, 'COMMIT'), 'r', 'it hears that the key has gone');
is($carries->("UPDATE taskchat.doorbell_channel SET seal = sha256('y'); $send", 'ROLLBACK'), '', 'its own key is rolled back');
is($carries->($send, 'COMMIT'), 'r', 'and is not used');
is($carries->("SAVEPOINT s; UPDATE taskchat.doorbell_channel SET seal = sha256('y'), channel = 'elsewhere'; ROLLBACK TO s; $send", 'COMMIT'), 'r', 'nor after a savepoint');
$node->safe_psql('postgres', qq{
	SET session_replication_role = replica;
	BEGIN; TRUNCATE taskchat.doorbell_channel; INSERT INTO taskchat.doorbell_channel VALUES ('$channel', sha256('z')); COMMIT});
is($carries->($send, 'COMMIT'), 'e', 'and that there is another');
$node->safe_psql('postgres', "UPDATE taskchat.doorbell_channel SET channel = 'elsewhere'");
is($carries->($send, 'COMMIT'), '', 'and where it is to ring');
$node->safe_psql('postgres', "UPDATE taskchat.doorbell_channel SET channel = '$channel'");
$session->quit;

$node->safe_psql('postgres', q{
	CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0});
$node->safe_psql('latin', q{
	CREATE EXTENSION taskchat;
	SELECT taskchat.open_room('1', 'ada');});
$channel = $node->safe_psql('latin', 'SELECT channel FROM taskchat.doorbell_channel');
is($node->safe_psql('latin', "LISTEN $channel; BEGIN; SELECT FROM taskchat.act_as('ada'); $send; COMMIT") =~ /payload "(.)/ && $1, 'r',
	'nothing goes along in another encoding than UTF-8');

# Who doesn't read on makes the queue grow: then bells are short, long before there are none.
my $stuck = $node->background_psql('postgres');
$stuck->query_safe('LISTEN flood');
$stuck->query_safe('BEGIN');
$stuck->query_safe('SELECT 1');
$node->safe_psql('postgres', q{
	DO $$ BEGIN FOR i IN 1 .. 700 LOOP PERFORM pg_notify('flood', i || repeat('x', 7000)); END LOOP; END $$});
my $usage = $node->safe_psql('postgres', 'SELECT pg_notification_queue_usage()');
my @limits = map { sprintf 'SET LOCAL taskchat.doorbell_queue_limit = %.9f', $usage * $_ } 4, 16;
is(rung("$limits[0]; $send"), "r$room{1}", 'nothing goes along where the queue has grown');
is(rung("$limits[1]; $send"), "e$room{1} 400", 'but for a little');
$stuck->quit;

$listener->quit;
$node->stop;
done_testing();
