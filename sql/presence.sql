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
