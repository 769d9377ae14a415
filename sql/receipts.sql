-- Read cursors move forward only and are cut to what there is.
SET client_min_messages = warning;
\set SHOW_CONTEXT never
SELECT task_id FROM taskchat.open_room('read-1', 'ada');
SELECT role FROM taskchat.add_member('read-1', 'ben');
SELECT role FROM taskchat.add_member('read-1', 'olga', 'observer');
SET ROLE taskchat_backend;
BEGIN; SELECT taskchat.act_as('ada'); SELECT seq FROM taskchat.send_message('read-1', 'one'); SELECT seq FROM taskchat.send_message('read-1', 'two'); COMMIT;
BEGIN;
SELECT taskchat.act_as('ben');
SELECT taskchat.mark_read('read-1', 4);
SELECT taskchat.mark_read('read-1', 2);
SELECT taskchat.mark_read('read-1', 9999);
SELECT user_id, last_read_seq, last_delivered_seq FROM taskchat.task_members WHERE task_id = 'read-1' ORDER BY 1;
SELECT seq, read_at IS NOT NULL AS read FROM taskchat.get_messages('read-1', after_seq => 0);
COMMIT;
BEGIN; SELECT taskchat.act_as('olga'); SELECT taskchat.mark_read('read-1', 4); ROLLBACK;
BEGIN; SELECT taskchat.act_as('eve'); SELECT taskchat.mark_read('read-1', 4); ROLLBACK;
SELECT taskchat.mark_read('read-1', 4);
RESET ROLE;
