-- The identity cannot be forged. Each attempt is made by a superuser and by a
-- user, with somebody set and with nobody; afterwards it must be who it was.
SET client_min_messages = error;
CREATE ROLE regress_user LOGIN IN ROLE taskchat_user;
CREATE ROLE regress_backend LOGIN IN ROLE taskchat_backend;
CREATE SCHEMA forge;
GRANT ALL ON SCHEMA forge TO PUBLIC;
SELECT task_id FROM taskchat.open_room('forge', 'alma');
SELECT seq FROM taskchat.send_system_message('forge', 'a secret');

-- What an attempt says, and whom it leaves as the identity
CREATE FUNCTION forge.attempt(login name, who text, statement text, OUT says text, OUT identity text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM taskchat.act_as(who);
	EXECUTE format('SET LOCAL SESSION AUTHORIZATION %I', login);
	BEGIN
		EXECUTE statement;
		says := 'ok';
	EXCEPTION WHEN OTHERS THEN
		says := SQLSTATE;
	END;
	identity := taskchat.current_user_id();
	RAISE EXCEPTION USING ERRCODE = 'UNDO0';
EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
	identity := coalesce(identity, '(none)');
END $$;
CREATE TABLE forge.attempts (n serial, statement text);
INSERT INTO forge.attempts (statement) VALUES
	('SET taskchat.user_id = ''alma'''),
	('SET SESSION taskchat.user_id = ''alma'''),
	('SET LOCAL taskchat.user_id = ''alma'''),
	('SET taskchat.user_id TO DEFAULT'),
	('SET taskchat.user_id FROM CURRENT'),
	('SET "taskchat.user_id" = ''alma'''),
	('SET TASKCHAT.USER_ID = ''alma'''),
	('RESET taskchat.user_id'),
	('RESET ALL'),
	('SELECT set_config(''taskchat.user_id'', ''alma'', false)'),
	('SELECT set_config(''taskchat.user_id'', ''alma'', true)'),
	('SELECT set_config(''TaskChat.User_ID'', ''alma'', true)'),
	('UPDATE pg_settings SET setting = ''alma'' WHERE name = ''taskchat.user_id'''),
	('ALTER ROLE regress_user SET taskchat.user_id = ''alma'''),
	('ALTER ROLE ALL SET taskchat.user_id = ''alma'''),
	('ALTER ROLE CURRENT_USER RESET ALL'),
	('CREATE FUNCTION forge.f() RETURNS text LANGUAGE sql SET taskchat.user_id = ''alma'' AS ''SELECT 1::text'''),
	('CREATE FUNCTION forge.f() RETURNS text LANGUAGE sql SET taskchat.user_id FROM CURRENT AS ''SELECT 1::text'''),
	('ALTER FUNCTION forge.harmless() SET taskchat.user_id = ''alma'''),
	('DO $do$ BEGIN BEGIN SET LOCAL taskchat.user_id = ''alma''; EXCEPTION WHEN OTHERS THEN NULL; END; END $do$'),
	('SET ROLE taskchat_user'),
	('SET SESSION AUTHORIZATION DEFAULT'),
	('CREATE TABLE pg_temp.current_user_id AS SELECT ''alma'' AS x'),
	('CREATE FUNCTION pg_temp.current_user_id() RETURNS text LANGUAGE sql AS ''SELECT $a$alma$a$'''),
	('SET search_path = forge, taskchat'),
	('CREATE OR REPLACE FUNCTION taskchat.current_user_id() RETURNS text LANGUAGE sql AS ''SELECT $a$alma$a$'''),
	('DROP FUNCTION taskchat.current_user_id()'),
	('GRANT taskchat_backend TO CURRENT_USER'),
	('GRANT EXECUTE ON FUNCTION taskchat.act_as(text) TO PUBLIC'),
	('SET session_replication_role = replica'),
	('SET row_security = off'),
	('SET taskchat.other = ''x'''),
	('LOAD ''taskchat'''),
	('CREATE EVENT TRIGGER forge ON ddl_command_end EXECUTE FUNCTION forge.harmless_event()'),
	('CREATE FUNCTION forge.act_as(text) RETURNS void AS ''$libdir/taskchat'', ''taskchat_act_as'' LANGUAGE C');
CREATE FUNCTION forge.harmless() RETURNS text LANGUAGE sql AS 'SELECT taskchat.current_user_id()';
CREATE FUNCTION forge.harmless_event() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
-- In the tables: who was set → who is set
SELECT a.statement, u.says AS "user says", n.identity AS "none →", u.identity AS "elsa →", s.says AS "superuser says", t.identity AS "none →", s.identity AS "elsa →"
FROM forge.attempts a, forge.attempt('regress_user', 'elsa', a.statement) u, forge.attempt('regress_user', NULL, a.statement) n,
	forge.attempt(session_user, 'elsa', a.statement) s, forge.attempt(session_user, NULL, a.statement) t
WHERE a.statement !~ '^(CREATE OR REPLACE|DROP|LOAD|CREATE FUNCTION forge.act_as)' ORDER BY a.n;
-- (what a superuser may of course do, to the functions themselves)
SELECT a.statement, u.says AS "user says", n.identity AS "none →", u.identity AS "elsa →"
FROM forge.attempts a, forge.attempt('regress_user', 'elsa', a.statement) u, forge.attempt('regress_user', NULL, a.statement) n
WHERE a.statement ~ '^(CREATE OR REPLACE|DROP|LOAD|CREATE FUNCTION forge.act_as)' ORDER BY a.n;

-- Only these may call act_as()
SELECT r.rolname, has_function_privilege(r.oid, 'taskchat.act_as(text)', 'EXECUTE') AS may
FROM pg_roles r WHERE r.rolname ~ '^(taskchat|regress)_(user|backend|relay)$' ORDER BY 1;
SELECT (forge.attempt('regress_user', NULL, 'SELECT taskchat.act_as(''alma'')')).*;

-- It ends with its transaction, however that ends
BEGIN; SELECT FROM taskchat.act_as('alma'); COMMIT;
SELECT taskchat.current_user_id() IS NULL AS "after COMMIT";
BEGIN; SELECT FROM taskchat.act_as('alma'); ROLLBACK;
SELECT taskchat.current_user_id() IS NULL AS "after ROLLBACK";
BEGIN; SELECT FROM taskchat.act_as('alma'); SELECT 1 / 0; COMMIT;
SELECT taskchat.current_user_id() IS NULL AS "after an error";
BEGIN; SELECT FROM taskchat.act_as('alma'); COMMIT AND CHAIN;
SELECT taskchat.current_user_id() IS NULL AS "after COMMIT AND CHAIN"; ROLLBACK;
BEGIN; SELECT FROM taskchat.act_as('alma'); PREPARE TRANSACTION 'forge';
SELECT taskchat.current_user_id() IS NULL AS "after PREPARE TRANSACTION";
COMMIT PREPARED 'forge';
SELECT taskchat.current_user_id() IS NULL AS "after COMMIT PREPARED";
SELECT FROM taskchat.act_as('alma');
SELECT taskchat.current_user_id() IS NULL AS "after a statement of its own";
BEGIN; SELECT FROM taskchat.act_as('alma'); SAVEPOINT a; SELECT FROM taskchat.act_as('ben'); SAVEPOINT b; SELECT FROM taskchat.act_as('cyd');
RELEASE b; SELECT taskchat.current_user_id() AS "cyd: RELEASE keeps it";
ROLLBACK TO a; SELECT taskchat.current_user_id() AS "alma: ROLLBACK TO takes it back"; COMMIT;
DO $$ BEGIN
	PERFORM taskchat.act_as('alma');
	BEGIN PERFORM taskchat.act_as('ben'); RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END;
	ASSERT taskchat.current_user_id() = 'alma', 'an exception block takes it back';
	COMMIT;
	ASSERT taskchat.current_user_id() IS NULL, 'COMMIT in a procedure ends it';
	PERFORM taskchat.act_as('alma');
	ROLLBACK;
	ASSERT taskchat.current_user_id() IS NULL, 'ROLLBACK in a procedure ends it';
END $$;
-- A function's own SET clauses don't end it: it lasts for the transaction
CREATE FUNCTION forge.login(who text) RETURNS void LANGUAGE sql SET search_path = pg_catalog SET work_mem = '1MB' AS 'SELECT taskchat.act_as(who)';
BEGIN; SELECT FROM forge.login('alma'); SELECT taskchat.current_user_id() AS "alma"; SELECT FROM taskchat.act_as(NULL); SELECT taskchat.current_user_id() IS NULL AS cleared; COMMIT;
BEGIN; SELECT FROM taskchat.act_as('alma'); RESET ALL; SELECT taskchat.current_user_id() AS "alma: RESET ALL changes nothing"; COMMIT;
DISCARD ALL;
SELECT taskchat.current_user_id() IS NULL AS "after DISCARD ALL";

-- Who has SET ROLE, a definer's rights or a prepared statement still has the identity alone
SET ROLE regress_backend;
CREATE FUNCTION forge.definer() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM taskchat.task_messages WHERE task_id = ''forge''';
CREATE VIEW forge.view AS SELECT * FROM taskchat.task_messages WHERE task_id = 'forge';
CREATE VIEW forge.invoker WITH (security_invoker) AS SELECT * FROM taskchat.task_messages WHERE task_id = 'forge';
GRANT SELECT ON forge.view, forge.invoker TO PUBLIC;
RESET ROLE;
SET SESSION AUTHORIZATION regress_backend;
PREPARE history AS SELECT count(*) FROM taskchat.task_messages WHERE task_id = 'forge';
CREATE FUNCTION forge.counts() RETURNS TABLE (direct bigint, definer bigint, view bigint, invoker bigint) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT (SELECT count(*) FROM taskchat.task_messages WHERE task_id = 'forge'), forge.definer(),
		(SELECT count(*) FROM forge.view), (SELECT count(*) FROM forge.invoker);
END $$;
BEGIN; SELECT FROM taskchat.act_as('alma'); EXECUTE history; SELECT * FROM forge.counts(); COMMIT;
BEGIN; SELECT FROM taskchat.act_as('elsa'); EXECUTE history; SELECT * FROM forge.counts(); COMMIT;
EXECUTE history; SELECT * FROM forge.counts();
SET plan_cache_mode = force_generic_plan;
BEGIN; SELECT FROM taskchat.act_as('alma'); EXECUTE history; SET LOCAL ROLE taskchat_user; EXECUTE history; COMMIT;
EXECUTE history;
RESET plan_cache_mode;
-- A cursor WITH HOLD keeps what its own transaction saw, and shows no more
BEGIN; SELECT FROM taskchat.act_as('elsa'); DECLARE held CURSOR WITH HOLD FOR SELECT seq, content FROM taskchat.task_messages WHERE task_id = 'forge'; COMMIT;
BEGIN; SELECT FROM taskchat.act_as('alma'); FETCH ALL held; COMMIT;
-- Any other asks once, when it is first fetched from
BEGIN; SELECT FROM taskchat.act_as('alma'); DECLARE c SCROLL CURSOR FOR SELECT seq, content FROM taskchat.task_messages WHERE task_id = 'forge'; SELECT FROM taskchat.act_as('elsa'); FETCH ALL c; SELECT FROM taskchat.act_as('alma'); FETCH BACKWARD ALL c; COMMIT;
RESET SESSION AUTHORIZATION;

-- A superuser's definer function doesn't lend its rights to the trigger: no row counts as restored in it
CREATE FUNCTION forge.complete(task text) RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$
	INSERT INTO taskchat.task_messages (id, room_id, task_id, seq, sender_id, content, created_at)
	SELECT gen_random_uuid(), room_id, task_id, 999, 'alma', 'forged', now() FROM taskchat.task_rooms WHERE task_id = task RETURNING seq $$;
SELECT u.*, n.identity AS "none →", n.says FROM forge.attempt('regress_user', 'elsa', 'SELECT forge.complete(''forge'')') u, forge.attempt('regress_user', NULL, 'SELECT forge.complete(''forge'')') n;
SELECT b.* FROM forge.attempt('regress_backend', NULL, 'INSERT INTO taskchat.task_messages (id, room_id, task_id, seq, sender_id, content, created_at) VALUES (gen_random_uuid(), 1, ''forge'', 999, ''alma'', ''forged'', now())') b;

-- Forced parallelism counts right: the identity stays with the leader
BEGIN;
SET LOCAL session_replication_role = replica;
INSERT INTO taskchat.task_messages (id, room_id, task_id, seq, content, created_at)
	SELECT gen_random_uuid(), r.room_id, r.task_id, 1000 + g, 'filler', now() FROM taskchat.task_rooms r, generate_series(1, 20000) g WHERE r.task_id = 'forge';
SET LOCAL session_replication_role = origin;
ANALYZE taskchat.task_messages;
SET LOCAL force_parallel_mode = on;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL min_parallel_index_scan_size = 0;
SET LOCAL max_parallel_workers_per_gather = 2;
SET LOCAL enable_indexonlyscan = off;
SELECT FROM taskchat.act_as('alma');
SET LOCAL ROLE taskchat_user;
SELECT count(*), count(*) FILTER (WHERE sender_id IS NULL) AS from_system FROM taskchat.task_messages;
SELECT count(*) FROM taskchat.task_messages WHERE taskchat.current_user_id() = 'alma';
SELECT count(*) FROM taskchat.user_presence;
SELECT count(*) FROM taskchat.get_messages('forge', max_rows => 200);
CREATE FUNCTION pg_temp.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP RETURN NEXT line; END LOOP; END $$;
SELECT count(*) > 0 AS ran_in_workers FROM pg_temp.plan('SELECT count(*) FROM taskchat.task_messages') AS p WHERE p LIKE '%Gather%';
RESET ROLE;
ROLLBACK;

-- Set before the library is loaded: only a placeholder, of no effect
\c -
SET taskchat.user_id = 'alma';
SHOW taskchat.user_id;
SELECT taskchat.current_user_id() IS NULL AS nobody;
SHOW taskchat.user_id;
\c -
SELECT set_config('taskchat.user_id', 'alma', false);
SET ROLE taskchat_user;
SELECT count(*) FROM taskchat.task_messages;
SELECT taskchat.current_user_id() IS NULL AS nobody;
RESET ROLE;
-- … nor by PGOPTIONS, in one transaction with what it should fool, or stored with the role or the database
\c -reuse-previous=on "options='-c taskchat.user_id=alma'"
BEGIN;
SET LOCAL taskchat.user_id = 'alma';
SET LOCAL ROLE taskchat_user;
SELECT count(*) FROM taskchat.task_messages;
SELECT taskchat.current_user_id() IS NULL AS nobody;
COMMIT;
\c -reuse-previous=on "options=''"
ALTER DATABASE :"DBNAME" SET taskchat.user_id = 'alma';
ALTER ROLE CURRENT_USER IN DATABASE :"DBNAME" SET taskchat.user_id = 'alma';
CREATE FUNCTION forge.f() RETURNS text LANGUAGE sql SET taskchat.user_id = 'alma' AS 'SELECT taskchat.current_user_id()';
CREATE FUNCTION forge.g() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET taskchat.user_id = 'alma' AS 'SELECT count(*) FROM taskchat.task_messages';
ALTER FUNCTION forge.g() OWNER TO regress_backend;
\c -
SET SESSION AUTHORIZATION regress_user;
SELECT taskchat.current_user_id() IS NULL AS nobody, (SELECT count(*) FROM taskchat.task_messages) AS sees;
SELECT forge.f() IS NULL AS nobody;
SELECT forge.g() AS sees;
\c -
SET SESSION AUTHORIZATION regress_user;
SELECT forge.g() AS sees;
\c -
ALTER DATABASE :"DBNAME" RESET taskchat.user_id;
ALTER ROLE CURRENT_USER IN DATABASE :"DBNAME" RESET taskchat.user_id;

SET client_min_messages = error;
DROP OWNED BY regress_user, regress_backend;
DROP SCHEMA forge CASCADE;
DROP ROLE regress_user, regress_backend;
