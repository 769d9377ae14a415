/*
 * retention: the front of each line goes when it is old.
 *
 * Nobody writes at the front, so rows are removed without the rooms' locks;
 * these are taken last and in order, just before the commit, to move
 * first_seq.  A long run so holds nobody up.
 */
CREATE FUNCTION taskchat.purge_line(room_id bigint, from_seq bigint, to_seq bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'taskchat_purge_line' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.purge_line(bigint, bigint, bigint) IS 'Internal: removes a line''s messages and events before a seq';

CREATE FUNCTION taskchat.purge_samples(before timestamptz) RETURNS void
	AS 'MODULE_PATHNAME', 'taskchat_purge_samples' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.purge_samples(timestamptz) IS 'Internal: removes older samples of deliveries';

CREATE FUNCTION taskchat.move_front(room_id bigint, first_seq bigint) RETURNS void
	AS 'MODULE_PATHNAME', 'taskchat_move_front' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.move_front(bigint, bigint) IS 'Internal: sets the lowest seq that a room keeps';

CREATE FUNCTION taskchat.purge_messages(older_than interval) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	keep_from timestamptz := clock_timestamp() - older_than;
	line record;
	rooms bigint[] := '{}'::bigint[];
	cuts bigint[] := '{}'::bigint[];
	removed bigint := 0::bigint;
BEGIN
	PERFORM taskchat.refuse_null('older_than', older_than IS NULL);
	IF keep_from > clock_timestamp() THEN
		RAISE invalid_parameter_value USING MESSAGE = 'older_than must not be negative', HINT = 'Pass an interval such as ''90 days''.';
	END IF;
	FOR line IN
		SELECT r.room_id, r.first_seq, least(r.last_seq + 1,
			(SELECT m.seq FROM taskchat.task_messages m
				WHERE m.room_id = r.room_id AND m.created_at >= keep_from ORDER BY m.seq LIMIT 1),
			(SELECT e.seq FROM taskchat.task_events e
				WHERE e.room_id = r.room_id AND e.created_at >= keep_from ORDER BY e.seq LIMIT 1)) AS cut
		FROM taskchat.task_rooms r
		WHERE r.first_seq <= r.last_seq AND r.created_at < keep_from
		ORDER BY r.room_id
	LOOP
		CONTINUE WHEN line.cut <= line.first_seq;
		removed := removed + taskchat.purge_line(line.room_id, line.first_seq, line.cut);
		rooms := rooms || line.room_id;
		cuts := cuts || line.cut;
	END LOOP;
	PERFORM taskchat.purge_samples(keep_from);
	FOR i IN 1 .. cardinality(rooms) LOOP
		PERFORM taskchat.move_front(rooms[i], cuts[i]);
	END LOOP;
	RETURN removed;
END
$$;
COMMENT ON FUNCTION taskchat.purge_messages(interval) IS 'Removes what is older from the front of each room''s line; returns how many messages and events went';
