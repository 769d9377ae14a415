-- get_rooms(): a user's rooms, latest first, with what is unread; muting.
\getenv srcdir PG_ABS_SRCDIR
\set attempt :srcdir '/sql/include/attempt.sql'
SET client_min_messages = warning;
SET ROLE taskchat_backend;
\i :attempt
SELECT task_id FROM unnest(ARRAY['over-1', 'over-2', 'over-3']) AS t (id), LATERAL taskchat.open_room(t.id, 'vera');
SELECT role FROM taskchat.add_member('over-1', 'walt');
SELECT role FROM taskchat.add_member('over-2', 'walt', 'observer');
SELECT applicant_id, role FROM taskchat.add_member('over-3', 'walt', 'applicant');
BEGIN;
SELECT taskchat.act_as('vera');
SELECT seq FROM taskchat.send_message('over-2', 'first');
SELECT seq FROM taskchat.send_message('over-1', 'second');
SELECT seq FROM taskchat.send_message('over-3', 'to walt alone', applicant_id => 'walt');
SELECT id AS fourth FROM taskchat.send_message('over-1', 'fourth') \gset
COMMIT;
SELECT seq FROM taskchat.send_system_message('over-1', 'paid');

-- The room with the newest event comes first. Unread is what others wrote.
BEGIN;
SELECT taskchat.act_as('walt');
SELECT task_id, applicant_id, role, status, last_seq, unread, muted, (last_message).content FROM taskchat.get_rooms();
SELECT seq FROM taskchat.send_message('over-1', 'mine');
SELECT task_id, applicant_id, last_seq, unread, (last_message).content FROM taskchat.get_rooms();
SELECT taskchat.mark_read('over-1', 3);
SELECT unread FROM taskchat.get_rooms() WHERE task_id = 'over-1';
COMMIT;
-- The creator sees the main room and every private one; a stranger none.
BEGIN;
SELECT taskchat.act_as('vera');
SELECT task_id, applicant_id, role, last_seq, unread, (last_message).id IS NULL FROM taskchat.get_rooms();
-- A deleted message is nothing to read.
SELECT seq FROM taskchat.delete_message(:'fourth');
SELECT taskchat.act_as('walt');
SELECT unread FROM taskchat.get_rooms() WHERE task_id = 'over-1';
SELECT taskchat.act_as('eve');
SELECT * FROM taskchat.get_rooms();
ROLLBACK;
SELECT taskchat.close_room('over-2');
BEGIN;
SELECT taskchat.act_as('walt');
SELECT task_id, status, last_seq, (last_message).content FROM taskchat.get_rooms() LIMIT 1;
COMMIT;
SELECT pg_temp.attempt(NULL, 'SELECT taskchat.get_rooms()');

-- Muting is the member's own affair, observers' too; the short address means the own private room.
SELECT pg_temp.attempt('walt', 'SELECT taskchat.set_muted(''over-2'', true)');
SELECT pg_temp.attempt('walt', 'SELECT taskchat.set_muted(''over-3'', true)');
SELECT pg_temp.attempt('walt', 'SELECT taskchat.set_muted(''over-3'', true)');
SELECT pg_temp.attempt('walt', 'SELECT string_agg(task_id || coalesce(''/'' || applicant_id, ''''), '' '' ORDER BY task_id) FROM taskchat.get_rooms() WHERE muted');
SELECT pg_temp.attempt('vera', 'SELECT count(*) FROM taskchat.get_rooms() WHERE muted');
SELECT pg_temp.attempt('walt', 'SELECT taskchat.set_muted(''over-3'', false, ''walt'')');
SELECT pg_temp.attempt('walt', 'SELECT string_agg(task_id, '' '') FROM taskchat.task_members WHERE user_id = ''walt'' AND muted');
SELECT pg_temp.attempt('walt', 'SELECT taskchat.set_muted(''over-1'', NULL)');
SELECT pg_temp.attempt('eve', 'SELECT taskchat.set_muted(''over-1'', true)');
SELECT pg_temp.attempt(NULL, 'SELECT taskchat.set_muted(''over-1'', true)');

-- What is unread of a long stretch is derived from what is not; at any place of the cursor it is the same as counting
SET ROLE taskchat_backend;
SELECT task_id FROM taskchat.open_room('over-long', 'over_ada');
SELECT (taskchat.add_member('over-long', 'over_' || u)).role FROM unnest('{ben,cyd}'::text[]) AS u;
BEGIN;
SELECT taskchat.act_as('over_ben');
SELECT count(taskchat.send_message('over-long', 'from ben')) FROM generate_series(1, 1500);
SELECT taskchat.act_as('over_ada');
SELECT count(taskchat.send_message('over-long', 'from ada')) FROM generate_series(1, 3000);
SELECT count(taskchat.delete_message(m.id)) FROM taskchat.get_messages('over-long', max_rows => 20) AS m;
SELECT count(taskchat.edit_message(m.id, 'edited')) FROM taskchat.get_messages('over-long', before_seq => 4000, max_rows => 30) AS m;
SELECT taskchat.act_as('over_cyd');
SELECT count(taskchat.send_message('over-long', 'from cyd')) FROM generate_series(1, 20);
SELECT taskchat.act_as(NULL);
SELECT count(taskchat.send_system_message('over-long', 'from nobody')) FROM generate_series(1, 20);
COMMIT;
RESET ROLE;
CREATE FUNCTION pg_temp.differing() RETURNS TABLE (reader text, after bigint, unread bigint, counted bigint) LANGUAGE sql AS $$
	SELECT * FROM (
		SELECT m.user_id, s, taskchat.unread(m.room_id, m.user_id, s), (SELECT count(*) FROM taskchat.task_messages t
			WHERE t.room_id = m.room_id AND t.seq > s AND t.sender_id IS DISTINCT FROM m.user_id AND t.deleted_at IS NULL)
		FROM taskchat.task_members m, unnest('{0,1,2,3,700,1503,1504,2580,2600,4000,4486,4487,4500,4580,4590,9999}'::bigint[]) AS s
		WHERE m.task_id = 'over-long') AS x (reader, after, unread, counted) WHERE x.unread <> x.counted $$;
SELECT * FROM pg_temp.differing();
BEGIN;
UPDATE taskchat.task_messages SET created_at = created_at - interval '1 day' WHERE task_id = 'over-long' AND seq < 1000;
UPDATE taskchat.task_events SET created_at = created_at - interval '1 day' WHERE task_id = 'over-long' AND seq < 1000;
UPDATE taskchat.task_rooms SET created_at = created_at - interval '1 day' WHERE task_id = 'over-long';
SELECT taskchat.purge_messages('1 hour');
SELECT * FROM pg_temp.differing();
SELECT unread FROM taskchat.task_members m, taskchat.relay_activity(ARRAY[m.room_id], ARRAY[m.user_id], ARRAY[0::bigint]) WHERE m.task_id = 'over-long' ORDER BY m.user_id;
ROLLBACK;
