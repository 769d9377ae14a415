/*
 * delivery: what has not reached its readers yet, and how well the rest did.
 *
 * What was expected and what arrived follows from messages, members and their
 * cursors.  Only how long it took is kept apart, as one row each time that a
 * cursor moves.  Such rows are never updated, so nobody waits for anybody.
 */
CREATE FUNCTION taskchat.note_deliveries(rooms bigint[], users text[], from_seqs bigint[], to_seqs bigint[], ages int[] DEFAULT '{}') RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	INSERT INTO taskchat.delivery_samples (room_id, user_id, up_to_seq, delivered_at, latencies_ms)
	SELECT d.room_id, d.user_id, d.to_seq, clock_timestamp(), array_agg(t.ms)
	FROM unnest(rooms, users, from_seqs, to_seqs, ages) AS d (room_id, user_id, from_seq, to_seq, age)
	JOIN taskchat.task_members m ON m.room_id = d.room_id AND m.user_id = d.user_id,
	LATERAL (
		SELECT greatest(least(extract(epoch FROM clock_timestamp() - t.created_at) * 1000 - coalesce(d.age, 0), 2147483647), 0)::int AS ms
		FROM taskchat.task_messages t
		WHERE t.room_id = d.room_id AND t.seq > greatest(d.from_seq, m.joined_seq) AND t.seq <= d.to_seq
			AND t.sender_id IS DISTINCT FROM d.user_id
		ORDER BY t.seq DESC LIMIT 1000) AS t
	GROUP BY d.room_id, d.user_id, d.to_seq
	/* Who left and came back begins again. */
	ON CONFLICT DO NOTHING
$$;
COMMENT ON FUNCTION taskchat.note_deliveries(bigint[], text[], bigint[], bigint[], int[]) IS 'Internal: delivery cursors have moved from there to there, so many milliseconds ago';

CREATE FUNCTION taskchat.undelivered(older_than interval DEFAULT '30 seconds')
	RETURNS TABLE (user_id text, task_id text, applicant_id text, seq bigint, message taskchat.task_messages)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM taskchat.refuse_null('older_than', older_than IS NULL);
	RETURN QUERY
	SELECT m.user_id, t.task_id, t.applicant_id, t.seq, t
	FROM taskchat.task_members m
	JOIN taskchat.task_rooms r ON r.room_id = m.room_id AND r.last_seq > m.last_delivered_seq
	JOIN taskchat.task_messages t ON t.room_id = m.room_id AND t.seq > greatest(m.last_delivered_seq, m.joined_seq)
	WHERE NOT m.muted AND t.sender_id IS DISTINCT FROM m.user_id AND t.deleted_at IS NULL
		AND t.created_at <= clock_timestamp() - older_than
	ORDER BY m.user_id, t.task_id, t.applicant_id NULLS FIRST, t.seq;
END
$$;
COMMENT ON FUNCTION taskchat.undelivered(interval) IS 'Who has not yet received which message: the list for push or e-mail';

CREATE FUNCTION taskchat.delivery_stats(since timestamptz DEFAULT now() - interval '1 day', task_id text DEFAULT NULL,
		OUT messages bigint, OUT deliveries_expected bigint, OUT deliveries_confirmed bigint, OUT delivery_rate double precision,
		OUT latency_p50_ms double precision, OUT latency_p95_ms double precision, OUT latency_p99_ms double precision)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	latencies double precision[];
BEGIN
	PERFORM taskchat.refuse_null('since', since IS NULL);
	SELECT count(DISTINCT t.id), count(m.user_id), count(m.user_id) FILTER (WHERE m.last_delivered_seq >= t.seq)
		INTO messages, deliveries_expected, deliveries_confirmed
		FROM taskchat.task_messages t
		LEFT JOIN taskchat.task_members m ON m.room_id = t.room_id AND m.joined_seq < t.seq AND m.user_id IS DISTINCT FROM t.sender_id
		WHERE t.created_at >= since AND (delivery_stats.task_id IS NULL OR t.task_id = delivery_stats.task_id);
	delivery_rate := deliveries_confirmed::double precision / nullif(deliveries_expected, 0);
	SELECT percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY l.ms) INTO latencies
		FROM taskchat.delivery_samples d, unnest(d.latencies_ms) AS l (ms)
		WHERE d.delivered_at >= since AND d.delivered_at - l.ms * interval '1 millisecond' >= since
			AND (delivery_stats.task_id IS NULL
				OR d.room_id IN (SELECT r.room_id FROM taskchat.task_rooms r WHERE r.task_id = delivery_stats.task_id));
	latency_p50_ms := latencies[1];
	latency_p95_ms := latencies[2];
	latency_p99_ms := latencies[3];
END
$$;
COMMENT ON FUNCTION taskchat.delivery_stats(timestamptz, text) IS 'Messages sent since then, how many of their deliveries are confirmed, and how long those took';
