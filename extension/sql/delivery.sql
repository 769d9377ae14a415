/*
 * delivery: what has not reached its readers yet.
 */
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
