-- Plain INSERTs are as good as send_message(): what ORMs and people write.
\getenv srcdir PG_ABS_SRCDIR
\set attempt :srcdir '/sql/include/attempt.sql'
SET client_min_messages = warning;
SET ROLE taskchat_backend;
\i :attempt
SELECT task_id FROM taskchat.open_room('ins-1', 'ida');
SELECT role FROM taskchat.add_member('ins-1', 'jon', 'observer');
BEGIN;
SELECT taskchat.act_as('ida');
-- An ORM that lists every column, with NULL for what it doesn't know.
INSERT INTO taskchat.task_messages (id, room_id, task_id, applicant_id, seq, sender_id, message_type, content, file_url, created_at, read_at,
	is_system_message, client_msg_id, reply_to, edited_at, deleted_at, metadata)
VALUES (NULL, NULL, 'ins-1', NULL, NULL, NULL, NULL, 'all columns', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
RETURNING id IS NOT NULL, task_id, applicant_id, seq, sender_id, message_type, content, created_at IS NOT NULL, is_system_message;
INSERT INTO taskchat.task_messages (task_id, sender_id, content, is_system_message, client_msg_id) VALUES ('ins-1', 'ida', 'with id', false, 'i1') RETURNING seq;
-- The same id once more: an error that names the key, or nothing; no seq is spent.
SAVEPOINT s;
INSERT INTO taskchat.task_messages (task_id, content, client_msg_id) VALUES ('ins-1', 'again', 'i1');
ROLLBACK TO s;
INSERT INTO taskchat.task_messages (task_id, content, client_msg_id) VALUES ('ins-1', 'again', 'i1') ON CONFLICT DO NOTHING RETURNING seq;
INSERT INTO taskchat.task_messages (task_id, content, client_msg_id) VALUES ('ins-1', 'again', 'i1') ON CONFLICT (task_id, sender_id, client_msg_id) DO NOTHING RETURNING seq;
INSERT INTO taskchat.task_messages (task_id, content, client_msg_id) VALUES ('ins-1', ' ', 'i1') ON CONFLICT (id) DO NOTHING RETURNING seq;
INSERT INTO taskchat.task_messages (task_id, content, client_msg_id) VALUES ('ins-1', 'x', 'i2'), ('ins-1', 'x', 'i2'), ('ins-1', 'y', 'i3') ON CONFLICT DO NOTHING RETURNING seq, content;
INSERT INTO taskchat.task_messages (task_id, content, client_msg_id) VALUES ('ins-1', 'x', 'i1') ON CONFLICT (task_id, sender_id, client_msg_id) DO UPDATE SET content = 'taken over';
ROLLBACK TO s;
-- Many at once, in the order given.
INSERT INTO taskchat.task_messages (task_id, content) SELECT 'ins-1', 'row ' || n FROM generate_series(1, 3000) AS n ORDER BY n;
SELECT count(*), min(seq), max(seq), bool_and(content = 'row ' || (seq - 4)) FROM taskchat.task_messages WHERE task_id = 'ins-1' AND content LIKE 'row%';
-- A reply, and replies to what is not of this room.
INSERT INTO taskchat.task_messages (task_id, content, reply_to) SELECT 'ins-1', 'reply', id FROM taskchat.task_messages WHERE client_msg_id = 'i1' RETURNING seq, reply_to IS NOT NULL;
COMMIT;
SELECT pg_temp.attempt('ida', 'INSERT INTO taskchat.task_messages (task_id, content, reply_to) VALUES (''ins-1'', ''x'', gen_random_uuid())');
SELECT pg_temp.attempt('ida', 'INSERT INTO taskchat.task_messages (task_id, content, reply_to, client_msg_id) VALUES (''ins-1'', ''x'', gen_random_uuid(), ''i9'')');
-- A used client_msg_id gives the first row, however wrong the rest is now.
SELECT taskchat.close_room('ins-1');
SELECT pg_temp.attempt('ida', 'SELECT (seq, content) FROM taskchat.send_message(''ins-1'', '''', ''nonsense'', ''javascript:x'', ''i1'', gen_random_uuid())');
SELECT pg_temp.attempt('ida', 'INSERT INTO taskchat.task_messages (task_id, content) VALUES (''ins-1'', ''x'')');
SELECT taskchat.reopen_room('ins-1');
-- Missing values, and whom it may come from.
SELECT pg_temp.attempt('ida', 'INSERT INTO taskchat.task_messages (content) VALUES (''x'')');
SELECT pg_temp.attempt('ida', 'INSERT INTO taskchat.task_messages (task_id) VALUES (''ins-1'')');
SELECT pg_temp.attempt('ida', 'INSERT INTO taskchat.task_messages (task_id, content, message_type) VALUES (''ins-1'', ''x'', ''video'')');
SELECT pg_temp.attempt('ida', 'INSERT INTO taskchat.task_messages (task_id, content, metadata) VALUES (''ins-1'', ''x'', jsonb_build_object(''k'', repeat(''x'', 8192)))');
SELECT pg_temp.attempt('ida', 'INSERT INTO taskchat.task_messages (id, task_id, content) VALUES (gen_random_uuid(), ''ins-1'', ''x'')');
SELECT pg_temp.attempt('ida', 'INSERT INTO taskchat.task_messages (task_id, content, edited_at) VALUES (''ins-1'', ''x'', now())');
SELECT pg_temp.attempt('jon', 'INSERT INTO taskchat.task_messages (task_id, content) VALUES (''ins-1'', ''x'')');
SELECT pg_temp.attempt('eve', 'INSERT INTO taskchat.task_messages (task_id, content) VALUES (''ins-1'', ''x'')');
SELECT pg_temp.attempt(NULL, 'INSERT INTO taskchat.task_messages (task_id, content) VALUES (''ins-1'', ''x'')');
-- COPY is for restoring; PostgreSQL refuses it under row-level security.
BEGIN;
SELECT taskchat.act_as('ida');
COPY taskchat.task_messages (task_id, content) FROM STDIN;
\.
ROLLBACK;
RESET ROLE;
SELECT last_seq = (SELECT count(*) FROM taskchat.task_messages WHERE task_id = 'ins-1') + (SELECT count(*) FROM taskchat.task_events WHERE task_id = 'ins-1')
FROM taskchat.task_rooms WHERE task_id = 'ins-1';
