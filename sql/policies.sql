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
-- Every relation has row-level security or is the view with the condition inside
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'taskchat'::regnamespace AND c.relkind = 'r' AND NOT c.relrowsecurity;
-- No function is PUBLIC's
SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'taskchat'::regnamespace
	AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0);
-- Every function in SQL or PL/pgSQL has a safe search_path
SELECT p.proname FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE p.pronamespace = 'taskchat'::regnamespace AND l.lanname IN ('sql', 'plpgsql')
	AND NOT coalesce(p.proconfig, '{}') @> ARRAY['search_path=pg_catalog, pg_temp'];
-- Everything has a comment
SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'taskchat'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL;
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'taskchat'::regnamespace AND c.relkind IN ('r', 'v', 'S') AND obj_description(c.oid, 'pg_class') IS NULL;
-- Dump marks
SELECT c.oid::regclass FROM pg_extension x, unnest(x.extconfig) AS c (oid) WHERE x.extname = 'taskchat' ORDER BY c.oid::regclass::text;
