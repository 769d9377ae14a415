/*
 * receipts: how far members have read.
 */
CREATE FUNCTION taskchat.mark_read(task_id text, up_to_seq bigint, applicant_id text DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	reader text := taskchat.require_identity();
	room bigint := taskchat.find_room(mark_read.task_id, mark_read.applicant_id, false);
	old_seq bigint;
	delivered_seq bigint;
	new_seq bigint;
	my_role text;
BEGIN
	PERFORM taskchat.refuse_null('up_to_seq', up_to_seq IS NULL);
	PERFORM taskchat.lock_member(room, reader);
	SELECT m.last_read_seq, m.last_delivered_seq, least(up_to_seq, r.last_seq), m.role INTO old_seq, delivered_seq, new_seq, my_role
	FROM taskchat.task_members m JOIN taskchat.task_rooms r USING (room_id)
	WHERE m.room_id = room AND m.user_id = reader;
	IF my_role IS NULL THEN
		PERFORM taskchat.refuse_room();
	END IF;
	IF new_seq <= old_seq THEN
		RETURN old_seq;
	END IF;
	UPDATE taskchat.task_members m
	SET last_read_seq = new_seq, last_delivered_seq = greatest(m.last_delivered_seq, new_seq)
	WHERE m.room_id = room AND m.user_id = reader;
	IF new_seq > delivered_seq THEN
		PERFORM taskchat.note_deliveries(ARRAY[room], ARRAY[reader], ARRAY[delivered_seq], ARRAY[new_seq]);
	END IF;
	IF NOT taskchat.waits() THEN
		PERFORM FROM taskchat.task_messages m
		WHERE m.room_id = room AND m.seq > old_seq AND m.seq <= new_seq
			AND m.read_at IS NULL AND m.sender_id IS DISTINCT FROM reader
		FOR NO KEY UPDATE NOWAIT;
	END IF;
	UPDATE taskchat.task_messages m SET read_at = clock_timestamp()
	WHERE m.room_id = room AND m.seq > old_seq AND m.seq <= new_seq
		AND m.read_at IS NULL AND m.sender_id IS DISTINCT FROM reader;
	PERFORM taskchat.ring('c', room::text);
	RETURN new_seq;
END
$$;
COMMENT ON FUNCTION taskchat.mark_read(text, bigint, text) IS 'Moves the caller''s read cursor forward';

/*
 * Of a short stretch of the line the messages are counted.  Of a long one it is
 * cheaper to count what is no unread message, as the line has no gaps: events,
 * own messages, and those that an event says were deleted; unless the reader has written much in the task
 * (own messages lie in no order there).
 */
CREATE FUNCTION taskchat.unread(room_id bigint, reader text, after_seq bigint) RETURNS bigint
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	short CONSTANT bigint := 2000::bigint;
	room record;
	stretch bigint;
	own record;
	events record;
BEGIN
	SELECT r.task_id, greatest(after_seq, r.first_seq - 1) AS low, r.last_seq INTO room
		FROM taskchat.task_rooms r WHERE r.room_id = unread.room_id;
	stretch := room.last_seq - room.low;
	IF stretch > short THEN
		SELECT count(*) FILTER (WHERE w.room_id = unread.room_id AND w.seq > room.low) AS unread, count(*) AS written INTO own
			FROM (SELECT m.room_id, m.seq FROM taskchat.task_messages m
				WHERE m.task_id = room.task_id AND m.sender_id = reader
				ORDER BY m.client_msg_id LIMIT stretch / 20) w;	-- ordered, so that the index is taken
		IF own.written < stretch / 20 THEN
			SELECT count(*) AS count, array_agg((e.payload ->> 'id')::uuid) FILTER (WHERE e.kind = 'message_deleted') AS deleted INTO events
				FROM taskchat.task_events e WHERE e.room_id = unread.room_id AND e.seq > room.low;
			RETURN stretch - own.unread - events.count
				- (SELECT count(*) FROM taskchat.task_messages m
					WHERE m.id = ANY (events.deleted) AND m.seq > room.low AND m.sender_id IS DISTINCT FROM reader);
		END IF;
	END IF;
	RETURN (SELECT count(*) FROM taskchat.task_messages m
		WHERE m.room_id = unread.room_id AND m.seq > room.low AND m.seq <= room.last_seq
			AND m.sender_id IS DISTINCT FROM reader AND m.deleted_at IS NULL);
END
$$;
COMMENT ON FUNCTION taskchat.unread(bigint, text, bigint) IS 'Internal: messages of others after a read cursor, with the rights of who asks';

/* When the newest event of the line came about decides which room is latest. */
CREATE FUNCTION taskchat.list_rooms(max_rows bigint, skip bigint)
	RETURNS TABLE (task_id text, applicant_id text, role text, status text, last_seq bigint, unread bigint, muted boolean,
		last_message taskchat.task_messages)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me text := taskchat.require_identity();
BEGIN
	RETURN QUERY
	WITH own AS MATERIALIZED (
		SELECT r.room_id, r.task_id, r.applicant_id, m.role, r.status, r.last_seq, m.last_read_seq, m.muted,
			coalesce((SELECT t.created_at FROM taskchat.task_messages t WHERE t.room_id = r.room_id AND t.seq = r.last_seq),
				(SELECT e.created_at FROM taskchat.task_events e WHERE e.room_id = r.room_id AND e.seq = r.last_seq),
				r.created_at) AS latest
		FROM taskchat.task_members m JOIN taskchat.task_rooms r USING (room_id)
		WHERE m.user_id = me
		ORDER BY latest DESC, r.room_id DESC LIMIT max_rows OFFSET skip
	)
	SELECT o.task_id, o.applicant_id, o.role, o.status, o.last_seq, taskchat.unread(o.room_id, me, o.last_read_seq), o.muted,
		(SELECT t FROM taskchat.task_messages t WHERE t.room_id = o.room_id ORDER BY t.seq DESC LIMIT 1)
	FROM own o ORDER BY o.latest DESC, o.room_id DESC;
END
$$;
COMMENT ON FUNCTION taskchat.list_rooms(bigint, bigint) IS 'Internal: a page of get_rooms()';

CREATE FUNCTION taskchat.get_rooms()
	RETURNS TABLE (task_id text, applicant_id text, role text, status text, last_seq bigint, unread bigint, muted boolean,
		last_message taskchat.task_messages)
	LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
	SELECT * FROM taskchat.list_rooms(NULL, NULL)
$$;
COMMENT ON FUNCTION taskchat.get_rooms() IS 'The caller''s rooms, latest first, with what is unread';

CREATE FUNCTION taskchat.set_muted(task_id text, muted boolean, applicant_id text DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	room bigint := taskchat.find_room(set_muted.task_id, set_muted.applicant_id, false);
	me text := taskchat.require_identity();
BEGIN
	PERFORM taskchat.refuse_null('muted', set_muted.muted IS NULL);
	PERFORM taskchat.lock_member(room, me);
	UPDATE taskchat.task_members m SET muted = set_muted.muted
		WHERE m.room_id = room AND m.user_id = me AND m.muted <> set_muted.muted;
END
$$;
COMMENT ON FUNCTION taskchat.set_muted(text, boolean, text) IS 'Leaves a room out of undelivered() for the caller, or no longer';
