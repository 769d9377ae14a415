-- Whatever a role may call, it may call with anything: with NULLs, rows of
-- NULLs, empty and nested arrays, numbers at their ends, in any combination.
-- No such call is an internal error, let alone takes the server down.
SET client_min_messages = error;
CREATE FUNCTION pg_temp.call(statement text, who text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM taskchat.act_as(who);
	EXECUTE statement;
	RAISE EXCEPTION USING ERRCODE = 'UNDO0';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || CASE WHEN SQLSTATE LIKE 'XX%' THEN ' ' || SQLERRM ELSE '' END;
END $$;
-- Odd values of a type, as SQL
CREATE FUNCTION pg_temp.odd(type oid) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	name text := format_type(type, NULL);
	t pg_type;
BEGIN
	SELECT * INTO t FROM pg_type WHERE oid = type;
	RETURN NEXT format('NULL::%s', name);
	IF t.typtype = 'c' THEN
		RETURN NEXT format('ROW(%s)::%s', (SELECT string_agg('NULL', ',') FROM pg_attribute WHERE attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped), name);
	ELSIF t.typcategory = 'A' THEN
		RETURN QUERY SELECT format('%L::%s', v, name) FROM unnest(ARRAY['{}', '{NULL}', '{{NULL,NULL},{NULL,NULL}}', '[3:3]={NULL}']) AS v;
	ELSIF name = 'jsonb' THEN
		RETURN QUERY SELECT format('%L::jsonb', v) FROM unnest(ARRAY['null', '[]', '"x"', '{}', '{"task_id": 1, "rooms": [[], null, 1], "limit": {}, "after_seq": "x", "user_ids": [null]}']) AS v;
	ELSIF name = 'text' THEN
		RETURN QUERY SELECT format('%L', v) FROM unnest(ARRAY['', 'x']) AS v;
	ELSIF name IN ('bigint', 'integer') THEN
		RETURN QUERY SELECT format('%L::%s', v, name) FROM unnest(CASE name WHEN 'bigint' THEN ARRAY['-9223372036854775808', '9223372036854775807'] ELSE ARRAY['-2147483648', '2147483647'] END) AS v;
	ELSIF name = 'interval' THEN
		RETURN QUERY SELECT format('%L::interval', v) FROM unnest(ARRAY['-178000000 years', '178000000 years', '0']) AS v;
	ELSIF name = 'timestamp with time zone' THEN
		RETURN QUERY SELECT format('%L::timestamptz', v) FROM unnest(ARRAY['infinity', '-infinity', '4713-01-01 BC']) AS v;
	ELSIF name = 'regclass' THEN
		RETURN QUERY SELECT format('%L::regclass', v) FROM unnest(ARRAY['0', '4294967295', 'pg_class', 'pg_class_oid_index', 'taskchat.room_numbers']) AS v;
	ELSIF name = 'boolean' THEN
		RETURN NEXT 'true';
	END IF;
END $$;
-- Every combination of up to three arguments; of more, each odd value with NULLs and then with ordinary ones around it
CREATE FUNCTION pg_temp.combinations(types oid[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	plain text;
	i int;
BEGIN
	IF cardinality(types) = 0 THEN
		RETURN NEXT '';
	ELSIF cardinality(types) = 1 THEN
		RETURN QUERY SELECT a FROM pg_temp.odd(types[0]) AS a;
	ELSIF cardinality(types) = 2 THEN
		RETURN QUERY SELECT concat_ws(', ', a, b) FROM pg_temp.odd(types[0]) AS a, pg_temp.odd(types[1]) AS b;
	ELSIF cardinality(types) = 3 THEN
		RETURN QUERY SELECT concat_ws(', ', a, b, c) FROM pg_temp.odd(types[0]) AS a, pg_temp.odd(types[1]) AS b, pg_temp.odd(types[2]) AS c;
	ELSE
		FOR i IN 0 .. cardinality(types) - 1 LOOP
			RETURN QUERY SELECT (SELECT string_agg(CASE WHEN n = i THEN v WHEN around THEN 'NULL' ELSE (SELECT max(o) FROM pg_temp.odd(types[n]) AS o) END, ', ' ORDER BY n) FROM generate_series(0, cardinality(types) - 1) AS n)
				FROM pg_temp.odd(types[i]) AS v, (VALUES (true), (false)) AS w (around);
		END LOOP;
	END IF;
END $$;
SELECT task_id FROM taskchat.open_room('x', 'x');
CREATE TEMP TABLE called AS
	SELECT p.oid::regprocedure::text AS function, format('SELECT taskchat.%I(%s)', p.proname, c) AS statement, who, pg_temp.call(format('SELECT taskchat.%I(%s)', p.proname, c), who) AS result
	FROM pg_proc p, LATERAL pg_temp.combinations((p.proargtypes::oid[])) AS c, (VALUES ('x'), (NULL)) AS w (who)
	WHERE p.pronamespace = 'taskchat'::regnamespace AND p.prorettype <> 'trigger'::regtype
		AND EXISTS (SELECT FROM unnest(ARRAY['taskchat_user', 'taskchat_backend', 'taskchat_relay']) AS r WHERE has_function_privilege(r, p.oid, 'EXECUTE'));
SELECT count(*) > 1000 AS many, count(DISTINCT function) > 50 AS functions FROM called;
SELECT result, min(statement) AS statement, count(*) FROM called WHERE result ~ '^(XX|58|0B|2F|39|53|57)' GROUP BY function, result ORDER BY 2;
