-- Keys of every common type, other schemas, quoted names, several bound tables.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA "Odd ""App";
SET search_path = "Odd ""App";
SELECT coalesce(max(room_id), 0) AS before FROM taskchat.task_rooms \gset
CREATE VIEW events AS SELECT * FROM taskchat.task_events WHERE room_id > :before;
CREATE FUNCTION rooms() RETURNS TABLE (task_id text, creator text, last_seq bigint) LANGUAGE sql AS $$
	SELECT r.task_id, m.user_id, r.last_seq FROM taskchat.task_rooms r
	LEFT JOIN taskchat.task_members m ON m.room_id = r.room_id AND m.role = 'creator'
	WHERE r.room_id > (SELECT min(e.room_id) - 1 FROM events e) ORDER BY r.task_id $$;

CREATE TABLE by_varchar (id varchar(20) PRIMARY KEY, creator_id varchar(10), status text);
CREATE TABLE by_text (id text PRIMARY KEY, creator_id text, status text);
CREATE TABLE by_uuid (id uuid PRIMARY KEY, creator_id uuid, status text);
CREATE TABLE by_bigint (id bigint PRIMARY KEY, creator_id bigint, status text);
CREATE TABLE by_int (id int PRIMARY KEY, creator_id int, status text);
INSERT INTO by_varchar VALUES ('varchar 1', 'ada', 'open');
INSERT INTO by_text VALUES ('text/1 "é" ''%''\n', 'ada', 'open');
INSERT INTO by_uuid VALUES ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12', 'open');
INSERT INTO by_bigint VALUES (9223372036854775807, 7, 'open');
INSERT INTO by_int VALUES (-1, -2, 'open');
SELECT taskchat.bind_tasks('by_varchar'), taskchat.bind_tasks('by_text'), taskchat.bind_tasks('by_uuid'),
	taskchat.bind_tasks('by_bigint'), taskchat.bind_tasks('by_int');
INSERT INTO by_varchar VALUES ('varchar 2', 'ada', 'open');
INSERT INTO by_text VALUES ('text 2', 'ada', 'open');
INSERT INTO by_uuid VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a13', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a14', 'open');
INSERT INTO by_bigint VALUES (-9223372036854775808, 7, 'open');
INSERT INTO by_int VALUES (0, 0, 'open');
SELECT * FROM rooms();
UPDATE by_varchar SET status = 'done';
UPDATE by_text SET status = 'done';
UPDATE by_uuid SET status = 'done';
UPDATE by_bigint SET status = 'done';
UPDATE by_int SET status = 'done';
SELECT task_id, seq, kind, payload FROM events WHERE seq > 1 ORDER BY task_id, seq;

-- A room for a task that there is not is refused; so is another spelling of one that there is
CREATE FUNCTION try_open(id text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM taskchat.open_room(id, 'ada');
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END
$$;
SELECT v.id, try_open(v.id) FROM (VALUES ('varchar 1'), ('varchar 3'), ('varchar 1 '), ('varchar 1xxxxxxxxxxxxxxxxxxxxxxxxxx'),
	('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'), ('{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'),
	('00'), ('+0'), (' 0'), ('0 '), ('1'), ('9223372036854775808'), ('1e0')) AS v (id);

-- What can be no id gets no room, and no error
INSERT INTO by_text VALUES ('', 'ada', 'open'), (repeat('x', 256), 'ada', 'open'), (repeat('é', 128), 'ada', 'open'),
	('creator 1', NULL, 'open'), ('creator 2', '', 'open'), ('creator 3', repeat('x', 256), 'open'),
	(repeat('x', 255), repeat('y', 255), 'open');
UPDATE by_text SET status = 'x' WHERE id = '' OR id LIKE 'creator%';
DELETE FROM by_text WHERE id = '';
SELECT left(task_id, 10) AS task, length(task_id), left(creator, 10) AS creator, last_seq FROM rooms() WHERE task_id LIKE 'creator%' OR task_id ~ 'xxx';
-- A creator that becomes usable opens the room; one that becomes unusable leaves it alone
UPDATE by_text SET creator_id = 'ben' WHERE id = 'creator 1';
UPDATE by_text SET creator_id = NULL WHERE id = 'creator 1';
SELECT * FROM rooms() WHERE task_id LIKE 'creator%';

-- Another key is another task: the old room goes, a new one opens
UPDATE by_text SET id = 'text 3' WHERE id = 'text 2';
SELECT * FROM rooms() WHERE task_id LIKE 'text %';
-- … and two rows that swap keys keep both rooms
CREATE TABLE swap (id int PRIMARY KEY DEFERRABLE, creator_id text, status text);
INSERT INTO swap VALUES (101, 'ada', 'a'), (102, 'ben', 'b');
SELECT taskchat.bind_tasks('swap');
UPDATE swap SET id = 203 - id;
SELECT * FROM rooms() WHERE task_id IN ('101', '102');
SELECT task_id, seq, kind, payload FROM events WHERE task_id IN ('101', '102') ORDER BY task_id, seq;

-- One key in two bound tables is one task, and has one room until it is in neither
INSERT INTO by_int VALUES (500, 5, 'int');
INSERT INTO by_bigint VALUES (500, 6, 'bigint');
SELECT * FROM rooms() WHERE task_id = '500';
DELETE FROM by_int WHERE id = 500;
SELECT * FROM rooms() WHERE task_id = '500';
DELETE FROM by_bigint WHERE id = 500;
SELECT * FROM rooms() WHERE task_id = '500';

-- Keys of other types
CREATE TYPE color AS ENUM ('red', 'green');
CREATE DOMAIN label AS text COLLATE "C" CHECK (VALUE <> 'forbidden');
CREATE TABLE "Other ""types" ("Key" char(5) PRIMARY KEY, "Who's" label, "State " color, n numeric(10,2), b boolean, i smallint);
SELECT taskchat.bind_tasks('"Other ""types"', 'Key', 'Who''s', '{"State ",n,b}');
INSERT INTO "Other ""types" VALUES ('abc', 'ada', 'red', 1, true, 1);
UPDATE "Other ""types" SET "State " = 'green', n = 2.5, b = false;
SELECT task_id, seq, payload FROM events WHERE task_id ~ '^abc' ORDER BY seq;
SELECT try_open('abc'), try_open('abc  '), try_open('abcdef');
DELETE FROM "Other ""types";
SELECT * FROM rooms() WHERE task_id ~ '^abc';
CREATE TABLE by_color (id color PRIMARY KEY, creator_id text, status text);
CREATE TABLE by_label (id label PRIMARY KEY, creator_id text, status text);
CREATE TABLE by_numeric (id numeric PRIMARY KEY, creator_id text, status text);
SELECT taskchat.bind_tasks('by_color'), taskchat.bind_tasks('by_label'), taskchat.bind_tasks('by_numeric');
INSERT INTO by_color VALUES ('red', 'ada', 'x');
INSERT INTO by_label VALUES ('label', 'ada', 'x');
INSERT INTO by_numeric VALUES (1.50, 'ada', 'x');
SELECT try_open('red'), try_open('blue'), try_open('label'), try_open('forbidden'), try_open('1.50'), try_open('1.5');
DELETE FROM by_color; DELETE FROM by_label; DELETE FROM by_numeric;
SELECT count(*) FROM rooms() WHERE task_id IN ('red', 'label', '1.50');

-- A key of a type with no equality can't be looked for, and is refused at once
CREATE TABLE by_json (id json, creator_id text, status text);
SELECT taskchat.bind_tasks('by_json');

SELECT taskchat.unbind_tasks(b.tasks) FROM taskchat.bindings b;
SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'taskchat%';
SET client_min_messages = error;
DROP SCHEMA "Odd ""App" CASCADE;
RESET search_path;
DO $$ BEGIN ASSERT (SELECT count(*) > 0 FROM taskchat.task_rooms), 'rooms outlive the binding'; END $$;
