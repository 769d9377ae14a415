# Rows that move to other pages are found all the same: who is a member is one,
# in the room that was meant, what is published for a task reaches its room, and
# a message sent again is known again, can be answered and edited.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--locale=C.UTF-8', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION taskchat;
	SELECT taskchat.open_room('moving', 'u0');
	SELECT count(taskchat.add_member('moving', 'u' || n)) FROM generate_series(1, 300) AS n;
	SELECT count(taskchat.add_member('moving', 'u' || n, 'applicant')) FROM generate_series(1, 300) AS n;
	BEGIN;
	SELECT taskchat.act_as('u0');
	SELECT FROM taskchat.send_message('moving', 'once', client_msg_id => 'm');
	COMMIT;
	CREATE TABLE lost (what text);
	CREATE TABLE published (n serial)});

# Many rows of a page in one transaction find no room there.
my $move_members = q{UPDATE taskchat.task_members SET last_delivered_seq = last_delivered_seq + 1 WHERE task_id = 'moving';};
my $move_rooms = q{UPDATE taskchat.task_rooms SET closed_at = clock_timestamp() WHERE task_id = 'moving';};
my $find = q{
	DO $$
	DECLARE main CONSTANT bigint := (SELECT room_id FROM taskchat.task_rooms WHERE task_id = 'moving' AND applicant_id IS NULL);
	BEGIN
		FOR i IN 1 .. 2000 LOOP
			PERFORM taskchat.act_as('u' || 1 + i % 300);
			BEGIN
				IF taskchat.find_room('moving', NULL, false) <> main THEN
					INSERT INTO lost VALUES ('another room');
				END IF;
			EXCEPTION WHEN insufficient_privilege THEN
				INSERT INTO lost VALUES ('no room');
			END;
		END LOOP;
	END $$;};
my $publish = q{
	WITH p AS (INSERT INTO published DEFAULT VALUES RETURNING n)
	SELECT taskchat.publish_task_update('moving', jsonb_build_object('n', n), 'u' || 1 + n % 300) FROM p;};
my %scripts = (find => [ $move_members, $find ], publish => [ $move_rooms, $publish ]);

for my $name (sort keys %scripts) {
	my @files;
	for my $i (0, 1) {
		push @files, '-f', "$PostgreSQL::Test::Utils::tmp_check/moving_${name}_$i.sql" . ($i && $name eq 'publish' ? '@20' : '');
		append_to_file("$PostgreSQL::Test::Utils::tmp_check/moving_${name}_$i.sql", $scripts{$name}[$i]);
	}
	$node->command_ok([ 'pgbench', '--no-vacuum', '-c', '4', '-T', '8', '-h', $node->host, '-p', $node->port, @files, 'postgres' ],
		"$name while rows move");
}
is($node->safe_psql('postgres', 'SELECT what, count(*) FROM lost GROUP BY what ORDER BY what'), '', 'every member has the room that was meant');
$node->safe_psql('postgres', 'SELECT taskchat.deliver_pending()');
is($node->safe_psql('postgres', q{
		SELECT n FROM published EXCEPT ALL SELECT (payload ->> 'n')::int FROM taskchat.task_events WHERE kind = 'task_update' ORDER BY n}),
	'', 'everything published has come to its room');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM published'), '>', 0, 'there was something');

# A message of which an old snapshot keeps many versions: a look goes through
# them all, and comes to the last one when it may have gone on.  It moves rarely,
# beside the time of a look.
my $old = $node->background_psql('postgres');
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
$node->safe_psql('postgres', q{
	SET session_replication_role = replica;
	DO $$ BEGIN
		FOR i IN 1 .. 2000 LOOP
			UPDATE taskchat.task_messages SET created_at = clock_timestamp() WHERE client_msg_id = 'm';
		END LOOP;
	END $$});
my $look = q{
	\if :client_id = 0
	SET session_replication_role = replica;
	UPDATE taskchat.task_messages SET created_at = clock_timestamp() WHERE client_msg_id = 'm';
	\sleep 5 ms
	\else
	DO $$
	DECLARE
		message CONSTANT uuid := (SELECT id FROM taskchat.task_messages WHERE client_msg_id = 'm');
	BEGIN
		PERFORM taskchat.act_as('u0');
		BEGIN
			%s;
		EXCEPTION WHEN insufficient_privilege OR unique_violation THEN
			INSERT INTO lost VALUES (SQLERRM);
		END;
	END $$;
	\endif
};
my %looks = (
	'sent again' => q{PERFORM taskchat.send_message('moving', 'again', client_msg_id => 'm')},
	answered => q{PERFORM taskchat.send_message('moving', 'answer', reply_to => message)},
	edited => q{PERFORM taskchat.edit_message(message, 'edited')});
for my $name (sort keys %looks) {
	my $file = "$PostgreSQL::Test::Utils::tmp_check/looks.sql";
	unlink $file;
	append_to_file($file, sprintf($look, $looks{$name}));
	$node->command_ok([ 'pgbench', '--no-vacuum', '-c', '2', '-j', '2', '-T', '6', '-h', $node->host, '-p', $node->port, '-f', $file, 'postgres' ],
		"a message that moves is $name");
	is($node->safe_psql('postgres', 'WITH l AS (DELETE FROM lost RETURNING what) SELECT what, count(*) FROM l GROUP BY what'), '', "$name each time");
}
$old->query_safe('COMMIT');
$old->quit;

$node->stop;
done_testing();
