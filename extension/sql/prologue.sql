\echo Use "CREATE EXTENSION taskchat" to load this file. \quit
/*
 * prologue: the refusal of psql, the schema and the roles.
 */
CREATE SCHEMA taskchat;
COMMENT ON SCHEMA taskchat IS 'taskchat: rooms of a task, their messages, and what members may see';

DO $$
DECLARE
	wanted record;
BEGIN
	FOR wanted IN
		SELECT * FROM (VALUES ('taskchat_user', 'NOLOGIN'), ('taskchat_backend', 'NOLOGIN'),
							  ('taskchat_relay', 'NOLOGIN NOINHERIT')) AS r (name, options)
	LOOP
		IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted.name) THEN
			EXECUTE pg_catalog.format('CREATE ROLE %I %s', wanted.name, wanted.options);
		END IF;
	END LOOP;
END
$$;
GRANT taskchat_user TO taskchat_backend, taskchat_relay;
GRANT USAGE ON SCHEMA taskchat TO taskchat_user, taskchat_backend, taskchat_relay;
