-- Who may bind a table, who may write it, and with whose rights its code runs.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE regress_bind_owner IN ROLE taskchat_backend;
CREATE ROLE regress_bind_group IN ROLE taskchat_backend;
CREATE ROLE regress_bind_member IN ROLE regress_bind_group;
CREATE ROLE regress_bind_guest NOINHERIT IN ROLE regress_bind_group;
CREATE ROLE regress_bind_writer;
CREATE SCHEMA app;
GRANT ALL ON SCHEMA app TO PUBLIC;
SET search_path = app;
CREATE TABLE tasks (id text PRIMARY KEY, creator_id text, status text);
CREATE TABLE users (id text PRIMARY KEY);
CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
ALTER TABLE tasks OWNER TO regress_bind_group;
-- The owner may, its members may, and nobody else, whatever the session's user is
SET ROLE regress_bind_owner;
SELECT try($$SELECT taskchat.bind_tasks('tasks')$$);
SET ROLE regress_bind_guest;
SELECT try($$SELECT taskchat.bind_tasks('tasks')$$);
SET ROLE regress_bind_writer;
SELECT try($$SELECT taskchat.bind_tasks('tasks')$$);
-- … both tables
SET ROLE regress_bind_member;
SELECT try($$SELECT taskchat.bind_tasks('tasks', users => 'users')$$);
SELECT try($$SELECT taskchat.bind_tasks('tasks')$$);
SET ROLE regress_bind_owner;
SELECT try($$SELECT taskchat.unbind_tasks('tasks')$$);
SET ROLE regress_bind_member;
SELECT try($$SELECT taskchat.unbind_tasks('tasks')$$);
-- In a definer function the definer counts
SET ROLE regress_bind_group;
CREATE FUNCTION bind_for_all() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$ SELECT taskchat.bind_tasks('app.tasks') $$;
SET ROLE regress_bind_writer;
SELECT try('SELECT bind_for_all()');
-- Nobody else's trigger, and nobody's but of a bound table
SELECT try('CREATE TRIGGER t AFTER INSERT ON app.tasks FOR EACH ROW EXECUTE FUNCTION taskchat.bound_task()');
CREATE TABLE mine (id text, creator_id text, status text);
SELECT try('CREATE TRIGGER t AFTER INSERT OR DELETE ON mine FOR EACH ROW EXECUTE FUNCTION taskchat.bound_task()');
RESET ROLE;
-- (the superuser's own mistakes do no harm)
CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON mine FOR EACH ROW EXECUTE FUNCTION taskchat.bound_task();
INSERT INTO mine VALUES ('forged', 'eve', 'x');
UPDATE mine SET status = 'y';
DELETE FROM mine;
SELECT count(*) FROM taskchat.task_rooms WHERE task_id = 'forged';
CREATE TRIGGER u BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION taskchat.bound_task();
SELECT try($$INSERT INTO mine VALUES ('forged')$$);
SELECT try('SELECT taskchat.bound_task()');

-- Who writes the table needs no right of taskchat, not even on its schema
GRANT ALL ON tasks TO regress_bind_writer;
SET ROLE regress_bind_writer;
INSERT INTO tasks VALUES ('r-1', 'ada', 'open'), ('r-2', 'ada', 'open');
UPDATE tasks SET status = 'done', creator_id = 'ben' WHERE id = 'r-1';
DELETE FROM tasks WHERE id = 'r-2';
SELECT try('SELECT * FROM taskchat.task_rooms');
SELECT try($$SELECT taskchat.require_task('r-1')$$);
SELECT try($$SELECT taskchat.missing_tasks('{r-1}')$$);
SELECT try('SELECT taskchat.orphaned_rooms()');
RESET ROLE;
SELECT r.task_id, r.last_seq, m.user_id FROM taskchat.task_rooms r JOIN taskchat.task_members m USING (room_id) WHERE r.task_id ~ '^r-';
-- Nor need the owner of the table have any
REVOKE taskchat_backend FROM regress_bind_group;
SET ROLE regress_bind_writer;
DELETE FROM tasks;
RESET ROLE;
SELECT count(*) FROM taskchat.task_rooms WHERE task_id ~ '^r-';
-- An owner who may not read the own table: the deletion stands, the room stays, and is listed by nobody who can't look
GRANT taskchat_backend TO regress_bind_group;
INSERT INTO tasks VALUES ('r-3', 'ada', 'open');
REVOKE ALL ON tasks FROM regress_bind_group;
DELETE FROM tasks;
SELECT count(*) FROM taskchat.task_rooms WHERE task_id = 'r-3';
SELECT try($$SELECT taskchat.open_room('r-4', 'ada')$$);
GRANT ALL ON tasks TO regress_bind_group;
SELECT task_id FROM taskchat.orphaned_rooms() WHERE task_id = 'r-3';
-- Row-level security of the table is the application's own matter
INSERT INTO tasks VALUES ('r-5', 'ada', 'open');
ALTER TABLE tasks ENABLE ROW LEVEL SECURITY;
ALTER TABLE tasks FORCE ROW LEVEL SECURITY;
SELECT task_id FROM taskchat.open_room('r-5', 'ada');
DELETE FROM tasks;
SELECT count(*) FROM taskchat.task_rooms WHERE task_id = 'r-5';
SELECT taskchat.unbind_tasks('tasks');

-- Code that a type brings along never runs with more rights than its table's owner or who writes it
SET ROLE regress_bind_owner;
CREATE FUNCTION spy(what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
		RAISE WARNING '% runs as a superuser', what;
	ELSE
		RAISE WARNING '% runs as %, search_path %', what, current_user, current_setting('search_path');
	END IF;
END
$$;
CREATE TYPE number AS (n int);
CREATE FUNCTION number_text(a number) RETURNS text LANGUAGE plpgsql AS $$
BEGIN PERFORM app.spy('cast to text'); RETURN 'number-' || (a).n; END $$;
CREATE FUNCTION number_from(a text) RETURNS number LANGUAGE plpgsql AS $$
BEGIN PERFORM app.spy('cast from text'); RETURN ROW(substr(a, 8)::int)::app.number; END $$;
CREATE CAST (number AS text) WITH FUNCTION number_text(number);
CREATE CAST (text AS number) WITH FUNCTION number_from(text);
CREATE TABLE spies (id number, creator_id text, status number);
INSERT INTO spies VALUES (ROW(7), 'ada', ROW(1));
SELECT try($$SELECT taskchat.bind_tasks('spies')$$);
INSERT INTO spies VALUES (ROW(1), 'ada', ROW(1));
UPDATE spies SET status = ROW(2) WHERE (id).n = 1;
SELECT try($$SELECT taskchat.open_room('number-1', 'ada')$$);
SELECT try($$SELECT taskchat.open_room('number-2', 'ada')$$);
DELETE FROM spies WHERE (id).n = 1;
SELECT try($$SELECT taskchat.unbind_tasks('spies')$$);
-- Names that are meant to break out
CREATE TABLE "x"" FOR EACH ROW EXECUTE FUNCTION evil(); --" ("id'); DROP TABLE app.tasks; --" text PRIMARY KEY, "%I ""%s""" text, "status$1" text);
SELECT taskchat.bind_tasks('"x"" FOR EACH ROW EXECUTE FUNCTION evil(); --"', 'id''); DROP TABLE app.tasks; --', '%I "%s"', ARRAY['status$1']);
INSERT INTO "x"" FOR EACH ROW EXECUTE FUNCTION evil(); --" VALUES ('r-6', 'ada', 'a');
UPDATE "x"" FOR EACH ROW EXECUTE FUNCTION evil(); --" SET "status$1" = 'b';
SELECT task_id FROM taskchat.open_room('r-6', 'ada');
DELETE FROM "x"" FOR EACH ROW EXECUTE FUNCTION evil(); --";
TRUNCATE "x"" FOR EACH ROW EXECUTE FUNCTION evil(); --";
SELECT taskchat.unbind_tasks('"x"" FOR EACH ROW EXECUTE FUNCTION evil(); --"');
RESET ROLE;
SELECT count(*) FROM taskchat.task_rooms WHERE task_id = 'r-6';
SET client_min_messages = error;
DROP SCHEMA app CASCADE;
DROP OWNED BY regress_bind_owner, regress_bind_group, regress_bind_writer;
DROP ROLE regress_bind_owner, regress_bind_member, regress_bind_guest, regress_bind_group, regress_bind_writer;
