/*
 * messages: the INSERT trigger, sending, and pages of history.
 */
CREATE FUNCTION taskchat.message_before_insert() RETURNS trigger
	AS 'MODULE_PATHNAME', 'taskchat_message_before_insert' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.message_before_insert() IS 'Internal: validates, numbers and announces a message';
CREATE TRIGGER zz_taskchat_message BEFORE INSERT ON taskchat.task_messages
	FOR EACH ROW EXECUTE FUNCTION taskchat.message_before_insert();

CREATE FUNCTION taskchat.check_text(message_type text, content text) RETURNS void
	AS 'MODULE_PATHNAME', 'taskchat_check_text' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION taskchat.check_text(text, text) IS 'Internal: refuses content that such a message must not have';

CREATE FUNCTION taskchat.lock_message(id uuid, sender_id text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'taskchat_lock_message' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.lock_message(uuid, text) IS 'Internal: locks that sender''s message';

CREATE FUNCTION taskchat.message_json(message taskchat.task_messages) RETURNS text
	AS 'MODULE_PATHNAME', 'taskchat_message_json' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION taskchat.message_json(taskchat.task_messages) IS 'Internal: a message as on the wire';

CREATE FUNCTION taskchat.message_event(message taskchat.task_messages) RETURNS text
	AS 'MODULE_PATHNAME', 'taskchat_message_event' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION taskchat.message_event(taskchat.task_messages) IS 'Internal: a message''s message_received frame';

CREATE FUNCTION taskchat.room_event(event taskchat.task_events, message taskchat.task_messages) RETURNS text
	AS 'MODULE_PATHNAME', 'taskchat_room_event' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION taskchat.room_event(taskchat.task_events, taskchat.task_messages) IS 'Internal: an event''s frame; the message that it is about may be NULL';

CREATE FUNCTION taskchat.json_time(at timestamptz) RETURNS text
	AS 'MODULE_PATHNAME', 'taskchat_json_time' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION taskchat.json_time(timestamptz) IS 'Internal: RFC 3339 in UTC with microseconds';

CREATE FUNCTION taskchat.send_message(task_id text, content text, message_type text DEFAULT 'text',
		file_url text DEFAULT NULL, client_msg_id text DEFAULT NULL, reply_to uuid DEFAULT NULL,
		metadata jsonb DEFAULT NULL, applicant_id text DEFAULT NULL) RETURNS taskchat.task_messages
	AS 'MODULE_PATHNAME', 'taskchat_send_message' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.send_message(text, text, text, text, text, uuid, jsonb, text) IS 'Stores one message as the identity and emits its event';

CREATE FUNCTION taskchat.system_message(room_id bigint, content text, metadata jsonb) RETURNS taskchat.task_messages
	AS 'MODULE_PATHNAME', 'taskchat_send_system_message' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.system_message(bigint, text, jsonb) IS 'Internal: a message without a sender';

CREATE FUNCTION taskchat.send_system_message(task_id text, content text, metadata jsonb DEFAULT NULL,
		applicant_id text DEFAULT NULL) RETURNS taskchat.task_messages
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN taskchat.system_message(
		taskchat.backend_room(send_system_message.task_id, send_system_message.applicant_id), content, metadata);
END
$$;
COMMENT ON FUNCTION taskchat.send_system_message(text, text, jsonb, text) IS 'Stores a message without a sender';

CREATE FUNCTION taskchat.take_own_message(message_id uuid) RETURNS taskchat.task_messages
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me text := taskchat.require_identity();
	message taskchat.task_messages;
BEGIN
	PERFORM taskchat.refuse_null('message_id', message_id IS NULL);
	IF NOT taskchat.lock_message(message_id, me) THEN
		PERFORM taskchat.refuse_room();
	END IF;
	SELECT m.* INTO message FROM taskchat.task_messages m WHERE m.id = message_id;
	PERFORM taskchat.enter_room(message.room_id);
	RETURN message;
END
$$;
COMMENT ON FUNCTION taskchat.take_own_message(uuid) IS 'Internal: locks a message of the identity, and its room, to change it';

CREATE FUNCTION taskchat.edit_window() RETURNS interval
	AS 'MODULE_PATHNAME', 'taskchat_edit_window' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION taskchat.edit_window() IS 'Internal: the setting, to the microsecond';

CREATE FUNCTION taskchat.edit_message(message_id uuid, content text) RETURNS taskchat.task_messages
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	message taskchat.task_messages := taskchat.take_own_message(message_id);
BEGIN
	IF message.deleted_at IS NOT NULL THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = 'the message was deleted', HINT = 'Send a new one.';
	ELSIF message.created_at < clock_timestamp() - taskchat.edit_window() THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = 'the message is too old to be edited',
			HINT = CASE WHEN taskchat.edit_window() = '0' THEN 'Messages are not to be edited here; send a new one.'
				ELSE format('Messages may be edited for %s; send a new one.', current_setting('taskchat.edit_window')) END;
	END IF;
	PERFORM taskchat.check_text(message.message_type, edit_message.content);
	PERFORM taskchat.append_event(message.room_id, 'message_edited', message.sender_id, jsonb_build_object('id', message.id));
	UPDATE taskchat.task_messages m SET content = edit_message.content, edited_at = clock_timestamp()
		WHERE m.id = message.id RETURNING m.* INTO message;
	RETURN message;
END
$$;
COMMENT ON FUNCTION taskchat.edit_message(uuid, text) IS 'Changes the content of an own message, for as long as taskchat.edit_window allows';

CREATE FUNCTION taskchat.delete_message(message_id uuid) RETURNS taskchat.task_messages
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	message taskchat.task_messages := taskchat.take_own_message(message_id);
BEGIN
	IF message.deleted_at IS NULL THEN
		PERFORM taskchat.append_event(message.room_id, 'message_deleted', message.sender_id, jsonb_build_object('id', message.id));
		UPDATE taskchat.task_messages m SET content = '', file_url = NULL, metadata = NULL, deleted_at = clock_timestamp()
			WHERE m.id = message.id RETURNING m.* INTO message;
	END IF;
	RETURN message;
END
$$;
COMMENT ON FUNCTION taskchat.delete_message(uuid) IS 'Empties an own message and keeps its row; once more changes nothing';

/* Planned for each call: a plan for any number of rows would sort the whole room. */
CREATE FUNCTION taskchat.message_page(room_id bigint, before_seq bigint, after_seq bigint, max_rows int)
	RETURNS SETOF taskchat.task_messages
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE 'SELECT m.* FROM taskchat.task_messages m
		WHERE m.room_id = $1 AND m.seq < $2 AND m.seq > $3 ORDER BY m.seq'
		|| CASE WHEN after_seq IS NULL THEN ' DESC' ELSE '' END || ' LIMIT $4'
		USING room_id, coalesce(before_seq, 9223372036854775807), coalesce(after_seq, 0), max_rows;
END
$$;
COMMENT ON FUNCTION taskchat.message_page(bigint, bigint, bigint, int) IS 'Internal: a page of a room, oldest first after a seq and newest first without one, with the rights of who asks';

CREATE FUNCTION taskchat.get_messages(task_id text, before_seq bigint DEFAULT NULL, after_seq bigint DEFAULT NULL,
		max_rows int DEFAULT 50, applicant_id text DEFAULT NULL) RETURNS SETOF taskchat.task_messages
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	room bigint := taskchat.find_room(get_messages.task_id, get_messages.applicant_id, false);
BEGIN
	RETURN QUERY SELECT * FROM taskchat.message_page(room, before_seq, after_seq, taskchat.page_size(max_rows, 50));
END
$$;
COMMENT ON FUNCTION taskchat.get_messages(text, bigint, bigint, int, text) IS 'One page of a room''s messages by seq';

CREATE FUNCTION taskchat.room_line(room_id bigint, after_seq bigint, max_rows int)
	RETURNS TABLE (seq bigint, kind text, user_id text, role text, event text)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	lower_seq bigint;
	upper_seq bigint;
BEGIN
	/* The line has no gaps, so max_rows events are max_rows numbers. */
	SELECT least(greatest(after_seq, r.first_seq - 1), r.last_seq) INTO lower_seq
		FROM taskchat.task_rooms r WHERE r.room_id = room_line.room_id;
	upper_seq := lower_seq + max_rows;
	RETURN QUERY
	SELECT line.* FROM (
		SELECT m.seq, 'message_received'::text, m.sender_id::text, NULL::text, taskchat.message_event(m)
		FROM taskchat.task_messages m
		WHERE m.room_id = room_line.room_id AND m.seq > lower_seq AND m.seq <= upper_seq
		UNION ALL
		SELECT e.seq, e.kind::text, e.payload ->> 'user_id', e.payload ->> 'role', taskchat.room_event(e, m)
		FROM taskchat.task_events e
		LEFT JOIN taskchat.task_messages m
			ON e.kind IN ('message_edited', 'message_deleted') AND m.id = (e.payload ->> 'id')::uuid
		WHERE e.room_id = room_line.room_id AND e.seq > lower_seq AND e.seq <= upper_seq
	) AS line (seq, kind, user_id, role, event)
	ORDER BY line.seq;
END
$$;
COMMENT ON FUNCTION taskchat.room_line(bigint, bigint, int) IS 'Internal: a room''s line after a seq, with the rights of who asks';

CREATE FUNCTION taskchat.get_events(task_id text, after_seq bigint DEFAULT 0, max_rows int DEFAULT 200,
		applicant_id text DEFAULT NULL) RETURNS TABLE (seq bigint, event jsonb)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	room bigint := taskchat.find_room(get_events.task_id, get_events.applicant_id, false);
BEGIN
	RETURN QUERY SELECT l.seq, l.event::jsonb
		FROM taskchat.room_line(room, coalesce(after_seq, 0), taskchat.page_size(max_rows, 200)) l;
END
$$;
COMMENT ON FUNCTION taskchat.get_events(text, bigint, int, text) IS 'The whole line of a room, oldest first';
