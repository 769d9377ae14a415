-- Editing and deleting: one's own messages, as long as the room is open.
\getenv srcdir PG_ABS_SRCDIR
\set attempt :srcdir '/sql/include/attempt.sql'
SET client_min_messages = warning;
SET ROLE taskchat_backend;
\i :attempt
SELECT task_id FROM taskchat.open_room('edit-1', 'ada');
SELECT role FROM taskchat.add_member('edit-1', 'ben');
SELECT role FROM taskchat.add_member('edit-1', 'olga');
SELECT role FROM taskchat.add_member('edit-1', 'gone');
BEGIN;
SELECT taskchat.act_as('olga');
SELECT id AS olgas FROM taskchat.send_message('edit-1', 'as a worker') \gset
SELECT taskchat.act_as('gone');
SELECT id AS left_behind FROM taskchat.send_message('edit-1', 'before I go') \gset
SELECT taskchat.act_as('ben');
SELECT id AS text FROM taskchat.send_message('edit-1', 'helo', client_msg_id => 'e1') \gset
SELECT id AS image FROM taskchat.send_message('edit-1', 'a fence', 'image', 'https://example.com/a.png', metadata => '{"width": 3}') \gset
COMMIT;
SELECT id AS system FROM taskchat.send_system_message('edit-1', 'paid') \gset
SELECT role FROM taskchat.add_member('edit-1', 'olga', 'observer');
SELECT taskchat.remove_member('edit-1', 'gone');

-- An edit changes the content and edited_at, and nothing else; its event holds the id only.
BEGIN;
SELECT taskchat.act_as('ben');
SELECT seq, content, edited_at > created_at, deleted_at, client_msg_id FROM taskchat.edit_message(:'text', 'hello');
SELECT seq, kind, actor_id, payload = jsonb_build_object('id', :'text') FROM taskchat.task_events WHERE task_id = 'edit-1' AND kind = 'message_edited';
-- The caption of an image may be empty.
SELECT content, file_url FROM taskchat.edit_message(:'image', '');
-- What is replayed is the current state.
SELECT seq, event ->> 'type', event #>> '{message,content}', event #>> '{message,seq}' FROM taskchat.get_events('edit-1', 6) WHERE event ->> 'type' LIKE 'message%';
COMMIT;

-- Who may not, and what may not.
SELECT pg_temp.attempt(NULL, format('SELECT taskchat.edit_message(%L, ''x'')', :'text'));
SELECT pg_temp.attempt('ben', 'SELECT taskchat.edit_message(NULL, ''x'')');
SELECT pg_temp.attempt('ben', format('SELECT taskchat.edit_message(%L, NULL)', :'text'));
SELECT pg_temp.attempt('ben', format('SELECT taskchat.edit_message(%L, '' '')', :'text'));
SELECT pg_temp.attempt('ben', format('SELECT taskchat.edit_message(%L, repeat(''x'', 16385))', :'text'));
SELECT what, pg_temp.attempt(who, format('SELECT taskchat.edit_message(%L, ''x'')', id))
FROM (VALUES ('another member', 'ada', :'text'), ('the creator, of a system message', 'ada', :'system'), ('an observer', 'olga', :'olgas'),
	('a former member', 'gone', :'left_behind'), ('a stranger', 'eve', :'text'), ('no such message', 'ben', gen_random_uuid()::text)) AS t (what, who, id);
SELECT what, pg_temp.attempt(who, format('SELECT taskchat.delete_message(%L)', id))
FROM (VALUES ('another member', 'ada', :'text'), ('the creator, of a system message', 'ada', :'system'), ('an observer', 'olga', :'olgas'),
	('a former member', 'gone', :'left_behind'), ('a stranger', 'eve', :'text'), ('no such message', 'ben', gen_random_uuid()::text)) AS t (what, who, id);
SELECT pg_temp.attempt(NULL, format('SELECT taskchat.delete_message(%L)', :'text'));
SELECT pg_temp.attempt('ben', 'SELECT taskchat.delete_message(NULL)');

-- A closed room stands still.
SELECT taskchat.close_room('edit-1');
SELECT pg_temp.attempt('ben', format('SELECT taskchat.edit_message(%L, ''x'')', :'text'));
SELECT pg_temp.attempt('ben', format('SELECT taskchat.delete_message(%L)', :'text'));
SELECT taskchat.reopen_room('edit-1');

-- The window, which a superuser sets; deleting knows none.
RESET ROLE;
SET taskchat.edit_window = 0;
SHOW taskchat.edit_window;
SET ROLE taskchat_backend;
SELECT pg_temp.attempt('ben', format('SELECT taskchat.edit_message(%L, ''x'')', :'text'));
SELECT pg_temp.attempt('ben', format('SELECT (taskchat.delete_message(%L)).content', :'image'));
RESET ROLE;
SET taskchat.edit_window = '1ms';
SHOW taskchat.edit_window;
SET ROLE taskchat_backend;
SELECT pg_sleep(0.002);
SELECT pg_temp.attempt('ben', format('SELECT taskchat.edit_message(%L, ''x'')', :'text'));
RESET ROLE;
SET taskchat.edit_window = '1234567890ms';
SET ROLE taskchat_backend;
SELECT pg_temp.attempt('ben', format('SELECT (taskchat.edit_message(%L, ''still time'')).content', :'text'));
SET taskchat.edit_window = '1h';
RESET ROLE;
RESET taskchat.edit_window;
SHOW taskchat.edit_window;
SET ROLE taskchat_backend;

-- Deleting empties the row and keeps it; once more changes nothing.
BEGIN;
SELECT taskchat.act_as('ben');
SELECT seq, message_type, content = '', file_url, metadata, deleted_at IS NOT NULL, client_msg_id FROM taskchat.get_messages('edit-1') WHERE id = :'image';
SELECT seq, content = '', client_msg_id, deleted_at IS NOT NULL FROM taskchat.delete_message(:'text');
SELECT count(*) FROM taskchat.delete_message(:'text');
SELECT seq, kind, payload - 'id' FROM taskchat.task_events WHERE task_id = 'edit-1' AND kind = 'message_deleted' ORDER BY seq;
COMMIT;
SELECT pg_temp.attempt('ben', format('SELECT taskchat.edit_message(%L, ''x'')', :'text'));
-- Its client_msg_id stays used.
SELECT pg_temp.attempt('ben', format('SELECT id = %L AND deleted_at IS NOT NULL FROM taskchat.send_message(''edit-1'', ''again'', client_msg_id => ''e1'')', :'text'));
RESET ROLE;
-- The line has no gap.
SELECT last_seq = (SELECT count(*) FROM taskchat.task_messages WHERE task_id = 'edit-1') + (SELECT count(*) FROM taskchat.task_events WHERE task_id = 'edit-1')
FROM taskchat.task_rooms WHERE task_id = 'edit-1';
