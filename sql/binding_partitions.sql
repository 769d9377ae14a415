-- Partitioned tables: rows that move, partitions that are truncated or come later.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA app;
SET search_path = app;
CREATE TABLE tasks (id int, creator_id text, status text NOT NULL, region text NOT NULL, PRIMARY KEY (id, status, region)) PARTITION BY LIST (status);
CREATE TABLE tasks_open PARTITION OF tasks FOR VALUES IN ('open');
-- A partition that has its columns in another order, and one that is partitioned itself
CREATE TABLE tasks_done (dropped int, region text NOT NULL, status text NOT NULL, creator_id text, id int NOT NULL);
ALTER TABLE tasks_done DROP COLUMN dropped;
ALTER TABLE tasks ATTACH PARTITION tasks_done FOR VALUES IN ('done');
CREATE TABLE tasks_rest PARTITION OF tasks DEFAULT PARTITION BY LIST (region);
CREATE TABLE tasks_rest_eu PARTITION OF tasks_rest FOR VALUES IN ('eu');
CREATE TABLE tasks_rest_us PARTITION OF tasks_rest FOR VALUES IN ('us');
INSERT INTO tasks VALUES (31, 'ada', 'open', 'eu'), (32, 'ada', 'done', 'eu'), (33, 'ada', 'paused', 'us');
SELECT taskchat.bind_tasks('tasks', watch => '{status,region}');
SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE tgname LIKE 'taskchat%' ORDER BY 1, 2;
INSERT INTO tasks VALUES (34, 'ada', 'open', 'eu');
INSERT INTO tasks_rest_us VALUES (35, 'ada', 'paused', 'us');
CREATE VIEW events AS SELECT task_id, seq, kind, payload FROM taskchat.task_events WHERE task_id ~ '^3[1-9]$' ORDER BY task_id, seq;
SELECT * FROM events;

-- An UPDATE that moves a row is a change of the task, not its end
UPDATE tasks SET status = 'done' WHERE id = 31;
SELECT * FROM events WHERE task_id = '31' AND seq > 1;
-- There and back again in one transaction, in savepoints of which one is rolled back
BEGIN;
UPDATE tasks SET status = 'paused' WHERE id = 31;
SAVEPOINT s;
UPDATE tasks SET region = 'us' WHERE id = 31;
ROLLBACK TO s;
SAVEPOINT t;
UPDATE tasks SET status = 'open' WHERE id = 31;
RELEASE t;
COMMIT;
SELECT * FROM events WHERE task_id = '31' AND seq > 2;
BEGIN;
UPDATE tasks SET status = 'paused' WHERE id = 31;
UPDATE tasks SET status = 'open' WHERE id = 31;
COMMIT;
SELECT * FROM events WHERE task_id = '31' AND seq > 3;
-- … also where constraints are immediate
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;
UPDATE tasks SET status = 'paused' WHERE id = 31;
SELECT * FROM events WHERE task_id = '31' AND seq > 3;
UPDATE tasks SET status = 'open' WHERE id = 31;
COMMIT;
SELECT * FROM events WHERE task_id = '31' AND seq > 3;
-- A new row that moves in the transaction that makes it
BEGIN;
INSERT INTO tasks VALUES (36, 'ben', 'open', 'eu');
UPDATE tasks SET status = 'done', creator_id = 'cyd' WHERE id = 36;
COMMIT;
SELECT task_id, seq, kind, payload FROM taskchat.task_events WHERE task_id = '36' ORDER BY seq;
-- Moved with another creator
UPDATE tasks SET status = 'open', creator_id = 'dan' WHERE id = 36;
SELECT task_id, seq, kind, payload FROM taskchat.task_events WHERE task_id = '36' AND seq > 4 ORDER BY seq;
-- Moved and deleted
BEGIN;
UPDATE tasks SET status = 'paused' WHERE id = 36;
DELETE FROM tasks WHERE id = 36;
COMMIT;
SELECT count(*) FROM taskchat.task_rooms WHERE task_id = '36';
-- Deleted and made again: the room and its people stay, and the change is told
BEGIN;
DELETE FROM tasks WHERE id = 34;
INSERT INTO tasks VALUES (34, 'ada', 'done', 'us');
COMMIT;
SELECT * FROM events WHERE task_id = '34' AND seq > 1;

-- Deleted by a rolled back savepoint: nothing happened
BEGIN;
SAVEPOINT s;
DELETE FROM tasks WHERE id = 34;
ROLLBACK TO s;
COMMIT;
SELECT count(*) FROM taskchat.task_rooms WHERE task_id = '34';

-- TRUNCATE of one partition ends the tasks in it, and of all of them the rest
CREATE FUNCTION rooms() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(task_id, ' ' ORDER BY task_id) FROM taskchat.task_rooms WHERE task_id ~ '^3[1-9]$' $$;
SELECT rooms();
TRUNCATE tasks_rest_us;
SELECT rooms();
BEGIN;
TRUNCATE tasks_open;
SELECT rooms();
ROLLBACK;
SELECT rooms();
-- Truncated and loaded again in one transaction
BEGIN;
CREATE TEMP TABLE saved ON COMMIT DROP AS SELECT * FROM tasks;
TRUNCATE tasks;
INSERT INTO tasks SELECT * FROM saved WHERE id <> 32;
COMMIT;
SELECT rooms();
TRUNCATE tasks;
SELECT rooms();

-- A partition made later has the row triggers, but not that of TRUNCATE; the rows of one attached later have no rooms.
-- Binding again sees to both; meanwhile orphaned_rooms() lists what is left.
CREATE TABLE tasks_new PARTITION OF tasks FOR VALUES IN ('new');
INSERT INTO tasks VALUES (37, 'ada', 'new', 'eu');
TRUNCATE tasks_new;
SELECT task_id FROM taskchat.orphaned_rooms() WHERE task_id = '37';
CREATE TABLE tasks_late (LIKE tasks);
INSERT INTO tasks_late VALUES (38, 'ada', 'late', 'eu');
ALTER TABLE tasks ATTACH PARTITION tasks_late FOR VALUES IN ('late');
SELECT count(*) FROM taskchat.task_rooms WHERE task_id = '38';
SELECT taskchat.unbind_tasks('tasks'), count(*) FROM pg_trigger WHERE tgname LIKE 'taskchat%';
SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'taskchat%';
SELECT taskchat.bind_tasks('tasks', watch => '{status,region}');
TRUNCATE tasks_late;
SELECT count(*) FROM taskchat.task_rooms WHERE task_id = '38';

-- A detached partition is followed no more, and its tasks are gone from the table only when the next commit asks for them
INSERT INTO tasks VALUES (39, 'ada', 'open', 'eu');
ALTER TABLE tasks DETACH PARTITION tasks_open;
UPDATE tasks_open SET status = 'odd';
DELETE FROM tasks_open;
SELECT kind FROM taskchat.task_events WHERE task_id = '39' ORDER BY seq DESC LIMIT 1;
SELECT task_id FROM taskchat.orphaned_rooms() WHERE task_id IN ('37', '39') ORDER BY 1;
-- A table inside a bound one can't be bound itself, nor the other way round
SELECT taskchat.bind_tasks('tasks_done');
SELECT taskchat.unbind_tasks('tasks');
SELECT taskchat.bind_tasks('tasks_done');
SELECT taskchat.bind_tasks('tasks', watch => '{status,region}');
SELECT taskchat.unbind_tasks('tasks_done');
SET client_min_messages = error;
DROP SCHEMA app CASCADE;
