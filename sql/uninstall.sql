-- DROP EXTENSION takes all that it made along, roles aside.
SET client_min_messages = warning;
DROP EXTENSION taskchat;
SELECT count(*) AS left_over FROM pg_namespace WHERE nspname = 'taskchat';
CREATE EXTENSION taskchat;
DROP EXTENSION taskchat;
