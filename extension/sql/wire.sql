/*
 * wire: what the client frames do, one function a frame, and the texts of
 * their replies.  relay_run() calls them (relay.c) with the rights and the
 * identity of the user.  send_message and the joins are in C (message.c, join.c).
 *
 * Whatever a client may write ends in one of the SQLSTATEs that the README
 * lists as wire codes: a wrong type is 22P02 or 22023, never an internal
 * error.  max_bytes is the room that the reply's data has: pages are cut to
 * it, but never below one element.
 */

/* What wire_* functions share: a row of relay_run but for its command number. */
CREATE TYPE taskchat.wire_row AS (room_id bigint, seq bigint, role text, sqlstate text, constraint_name text, message text, data text);
COMMENT ON TYPE taskchat.wire_row IS 'Answer of a wire_ function';

CREATE FUNCTION taskchat.wire_object(pairs text[]) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT '{' || string_agg(to_json(pairs[i])::text || ':' || coalesce(pairs[i + 1], 'null'), ',' ORDER BY i) || '}'
	FROM generate_series(1, cardinality(pairs), 2) AS i
$$;
COMMENT ON FUNCTION taskchat.wire_object(text[]) IS 'Internal: an object from names and JSON texts';

CREATE FUNCTION taskchat.wire_presence(p taskchat.user_presence) RETURNS text
	LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
	SELECT taskchat.wire_object(ARRAY['user_id', to_json(p.user_id)::text, 'is_online', to_json(p.is_online)::text,
		'last_seen', to_json(taskchat.json_time(p.last_seen))::text, 'current_task_id', to_json(p.current_task_id)::text])
$$;
COMMENT ON FUNCTION taskchat.wire_presence(taskchat.user_presence) IS 'Internal: presence as on the wire';

CREATE FUNCTION taskchat.wire_notification(n taskchat.notifications) RETURNS text
	LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
	SELECT taskchat.wire_object(ARRAY['id', to_json(n.id)::text, 'seq', n.seq::text,
		'kind', to_json(n.kind)::text, 'task_id', to_json(n.task_id)::text, 'payload', n.payload::text,
		'created_at', to_json(taskchat.json_time(n.created_at))::text, 'read_at', to_json(taskchat.json_time(n.read_at))::text])
$$;
COMMENT ON FUNCTION taskchat.wire_notification(taskchat.notifications) IS 'Internal: a notification as on the wire';

CREATE FUNCTION taskchat.wire_limit(frame jsonb, fallback int) RETURNS int
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wanted bigint := coalesce((frame ->> 'limit')::bigint, fallback);
BEGIN
	IF wanted < 1 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'limit must be positive';
	END IF;
	RETURN least(wanted, 200)::int;
END
$$;
COMMENT ON FUNCTION taskchat.wire_limit(jsonb, int) IS 'Internal: a frame''s limit, at most 200';

/*
 * The first wanted of the texts as one JSON array, cut to max_bytes, never
 * below one; has_more: there were others.
 */
CREATE FUNCTION taskchat.wire_page(elements text[], wanted int, max_bytes int, OUT list text, OUT has_more boolean)
	LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT '[' || coalesce(string_agg(p.element, ',' ORDER BY p.n) FILTER (WHERE p.fits), '') || ']',
		coalesce(bool_or(NOT p.fits), false)
	FROM (SELECT e.n, e.element, e.n = 1 OR (e.n <= wanted AND sum(octet_length(e.element) + 1) OVER (ORDER BY e.n) + 64 <= max_bytes) AS fits
		FROM unnest(elements) WITH ORDINALITY AS e (element, n)) p
$$;
COMMENT ON FUNCTION taskchat.wire_page(text[], int, int) IS 'Internal: a page cut by number and bytes';

/* Events of a line after a seq as one JSON array, cut by number and bytes, never below one. */
CREATE FUNCTION taskchat.wire_events(room_id bigint, after_seq bigint, last_seq bigint, max_rows int, max_bytes int,
		OUT events text, OUT reached bigint)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	SELECT '[' || coalesce(string_agg(l.event, ',' ORDER BY l.seq), '') || ']', coalesce(max(l.seq), after_seq)
		INTO events, reached
	FROM (SELECT r.seq, r.event, sum(octet_length(r.event) + 1) OVER (ORDER BY r.seq) AS bytes, row_number() OVER (ORDER BY r.seq) AS n
		FROM taskchat.room_line(wire_events.room_id, after_seq, max_rows) r
		WHERE r.seq <= wire_events.last_seq) l
	WHERE l.bytes <= max_bytes OR l.n = 1;
END
$$;
COMMENT ON FUNCTION taskchat.wire_events(bigint, bigint, bigint, int, int) IS 'Internal: a stretch of a line as on the wire';

CREATE FUNCTION taskchat.wire_find_room(frame jsonb) RETURNS taskchat.wire_row
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer taskchat.wire_row;
	member taskchat.task_members;
BEGIN
	answer.room_id := taskchat.find_room(frame ->> 'task_id', frame ->> 'applicant_id', false);
	SELECT m.* INTO member FROM taskchat.task_members m
	WHERE m.room_id = answer.room_id AND m.user_id = taskchat.current_user_id();
	answer.role := member.role;
	answer.data := taskchat.wire_object(ARRAY['task_id', to_json(member.task_id)::text, 'applicant_id', to_json(member.applicant_id)::text]);
	RETURN answer;
END
$$;
COMMENT ON FUNCTION taskchat.wire_find_room(jsonb) IS 'Relay''s own frame find_room';

CREATE FUNCTION taskchat.wire_edit_message(frame jsonb) RETURNS taskchat.wire_row
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer taskchat.wire_row;
	message taskchat.task_messages := taskchat.edit_message((frame ->> 'message_id')::uuid, frame ->> 'content');
BEGIN
	answer.data := taskchat.wire_object(ARRAY['message', taskchat.message_json(message)]);
	RETURN answer;
END
$$;
COMMENT ON FUNCTION taskchat.wire_edit_message(jsonb) IS 'Frame edit_message';

CREATE FUNCTION taskchat.wire_delete_message(frame jsonb) RETURNS taskchat.wire_row
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer taskchat.wire_row;
	message taskchat.task_messages := taskchat.delete_message((frame ->> 'message_id')::uuid);
BEGIN
	answer.data := taskchat.wire_object(ARRAY['message', taskchat.message_json(message)]);
	RETURN answer;
END
$$;
COMMENT ON FUNCTION taskchat.wire_delete_message(jsonb) IS 'Frame delete_message';

CREATE FUNCTION taskchat.wire_get_messages(frame jsonb, max_bytes int) RETURNS taskchat.wire_row
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer taskchat.wire_row;
	wanted int := taskchat.wire_limit(frame, 50);
	forward boolean := frame ->> 'after_seq' IS NOT NULL;
	before_seq bigint := (frame ->> 'before_seq')::bigint;
	after_seq bigint := (frame ->> 'after_seq')::bigint;
	elements text[];
BEGIN
	answer.room_id := taskchat.find_room(frame ->> 'task_id', frame ->> 'applicant_id', false);
	SELECT array_agg(taskchat.message_json(m) ORDER BY CASE WHEN forward THEN m.seq ELSE -m.seq END) INTO elements
	FROM taskchat.message_page(answer.room_id, before_seq, after_seq, wanted + 1) m;
	SELECT taskchat.wire_object(ARRAY['messages', p.list, 'has_more', to_json(p.has_more)::text]) INTO answer.data
	FROM taskchat.wire_page(elements, wanted, max_bytes) p;
	RETURN answer;
END
$$;
COMMENT ON FUNCTION taskchat.wire_get_messages(jsonb, int) IS 'Frame get_messages';

CREATE FUNCTION taskchat.wire_get_events(frame jsonb, max_bytes int) RETURNS taskchat.wire_row
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer taskchat.wire_row;
	room taskchat.task_rooms;
	after_seq bigint := greatest(coalesce((frame ->> 'after_seq')::bigint, 0), 0);
	events text;
	reached bigint;
BEGIN
	SELECT r.* INTO room FROM taskchat.task_rooms r
	WHERE r.room_id = taskchat.find_room(frame ->> 'task_id', frame ->> 'applicant_id', false);
	SELECT e.events, e.reached INTO events, reached
	FROM taskchat.wire_events(room.room_id, after_seq, room.last_seq, taskchat.wire_limit(frame, 200), max_bytes - 200) e;
	answer.room_id := room.room_id;
	answer.seq := reached;
	answer.data := taskchat.wire_object(ARRAY['events', events, 'first_seq', room.first_seq::text, 'last_seq', room.last_seq::text,
		'epoch', to_json(taskchat.room_epoch(room.room_id))::text, 'has_more', to_json(reached < room.last_seq)::text]);
	RETURN answer;
END
$$;
COMMENT ON FUNCTION taskchat.wire_get_events(jsonb, int) IS 'Frame get_events; seq is the last event''s';

CREATE FUNCTION taskchat.wire_get_rooms(frame jsonb, max_bytes int) RETURNS taskchat.wire_row
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer taskchat.wire_row;
	wanted int := taskchat.wire_limit(frame, 50);
	skipped bigint := coalesce((frame ->> 'offset')::bigint, 0);
	elements text[];
BEGIN
	IF skipped < 0 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'offset must not be negative';
	END IF;
	SELECT array_agg(taskchat.wire_object(ARRAY['task_id', to_json(r.task_id)::text, 'applicant_id', to_json(r.applicant_id)::text,
			'role', to_json(r.role)::text, 'status', to_json(r.status)::text, 'last_seq', r.last_seq::text,
			'unread', r.unread::text, 'muted', to_json(r.muted)::text,
			'last_message', CASE WHEN (r.last_message).id IS NOT NULL THEN taskchat.message_json(r.last_message) END]) ORDER BY r.n)
		INTO elements
	FROM (SELECT g.* FROM taskchat.get_rooms() WITH ORDINALITY
			AS g (task_id, applicant_id, role, status, last_seq, unread, muted, last_message, n)
		ORDER BY g.n OFFSET skipped LIMIT wanted + 1) r;
	SELECT taskchat.wire_object(ARRAY['rooms', p.list, 'has_more', to_json(p.has_more)::text]) INTO answer.data
	FROM taskchat.wire_page(elements, wanted, max_bytes) p;
	RETURN answer;
END
$$;
COMMENT ON FUNCTION taskchat.wire_get_rooms(jsonb, int) IS 'Frame get_rooms';

CREATE FUNCTION taskchat.wire_mark_read(frame jsonb) RETURNS taskchat.wire_row
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer taskchat.wire_row;
BEGIN
	answer.data := taskchat.wire_object(ARRAY['last_read_seq',
		taskchat.mark_read(frame ->> 'task_id', (frame ->> 'seq')::bigint, frame ->> 'applicant_id')::text]);
	RETURN answer;
END
$$;
COMMENT ON FUNCTION taskchat.wire_mark_read(jsonb) IS 'Frame mark_read';

CREATE FUNCTION taskchat.wire_user_presence(frame jsonb) RETURNS taskchat.wire_row
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer taskchat.wire_row;
	users text[] := '{}'::text[];
BEGIN
	IF frame ->> 'current_task_id' IS NOT NULL THEN
		PERFORM taskchat.find_room(frame ->> 'current_task_id', NULL, false);
	END IF;
	IF jsonb_typeof(frame -> 'user_ids') = 'array' THEN
		SELECT coalesce(array_agg(u.value), '{}') INTO users FROM jsonb_array_elements_text(frame -> 'user_ids') AS u (value);
		IF cardinality(users) > 100 THEN
			RAISE invalid_parameter_value USING MESSAGE = 'user_ids has more than 100 elements';
		END IF;
	END IF;
	SELECT taskchat.wire_object(ARRAY['presence', '[' || coalesce(string_agg(taskchat.wire_presence(p), ',' ORDER BY p.user_id), '') || ']'])
		INTO answer.data FROM taskchat.get_presence(users) p;
	RETURN answer;
END
$$;
COMMENT ON FUNCTION taskchat.wire_user_presence(jsonb) IS 'Frame user_presence: the asking half; telling is the relay''s';

CREATE FUNCTION taskchat.wire_set_presence(frame jsonb) RETURNS taskchat.wire_row
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer taskchat.wire_row;
	presence taskchat.user_presence := taskchat.set_presence((frame ->> 'is_online')::boolean, frame ->> 'current_task_id');
BEGIN
	answer.data := taskchat.wire_object(ARRAY['presence', taskchat.wire_presence(presence)]);
	RETURN answer;
END
$$;
COMMENT ON FUNCTION taskchat.wire_set_presence(jsonb) IS 'Relay''s own frame set_presence: HTTP''s POST of presence';

CREATE FUNCTION taskchat.wire_get_notifications(frame jsonb, max_bytes int) RETURNS taskchat.wire_row
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer taskchat.wire_row;
	wanted int := taskchat.wire_limit(frame, 50);
	forward boolean := frame ->> 'after_seq' IS NOT NULL;
	before_seq bigint := (frame ->> 'before_seq')::bigint;
	after_seq bigint := (frame ->> 'after_seq')::bigint;
	elements text[];
BEGIN
	SELECT array_agg(taskchat.wire_notification(n) ORDER BY CASE WHEN forward THEN n.seq ELSE -n.seq END) INTO elements
	FROM (SELECT n.* FROM taskchat.notifications n
		WHERE n.user_id = taskchat.current_user_id()
			AND n.seq < coalesce(before_seq, 9223372036854775807) AND n.seq > coalesce(after_seq, 0)
		ORDER BY CASE WHEN forward THEN n.seq END, CASE WHEN NOT forward THEN n.seq END DESC
		LIMIT wanted + 1) n;
	SELECT taskchat.wire_object(ARRAY['notifications', p.list, 'has_more', to_json(p.has_more)::text]) INTO answer.data
	FROM taskchat.wire_page(elements, wanted, max_bytes) p;
	RETURN answer;
END
$$;
COMMENT ON FUNCTION taskchat.wire_get_notifications(jsonb, int) IS 'Frame get_notifications';

CREATE FUNCTION taskchat.wire_mark_notification_read(frame jsonb) RETURNS taskchat.wire_row
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer taskchat.wire_row;
	notification taskchat.notifications := taskchat.mark_notification_read((frame ->> 'id')::uuid);
BEGIN
	answer.data := taskchat.wire_object(ARRAY['notification', taskchat.wire_notification(notification)]);
	RETURN answer;
END
$$;
COMMENT ON FUNCTION taskchat.wire_mark_notification_read(jsonb) IS 'Frame mark_notification_read';
