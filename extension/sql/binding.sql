/*
 * binding: triggers on the application's own tables that rooms follow.  What
 * reads such a table goes through rows_of(), with the rights of its owner.
 */
CREATE FUNCTION taskchat.rows_of(relation regclass, query text, argument text) RETURNS TABLE (key text, value text)
	AS 'MODULE_PATHNAME', 'taskchat_rows_of' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.rows_of(regclass, text, text) IS 'Internal: what a query gives with the rights of a table''s owner';

CREATE FUNCTION taskchat.require_task(task_id text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	binding taskchat.bindings;
	key_type text;
	present boolean := true;
BEGIN
	FOR binding IN SELECT b.* FROM taskchat.bindings b LOOP
		SELECT format_type(a.atttypid, a.atttypmod) INTO key_type FROM pg_attribute a
		WHERE a.attrelid = binding.tasks AND a.attname = binding.task_key;
		BEGIN
			PERFORM FROM taskchat.rows_of(binding.tasks,
				format('SELECT %I::text, NULL::text FROM %s WHERE %1$I = $1::%3$s AND %1$I::text = $1 FOR KEY SHARE', binding.task_key, binding.tasks, key_type),
				require_task.task_id);
			present := FOUND;
		EXCEPTION WHEN data_exception THEN
			present := false;
		END;
		EXIT WHEN present;
	END LOOP;
	IF NOT present THEN
		RAISE no_data_found USING MESSAGE = 'no such task', HINT = 'The bound table has no row with that key.';
	END IF;
END
$$;
COMMENT ON FUNCTION taskchat.require_task(text) IS 'Internal: refuses a room for a task that the bound table doesn''t have';

CREATE FUNCTION taskchat.bound_change(op "char", task text, creator text, changes jsonb) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF task IS NULL OR task = '' OR octet_length(task) > 255 THEN
		IF op = 'i' THEN
			RAISE WARNING 'taskchat opens no room for a task without a usable key';
		END IF;
	ELSIF op = 'i' THEN
		IF creator IS NULL OR creator = '' OR octet_length(creator) > 255 THEN
			RAISE WARNING 'taskchat opens no room for a task without a usable creator';
		ELSIF NOT EXISTS (SELECT FROM taskchat.task_rooms r WHERE r.task_id = task AND r.applicant_id IS NULL) THEN
			PERFORM taskchat.open_room(task, creator);
		END IF;
	ELSIF op = 'u' THEN
		IF changes IS NOT NULL THEN
			PERFORM taskchat.stage('e', task, NULL, 'task_update', taskchat.current_user_id(), changes, NULL);
		END IF;
	ELSE
		PERFORM taskchat.stage('d', task, NULL, NULL, NULL, NULL, NULL);
	END IF;
END
$$;
COMMENT ON FUNCTION taskchat.bound_change("char", text, text, jsonb) IS 'Internal: what became of a row of a bound table';

CREATE FUNCTION taskchat.bound_task() RETURNS trigger
	AS 'MODULE_PATHNAME', 'taskchat_bound_task' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.bound_task() IS 'Internal: trigger of bound tables';

CREATE FUNCTION taskchat.bind_table(tasks regclass, task_key name, creator_key name, watch name[], users regclass, user_key name,
		backfill boolean) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wanted name;
	opened bigint := 0::bigint;
	task record;
BEGIN
	FOREACH wanted IN ARRAY watch || task_key || creator_key LOOP
		IF NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = tasks AND a.attname = wanted AND a.attnum > 0 AND NOT a.attisdropped) THEN
			RAISE undefined_column USING MESSAGE = format('%s has no column %I', tasks, wanted);
		END IF;
	END LOOP;
	IF users IS NOT NULL THEN
		RAISE feature_not_supported USING MESSAGE = 'binding a table of users is not supported by this version';
	END IF;
	INSERT INTO taskchat.bindings VALUES (tasks, task_key, creator_key, watch, users, user_key);
	EXECUTE format('CREATE TRIGGER taskchat_bound AFTER INSERT OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION taskchat.bound_task(%L, %L, %L)',
		tasks, task_key, creator_key, watch::text);
	EXECUTE format('ALTER TRIGGER taskchat_bound ON %s DEPENDS ON EXTENSION taskchat', tasks);
	IF cardinality(watch) > 0 THEN
		EXECUTE format('CREATE TRIGGER taskchat_bound_update AFTER UPDATE ON %s FOR EACH ROW WHEN (%s) EXECUTE FUNCTION taskchat.bound_task(%L, %L, %L)',
			tasks, (SELECT string_agg(format('OLD.%I IS DISTINCT FROM NEW.%1$I', w), ' OR ') FROM unnest(watch) AS w), task_key, creator_key, watch::text);
		EXECUTE format('ALTER TRIGGER taskchat_bound_update ON %s DEPENDS ON EXTENSION taskchat', tasks);
	END IF;
	IF backfill THEN
		FOR task IN
			SELECT r.key AS id, r.value AS creator
			FROM taskchat.rows_of(tasks, format('SELECT %I::text, %I::text FROM %s ORDER BY 1', task_key, creator_key, tasks), NULL) AS r
		LOOP
			IF task.id IS NULL OR task.id = '' OR octet_length(task.id) > 255
				OR task.creator IS NULL OR task.creator = '' OR octet_length(task.creator) > 255
			THEN
				RAISE WARNING 'taskchat opens no room for a task without a usable key and creator';
			ELSIF NOT EXISTS (SELECT FROM taskchat.task_rooms r WHERE r.task_id = task.id AND r.applicant_id IS NULL) THEN
				PERFORM taskchat.open_room(task.id, task.creator);
				opened := opened + 1;
			END IF;
		END LOOP;
	END IF;
	RETURN opened;
END
$$;
COMMENT ON FUNCTION taskchat.bind_table(regclass, name, name, name[], regclass, name, boolean) IS 'Internal: bind_tasks() once the caller is known to own the table';

CREATE FUNCTION taskchat.bind_tasks(tasks regclass, task_key name DEFAULT 'id', creator_key name DEFAULT 'creator_id',
		watch name[] DEFAULT '{status}', users regclass DEFAULT NULL, user_key name DEFAULT 'id',
		backfill boolean DEFAULT true) RETURNS bigint
	AS 'MODULE_PATHNAME', 'taskchat_bind_tasks' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.bind_tasks(regclass, name, name, name[], regclass, name, boolean) IS 'Makes rooms follow the application''s table of tasks';

CREATE FUNCTION taskchat.unbind_table(tasks regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	DELETE FROM taskchat.bindings b WHERE b.tasks = unbind_table.tasks;
	IF NOT FOUND THEN
		RAISE no_data_found USING MESSAGE = format('%s is not bound', unbind_table.tasks);
	END IF;
	EXECUTE format('DROP TRIGGER taskchat_bound ON %s', unbind_table.tasks);
	EXECUTE format('DROP TRIGGER IF EXISTS taskchat_bound_update ON %s', unbind_table.tasks);
END
$$;
COMMENT ON FUNCTION taskchat.unbind_table(regclass) IS 'Internal: unbind_tasks() once the caller is known to own the table';

CREATE FUNCTION taskchat.unbind_tasks(tasks regclass) RETURNS void
	AS 'MODULE_PATHNAME', 'taskchat_unbind_tasks' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.unbind_tasks(regclass) IS 'Undoes bind_tasks(); rooms stay';
