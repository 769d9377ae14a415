-- One authority: what the relay is told of rooms (read past the policies, by
-- index scans) is what the policies give, for everybody and every address.
SET client_min_messages = error;
CREATE SCHEMA au;
GRANT USAGE ON SCHEMA au TO taskchat_user;
CREATE TABLE au.tasks (id text PRIMARY KEY, creator_id text NOT NULL, status text);
SELECT taskchat.bind_tasks('au.tasks');
-- Ids that look like one another
CREATE TABLE au.users AS SELECT n, id FROM unnest(ARRAY['au', 'Au', 'AU', 'au ', ' au', 'a%', 'a_', 'au"', 'au\', 'äu', 'aü', 'au-', 'aU', repeat('au', 64)]) WITH ORDINALITY AS u (id, n);
-- A number below "most", the same in every run
CREATE FUNCTION au.pick(step int, what text, most int) RETURNS int LANGUAGE sql IMMUTABLE AS
	$$ SELECT ((('x' || substr(md5(step || what), 1, 7))::bit(28)::int) % most) $$;
CREATE FUNCTION au.someone(step int, what text) RETURNS text LANGUAGE sql STABLE AS
	$$ SELECT id FROM au.users WHERE n = 1 + au.pick(step, what, 12) $$;

-- What one step does; it may well be refused.
CREATE PROCEDURE au.deed(step int) LANGUAGE plpgsql AS $$
DECLARE
	task text := 'au-' || au.pick(step, 'task', 8);
	who text := au.someone(step, 'who');
	applicant text := CASE au.pick(step, 'where', 3) WHEN 0 THEN NULL WHEN 1 THEN who ELSE (SELECT r.applicant_id FROM taskchat.task_rooms r
		WHERE r.task_id = task AND r.applicant_id IS NOT NULL ORDER BY md5(step || r.applicant_id) LIMIT 1) END;
	said uuid;
BEGIN
	/* Most writers are members. */
	IF au.pick(step, 'deed', 24) IN (12, 13, 17, 18, 19, 20, 21, 22, 23) AND au.pick(step, 'stranger', 5) > 0 THEN
		SELECT m.user_id, m.applicant_id INTO who, applicant FROM taskchat.task_members m
			WHERE m.task_id = task ORDER BY md5(step || m.user_id || coalesce(m.applicant_id, '')) LIMIT 1;
		IF NOT FOUND THEN
			RETURN;
		END IF;
	END IF;
	PERFORM taskchat.act_as(who);
	CASE au.pick(step, 'deed', 24)
		WHEN 0, 1 THEN PERFORM taskchat.add_member(task, who, 'worker');
		WHEN 2 THEN PERFORM taskchat.add_member(task, who, 'observer');
		WHEN 3, 4 THEN PERFORM taskchat.add_member(task, who, 'applicant');
		WHEN 5, 6 THEN PERFORM taskchat.remove_member(task, who, applicant);
		WHEN 7 THEN PERFORM taskchat.close_room(task, applicant);
		WHEN 8, 16 THEN PERFORM taskchat.reopen_room(task, applicant);
		WHEN 9 THEN PERFORM taskchat.mark_read(task, au.pick(step, 'seq', 20), applicant);
		WHEN 10 THEN PERFORM taskchat.set_presence(au.pick(step, 'online', 3) > 0, CASE WHEN au.pick(step, 'looks', 3) > 0 THEN task END);
		WHEN 11 THEN PERFORM taskchat.relay_delivered(array_agg(m.room_id), array_agg(m.user_id), array_agg(au.pick(step, 'seq', 20)::bigint))
			FROM taskchat.task_members m WHERE m.user_id = who AND m.task_id = task;
		WHEN 12 THEN
			SELECT m.id INTO said FROM taskchat.task_messages m WHERE m.sender_id = who AND m.task_id = task ORDER BY md5(step || m.content) LIMIT 1;
			PERFORM taskchat.edit_message(said, 'edited ' || step);
		WHEN 13 THEN
			SELECT m.id INTO said FROM taskchat.task_messages m WHERE m.sender_id = who AND m.task_id = task ORDER BY md5(step || m.content) LIMIT 1;
			PERFORM taskchat.delete_message(said);
		WHEN 14 THEN UPDATE au.tasks SET creator_id = who, status = 'step ' || step WHERE id = task;
		WHEN 15 THEN
			IF au.pick(step, 'gone', 5) = 0 THEN
				DELETE FROM au.tasks WHERE id = task;
			ELSE
				INSERT INTO au.tasks VALUES (task, who, 'new') ON CONFLICT (id) DO NOTHING;
			END IF;
		ELSE PERFORM taskchat.send_message(task, 'said ' || step, applicant_id => applicant);
	END CASE;
EXCEPTION WHEN OTHERS THEN
	IF SQLSTATE NOT IN ('42501', '22023', '23502', '55000', 'P0002') THEN
		RAISE;
	END IF;
END $$;
INSERT INTO au.tasks SELECT 'au-' || n, id, 'new' FROM au.users WHERE n <= 8;
DO $$
BEGIN
	FOR step IN 1 .. 1200 LOOP
		CALL au.deed(step);
		COMMIT;
	END LOOP;
	DELETE FROM au.tasks WHERE id = 'au-7';
	COMMIT;
	FOR n IN 1 .. 120 LOOP
		PERFORM taskchat.send_system_message(r.task_id, 'system ' || n, applicant_id => r.applicant_id)
			FROM taskchat.task_rooms r WHERE r.task_id = 'au-0' ORDER BY r.room_id;
		COMMIT;
	END LOOP;
END $$;
-- Some look at tasks on two devices, or at one that they are not in; a relay is gone.
SELECT taskchat.relay_online('au-relay', array_agg(id), array_agg('au-' || n), array_agg(true)) FROM au.users WHERE n <= 5;
SELECT taskchat.relay_online('au-gone', array_agg(id), array_agg('au-' || n), array_agg(true)) FROM au.users WHERE n BETWEEN 5 AND 8;
UPDATE taskchat.leases SET expires_at = clock_timestamp() + CASE holder WHEN 'au-gone' THEN interval '-1 hour' ELSE '1 day' END WHERE holder ~ '^(au-|user:)';
-- Of every kind of person and room there are some
SELECT count(*) > 5 AS rooms, count(*) FILTER (WHERE applicant_id IS NOT NULL) > 3 AS private, count(*) FILTER (WHERE status = 'closed') > 1 AS closed, max(last_seq) > 100 AS long
	FROM taskchat.task_rooms WHERE task_id ~ '^au-';
SELECT count(DISTINCT role) AS roles, count(*) > 30 AS members, count(DISTINCT user_id) > 9 AS people, bool_or(last_delivered_seq > last_read_seq) AS cursors FROM taskchat.task_members WHERE task_id ~ '^au-';
SELECT kind, count(*) > 1 AS several FROM taskchat.task_events WHERE task_id ~ '^au-' GROUP BY kind ORDER BY kind;
SELECT count(*) > 0 AS gone FROM (SELECT payload ->> 'user_id', room_id FROM taskchat.task_events WHERE task_id ~ '^au-' AND kind = 'member_left'
	EXCEPT SELECT user_id, room_id FROM taskchat.task_members) g;
SELECT count(*) > 0 AS back FROM taskchat.task_events e JOIN taskchat.task_members m ON m.room_id = e.room_id AND m.user_id = e.payload ->> 'user_id'
	WHERE e.task_id ~ '^au-' AND e.kind = 'member_left';

-- Who is online, by the tables that users don't see
CREATE VIEW au.presence AS SELECT u.id AS user_id, count(*) FILTER (WHERE h.expires_at > clock_timestamp()) > 0 AS is_online,
		(array_agg(s.current_task_id ORDER BY s.since DESC) FILTER (WHERE h.expires_at > clock_timestamp() AND s.current_task_id IS NOT NULL))[1] AS task,
		greatest(max(h.expires_at), max(l.last_seen)) AS last_seen
	FROM au.users u LEFT JOIN taskchat.sessions s ON s.user_id = u.id LEFT JOIN taskchat.leases h USING (holder) LEFT JOIN taskchat.last_seen l ON l.user_id = u.id
	GROUP BY u.id;
GRANT SELECT ON au.presence TO taskchat_user;
-- What the policies show: a room's snapshot, by plain SELECTs of this user. NULL: there is no such room to see.
CREATE FUNCTION au.line(room bigint, after bigint, up_to bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT coalesce(jsonb_agg(l.event::jsonb ORDER BY l.seq), '[]') FROM (
		SELECT m.seq, taskchat.message_event(m) AS event FROM taskchat.task_messages m WHERE m.room_id = room
		UNION ALL
		SELECT e.seq, taskchat.room_event(e, m) FROM taskchat.task_events e
			LEFT JOIN taskchat.task_messages m ON e.kind IN ('message_edited', 'message_deleted') AND m.id = (e.payload ->> 'id')::uuid
			WHERE e.room_id = room) l
	WHERE l.seq > after AND l.seq <= up_to
$$;
CREATE FUNCTION au.seen(who text, task text, applicant text, after bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	room taskchat.task_rooms;
	resumes boolean;
	low bigint;
	answer jsonb;
BEGIN
	IF who IS NOT NULL THEN
		PERFORM taskchat.act_as(who);
	END IF;
	SET LOCAL ROLE taskchat_user;
	SELECT r.* INTO room FROM taskchat.task_rooms r WHERE r.task_id = task
		AND CASE WHEN applicant IS NULL THEN r.applicant_id IS NULL OR r.applicant_id = who ELSE r.applicant_id = applicant END
		ORDER BY r.applicant_id NULLS FIRST LIMIT 1;
	IF FOUND THEN
		resumes := coalesce(after BETWEEN room.first_seq - 1 AND room.last_seq, false);
		low := CASE WHEN resumes THEN after ELSE greatest(room.last_seq - 50, room.first_seq - 1) END;
		answer := jsonb_build_object('task_id', room.task_id, 'applicant_id', room.applicant_id, 'first_seq', room.first_seq, 'last_seq', room.last_seq,
			'epoch', taskchat.room_epoch(room.room_id), 'status', room.status, 'complete', true, 'reset', NOT resumes AND after IS NOT NULL,
			'role', (SELECT m.role FROM taskchat.task_members m WHERE m.room_id = room.room_id AND m.user_id = who),
			'members', (SELECT jsonb_agg(jsonb_build_object('user_id', m.user_id, 'role', m.role, 'last_read_seq', m.last_read_seq,
					'last_delivered_seq', m.last_delivered_seq, 'is_online', p.is_online,
					'current_task_id', CASE WHEN EXISTS (SELECT FROM taskchat.task_rooms t WHERE t.task_id = p.task) THEN p.task END,
					'last_seen', CASE WHEN p.is_online THEN 'now' ELSE taskchat.json_time(p.last_seen) END) ORDER BY m.joined_seq, m.user_id)
				FROM taskchat.task_members m JOIN au.presence p USING (user_id) WHERE m.room_id = room.room_id),
			'events', au.line(room.room_id, low, room.last_seq));
	END IF;
	RESET ROLE;
	PERFORM taskchat.act_as(NULL);
	RETURN answer;
END $$;
-- What the relay is told
CREATE FUNCTION au.plain(data text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_set(d, '{members}', (SELECT jsonb_agg(CASE WHEN (m ->> 'is_online')::boolean THEN m || '{"last_seen":"now"}' ELSE m END ORDER BY n)
		FROM jsonb_array_elements(d -> 'members') WITH ORDINALITY AS a (m, n))) FROM (SELECT data::jsonb) AS x (d)
$$;
CREATE FUNCTION au.told(who text, task text, applicant text, after bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	frame jsonb := jsonb_strip_nulls(jsonb_build_object('task_id', task, 'applicant_id', applicant, 'after_seq', after));
	one record;
	many record;
	found record;
BEGIN
	SELECT * INTO one FROM taskchat.relay_run(ARRAY[who], ARRAY[(frame || '{"type":"join_task_room"}')::text], false, 10000000, 500, 200);
	SELECT * INTO many FROM taskchat.relay_run(ARRAY[who], ARRAY[jsonb_build_object('type', 'join_task_rooms', 'rooms', jsonb_build_array(frame))::text], false, 10000000, 500, 200);
	SELECT * INTO found FROM taskchat.relay_run(ARRAY[who], ARRAY[(frame || '{"type":"find_room"}')::text], false, 10000000, 500, 200);
	IF ROW(one.sqlstate, one.room_id, one.role) IS DISTINCT FROM ROW(many.sqlstate, many.room_id, many.role)
		OR ROW(one.sqlstate, one.room_id, one.role) IS DISTINCT FROM ROW(found.sqlstate, found.room_id, found.role)
		OR (one.sqlstate IS NULL AND au.plain(one.data) <> au.plain(many.data)) THEN
		RETURN '"the frames tell different things"';
	END IF;
	IF one.sqlstate = '42501' THEN
		RETURN NULL;
	END IF;
	RETURN CASE WHEN one.sqlstate IS NULL THEN au.plain(one.data) ELSE to_jsonb(one.sqlstate) END;
END $$;
CREATE TABLE au.addresses AS SELECT u.id AS who, t.task, a.id AS applicant
	FROM au.users u, (SELECT 'au-' || n AS task FROM generate_series(0, 8) AS n) t, (SELECT id FROM au.users WHERE n <= 13 UNION ALL SELECT NULL) a;
-- Snapshots: no row is a difference
CREATE TABLE au.joins AS SELECT a.*, after, au.seen(who, task, applicant, after) AS seen, au.told(who, task, applicant, after) AS told
	FROM au.addresses a, (VALUES (NULL::bigint), (7)) AS b (after) WHERE after IS NULL OR applicant IS NULL OR applicant = who;
SELECT who, task, applicant, after, seen, told FROM au.joins WHERE seen IS DISTINCT FROM told ORDER BY 1, 2, 3, 4 LIMIT 3;
SELECT count(*) FILTER (WHERE told IS NOT NULL) > 60 AS joined, count(*) FILTER (WHERE told IS NULL) > 500 AS refused,
	bool_or(told @> '{"members":[{"is_online":true}]}') AS online, bool_or(told @> '{"members":[{"is_online":true,"current_task_id":"au-1"}]}') AS looking, count(*) FILTER (WHERE jsonb_array_length(told -> 'events') = 50) > 3 AS cut FROM au.joins;
-- Rooms, lines and cursors of who is connected
CREATE FUNCTION au.rooms_seen(who text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	answer jsonb;
BEGIN
	PERFORM taskchat.act_as(who);
	SET LOCAL ROLE taskchat_user;
	SELECT jsonb_object_agg(r.room_id, jsonb_build_object('last_seq', r.last_seq, 'line', au.line(r.room_id, 0, r.last_seq),
		'cursors', (SELECT jsonb_agg(jsonb_build_array(m.user_id, m.role, m.last_read_seq, m.last_delivered_seq) ORDER BY m.user_id) FROM taskchat.task_members m WHERE m.room_id = r.room_id)))
		INTO answer FROM taskchat.task_rooms r;
	RESET ROLE;
	PERFORM taskchat.act_as(NULL);
	RETURN answer;
END $$;
CREATE FUNCTION au.rooms_told(who text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_object_agg(t.room_id, jsonb_build_object('last_seq', t.seq,
		'line', (SELECT jsonb_agg(f.event::jsonb ORDER BY f.seq) FROM taskchat.relay_fetch(ARRAY[t.room_id], ARRAY[0::bigint], 10000) f),
		'cursors', (SELECT jsonb_agg(jsonb_build_array(c.user_id, c.role, c.last_read_seq, c.last_delivered_seq) ORDER BY c.user_id COLLATE "C") FROM taskchat.relay_cursors(ARRAY[t.room_id]) c)))
	FROM taskchat.relay_attach(ARRAY[who]) t WHERE t.room_id IS NOT NULL
$$;
CREATE TABLE au.connected AS SELECT id AS who, au.rooms_seen(id) AS seen, au.rooms_told(id) AS told FROM au.users;
SELECT who, seen, told FROM au.connected WHERE seen IS DISTINCT FROM told ORDER BY 1 LIMIT 3;
SELECT count(*) FILTER (WHERE told IS NULL) > 0 AS strangers, count(*) FILTER (WHERE told IS NOT NULL) > 9 AS others FROM au.connected;
-- Nobody is somebody
SELECT sqlstate, count(*) FROM unnest(ARRAY['', NULL, repeat('x', 300)]) AS who, LATERAL taskchat.relay_run(ARRAY[who], ARRAY['{"type":"join_task_room","task_id":"au-0"}'], false, 100000, 500, 200) GROUP BY sqlstate;
SELECT au.seen(NULL, 'au-0', NULL, NULL) IS NULL AS nothing;
DELETE FROM au.tasks;
SELECT count(*) AS rooms FROM taskchat.task_rooms WHERE task_id ~ '^au-';
DELETE FROM taskchat.leases h USING taskchat.sessions s, au.users u WHERE s.holder = h.holder AND s.user_id = u.id;
SELECT taskchat.unbind_tasks('au.tasks');
DROP SCHEMA au CASCADE;
