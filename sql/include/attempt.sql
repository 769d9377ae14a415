\set ECHO none
-- attempt(who, statement): what becomes of a statement that this user runs:
-- its first column, or the error's SQLSTATE, message and hint.
CREATE FUNCTION pg_temp.attempt(who text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	hint text;
	constraint_name text;
BEGIN
	PERFORM taskchat.act_as(who);
	EXECUTE statement INTO result;
	PERFORM taskchat.act_as(NULL);
	RETURN coalesce(result, '(null)');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT, constraint_name = CONSTRAINT_NAME;
	RETURN format('%s %s%s (%s)', SQLSTATE, nullif(constraint_name, '') || ': ', SQLERRM, hint);
END $$;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\set ECHO all
