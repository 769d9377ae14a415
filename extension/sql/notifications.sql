/*
 * notifications: numbered per user at commit.
 */
CREATE FUNCTION taskchat.uuid_v7() RETURNS uuid
	AS 'MODULE_PATHNAME', 'taskchat_uuid_v7' LANGUAGE C VOLATILE PARALLEL SAFE;
COMMENT ON FUNCTION taskchat.uuid_v7() IS 'A UUID of version 7 (RFC 9562)';

CREATE FUNCTION taskchat.notify_user(user_id text, kind text, payload jsonb DEFAULT '{}', task_id text DEFAULT NULL) RETURNS uuid
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	new_id uuid := taskchat.uuid_v7();
BEGIN
	PERFORM taskchat.check_id('user_id', notify_user.user_id);
	PERFORM taskchat.check_id('kind', notify_user.kind);
	PERFORM taskchat.check_json('payload', notify_user.payload);
	IF notify_user.task_id IS NOT NULL THEN
		PERFORM taskchat.check_id('task_id', notify_user.task_id);
	END IF;
	PERFORM taskchat.stage('n', notify_user.task_id, NULL, notify_user.kind, notify_user.user_id, notify_user.payload, new_id);
	RETURN new_id;
END
$$;
COMMENT ON FUNCTION taskchat.notify_user(text, text, jsonb, text) IS 'A personal notification';

CREATE FUNCTION taskchat.get_notifications(before_seq bigint DEFAULT NULL, after_seq bigint DEFAULT NULL, max_rows int DEFAULT 50)
	RETURNS SETOF taskchat.notifications
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me text := taskchat.require_identity();
	wanted int := taskchat.page_size(max_rows, 50);
BEGIN
	IF after_seq IS NULL THEN
		RETURN QUERY SELECT n.* FROM taskchat.notifications n
			WHERE n.user_id = me AND n.seq < coalesce(before_seq, 9223372036854775807) ORDER BY n.seq DESC LIMIT wanted;
	ELSE
		RETURN QUERY SELECT n.* FROM taskchat.notifications n
			WHERE n.user_id = me AND n.seq > after_seq AND n.seq < coalesce(before_seq, 9223372036854775807) ORDER BY n.seq LIMIT wanted;
	END IF;
END
$$;
COMMENT ON FUNCTION taskchat.get_notifications(bigint, bigint, int) IS 'One page of the caller''s notifications';

CREATE FUNCTION taskchat.mark_notification_read(id uuid) RETURNS taskchat.notifications
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me text := taskchat.require_identity();
	notification taskchat.notifications;
BEGIN
	PERFORM taskchat.refuse_null('id', mark_notification_read.id IS NULL);
	UPDATE taskchat.notifications n SET read_at = coalesce(n.read_at, clock_timestamp())
		WHERE n.id = mark_notification_read.id AND n.user_id = me
		RETURNING n.* INTO notification;
	IF NOT FOUND THEN
		RAISE insufficient_privilege USING MESSAGE = 'no such notification of yours',
			HINT = 'get_notifications() lists the caller''s own.';
	END IF;
	RETURN notification;
END
$$;
COMMENT ON FUNCTION taskchat.mark_notification_read(uuid) IS 'Marks one of the caller''s notifications read';
