-- The life of a task in a real application (test/example/marketplace.sql): each
-- step is one transaction with the business row, and what it tells is here.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
\getenv tree PG_ABS_SRCDIR
\set example :tree '/test/example/marketplace.sql'
\i :example
\set task '''e0000000-0000-4000-8000-000000000001'''
\set ada '''a0000000-0000-4000-8000-000000000001'''
\set ben '''b0000000-0000-4000-8000-000000000001'''
\set cyd '''c0000000-0000-4000-8000-000000000001'''
INSERT INTO market.users VALUES (:ada, 'Ada'), (:ben, 'Ben'), (:cyd, 'Cyd');
-- Short names for the ids, and events without the times
CREATE FUNCTION market.short(ids text) RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(regexp_replace(regexp_replace(regexp_replace(ids, 'a0000000[-0-9]+', 'ada', 'g'), 'b0000000[-0-9]+', 'ben', 'g'),
		'c0000000[-0-9]+', 'cyd', 'g'), 'e0000000[-0-9]+', 'task', 'g') $$;
CREATE FUNCTION market.line(who text, task text, applicant text DEFAULT NULL) RETURNS TABLE (seq bigint, event text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM taskchat.act_as(who);
	RETURN QUERY SELECT e.seq, market.short(concat_ws(' ', e.event ->> 'type',
		coalesce(e.event #>> '{message,sender_id}', CASE WHEN e.event #> '{message}' IS NOT NULL THEN '(system)' END),
		nullif(e.event #>> '{message,content}', ''), e.event #>> '{message,file_url}', e.event ->> 'user_id', e.event ->> 'role', e.event ->> 'changes'))
		FROM taskchat.get_events(task, 0, 100, applicant) e;
	PERFORM taskchat.act_as(NULL);
END
$$;

SET ROLE market_backend;
-- Created
SELECT market.create_task(:task, :ada, 'Paint the garden fence', 120);
SELECT * FROM market.line(:ada, :task);
-- Two apply; each talks with the creator alone
SELECT market.apply(:task, :ben, 110);
SELECT market.apply(:task, :cyd, 130);
SELECT market.say(:task, :ben, 'Is the paint there?');
SELECT market.say(:task, :ada, 'Yes, in the shed.', :ben);
SELECT market.say(:task, :cyd, 'When shall I come?');
SELECT * FROM market.line(:ben, :task);
SELECT * FROM market.line(:cyd, :task);
SELECT market.say(:task, :cyd, 'Let me see', :ben);
-- An application that fails leaves nothing behind, in the tables or in the room
BEGIN;
SELECT market.apply(:task, :ben, 1);
ROLLBACK;
SELECT * FROM market.line(:ada, :task, :ben) WHERE seq > 5;
-- Accepted
SELECT market.accept(:task, :ben);
SELECT * FROM market.line(:ben, :task);
SELECT * FROM market.line(:cyd, :task);
SELECT market.say(:task, :cyd, 'Too late?');
SELECT market.say(:task, :ben, 'Thanks!');
-- At work, with photos; what is sent twice is there once
SELECT market.report(:task, 50, 'https://files.example.org/fence-50.jpg');
SELECT market.report(:task, 100, 'https://files.example.org/fence-100.jpg');
SELECT market.report(:task, 100, 'https://files.example.org/fence-100.jpg');
-- Paid
SELECT market.pay('f0000000-0000-4000-8000-000000000001', :task);
SELECT * FROM market.line(:ada, :task);
SELECT market.say(:task, :ben, 'Any time again.');
-- Who was told what in person
RESET ROLE;
SELECT market.short(user_id) AS "user", seq, kind, market.short(payload::text) AS payload FROM taskchat.notifications
	WHERE task_id = :task ORDER BY market.short(user_id), seq;
-- What is left to read
SET ROLE market_backend;
BEGIN;
SELECT taskchat.act_as(:ada);
SELECT market.short(applicant_id) AS applicant, role, status, last_seq, unread, (last_message).content FROM taskchat.get_rooms() ORDER BY 1 NULLS FIRST;
COMMIT;
-- Ben leaves the marketplace: his tasks' rows would keep him, so they go first
BEGIN;
DELETE FROM market.payments WHERE payee_id = :ben;
UPDATE market.tasks SET worker_id = NULL WHERE worker_id = :ben;
DELETE FROM market.applications WHERE applicant_id = :ben;
DELETE FROM market.users WHERE id = :ben;
COMMIT;
SELECT * FROM market.line(:ada, :task) WHERE seq > 10;
-- And the task, with all that was said
DELETE FROM market.tasks WHERE id = :task;
RESET ROLE;
SELECT count(*) FROM taskchat.task_rooms WHERE task_id = :task;
SELECT count(*) FROM taskchat.task_messages WHERE task_id = :task;
SELECT taskchat.unbind_tasks('market.tasks');
SET client_min_messages = error;
DROP SCHEMA market CASCADE;
DROP ROLE market_backend;
