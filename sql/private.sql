-- Private conversations: one room for each applicant, with the creator.
\getenv srcdir PG_ABS_SRCDIR
\set attempt :srcdir '/sql/include/attempt.sql'
SET client_min_messages = warning;
SET ROLE taskchat_backend;
\i :attempt
SELECT task_id FROM taskchat.open_room('priv-1', 'cora');
SELECT applicant_id, role FROM taskchat.add_member('priv-1', 'abe', 'applicant');
SELECT applicant_id, role FROM taskchat.add_member('priv-1', 'bea', 'applicant');
SELECT applicant_id, role, joined_seq FROM taskchat.add_member('priv-1', 'abe', 'applicant');
SELECT applicant_id, role FROM taskchat.add_member('priv-1', 'wim');
-- The short address means an applicant's own private room, in every function; rows carry the resolved one.
SELECT pg_temp.attempt('abe', 'SELECT (m.applicant_id, m.seq) FROM taskchat.send_message(''priv-1'', ''hello'', client_msg_id => ''k1'') m');
SELECT pg_temp.attempt('abe', 'SELECT (m.applicant_id, m.content) FROM taskchat.get_messages(''priv-1'') m');
SELECT pg_temp.attempt('abe', 'SELECT event ->> ''applicant_id'' FROM taskchat.get_events(''priv-1'') LIMIT 1');
SELECT pg_temp.attempt('abe', 'SELECT count(*) FROM taskchat.search_messages(''hello'', ''priv-1'')');
SELECT pg_temp.attempt('abe', 'SELECT taskchat.mark_read(''priv-1'', 3)');
SELECT pg_temp.attempt('abe', 'SELECT taskchat.set_typing(''priv-1'', true)');
SELECT pg_temp.attempt('abe', 'SELECT taskchat.set_muted(''priv-1'', true)');
SELECT pg_temp.attempt('abe', 'SELECT current_task_id FROM taskchat.set_presence(true, ''priv-1'')');
SELECT pg_temp.attempt('abe', 'SELECT (r.task_id, r.applicant_id, r.role, r.muted) FROM taskchat.get_rooms() r');
SELECT pg_temp.attempt('abe', 'INSERT INTO taskchat.task_messages (task_id, content) VALUES (''priv-1'', ''as a row'') RETURNING (applicant_id, seq)');
-- The long address works too; somebody else's is as good as none.
SELECT pg_temp.attempt('abe', 'SELECT seq FROM taskchat.send_message(''priv-1'', ''long'', applicant_id => ''abe'')');
SELECT who, pg_temp.attempt(who, 'SELECT taskchat.send_message(''priv-1'', ''x'', applicant_id => ''bea'')') FROM unnest(ARRAY['abe', 'wim', 'eve']) AS who;
SELECT who, pg_temp.attempt(who, 'SELECT count(*) FROM taskchat.get_messages(''priv-1'', applicant_id => ''nobody'')') FROM unnest(ARRAY['abe', 'cora']) AS who;
-- The creator means the main room by the short address, and is in all of them.
SELECT pg_temp.attempt('cora', 'SELECT (m.applicant_id, m.seq) FROM taskchat.send_message(''priv-1'', ''to wim'') m');
SELECT pg_temp.attempt('cora', 'SELECT (m.applicant_id, m.seq) FROM taskchat.send_message(''priv-1'', ''to bea'', applicant_id => ''bea'') m');
SELECT who, pg_temp.attempt(who, 'SELECT string_agg(coalesce(applicant_id, ''main''), '' '' ORDER BY applicant_id NULLS FIRST) FROM taskchat.task_rooms WHERE task_id = ''priv-1''')
FROM unnest(ARRAY['cora', 'wim', 'abe', 'bea', 'eve']) AS who;
-- Made worker, the applicant joins the main room, keeps the private one, and is told; the short address is the main room then.
SELECT applicant_id, role FROM taskchat.add_member('priv-1', 'abe', 'worker');
SELECT pg_temp.attempt('abe', 'SELECT (m.applicant_id, m.seq) FROM taskchat.send_message(''priv-1'', ''in the main room'') m');
SELECT pg_temp.attempt('abe', 'SELECT (m.applicant_id, m.seq) FROM taskchat.send_message(''priv-1'', ''still private'', applicant_id => ''abe'') m');
SELECT pg_temp.attempt('abe', 'SELECT string_agg(kind, '' '') FROM taskchat.get_notifications()');
SELECT pg_temp.attempt('cora', 'SELECT string_agg(kind || '' '' || (payload ->> ''applicant_id''), '', '' ORDER BY seq) FROM taskchat.get_notifications()');
-- The same client_msg_id of one sender is one message in the whole task.
SELECT pg_temp.attempt('abe', 'SELECT (m.applicant_id, m.seq, m.content) FROM taskchat.send_message(''priv-1'', ''other'', client_msg_id => ''k1'') m');
SELECT pg_temp.attempt('abe', 'INSERT INTO taskchat.task_messages (task_id, content, client_msg_id) VALUES (''priv-1'', ''x'', ''k1'')');
-- What back ends do reaches all rooms of the task, or the one named.
SELECT taskchat.close_room('priv-1', 'bea');
SELECT who, pg_temp.attempt(who, 'SELECT string_agg(coalesce(applicant_id, ''main'') || '' '' || status, '', '' ORDER BY applicant_id NULLS FIRST) FROM taskchat.get_rooms()')
FROM unnest(ARRAY['cora', 'bea']) AS who;
SELECT taskchat.close_room('priv-1');
SELECT taskchat.publish_task_update('priv-1', '{"all": 1}');
SELECT taskchat.publish_task_update('priv-1', '{"abe": 1}', 'abe');
SELECT (taskchat.send_system_message('priv-1', 'for bea', applicant_id => 'bea')).applicant_id;
-- A room that an applicant gets while the task is closed is closed.
SELECT applicant_id FROM taskchat.add_member('priv-1', 'late', 'applicant');
BEGIN;
SELECT taskchat.act_as('cora');
SELECT coalesce(r.applicant_id, 'main'), r.status, string_agg(e.kind || coalesce(' ' || nullif(e.payload, '{}')::text, ''), ', ' ORDER BY e.seq) FILTER (WHERE e.kind !~ 'member')
FROM taskchat.task_rooms r JOIN taskchat.task_events e USING (room_id) WHERE r.task_id = 'priv-1' GROUP BY r.room_id, r.applicant_id, r.status ORDER BY r.applicant_id NULLS FIRST;
COMMIT;
SELECT taskchat.reopen_room('priv-1');
-- Removed from one room, or from all of them.
SELECT taskchat.remove_member('priv-1', 'abe', 'abe');
SELECT pg_temp.attempt('abe', 'SELECT string_agg(coalesce(applicant_id, ''main''), '' '') FROM taskchat.get_rooms()');
SELECT taskchat.add_member('priv-1', 'abe', 'applicant') IS NOT NULL;
SELECT taskchat.remove_member('priv-1', 'abe');
SELECT pg_temp.attempt('abe', 'SELECT string_agg(coalesce(applicant_id, ''main''), '' '') FROM taskchat.get_rooms()');
SELECT pg_temp.attempt('abe', 'SELECT taskchat.send_message(''priv-1'', ''x'', client_msg_id => ''k1'')');
SELECT pg_temp.attempt(NULL, 'SELECT taskchat.remove_member(''priv-1'', ''cora'', ''bea'')');
SELECT pg_temp.attempt(NULL, 'SELECT taskchat.remove_member(''priv-1'', ''bea'', ''nobody'')');
SELECT pg_temp.attempt(NULL, 'SELECT taskchat.remove_member(''priv-1'', ''nobody'')');
SELECT pg_temp.attempt(NULL, 'SELECT taskchat.close_room(''priv-1'', ''nobody'')');
