-- Presence comes from live sessions and is seen by who shares a room.
SET client_min_messages = warning;
\set SHOW_CONTEXT never
SELECT task_id FROM taskchat.open_room('pres-1', 'ada');
SELECT role FROM taskchat.add_member('pres-1', 'ben');
SET ROLE taskchat_relay;
SELECT taskchat.relay_beat('relay-a', '15 s');
SELECT taskchat.relay_beat('relay-a', '15 s');
SELECT taskchat.relay_online('relay-a', ARRAY['ben'], ARRAY['pres-1'], ARRAY[true]);
SET ROLE taskchat_backend;
BEGIN;
SELECT taskchat.act_as('ada');
SELECT user_id, is_online, last_seen IS NOT NULL AS seen, current_task_id FROM taskchat.user_presence WHERE user_id IN ('ada', 'ben') ORDER BY 1;
SELECT user_id, is_online FROM taskchat.get_presence(ARRAY['ben', 'eve']);
SELECT user_id, is_online, current_task_id FROM taskchat.set_presence(true, 'pres-1');
SELECT user_id, is_online FROM taskchat.set_presence(false);
COMMIT;
BEGIN;
SELECT taskchat.act_as('eve');
SELECT user_id, is_online FROM taskchat.get_presence(ARRAY['ben']);
SELECT user_id FROM taskchat.user_presence;
SELECT taskchat.set_presence(true, 'pres-1');
ROLLBACK;
SELECT taskchat.get_presence(ARRAY['ben']);
-- false never ends a relay's session
BEGIN; SELECT taskchat.act_as('ben'); SELECT is_online FROM taskchat.set_presence(false); COMMIT;
SET ROLE taskchat_relay;
SELECT taskchat.relay_farewell('relay-a');
SELECT user_id, is_online, last_seen IS NOT NULL AS seen FROM taskchat.relay_presence(ARRAY['ben']);
RESET ROLE;
-- A lease of set_presence(): 60 seconds, and false ends nothing else; last_seen stays where there was none.
\getenv srcdir PG_ABS_SRCDIR
\set attempt :srcdir '/sql/include/attempt.sql'
SET ROLE taskchat_backend;
\i :attempt
SELECT task_id FROM taskchat.open_room('pres-2', 'lena');
SELECT role FROM taskchat.add_member('pres-2', 'milo');
SELECT role FROM taskchat.add_member('pres-2', 'olga', 'observer');
SELECT task_id FROM taskchat.open_room('pres-3', 'lena');
SELECT pg_temp.attempt('lena', 'SELECT (is_online, last_seen) FROM taskchat.set_presence(false)');
SELECT pg_temp.attempt('lena', 'SELECT (is_online, current_task_id) FROM taskchat.set_presence(true, ''pres-3'')');
RESET ROLE;
SELECT expires_at - clock_timestamp() BETWEEN interval '0' AND interval '60 s' FROM taskchat.leases WHERE holder = 'user:lena';
SET ROLE taskchat_backend;
-- Which task somebody looks at is told to members of that task only.
SELECT pg_temp.attempt('lena', 'SELECT (is_online, current_task_id) FROM taskchat.get_presence(''{lena}'')');
SELECT pg_temp.attempt('milo', 'SELECT (is_online, current_task_id) FROM taskchat.get_presence(''{lena}'')');
SELECT pg_temp.attempt('milo', 'SELECT (is_online, current_task_id) FROM taskchat.user_presence WHERE user_id = ''lena''');
SELECT pg_temp.attempt('eve', 'SELECT count(*) FROM taskchat.get_presence(''{lena}'')');
SELECT pg_temp.attempt('milo', 'SELECT (taskchat.set_presence(true, ''pres-3'')).is_online');
-- A lease that has run out is offline, and tells when that was.
RESET ROLE;
UPDATE taskchat.leases SET expires_at = '2020-01-02 03:04:05Z' WHERE holder = 'user:lena';
SET ROLE taskchat_backend;
SELECT pg_temp.attempt('milo', 'SELECT (is_online, last_seen = ''2020-01-02 03:04:05Z'', current_task_id) FROM taskchat.get_presence(''{lena}'')');
SELECT pg_temp.attempt('lena', 'SELECT (is_online, last_seen > now() - interval ''1 min'') FROM taskchat.set_presence(false)');
-- Typing: who may write in the room, while it is open.
SELECT who, pg_temp.attempt(who, 'SELECT taskchat.set_typing(''pres-2'', true)') FROM unnest(ARRAY['lena', 'milo', 'olga', 'eve']) AS who;
SELECT taskchat.close_room('pres-2');
SELECT pg_temp.attempt('milo', 'SELECT taskchat.set_typing(''pres-2'', true)');
-- Reading and the rest go on in a closed room.
SELECT pg_temp.attempt('milo', 'SELECT taskchat.mark_read(''pres-2'', 100)');
SELECT pg_temp.attempt('olga', 'SELECT taskchat.mark_read(''pres-2'', 100)');
SELECT pg_temp.attempt(NULL, 'SELECT seq FROM taskchat.send_system_message(''pres-2'', ''closed for good'')');
RESET ROLE;
