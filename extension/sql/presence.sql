/*
 * presence: derived from live sessions; nothing here can go stale.  A holder
 * is a relay, or "user:" and an id for a lease that set_presence() took.
 */
CREATE FUNCTION taskchat.shares_room_with(user_id text) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
	SELECT taskchat.current_user_id() IS NOT NULL AND (
		taskchat.current_user_id() = shares_room_with.user_id
		OR EXISTS (SELECT FROM taskchat.task_members m
			WHERE m.user_id = shares_room_with.user_id AND m.room_id = ANY (taskchat.my_rooms())))
$$;
COMMENT ON FUNCTION taskchat.shares_room_with(text) IS 'Internal: whether the identity may see that user';

CREATE FUNCTION taskchat.presence_of(user_id text, viewer text)
	RETURNS TABLE (is_online boolean, last_seen timestamptz, current_task_id text)
	AS 'MODULE_PATHNAME', 'taskchat_presence_of' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED ROWS 1;
COMMENT ON FUNCTION taskchat.presence_of(text, text) IS 'Internal: presence of a user as the viewer may see it';

CREATE FUNCTION taskchat.visible_presence(user_id text)
	RETURNS TABLE (is_online boolean, last_seen timestamptz, current_task_id text)
	LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p.* FROM taskchat.presence_of(visible_presence.user_id, taskchat.current_user_id()) AS p
	WHERE taskchat.shares_room_with(visible_presence.user_id)
$$;
COMMENT ON FUNCTION taskchat.visible_presence(text) IS 'Internal: presence of one user, where the identity may see it';

CREATE VIEW taskchat.user_presence WITH (security_barrier) AS
	SELECT u.user_id, p.is_online, p.last_seen, p.current_task_id
	FROM (SELECT DISTINCT m.user_id FROM taskchat.task_members m
		WHERE m.room_id = ANY ((SELECT taskchat.my_rooms())::bigint[])
		UNION SELECT taskchat.current_user_id() WHERE taskchat.current_user_id() IS NOT NULL) AS u,
		LATERAL taskchat.visible_presence(u.user_id) AS p;
COMMENT ON VIEW taskchat.user_presence IS 'Presence of the people who share a room with the identity';

CREATE FUNCTION taskchat.get_presence(user_ids text[]) RETURNS SETOF taskchat.user_presence
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM taskchat.require_identity();
	PERFORM taskchat.check_id('user_id', a.user_id) FROM unnest(user_ids) AS a (user_id) WHERE a.user_id <> '';
	RETURN QUERY SELECT u.user_id, p.is_online, p.last_seen, p.current_task_id
		FROM (SELECT DISTINCT a.user_id COLLATE "C" FROM unnest(user_ids) AS a (user_id)) AS u (user_id),
			LATERAL taskchat.presence_of(u.user_id, taskchat.current_user_id()) AS p
		WHERE taskchat.shares_room_with(u.user_id);
END
$$;
COMMENT ON FUNCTION taskchat.get_presence(text[]) IS 'Presence of people who share a room with the caller';

CREATE FUNCTION taskchat.has_last_seen(user_id text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'taskchat_has_last_seen' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.has_last_seen(text) IS 'Internal: whether there is such a row, or somebody is just writing the first one';

CREATE FUNCTION taskchat.went_offline(users text[]) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	gone text[] := ARRAY(SELECT DISTINCT u.user_id FROM unnest(users) AS u (user_id)
		WHERE NOT EXISTS (SELECT FROM taskchat.sessions s
			JOIN taskchat.leases h ON h.holder = s.holder AND h.expires_at > clock_timestamp() WHERE s.user_id = u.user_id)
		ORDER BY 1);
BEGIN
	/* Whoever holds a row writes the same of the same moment: no relay waits for them. */
	UPDATE taskchat.last_seen l SET last_seen = clock_timestamp()
		FROM (SELECT k.user_id FROM taskchat.last_seen k WHERE k.user_id = ANY (gone) ORDER BY k.user_id FOR NO KEY UPDATE SKIP LOCKED) AS free
		WHERE l.user_id = free.user_id;
	INSERT INTO taskchat.last_seen (user_id, last_seen) SELECT g.user_id, clock_timestamp() FROM unnest(gone) AS g (user_id)
		WHERE NOT taskchat.has_last_seen(g.user_id)
		ON CONFLICT (user_id) DO NOTHING;
	PERFORM taskchat.ring('p', u.user_id) FROM unnest(users) AS u (user_id);
END
$$;
COMMENT ON FUNCTION taskchat.went_offline(text[]) IS 'Internal: remembers when, and rings';

CREATE FUNCTION taskchat.set_presence(is_online boolean, current_task_id text DEFAULT NULL) RETURNS taskchat.user_presence
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me text := taskchat.require_identity();
	answer taskchat.user_presence;
BEGIN
	PERFORM taskchat.require_writable();
	PERFORM taskchat.refuse_null('is_online', set_presence.is_online IS NULL);
	IF set_presence.current_task_id IS NOT NULL THEN
		PERFORM taskchat.find_room(set_presence.current_task_id, NULL, false);
	END IF;
	/*
	 * A lease that another session is about to take has no row yet that one
	 * could lock: who may not wait is sent to where one may.
	 */
	IF NOT taskchat.waits() THEN
		PERFORM FROM taskchat.leases h WHERE h.holder = 'user:' || me FOR UPDATE NOWAIT;
		IF NOT FOUND AND set_presence.is_online THEN
			RAISE lock_not_available USING MESSAGE = 'somebody else may be setting this user''s presence', HINT = 'Try again.';
		END IF;
	END IF;
	IF set_presence.is_online THEN
		INSERT INTO taskchat.leases VALUES ('user:' || me, clock_timestamp() + interval '60 seconds')
			ON CONFLICT (holder) DO UPDATE SET expires_at = excluded.expires_at;
		INSERT INTO taskchat.sessions (holder, user_id, current_task_id) VALUES ('user:' || me, me, set_presence.current_task_id)
			ON CONFLICT (holder, user_id) DO UPDATE SET current_task_id = excluded.current_task_id;
		PERFORM taskchat.ring('p', me);
	ELSE
		DELETE FROM taskchat.leases WHERE holder = 'user:' || me;
		IF FOUND THEN
			PERFORM taskchat.went_offline(ARRAY[me]);
		END IF;
	END IF;
	SELECT me, p.is_online, p.last_seen, p.current_task_id INTO answer FROM taskchat.presence_of(me, me) p;
	RETURN answer;
END
$$;
COMMENT ON FUNCTION taskchat.set_presence(boolean, text) IS 'Takes or ends a lease of 60 s for the caller';

CREATE FUNCTION taskchat.set_typing(task_id text, is_typing boolean, applicant_id text DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	room bigint := taskchat.find_room(set_typing.task_id, set_typing.applicant_id, true);
BEGIN
	PERFORM taskchat.refuse_null('is_typing', is_typing IS NULL);
	IF (SELECT r.status FROM taskchat.task_rooms r WHERE r.room_id = room) = 'closed' THEN
		PERFORM taskchat.refuse_closed();
	END IF;
	PERFORM taskchat.ring('t', room || CASE WHEN is_typing THEN ' 1 ' ELSE ' 0 ' END || taskchat.current_user_id());
END
$$;
COMMENT ON FUNCTION taskchat.set_typing(text, boolean, text) IS 'Tells the room that the caller types or has stopped';

CREATE FUNCTION taskchat.end_sessions(user_id text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM taskchat.check_id('user_id', end_sessions.user_id);
	DELETE FROM taskchat.tickets t WHERE t.user_id = end_sessions.user_id;
	INSERT INTO taskchat.sign_outs AS s (user_id) VALUES (end_sessions.user_id)
		ON CONFLICT ON CONSTRAINT sign_outs_pkey DO UPDATE SET signed_out_at = excluded.signed_out_at, xid = excluded.xid;
	PERFORM taskchat.ring('x', end_sessions.user_id);
END
$$;
COMMENT ON FUNCTION taskchat.end_sessions(text) IS 'Closes every connection of a user, and spends the tickets that wait for one';
