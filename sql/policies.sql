-- What each kind of caller may see, and what nobody may do.
SET client_min_messages = warning;
SELECT task_id FROM taskchat.open_room('rls-1', 'ada');
SELECT role FROM taskchat.add_member('rls-1', 'ben');
SELECT role FROM taskchat.add_member('rls-1', 'gone');
SELECT taskchat.remove_member('rls-1', 'gone');
SELECT seq FROM taskchat.send_system_message('rls-1', 'hello');
SET ROLE taskchat_backend;
CREATE FUNCTION pg_temp.sees(who text) RETURNS TABLE (rooms bigint, members bigint, messages bigint, events bigint) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM taskchat.act_as(who);
	RETURN QUERY SELECT (SELECT count(*) FROM taskchat.task_rooms WHERE task_id = 'rls-1'),
		(SELECT count(*) FROM taskchat.task_members WHERE task_id = 'rls-1'),
		(SELECT count(*) FROM taskchat.task_messages WHERE task_id = 'rls-1'),
		(SELECT count(*) FROM taskchat.task_events WHERE task_id = 'rls-1');
END $$;
SELECT who, s.* FROM unnest(ARRAY['ada', 'ben', 'gone', 'eve', NULL]) AS who, LATERAL pg_temp.sees(who) s;
-- The policy is an index condition
BEGIN;
SELECT taskchat.act_as('eve');
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM taskchat.task_messages ORDER BY room_id, seq LIMIT 50;
ROLLBACK;
-- Other relations and functions are out of reach
SELECT * FROM taskchat.tickets;
SELECT * FROM taskchat.doorbell_channel;
SELECT taskchat.append_event(1, 'x', 'x', '{}');
SELECT taskchat.relay_hello();
SELECT taskchat.drain_stage();
SET ROLE taskchat_user;
SELECT taskchat.act_as('ada');
SELECT taskchat.open_room('x', 'y');
SET ROLE taskchat_relay;
SELECT * FROM taskchat.task_messages;
SELECT taskchat.open_room('x', 'y');
RESET ROLE;

-- Other people's data by the side door. eve is in no room; olaf owns a table and may create things.
CREATE ROLE regress_eve LOGIN IN ROLE taskchat_user;
CREATE ROLE regress_olaf LOGIN IN ROLE taskchat_backend;
CREATE ROLE regress_boss LOGIN SUPERUSER;
CREATE SCHEMA side;
GRANT ALL ON SCHEMA side TO PUBLIC;
SET SESSION AUTHORIZATION regress_olaf;
CREATE TABLE side.own (id text PRIMARY KEY, creator_id text, status text);
CREATE FUNCTION side.leak(anything text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE WARNING 'leaked %', anything; RETURN true; END $$;
CREATE FUNCTION side.leak_eq(a text, b text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE WARNING 'leaked %', a; RETURN true; END $$;
CREATE OPERATOR side.<<< (LEFTARG = text, RIGHTARG = text, FUNCTION = side.leak_eq);
-- Functions and operators that tell what they are given are given nothing
BEGIN;
SELECT taskchat.act_as('eve');
SELECT content FROM taskchat.task_messages WHERE side.leak(content);
SELECT content FROM taskchat.task_messages WHERE content OPERATOR(side.<<<) 'x';
SELECT user_id FROM taskchat.task_members WHERE side.leak(user_id);
SELECT payload FROM taskchat.notifications WHERE side.leak(payload::text);
SELECT user_id FROM taskchat.user_presence WHERE side.leak(user_id) AND user_id <> 'eve';
SELECT content FROM taskchat.task_messages ORDER BY side.leak(content);
SELECT m.content FROM taskchat.task_messages m JOIN side.own o ON side.leak(m.content);
SELECT content::int FROM taskchat.task_messages;
SELECT 1 / (seq - 5) FROM taskchat.task_messages;
ROLLBACK;
-- A stranger's statement touches no row of others, not even to reject it
RESET SESSION AUTHORIZATION;
ANALYZE taskchat.task_messages, taskchat.task_members, taskchat.task_rooms, taskchat.task_events, taskchat.notifications;
SET SESSION AUTHORIZATION regress_olaf;
CREATE FUNCTION side.plan(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN RETURN QUERY EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || statement; END $$;
BEGIN;
SELECT taskchat.act_as('eve');
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;
SELECT side.plan('SELECT * FROM taskchat.task_messages WHERE seq < 100 ORDER BY seq DESC LIMIT 50');
SELECT side.plan('SELECT * FROM taskchat.task_events WHERE seq > 0');
SELECT side.plan('SELECT * FROM taskchat.task_members');
SELECT side.plan('SELECT * FROM taskchat.task_rooms');
SELECT side.plan('SELECT * FROM taskchat.notifications');
ROLLBACK;
-- Statistics are nobody's, and estimates know nothing of what is written
SELECT count(*) FROM pg_stats WHERE schemaname = 'taskchat';
CREATE FUNCTION side.estimate(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN EXECUTE 'EXPLAIN (FORMAT JSON) ' || statement INTO plan; RETURN plan #>> '{0,Plan,Plan Rows}'; END $$;
SELECT count(DISTINCT side.estimate(format('SELECT FROM taskchat.task_messages, generate_series(1, 1000000) WHERE content < %L', guess))) AS estimates
	FROM unnest(ARRAY['a', 'hello', 'i', 'z']) AS guess;
-- Nobody reads or sets the doorbell's channel, whatever they LISTEN to; a forged bell rings for nobody
SELECT channel FROM taskchat.doorbell_channel;
LISTEN taskchat;
SELECT pg_listening_channels();
UNLISTEN *;
NOTIFY taskchat, 'r1';
SELECT taskchat.ring('r', '1');
-- Settings are not a user's to raise
SET taskchat.max_content_bytes = 1000000;
SET taskchat.allowed_file_schemes = 'javascript';
SET taskchat.edit_window = '100d';
SET taskchat.doorbell = 'inline';
SET taskchat.database_number = 7;
ALTER ROLE CURRENT_USER SET taskchat.max_content_bytes = 1000000;
-- Trigger functions are not to be hung on other tables, nor to be called
CREATE TRIGGER t BEFORE INSERT ON side.own FOR EACH ROW EXECUTE FUNCTION taskchat.message_before_insert();
CREATE TRIGGER t AFTER INSERT ON side.own FOR EACH ROW EXECUTE FUNCTION taskchat.drain_stage();
CREATE TRIGGER t AFTER INSERT ON side.own FOR EACH ROW EXECUTE FUNCTION taskchat.bound_task('id', 'creator_id', '{}');
SELECT taskchat.message_before_insert();
RESET SESSION AUTHORIZATION;
-- A table is bound by its owner alone, whoever the session's user is
CREATE TABLE side.bosses (id text PRIMARY KEY, creator_id text, status text);
GRANT ALL ON side.bosses TO regress_olaf;
SET SESSION AUTHORIZATION regress_boss;
SET ROLE regress_olaf;
SELECT taskchat.bind_tasks('side.bosses');
SELECT taskchat.bind_tasks('taskchat.task_rooms', 'task_id', 'applicant_id');
SELECT taskchat.bind_tasks('pg_class', 'relname', 'relowner', '{}');
SELECT taskchat.unbind_tasks('side.bosses');
SELECT taskchat.bind_tasks('side.own');
RESET SESSION AUTHORIZATION;
-- Code that comes along with a bound table never runs with the rights of the extension's owner
SET SESSION AUTHORIZATION regress_olaf;
SELECT taskchat.unbind_tasks('side.own');
CREATE FUNCTION side.code(anything anyelement) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN RAISE WARNING '% runs as %, superuser %', pg_typeof(anything), current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user); RETURN true; END $$;
CREATE DOMAIN side.key AS text CHECK (side.code(VALUE));
CREATE TYPE side.pair AS (a text, b text);
CREATE TYPE side.mood AS ENUM ('open', 'done');
CREATE FUNCTION side.pair_text(p side.pair) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM side.code(p); RETURN p.a; END $$;
CREATE FUNCTION side.mood_json(m side.mood) RETURNS json LANGUAGE plpgsql AS $$ BEGIN PERFORM side.code(m); RETURN to_json(m::text); END $$;
CREATE CAST (side.pair AS text) WITH FUNCTION side.pair_text(side.pair) AS ASSIGNMENT;
CREATE CAST (side.mood AS json) WITH FUNCTION side.mood_json(side.mood);
SET client_min_messages = error;
CREATE TABLE side.tricky (id side.key, creator_id side.pair, status side.mood, extra side.mood);
INSERT INTO side.tricky VALUES ('tricky-1', ('ada', 'x'), 'open', 'open');
SET client_min_messages = warning;
SELECT taskchat.bind_tasks('side.tricky');
SELECT task_id FROM taskchat.open_room('tricky-1', 'ada');
INSERT INTO side.tricky VALUES ('tricky-2', ('ada', 'x'), 'open', 'open');
UPDATE side.tricky SET status = 'done' WHERE id = 'tricky-1';
DELETE FROM side.tricky WHERE id = 'tricky-2';
SELECT taskchat.unbind_tasks('side.tricky');
RESET SESSION AUTHORIZATION;
SET client_min_messages = error;
DROP OWNED BY regress_eve, regress_olaf, regress_boss CASCADE;
DROP SCHEMA side CASCADE;
DROP ROLE regress_eve, regress_olaf, regress_boss;
