/*
 * binding: triggers on the application's own tables that rooms follow.  See
 * binding.c and bound.c.
 */
CREATE FUNCTION taskchat.require_task(task_id text) RETURNS void
	AS 'MODULE_PATHNAME', 'taskchat_require_task' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.require_task(text) IS 'Internal: refuses a room for a task that no bound table has';

CREATE FUNCTION taskchat.missing_tasks(task_ids text[]) RETURNS text[]
	AS 'MODULE_PATHNAME', 'taskchat_missing_tasks' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.missing_tasks(text[]) IS 'Internal: those that no bound table has';

CREATE FUNCTION taskchat.orphaned_rooms() RETURNS TABLE (room_id bigint, task_id text, applicant_id text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT r.room_id, r.task_id, r.applicant_id
	FROM unnest(taskchat.missing_tasks((SELECT coalesce(array_agg(DISTINCT t.task_id), '{}') FROM taskchat.task_rooms t))) AS m (task_id)
	JOIN taskchat.task_rooms r ON r.task_id = m.task_id COLLATE "C"
	ORDER BY r.room_id;
END
$$;
COMMENT ON FUNCTION taskchat.orphaned_rooms() IS 'Rooms whose task no bound table has';

CREATE FUNCTION taskchat.bound_task() RETURNS trigger
	AS 'MODULE_PATHNAME', 'taskchat_bound_task' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.bound_task() IS 'Internal: trigger of bound tables of tasks';

CREATE FUNCTION taskchat.bound_user() RETURNS trigger
	AS 'MODULE_PATHNAME', 'taskchat_bound_user' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.bound_user() IS 'Internal: trigger of bound tables of users';

CREATE FUNCTION taskchat.open_rooms(task_ids text[], creator_ids text[]) RETURNS bigint
	LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	WITH wanted AS (
		SELECT DISTINCT ON (w.task_id) w.task_id, w.creator_id
		FROM unnest(task_ids COLLATE "C", creator_ids) AS w (task_id, creator_id)
		ORDER BY w.task_id
	), opened AS (
		INSERT INTO taskchat.task_rooms (task_id, last_seq) SELECT w.task_id, 1 FROM wanted w
		ON CONFLICT ON CONSTRAINT task_rooms_task_id_applicant_id_key DO NOTHING
		RETURNING room_id, task_id
	), told AS (
		INSERT INTO taskchat.task_events (room_id, task_id, seq, kind, actor_id, payload, created_at)
		SELECT o.room_id, o.task_id, 1, 'member_joined', w.creator_id,
			jsonb_build_object('user_id', w.creator_id, 'role', 'creator'), clock_timestamp()
		FROM opened o JOIN wanted w USING (task_id)
	), seated AS (
		INSERT INTO taskchat.task_members (room_id, user_id, task_id, role, joined_seq)
		SELECT o.room_id, w.creator_id, o.task_id, 'creator', 1
		FROM opened o JOIN wanted w USING (task_id)
	)
	SELECT count(*) FROM opened
$$;
COMMENT ON FUNCTION taskchat.open_rooms(text[], text[]) IS 'Internal: opens the main rooms of many tasks, where they are missing';

CREATE FUNCTION taskchat.backfill_rooms(tasks regclass, task_key name, creator_key name) RETURNS bigint
	AS 'MODULE_PATHNAME', 'taskchat_backfill_rooms' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.backfill_rooms(regclass, name, name) IS 'Internal: opens the rooms of a bound table';

CREATE FUNCTION taskchat.check_bindable(relation regclass, columns name[]) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wanted name;
BEGIN
	PERFORM FROM pg_class c WHERE c.oid = relation AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
		AND c.relnamespace <> 'taskchat'::regnamespace AND c.relnamespace <> 'pg_catalog'::regnamespace;
	IF NOT FOUND THEN
		RAISE wrong_object_type USING MESSAGE = format('%s cannot be bound', relation),
			HINT = 'An ordinary or partitioned table of your own can.';
	END IF;
	FOREACH wanted IN ARRAY columns LOOP
		IF wanted IS NULL THEN
			RAISE not_null_violation USING MESSAGE = 'names of columns must not be null',
				HINT = 'task_key, creator_key, user_key and the elements of watch are names of columns.';
		END IF;
		PERFORM FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = wanted AND a.attnum > 0 AND NOT a.attisdropped;
		IF NOT FOUND THEN
			RAISE undefined_column USING MESSAGE = format('%s has no column %I', relation, wanted),
				HINT = 'bind_tasks() names the key, the creator and the watched columns.';
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION taskchat.check_bindable(regclass, name[]) IS 'Internal: refuses what is no table, and columns that it does not have';

CREATE FUNCTION taskchat.check_key(relation regclass, key name) RETURNS void
	AS 'MODULE_PATHNAME', 'taskchat_check_key' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION taskchat.check_key(regclass, name) IS 'Internal: refuses a key whose values cannot be compared';

CREATE FUNCTION taskchat.own_partitions(relation regclass) RETURNS SETOF regclass
	LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.oid::regclass FROM pg_class c WHERE c.oid = relation AND c.relkind = 'r'
	UNION
	SELECT p.relid FROM pg_partition_tree(relation) p JOIN pg_class c ON c.oid = p.relid WHERE c.relkind = 'r'
$$;
COMMENT ON FUNCTION taskchat.own_partitions(regclass) IS 'Internal: the tables that rows are in: itself, or its partitions';

CREATE FUNCTION taskchat.follow(relation regclass, prefix text, handler regprocedure) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	part regclass;
BEGIN
	EXECUTE format('CREATE TRIGGER %I AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION %s', prefix, relation, handler);
	EXECUTE format('ALTER TRIGGER %I ON %s DEPENDS ON EXTENSION taskchat', prefix, relation);
	FOR part IN SELECT taskchat.own_partitions(relation) LOOP
		EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION %s', prefix || '_truncate', part, handler);
		EXECUTE format('ALTER TRIGGER %I ON %s DEPENDS ON EXTENSION taskchat', prefix || '_truncate', part);
	END LOOP;
END
$$;
COMMENT ON FUNCTION taskchat.follow(regclass, text, regprocedure) IS 'Internal: the triggers of a bound table; TRUNCATE has them on each partition';

CREATE FUNCTION taskchat.unfollow(relation regclass, prefix text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	part regclass;
BEGIN
	EXECUTE format('DROP TRIGGER IF EXISTS %I ON %s', prefix, relation);
	FOR part IN SELECT taskchat.own_partitions(relation) LOOP
		EXECUTE format('DROP TRIGGER IF EXISTS %I ON %s', prefix || '_truncate', part);
	END LOOP;
END
$$;
COMMENT ON FUNCTION taskchat.unfollow(regclass, text) IS 'Internal: undoes follow()';

CREATE FUNCTION taskchat.bind_owned_tasks(tasks regclass, task_key name, creator_key name, watch name[],
		users regclass, user_key name, backfill boolean) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	watched name[];
	other taskchat.bindings;
BEGIN
	IF watch IS NULL THEN
		RAISE not_null_violation USING MESSAGE = 'watch must not be null', HINT = 'Watch nothing by an empty array.';
	END IF;
	PERFORM taskchat.check_bindable(tasks, ARRAY[task_key, creator_key] || watch);
	PERFORM taskchat.check_key(tasks, task_key);
	SELECT coalesce(array_agg(w.name ORDER BY w.first), '{}') INTO watched
	FROM (SELECT u.name, min(u.place) AS first FROM unnest(watch) WITH ORDINALITY AS u (name, place) GROUP BY u.name) w;
	IF octet_length((SELECT jsonb_object_agg(w.name, '{"old": null, "new": null}'::jsonb) FROM unnest(watched) AS w (name))::text) > 8192 THEN
		RAISE program_limit_exceeded USING MESSAGE = 'too many columns to watch', HINT = 'A task_update with all of them has at most 8192 bytes.';
	END IF;
	DELETE FROM taskchat.bindings b WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = b.tasks);
	IF EXISTS (SELECT FROM taskchat.bindings b WHERE b.tasks = bind_owned_tasks.tasks) THEN
		RAISE duplicate_object USING MESSAGE = format('%s is bound already', tasks), HINT = 'unbind_tasks() undoes it.';
	END IF;
	PERFORM taskchat.follow(tasks, 'taskchat_bound', 'taskchat.bound_task()');
	IF users IS NOT NULL THEN
		PERFORM taskchat.check_bindable(users, ARRAY[user_key]);
		PERFORM taskchat.check_key(users, user_key);
		SELECT b.* INTO other FROM taskchat.bindings b WHERE b.users = bind_owned_tasks.users LIMIT 1;
		IF NOT FOUND THEN
			PERFORM taskchat.follow(users, 'taskchat_bound_user', 'taskchat.bound_user()');
		ELSIF other.user_key <> bind_owned_tasks.user_key THEN
			RAISE invalid_parameter_value USING MESSAGE = format('%s is bound by another key', users), HINT = 'A table of users has one.';
		END IF;
	END IF;
	INSERT INTO taskchat.bindings (tasks, task_key, creator_key, watch, users, user_key)
		VALUES (tasks, task_key, creator_key, watched, users, CASE WHEN users IS NOT NULL THEN bind_owned_tasks.user_key END);
	RETURN CASE WHEN backfill THEN taskchat.backfill_rooms(tasks, task_key, creator_key) ELSE 0::bigint END;
END
$$;
COMMENT ON FUNCTION taskchat.bind_owned_tasks(regclass, name, name, name[], regclass, name, boolean) IS 'Internal: bind_tasks() for a caller who has been checked';

CREATE FUNCTION taskchat.unbind_owned_tasks(tasks regclass) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	gone taskchat.bindings;
BEGIN
	DELETE FROM taskchat.bindings b WHERE b.tasks = unbind_owned_tasks.tasks RETURNING * INTO gone;
	IF NOT FOUND THEN
		RAISE no_data_found USING MESSAGE = format('%s is not bound', tasks), HINT = 'bind_tasks() binds a table.';
	END IF;
	PERFORM taskchat.unfollow(tasks, 'taskchat_bound');
	IF EXISTS (SELECT FROM pg_class c WHERE c.oid = gone.users)
		AND NOT EXISTS (SELECT FROM taskchat.bindings b WHERE b.users = gone.users)
	THEN
		PERFORM taskchat.unfollow(gone.users, 'taskchat_bound_user');
	END IF;
	RETURN 0::bigint;
END
$$;
COMMENT ON FUNCTION taskchat.unbind_owned_tasks(regclass) IS 'Internal: unbind_tasks() for a caller who has been checked';

CREATE FUNCTION taskchat.bind_tasks(tasks regclass, task_key name DEFAULT 'id', creator_key name DEFAULT 'creator_id',
		watch name[] DEFAULT '{status}', users regclass DEFAULT NULL, user_key name DEFAULT 'id',
		backfill boolean DEFAULT true) RETURNS bigint
	AS 'MODULE_PATHNAME', 'taskchat_bind_tasks' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.bind_tasks(regclass, name, name, name[], regclass, name, boolean) IS 'Makes rooms follow the application''s table of tasks';

CREATE FUNCTION taskchat.unbind_tasks(tasks regclass) RETURNS void
	AS 'MODULE_PATHNAME', 'taskchat_unbind_tasks' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.unbind_tasks(regclass) IS 'Undoes bind_tasks(); rooms stay';
