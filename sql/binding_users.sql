-- Users that go, creators that change, and savepoints.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA app;
SET search_path = app;
CREATE TABLE users (id text PRIMARY KEY, name text);
CREATE TABLE tasks (id text PRIMARY KEY, creator_id text REFERENCES users ON UPDATE CASCADE ON DELETE SET NULL, status text);
CREATE TABLE chores (id text PRIMARY KEY, creator_id text, status text);
INSERT INTO users VALUES ('u-ada'), ('u-ben'), ('u-cyd'), ('u-dan');
INSERT INTO tasks VALUES ('u-1', 'u-ada', 'open');
SELECT taskchat.bind_tasks('tasks', users => 'users');
-- A table of users may belong to several bindings, by one key
SELECT taskchat.bind_tasks('chores', users => 'users', user_key => 'name');
SELECT taskchat.bind_tasks('chores', users => 'users');
SELECT tasks, users, user_key FROM taskchat.bindings ORDER BY tasks::text;
SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE tgname LIKE 'taskchat%' ORDER BY 1, 2;
CREATE VIEW members AS SELECT m.task_id, m.applicant_id, m.user_id, m.role FROM taskchat.task_members m WHERE m.task_id ~ '^u-' ORDER BY 1, 2 NULLS FIRST, 3;
CREATE VIEW events AS SELECT task_id, applicant_id, seq, kind, payload FROM taskchat.task_events WHERE task_id ~ '^u-' ORDER BY 1, 2 NULLS FIRST, 3;
INSERT INTO tasks VALUES ('u-2', 'u-ben', 'open');
SELECT user_id FROM taskchat.add_member('u-1', 'u-ben');
SELECT user_id FROM taskchat.add_member('u-1', 'u-cyd', 'applicant');
SELECT user_id FROM taskchat.add_member('u-2', 'u-cyd', 'observer');
SELECT * FROM members;

-- A deleted user's memberships go, also in private rooms
DELETE FROM users WHERE id = 'u-cyd';
SELECT * FROM members;
-- A creator's too: the room has none then, and goes on for the others
BEGIN;
DELETE FROM users WHERE id = 'u-ada';
SELECT count(*) FROM members WHERE user_id = 'u-ada';
COMMIT;
SELECT * FROM members;
SELECT * FROM events WHERE kind = 'member_left';
-- Somebody may apply meanwhile, and a back end may name a creator
BEGIN;
SELECT applicant_id, role FROM taskchat.add_member('u-1', 'u-hal', 'applicant');
SELECT task_id FROM taskchat.open_room('u-1', 'u-ida');
SELECT * FROM members WHERE task_id = 'u-1';
ROLLBACK;
-- … until the table names another
UPDATE tasks SET creator_id = 'u-dan' WHERE id = 'u-1';
SELECT * FROM members;
-- Rolled back, or deleted and back again in one transaction: nothing happens
BEGIN;
DELETE FROM users WHERE id = 'u-dan';
ROLLBACK;
BEGIN;
SAVEPOINT s;
DELETE FROM users WHERE id = 'u-dan';
ROLLBACK TO s;
COMMIT;
BEGIN;
DELETE FROM users WHERE id = 'u-dan';
INSERT INTO users VALUES ('u-dan', 'again');
COMMIT;
SELECT * FROM members WHERE user_id = 'u-dan';
-- Another key is another user; the table of tasks follows by its foreign key, and so does the room
UPDATE tasks SET creator_id = 'u-dan' WHERE id = 'u-1';
UPDATE users SET id = 'u-eve' WHERE id = 'u-dan';
SELECT * FROM members;
-- A worker who becomes creator, and an applicant
SELECT user_id FROM taskchat.add_member('u-1', 'u-fay', 'applicant');
INSERT INTO users VALUES ('u-fay');
UPDATE tasks SET creator_id = 'u-fay' WHERE id = 'u-1';
SELECT * FROM members WHERE task_id = 'u-1';
INSERT INTO users VALUES ('u-gus');
SELECT user_id FROM taskchat.add_member('u-1', 'u-gus');
UPDATE tasks SET creator_id = 'u-gus' WHERE id = 'u-1';
SELECT * FROM members WHERE task_id = 'u-1';
SELECT * FROM events WHERE task_id = 'u-1' AND applicant_id IS NULL ORDER BY seq DESC LIMIT 2;
-- Changed and changed back: nothing
BEGIN;
UPDATE tasks SET creator_id = 'u-fay' WHERE id = 'u-1';
UPDATE tasks SET creator_id = 'u-gus' WHERE id = 'u-1';
COMMIT;
SELECT max(seq) FROM events WHERE task_id = 'u-1' AND applicant_id IS NULL;
TRUNCATE users CASCADE;
SELECT * FROM members;
SELECT count(*) FROM events;

-- Savepoints: what each keeps or undoes, folded into one change
INSERT INTO chores VALUES ('u-c', 'u-ada', '0'), ('u-d', 'u-ada', '0');
CREATE FUNCTION told(task text) RETURNS SETOF jsonb LANGUAGE sql AS $$
	SELECT payload #> '{status}' FROM events WHERE task_id = task AND kind = 'task_update' ORDER BY seq $$;
BEGIN;
UPDATE chores SET status = '1' WHERE id = 'u-c';
SAVEPOINT a;
	UPDATE chores SET status = '2' WHERE id = 'u-c';
	SAVEPOINT b;
		UPDATE chores SET status = '3' WHERE id = 'u-c';
		UPDATE chores SET status = '1' WHERE id = 'u-d';
	ROLLBACK TO b;
	SAVEPOINT c;
		UPDATE chores SET status = '4' WHERE id = 'u-c';
	RELEASE c;
RELEASE a;
SAVEPOINT d;
	UPDATE chores SET status = '5' WHERE id = 'u-c';
ROLLBACK TO d;
COMMIT;
SELECT told('u-c');
SELECT told('u-d');
-- Constraints made immediate tell at once what waits, and from then on each statement
BEGIN;
UPDATE chores SET status = '6' WHERE id = 'u-c';
SAVEPOINT a;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT told('u-c');
ROLLBACK TO a;
SELECT told('u-c');
UPDATE chores SET status = '7' WHERE id = 'u-c';
SET CONSTRAINTS taskchat.drain_stage IMMEDIATE;
SELECT told('u-c');
UPDATE chores SET status = '8' WHERE id = 'u-c';
UPDATE chores SET status = '9' WHERE id = 'u-c';
SELECT told('u-c');
SET CONSTRAINTS ALL DEFERRED;
UPDATE chores SET status = '10' WHERE id = 'u-c';
UPDATE chores SET status = '11' WHERE id = 'u-c';
COMMIT;
SELECT told('u-c');
-- A loop that catches errors
DO $$ BEGIN
	FOR i IN 1 .. 100 LOOP
		BEGIN
			UPDATE chores SET status = i::text WHERE id = 'u-d';
			IF i % 2 = 0 THEN PERFORM 1 / 0; END IF;
		EXCEPTION WHEN division_by_zero THEN NULL;
		END;
	END LOOP;
END $$;
SELECT told('u-d');
-- The application's own deferred triggers may write bound tables
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN UPDATE app.chores SET status = 'by trigger' WHERE id = 'u-d'; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON chores DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.id = 'u-c') EXECUTE FUNCTION touch();
UPDATE chores SET status = 'early' WHERE id = 'u-c';
SELECT told('u-d');
DROP TRIGGER late ON chores;
-- Triggers are quiet for a replica, but what a back end says comes out
SET session_replication_role = replica;
UPDATE chores SET status = 'replica';
SELECT taskchat.publish_task_update('u-d', '{"status": {"old": "a", "new": "replicated"}}');
RESET session_replication_role;
SELECT * FROM told('u-d') WHERE told ->> 'new' ~ 'repl';
SELECT count(*) FROM taskchat.stage;
-- Who acts is who acted when it was written
BEGIN;
SELECT taskchat.act_as('u-zoe');
UPDATE chores SET status = 'by zoe' WHERE id = 'u-c';
SELECT taskchat.act_as('u-yan');
UPDATE chores SET status = 'by yan' WHERE id = 'u-d';
SELECT taskchat.act_as(NULL);
COMMIT;
SELECT e.task_id, e.actor_id FROM taskchat.task_events e WHERE e.actor_id IN ('u-zoe', 'u-yan') ORDER BY 1;

SELECT taskchat.unbind_tasks('tasks');
SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE tgname LIKE 'taskchat%' ORDER BY 1, 2;
SELECT taskchat.unbind_tasks('chores');
SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE tgname LIKE 'taskchat%' ORDER BY 1, 2;
SET client_min_messages = error;
DROP SCHEMA app CASCADE;
