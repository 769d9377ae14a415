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
