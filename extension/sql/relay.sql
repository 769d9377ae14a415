/*
 * relay: what the relay daemon calls.  This comment is the contract between
 * the two halves; both sides change together and raise the interface number.
 *
 * INTERFACE NUMBER 6
 *
 * Who: role taskchat_relay.  Every call is one statement outside BEGIN, so it
 * is one transaction.  A result counts only when the server has reported the
 * end of the transaction (ReadyForQuery): rows come before COMMIT.
 *
 *   relay_hello() → (interface int, version text, channel text, epoch text,
 *                    max_content_bytes int, seal text)
 *     First call on each connection, and again now and then on the one that
 *     LISTENs, as new_epoch() rings no bell.  channel: what to LISTEN to.
 *     epoch: of the database; when it differs from the one seen before, every
 *     room's epoch has changed.  seal: the key of what bells carry, 64 hexadecimal
 *     digits; NULL: they carry nothing.  From then on, and until it ends, the
 *     session is a listener: its client is told bells that go through shared
 *     memory (queue.c) as notifications on the channel, at once where it
 *     LISTENs, else with its next statement; and it is let onto the processor
 *     early (wake.c).
 *
 *   relay_run(users text[], frames text[], wait boolean, max_bytes int,
 *             max_events int, max_rooms int) →
 *            SETOF (command int, room_id bigint, seq bigint, role text,
 *                   sqlstate text, constraint_name text, message text,
 *                   data text)
 *     Runs up to 60 client frames (section "client frames" of PROTOCOL.md),
 *     frame i as user i, each in a subtransaction, in the order given.
 *     max_bytes: the longest data that a reply may have; max_events: of one
 *     room in a resume; max_rooms: joined by one join_task_rooms.
 *     command: 1-based index of the frame.  sqlstate NULL: it is done, and
 *     data is the text of the reply's "data" object, ready to be sent.
 *     Otherwise message says why and data is NULL; the wire code follows from
 *     sqlstate and constraint_name.  Frames served: all client frames that
 *     need the database, and the relay's own find_room and set_presence;
 *     another type is an error 0A000.
 *     join_task_room: room_id, seq (the snapshot's last_seq: live events go on
 *     from seq + 1) and role say what was joined.  join_task_rooms: one row
 *     per room, in the order asked, all with the same command; data is that
 *     room's object, also when its sqlstate is set (then without "error").
 *     A room that has no room in the reply: 54000, constraint reply_full.
 *     get_messages, get_events: room_id.  get_events: seq of the last event.
 *     find_room {"task_id", "applicant_id"?}: room_id and role of the caller
 *     in that room, data {"task_id", "applicant_id"} resolved.
 *     set_presence {"is_online", "current_task_id"?}: as the SQL function.
 *     55P03 with wait false: somebody holds the lock of the room, the member or
 *     the user's presence; nothing waited, and no later frame for that task
 *     in the same call was tried either.
 *     Send that frame again alone with wait true over a connection that has
 *     lock_timeout set.  40001, 40P01: send again alone.  Errors of classes
 *     53, 57, 58, XX end the whole call: nothing of it was stored.
 *     What is done is committed synchronously, whatever the session's setting.
 *
 *   relay_fetch(rooms bigint[], after bigint[], max_rows int) →
 *            SETOF (room_id bigint, seq bigint, kind text, user_id text,
 *                   role text, event text)
 *     What each room has after the given seq, room after room as asked, by
 *     seq, at most max_rows a room (as many as that: ask again).  event is the text of the
 *     frame to send.  kind is its "type".  user_id: the sender of a message,
 *     the member of a member_* event; role: that member's role.  A room that
 *     is gone gives one row with kind 'room_deleted', seq NULL.  A room whose
 *     line has been purged past the given seq gives one row of kind 'reset'.
 *
 *   relay_cursors(rooms bigint[]) → SETOF (room_id bigint, user_id text,
 *            role text, last_read_seq bigint, last_delivered_seq bigint)
 *     Members of rooms of up to 50 members, by room and user.
 *
 *   relay_state(rooms bigint[]) → SETOF (room_id bigint, members text,
 *            members_total bigint)
 *     The first 200 members of each room as at join, a JSON array, where
 *     current_task_id is told only when it is the room's own task;
 *     members_total NULL: these are all.
 *
 *   relay_presence(users text[]) → SETOF (user_id text, is_online boolean,
 *            last_seen text, current_task_id text)
 *     last_seen as on the wire (RFC 3339) or NULL.
 *
 *   relay_beat(relay_id text, lease interval) → boolean
 *     Extends this relay's lease (call every 5 s with 15 s), and ends the
 *     leases of relays that are gone.  False: there was no lease (first beat,
 *     or it had run out): register all users again.  Also tells what commits
 *     could not tell, as their rooms were busy.
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
 *   relay_attach(users text[]) → SETOF (user_id text, room_id bigint,
 *            seq bigint, ended bigint)
 *     What the relay must know of a user with a session.  For each user first
 *     a row with room_id NULL: seq is the last notification's, ended another
 *     number after each end_sessions(), 0 before the first.  Then a row a room that the user is a member of:
 *     seq is the room's last.
 *
 *   relay_activity(rooms bigint[], users text[], after bigint[]) →
 *            SETOF (room_id bigint, user_id text, task_id text,
 *                   applicant_id text, last_seq bigint, unread bigint,
 *                   others boolean)
 *     How much is unread in each room for that user, and whether somebody
 *     else's message has come after the given seq.  No row: no member.
 *
 *   relay_delivered(rooms bigint[], users text[], seqs bigint[],
 *                   ages int[] = '{}') →
 *            SETOF (room_id bigint, user_id text)
 *     Moves delivery cursors forward; who is no member is skipped.  A cursor
 *     may stand there several times, with the age of each ack in milliseconds,
 *     so that delivery_stats() takes no waiting of acks for latency.  Waits for
 *     nobody: the rows are the cursors that somebody else holds, which were
 *     not moved.  Send those again later.
 *
 *   relay_typing(rooms bigint[], users text[], typing boolean[]) → void
 *     Rings typing for other relays.
 *
 * The doorbell's payloads, as notifications whether they come by NOTIFY or
 * through shared memory: a letter and an id.
 *   r<room_id>             the room's line moved: relay_fetch
 *   e<room_id> <base64>    the same, and the event is in it, see below
 *   E<room_id> <text>      the same in clear.  It counts only where the
 *                          listening session's own process says so, which no
 *                          other can
 *   c<room_id>             cursors moved: relay_cursors
 *   p<user_id>             presence changed: relay_presence
 *   n<user_id>             a notification: relay_notifications
 *   t<room_id> <0|1> <user_id>   typing stopped or started
 *   m<user_id>             came into rooms or left some: relay_attach
 *   x<user_id>             end_sessions(): relay_attach
 *   h<text>                a relay's own heartbeat: ignored by all others
 *   o                      bells were lost: look at everything.  Counts as E does
 * A payload may be lost, doubled, late or forged, and does no harm: it only
 * makes the relay look.
 *
 * What e carries is a message_received, the only event of its transaction.
 * The base64 (RFC 4648 section 4) holds a nonce of 12 bytes, the ciphertext and
 * a tag of 16: AES-256-GCM with the seal as key and "e<room_id>" as additional
 * data.  In it, and after E: the seq in decimal, a newline, the sender's id or nothing, a
 * newline, the event as relay_fetch gives it.  The id may have newlines in it,
 * the event has none: it begins after the last.  It counts only where it is the
 * next of the room's line; otherwise, and where it cannot be opened, the bell is
 * one like r.
 */

CREATE FUNCTION taskchat.become_listener() RETURNS void
	AS 'MODULE_PATHNAME', 'taskchat_become_listener' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.become_listener() IS 'Internal: the session hears the doorbell in shared memory, and comes onto the processor sooner';

CREATE FUNCTION taskchat.relay_hello(OUT interface int, OUT version text, OUT channel text, OUT epoch text, OUT max_content_bytes int,
		OUT seal text)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM taskchat.current_user_id();	-- loads the library, which knows the settings
	interface := 6;
	SELECT x.extversion INTO version FROM pg_extension x WHERE x.extname = 'taskchat';
	SELECT c.channel, encode(c.seal, 'hex') INTO channel, seal FROM taskchat.doorbell_channel c;
	epoch := taskchat.room_epoch(0);
	max_content_bytes := current_setting('taskchat.max_content_bytes')::int;
	PERFORM taskchat.become_listener();
END
$$;
COMMENT ON FUNCTION taskchat.relay_hello() IS 'Relay: what it must know at connect';

CREATE FUNCTION taskchat.relay_run(users text[], frames text[], wait boolean, max_bytes int, max_events int, max_rooms int)
	RETURNS TABLE (command int, room_id bigint, seq bigint, role text, sqlstate text, constraint_name text, message text, data text)
	AS 'MODULE_PATHNAME', 'taskchat_relay_run' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.relay_run(text[], text[], boolean, int, int, int) IS 'Relay: runs client frames, each as its user';

CREATE FUNCTION taskchat.relay_fetch(rooms bigint[], after bigint[], max_rows int)
	RETURNS TABLE (room_id bigint, seq bigint, kind text, user_id text, role text, event text)
	AS 'MODULE_PATHNAME', 'taskchat_relay_fetch' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
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

CREATE FUNCTION taskchat.relay_state(rooms bigint[]) RETURNS TABLE (room_id bigint, members text, members_total bigint)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT w.room_id, '[' || string_agg(taskchat.wire_object(ARRAY['user_id', to_json(m.user_id)::text, 'role', to_json(m.role)::text,
			'last_read_seq', m.last_read_seq::text, 'last_delivered_seq', m.last_delivered_seq::text,
			'is_online', to_json(p.is_online)::text, 'last_seen', to_json(taskchat.json_time(p.last_seen))::text,
			'current_task_id', CASE WHEN p.current_task_id = m.task_id THEN to_json(m.task_id)::text END]), ',' ORDER BY m.joined_seq, m.user_id) || ']',
		(SELECT c.total FROM (SELECT count(*) AS total FROM taskchat.task_members a WHERE a.room_id = w.room_id) c WHERE c.total > 200)
	FROM unnest(rooms) AS w (room_id),
		LATERAL (SELECT t.* FROM taskchat.task_members t WHERE t.room_id = w.room_id ORDER BY t.joined_seq, t.user_id LIMIT 200) m,
		LATERAL taskchat.presence_of(m.user_id, m.user_id) AS p
	GROUP BY w.room_id;
END
$$;
COMMENT ON FUNCTION taskchat.relay_state(bigint[]) IS 'Relay: members of rooms as at join';

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
	PERFORM taskchat.deliver_pending();
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
	SELECT u.user_id, n.seq, '{"type":"notification",' || substr(taskchat.wire_notification(n), 2)
	FROM unnest(users, after) AS u (user_id, after_seq),
	LATERAL (SELECT n.* FROM taskchat.notifications n WHERE n.user_id = u.user_id AND n.seq > u.after_seq ORDER BY n.seq LIMIT 100) n
	ORDER BY u.user_id, n.seq;
END
$$;
COMMENT ON FUNCTION taskchat.relay_notifications(text[], bigint[]) IS 'Relay: notifications after a seq';

CREATE FUNCTION taskchat.relay_attach(users text[]) RETURNS TABLE (user_id text, room_id bigint, seq bigint, ended bigint)
	AS 'MODULE_PATHNAME', 'taskchat_relay_attach' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION taskchat.relay_attach(text[]) IS 'Relay: rooms and positions of connected users';

CREATE FUNCTION taskchat.relay_activity(rooms bigint[], users text[], after bigint[])
	RETURNS TABLE (room_id bigint, user_id text, task_id text, applicant_id text, last_seq bigint, unread bigint, others boolean)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT m.room_id, m.user_id::text, m.task_id::text, m.applicant_id::text, r.last_seq,
		taskchat.unread(m.room_id, m.user_id, m.last_read_seq),
		coalesce((SELECT true FROM taskchat.task_messages t
			WHERE t.room_id = m.room_id AND t.seq > w.after_seq AND t.sender_id IS DISTINCT FROM m.user_id ORDER BY t.seq DESC LIMIT 1), false)
	FROM unnest(rooms, users, after) AS w (room_id, user_id, after_seq)
	JOIN taskchat.task_members m ON m.room_id = w.room_id AND m.user_id = w.user_id
	JOIN taskchat.task_rooms r ON r.room_id = w.room_id;
END
$$;
COMMENT ON FUNCTION taskchat.relay_activity(bigint[], text[], bigint[]) IS 'Relay: what is unread in rooms that are not joined';

CREATE FUNCTION taskchat.relay_delivered(rooms bigint[], users text[], seqs bigint[], ages int[] DEFAULT '{}')
	RETURNS TABLE (room_id bigint, user_id text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	moved record;
BEGIN
	WITH wanted AS MATERIALIZED (
		SELECT m.room_id, m.user_id, least(max(d.seq), r.last_seq) AS seq
		FROM unnest(rooms, users, seqs) AS d (room_id, user_id, seq)
		JOIN taskchat.task_members m ON m.room_id = d.room_id AND m.user_id = d.user_id
		JOIN taskchat.task_rooms r ON r.room_id = d.room_id
		GROUP BY m.room_id, m.user_id, m.last_delivered_seq, r.last_seq
		HAVING m.last_delivered_seq < least(max(d.seq), r.last_seq)
	), held AS MATERIALIZED (
		SELECT m.room_id, m.user_id, m.last_delivered_seq AS old_seq, w.seq
		FROM taskchat.task_members m JOIN wanted w USING (room_id, user_id)
		WHERE m.last_delivered_seq < w.seq
		ORDER BY m.room_id, m.user_id FOR NO KEY UPDATE OF m SKIP LOCKED
	), updated AS (
		UPDATE taskchat.task_members m SET last_delivered_seq = h.seq FROM held h
		WHERE m.room_id = h.room_id AND m.user_id = h.user_id AND m.last_delivered_seq < h.seq
		RETURNING m.room_id, m.user_id, h.old_seq, h.seq
	), steps AS (
		SELECT u.room_id, u.user_id, least(d.seq, u.seq) AS seq, d.age,
			greatest(lag(d.seq) OVER (PARTITION BY d.room_id, d.user_id ORDER BY d.seq, d.age DESC), u.old_seq) AS old_seq
		FROM unnest(rooms, users, seqs, ages) AS d (room_id, user_id, seq, age) JOIN updated u USING (room_id, user_id)
	), skipped AS (
		SELECT w.room_id, w.user_id FROM wanted w LEFT JOIN updated u USING (room_id, user_id) WHERE u.seq IS NULL
	)
	SELECT array_agg(s.room_id) AS rooms, array_agg(s.user_id) AS users, array_agg(s.old_seq) AS old_seqs, array_agg(s.seq) AS seqs,
		array_agg(s.age) AS ages, (SELECT array_agg(k.room_id) FROM skipped k) AS skipped_rooms,
		(SELECT array_agg(k.user_id) FROM skipped k) AS skipped_users
		INTO moved FROM steps s WHERE s.old_seq < s.seq;
	PERFORM taskchat.note_deliveries(moved.rooms, moved.users, moved.old_seqs, moved.seqs, moved.ages);
	PERFORM taskchat.ring('c', r.room_id::text) FROM (SELECT DISTINCT unnest(moved.rooms)) AS r (room_id);
	RETURN QUERY SELECT s.room_id, s.user_id FROM unnest(moved.skipped_rooms, moved.skipped_users) AS s (room_id, user_id)
		ORDER BY s.room_id, s.user_id;
END
$$;
COMMENT ON FUNCTION taskchat.relay_delivered(bigint[], text[], bigint[], int[]) IS 'Relay: moves delivery cursors forward';

CREATE FUNCTION taskchat.relay_typing(rooms bigint[], users text[], typing boolean[]) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM taskchat.ring('t', t.room_id || CASE WHEN t.typing THEN ' 1 ' ELSE ' 0 ' END || t.user_id)
	FROM unnest(rooms, users, typing) AS t (room_id, user_id, typing);
END
$$;
COMMENT ON FUNCTION taskchat.relay_typing(bigint[], text[], boolean[]) IS 'Relay: typing for the other relays';
