-- Messages: by function and by plain INSERT, with the same rules.
SET client_min_messages = warning;
\set SHOW_CONTEXT never
SELECT task_id FROM taskchat.open_room('msg-1', 'ada');
SELECT role FROM taskchat.add_member('msg-1', 'ben');
SELECT role FROM taskchat.add_member('msg-1', 'olga', 'observer');
SET ROLE taskchat_backend;
BEGIN;
SELECT taskchat.act_as('ben');
SELECT seq, task_id, applicant_id, sender_id, message_type, content, is_system_message FROM taskchat.send_message('msg-1', 'hello', client_msg_id => 'c1');
SELECT seq, content FROM taskchat.send_message('msg-1', 'other text', client_msg_id => 'c1');
INSERT INTO taskchat.task_messages (task_id, content, client_msg_id) VALUES ('msg-1', 'x', 'c1') ON CONFLICT DO NOTHING;
INSERT INTO taskchat.task_messages (task_id, content, client_msg_id) VALUES ('msg-1', 'x', 'c1')
	ON CONFLICT (task_id, sender_id, client_msg_id) DO NOTHING;
INSERT INTO taskchat.task_messages (task_id, content) VALUES ('msg-1', 'plain 1'), ('msg-1', 'plain 2') RETURNING seq, sender_id, id IS NOT NULL AS has_id;
INSERT INTO taskchat.task_messages (id, task_id, content, seq, created_at, sender_id) VALUES (NULL, 'msg-1', 'as an ORM does', NULL, NULL, 'ben') RETURNING seq;
SELECT seq, message_type, file_url FROM taskchat.send_message('msg-1', '', 'image', 'https://example.com/a.png', metadata => '{"width": 3}');
SAVEPOINT s;
SELECT seq FROM taskchat.send_message('msg-1', 'rolled back');
ROLLBACK TO s;
SELECT seq FROM taskchat.send_message('msg-1', 'takes its number');
COMMIT;
SELECT seq, sender_id, is_system_message FROM taskchat.send_system_message('msg-1', 'Payment received');
SELECT taskchat.send_system_message('nowhere', 'x');
-- Bad values
CREATE PROCEDURE pg_temp.try(statement text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM taskchat.act_as('ben');
	EXECUTE statement;
	RAISE WARNING 'no error: %', statement;
EXCEPTION WHEN OTHERS THEN
	RAISE WARNING '% %', SQLSTATE, SQLERRM;
END $$;
CALL pg_temp.try($$ SELECT taskchat.send_message('msg-1', '') $$);
CALL pg_temp.try($$ SELECT taskchat.send_message('msg-1', E' \t\u200b\u3000') $$);
CALL pg_temp.try($$ SELECT taskchat.send_message('msg-1', NULL) $$);
CALL pg_temp.try($$ SELECT taskchat.send_message(NULL, 'x') $$);
CALL pg_temp.try($$ SELECT taskchat.send_message('msg-1', repeat('x', 16385)) $$);
CALL pg_temp.try($$ SELECT taskchat.send_message('msg-1', 'x', 'video') $$);
CALL pg_temp.try($$ SELECT taskchat.send_message('msg-1', 'x', 'image') $$);
CALL pg_temp.try($$ SELECT taskchat.send_message('msg-1', 'x', 'image', 'javascript:alert(1)') $$);
CALL pg_temp.try($$ SELECT taskchat.send_message('msg-1', 'x', 'image', 'http://example.com/') $$);
CALL pg_temp.try($$ SELECT taskchat.send_message('msg-1', 'x', 'image', 'no-scheme') $$);
CALL pg_temp.try($$ SELECT taskchat.send_message('msg-1', 'x', 'file', 'https://' || repeat('x', 2041)) $$);
CALL pg_temp.try($$ SELECT taskchat.send_message('msg-1', 'x', client_msg_id => '') $$);
CALL pg_temp.try($$ SELECT taskchat.send_message('msg-1', 'x', client_msg_id => repeat('x', 129)) $$);
CALL pg_temp.try($$ SELECT taskchat.send_message('msg-1', 'x', reply_to => '00000000-0000-0000-0000-000000000000') $$);
CALL pg_temp.try($$ SELECT taskchat.send_message('msg-1', 'x', metadata => jsonb_build_object('k', repeat('x', 8192))) $$);
CALL pg_temp.try($$ SELECT taskchat.send_message('nowhere', 'x') $$);
-- Forged columns
CALL pg_temp.try($$ INSERT INTO taskchat.task_messages (task_id, content, sender_id) VALUES ('msg-1', 'x', 'ada') $$);
CALL pg_temp.try($$ INSERT INTO taskchat.task_messages (task_id, content, seq) VALUES ('msg-1', 'x', 99) $$);
CALL pg_temp.try($$ INSERT INTO taskchat.task_messages (task_id, content, room_id) VALUES ('msg-1', 'x', 99) $$);
CALL pg_temp.try($$ INSERT INTO taskchat.task_messages (task_id, content, created_at) VALUES ('msg-1', 'x', now()) $$);
CALL pg_temp.try($$ INSERT INTO taskchat.task_messages (task_id, content, read_at) VALUES ('msg-1', 'x', now()) $$);
CALL pg_temp.try($$ INSERT INTO taskchat.task_messages (task_id, content, is_system_message) VALUES ('msg-1', 'x', true) $$);
CALL pg_temp.try($$ INSERT INTO taskchat.task_messages (id, room_id, seq, created_at, task_id, content) VALUES (gen_random_uuid(), 1, 99, now(), 'msg-1', 'x') $$);
CALL pg_temp.try($$ UPDATE taskchat.task_messages SET content = 'x' $$);
CALL pg_temp.try($$ DELETE FROM taskchat.task_messages $$);
-- No identity; an observer; a stranger
SELECT taskchat.send_message('msg-1', 'x');
INSERT INTO taskchat.task_messages (task_id, content) VALUES ('msg-1', 'x');
BEGIN; SELECT taskchat.act_as('olga'); SELECT taskchat.send_message('msg-1', 'x'); ROLLBACK;
BEGIN; SELECT taskchat.act_as('eve'); SELECT taskchat.send_message('msg-1', 'x'); ROLLBACK;
-- Replies stay in their room; pages and the whole line
BEGIN;
SELECT taskchat.act_as('ben');
SELECT r.seq, r.reply_to = m.id AS replies FROM taskchat.get_messages('msg-1', max_rows => 1) m,
	LATERAL taskchat.send_message('msg-1', 'a reply', reply_to => m.id) r;
SELECT array_agg(seq) FROM taskchat.get_messages('msg-1', max_rows => 3);
SELECT array_agg(seq) FROM taskchat.get_messages('msg-1', before_seq => 7, max_rows => 2);
SELECT array_agg(seq) FROM taskchat.get_messages('msg-1', after_seq => 5, max_rows => 2);
SELECT seq, event ->> 'type' AS type FROM taskchat.get_events('msg-1');
SELECT count(*), min(seq), max(seq) FROM taskchat.get_events('msg-1', 4);
SELECT taskchat.get_messages('msg-1', max_rows => 0);
COMMIT;
-- What was numbered is what is there
RESET ROLE;
SELECT last_seq = (SELECT count(*) FROM taskchat.task_messages WHERE task_id = 'msg-1') + (SELECT count(*) FROM taskchat.task_events WHERE task_id = 'msg-1') AS no_gap
	FROM taskchat.task_rooms WHERE task_id = 'msg-1';
-- The trigger serves its own table only
CREATE TABLE own (id uuid);
CREATE TRIGGER t BEFORE INSERT ON own FOR EACH ROW EXECUTE FUNCTION taskchat.message_before_insert();
INSERT INTO own VALUES (NULL);
DROP TABLE own;
