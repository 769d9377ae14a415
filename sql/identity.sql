-- Who asks: only act_as() sets the identity, and only for its transaction.
CREATE EXTENSION taskchat;
SET client_min_messages = warning;
SELECT taskchat.current_user_id() IS NULL AS nobody;
BEGIN;
SELECT taskchat.act_as('ada');
SELECT taskchat.current_user_id();
SHOW taskchat.user_id;
SAVEPOINT s;
SELECT taskchat.act_as('ben');
SELECT taskchat.current_user_id();
ROLLBACK TO s;
SELECT taskchat.current_user_id();
SELECT taskchat.act_as(NULL);
SELECT taskchat.current_user_id() IS NULL AS nobody;
COMMIT;
BEGIN;
SELECT taskchat.act_as('ada');
COMMIT;
SELECT taskchat.current_user_id() IS NULL AS nobody;
-- What is released stays, and goes with what it was released into
BEGIN;
SELECT taskchat.act_as('ada');
SAVEPOINT a;
SAVEPOINT b;
SELECT taskchat.act_as('ben');
SAVEPOINT c;
SELECT taskchat.act_as(NULL);
SELECT taskchat.act_as('cy');
RELEASE c;
SELECT taskchat.current_user_id();
RELEASE b;
SELECT taskchat.current_user_id(), current_setting('taskchat.user_id') AS shown, setting FROM pg_settings WHERE name = 'taskchat.user_id';
ROLLBACK TO a;
SELECT taskchat.current_user_id();
SAVEPOINT d;
RELEASE d;
DO $$
BEGIN
	PERFORM taskchat.act_as('eve');
	RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN
	RAISE WARNING '% again', taskchat.current_user_id();
END
$$;
ROLLBACK;
SELECT taskchat.current_user_id() IS NULL AS nobody;
BEGIN;
SAVEPOINT a;
SELECT taskchat.act_as('ada');
RELEASE a;
SELECT taskchat.current_user_id();
SAVEPOINT a;
SELECT taskchat.act_as('ben');
SELECT 1 / 0;
ROLLBACK TO a;
SELECT taskchat.current_user_id();
COMMIT;
SELECT taskchat.current_user_id() IS NULL AS nobody;
-- A function's own settings end with it, the identity doesn't
CREATE FUNCTION become(text) RETURNS void LANGUAGE sql SET work_mem = '1MB' AS 'SELECT taskchat.act_as($1)';
BEGIN;
SELECT become('ada');
SELECT taskchat.current_user_id();
COMMIT;
-- Bad identities
SELECT taskchat.act_as('');
SELECT taskchat.act_as(repeat('x', 256));
-- Attempts to forge it, as a superuser and as a user
SET taskchat.user_id = 'ada';
SELECT set_config('taskchat.user_id', 'ada', false);
RESET taskchat.user_id;
CREATE FUNCTION forge() RETURNS text LANGUAGE sql SET taskchat.user_id = 'ada' AS 'SELECT taskchat.current_user_id()';
ALTER ROLE taskchat_user SET taskchat.user_id = 'ada';
SET ROLE taskchat_user;
SET taskchat.user_id = 'ada';
SELECT taskchat.act_as('ada');
SET taskchat.other = 'x';
RESET ROLE;
SELECT taskchat.current_user_id() IS NULL AS nobody;
