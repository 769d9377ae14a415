# Rooms, their messages and their counters survive a crash, and sending goes
# on where it stopped.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--locale=C.UTF-8', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION taskchat');

# Sends as the user and gives the message's seq.
sub send_as
{
	my ($user, $task, $content, $applicant) = @_;
	my $to = defined $applicant ? ", applicant_id => '$applicant'" : '';
	my $out = $node->safe_psql('postgres', qq{
		BEGIN;
		SELECT taskchat.act_as('$user');
		SET LOCAL ROLE taskchat_user;
		SELECT (taskchat.send_message('$task', '$content'$to)).seq;
		COMMIT;});
	return (split /\n/, $out)[-1];
}

# The whole line of a room as one string.
sub line_of
{
	my ($task) = @_;
	return $node->safe_psql('postgres', qq{
		SELECT seq, what FROM (
			SELECT seq, 'message ' || content || ' ' || id || ' ' || created_at AS what
			FROM taskchat.task_messages WHERE task_id = '$task' AND applicant_id IS NULL
			UNION ALL
			SELECT seq, 'event ' || kind || ' ' || created_at
			FROM taskchat.task_events WHERE task_id = '$task' AND applicant_id IS NULL) AS line
		ORDER BY seq});
}

# True if the main room's line is 1, 2, 3 ... last_seq, each once.
sub gapless
{
	my ($task) = @_;
	return $node->safe_psql('postgres', qq{
		SELECT array_agg(seq ORDER BY seq) = (SELECT array_agg(n) FROM generate_series(1, max(r.last_seq)) AS n)
		FROM taskchat.task_rooms AS r
		JOIN (SELECT room_id, seq FROM taskchat.task_messages
			  UNION ALL SELECT room_id, seq FROM taskchat.task_events) AS line USING (room_id)
		WHERE r.task_id = '$task' AND r.applicant_id IS NULL});
}

$node->safe_psql('postgres', q{
	SELECT taskchat.open_room('t1', 'ada');
	SELECT taskchat.add_member('t1', 'ben');
	SELECT taskchat.add_member('t1', 'cyd', 'applicant');
	SELECT taskchat.publish_task_update('t1', '{"status": {"old": "open", "new": "done"}}');});
my $last;
$last = send_as($_ % 2 ? 'ada' : 'ben', 't1', "before $_") for 1 .. 10;
send_as('cyd', 't1', 'private', 'cyd');
my $before = line_of('t1');
is(gapless('t1'), 't', 'the line has no gap before the crash');

# A transaction that is open while the server crashes leaves no trace.
my $open = $node->background_psql('postgres', on_error_stop => 0);
$open->query_safe(q{BEGIN; SELECT taskchat.act_as('ben'); SELECT taskchat.send_message('t1', 'lost');});
$node->stop('immediate');
$open->{run}->kill_kill;
$node->start;

is(line_of('t1'), $before, 'the line is the same after the crash');
is(send_as('ben', 't1', 'after'), $last + 1, 'the next message has the next seq');
is(gapless('t1'), 't', 'the line has no gap after the crash');
is(send_as('ada', 't1', 'answer', 'cyd') > 0, 1, 'the private room works on');

$node->restart;
is(send_as('ada', 't1', 'after a restart'), $last + 2, 'an ordinary restart loses no seq either');

# What only a running database needs may be gone, but is no error.
is( $node->safe_psql('postgres', q{SELECT count(*) FROM taskchat.user_presence WHERE is_online}),
	'0', 'nobody is online by an old lease');

$node->stop;
done_testing();
