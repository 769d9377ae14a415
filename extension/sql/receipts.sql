/*
 * receipts: how far members have read.
 */
CREATE FUNCTION taskchat.mark_read(task_id text, up_to_seq bigint, applicant_id text DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	reader text := taskchat.current_user_id();
	room bigint := taskchat.find_room(mark_read.task_id, mark_read.applicant_id, false);
	old_seq bigint;
	new_seq bigint;
	my_role text;
BEGIN
	IF up_to_seq IS NULL THEN
		RAISE not_null_violation USING MESSAGE = 'up_to_seq must not be null';
	END IF;
	PERFORM taskchat.lock_member(room, reader);
	SELECT m.last_read_seq, least(up_to_seq, r.last_seq), m.role INTO old_seq, new_seq, my_role
	FROM taskchat.task_members m JOIN taskchat.task_rooms r USING (room_id)
	WHERE m.room_id = room AND m.user_id = reader;
	IF my_role IS NULL THEN
		RAISE insufficient_privilege USING MESSAGE = 'no such room, or you may not do that in it',
			HINT = 'Members mark messages read.';
	END IF;
	IF new_seq <= old_seq THEN
		RETURN old_seq;
	END IF;
	UPDATE taskchat.task_members m
	SET last_read_seq = new_seq, last_delivered_seq = greatest(m.last_delivered_seq, new_seq)
	WHERE m.room_id = room AND m.user_id = reader;
	UPDATE taskchat.task_messages m SET read_at = clock_timestamp()
	WHERE m.room_id = room AND m.seq > old_seq AND m.seq <= new_seq
		AND m.read_at IS NULL AND m.sender_id IS DISTINCT FROM reader;
	PERFORM taskchat.ring('c', room::text);
	RETURN new_seq;
END
$$;
COMMENT ON FUNCTION taskchat.mark_read(text, bigint, text) IS 'Moves the caller''s read cursor forward';
