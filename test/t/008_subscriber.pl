# A subscriber of logical replication: members read there what they read on the
# publisher, nothing is announced a second time, and it can take over.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(allows_streaming => 'logical', extra => [ '--locale=C.UTF-8', '--encoding=UTF8' ]);
$publisher->start;
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init(extra => [ '--locale=C.UTF-8', '--encoding=UTF8' ]);
$subscriber->start;

sub as_user
{
	my ($node, $user, $statement) = @_;
	my $out = $node->safe_psql('postgres', qq{
		BEGIN; SELECT FROM taskchat.act_as('$user'); SET LOCAL ROLE taskchat_user; $statement; COMMIT});
	return $out =~ s/\A\s+|\s+\z//gr;
}

$publisher->safe_psql('postgres', q{
	CREATE EXTENSION taskchat;
	SELECT taskchat.open_room('1', 'ada');
	SELECT taskchat.add_member('1', 'ben');
	SELECT taskchat.add_member('1', 'cyd', 'applicant');
	SELECT taskchat.send_system_message('1', 'before');
	CREATE PUBLICATION chat FOR TABLE taskchat.task_rooms, taskchat.task_members, taskchat.task_messages, taskchat.task_events,
		taskchat.notifications, taskchat.notification_counters, taskchat.last_seen, taskchat.pending;});
$subscriber->safe_psql('postgres', 'CREATE EXTENSION taskchat');
my $channel = $subscriber->safe_psql('postgres', 'SELECT channel FROM taskchat.doorbell_channel');
my $listener = $subscriber->background_psql('postgres');
$listener->query_safe("LISTEN $channel");
my $connection = $publisher->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION chat CONNECTION '$connection' PUBLICATION chat");
$subscriber->safe_psql('postgres', 'ALTER DATABASE postgres SET default_transaction_read_only = on');
$subscriber->wait_for_subscription_sync($publisher, 'chat');

# All kinds of changes.
as_user($publisher, 'ben', q{
	SELECT taskchat.send_message('1', 'one', client_msg_id => 'c1');
	SELECT taskchat.send_message('1', 'two');
	SELECT taskchat.edit_message(id, 'one, edited') FROM taskchat.get_messages('1') WHERE content = 'one';
	SELECT taskchat.delete_message(id) FROM taskchat.get_messages('1') WHERE content = 'two'});
as_user($publisher, 'ada', q{SELECT taskchat.mark_read('1', 4); SELECT taskchat.set_muted('1', true); SELECT taskchat.set_presence(true); SELECT taskchat.set_presence(false)});
$publisher->safe_psql('postgres', q{
	SELECT taskchat.close_room('1', 'cyd');
	SELECT taskchat.remove_member('1', 'cyd');
	SELECT taskchat.notify_user('ben', 'payment');
	SELECT taskchat.open_room('2', 'ben');
	SELECT taskchat.send_system_message('2', 'x');
	SELECT taskchat.purge_messages('0')});
$publisher->safe_psql('postgres', q{SELECT taskchat.send_system_message('1', 'after')});
as_user($publisher, 'ben', q{SELECT taskchat.send_message('1', 'three')});
# Something that waits for its room when the publisher ends.
my $keeper = $publisher->background_psql('postgres');
$keeper->query_safe(q{BEGIN; SELECT (taskchat.send_system_message('2', 'not to stay')).seq});
$publisher->safe_psql('postgres', q{SET taskchat.commit_patience = 0; SELECT taskchat.publish_task_update('2', '{"later": 1}')});
$keeper->query_safe('ROLLBACK');
$keeper->quit;
is($publisher->safe_psql('postgres', 'SELECT count(*) FROM taskchat.pending'), '1', 'something waits');
$publisher->wait_for_catchup('chat');

foreach my $table (qw(task_rooms task_members task_messages task_events notifications notification_counters last_seen pending))
{
	my $rows = "SELECT t FROM taskchat.$table AS t ORDER BY t::text";
	is($subscriber->safe_psql('postgres', $rows), $publisher->safe_psql('postgres', $rows), "$table is the same");
}
foreach my $user (qw(ada ben cyd eve))
{
	foreach my $read ('SELECT room_id, seq, content FROM taskchat.task_messages ORDER BY 1, 2', 'SELECT room_id, seq, kind FROM taskchat.task_events ORDER BY 1, 2',
		'SELECT * FROM taskchat.get_rooms()', 'SELECT * FROM taskchat.get_notifications()', q{SELECT seq FROM taskchat.search_messages('three')})
	{
		is(as_user($subscriber, $user, $read), as_user($publisher, $user, $read), "$user: $read");
	}
}
unlike($listener->query_safe('SELECT 1'), qr/notification "/, 'no bell rings a second time');
$listener->quit;

# Writing there is refused; replication itself is not.
foreach my $statement (q{SELECT taskchat.send_message('1', 'x')}, q{INSERT INTO taskchat.task_messages (task_id, content) VALUES ('1', 'x')},
	q{SELECT taskchat.mark_read('1', 9)}, q{SELECT taskchat.open_room('9', 'ada')}, q{SELECT taskchat.close_room('1')})
{
	my $err;
	$subscriber->psql('postgres', "\\set VERBOSITY sqlstate\nBEGIN; SELECT taskchat.act_as('ada'); $statement", stderr => \$err, on_error_stop => 0);
	like($err, qr/ERROR:  25006/, $statement);
}

# It takes over.
$publisher->stop;
$subscriber->safe_psql('postgres', q{
	SET default_transaction_read_only = off;
	ALTER DATABASE postgres RESET default_transaction_read_only;
	ALTER SUBSCRIPTION chat DISABLE;
	ALTER SUBSCRIPTION chat SET (slot_name = NONE);
	DROP SUBSCRIPTION chat;
	SELECT setval('taskchat.room_numbers', max(room_id)) FROM taskchat.task_rooms;
	SELECT setval('taskchat.pending_numbers', max(id)) FROM taskchat.pending});
$subscriber->safe_psql('postgres', 'SELECT taskchat.deliver_pending()');
is($subscriber->safe_psql('postgres', q{SELECT payload FROM taskchat.task_events WHERE task_id = '2' ORDER BY seq DESC LIMIT 1}), '{"later": 1}', 'what waited is told');
my $last = $subscriber->safe_psql('postgres', q{SELECT last_seq FROM taskchat.task_rooms WHERE task_id = '1' AND applicant_id IS NULL});
is(as_user($subscriber, 'ben', q{SELECT (taskchat.send_message('1', 'here now')).seq}), $last + 1, 'sending goes on');
is(as_user($subscriber, 'ben', q{SELECT (taskchat.send_message('1', 'again', client_msg_id => 'c2')).seq}), $last + 2, 'and on');
my $highest = $subscriber->safe_psql('postgres', 'SELECT max(room_id) FROM taskchat.task_rooms');
is($subscriber->safe_psql('postgres', q{SELECT (taskchat.open_room('3', 'ada')).room_id}), $highest + 1, 'a new room has a new number');

$subscriber->stop;
done_testing();
