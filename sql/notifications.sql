-- Personal notifications: numbered per user, read by nobody else.
\getenv srcdir PG_ABS_SRCDIR
\set attempt :srcdir '/sql/include/attempt.sql'
SET client_min_messages = warning;
SET ROLE taskchat_backend;
\i :attempt
BEGIN;
SELECT taskchat.notify_user('nora', 'payment', '{"amount": 5}', 'any-task') AS paid \gset
SELECT taskchat.notify_user('nora', 'hint') IS NOT NULL;
SELECT taskchat.notify_user('otto', 'hint') AS ottos \gset
COMMIT;
BEGIN; SELECT taskchat.notify_user('nora', 'never') IS NOT NULL; ROLLBACK;
SELECT taskchat.notify_user('nora', 'last') IS NOT NULL;

-- Pages as those of messages: newest first, or oldest first after a seq.
BEGIN;
SELECT taskchat.act_as('nora');
SELECT seq, id = :'paid', kind, task_id, payload, created_at IS NOT NULL, read_at FROM taskchat.get_notifications();
SELECT seq, kind FROM taskchat.get_notifications(after_seq => 1);
SELECT seq, kind FROM taskchat.get_notifications(before_seq => 3, max_rows => 1);
SELECT seq, kind FROM taskchat.get_notifications(before_seq => 3, after_seq => 0);
SELECT seq, kind FROM taskchat.notifications ORDER BY seq;
COMMIT;

-- Reading: once and for all, the own ones only.
SELECT pg_temp.attempt('nora', format('SELECT (taskchat.mark_notification_read(%L)).read_at IS NOT NULL', :'paid'));
BEGIN;
SELECT taskchat.act_as('nora');
SELECT read_at AS first_read FROM taskchat.notifications WHERE id = :'paid' \gset
SELECT read_at = :'first_read' FROM taskchat.mark_notification_read(:'paid');
SELECT count(*) FROM taskchat.notifications WHERE read_at IS NULL;
COMMIT;
SELECT pg_temp.attempt('nora', format('SELECT taskchat.mark_notification_read(%L)', :'ottos'));
SELECT pg_temp.attempt('nora', 'SELECT taskchat.mark_notification_read(''00000000-0000-0000-0000-000000000000'')');
SELECT pg_temp.attempt('nora', 'SELECT taskchat.mark_notification_read(NULL)');
SELECT pg_temp.attempt(NULL, format('SELECT taskchat.mark_notification_read(%L)', :'paid'));
SELECT pg_temp.attempt(NULL, 'SELECT taskchat.get_notifications()');
SELECT pg_temp.attempt('nora', 'SELECT taskchat.get_notifications(max_rows => 0)');
SELECT pg_temp.attempt('nora', 'SELECT taskchat.get_notifications(max_rows => -1)');
SELECT pg_temp.attempt('eve', 'SELECT count(*) FROM taskchat.get_notifications(max_rows => NULL)');

-- Values
SELECT pg_temp.attempt(NULL, 'SELECT taskchat.notify_user(NULL, ''x'')');
SELECT pg_temp.attempt(NULL, 'SELECT taskchat.notify_user('''', ''x'')');
SELECT pg_temp.attempt(NULL, 'SELECT taskchat.notify_user(repeat(''u'', 256), ''x'')');
SELECT pg_temp.attempt(NULL, 'SELECT taskchat.notify_user(''nora'', NULL)');
SELECT pg_temp.attempt(NULL, 'SELECT taskchat.notify_user(''nora'', '''')');
SELECT pg_temp.attempt(NULL, 'SELECT taskchat.notify_user(''nora'', ''x'', NULL)');
SELECT pg_temp.attempt(NULL, 'SELECT taskchat.notify_user(''nora'', ''x'', ''[]'')');
SELECT pg_temp.attempt(NULL, 'SELECT taskchat.notify_user(''nora'', ''x'', jsonb_build_object(''k'', repeat(''x'', 8192)))');
SELECT pg_temp.attempt(NULL, 'SELECT taskchat.notify_user(''nora'', ''x'', task_id => repeat(''t'', 256))');
RESET ROLE;
SET ROLE taskchat_user;
SELECT taskchat.notify_user('nora', 'forged');
