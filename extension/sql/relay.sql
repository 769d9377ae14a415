/*
 * relay: what the relay daemon calls.  This comment is the contract between
 * the two halves; both sides change together and raise the interface number.
 *
 * INTERFACE NUMBER 1
 *
 * Who: role taskchat_relay.  Every call is one statement outside BEGIN, so it
 * is one transaction.  A result counts only when the server has reported the
 * end of the transaction (ReadyForQuery): rows come before COMMIT.
 *
 *   relay_hello() → (interface int, version text, channel text, epoch text,
 *                    max_content_bytes int)
 *     First call on each connection.  channel: what to LISTEN to.  epoch: of
 *     the database; when it differs from the one seen before, every room's
 *     epoch has changed.
 *
 *   relay_run(users text[], frames text[], wait boolean) →
 *            SETOF (command int, room_id bigint, seq bigint, role text,
 *                   sqlstate text, constraint_name text, message text,
 *                   data text)
 *     Runs up to 60 client frames (section "client frames" of PROTOCOL.md),
 *     frame i as user i, each in a subtransaction, in the order given.
 *     command: 1-based index of the frame.  sqlstate NULL: it is done, and
 *     data is the text of the reply's "data" object, ready to be sent.
 *     Otherwise message says why and data is NULL; the wire code follows from
 *     sqlstate and constraint_name.  Frames served: send_message,
 *     get_messages, get_events, mark_read, join_task_room, join_task_rooms,
 *     user_presence, find_room and those of later versions; another type is
 *     an error 0A000.
 *     join_task_room: room_id, seq (the snapshot's last_seq: live events go on
 *     from seq + 1) and role say what was joined.  join_task_rooms: one row
 *     per room, in the order asked, all with the same command; data is that
 *     room's object, also when its sqlstate is set (then without "error").
 *     find_room {"task_id", "applicant_id"?}: room_id and role of the caller
 *     in that room, data {"task_id", "applicant_id"} resolved.
 *     55P03 with wait false: somebody holds the room's lock; nothing waited.
 *     Send that frame again alone with wait true over a connection that has
 *     lock_timeout set.  40001, 40P01: send again alone.  Errors of classes
 *     53, 57, 58, XX end the whole call: nothing of it was stored.
 *
 *   relay_fetch(rooms bigint[], after bigint[], max_rows int) →
 *            SETOF (room_id bigint, seq bigint, kind text, user_id text,
 *                   role text, event text)
 *     What each room has after the given seq, by room and seq, at most
 *     max_rows a room (as many as that: ask again).  event is the text of the
 *     frame to send.  kind is its "type".  user_id: the sender of a message,
 *     the member of a member_* event; role: that member's role.  A room that
 *     is gone gives one row with kind 'room_deleted', seq NULL.  A room whose
 *     line has been purged past the given seq gives one row of kind 'reset'.
 *
 *   relay_cursors(rooms bigint[]) → SETOF (room_id bigint, user_id text,
 *            role text, last_read_seq bigint, last_delivered_seq bigint)
 *     Members of rooms of up to 50 members, by room and user.
 *
 *   relay_presence(users text[]) → SETOF (user_id text, is_online boolean,
 *            last_seen text, current_task_id text)
 *     last_seen as on the wire (RFC 3339) or NULL.
 *
 *   relay_beat(relay_id text, lease interval) → boolean
 *     Extends this relay's lease (call every 5 s with 15 s), and ends the
 *     leases of relays that are gone.  False: there was no lease (first beat,
 *     or it had run out): register all users again.
 *
 *   relay_online(relay_id text, users text[], tasks text[], online boolean[])
 *     → void.  Users with at least one session on this relay, and the task
 *     each looks at (or NULL); online false takes a user off.
 *
 *   relay_farewell(relay_id text) → void.  The relay stops: its users go.
 *
 *   relay_redeem(tickets text[]) → SETOF (ticket int, user_id text)
 *     Spends tickets: one row per ticket (1-based); user_id NULL: not valid.
 *
 *   relay_notifications(users text[], after bigint[]) →
 *            SETOF (user_id text, seq bigint, event text)
 *     after NULL: one row with the user's last seq and event NULL; otherwise
 *     the notifications past it, oldest first, at most 100 a user.
 *
 *   relay_delivered(rooms bigint[], users text[], seqs bigint[]) → void
 *     Moves delivery cursors forward; who is no member is skipped.
 *
 *   relay_typing(rooms bigint[], users text[], typing boolean[]) → void
 *     Rings typing for other relays.
 *
 * The doorbell's payloads (NOTIFY): a letter and an id.
 *   r<room_id>             the room's line moved: relay_fetch
 *   c<room_id>             cursors moved: relay_cursors
 *   p<user_id>             presence changed: relay_presence
 *   n<user_id>             a notification: relay_notifications
 *   t<room_id> <0|1> <user_id>   typing stopped or started
 *   x<user_id>             reserved: sessions ended
 *   h<text>                a relay's own heartbeat: ignored by all others
 * A payload may be lost, doubled, late or forged, and does no harm: it only
 * makes the relay look.
 */

CREATE FUNCTION taskchat.relay_hello(OUT interface int, OUT version text, OUT channel text, OUT epoch text, OUT max_content_bytes int)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM taskchat.current_user_id();	-- loads the library, which knows the settings
	interface := 1;
	SELECT x.extversion INTO version FROM pg_extension x WHERE x.extname = 'taskchat';
	SELECT c.channel INTO channel FROM taskchat.doorbell_channel c;
	epoch := taskchat.room_epoch(0);
	max_content_bytes := current_setting('taskchat.max_content_bytes')::int;
END
$$;
COMMENT ON FUNCTION taskchat.relay_hello() IS 'Relay: what it must know at connect';

CREATE FUNCTION taskchat.relay_run(users text[], frames text[], wait boolean)
	RETURNS TABLE (command int, room_id bigint, seq bigint, role text, sqlstate text, constraint_name text, message text, data text)
	AS 'MODULE_PATHNAME', 'taskchat_relay_run' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.relay_run(text[], text[], boolean) IS 'Relay: runs client frames, each as its user';

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

CREATE FUNCTION taskchat.wire_members(room_id bigint) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	members text;
BEGIN
	WITH shown AS MATERIALIZED (
		SELECT m.* FROM taskchat.task_members m WHERE m.room_id = wire_members.room_id
		ORDER BY m.joined_seq, m.user_id LIMIT 200
	), present AS MATERIALIZED (
		SELECT p.* FROM taskchat.get_presence((SELECT array_agg(s.user_id) FROM shown s)) p
	)
	SELECT '[' || coalesce(string_agg(taskchat.wire_object(ARRAY['user_id', to_json(s.user_id)::text, 'role', to_json(s.role)::text,
			'last_read_seq', s.last_read_seq::text, 'last_delivered_seq', s.last_delivered_seq::text,
			'is_online', to_json(coalesce(p.is_online, false))::text, 'last_seen', to_json(taskchat.json_time(p.last_seen))::text,
			'current_task_id', to_json(p.current_task_id)::text]), ',' ORDER BY s.joined_seq, s.user_id), '') || ']'
		INTO members
		FROM shown s LEFT JOIN present p USING (user_id);
	RETURN members;
END
$$;
COMMENT ON FUNCTION taskchat.wire_members(bigint) IS 'Internal: a room''s first 200 members as on the wire';

/*
 * Events of a line after a seq as one JSON array, cut at 500 events or 192 KiB,
 * never below one; with no after_seq the newest 50.
 */
CREATE FUNCTION taskchat.wire_events(room_id bigint, after_seq bigint, last_seq bigint, max_rows int,
		OUT events text, OUT reached bigint)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	SELECT '[' || coalesce(string_agg(l.event, ',' ORDER BY l.seq), '') || ']', coalesce(max(l.seq), after_seq)
		INTO events, reached
	FROM (SELECT r.seq, r.event, sum(octet_length(r.event) + 1) OVER (ORDER BY r.seq) AS bytes, row_number() OVER (ORDER BY r.seq) AS n
		FROM taskchat.room_line(wire_events.room_id, after_seq, max_rows) r
		WHERE r.seq <= wire_events.last_seq) l
	WHERE l.bytes <= 196608 OR l.n = 1;
END
$$;
COMMENT ON FUNCTION taskchat.wire_events(bigint, bigint, bigint, int) IS 'Internal: a stretch of a line as on the wire';

CREATE FUNCTION taskchat.wire_join(frame jsonb) RETURNS taskchat.wire_row
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer taskchat.wire_row;
	room taskchat.task_rooms;
	room_epoch text;
	after_seq bigint := (frame ->> 'after_seq')::bigint;
	reset boolean := false;
	events text;
	reached bigint;
	members_total bigint;
BEGIN
	answer.room_id := taskchat.find_room(frame ->> 'task_id', frame ->> 'applicant_id', false);
	SELECT r.* INTO STRICT room FROM taskchat.task_rooms r WHERE r.room_id = answer.room_id;
	SELECT m.role INTO STRICT answer.role FROM taskchat.task_members m
	WHERE m.room_id = room.room_id AND m.user_id = taskchat.current_user_id();
	SELECT count(*) INTO members_total FROM taskchat.task_members m WHERE m.room_id = room.room_id;
	room_epoch := taskchat.room_epoch(room.room_id);
	IF after_seq IS NOT NULL THEN
		reset := coalesce(frame ->> 'epoch' <> room_epoch, false) OR after_seq > room.last_seq OR after_seq < room.first_seq - 1;
	END IF;
	IF after_seq IS NULL OR reset THEN
		after_seq := greatest(room.last_seq - 50, room.first_seq - 1);
	END IF;
	SELECT e.events, e.reached INTO events, reached
	FROM taskchat.wire_events(room.room_id, after_seq, room.last_seq, 500) e;
	answer.seq := room.last_seq;
	answer.data := taskchat.wire_object(ARRAY['task_id', to_json(room.task_id)::text, 'applicant_id', to_json(room.applicant_id)::text,
		'first_seq', room.first_seq::text, 'last_seq', room.last_seq::text, 'epoch', to_json(room_epoch)::text,
		'role', to_json(answer.role)::text, 'status', to_json(room.status)::text,
		'members', taskchat.wire_members(room.room_id), 'events', events,
		'complete', to_json(reached >= room.last_seq)::text, 'reset', to_json(reset)::text]
		|| CASE WHEN members_total > 200 THEN ARRAY['members_total', members_total::text] ELSE '{}' END);
	RETURN answer;
EXCEPTION WHEN no_data_found THEN
	RAISE insufficient_privilege USING MESSAGE = 'no such room, or you may not do that in it';
END
$$;
COMMENT ON FUNCTION taskchat.wire_join(jsonb) IS 'Frame join_task_room';

CREATE FUNCTION taskchat.wire_join_many(frame jsonb) RETURNS SETOF taskchat.wire_row
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	room jsonb;
	answer taskchat.wire_row;
	state text;
	reason text;
BEGIN
	IF jsonb_typeof(frame -> 'rooms') IS DISTINCT FROM 'array' THEN
		RAISE invalid_parameter_value USING MESSAGE = 'rooms must be an array';
	END IF;
	FOR room IN SELECT r.value FROM jsonb_array_elements(frame -> 'rooms') WITH ORDINALITY AS r (value, n) ORDER BY r.n LOOP
		BEGIN
			answer := taskchat.wire_join(room);
		EXCEPTION WHEN insufficient_privilege OR data_exception OR not_null_violation OR program_limit_exceeded THEN
			GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, reason = MESSAGE_TEXT;
			answer := NULL;
			answer.sqlstate := state;
			answer.message := reason;
			answer.data := taskchat.wire_object(ARRAY['task_id', coalesce((room -> 'task_id')::text, 'null'), 'applicant_id', coalesce((room -> 'applicant_id')::text, 'null')]);
		END;
		RETURN NEXT answer;
	END LOOP;
END
$$;
COMMENT ON FUNCTION taskchat.wire_join_many(jsonb) IS 'Frame join_task_rooms: one row a room';

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

CREATE FUNCTION taskchat.wire_get_messages(frame jsonb) RETURNS taskchat.wire_row
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer taskchat.wire_row;
	wanted int := taskchat.wire_limit(frame, 50);
	forward boolean := frame ->> 'after_seq' IS NOT NULL;
	before_seq bigint := (frame ->> 'before_seq')::bigint;
	after_seq bigint := (frame ->> 'after_seq')::bigint;
	room bigint := taskchat.find_room(frame ->> 'task_id', frame ->> 'applicant_id', false);
BEGIN
	SELECT taskchat.wire_object(ARRAY['messages', '[' || coalesce(string_agg(p.json, ',' ORDER BY p.n) FILTER (WHERE p.fits), '') || ']',
			'has_more', to_json(coalesce(bool_or(NOT p.fits), false))::text])
		INTO answer.data
	FROM (SELECT q.n, q.json, q.n = 1 OR (q.n <= wanted AND sum(octet_length(q.json) + 1) OVER (ORDER BY q.n) <= 196608) AS fits
		FROM (SELECT row_number() OVER () AS n, taskchat.message_json(m) AS json FROM (
			SELECT m.* FROM taskchat.task_messages m
			WHERE m.room_id = room AND m.seq < coalesce(before_seq, 9223372036854775807) AND m.seq > coalesce(after_seq, 0)
			ORDER BY CASE WHEN forward THEN m.seq END, CASE WHEN NOT forward THEN m.seq END DESC
			LIMIT wanted + 1) m) q) p;
	RETURN answer;
END
$$;
COMMENT ON FUNCTION taskchat.wire_get_messages(jsonb) IS 'Frame get_messages';

CREATE FUNCTION taskchat.wire_get_events(frame jsonb) RETURNS taskchat.wire_row
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer taskchat.wire_row;
	room taskchat.task_rooms;
	events text;
	reached bigint;
BEGIN
	SELECT r.* INTO room FROM taskchat.task_rooms r
	WHERE r.room_id = taskchat.find_room(frame ->> 'task_id', frame ->> 'applicant_id', false);
	SELECT e.events, e.reached INTO events, reached
	FROM taskchat.wire_events(room.room_id, coalesce((frame ->> 'after_seq')::bigint, 0), room.last_seq, taskchat.wire_limit(frame, 200)) e;
	answer.data := taskchat.wire_object(ARRAY['events', events, 'first_seq', room.first_seq::text, 'last_seq', room.last_seq::text,
		'epoch', to_json(taskchat.room_epoch(room.room_id))::text, 'has_more', to_json(reached < room.last_seq)::text]);
	RETURN answer;
END
$$;
COMMENT ON FUNCTION taskchat.wire_get_events(jsonb) IS 'Frame get_events';

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
	IF frame -> 'user_ids' IS NOT NULL THEN
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

CREATE FUNCTION taskchat.relay_fetch(rooms bigint[], after bigint[], max_rows int)
	RETURNS TABLE (room_id bigint, seq bigint, kind text, user_id text, role text, event text)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT w.room_id, NULL::bigint, CASE WHEN r.room_id IS NULL THEN 'room_deleted' ELSE 'reset' END, NULL::text, NULL::text, NULL::text
	FROM unnest(rooms, after) AS w (room_id, after_seq)
	LEFT JOIN taskchat.task_rooms r ON r.room_id = w.room_id
	WHERE r.room_id IS NULL OR r.first_seq - 1 > w.after_seq OR r.last_seq < w.after_seq;
	RETURN QUERY
	SELECT w.room_id, l.seq, l.kind, l.user_id, l.role, l.event
	FROM unnest(rooms, after) AS w (room_id, after_seq)
	JOIN taskchat.task_rooms r ON r.room_id = w.room_id AND r.last_seq > w.after_seq AND r.first_seq - 1 <= w.after_seq,
	LATERAL taskchat.room_line(w.room_id, w.after_seq, max_rows) AS l
	ORDER BY w.room_id, l.seq;
END
$$;
COMMENT ON FUNCTION taskchat.relay_fetch(bigint[], bigint[], int) IS 'Relay: what rooms have after a seq';

CREATE FUNCTION taskchat.relay_cursors(rooms bigint[])
	RETURNS TABLE (room_id bigint, user_id text, role text, last_read_seq bigint, last_delivered_seq bigint)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT m.room_id, m.user_id::text, m.role::text, m.last_read_seq, m.last_delivered_seq
	FROM unnest(rooms) AS w (room_id)
	JOIN LATERAL (SELECT c.*, count(*) OVER () AS total FROM (
		SELECT m.* FROM taskchat.task_members m WHERE m.room_id = w.room_id LIMIT 51) c) m ON m.total <= 50
	ORDER BY m.room_id, m.user_id;
END
$$;
COMMENT ON FUNCTION taskchat.relay_cursors(bigint[]) IS 'Relay: members and cursors of rooms of up to 50';

CREATE FUNCTION taskchat.relay_presence(users text[])
	RETURNS TABLE (user_id text, is_online boolean, last_seen text, current_task_id text)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY SELECT u.user_id, p.is_online, taskchat.json_time(p.last_seen), p.current_task_id
	FROM unnest(users) AS u (user_id), LATERAL taskchat.presence_of(u.user_id, u.user_id) AS p;
END
$$;
COMMENT ON FUNCTION taskchat.relay_presence(text[]) IS 'Relay: presence of users';

CREATE FUNCTION taskchat.relay_beat(relay_id text, lease interval) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	known boolean;
	gone text[];
BEGIN
	PERFORM taskchat.require_writable();
	UPDATE taskchat.leases SET expires_at = clock_timestamp() + lease
	WHERE holder = relay_id AND expires_at > clock_timestamp();
	known := FOUND;
	IF NOT known THEN
		INSERT INTO taskchat.leases VALUES (relay_id, clock_timestamp() + lease)
			ON CONFLICT (holder) DO UPDATE SET expires_at = excluded.expires_at;
	END IF;
	SELECT array_agg(s.user_id) INTO gone FROM taskchat.sessions s
	JOIN (SELECT h.holder FROM taskchat.leases h WHERE h.expires_at <= clock_timestamp() FOR UPDATE SKIP LOCKED) dead USING (holder);
	DELETE FROM taskchat.leases h WHERE h.holder IN (
		SELECT d.holder FROM taskchat.leases d WHERE d.expires_at <= clock_timestamp() FOR UPDATE SKIP LOCKED);
	IF gone IS NOT NULL THEN
		PERFORM taskchat.went_offline(gone);
	END IF;
	RETURN known;
END
$$;
COMMENT ON FUNCTION taskchat.relay_beat(text, interval) IS 'Relay: extends its lease, ends those of the gone';

CREATE FUNCTION taskchat.relay_online(relay_id text, users text[], tasks text[], online boolean[]) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	gone text[];
BEGIN
	PERFORM taskchat.require_writable();
	INSERT INTO taskchat.leases VALUES (relay_id, clock_timestamp() + interval '15 seconds') ON CONFLICT (holder) DO NOTHING;
	INSERT INTO taskchat.sessions AS s (holder, user_id, current_task_id)
		SELECT relay_id, u.user_id, u.task_id FROM unnest(users, tasks, online) AS u (user_id, task_id, online)
		WHERE u.online ORDER BY u.user_id
		ON CONFLICT (holder, user_id) DO UPDATE SET current_task_id = excluded.current_task_id;
	PERFORM taskchat.ring('p', u.user_id) FROM unnest(users, online) AS u (user_id, online) WHERE u.online;
	SELECT array_agg(u.user_id) INTO gone FROM unnest(users, online) AS u (user_id, online) WHERE NOT u.online;
	IF gone IS NOT NULL THEN
		DELETE FROM taskchat.sessions s WHERE s.holder = relay_id AND s.user_id = ANY (gone);
		PERFORM taskchat.went_offline(gone);
	END IF;
END
$$;
COMMENT ON FUNCTION taskchat.relay_online(text, text[], text[], boolean[]) IS 'Relay: who has sessions on it';

CREATE FUNCTION taskchat.relay_farewell(relay_id text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	gone text[];
BEGIN
	PERFORM taskchat.require_writable();
	SELECT array_agg(s.user_id) INTO gone FROM taskchat.sessions s WHERE s.holder = relay_id;
	DELETE FROM taskchat.leases h WHERE h.holder = relay_id;
	IF gone IS NOT NULL THEN
		PERFORM taskchat.went_offline(gone);
	END IF;
END
$$;
COMMENT ON FUNCTION taskchat.relay_farewell(text) IS 'Relay: it stops';

CREATE FUNCTION taskchat.relay_redeem(tickets text[]) RETURNS TABLE (ticket int, user_id text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	FOR i IN 1 .. cardinality(tickets) LOOP
		ticket := i;
		user_id := NULL;
		DELETE FROM taskchat.tickets t WHERE t.hash = sha256(convert_to(tickets[i], 'UTF8')) AND t.expires_at > clock_timestamp()
			RETURNING t.user_id INTO user_id;
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION taskchat.relay_redeem(text[]) IS 'Relay: spends tickets';

CREATE FUNCTION taskchat.relay_notifications(users text[], after bigint[]) RETURNS TABLE (user_id text, seq bigint, event text)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT u.user_id, coalesce(c.last_seq, 0), NULL::text
	FROM unnest(users, after) AS u (user_id, after_seq) LEFT JOIN taskchat.notification_counters c ON c.user_id = u.user_id
	WHERE u.after_seq IS NULL;
	RETURN QUERY
	SELECT u.user_id, n.seq, taskchat.wire_object(ARRAY['type', '"notification"', 'id', to_json(n.id)::text, 'seq', n.seq::text,
		'kind', to_json(n.kind)::text, 'task_id', to_json(n.task_id)::text, 'payload', n.payload::text,
		'created_at', to_json(taskchat.json_time(n.created_at))::text, 'read_at', to_json(taskchat.json_time(n.read_at))::text])
	FROM unnest(users, after) AS u (user_id, after_seq),
	LATERAL (SELECT n.* FROM taskchat.notifications n WHERE n.user_id = u.user_id AND n.seq > u.after_seq ORDER BY n.seq LIMIT 100) n
	ORDER BY u.user_id, n.seq;
END
$$;
COMMENT ON FUNCTION taskchat.relay_notifications(text[], bigint[]) IS 'Relay: notifications after a seq';

CREATE FUNCTION taskchat.relay_delivered(rooms bigint[], users text[], seqs bigint[]) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	moved record;
BEGIN
	WITH wanted AS (
		SELECT m.room_id, m.user_id, least(max(d.seq), r.last_seq) AS seq
		FROM unnest(rooms, users, seqs) AS d (room_id, user_id, seq)
		JOIN taskchat.task_members m ON m.room_id = d.room_id AND m.user_id = d.user_id
		JOIN taskchat.task_rooms r ON r.room_id = d.room_id
		GROUP BY m.room_id, m.user_id, r.last_seq
	), held AS MATERIALIZED (
		SELECT m.room_id, m.user_id, m.last_delivered_seq AS old_seq, w.seq
		FROM taskchat.task_members m JOIN wanted w USING (room_id, user_id)
		WHERE m.last_delivered_seq < w.seq
		ORDER BY m.room_id, m.user_id FOR NO KEY UPDATE OF m
	), updated AS (
		UPDATE taskchat.task_members m SET last_delivered_seq = h.seq FROM held h
		WHERE m.room_id = h.room_id AND m.user_id = h.user_id AND m.last_delivered_seq < h.seq
		RETURNING m.room_id, m.user_id, h.old_seq, h.seq
	)
	SELECT array_agg(u.room_id) AS rooms, array_agg(u.user_id) AS users, array_agg(u.old_seq) AS old_seqs, array_agg(u.seq) AS seqs
		INTO moved FROM updated u;
	PERFORM taskchat.note_deliveries(moved.rooms, moved.users, moved.old_seqs, moved.seqs);
	PERFORM taskchat.ring('c', r.room_id::text) FROM (SELECT DISTINCT unnest(moved.rooms)) AS r (room_id);
END
$$;
COMMENT ON FUNCTION taskchat.relay_delivered(bigint[], text[], bigint[]) IS 'Relay: moves delivery cursors forward';

CREATE FUNCTION taskchat.relay_typing(rooms bigint[], users text[], typing boolean[]) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM taskchat.ring('t', t.room_id || CASE WHEN t.typing THEN ' 1 ' ELSE ' 0 ' END || t.user_id)
	FROM unnest(rooms, users, typing) AS t (room_id, user_id, typing);
END
$$;
COMMENT ON FUNCTION taskchat.relay_typing(bigint[], text[], boolean[]) IS 'Relay: typing for the other relays';
