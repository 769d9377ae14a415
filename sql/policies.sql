-- What each kind of caller may see, and what nobody may do.
SET client_min_messages = warning;
SELECT task_id FROM taskchat.open_room('rls-1', 'ada');
SELECT role FROM taskchat.add_member('rls-1', 'ben');
SELECT role FROM taskchat.add_member('rls-1', 'gone');
SELECT taskchat.remove_member('rls-1', 'gone');
SELECT seq FROM taskchat.send_system_message('rls-1', 'hello');
SET ROLE taskchat_backend;
CREATE FUNCTION pg_temp.sees(who text) RETURNS TABLE (rooms bigint, members bigint, messages bigint, events bigint) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM taskchat.act_as(who);
	RETURN QUERY SELECT (SELECT count(*) FROM taskchat.task_rooms WHERE task_id = 'rls-1'),
		(SELECT count(*) FROM taskchat.task_members WHERE task_id = 'rls-1'),
		(SELECT count(*) FROM taskchat.task_messages WHERE task_id = 'rls-1'),
		(SELECT count(*) FROM taskchat.task_events WHERE task_id = 'rls-1');
END $$;
SELECT who, s.* FROM unnest(ARRAY['ada', 'ben', 'gone', 'eve', NULL]) AS who, LATERAL pg_temp.sees(who) s;
-- The policy is an index condition
BEGIN;
SELECT taskchat.act_as('eve');
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM taskchat.task_messages ORDER BY room_id, seq LIMIT 50;
ROLLBACK;
-- Other relations and functions are out of reach
SELECT * FROM taskchat.tickets;
SELECT * FROM taskchat.doorbell_channel;
SELECT taskchat.append_event(1, 'x', 'x', '{}');
SELECT taskchat.relay_hello();
SELECT taskchat.drain_stage();
SET ROLE taskchat_user;
SELECT taskchat.act_as('ada');
SELECT taskchat.open_room('x', 'y');
SET ROLE taskchat_relay;
SELECT * FROM taskchat.task_messages;
SELECT taskchat.open_room('x', 'y');
RESET ROLE;
