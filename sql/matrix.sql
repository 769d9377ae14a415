-- Who may do what: every relation and verb by role, every address and function
-- by who one is in the room. Each attempt is made and undone. In the tables a
-- dash is 42501 (insufficient privilege), a number is that of the rows seen,
-- anything else that is no "ok" is the SQLSTATE.
SET client_min_messages = error;
CREATE ROLE regress_user LOGIN IN ROLE taskchat_user;
CREATE ROLE regress_backend LOGIN IN ROLE taskchat_backend;
CREATE ROLE regress_relay LOGIN IN ROLE taskchat_relay;
CREATE ROLE regress_other LOGIN;
CREATE SCHEMA play;
GRANT ALL ON SCHEMA play TO PUBLIC;

CREATE FUNCTION play.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
-- What a statement gives to a login role (with the identity of somebody, or none)
CREATE FUNCTION play.attempt(login name, who text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	PERFORM taskchat.act_as(who);
	EXECUTE format('SET LOCAL SESSION AUTHORIZATION %I', login);
	EXECUTE statement;
	GET DIAGNOSTICS n = ROW_COUNT;
	RAISE EXCEPTION USING ERRCODE = 'UNDO0', MESSAGE = CASE WHEN statement ~* '^SELECT .*FROM' THEN n::text ELSE 'ok' END;
EXCEPTION
	WHEN SQLSTATE 'UNDO0' THEN RETURN SQLERRM;
	WHEN insufficient_privilege THEN RETURN '-';
	WHEN OTHERS THEN RETURN SQLSTATE;
END $$;

-- The task: ada made it, ben works, cyd and dan applied (and have private rooms
-- with ada), olga observes, fred was a worker, eve is nobody in it.
SELECT task_id FROM taskchat.open_room('mx', 'mx_ada');
SELECT count(*) FROM (VALUES ('mx_ben', 'worker'), ('mx_cyd', 'applicant'), ('mx_dan', 'applicant'), ('mx_olga', 'observer'), ('mx_fred', 'worker')) AS m (who, role),
	LATERAL taskchat.add_member('mx', who, role);
CREATE TABLE play.ids (room text, who text, id uuid);
DO $$
DECLARE
	said record;
BEGIN
	FOR said IN SELECT * FROM (VALUES ('main', 'mx_ada'), ('main', 'mx_ben'), ('main', 'mx_fred'), ('mx_cyd', 'mx_ada'), ('mx_cyd', 'mx_cyd'), ('mx_dan', 'mx_ada'), ('mx_dan', 'mx_dan')) AS s (room, who) LOOP
		PERFORM taskchat.act_as(said.who);
		INSERT INTO play.ids SELECT said.room, said.who, id FROM taskchat.send_message('mx', said.who || ' was here', applicant_id => nullif(said.room, 'main'));
	END LOOP;
	PERFORM taskchat.act_as(NULL);
END $$;
SELECT taskchat.remove_member('mx', 'mx_fred') AS removed;
SELECT taskchat.notify_user('mx_ada', 'payment') IS NOT NULL AS notified;

\echo '# Relations: verbs by role (ada is the identity)'
CREATE TABLE play.verbs (n serial, verb text, statement text);
INSERT INTO play.verbs (verb, statement) VALUES
	('select', 'TABLE %1$s'),
	('insert', 'INSERT INTO %1$s DEFAULT VALUES'),
	('update', 'UPDATE %1$s SET %2$I = %2$I'),
	('delete', 'DELETE FROM %1$s'),
	('truncate', 'TRUNCATE %1$s CASCADE'),
	('reference', 'CREATE UNLOGGED TABLE play.t (LIKE %1$s, FOREIGN KEY (%3$s) REFERENCES %1$s)'),
	('trigger', 'CREATE TRIGGER t AFTER INSERT ON %1$s FOR EACH STATEMENT EXECUTE FUNCTION play.nothing()'),
	('row lock', 'SELECT FROM %1$s FOR KEY SHARE'),
	('merge', 'MERGE INTO %1$s AS t USING (SELECT 1) AS s ON false WHEN MATCHED THEN DELETE'),
	('lock share', 'LOCK %1$s IN SHARE MODE'),
	('lock excl', 'LOCK %1$s IN ACCESS EXCLUSIVE MODE'),
	('alter', 'ALTER TABLE %1$s ADD x int'),
	('inherit', 'CREATE TABLE play.t () INHERITS (%1$s)'),
	('index', 'CREATE INDEX ON %1$s (%2$I)'),
	('rule', 'CREATE RULE r AS ON DELETE TO %1$s DO INSTEAD NOTHING'),
	('policy', 'CREATE POLICY p ON %1$s USING (true)'),
	('unsecure', 'ALTER TABLE %1$s DISABLE ROW LEVEL SECURITY'),
	('no trigger', 'ALTER TABLE %1$s DISABLE TRIGGER ALL'),
	('publish', 'CREATE PUBLICATION p FOR TABLE %1$s'),
	('own', 'ALTER TABLE %1$s OWNER TO CURRENT_USER'),
	('drop', 'DROP TABLE %1$s'),
	('comment', 'COMMENT ON TABLE %1$s IS NULL'),
	('statistics', 'CREATE STATISTICS play.s (ndistinct) ON task_id, user_id FROM %1$s');
CREATE VIEW play.relations AS
	SELECT c.oid::regclass::text AS relation, c.relname, (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = 1) AS first_column,
		coalesce((SELECT string_agg(a.attname, ',' ORDER BY a.attnum) FROM pg_attribute a JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY (i.indkey) WHERE a.attrelid = c.oid), 'user_id') AS key,
		c.relname IN ('task_messages', 'task_events', 'task_rooms', 'task_members', 'user_presence', 'notifications') AS public
	FROM pg_class c WHERE c.relnamespace = 'taskchat'::regnamespace AND c.relkind IN ('r', 'v');
CREATE TABLE play.results AS
	SELECT login, relname, public, v.n, verb, play.attempt(login, 'mx_ada', format(statement, relation, first_column, key)) AS result
	FROM unnest(ARRAY['regress_user', 'regress_backend', 'regress_relay', 'regress_other']) AS login, play.relations, play.verbs v;
-- taskchat_user
SELECT verb, relname, result FROM play.results WHERE login = 'regress_user' AND public ORDER BY n, relname \crosstabview
-- taskchat_backend has exactly the same
SELECT u.verb, u.relname FROM play.results u JOIN play.results b USING (relname, n) WHERE u.login = 'regress_user' AND b.login = 'regress_backend' AND u.result <> b.result;
-- The relay's role, and one that has nothing to do with taskchat, get nothing, nor does anybody of the other relations
SELECT login, relname, verb, result FROM play.results WHERE (login IN ('regress_relay', 'regress_other') OR NOT public) AND result <> '-'
	AND NOT (relname = 'user_presence' AND result IN ('42809', '55000', '0A000'));
-- The counter of room numbers
SELECT login, play.attempt(login, 'mx_ada', $$SELECT nextval('taskchat.room_numbers')$$) AS nextval,
	play.attempt(login, 'mx_ada', $$SELECT setval('taskchat.room_numbers', 1)$$) AS setval,
	play.attempt(login, 'mx_ada', 'SELECT last_value FROM taskchat.room_numbers') AS read
	FROM unnest(ARRAY['regress_user', 'regress_backend', 'regress_relay', 'regress_other']) AS login;
-- Nobody makes anything in the schema
SELECT login, play.attempt(login, 'mx_ada', 'CREATE TABLE taskchat.t ()') AS "table", play.attempt(login, 'mx_ada', 'CREATE FUNCTION taskchat.f() RETURNS int LANGUAGE sql AS ''SELECT 1''') AS function
	FROM unnest(ARRAY['regress_user', 'regress_backend', 'regress_relay', 'regress_other']) AS login;
-- COPY
SET SESSION AUTHORIZATION regress_user;
COPY taskchat.task_messages TO STDOUT;
COPY taskchat.task_messages (content) TO STDOUT;
COPY taskchat.task_messages FROM STDIN;
\.
COPY taskchat.tickets TO STDOUT;
COPY (SELECT content FROM taskchat.task_messages) TO STDOUT;
RESET SESSION AUTHORIZATION;

\echo '# Columns of task_messages that an INSERT may bring (ben is the identity; NULL is what ORMs send)'
SELECT c.name AS "column", play.attempt('regress_user', 'mx_ben', format('INSERT INTO taskchat.task_messages (task_id, content, %1$I) VALUES (''mx'', ''x'', NULL)', c.name)) AS "NULL",
	play.attempt('regress_user', 'mx_ben', format('INSERT INTO taskchat.task_messages (task_id, content, %1$I) VALUES (''mx'', ''x'', DEFAULT)', c.name)) AS "DEFAULT",
	c.what AS "a value", play.attempt('regress_user', 'mx_ben', format('INSERT INTO taskchat.task_messages (task_id, content, %1$I) VALUES (''mx'', ''x'', %2$L)', c.name, c.value)) AS "is"
FROM (VALUES ('id', 'any', gen_random_uuid()::text), ('room_id', 'the right one', (SELECT room_id::text FROM taskchat.task_rooms WHERE task_id = 'mx' AND applicant_id IS NULL)),
	('applicant_id', 'somebody''s room', 'mx_cyd'), ('seq', 'any', '99'), ('sender_id', 'oneself', 'mx_ben'), ('sender_id', 'another', 'mx_ada'), ('sender_id', 'none', ''),
	('message_type', 'image', 'image'), ('file_url', 'https', 'https://example.org/f'), ('created_at', 'now', 'now'), ('read_at', 'now', 'now'),
	('is_system_message', 'false', 'f'), ('is_system_message', 'true', 't'), ('client_msg_id', 'any', 'one'), ('metadata', 'an object', '{}'),
	('reply_to', 'in the room', (SELECT id::text FROM play.ids WHERE room = 'main' AND who = 'mx_ada')), ('reply_to', 'in another room', (SELECT id::text FROM play.ids WHERE room = 'mx_cyd' AND who = 'mx_ada')),
	('reply_to', 'no message', gen_random_uuid()::text), ('edited_at', 'now', 'now'), ('deleted_at', 'now', 'now')) AS c (name, what, value);

\echo '# Rooms: what each sees of the task and may do, by address'
CREATE TABLE play.people (n serial, who text, name text);
INSERT INTO play.people (who, name) VALUES ('mx_ada', 'creator'), ('mx_ben', 'worker'), ('mx_cyd', 'applicant'), ('mx_dan', 'applicant 2'), ('mx_olga', 'observer'), ('mx_fred', 'former'), ('mx_eve', 'stranger'), (NULL, 'none');
CREATE TABLE play.deeds (n serial, deed text, statement text);
INSERT INTO play.deeds (deed, statement) VALUES
	('see the room', 'SELECT FROM taskchat.task_rooms WHERE task_id = ''mx'' AND applicant_id IS NOT DISTINCT FROM %1$L'),
	('see members', 'SELECT FROM taskchat.task_members WHERE task_id = ''mx'' AND applicant_id IS NOT DISTINCT FROM %1$L'),
	('see messages', 'SELECT FROM taskchat.task_messages WHERE task_id = ''mx'' AND applicant_id IS NOT DISTINCT FROM %1$L'),
	('see events', 'SELECT FROM taskchat.task_events WHERE task_id = ''mx'' AND applicant_id IS NOT DISTINCT FROM %1$L'),
	('send_message', 'SELECT taskchat.send_message(''mx'', ''x'', applicant_id => %1$L)'),
	('INSERT', 'INSERT INTO taskchat.task_messages (task_id, applicant_id, content) VALUES (''mx'', %1$L, ''x'')'),
	('reply to the creator', 'SELECT taskchat.send_message(''mx'', ''x'', reply_to => %3$L, applicant_id => %1$L)'),
	('edit own', 'SELECT taskchat.edit_message(%2$L, ''y'')'),
	('delete own', 'SELECT taskchat.delete_message(%2$L)'),
	('edit the creator''s', 'SELECT taskchat.edit_message(%3$L, ''y'')'),
	('delete the creator''s', 'SELECT taskchat.delete_message(%3$L)'),
	('get_messages', 'SELECT FROM taskchat.get_messages(''mx'', applicant_id => %1$L)'),
	('get_events', 'SELECT FROM taskchat.get_events(''mx'', applicant_id => %1$L)'),
	('search_messages', 'SELECT FROM taskchat.search_messages(''here'', ''mx'', applicant_id => %1$L)'),
	('mark_read', 'SELECT taskchat.mark_read(''mx'', 1, %1$L)'),
	('set_muted', 'SELECT taskchat.set_muted(''mx'', true, %1$L)'),
	('set_typing', 'SELECT taskchat.set_typing(''mx'', true, %1$L)');
SELECT d.deed, p.name, play.attempt('regress_user', p.who, format(d.statement, NULL, coalesce((SELECT i.id FROM play.ids i WHERE i.room = 'main' AND i.who = p.who), '00000000-0000-0000-0000-000000000000'), (SELECT i.id FROM play.ids i WHERE i.room = 'main' AND i.who = 'mx_ada'))), p.n
	FROM play.deeds d, play.people p ORDER BY d.n, p.n \crosstabview "deed" "name" "attempt" "n"
-- The same with cyd's private room as the address. (dan has one of his own.)
SELECT d.deed, p.name, play.attempt('regress_user', p.who, format(d.statement, 'mx_cyd', coalesce((SELECT i.id FROM play.ids i WHERE i.room = 'mx_cyd' AND i.who = p.who), '00000000-0000-0000-0000-000000000000'), (SELECT i.id FROM play.ids i WHERE i.room = 'mx_cyd' AND i.who = 'mx_ada'))), p.n
	FROM play.deeds d, play.people p ORDER BY d.n, p.n \crosstabview "deed" "name" "attempt" "n"
-- Functions that name no room
CREATE TABLE play.asks (n serial, deed text, statement text);
INSERT INTO play.asks (deed, statement) VALUES
	('get_rooms', 'SELECT FROM taskchat.get_rooms() WHERE task_id = ''mx'''),
	('search everywhere', 'SELECT FROM taskchat.search_messages(''here'')'),
	('presence of ada', 'SELECT FROM taskchat.get_presence(ARRAY[''mx_ada''])'),
	('presence of ben', 'SELECT FROM taskchat.get_presence(ARRAY[''mx_ben''])'),
	('presence of dan', 'SELECT FROM taskchat.get_presence(ARRAY[''mx_dan''])'),
	('view user_presence', 'SELECT FROM taskchat.user_presence'),
	('be online at mx', 'SELECT taskchat.set_presence(true, ''mx'')'),
	('be online', 'SELECT taskchat.set_presence(true)'),
	('notifications', 'SELECT FROM taskchat.notifications'),
	('get_notifications', 'SELECT FROM taskchat.get_notifications()'),
	('read ada''s notice', format('SELECT taskchat.mark_notification_read(%L)', (SELECT id FROM taskchat.notifications WHERE user_id = 'mx_ada' AND kind = 'payment')));
SELECT d.deed, p.name, play.attempt('regress_user', p.who, d.statement), p.n FROM play.asks d, play.people p ORDER BY d.n, p.n \crosstabview "deed" "name" "attempt" "n"
-- A back end that has not said for whom is nobody, as anybody else
SELECT d.deed FROM play.deeds d WHERE play.attempt('regress_backend', NULL, format(d.statement, NULL, gen_random_uuid(), gen_random_uuid())) NOT IN ('0', '28000');

\echo '# Unknown, not yours and not allowed are one: same SQLSTATE, message, detail and hint'
CREATE FUNCTION play.says(who text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
	name text;
BEGIN
	PERFORM taskchat.act_as(who);
	SET LOCAL SESSION AUTHORIZATION regress_user;
	EXECUTE statement;
	RAISE EXCEPTION 'nothing is wrong';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, name = CONSTRAINT_NAME;
	RETURN concat_ws(' / ', SQLSTATE, SQLERRM, nullif(detail, ''), nullif(hint, ''), nullif(name, ''));
END $$;
WITH deed AS (
	SELECT d.deed, a.address, play.says('mx_eve', format(d.statement, a.task, a.applicant, a.id)) AS answer
	FROM (VALUES ('send', 'SELECT taskchat.send_message(%1$L, ''x'', applicant_id => %2$L)'), ('send with a client_msg_id', 'SELECT taskchat.send_message(%1$L, ''x'', applicant_id => %2$L, client_msg_id => ''1'')'),
		('send too much', 'SELECT taskchat.send_message(%1$L, repeat(''x'', 20000), applicant_id => %2$L)'),
		('INSERT', 'INSERT INTO taskchat.task_messages (task_id, applicant_id, content) VALUES (%1$L, %2$L, ''x'')'),
		('reply', 'SELECT taskchat.send_message(%1$L, ''x'', applicant_id => %2$L, reply_to => %3$L)'),
		('edit', 'SELECT taskchat.edit_message(%3$L, ''x'')'), ('delete', 'SELECT taskchat.delete_message(%3$L)'),
		('get_messages', 'SELECT taskchat.get_messages(%1$L, applicant_id => %2$L)'), ('get_events', 'SELECT taskchat.get_events(%1$L, applicant_id => %2$L)'),
		('search', 'SELECT taskchat.search_messages(''here'', %1$L, applicant_id => %2$L)'), ('mark_read', 'SELECT taskchat.mark_read(%1$L, 1, %2$L)'),
		('mute', 'SELECT taskchat.set_muted(%1$L, true, %2$L)'), ('type', 'SELECT taskchat.set_typing(%1$L, true, %2$L)'), ('presence', 'SELECT taskchat.set_presence(true, %1$L)')) AS d (deed, statement),
	(VALUES ('main', 'mx', NULL, (SELECT id FROM play.ids WHERE room = 'main' AND who = 'mx_ada')), ('private', 'mx', 'mx_cyd', (SELECT id FROM play.ids WHERE room = 'mx_cyd' AND who = 'mx_ada')),
		('no such applicant', 'mx', 'zoe', gen_random_uuid()), ('no such task', 'nothing', NULL, gen_random_uuid())) AS a (address, task, applicant, id))
SELECT deed, count(DISTINCT answer) AS answers, min(answer) AS answer FROM deed GROUP BY deed ORDER BY deed COLLATE "C";

\echo '# Functions by role (the identity is the creator; so is each attempt a good one)'
CREATE TABLE play.calls (n serial, name text, "for" text, arguments text);
INSERT INTO play.calls (name, "for", arguments) VALUES
	('current_user_id', 'users', ''),
	('send_message', 'users', '''mx'', ''x'''),
	('edit_message', 'users', format('%L, ''y''', (SELECT id FROM play.ids WHERE room = 'main' AND who = 'mx_ada'))),
	('delete_message', 'users', format('%L', (SELECT id FROM play.ids WHERE room = 'main' AND who = 'mx_ada'))),
	('get_messages', 'users', '''mx'''),
	('get_events', 'users', '''mx'''),
	('search_messages', 'users', '''here'''),
	('mark_read', 'users', '''mx'', 1'),
	('get_rooms', 'users', ''),
	('set_muted', 'users', '''mx'', true'),
	('set_typing', 'users', '''mx'', true'),
	('set_presence', 'users', 'true'),
	('get_presence', 'users', '''{}'''),
	('get_notifications', 'users', ''),
	('mark_notification_read', 'users', format('%L', (SELECT id FROM taskchat.notifications WHERE user_id = 'mx_ada' AND kind = 'payment'))),
	('act_as', 'back ends, relay', '''mx_ada'''),
	('open_room', 'back ends', '''mx-2'', ''mx_ada'''),
	('close_room', 'back ends', '''mx'''),
	('reopen_room', 'back ends', '''mx'''),
	('add_member', 'back ends', '''mx'', ''mx_eve'''),
	('remove_member', 'back ends', '''mx'', ''mx_ben'''),
	('send_system_message', 'back ends', '''mx'', ''x'''),
	('publish_task_update', 'back ends', '''mx'', ''{}'''),
	('notify_user', 'back ends', '''mx_ada'', ''x'''),
	('create_ticket', 'back ends', '''mx_ada'''),
	('end_sessions', 'back ends', '''mx_ada'''),
	('bind_tasks', 'back ends', '''play.tasks'''),
	('unbind_tasks', 'back ends', '''play.tasks'''),
	('purge_messages', 'back ends', '''1 year'''),
	('orphaned_rooms', 'back ends', ''),
	('deliver_pending', 'back ends', ''),
	('undelivered', 'back ends', ''),
	('delivery_stats', 'back ends', ''),
	('new_epoch', 'back ends', '');
CREATE TABLE play.tasks (id text, creator_id text, status text);
ALTER TABLE play.tasks OWNER TO regress_backend;
-- (a table that isn't bound cannot be unbound: P0002)
SELECT c.name, l.role, play.attempt(l.login, 'mx_ada', format('SELECT taskchat.%s(%s)', c.name, c.arguments)) AS may
FROM play.calls c, (VALUES (1, 'regress_user', 'taskchat_user'), (2, 'regress_backend', 'taskchat_backend'), (3, 'regress_relay', 'taskchat_relay'), (4, 'regress_other', 'another')) AS l (n, login, role)
ORDER BY c.n, l.n \crosstabview name role may
-- The rights to call them say the same
CREATE VIEW play.rights AS SELECT p.oid, p.oid::regprocedure AS function, p.proname, p.prosecdef,
	has_function_privilege('regress_user', p.oid, 'EXECUTE') AS "user", has_function_privilege('regress_backend', p.oid, 'EXECUTE') AS backend,
	has_function_privilege('regress_relay', p.oid, 'EXECUTE') AS relay, has_function_privilege('regress_other', p.oid, 'EXECUTE') AS other
	FROM pg_proc p WHERE p.pronamespace = 'taskchat'::regnamespace;
SELECT r.function FROM play.rights r JOIN play.calls c ON c.name = r.proname
	WHERE ROW(r.user, r.backend, r.relay, r.other) <> ROW(c."for" = 'users', true, c."for" ~ 'relay', false);
-- Of the functions that are no part of the interface, users may call those that the frames of the relay are made of
-- (wire_*, which run with their own rights and so show them nothing that they could not read anyway), and besides
SELECT function, CASE WHEN prosecdef THEN 'definer' ELSE 'invoker' END AS runs_as FROM play.rights
	WHERE "user" AND proname NOT IN (SELECT name FROM play.calls) AND (prosecdef OR proname !~ '^wire_') ORDER BY function::text COLLATE "C";
-- back ends nothing else
SELECT function FROM play.rights WHERE backend AND NOT "user" AND proname NOT IN (SELECT name FROM play.calls);
-- the relay only what is named for it
SELECT function FROM play.rights WHERE relay AND proname !~ '^relay_' AND proname <> 'act_as';
SELECT function FROM play.rights WHERE proname ~ '^relay_' AND (NOT relay OR "user" OR backend);
-- and others nothing.
SELECT function FROM play.rights WHERE other;

DROP SCHEMA play CASCADE;
DROP ROLE regress_user, regress_backend, regress_relay, regress_other;
