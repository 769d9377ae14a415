-- Retention: what is old goes from the front of each line, and nothing else.
\getenv srcdir PG_ABS_SRCDIR
\set attempt :srcdir '/sql/include/attempt.sql'
SET client_min_messages = warning;
SET ROLE taskchat_backend;
\i :attempt
SELECT task_id FROM unnest(ARRAY['old-1', 'old-2', 'new-1']) AS t (id), LATERAL taskchat.open_room(t.id, 'rita');
SELECT role FROM taskchat.add_member('old-1', 'sven');
BEGIN;
SELECT taskchat.act_as('rita');
SELECT id AS question FROM taskchat.send_message('old-1', 'three') \gset
SELECT id AS answer FROM taskchat.send_message('old-1', 'four', reply_to => :'question') \gset
SELECT seq FROM taskchat.send_message('old-1', 'five', reply_to => :'answer');
SELECT id FROM taskchat.edit_message(:'answer', 'four!') \gset
SELECT seq FROM taskchat.send_message('old-1', 'seven', client_msg_id => 'r7');
SELECT seq FROM taskchat.send_message('old-2', 'all of it is old');
COMMIT;
BEGIN;
SELECT taskchat.act_as('sven');
SELECT taskchat.mark_read('old-1', 5);
COMMIT;
RESET ROLE;
-- Time passes: for messages 3 and 4 of old-1 and its event 1, but not yet for 2, and for all of old-2.
UPDATE taskchat.task_rooms SET created_at = created_at - interval '1 year' WHERE task_id LIKE 'old-%';
UPDATE taskchat.task_messages SET created_at = created_at - interval '1 year' WHERE task_id = 'old-2' OR task_id = 'old-1' AND seq <= 4;
UPDATE taskchat.task_events SET created_at = created_at - interval '1 year' WHERE task_id = 'old-2' OR task_id = 'old-1' AND seq = 1;
SET ROLE taskchat_backend;
-- An old message behind a newer event stays: a line has no holes.
SELECT taskchat.purge_messages('90 days');
RESET ROLE;
SELECT task_id, first_seq, last_seq FROM taskchat.task_rooms WHERE task_id IN ('old-1', 'old-2', 'new-1') ORDER BY task_id;
UPDATE taskchat.task_events SET created_at = created_at - interval '1 year' WHERE task_id = 'old-1' AND seq = 2;
SET ROLE taskchat_backend;
SELECT taskchat.purge_messages('90 days');
SELECT taskchat.purge_messages('90 days');
BEGIN;
SELECT taskchat.act_as('rita');
SELECT task_id, first_seq, last_seq FROM taskchat.task_rooms WHERE task_id IN ('old-1', 'old-2', 'new-1') ORDER BY task_id;
-- What stays is contiguous. Replies to what went are replies no more; the edit's event holds the id of a message that went.
SELECT seq, event ->> 'type', event #>> '{message,content}', event #>> '{message,reply_to}', event -> 'message' = jsonb_build_object('id', :'answer') FROM taskchat.get_events('old-1');
SELECT * FROM taskchat.get_events('old-2');
SELECT task_id, unread, (last_message).seq FROM taskchat.get_rooms() ORDER BY task_id;
-- The line goes on, and an empty one too.
SELECT seq FROM taskchat.send_message('old-1', 'eight');
SELECT seq FROM taskchat.send_message('old-2', 'three');
COMMIT;
-- A client_msg_id that is kept is still used.
SELECT pg_temp.attempt('rita', 'SELECT seq FROM taskchat.send_message(''old-1'', ''x'', client_msg_id => ''r7'')');
SELECT pg_temp.attempt(NULL, 'SELECT taskchat.purge_messages(NULL)');
SELECT pg_temp.attempt(NULL, 'SELECT taskchat.purge_messages(''-1 day'')');
SET ROLE taskchat_user;
SELECT taskchat.purge_messages('0');
RESET ROLE;
-- Everything: lines are empty then, and start where they stopped.
BEGIN;
SELECT taskchat.purge_messages('0') > 0;
SELECT count(*) FROM taskchat.task_messages;
SELECT count(*) FROM taskchat.task_events;
SELECT count(*) FROM taskchat.task_rooms WHERE first_seq <> last_seq + 1;
ROLLBACK;
