-- What a database's owner adds to task_messages counts for every way of sending:
-- triggers, checks, columns, rules, indexes.
SET client_min_messages = notice;
SELECT last_seq FROM taskchat.open_room('ext-1', 'ada');
CREATE FUNCTION pg_temp.send(content text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	constraint_name text;
BEGIN
	PERFORM taskchat.act_as('ada');
	RETURN (taskchat.send_message('ext-1', content)).seq;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS constraint_name = CONSTRAINT_NAME;
	RETURN concat_ws(' ', SQLSTATE, constraint_name, SQLERRM);
END $$;

CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE '% % %: %', TG_WHEN, TG_LEVEL, TG_OP, CASE TG_LEVEL WHEN 'ROW' THEN concat_ws(' ', NEW.seq, NEW.content) END;
	RETURN NEW;
END $$;
CREATE TRIGGER after_row AFTER INSERT ON taskchat.task_messages FOR EACH ROW EXECUTE FUNCTION tell();
SELECT pg_temp.send('a trigger after the row');
DROP TRIGGER after_row ON taskchat.task_messages;
CREATE TRIGGER after_statement AFTER INSERT ON taskchat.task_messages EXECUTE FUNCTION tell();
SELECT pg_temp.send('one after the statement');
DROP TRIGGER after_statement ON taskchat.task_messages;
CREATE TRIGGER before_row BEFORE INSERT ON taskchat.task_messages FOR EACH ROW EXECUTE FUNCTION tell();
SELECT pg_temp.send('one before the row');
ALTER TABLE taskchat.task_messages DISABLE TRIGGER before_row;
SELECT pg_temp.send('and disabled');
DROP TRIGGER before_row ON taskchat.task_messages;

CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'no %', NEW.content;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON taskchat.task_messages FOR EACH ROW WHEN (NEW.content LIKE '%!') EXECUTE FUNCTION refuse();
SELECT pg_temp.send('shouting!');
SELECT pg_temp.send('not shouting');
DROP TRIGGER refuse ON taskchat.task_messages;

ALTER TABLE taskchat.task_messages ADD CONSTRAINT short CHECK (length(content) < 30) NOT VALID;
SELECT pg_temp.send('checked: this is longer than 30 characters');
SELECT pg_temp.send('short');
ALTER TABLE taskchat.task_messages DROP CONSTRAINT short;

CREATE UNIQUE INDEX once ON taskchat.task_messages (lower(content)) WHERE task_id = 'ext-1';
SELECT pg_temp.send('twice');
SELECT pg_temp.send('TWICE');
DROP INDEX taskchat.once;
SELECT pg_temp.send('TWICE');

-- One of the application's in the place of ours is not ours.
BEGIN;
ALTER TABLE taskchat.task_messages DROP CONSTRAINT task_messages_message_type_check,
	ADD CONSTRAINT task_messages_message_type_check CHECK (message_type = 'text' AND content NOT LIKE '%!') NOT VALID;
SELECT pg_temp.send('shouting!');
SELECT pg_temp.send('not shouting');
ROLLBACK;
BEGIN;
UPDATE taskchat.task_messages SET metadata = '{}';
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE taskchat.task_messages ALTER metadata SET NOT NULL;
SELECT pg_temp.send('without metadata');
ROLLBACK;
BEGIN;
CREATE TABLE people (id text COLLATE "C" PRIMARY KEY);
ALTER TABLE taskchat.task_messages DROP CONSTRAINT task_messages_reply_to_fkey,
	ADD CONSTRAINT known FOREIGN KEY (sender_id) REFERENCES people NOT VALID;
SELECT pg_temp.send('by nobody');
ROLLBACK;
BEGIN;
CREATE DOMAIN quiet AS text CHECK (VALUE NOT LIKE '%!!!');
ALTER TABLE taskchat.task_messages ALTER content TYPE quiet;
SELECT pg_temp.send('shouting!!!');
SELECT pg_temp.send('of a domain');
ALTER TABLE taskchat.task_messages ALTER content TYPE varchar(30) USING content::varchar(30);
SELECT pg_temp.send('a length: this is longer than 30 characters');
SELECT pg_temp.send('of a length');
ROLLBACK;
BEGIN;
DELETE FROM taskchat.task_messages WHERE message_type = 'file';
SET CONSTRAINTS ALL IMMEDIATE;
CREATE TABLE all_messages (LIKE taskchat.task_messages) PARTITION BY LIST (message_type);
ALTER TABLE all_messages ATTACH PARTITION taskchat.task_messages FOR VALUES IN ('image', 'text');
SELECT pg_temp.send('in a partition');
\set VERBOSITY terse
SELECT FROM taskchat.act_as('ada');
SELECT FROM taskchat.send_message('ext-1', 'not in it', 'file', 'https://example.org/');
\set VERBOSITY default
ROLLBACK;

-- A function behind an index or a check may become another one at any time.
CREATE FUNCTION fold(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN lower($1); END $$;
CREATE FUNCTION mild(text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN true; END $$;
CREATE INDEX folded ON taskchat.task_messages (fold(content));
ALTER TABLE taskchat.task_messages ADD CONSTRAINT mild CHECK (mild(content));
SELECT pg_temp.send('Folded by one');
CREATE OR REPLACE FUNCTION fold(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT upper($1)';
CREATE OR REPLACE FUNCTION mild(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$ SELECT $1 NOT LIKE '%!' $$;
SELECT pg_temp.send('Folded by another');
SELECT pg_temp.send('not mild!');
SET enable_seqscan = off;
SELECT content FROM taskchat.task_messages WHERE fold(content) = 'FOLDED BY ANOTHER';
RESET enable_seqscan;
-- And it may send itself.
CREATE OR REPLACE FUNCTION fold(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	IF $1 LIKE 'tell%' THEN
		PERFORM pg_temp.send('of ' || $1);
	END IF;
	RETURN lower($1);
END $$;
SELECT pg_temp.send('tell twice');
ALTER TABLE taskchat.task_messages DROP CONSTRAINT mild;
DROP FUNCTION fold CASCADE;
DROP FUNCTION mild;

CREATE TABLE people (id text COLLATE "C" PRIMARY KEY);
ALTER TABLE taskchat.task_messages ADD CONSTRAINT known FOREIGN KEY (sender_id) REFERENCES people NOT VALID;
SELECT pg_temp.send('by nobody');
INSERT INTO people VALUES ('ada');
SELECT pg_temp.send('by somebody');
ALTER TABLE taskchat.task_messages DROP CONSTRAINT known;
ALTER TABLE taskchat.task_messages ADD CONSTRAINT once EXCLUDE (content WITH =) WHERE (task_id = 'ext-1') DEFERRABLE INITIALLY DEFERRED;
BEGIN;
SELECT pg_temp.send('twice, for a while');
SELECT pg_temp.send('twice, for a while');
SET CONSTRAINTS ALL IMMEDIATE;
ROLLBACK;
ALTER TABLE taskchat.task_messages DROP CONSTRAINT once;

CREATE TABLE copies (content text);
CREATE RULE copy AS ON INSERT TO taskchat.task_messages DO ALSO INSERT INTO copies VALUES (NEW.content);
SELECT pg_temp.send('ruled');
SELECT * FROM copies;
DROP RULE copy ON taskchat.task_messages;

BEGIN;
ALTER TABLE taskchat.task_messages ADD COLUMN language text DEFAULT 'en';
SELECT pg_temp.send('with a column');
ALTER TABLE taskchat.task_messages ALTER COLUMN language DROP DEFAULT;
SELECT pg_temp.send('with an empty one');
SELECT content, language FROM taskchat.task_messages WHERE task_id = 'ext-1' ORDER BY seq DESC LIMIT 2;
ROLLBACK;
SELECT pg_temp.send('and without');

BEGIN;
ALTER TABLE taskchat.task_rooms ADD COLUMN theme text DEFAULT 'dark';
SELECT pg_temp.send('in a room with a column');
SELECT FROM taskchat.close_room('ext-1');
SET CONSTRAINTS ALL IMMEDIATE;
SELECT pg_temp.send('closed');
SELECT FROM taskchat.reopen_room('ext-1');
SELECT last_seq, status, closed_at, theme FROM taskchat.task_rooms WHERE task_id = 'ext-1';
ROLLBACK;
SELECT pg_temp.send('and in one without');

SELECT seq, content FROM taskchat.task_messages WHERE task_id = 'ext-1' ORDER BY seq;
-- Of an answer the key is kept, too.
BEGIN;
SELECT FROM taskchat.act_as('ada');
SELECT reply_to = (SELECT id FROM taskchat.task_messages WHERE task_id = 'ext-1' AND seq = 2) AS answers
	FROM taskchat.send_message('ext-1', 'an answer', reply_to => (SELECT id FROM taskchat.task_messages WHERE task_id = 'ext-1' AND seq = 2));
COMMIT;
DELETE FROM taskchat.task_messages WHERE task_id = 'ext-1' AND seq = 2;
SELECT content, reply_to FROM taskchat.task_messages WHERE task_id = 'ext-1' ORDER BY seq DESC LIMIT 1;

DROP TABLE copies, people;
DROP FUNCTION tell, refuse;
