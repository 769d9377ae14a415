-- Full-text search in the caller's rooms, newest first.
\getenv srcdir PG_ABS_SRCDIR
\set attempt :srcdir '/sql/include/attempt.sql'
SET client_min_messages = warning;
SET ROLE taskchat_backend;
\i :attempt
SELECT task_id FROM unnest(ARRAY['find-1', 'find-2']) AS t (id), LATERAL taskchat.open_room(t.id, 'sara');
SELECT role FROM taskchat.add_member('find-1', 'theo');
SELECT role FROM taskchat.add_member('find-1', 'olaf', 'observer');
SELECT applicant_id FROM taskchat.add_member('find-1', 'ugo', 'applicant');
BEGIN;
SELECT taskchat.act_as('sara');
SELECT seq FROM taskchat.send_message('find-1', 'The green paint is in the shed');
SELECT seq FROM taskchat.send_message('find-2', 'Green paint for the other fence, the blue one is empty');
SELECT seq FROM taskchat.send_message('find-1', 'Ugo, can you paint?', applicant_id => 'ugo');
SELECT id AS secret FROM taskchat.send_message('find-1', 'paint: wrong room') \gset
SELECT seq FROM taskchat.send_message('find-1', 'a picture of paint', 'image', 'https://example.com/p.png');
COMMIT;
BEGIN;
SELECT taskchat.act_as('sara');
SELECT task_id, applicant_id, seq, content FROM taskchat.search_messages('paint');
SELECT task_id, applicant_id, seq FROM taskchat.search_messages('paint', max_rows => 2);
-- One room, by its address
SELECT task_id, applicant_id, seq FROM taskchat.search_messages('paint', 'find-1');
SELECT task_id, applicant_id, seq FROM taskchat.search_messages('paint', 'find-1', applicant_id => 'ugo');
-- Case doesn't matter; all words; a phrase; or; without
SELECT seq FROM taskchat.search_messages('GREEN shed');
SELECT task_id, seq FROM taskchat.search_messages('"green paint"');
SELECT task_id, seq FROM taskchat.search_messages('shed or blue');
SELECT task_id, seq FROM taskchat.search_messages('green -blue');
SELECT count(*) FROM taskchat.search_messages('');
SELECT count(*) FROM taskchat.search_messages('?!');
-- What was edited or deleted is found as it is now
SELECT content FROM taskchat.edit_message(:'secret', 'varnish');
SELECT seq FROM taskchat.search_messages('wrong');
SELECT seq FROM taskchat.search_messages('varnish');
SELECT deleted_at IS NOT NULL FROM taskchat.delete_message(:'secret');
SELECT seq FROM taskchat.search_messages('varnish');
COMMIT;
-- Everybody finds what is in their own rooms: members and observers, applicants in their own, strangers nothing
SELECT who, pg_temp.attempt(who, 'SELECT string_agg(task_id || coalesce(''/'' || applicant_id, '''') || '' '' || seq, '', '') FROM taskchat.search_messages(''paint'')')
FROM unnest(ARRAY['theo', 'olaf', 'ugo', 'eve', NULL]) AS who;
SELECT pg_temp.attempt('ugo', 'SELECT applicant_id FROM taskchat.search_messages(''paint'', ''find-1'')');
SELECT pg_temp.attempt('theo', 'SELECT taskchat.search_messages(''paint'', ''find-2'')');
SELECT pg_temp.attempt('theo', 'SELECT taskchat.search_messages(''paint'', ''find-1'', applicant_id => ''ugo'')');
SELECT pg_temp.attempt('theo', 'SELECT taskchat.search_messages(''paint'', applicant_id => ''theo'')');
SELECT pg_temp.attempt('theo', 'SELECT taskchat.search_messages(NULL)');
SELECT pg_temp.attempt('theo', 'SELECT taskchat.search_messages(''paint'', max_rows => 0)');
SELECT pg_temp.attempt('theo', 'SELECT taskchat.search_messages(repeat(''x'', 1025))');
-- The index serves it
RESET ROLE;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM taskchat.task_messages m
	WHERE to_tsvector('pg_catalog.simple'::regconfig, m.content) @@ websearch_to_tsquery('pg_catalog.simple'::regconfig, 'paint');
