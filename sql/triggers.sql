-- Triggers of the application's own on our tables: on INSERT into messages,
-- events and notifications they fire for every row, whoever brings it about.
\getenv srcdir PG_ABS_SRCDIR
\set attempt :srcdir '/sql/include/attempt.sql'
SET client_min_messages = warning;
CREATE ROLE trig_app NOLOGIN;
GRANT USAGE ON SCHEMA taskchat TO trig_app;
GRANT TRIGGER ON taskchat.task_messages, taskchat.task_events, taskchat.notifications TO trig_app;
CREATE SCHEMA trig AUTHORIZATION trig_app;
SET ROLE trig_app;
CREATE TABLE trig.seen (n serial, how text, what text);
CREATE TABLE trig.tasks (id text PRIMARY KEY, creator_id text, status text);
CREATE FUNCTION trig.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.content LIKE '%spam%' THEN
		RAISE check_violation USING MESSAGE = 'no advertisements, please', HINT = 'Rephrase it.';
	END IF;
	NEW.content := replace(NEW.content, 'darn', '****');
	RETURN NEW;
END $$;
CREATE FUNCTION trig.note_message() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	INSERT INTO trig.seen (how, what) VALUES ('row', format('%s %s %s: %s', NEW.task_id, NEW.seq, coalesce(NEW.sender_id, 'system'), NEW.content));
	RETURN NULL;
END $$;
CREATE FUNCTION trig.note_messages() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	INSERT INTO trig.seen (how, what) SELECT 'statement', string_agg(n.seq::text, ' ' ORDER BY n.seq) FROM new_rows n HAVING count(*) > 0;
	RETURN NULL;
END $$;
CREATE FUNCTION trig.note_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	INSERT INTO trig.seen (how, what) VALUES ('event', format('%s %s %s', NEW.task_id, NEW.seq, NEW.kind));
	RETURN NULL;
END $$;
CREATE FUNCTION trig.note_notification() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	INSERT INTO trig.seen (how, what) VALUES ('notification', format('%s %s', NEW.user_id, NEW.kind));
	RETURN NULL;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON taskchat.task_messages FOR EACH ROW EXECUTE FUNCTION trig.refuse();
CREATE TRIGGER note AFTER INSERT ON taskchat.task_messages FOR EACH ROW EXECUTE FUNCTION trig.note_message();
CREATE TRIGGER note_all AFTER INSERT ON taskchat.task_messages REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION trig.note_messages();
CREATE TRIGGER note AFTER INSERT ON taskchat.task_events FOR EACH ROW EXECUTE FUNCTION trig.note_event();
CREATE TRIGGER note AFTER INSERT ON taskchat.notifications FOR EACH ROW EXECUTE FUNCTION trig.note_notification();
RESET ROLE;
CREATE VIEW pg_temp.seen AS SELECT how, what FROM trig.seen ORDER BY n;

-- Who is told what
SELECT taskchat.bind_tasks('trig.tasks');
INSERT INTO trig.tasks VALUES ('trig', 'ada', 'open');
SELECT role FROM taskchat.add_member('trig', 'ben');
SELECT role FROM taskchat.add_member('trig', 'cyd', 'applicant');
UPDATE trig.tasks SET status = 'done';
SELECT taskchat.close_room('trig', 'cyd');
SELECT FROM taskchat.notify_user('ada', 'payment');
TABLE pg_temp.seen;
TRUNCATE trig.seen;

-- Every way that a message takes
SET ROLE taskchat_backend;
BEGIN;
SELECT taskchat.act_as('ada');
SELECT seq, content FROM taskchat.send_message('trig', 'darn function', client_msg_id => 'c1');
SELECT seq, content FROM taskchat.send_message('trig', 'again', client_msg_id => 'c1');
INSERT INTO taskchat.task_messages (task_id, content) VALUES ('trig', 'insert'), ('trig', 'both');
INSERT INTO taskchat.task_messages (task_id, content, client_msg_id) VALUES ('trig', 'skipped', 'c1') ON CONFLICT DO NOTHING;
COMMIT;
SELECT seq, content FROM taskchat.send_system_message('trig', 'system');
RESET ROLE;
SET ROLE taskchat_relay;
SELECT command, seq, sqlstate FROM taskchat.relay_run(ARRAY['ada', 'ben', 'ada'], ARRAY[
	'{"type":"send_message","task_id":"trig","content":"relay","client_msg_id":"c2"}',
	'{"type":"send_message","task_id":"trig","content":"darn relay"}',
	'{"type":"send_message","task_id":"trig","content":"relay","client_msg_id":"c2"}'], false, 200000, 500, 200);
RESET ROLE;
TABLE pg_temp.seen;
TRUNCATE trig.seen;

-- Refused: nothing is left, no number is spent, and the relay's others go on
SET ROLE taskchat_backend;
\i :attempt
SELECT pg_temp.attempt('ada', $$SELECT taskchat.send_message('trig', 'spam')$$);
SELECT pg_temp.attempt('ada', $$INSERT INTO taskchat.task_messages (task_id, content) VALUES ('trig', 'ham'), ('trig', 'spam')$$);
SELECT pg_temp.attempt(NULL, $$SELECT taskchat.send_system_message('trig', 'spam')$$);
RESET ROLE;
SET ROLE taskchat_relay;
SELECT command, seq, sqlstate, message FROM taskchat.relay_run(ARRAY['ada', 'ben'], ARRAY[
	'{"type":"send_message","task_id":"trig","content":"spam"}',
	'{"type":"send_message","task_id":"trig","content":"next"}'], false, 200000, 500, 200);
RESET ROLE;
TABLE pg_temp.seen;
TRUNCATE trig.seen;

-- A trigger that writes in the chat itself
SET ROLE trig_app;
CREATE FUNCTION trig.answer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.content = 'help' THEN
		PERFORM taskchat.send_system_message(NEW.task_id, 'help is near');
	END IF;
	RETURN NULL;
END $$;
CREATE FUNCTION trig.announce() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.content = 'attention' THEN
		PERFORM taskchat.send_system_message('trig-log', 'something comes');
	ELSIF NEW.content = 'quote' THEN
		INSERT INTO taskchat.task_messages (task_id, content) VALUES ('trig-log', 'quoted');
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER answer AFTER INSERT ON taskchat.task_messages FOR EACH ROW EXECUTE FUNCTION trig.answer();
CREATE TRIGGER announce BEFORE INSERT ON taskchat.task_messages FOR EACH ROW EXECUTE FUNCTION trig.announce();
RESET ROLE;
INSERT INTO trig.tasks VALUES ('trig-log', 'ada', 'open');
SET ROLE taskchat_backend;
SELECT seq, content FROM taskchat.send_system_message('trig', 'attention');
BEGIN;
SELECT taskchat.act_as('ada');
SELECT seq, content FROM taskchat.send_system_message('trig', 'quote');
SELECT seq, content FROM taskchat.send_message('trig', 'quote');
SELECT seq, content FROM taskchat.send_message('trig', 'help');
SELECT seq, content FROM taskchat.send_message('trig', 'attention', client_msg_id => 'c3');
SELECT seq, content FROM taskchat.send_message('trig', 'attention', client_msg_id => 'c3');
COMMIT;
RESET ROLE;
SELECT task_id, seq, sender_id, content FROM taskchat.task_messages WHERE task_id LIKE 'trig%' ORDER BY room_id, seq;
SELECT count(*) = 0 AS whole FROM taskchat.task_rooms r
WHERE r.task_id LIKE 'trig%' AND r.last_seq <> (SELECT count(*) FROM taskchat.task_messages m WHERE m.room_id = r.room_id) + (SELECT count(*) FROM taskchat.task_events e WHERE e.room_id = r.room_id);

DROP TRIGGER refuse ON taskchat.task_messages;
DROP TRIGGER note ON taskchat.task_messages;
DROP TRIGGER note_all ON taskchat.task_messages;
DROP TRIGGER answer ON taskchat.task_messages;
DROP TRIGGER announce ON taskchat.task_messages;
DROP TRIGGER note ON taskchat.task_events;
DROP TRIGGER note ON taskchat.notifications;
DELETE FROM trig.tasks;
DROP VIEW pg_temp.seen;
DROP SCHEMA trig CASCADE;
DROP OWNED BY trig_app;
DROP ROLE trig_app;
