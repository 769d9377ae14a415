/*
 * rooms: addresses, the room's line, opening and closing.
 */
CREATE FUNCTION taskchat.my_rooms() RETURNS bigint[]
	AS 'MODULE_PATHNAME', 'taskchat_my_rooms' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION taskchat.my_rooms() IS 'Internal: rooms that the identity is a member of';

CREATE FUNCTION taskchat.find_room(task_id text, applicant_id text, writing boolean) RETURNS bigint
	AS 'MODULE_PATHNAME', 'taskchat_find_room' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION taskchat.find_room(text, text, boolean) IS 'Internal: the room that an address means to the identity';

CREATE FUNCTION taskchat.require_writable() RETURNS void
	AS 'MODULE_PATHNAME', 'taskchat_require_writable' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.require_writable() IS 'Internal: refuses read-only transactions and standbys';

CREATE FUNCTION taskchat.lock_room(room_id bigint) RETURNS boolean
	AS 'MODULE_PATHNAME', 'taskchat_lock_room' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.lock_room(bigint) IS 'Internal: takes the lock that orders a room';

CREATE FUNCTION taskchat.lock_member(room_id bigint, user_id text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'taskchat_lock_member' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.lock_member(bigint, text) IS 'Internal: locks a member row';

CREATE FUNCTION taskchat.waits() RETURNS boolean
	AS 'MODULE_PATHNAME', 'taskchat_waits' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION taskchat.waits() IS 'Internal: false in a relay''s batch, where somebody else''s lock is an error';

CREATE FUNCTION taskchat.append_event(room_id bigint, kind text, actor_id text, payload jsonb) RETURNS bigint
	AS 'MODULE_PATHNAME', 'taskchat_append_event' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.append_event(bigint, text, text, jsonb) IS 'Internal: the next event of a room''s line';

CREATE FUNCTION taskchat.ring(kind "char", rest text) RETURNS void
	AS 'MODULE_PATHNAME', 'taskchat_ring' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.ring("char", text) IS 'Internal: rings the doorbell at commit';

CREATE FUNCTION taskchat.stage(op "char", task_id text, applicant_id text, kind text, actor_id text, payload jsonb, id uuid) RETURNS void
	AS 'MODULE_PATHNAME', 'taskchat_stage' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.stage("char", text, text, text, text, jsonb, uuid) IS 'Internal: stages an event for the commit';

CREATE FUNCTION taskchat.drain_stage() RETURNS trigger
	AS 'MODULE_PATHNAME', 'taskchat_drain_stage' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.drain_stage() IS 'Internal: deferred trigger of the stage';
CREATE CONSTRAINT TRIGGER drain_stage AFTER INSERT ON taskchat.stage
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION taskchat.drain_stage();
/* What was staged must come out, also where session_replication_role keeps other triggers quiet. */
ALTER TABLE taskchat.stage ENABLE ALWAYS TRIGGER drain_stage;

CREATE FUNCTION taskchat.deliver_pending() RETURNS void
	AS 'MODULE_PATHNAME', 'taskchat_deliver_pending' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.deliver_pending() IS 'Tells what waits since its room was busy at commit; relays do it every few seconds';

CREATE FUNCTION taskchat.enter_room(room_id bigint) RETURNS void
	AS 'MODULE_PATHNAME', 'taskchat_enter_room' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.enter_room(bigint) IS 'Internal: takes a room''s lock to write in it as the identity';

CREATE FUNCTION taskchat.refuse_room() RETURNS void
	AS 'MODULE_PATHNAME', 'taskchat_refuse_room' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.refuse_room() IS 'Internal: the one error for what is not there and what is not the caller''s';

CREATE FUNCTION taskchat.refuse_closed() RETURNS void
	AS 'MODULE_PATHNAME', 'taskchat_refuse_closed' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.refuse_closed() IS 'Internal: the error of writing in a closed room';

CREATE FUNCTION taskchat.refuse_null(what text, is_null boolean) RETURNS void
	AS 'MODULE_PATHNAME', 'taskchat_refuse_null' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION taskchat.refuse_null(text, boolean) IS 'Internal: refuses an argument that is null';

CREATE FUNCTION taskchat.check_id(what text, value text) RETURNS void
	AS 'MODULE_PATHNAME', 'taskchat_check_id' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION taskchat.check_id(text, text) IS 'Internal: refuses ids that are null, empty or too long';

CREATE FUNCTION taskchat.check_json(what text, value jsonb) RETURNS void
	AS 'MODULE_PATHNAME', 'taskchat_check_json' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION taskchat.check_json(text, jsonb) IS 'Internal: refuses JSON that is null, no object or too long';

CREATE FUNCTION taskchat.page_size(max_rows int, usual int) RETURNS int
	AS 'MODULE_PATHNAME', 'taskchat_page_size' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION taskchat.page_size(int, int) IS 'Internal: rows of a page, at most 200';

CREATE FUNCTION taskchat.backend_room(task_id text, applicant_id text) RETURNS bigint
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_id bigint;
BEGIN
	PERFORM taskchat.check_id('task_id', backend_room.task_id);
	IF backend_room.applicant_id IS NOT NULL THEN
		PERFORM taskchat.check_id('applicant_id', backend_room.applicant_id);
	END IF;
	SELECT r.room_id INTO found_id FROM taskchat.task_rooms r
	WHERE r.task_id = backend_room.task_id
		AND CASE WHEN backend_room.applicant_id IS NULL THEN r.applicant_id IS NULL
			ELSE r.applicant_id = backend_room.applicant_id END;
	IF NOT FOUND THEN
		RAISE no_data_found USING MESSAGE = 'no such room', HINT = 'open_room() opens the main room of a task; add_member(…, ''applicant'') a private one.';
	END IF;
	RETURN found_id;
END
$$;
COMMENT ON FUNCTION taskchat.backend_room(text, text) IS 'Internal: the room of an address for back ends';

CREATE FUNCTION taskchat.room_epoch(room_id bigint) RETURNS text
	AS 'MODULE_PATHNAME', 'taskchat_room_epoch' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION taskchat.room_epoch(bigint) IS 'Internal: changes when a client must drop what it holds of a room';

CREATE FUNCTION taskchat.new_epoch() RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	begun text := gen_random_uuid()::text;
BEGIN
	DELETE FROM taskchat.database_epoch;
	INSERT INTO taskchat.database_epoch VALUES (begun);
	RETURN begun;
END
$$;
COMMENT ON FUNCTION taskchat.new_epoch() IS 'Makes every client drop what it holds: after a restore from a physical backup that keeps its timeline';

CREATE FUNCTION taskchat.open_room(task_id text, creator_id text) RETURNS taskchat.task_rooms
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	room taskchat.task_rooms;
	creator text;
BEGIN
	PERFORM taskchat.check_id('task_id', open_room.task_id);
	PERFORM taskchat.check_id('creator_id', open_room.creator_id);
	PERFORM taskchat.require_task(open_room.task_id);
	INSERT INTO taskchat.task_rooms (task_id) VALUES (open_room.task_id)
		ON CONFLICT ON CONSTRAINT task_rooms_task_id_applicant_id_key DO NOTHING
		RETURNING * INTO room;
	IF FOUND THEN
		PERFORM taskchat.insert_member(room.room_id, open_room.creator_id, 'creator');
	END IF;
	SELECT r.* INTO room FROM taskchat.task_rooms r
	WHERE r.task_id = open_room.task_id AND r.applicant_id IS NULL;
	SELECT m.user_id INTO creator FROM taskchat.task_members m
	WHERE m.room_id = room.room_id AND m.role = 'creator';
	IF creator IS NULL THEN
		/* The last one was deleted from a bound table of users. */
		PERFORM taskchat.put_member(r.room_id, open_room.creator_id, 'creator')
			FROM taskchat.task_rooms r WHERE r.task_id = open_room.task_id ORDER BY r.room_id;
	ELSIF creator <> open_room.creator_id THEN
		RAISE duplicate_object USING MESSAGE = 'the task has a room with another creator',
			HINT = 'A task has one main room, and its creator stays.';
	END IF;
	RETURN room;
END
$$;
COMMENT ON FUNCTION taskchat.open_room(text, text) IS 'Opens the main room of a task with its creator in it';

CREATE FUNCTION taskchat.close_room(task_id text, applicant_id text DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM taskchat.backend_room(close_room.task_id, close_room.applicant_id);
	PERFORM taskchat.stage('e', close_room.task_id, close_room.applicant_id, 'room_closed',
		taskchat.current_user_id(), '{}', NULL);
END
$$;
COMMENT ON FUNCTION taskchat.close_room(text, text) IS 'Stops users'' writing in the task''s rooms (or one of them)';

CREATE FUNCTION taskchat.reopen_room(task_id text, applicant_id text DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM taskchat.backend_room(reopen_room.task_id, reopen_room.applicant_id);
	PERFORM taskchat.stage('e', reopen_room.task_id, reopen_room.applicant_id, 'room_opened',
		taskchat.current_user_id(), '{}', NULL);
END
$$;
COMMENT ON FUNCTION taskchat.reopen_room(text, text) IS 'Undoes close_room()';

CREATE FUNCTION taskchat.publish_task_update(task_id text, changes jsonb, applicant_id text DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM taskchat.check_json('changes', changes);
	PERFORM taskchat.backend_room(publish_task_update.task_id, publish_task_update.applicant_id);
	PERFORM taskchat.stage('e', publish_task_update.task_id, publish_task_update.applicant_id, 'task_update',
		taskchat.current_user_id(), changes, NULL);
END
$$;
COMMENT ON FUNCTION taskchat.publish_task_update(text, jsonb, text) IS 'A durable task_update in the task''s rooms (or one of them)';
