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
