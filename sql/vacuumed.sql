-- Comes last by its name: VACUUM must find only what it has made itself.
-- A session remembers where rows of rooms and members were: that is only where
-- it looks first, and who may write where is asked of what stands there now.
CREATE EXTENSION taskchat;
SET client_min_messages = warning;
CREATE FUNCTION writes(who text, task text) RETURNS TABLE (applicant_id text, seq bigint) LANGUAGE sql AS $$
	SELECT taskchat.act_as(who);
	SELECT m.applicant_id, m.seq FROM taskchat.send_message(task, 'a word') AS m;
$$;
CREATE FUNCTION reads(who text, task text) RETURNS TABLE (room text, messages bigint) LANGUAGE sql AS $$
	SELECT taskchat.act_as(who);
	SELECT coalesce(min(m.applicant_id), 'main'), count(*) FROM taskchat.get_messages(task) AS m;
$$;
/* A VACUUM that finds as many rows as the one before changes no statistics, which would make the session forget. */
CREATE PROCEDURE replace_members(VARIADIC pairs text[]) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. cardinality(pairs) BY 2 LOOP
		PERFORM taskchat.remove_member('a', pairs[i]), taskchat.add_member('a', pairs[i + 1]);
	END LOOP;
END
$$;
/* So many members that the place, all of one page, is the next but so many to be taken. */
CREATE PROCEDURE fill_up_to(place tid, but int) LANGUAGE sql AS $$
	SELECT count(taskchat.add_member('a', place || 'm' || n)) FROM generate_series(2 + but,
		(place::text::point)[1]::int - (SELECT count(*) FROM taskchat.task_members WHERE ctid < place)) AS n
$$;
SELECT role FROM taskchat.open_room('a', 'ada'), taskchat.add_member('a', 'tim') AS m;
CALL replace_members('tim', 'ben');
VACUUM taskchat.task_members;
SELECT * FROM writes('ben', 'a');
-- Who is removed neither writes nor reads, also when somebody else has the place
SELECT ctid AS place FROM taskchat.task_members WHERE user_id = 'ben' \gset
CALL replace_members('ben', 'bob');
SELECT * FROM writes('ben', 'a');
VACUUM taskchat.task_members;
CALL fill_up_to(:'place', 0);
SELECT role FROM taskchat.add_member('a', 'cy');
SELECT user_id FROM taskchat.task_members WHERE ctid = :'place';
SELECT * FROM writes('ben', 'a');
SELECT * FROM reads('ben', 'a');
SELECT * FROM writes('cy', 'a');
-- The place is that of the same user in a private room now
SELECT role FROM taskchat.add_member('a', 'eve');
SELECT role FROM taskchat.add_member('a', 'tim');
CALL replace_members('tim', 'dan');
VACUUM taskchat.task_members;
SELECT * FROM writes('dan', 'a');
SELECT ctid AS place FROM taskchat.task_members WHERE user_id = 'dan' \gset
CALL replace_members('eve', 'fay', 'dan', 'gil');
VACUUM taskchat.task_members;
CALL fill_up_to(:'place', 1);
SELECT role FROM taskchat.add_member('a', 'dan', 'applicant');
SELECT user_id, applicant_id FROM taskchat.task_members WHERE ctid = :'place';
SELECT * FROM writes('dan', 'a');
SELECT role FROM taskchat.add_member('a', 'dan');
SELECT * FROM writes('dan', 'a');
SELECT * FROM reads('dan', 'a');
-- Or in another task
SELECT task_id FROM taskchat.open_room('b', 'ada');
SELECT count(taskchat.open_room('b' || n, 'ada')) FROM generate_series(1, 20) AS n;
SELECT role FROM taskchat.add_member('a', 'tim');
CALL replace_members('tim', 'una');
VACUUM taskchat.task_members;
SELECT * FROM reads('una', 'a');
SELECT ctid AS place FROM taskchat.task_members WHERE user_id = 'una' \gset
CALL replace_members('una', 'hal');
VACUUM taskchat.task_members;
SELECT count(taskchat.add_member('b' || n, 'una')) FROM generate_series(1, 20) AS n;
SELECT user_id, task_id <> 'a' AS elsewhere FROM taskchat.task_members WHERE ctid = :'place';
SELECT * FROM reads('una', 'a');
SELECT * FROM reads('una', 'b1');
-- Somebody who may only watch from now on
SELECT role FROM taskchat.add_member('a', 'ben');
SELECT * FROM writes('ben', 'a');
SELECT role FROM taskchat.add_member('a', 'ben', 'observer');
SELECT * FROM writes('ben', 'a');
-- A member of two tasks
SELECT task, (writes('ada', task)).seq FROM unnest('{a,b,b,a}'::text[]) AS task;
-- Rooms that are remembered at the same place
SELECT setval('taskchat.room_numbers', room_id + 4095) - room_id AS apart FROM taskchat.task_rooms WHERE task_id = 'b';
SELECT c.room_id - b.room_id AS apart FROM taskchat.open_room('c', 'ada') AS c, taskchat.task_rooms b WHERE b.task_id = 'b';
SELECT task, (writes('ada', task)).seq FROM unnest('{b,c,b,c,c}'::text[]) AS task;
-- Rows that move to another page
BEGIN;
SET LOCAL session_replication_role = replica;
DO $$ BEGIN
	FOR i IN 1 .. 200 LOOP
		UPDATE taskchat.task_rooms SET created_at = clock_timestamp();
		UPDATE taskchat.task_members SET joined_at = clock_timestamp();
	END LOOP;
END $$;
SET LOCAL session_replication_role = origin;
SELECT bool_and((ctid::text::point)[0] > 0) AS moved FROM taskchat.task_rooms;
SELECT task, (writes('ada', task)).seq FROM unnest('{a,b,c}'::text[]) AS task;
ROLLBACK;
SELECT task, (writes('ada', task)).seq FROM unnest('{a,b,c}'::text[]) AS task;
-- A table that has become shorter, and one that is made anew
BEGIN;
SET LOCAL session_replication_role = replica;
INSERT INTO taskchat.task_members (room_id, user_id, task_id, role, joined_seq)
	SELECT room_id, 'm' || n, 'b', 'worker', 0 FROM taskchat.task_rooms, generate_series(1, 500) AS n WHERE task_id = 'b';
COMMIT;
SELECT * FROM writes('m500', 'b');
BEGIN;
SET LOCAL session_replication_role = replica;
DELETE FROM taskchat.task_members WHERE user_id LIKE 'm%';
COMMIT;
VACUUM taskchat.task_members;
SELECT * FROM writes('m500', 'b');
VACUUM FULL taskchat.task_members, taskchat.task_rooms;
SELECT * FROM writes('ada', 'c');
SELECT r.task_id, r.applicant_id, r.last_seq = count(*) AS whole FROM taskchat.task_rooms r
	JOIN (SELECT room_id, seq FROM taskchat.task_messages UNION ALL SELECT room_id, seq FROM taskchat.task_events) AS line USING (room_id)
	GROUP BY r.room_id ORDER BY r.task_id, r.applicant_id NULLS FIRST;
DROP EXTENSION taskchat;
CREATE EXTENSION taskchat;
SELECT * FROM writes('ada', 'a');
