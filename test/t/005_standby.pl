# A physical standby serves what members read; writing there is refused with
# 25006; and its promotion begins a new epoch of every room at once. So does
# what becomes of a physical copy.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1, extra => [ '--locale=C.UTF-8', '--encoding=UTF8' ]);
$primary->start;
$primary->safe_psql('postgres', q{
	CREATE EXTENSION taskchat;
	CREATE ROLE app LOGIN IN ROLE taskchat_backend;
	CREATE ROLE relay LOGIN IN ROLE taskchat_relay;
	SELECT taskchat.open_room('1', 'ada');
	SELECT taskchat.add_member('1', 'ben');
	SELECT taskchat.send_system_message('1', 'welcome');
	SELECT taskchat.notify_user('ada', 'payment');
	BEGIN; SELECT taskchat.act_as('ada'); SELECT taskchat.send_message('1', 'mine'); COMMIT;
	BEGIN; SELECT taskchat.act_as('ben'); SELECT taskchat.set_presence(true, '1'); COMMIT;
	BEGIN; SELECT taskchat.act_as('ada'); SELECT taskchat.set_presence(true); SELECT taskchat.set_presence(false); COMMIT;});
$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);

# What a statement gives to ada on the node, or its SQLSTATE.
sub as_ada
{
	my ($node, $statement) = @_;
	my ($out, $err);
	$node->psql('postgres', qq{
		\\set VERBOSITY sqlstate
		BEGIN;
		SELECT FROM taskchat.act_as('ada');
		$statement;
		COMMIT;},
		extra_params => [ '-U', 'app' ], stdout => \$out, stderr => \$err, on_error_stop => 0);
	return $err =~ /ERROR:  (\w{5})/ ? $1 : $out =~ s/\A\s+|\s+\z//gr;
}

# Every function and relation that reads gives the same as on the primary.
my %reads = (
	'rooms' => 'SELECT room_id, last_seq FROM taskchat.task_rooms',
	'members' => 'SELECT user_id, role, last_read_seq FROM taskchat.task_members ORDER BY 1',
	'messages' => 'SELECT seq, content FROM taskchat.task_messages',
	'events' => 'SELECT seq, kind FROM taskchat.task_events ORDER BY seq',
	'notifications' => 'SELECT seq, kind FROM taskchat.notifications',
	'get_messages' => q{SELECT seq, content FROM taskchat.get_messages('1')},
	'get_events' => q{SELECT seq, event FROM taskchat.get_events('1')},
	'get_rooms' => 'SELECT task_id, unread, (last_message).content FROM taskchat.get_rooms()',
	'search_messages' => q{SELECT seq FROM taskchat.search_messages('welcome')},
	'get_notifications' => 'SELECT seq, kind FROM taskchat.get_notifications()',
	'undelivered' => q{SELECT user_id, seq FROM taskchat.undelivered('0')},
	'delivery_stats' => 'SELECT messages FROM taskchat.delivery_stats()',
	'current_user_id' => 'SELECT taskchat.current_user_id()');
foreach my $what (sort keys %reads)
{
	my $here = as_ada($primary, $reads{$what});
	isnt($here, '', "$what: there is something to read");
	is(as_ada($standby, $reads{$what}), $here, "$what: the standby reads the same");
}

# Sessions live on the primary alone: here everybody is offline.
is(as_ada($standby, q{SELECT user_id, is_online FROM taskchat.get_presence('{ada,ben}') ORDER BY 1}), "ada|f\nben|f", 'get_presence');
is(as_ada($standby, 'SELECT user_id, is_online, current_task_id FROM taskchat.user_presence ORDER BY 1'), "ada|f|\nben|f|", 'user_presence');
is(as_ada($standby, q{SELECT last_seen IS NOT NULL FROM taskchat.user_presence WHERE user_id = 'ada'}), 't', 'when somebody went offline is known');
is(as_ada($standby, q{SELECT count(*) FROM taskchat.relay_presence('{ada}')}), '42501', 'rights are the same');

my @writes = (
	q{SELECT taskchat.send_message('1', 'x')},
	q{SELECT taskchat.send_message('1', 'x', client_msg_id => 'c1')},
	q{INSERT INTO taskchat.task_messages (task_id, content) VALUES ('1', 'x')},
	q{SELECT taskchat.edit_message((SELECT id FROM taskchat.task_messages WHERE sender_id = 'ada'), 'x')},
	q{SELECT taskchat.delete_message((SELECT id FROM taskchat.task_messages WHERE sender_id = 'ada'))},
	q{SELECT taskchat.mark_read('1', 1)},
	q{SELECT taskchat.mark_read('1', 0)},
	q{SELECT taskchat.set_muted('1', true)},
	q{SELECT taskchat.set_typing('1', true)},
	q{SELECT taskchat.set_presence(true)},
	q{SELECT taskchat.set_presence(false)},
	q{SELECT taskchat.mark_notification_read((SELECT id FROM taskchat.notifications))},
	q{SELECT taskchat.open_room('2', 'ada')},
	q{SELECT taskchat.open_room('1', 'ada')},
	q{SELECT taskchat.close_room('1')},
	q{SELECT taskchat.reopen_room('1')},
	q{SELECT taskchat.add_member('1', 'cyd')},
	q{SELECT taskchat.add_member('1', 'ben')},
	q{SELECT taskchat.add_member('1', 'cyd', 'applicant')},
	q{SELECT taskchat.remove_member('1', 'ben')},
	q{SELECT taskchat.send_system_message('1', 'x')},
	q{SELECT taskchat.publish_task_update('1', '{}')},
	q{SELECT taskchat.notify_user('ada', 'x')},
	q{SELECT taskchat.create_ticket('ada')},
	q{SELECT taskchat.end_sessions('ada')},
	q{SELECT taskchat.purge_messages('1 day')},
	q{SELECT taskchat.new_epoch()});
foreach my $statement (@writes)
{
	is(as_ada($standby, $statement), '25006', "standby: $statement");
}
# A read-only transaction of the primary is as good as a standby.
foreach my $statement (@writes)
{
	next if $statement =~ /set_typing/;    # NOTIFY alone is no writing there
	is(as_ada($primary, "SET TRANSACTION READ ONLY; $statement"), '25006', "read only: $statement");
}

# Of the relay: frames that read are served, others come back with 25006; nothing else breaks.
sub as_relay
{
	my ($node, $statement) = @_;
	my ($out, $err);
	$node->psql('postgres', "\\set VERBOSITY sqlstate\n$statement",
		extra_params => [ '-U', 'relay' ], stdout => \$out, stderr => \$err, on_error_stop => 0);
	return $err =~ /ERROR:  (\w{5})/ ? $1 : $out;
}
is( as_relay($standby, q{
		SELECT command, sqlstate FROM taskchat.relay_run('{ada,ada,ada,ada}', ARRAY[
			'{"type":"join_task_room","task_id":"1"}', '{"type":"get_messages","task_id":"1"}',
			'{"type":"send_message","task_id":"1","content":"x"}', '{"type":"user_presence","user_ids":["ben"]}'], false, 262144, 500, 200) ORDER BY 1}),
	"1|\n2|\n3|25006\n4|", 'frames by the relay');
is(as_relay($standby, q{SELECT is_online FROM taskchat.relay_presence('{ben}')}), 'f', 'presence for the relay');
is(as_relay($standby, q{SELECT taskchat.relay_beat('r', '15 s')}), '25006', 'no lease on a standby');

# Promotion.
my $epoch = q{SELECT data::jsonb ->> 'epoch' FROM taskchat.relay_run('{ada}', ARRAY['{"type":"get_events","task_id":"1"}'], false, 262144, 500, 200)};
my $hello = 'SELECT epoch FROM taskchat.relay_hello()';
my $before = as_relay($primary, $epoch);
my $hello_before = as_relay($primary, $hello);
is(as_relay($standby, $epoch), $before, 'a standby has the epoch of its primary');
$primary->restart;
is(as_relay($primary, $epoch), $before, 'which outlives a restart');
$primary->safe_psql('postgres', 'CREATE TABLE wait ()');
$primary->wait_for_catchup($standby);
$primary->stop;
$standby->promote;
isnt(as_relay($standby, $epoch), $before, 'a promoted standby has another at once');
isnt(as_relay($standby, $hello), $hello_before, 'and says so to relays');
my $promoted = as_relay($standby, $epoch);
$standby->safe_psql('postgres', 'CHECKPOINT');
is(as_relay($standby, $epoch), $promoted, 'and keeps it past its next checkpoint');
is(as_ada($standby, q{SELECT (taskchat.send_message('1', 'here now')).seq}),
	$standby->safe_psql('postgres', q{SELECT last_seq FROM taskchat.task_rooms}), 'sending goes on');
is(as_ada($standby, q{SELECT is_online FROM taskchat.set_presence(true)}), 't', 'presence works again');

# A copy that keeps its timeline needs new_epoch().
is(as_ada($standby, 'SELECT taskchat.new_epoch() IS NOT NULL'), 't', 'new_epoch()');
isnt(as_relay($standby, $epoch), $promoted, 'begins another');

$standby->stop;
done_testing();
