-- What the relay calls.  Texts of events are compared without ids and times.
SET client_min_messages = warning;
SELECT task_id FROM taskchat.open_room('relay-1', 'ada');
SELECT role FROM taskchat.add_member('relay-1', 'ben');
SET ROLE taskchat_relay;
SELECT interface, channel LIKE 'taskchat\_%' AS has_channel, length(epoch) AS epoch, max_content_bytes FROM taskchat.relay_hello();
CREATE FUNCTION pg_temp.plain(data text) RETURNS text LANGUAGE sql AS
	$$ SELECT regexp_replace(regexp_replace(regexp_replace(data, '[0-9a-f]{8}-[0-9a-f-]{27}', 'ID', 'g'), '\d{4}-\d\d-\d\dT[0-9:.]+Z', 'TIME', 'g'), '"epoch":"[0-9a-f]{16}"', '"epoch":"E"', 'g') $$;
SELECT command, seq, role, sqlstate, constraint_name, message, pg_temp.plain(data)
FROM taskchat.relay_run(ARRAY['ada', 'eve', 'ben', 'ben', 'ben', 'ada', 'ada', 'ben'], ARRAY[
	'{"type":"send_message","task_id":"relay-1","content":"one","client_msg_id":"a"}',
	'{"type":"send_message","task_id":"relay-1","content":"no"}',
	'{"type":"join_task_room","task_id":"relay-1"}',
	'{"type":"send_message","task_id":"relay-1","content":" "}',
	'{"type":"mark_read","task_id":"relay-1","seq":3}',
	'{"type":"send_message","task_id":"relay-1","content":"again","client_msg_id":"a"}',
	'{"type":"no_such_thing"}',
	'{"type":"send_message","task_id":"relay-1","content":"\u0000"}'], false, 200000, 500, 200);
SELECT command, sqlstate, seq, pg_temp.plain(data)
FROM taskchat.relay_run(ARRAY['ben', 'eve', 'ben', 'ben', 'ben'], ARRAY[
	'{"type":"join_task_rooms","rooms":[{"task_id":"relay-1","after_seq":3},{"task_id":"nope"},{"task_id":"relay-1","after_seq":99},{"task_id":"relay-1","after_seq":2,"epoch":"other"}]}',
	'{"type":"get_messages","task_id":"relay-1"}',
	'{"type":"get_messages","task_id":"relay-1","limit":1}',
	'{"type":"get_events","task_id":"relay-1","after_seq":1,"limit":1}',
	'{"type":"find_room","task_id":"relay-1"}'], false, 200000, 500, 200);
-- Another epoch is a reset, whatever the client has seen; without one there is nothing to drop
SELECT command, data::jsonb -> 'reset' AS reset, data::jsonb -> 'complete' AS complete, jsonb_path_query_array(data::jsonb, '$.events[*].seq') AS events
FROM taskchat.relay_run(ARRAY['ben', 'ben', 'ben', 'ben'], ARRAY[
	'{"type":"join_task_room","task_id":"relay-1","epoch":"other"}',
	'{"type":"join_task_room","task_id":"relay-1","epoch":"other","after_seq":3}',
	'{"type":"join_task_room","task_id":"relay-1","epoch":null}',
	(SELECT jsonb_build_object('type', 'join_task_room', 'task_id', 'relay-1', 'epoch', data::jsonb -> 'epoch')::text
		FROM taskchat.relay_run(ARRAY['ben'], ARRAY['{"type":"join_task_room","task_id":"relay-1"}'], false, 200000, 500, 200))], false, 200000, 500, 200);
-- Pages are cut by bytes, but never below one element; the newest page keeps the newest
SELECT command, seq, length(data) < 1200 AS short, data::jsonb -> 'has_more' AS has_more, data::jsonb -> 'complete' AS complete,
	jsonb_path_query_array(data::jsonb, '$.events[*].seq') AS events, jsonb_path_query_array(data::jsonb, '$.messages[*].seq') AS messages
FROM taskchat.relay_run(ARRAY['ada', 'ada', 'ada', 'ada', 'ada'], ARRAY[
	'{"type":"send_message","task_id":"relay-1","content":"two"}',
	'{"type":"get_messages","task_id":"relay-1"}',
	'{"type":"get_events","task_id":"relay-1"}',
	'{"type":"join_task_room","task_id":"relay-1"}',
	'{"type":"join_task_room","task_id":"relay-1","after_seq":0}'], false, 1024, 500, 200);
SELECT command, sqlstate, constraint_name, seq, message FROM taskchat.relay_run(ARRAY['ada', 'ada', 'ada'], ARRAY[
	'{"type":"join_task_rooms","rooms":[{"task_id":"relay-1"},{"task_id":"relay-1"},{"task_id":"nope"}]}',
	'{"type":"join_task_rooms","rooms":[{"task_id":"nope"},{"task_id":"relay-1"},{"task_id":"relay-1"}]}',
	'{"type":"join_task_room","task_id":"relay-1","after_seq":0}'], false, 2048, 2, 1);
-- Whatever a client writes ends in a state that has a wire code
SELECT command, sqlstate FROM taskchat.relay_run(array_fill('ada'::text, ARRAY[9]), ARRAY[
	'{"type":"edit_message","message_id":"nope","content":"x"}',
	'{"type":"delete_message","message_id":"nope"}',
	'{"type":"mark_notification_read","id":"nope"}',
	'{"type":"get_messages","task_id":"relay-1","limit":0}',
	'{"type":"get_rooms","offset":-1}',
	'{"type":"set_presence"}',
	'{"type":"set_presence","is_online":true,"current_task_id":"nope"}',
	'{"type":"get_notifications","limit":-1}',
	'{"type":"send_message","task_id":"relay-1","content":"x","reply_to":"nope"}'], false, 200000, 500, 200);
-- Identity and role are put back
SELECT current_user, current_setting('taskchat.user_id') = '' AS nobody;
RESET ROLE;
SELECT room_id AS room FROM taskchat.task_rooms WHERE task_id = 'relay-1' \gset
SET ROLE taskchat_relay;
SELECT seq, kind, user_id, role, pg_temp.plain(event) FROM taskchat.relay_fetch(ARRAY[:room], ARRAY[1], 100);
SELECT seq, kind FROM taskchat.relay_fetch(ARRAY[:room, 987654321], ARRAY[2, 0], 100);
SELECT kind FROM taskchat.relay_fetch(ARRAY[:room], ARRAY[99], 100);
SELECT user_id, role, last_read_seq, last_delivered_seq FROM taskchat.relay_cursors(ARRAY[:room]);
SELECT count(*) AS held FROM taskchat.relay_delivered(ARRAY[:room, :room], ARRAY['ada', 'eve'], ARRAY[2, 2]);
SELECT user_id, last_delivered_seq FROM taskchat.relay_cursors(ARRAY[:room]);
SELECT user_id, room_id = :room AS here, seq, ended > 0 AS ended FROM taskchat.relay_attach(ARRAY['ada', 'nobody']) WHERE room_id IS NULL OR room_id = :room;
SELECT user_id, task_id, applicant_id, last_seq, unread, others
FROM taskchat.relay_activity(ARRAY[:room, :room, :room, :room], ARRAY['ada', 'ben', 'ben', 'eve'], ARRAY[0, 0, 4, 0]) ORDER BY user_id, others;
SELECT pg_temp.plain(members), members_total FROM taskchat.relay_state(ARRAY[:room, 987654321]);
SET ROLE taskchat_backend;
SELECT taskchat.notify_user('ada', 'payment', '{"amount": 5}') IS NOT NULL AS notified;
SELECT taskchat.create_ticket('ada') AS ticket \gset
SET ROLE taskchat_relay;
SELECT user_id, event FROM taskchat.relay_notifications(ARRAY['ben'], ARRAY[NULL::bigint]);
SELECT user_id, event::jsonb ->> 'kind' AS kind, event::jsonb -> 'payload' AS payload FROM taskchat.relay_notifications(ARRAY['ada'], ARRAY[0]) ORDER BY seq DESC LIMIT 1;
SELECT ticket, user_id FROM taskchat.relay_redeem(ARRAY[:'ticket', 'forged']);
SELECT ticket, user_id FROM taskchat.relay_redeem(ARRAY[:'ticket']);
BEGIN;
SET LOCAL ROLE taskchat_backend;
SELECT taskchat.end_sessions('ada');
SET LOCAL ROLE taskchat_relay;
SELECT user_id, ended > 0 AS ended FROM taskchat.relay_attach(ARRAY['ada']) WHERE room_id IS NULL;
ROLLBACK;
RESET ROLE;
-- Messages and events in one line, read in two ways
BEGIN;
SELECT FROM taskchat.act_as('ada');
SELECT id AS one FROM taskchat.task_messages WHERE room_id = :room AND seq = 3 \gset
SELECT id AS two FROM taskchat.task_messages WHERE room_id = :room AND seq = 4 \gset
SELECT content FROM taskchat.edit_message(:'one', 'uno');
SELECT content FROM taskchat.delete_message(:'two');
SELECT taskchat.publish_task_update('relay-1', '{"status": "done"}');
SET CONSTRAINTS ALL IMMEDIATE;
SELECT seq FROM taskchat.send_message('relay-1', 'three');
DELETE FROM taskchat.task_messages WHERE id = :'two';
SELECT seq, f.kind, (l.kind, l.user_id, l.role, l.event) IS NOT DISTINCT FROM (f.kind, f.user_id, f.role, f.event) AS same
FROM taskchat.room_line(:room, 0, 100) AS l FULL JOIN taskchat.relay_fetch(ARRAY[:room], ARRAY[0], 100) AS f USING (seq) ORDER BY seq;
SELECT array_agg(seq) AS cut FROM taskchat.relay_fetch(ARRAY[:room], ARRAY[4], 3);
SELECT count(*) AS none FROM taskchat.relay_fetch(ARRAY[:room], ARRAY[8], 100);
ROLLBACK;
SELECT seq FROM taskchat.relay_fetch(ARRAY[:room], ARRAY[NULL::bigint], 100);
SELECT seq FROM taskchat.relay_fetch(ARRAY[:room], '{}', 100);
-- Of very many rooms that are refused the rest is for another frame
SELECT sqlstate, constraint_name, count(*) FROM taskchat.relay_run(ARRAY['ada'], ARRAY[(
	SELECT jsonb_build_object('type', 'join_task_rooms', 'rooms', jsonb_agg(jsonb_build_object('task_id', CASE n WHEN 600 THEN 'relay-1' ELSE 'none' END) ORDER BY n))::text
	FROM generate_series(1, 600) AS n)], false, 200000, 500, 200) GROUP BY 1, 2 ORDER BY 1, 2;
-- What is no single command's error (a full disk) ends the statement, and leaves no transaction behind
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE disk_full USING MESSAGE = 'no space left on device'; END $$;
CREATE TRIGGER a_full_disk BEFORE INSERT ON taskchat.task_messages FOR EACH ROW EXECUTE FUNCTION no_room();
\set VERBOSITY sqlstate
SELECT command, sqlstate FROM taskchat.relay_run(ARRAY['ada', 'ada'],
	ARRAY['{"type":"get_rooms"}', '{"type":"send_message","task_id":"relay-1","content":"no room for it"}'], false, 200000, 500, 200);
\set VERBOSITY default
SELECT current_user = session_user AS own_role, taskchat.current_user_id() AS identity;
DROP TRIGGER a_full_disk ON taskchat.task_messages;
DROP FUNCTION no_room();
SELECT command, sqlstate FROM taskchat.relay_run(ARRAY['ada'],
	ARRAY['{"type":"send_message","task_id":"relay-1","content":"there is room again"}'], false, 200000, 500, 200);
