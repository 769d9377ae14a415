# Who owns the extension and its database need be no superuser to take a dump
# of it and to bring it back: only CREATE EXTENSION wants one.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--locale=C.UTF-8', '--encoding=UTF8' ]);
$node->start;
my @as_keeper = ('-U', 'keeper');

sub as_keeper
{
	my ($db, $sql) = @_;
	return $node->safe_psql($db, $sql, extra_params => \@as_keeper);
}

# A superuser for as long as it takes to make the extension.
$node->safe_psql('postgres', 'CREATE ROLE keeper LOGIN SUPERUSER');
foreach my $db (qw(source copy))
{
	$node->safe_psql('postgres', "CREATE DATABASE $db OWNER keeper");
	as_keeper($db, 'CREATE EXTENSION taskchat');
}
$node->safe_psql('postgres', 'ALTER ROLE keeper NOSUPERUSER; GRANT taskchat_backend TO keeper');

as_keeper('source', q{
	CREATE TABLE jobs (id int PRIMARY KEY, owner text NOT NULL, status text NOT NULL DEFAULT 'open');
	SELECT taskchat.bind_tasks('jobs', 'id', 'owner', '{status}');
	INSERT INTO jobs VALUES (1, 'ada'), (2, 'ada');
	UPDATE jobs SET status = 'started' WHERE id = 1;
	SELECT taskchat.add_member('1', 'ben');
	SELECT taskchat.send_system_message('1', 'welcome');
	SELECT taskchat.notify_user('ada', 'payment', '{"amount": 5}', '1');
	BEGIN;
	SELECT taskchat.act_as('ben');
	SELECT taskchat.send_message('1', 'a question', client_msg_id => 'c1');
	SELECT taskchat.send_message('1', 'an answer to it', reply_to => m.id) FROM taskchat.get_messages('1', max_rows => 1) AS m;
	SELECT taskchat.mark_read('1', 4);
	COMMIT;});

my @all = map { "SELECT * FROM taskchat.$_ ORDER BY 1, 2" } qw(task_rooms task_members task_events notifications notification_counters);
push @all, 'SELECT * FROM taskchat.task_messages ORDER BY room_id, seq', 'SELECT last_value FROM taskchat.room_numbers';
my $dir = PostgreSQL::Test::Utils::tempdir();
my $before = join "\n", map { as_keeper('source', $_) } @all;

$node->command_ok([ 'pg_dump', @as_keeper, '-Fc', '-f', "$dir/dump", 'source' ], 'the owner dumps');
$node->command_ok([ 'pg_restore', @as_keeper, '--exit-on-error', '-d', 'copy', "$dir/dump" ], 'and restores');
is(join("\n", map { as_keeper('copy', $_) } @all), $before, 'every row is there');
is( as_keeper('copy', q{
		BEGIN; SELECT taskchat.act_as('ben');
		SELECT content FROM taskchat.send_message('1', 'again', client_msg_id => 'c1');
		SELECT seq FROM taskchat.send_message('1', 'new'); COMMIT;}),
	"\na question\n7", 'what was sent is not sent again, and sending goes on');
as_keeper('copy', q{UPDATE jobs SET status = 'finished' WHERE id = 1; INSERT INTO jobs VALUES (3, 'ada')});
is(as_keeper('copy', q{SELECT task_id, last_seq FROM taskchat.task_rooms ORDER BY 1}), "1|8\n2|1\n3|1", 'the bound table still tells its changes');

# The rest of what the extension's functions do, with the rights of such an owner.
is( as_keeper('copy', q{
		BEGIN; SELECT taskchat.act_as('ben'); SET LOCAL ROLE taskchat_user;
		SELECT count(*) FROM taskchat.get_rooms();
		SELECT count(*) FROM taskchat.task_messages;
		SELECT count(*) FROM taskchat.search_messages('question');
		SELECT is_online FROM taskchat.set_presence(true); COMMIT;}),
	"\n1\n4\n1\nt", 'members read, search and are online');
is(as_keeper('copy', q{SELECT taskchat.unbind_tasks('jobs'); SELECT taskchat.purge_messages('0')}), "\n10", 'unbinding and purging');

$node->stop;
done_testing();
