-- The catalog's rules. Every query lists what breaks one, so all but the lists
-- at the end must stay empty.
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.members(class regclass) RETURNS SETOF oid LANGUAGE sql AS $$
	SELECT d.objid FROM pg_depend d JOIN pg_extension x ON x.oid = d.refobjid
	WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND x.extname = 'taskchat' AND d.classid = class $$;
CREATE VIEW pg_temp.functions AS
	SELECT p.*, p.oid::regprocedure AS signature, l.lanname FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
	WHERE p.oid IN (SELECT pg_temp.members('pg_proc'));
CREATE VIEW pg_temp.relations AS SELECT c.* FROM pg_class c WHERE c.oid IN (SELECT pg_temp.members('pg_class'));

-- All that the extension made is in its schema, and all that is in its schema the extension made
SELECT p.oid::regprocedure FROM pg_proc p WHERE (p.pronamespace = 'taskchat'::regnamespace) <> (p.oid IN (SELECT pg_temp.members('pg_proc')));
SELECT c.oid::regclass FROM pg_class c WHERE c.relkind IN ('r', 'v', 'm', 'S', 'f', 'p')
	AND (c.relnamespace = 'taskchat'::regnamespace) <> (c.oid IN (SELECT pg_temp.members('pg_class')));
SELECT pg_describe_object(d.classid, d.objid, 0) FROM pg_depend d JOIN pg_extension x ON x.oid = d.refobjid
	WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND x.extname = 'taskchat'
	AND d.classid NOT IN ('pg_proc'::regclass, 'pg_class'::regclass, 'pg_type'::regclass, 'pg_namespace'::regclass)
	ORDER BY 1;

-- Functions in SQL and PL/pgSQL, and all definers, have a safe search_path
SELECT signature FROM pg_temp.functions WHERE (lanname IN ('sql', 'plpgsql') OR prosecdef)
	AND NOT coalesce(proconfig, '{}') @> ARRAY['search_path=pg_catalog, pg_temp'];
-- They set nothing else
SELECT signature, proconfig FROM pg_temp.functions WHERE cardinality(proconfig) > 1;
-- No function, relation, column or schema is open to PUBLIC
SELECT signature FROM pg_temp.functions, aclexplode(coalesce(proacl, acldefault('f', proowner))) a WHERE a.grantee = 0;
SELECT oid::regclass, a.privilege_type FROM pg_temp.relations, aclexplode(relacl) a WHERE a.grantee = 0;
SELECT a.attrelid::regclass, a.attname FROM pg_attribute a WHERE a.attrelid IN (SELECT pg_temp.members('pg_class')) AND a.attacl IS NOT NULL;
SELECT n.nspname, a.privilege_type FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = 'taskchat' AND a.grantee = 0;
-- Nobody may grant on
SELECT signature FROM pg_temp.functions, aclexplode(proacl) a WHERE a.is_grantable AND a.grantee <> proowner;
-- Trigger functions serve nobody but their triggers
SELECT signature, a.grantee::regrole FROM pg_temp.functions, aclexplode(coalesce(proacl, acldefault('f', proowner))) a
	WHERE prorettype = 'trigger'::regtype AND a.grantee <> proowner;

-- PARALLEL SAFE is only what reads neither identity nor table: pure functions of their arguments …
SELECT signature FROM pg_temp.functions WHERE proparallel = 's' AND provolatile <> 'i' AND proname <> 'uuid_v7';
-- … that call none of ours but such
SELECT f.signature, g.signature AS calls FROM pg_temp.functions f JOIN pg_temp.functions g ON f.prosrc ~ ('\mtaskchat\.' || g.proname || '\M')
	WHERE f.proparallel = 's' AND g.proparallel <> 's';
SELECT signature FROM pg_temp.functions WHERE proparallel = 's' AND prosrc ~ '\m(FROM|INTO|UPDATE|JOIN) taskchat\.';
-- … and the C functions among them are these
SELECT signature FROM pg_temp.functions WHERE proparallel = 's' AND lanname = 'c' ORDER BY signature::text;
-- A function that writes is VOLATILE, and a VOLATILE one PARALLEL UNSAFE
SELECT signature FROM pg_temp.functions WHERE provolatile <> 'v' AND prosrc ~* '\m(INSERT INTO|UPDATE|DELETE FROM|TRUNCATE) taskchat\.';
SELECT signature FROM pg_temp.functions WHERE provolatile = 'v' AND proparallel <> 'u' AND proname <> 'uuid_v7';

-- Every table has row-level security; the view has its condition inside, behind a barrier
SELECT oid::regclass FROM pg_temp.relations WHERE relkind IN ('r', 'p') AND NOT relrowsecurity;
SELECT oid::regclass FROM pg_temp.relations WHERE relkind = 'v' AND NOT coalesce(reloptions, '{}') @> ARRAY['security_barrier=true'];
-- Policies ask for the identity once a query and not once a row, so that they are index conditions
SELECT polrelid::regclass, polname FROM pg_policy WHERE polrelid IN (SELECT pg_temp.members('pg_class')) AND polcmd = 'r'
	AND pg_get_expr(polqual, polrelid) !~ '\( SELECT taskchat\.(my_rooms|current_user_id)\(\)';
-- Nobody has a verb but SELECT, and INSERT on task_messages
SELECT oid::regclass, a.grantee::regrole, a.privilege_type FROM pg_temp.relations, aclexplode(relacl) a WHERE a.grantee <> relowner
	AND NOT (a.grantee::regrole::text = 'taskchat_user' AND (a.privilege_type = 'SELECT' OR (a.privilege_type = 'INSERT' AND relname = 'task_messages')));
-- What statistics know, EXPLAIN tells anybody who may read the relation: so they know next to nothing of texts and ids
SELECT a.attrelid::regclass, a.attname, a.attstattarget FROM pg_attribute a
	JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
	WHERE c.oid IN (SELECT pg_temp.members('pg_class')) AND a.attnum > 0 AND has_table_privilege('taskchat_user', c.oid, 'SELECT')
	AND a.atttypid IN ('text'::regtype, 'jsonb'::regtype, 'uuid'::regtype) AND a.attstattarget NOT IN (0, 1);
SELECT i.indexrelid::regclass, a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indexrelid
	WHERE i.indrelid IN (SELECT pg_temp.members('pg_class')) AND i.indexprs IS NOT NULL AND a.attstattarget NOT IN (0, 1)
	AND i.indkey[a.attnum - 1] = 0;

-- Every object has a comment
SELECT signature FROM pg_temp.functions WHERE obj_description(oid, 'pg_proc') IS NULL;
SELECT oid::regclass FROM pg_temp.relations WHERE obj_description(oid, 'pg_class') IS NULL AND relkind <> 'c';
SELECT t.oid::regtype FROM pg_type t WHERE t.oid IN (SELECT pg_temp.members('pg_type'))
	AND t.typelem = 0 AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind <> 'c') AND obj_description(t.oid, 'pg_type') IS NULL;
SELECT a.attrelid::regclass, a.attname FROM pg_attribute a JOIN pg_temp.relations c ON c.oid = a.attrelid
	WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'v') AND col_description(a.attrelid, a.attnum) IS NULL ORDER BY 1, a.attnum;
SELECT t.tgrelid::regclass, t.tgname FROM pg_trigger t WHERE NOT t.tgisinternal AND t.tgrelid IN (SELECT pg_temp.members('pg_class')) AND obj_description(t.oid, 'pg_trigger') IS NULL;
SELECT p.polrelid::regclass, p.polname FROM pg_policy p WHERE p.polrelid IN (SELECT pg_temp.members('pg_class')) AND obj_description(p.oid, 'pg_policy') IS NULL;
SELECT i.indexrelid::regclass FROM pg_index i WHERE i.indrelid IN (SELECT pg_temp.members('pg_class')) AND obj_description(i.indexrelid, 'pg_class') IS NULL
	AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid);
SELECT obj_description('taskchat'::regnamespace, 'pg_namespace') IS NULL AS schema_without_comment;

-- Every foreign key has an index that begins with its columns
SELECT k.conrelid::regclass, k.conname FROM pg_constraint k WHERE k.contype = 'f' AND k.conrelid IN (SELECT pg_temp.members('pg_class'))
	AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] = k.conkey);
-- Every logged table has a primary key: a subscriber of logical replication needs one
SELECT oid::regclass FROM pg_temp.relations c WHERE relkind = 'r' AND relpersistence = 'p'
	AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary);

-- A dump carries these; the others belong to this running database alone: its doorbell and epoch,
-- who is connected, tickets, and the stage, which is empty between transactions
SELECT c.oid::regclass AS dumped FROM pg_extension x, unnest(x.extconfig) AS c (oid) WHERE x.extname = 'taskchat' ORDER BY c.oid::regclass::text;
SELECT oid::regclass AS not_dumped, relpersistence FROM pg_temp.relations WHERE relkind IN ('r', 'S')
	AND oid <> ALL ((SELECT extconfig FROM pg_extension WHERE extname = 'taskchat')::oid[]) ORDER BY oid::regclass::text;
SELECT x.extname, x.extcondition FROM pg_extension x WHERE x.extname = 'taskchat' AND EXISTS (SELECT FROM unnest(x.extcondition) AS c (condition) WHERE condition <> '');
