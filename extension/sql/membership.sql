/*
 * membership: members come, change role and go; each is an event on the line.
 */
CREATE FUNCTION taskchat.insert_member(room_id bigint, user_id text, role text) RETURNS taskchat.task_members
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	member taskchat.task_members;
	at_seq bigint;
BEGIN
	at_seq := taskchat.append_event(insert_member.room_id, 'member_joined', insert_member.user_id,
		jsonb_build_object('user_id', insert_member.user_id, 'role', insert_member.role));
	INSERT INTO taskchat.task_members (room_id, user_id, task_id, applicant_id, role, joined_seq)
		SELECT r.room_id, insert_member.user_id, r.task_id, r.applicant_id, insert_member.role, at_seq
		FROM taskchat.task_rooms r WHERE r.room_id = insert_member.room_id
		RETURNING * INTO member;
	PERFORM taskchat.ring('m', insert_member.user_id);
	RETURN member;
END
$$;
COMMENT ON FUNCTION taskchat.insert_member(bigint, text, text) IS 'Internal: a new member row and its event';

/*
 * Who sends holds a member row and then takes the room's lock, so these come
 * first here too.  The new versions make a sender that waits for one look again.
 */
CREATE FUNCTION taskchat.hold_member(task_id text, user_id text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM FROM taskchat.task_members m
		WHERE m.task_id = hold_member.task_id AND m.user_id = hold_member.user_id
		ORDER BY m.room_id FOR NO KEY UPDATE;
	UPDATE taskchat.task_members m SET muted = m.muted
		WHERE m.task_id = hold_member.task_id AND m.user_id = hold_member.user_id;
END
$$;
COMMENT ON FUNCTION taskchat.hold_member(text, text) IS 'Internal: locks a user''s memberships of a task before they change';

CREATE FUNCTION taskchat.put_member(room_id bigint, user_id text, role text) RETURNS taskchat.task_members
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	member taskchat.task_members;
BEGIN
	PERFORM taskchat.lock_room(put_member.room_id);
	SELECT m.* INTO member FROM taskchat.task_members m
	WHERE m.room_id = put_member.room_id AND m.user_id = put_member.user_id;
	IF NOT FOUND THEN
		RETURN taskchat.insert_member(put_member.room_id, put_member.user_id, put_member.role);
	ELSIF member.role = put_member.role THEN
		RETURN member;
	ELSIF member.role = 'creator' THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = 'the creator''s role cannot be changed',
			HINT = 'A task keeps the creator that open_room() gave it.';
	END IF;
	PERFORM taskchat.append_event(put_member.room_id, 'member_role_changed', put_member.user_id,
		jsonb_build_object('user_id', put_member.user_id, 'role', put_member.role));
	UPDATE taskchat.task_members m SET role = put_member.role
	WHERE m.room_id = put_member.room_id AND m.user_id = put_member.user_id
	RETURNING m.* INTO member;
	RETURN member;
END
$$;
COMMENT ON FUNCTION taskchat.put_member(bigint, text, text) IS 'Internal: a member with that role';

CREATE FUNCTION taskchat.open_private_room(task_id text, applicant_id text) RETURNS taskchat.task_members
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	main_room bigint := taskchat.backend_room(open_private_room.task_id, NULL);
	private_room bigint;
	creator text;
	member taskchat.task_members;
BEGIN
	SELECT m.user_id INTO creator FROM taskchat.task_members m WHERE m.room_id = main_room AND m.role = 'creator';
	IF creator = open_private_room.applicant_id THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = 'the creator cannot apply for the own task',
			HINT = 'Private rooms are for the creator and somebody else.';
	END IF;
	INSERT INTO taskchat.task_rooms (task_id, applicant_id, status, closed_at)
		SELECT r.task_id, open_private_room.applicant_id, r.status, r.closed_at
		FROM taskchat.task_rooms r WHERE r.room_id = main_room
		ON CONFLICT ON CONSTRAINT task_rooms_task_id_applicant_id_key DO NOTHING
		RETURNING room_id INTO private_room;
	IF FOUND THEN
		IF creator IS NOT NULL THEN
			PERFORM taskchat.insert_member(private_room, creator, 'creator');
		END IF;
	ELSE
		private_room := taskchat.backend_room(open_private_room.task_id, open_private_room.applicant_id);
	END IF;
	SELECT m.* INTO member FROM taskchat.task_members m
	WHERE m.room_id = private_room AND m.user_id = open_private_room.applicant_id;
	IF NOT FOUND THEN
		member := taskchat.put_member(private_room, open_private_room.applicant_id, 'applicant');
		IF creator IS NOT NULL THEN
			PERFORM taskchat.notify_user(creator, 'application_received',
				jsonb_build_object('applicant_id', open_private_room.applicant_id), open_private_room.task_id);
		END IF;
	END IF;
	RETURN member;
END
$$;
COMMENT ON FUNCTION taskchat.open_private_room(text, text) IS 'Internal: an applicant''s private room';

CREATE FUNCTION taskchat.add_member(task_id text, user_id text, role text DEFAULT 'worker') RETURNS taskchat.task_members
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	member taskchat.task_members;
	was_worker boolean;
BEGIN
	PERFORM taskchat.check_id('user_id', add_member.user_id);
	PERFORM taskchat.refuse_null('role', add_member.role IS NULL);
	IF add_member.role NOT IN ('worker', 'applicant', 'observer') THEN
		RAISE invalid_parameter_value USING MESSAGE = 'role is unknown', HINT = 'It is worker, applicant or observer; the creator comes with open_room().';
	END IF;
	IF add_member.role = 'applicant' THEN
		/* It may open a room: the task cannot go meanwhile. */
		PERFORM taskchat.backend_room(add_member.task_id, NULL);
		PERFORM taskchat.require_task(add_member.task_id);
	END IF;
	PERFORM taskchat.hold_member(add_member.task_id, add_member.user_id);
	IF add_member.role = 'applicant' THEN
		RETURN taskchat.open_private_room(add_member.task_id, add_member.user_id);
	END IF;
	was_worker := EXISTS (SELECT FROM taskchat.task_members m
		WHERE m.task_id = add_member.task_id AND m.user_id = add_member.user_id AND m.role = 'worker');
	member := taskchat.put_member(taskchat.backend_room(add_member.task_id, NULL), add_member.user_id, add_member.role);
	IF member.role = 'worker' AND NOT was_worker AND EXISTS (SELECT FROM taskchat.task_members m
		WHERE m.task_id = add_member.task_id AND m.user_id = add_member.user_id AND m.role = 'applicant')
	THEN
		PERFORM taskchat.notify_user(add_member.user_id, 'application_accepted', '{}', add_member.task_id);
	END IF;
	RETURN member;
END
$$;
COMMENT ON FUNCTION taskchat.add_member(text, text, text) IS 'Adds a member or changes its role; an applicant gets a private room';

CREATE FUNCTION taskchat.drop_member(room_id bigint, user_id text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	left_role text;
BEGIN
	IF NOT taskchat.lock_room(drop_member.room_id) THEN
		RETURN false;
	END IF;
	DELETE FROM taskchat.task_members m
	WHERE m.room_id = drop_member.room_id AND m.user_id = drop_member.user_id
	RETURNING m.role INTO left_role;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	PERFORM taskchat.append_event(drop_member.room_id, 'member_left', drop_member.user_id,
		jsonb_build_object('user_id', drop_member.user_id, 'role', left_role));
	PERFORM taskchat.ring('m', drop_member.user_id);
	RETURN true;
END
$$;
COMMENT ON FUNCTION taskchat.drop_member(bigint, text) IS 'Internal: a member leaves a room';

CREATE FUNCTION taskchat.remove_member(task_id text, user_id text, applicant_id text DEFAULT NULL) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	membership record;
	removed boolean := false;
BEGIN
	PERFORM taskchat.check_id('user_id', remove_member.user_id);
	PERFORM taskchat.backend_room(remove_member.task_id, remove_member.applicant_id);
	PERFORM taskchat.hold_member(remove_member.task_id, remove_member.user_id);
	FOR membership IN
		SELECT m.room_id, m.role FROM taskchat.task_members m
		WHERE m.task_id = remove_member.task_id AND m.user_id = remove_member.user_id
			AND (remove_member.applicant_id IS NULL OR m.applicant_id = remove_member.applicant_id)
		ORDER BY m.room_id
	LOOP
		IF membership.role = 'creator' THEN
			RAISE object_not_in_prerequisite_state USING MESSAGE = 'the creator cannot be removed',
				HINT = 'close_room() ends a conversation for everybody.';
		END IF;
		removed := taskchat.drop_member(membership.room_id, remove_member.user_id) OR removed;
	END LOOP;
	RETURN removed;
END
$$;
COMMENT ON FUNCTION taskchat.remove_member(text, text, text) IS 'Removes a member from the task''s rooms (or one of them)';
