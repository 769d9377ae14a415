-- What a task_update tells, value by value; and what becomes of columns that go.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA app;
SET search_path = app;
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TYPE pair AS (a int, b text);
CREATE TABLE tasks (
	id text PRIMARY KEY, creator_id text, other int,
	b boolean, i2 smallint, i8 bigint, n numeric, f8 float8, t text, v varchar(10), c char(3), u uuid,
	d date, ts timestamp, tz timestamptz, iv interval, by bytea, e mood, p pair, ia int[], ta text[], j json, jb jsonb, x xml, r int4range);
SELECT taskchat.bind_tasks('tasks', watch => '{b,i2,i8,n,f8,t,v,c,u,d,ts,tz,iv,by,e,p,ia,ta,j,jb,x,r,b}');
SELECT watch FROM taskchat.bindings;
INSERT INTO tasks (id, creator_id) VALUES ('values', 'ada');
CREATE FUNCTION last_update() RETURNS TABLE (seq bigint, payload jsonb) LANGUAGE sql AS $$
	SELECT e.seq, e.payload FROM taskchat.task_events e WHERE e.task_id = 'values' ORDER BY e.seq DESC LIMIT 1 $$;

UPDATE tasks SET b = true, i2 = -1, i8 = 9007199254740993, n = 1e30, f8 = 0.1, t = E'"quoted" \\ \t\u001f', v = 'é', c = 'x',
	u = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', d = '2024-02-29', ts = '2024-02-29 12:00', tz = '2024-02-29 12:00+02',
	iv = '1 day', by = '\x00ff', e = 'glad', p = (1, 'x'), ia = '{1,NULL}', ta = '{"a b",""}', j = '{"b": 1,  "b": 2}', jb = '[1, {"a": null}]',
	x = '<a/>', r = '[1,3)';
SELECT jsonb_pretty(payload) FROM last_update();
-- Numbers that JSON lacks are strings, as everywhere in PostgreSQL
UPDATE tasks SET n = 'NaN', f8 = '-Infinity', d = 'infinity', ts = '-infinity';
SELECT payload FROM last_update();
-- Null is told as null
UPDATE tasks SET n = NULL, f8 = NULL, b = false;
SELECT payload FROM last_update();
-- A json that jsonb cannot hold is sent as null, and fails nobody
UPDATE tasks SET j = '{"a": "\u0000"}', i2 = 1;
SELECT payload FROM last_update();
UPDATE tasks SET j = '[1e1000000]', i2 = 2;
SELECT payload FROM last_update();

-- Nothing that is watched changed: nothing is told
UPDATE tasks SET other = 1;
UPDATE tasks SET t = t, n = n, j = j, jb = jb, ia = ia;
UPDATE tasks SET jb = '[1,{"a":null}]', ia = ARRAY[1, NULL];
SELECT seq FROM last_update();
-- What changed and changed back in one transaction is nothing, too
BEGIN;
UPDATE tasks SET i2 = 3;
UPDATE tasks SET i2 = 4, t = 'now';
UPDATE tasks SET i2 = 2;
COMMIT;
SELECT * FROM last_update();
BEGIN;
UPDATE tasks SET i2 = 3;
UPDATE tasks SET i2 = 2;
COMMIT;
SELECT seq FROM last_update();

-- A value that is too long is sent as null
UPDATE tasks SET t = repeat('x', 9000);
SELECT * FROM last_update();
UPDATE tasks SET t = repeat('y', 9000);
SELECT * FROM last_update();
UPDATE tasks SET t = repeat('y', 9000);
SELECT seq FROM last_update();
UPDATE tasks SET t = repeat('z', 20000000), jb = to_jsonb(repeat('z', 20000000)), ta = array_fill('z'::text, ARRAY[100000]);
SELECT * FROM last_update();
UPDATE tasks SET t = 'short', jb = '1', ta = '{}';
SELECT * FROM last_update();
-- Values that are too long together: the longest become null
UPDATE tasks SET t = repeat('t', 4000), jb = to_jsonb(repeat('j', 5000)), ta = ARRAY[repeat('a', 3000)];
SELECT seq, octet_length(payload::text) <= 8192 AS fits, length(payload #>> '{t,new}') AS t, length(payload #>> '{jb,new}') AS jb,
	length(payload #>> '{ta,new,0}') AS ta FROM last_update();
-- It just fits, and it just doesn't
UPDATE tasks SET t = 'a', jb = '1', ta = '{}';
UPDATE tasks SET t = repeat('t', 8192 - octet_length('{"t": {"new": "", "old": "a"}}'));
SELECT octet_length(payload::text), length(payload #>> '{t,new}') AS t FROM last_update();
UPDATE tasks SET t = 'a';
UPDATE tasks SET t = repeat('t', 8192 - octet_length('{"t": {"new": "", "old": "a"}}') + 1);
SELECT octet_length(payload::text), payload #> '{t,new}' AS t FROM last_update();

-- A watched column that goes or gets another name is left out, with a warning
ALTER TABLE tasks DROP COLUMN x;
ALTER TABLE tasks RENAME t TO title;
UPDATE tasks SET i2 = 7, title = 'renamed';
SELECT payload FROM last_update();
UPDATE tasks SET i2 = 8;
SELECT payload FROM last_update();
-- The type of one may change
ALTER TABLE tasks ALTER i2 TYPE text USING 'number ' || i2;
UPDATE tasks SET i2 = 'nine';
SELECT payload FROM last_update();
-- Without its key the table is followed no more, and still nobody fails
ALTER TABLE tasks RENAME id TO number;
UPDATE tasks SET i2 = 'ten';
INSERT INTO tasks (number, creator_id) VALUES ('more', 'ada');
DELETE FROM tasks WHERE number = 'more';
SELECT payload FROM last_update();
SELECT taskchat.open_room('more', 'ada');
SELECT taskchat.unbind_tasks('tasks');
SELECT taskchat.bind_tasks('tasks', 'number', watch => '{title}');
UPDATE tasks SET title = 'bound again';
SELECT payload FROM last_update();

-- What is refused
SELECT taskchat.unbind_tasks('tasks');
SELECT taskchat.bind_tasks('tasks', 'number', watch => '{title,nothing}');
SELECT taskchat.bind_tasks('tasks', 'number', watch => '{ctid}');
SELECT taskchat.bind_tasks('tasks', 'number', watch => NULL);
SELECT taskchat.bind_tasks('tasks', 'number', watch => '{NULL}');
SELECT taskchat.bind_tasks('tasks', NULL);
SELECT taskchat.bind_tasks('tasks', 'number', NULL);
SELECT taskchat.bind_tasks(NULL);
SELECT taskchat.unbind_tasks(NULL);
SELECT taskchat.bind_tasks(4294967295);
CREATE VIEW seen AS SELECT number AS id, creator_id, title AS status FROM tasks;
SELECT taskchat.bind_tasks('seen');
CREATE TEMP TABLE fleeting (id int, creator_id int, status text);
SELECT taskchat.bind_tasks('fleeting');
SELECT taskchat.bind_tasks('taskchat.task_rooms', 'task_id', 'applicant_id', '{status}');
SELECT taskchat.bind_tasks('pg_class', 'relname', 'relowner', '{}');
DO $$ BEGIN
	EXECUTE 'CREATE TABLE wide (id int PRIMARY KEY, creator_id int, ' ||
		(SELECT string_agg(format('%I int', 'a column with a very long name, which is number ' || i), ', ') FROM generate_series(1, 120) AS i) || ')';
END $$;
SELECT taskchat.bind_tasks('wide', watch => (SELECT array_agg(attname) FROM pg_attribute WHERE attrelid = 'wide'::regclass AND attnum > 2));
SELECT taskchat.bind_tasks('wide', watch => '{}');
INSERT INTO wide VALUES (7201, 1);
UPDATE wide SET creator_id = 2;
SELECT seq, kind, payload FROM taskchat.task_events WHERE task_id = '7201' ORDER BY seq;
SELECT count(*) FROM taskchat.bindings;
SET client_min_messages = error;
DROP SCHEMA app CASCADE;
RESET search_path;
SET client_min_messages = warning;
-- A bound table that was dropped is bound no more; the rooms stay
SELECT task_id FROM taskchat.open_room('free again', 'ada');
CREATE TABLE next (id text PRIMARY KEY, creator_id text, status text);
SELECT taskchat.bind_tasks('next');
SELECT tasks FROM taskchat.bindings;
SELECT taskchat.unbind_tasks('next');
DROP TABLE next;
