/*
 * binding: triggers on the application's own tables that rooms follow.
 */
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
			EXECUTE format('SELECT true FROM %s WHERE %I = $1::%s AND %2$I::text = $1 FOR KEY SHARE', binding.tasks, binding.task_key, key_type)
				INTO present USING require_task.task_id;
		EXCEPTION WHEN data_exception THEN
			present := false;
		END;
		present := coalesce(present, false);
		EXIT WHEN present;
	END LOOP;
	IF NOT present THEN
		RAISE no_data_found USING MESSAGE = 'no such task', HINT = 'The bound table has no row with that key.';
	END IF;
END
$$;
COMMENT ON FUNCTION taskchat.require_task(text) IS 'Internal: refuses a room for a task that the bound table doesn''t have';

CREATE FUNCTION taskchat.bound_task() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	old_row jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
	new_row jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
	task_key text := TG_ARGV[0];
	task text := coalesce(new_row, old_row) ->> task_key;
	creator text := coalesce(new_row, old_row) ->> TG_ARGV[1];
	changes jsonb;
BEGIN
	IF task IS NULL OR task = '' OR octet_length(task) > 255 THEN
		IF TG_OP = 'INSERT' THEN
			RAISE WARNING 'taskchat opens no room for a task without a usable key';
		END IF;
	ELSIF TG_OP = 'INSERT' THEN
		IF creator IS NULL OR creator = '' OR octet_length(creator) > 255 THEN
			RAISE WARNING 'taskchat opens no room for a task without a usable creator';
		ELSIF NOT EXISTS (SELECT FROM taskchat.task_rooms r WHERE r.task_id = task AND r.applicant_id IS NULL) THEN
			PERFORM taskchat.open_room(task, creator);
		END IF;
	ELSIF TG_OP = 'UPDATE' THEN
		SELECT jsonb_object_agg(w.name, jsonb_build_object('old', taskchat.watched(old_row -> w.name), 'new', taskchat.watched(new_row -> w.name)))
			INTO changes
			FROM unnest(TG_ARGV[2]::text[]) AS w (name)
			WHERE old_row -> w.name IS DISTINCT FROM new_row -> w.name;
		IF changes IS NOT NULL THEN
			PERFORM taskchat.stage('e', task, NULL, 'task_update', taskchat.current_user_id(), changes, NULL);
		END IF;
	ELSE
		PERFORM taskchat.stage('d', task, NULL, NULL, NULL, NULL, NULL);
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION taskchat.bound_task() IS 'Internal: trigger of bound tables';

CREATE FUNCTION taskchat.watched(value jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN octet_length(value::text) > 2000 THEN 'null' ELSE coalesce(value, 'null') END
$$;
COMMENT ON FUNCTION taskchat.watched(jsonb) IS 'Internal: a watched value, null when it is too long';

CREATE FUNCTION taskchat.bind_tasks(tasks regclass, task_key name DEFAULT 'id', creator_key name DEFAULT 'creator_id',
		watch name[] DEFAULT '{status}', users regclass DEFAULT NULL, user_key name DEFAULT 'id',
		backfill boolean DEFAULT true) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wanted name;
	opened bigint := 0;
	task record;
	changed text;
BEGIN
	IF NOT pg_has_role(session_user, (SELECT c.relowner FROM pg_class c WHERE c.oid = tasks), 'USAGE') THEN
		RAISE insufficient_privilege USING MESSAGE = format('must be owner of %s', tasks);
	END IF;
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
		SELECT string_agg(format('OLD.%I IS DISTINCT FROM NEW.%1$I', w), ' OR ') INTO changed FROM unnest(watch) AS w;
		EXECUTE format('CREATE TRIGGER taskchat_bound_update AFTER UPDATE ON %s FOR EACH ROW WHEN (%s) EXECUTE FUNCTION taskchat.bound_task(%L, %L, %L)',
			tasks, changed, task_key, creator_key, watch::text);
		EXECUTE format('ALTER TRIGGER taskchat_bound_update ON %s DEPENDS ON EXTENSION taskchat', tasks);
	END IF;
	IF backfill THEN
		FOR task IN EXECUTE format('SELECT %I::text AS id, %I::text AS creator FROM %s ORDER BY 1', task_key, creator_key, tasks) LOOP
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
COMMENT ON FUNCTION taskchat.bind_tasks(regclass, name, name, name[], regclass, name, boolean) IS 'Makes rooms follow the application''s table of tasks';

CREATE FUNCTION taskchat.unbind_tasks(tasks regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT pg_has_role(session_user, (SELECT c.relowner FROM pg_class c WHERE c.oid = unbind_tasks.tasks), 'USAGE') THEN
		RAISE insufficient_privilege USING MESSAGE = format('must be owner of %s', unbind_tasks.tasks);
	END IF;
	DELETE FROM taskchat.bindings b WHERE b.tasks = unbind_tasks.tasks;
	IF NOT FOUND THEN
		RAISE no_data_found USING MESSAGE = format('%s is not bound', unbind_tasks.tasks);
	END IF;
	EXECUTE format('DROP TRIGGER taskchat_bound ON %s', unbind_tasks.tasks);
	EXECUTE format('DROP TRIGGER IF EXISTS taskchat_bound_update ON %s', unbind_tasks.tasks);
END
$$;
COMMENT ON FUNCTION taskchat.unbind_tasks(regclass) IS 'Undoes bind_tasks(); rooms stay';
