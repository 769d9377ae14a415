-- What every function says to NULL, to '' and to what is too long.
\getenv srcdir PG_ABS_SRCDIR
\set attempt :srcdir '/sql/include/attempt.sql'
SET client_min_messages = warning;
SET ROLE taskchat_backend;
\i :attempt
SELECT task_id FROM taskchat.open_room('arg-1', 'ann');
-- Every call with each of its values in turn being NULL, '' and 256 bytes long: what matters is the SQLSTATE.
CREATE FUNCTION pg_temp.refusals(call text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(regexp_replace(split_part(pg_temp.attempt('ann', format('SELECT * FROM taskchat.' || call, bad)), ' (', 1), '^[0-9a-f-]{36}$', '(a row)'), '; ' ORDER BY n)
	FROM unnest(ARRAY['NULL', '''''', 'repeat(''x'', 256)']) WITH ORDINALITY AS b (bad, n) $$;
SELECT call, pg_temp.refusals(call) FROM unnest(ARRAY[
	'send_message(%s, ''x'')', 'send_message(''arg-1'', ''x'', applicant_id => %s)',
	'get_messages(%s)', 'get_messages(''arg-1'', applicant_id => %s)', 'get_events(%s)', 'get_events(''arg-1'', applicant_id => %s)',
	'search_messages(''x'', %s)', 'mark_read(%s, 1)', 'set_muted(%s, true)', 'set_typing(%s, true)', 'set_presence(true, %s)',
	'open_room(%s, ''ann'')', 'open_room(''arg-2'', %s)', 'close_room(%s)', 'close_room(''arg-1'', %s)', 'reopen_room(%s)',
	'add_member(%s, ''bob'')', 'add_member(''arg-1'', %s)', 'add_member(''arg-1'', %s, ''applicant'')', 'add_member(''arg-1'', ''bob'', %s)',
	'remove_member(%s, ''bob'')', 'remove_member(''arg-1'', %s)', 'remove_member(''arg-1'', ''bob'', %s)',
	'send_system_message(%s, ''x'')', 'send_system_message(''arg-1'', %s)', 'publish_task_update(%s, ''{}'')',
	'create_ticket(%s)', 'end_sessions(%s)', 'act_as(%s)']) WITH ORDINALITY AS c (call, n) ORDER BY n;
-- Values of other types
SELECT taskchat.reopen_room('arg-1');
SELECT call, regexp_replace(pg_temp.attempt('ann', 'SELECT * FROM taskchat.' || call), '^[0-9a-f-]{36}$', '(a row)') FROM unnest(ARRAY[
	'mark_read(''arg-1'', NULL)', 'mark_read(''arg-1'', -5)', 'set_muted(''arg-1'', NULL)', 'set_typing(''arg-1'', NULL)', 'set_presence(NULL)',
	'get_messages(''arg-1'', max_rows => 0)', 'get_messages(''arg-1'', max_rows => -1)', 'get_messages(''arg-1'', max_rows => NULL)', 'get_messages(''arg-1'', max_rows => 100000)',
	'get_messages(''arg-1'', before_seq => -1)', 'get_messages(''arg-1'', after_seq => 9223372036854775807)',
	'get_events(''arg-1'', NULL, NULL)', 'get_events(''arg-1'', max_rows => 0)', 'get_presence(NULL)', 'get_presence(ARRAY[NULL, '''', ''nobody''])',
	'get_presence(ARRAY[''ann'', repeat(''x'', 255)])', 'get_presence(ARRAY[''ann'', repeat(''x'', 256)])',
	'publish_task_update(''arg-1'', NULL)', 'publish_task_update(''arg-1'', ''5'')', 'publish_task_update(''arg-1'', jsonb_build_object(''k'', repeat(''x'', 8192)))',
	'create_ticket(''ann'', NULL)', 'create_ticket(''ann'', ''0'')', 'create_ticket(''ann'', ''-1 s'')',
	'send_message(''arg-1'', ''x'', file_url => ''https://example.com/with text'')',
	'send_message(''arg-1'', ''x'', ''file'', '''')', 'send_message(''arg-1'', NULL, ''image'', ''https://example.com/'')']) WITH ORDINALITY AS c (call, n) ORDER BY n;
SELECT pg_temp.attempt('ann', 'SELECT message_type FROM taskchat.send_message(''arg-1'', ''x'', message_type => NULL)');
SELECT pg_temp.attempt('ann', 'SELECT taskchat.send_message(''arg-1'', NULL, ''image'', ''https://example.com/'')');
-- A page has at most 200 rows.
SELECT pg_temp.attempt('ann', 'SELECT count(taskchat.send_message(''arg-1'', ''n'' || n)) FROM generate_series(1, 250) AS n');
SELECT pg_temp.attempt('ann', 'SELECT (count(*), min(seq), max(seq)) FROM taskchat.get_messages(''arg-1'', max_rows => 1000)');
SELECT pg_temp.attempt('ann', 'SELECT (count(*), min(seq), max(seq)) FROM taskchat.get_messages(''arg-1'')');
SELECT pg_temp.attempt('ann', 'SELECT (count(*), min(seq), max(seq)) FROM taskchat.get_messages(''arg-1'', after_seq => 10, before_seq => 30)');
SELECT pg_temp.attempt('ann', 'SELECT (count(*), min(seq), max(seq)) FROM taskchat.get_events(''arg-1'', 5, 1000)');
SELECT pg_temp.attempt('ann', 'SELECT (count(*), min(seq), max(seq)) FROM taskchat.get_events(''arg-1'')');
SELECT pg_temp.attempt('ann', 'SELECT count(*) FROM taskchat.search_messages(''x or n1 or n2'', max_rows => 1000)');
-- Without an identity nothing of it answers.
SELECT call, split_part(pg_temp.attempt(NULL, 'SELECT * FROM taskchat.' || call), ' (', 1) FROM unnest(ARRAY[
	'send_message(''arg-1'', ''x'')', 'edit_message(gen_random_uuid(), ''x'')', 'delete_message(gen_random_uuid())', 'get_messages(''arg-1'')', 'get_events(''arg-1'')',
	'search_messages(''x'')', 'mark_read(''arg-1'', 1)', 'get_rooms()', 'set_muted(''arg-1'', true)', 'set_typing(''arg-1'', true)', 'set_presence(true)',
	'get_presence(''{ann}'')', 'get_notifications()', 'mark_notification_read(gen_random_uuid())']) WITH ORDINALITY AS c (call, n) ORDER BY n;
-- Metadata is an object, whichever way the message comes; JSON's null is none.
SELECT metadata, (SELECT string_agg(pg_temp.attempt(who, format(call, metadata)), '; ' ORDER BY n) FROM (VALUES
	(1, 'ann', 'SELECT coalesce(metadata::text, ''none'') FROM taskchat.send_message(''arg-1'', ''x'', metadata => %L)'),
	(2, 'ann', 'INSERT INTO taskchat.task_messages (task_id, content, metadata) VALUES (''arg-1'', ''x'', %L) RETURNING coalesce(metadata::text, ''none'')'),
	(3, NULL, 'SELECT coalesce(metadata::text, ''none'') FROM taskchat.send_system_message(''arg-1'', ''x'', %L)')) AS c (n, who, call))
FROM unnest(ARRAY['{"k": [1]}', '{}', 'null', '[1]', '[]', '"s"', '5', 'true']) AS metadata;
-- A file's URL has an allowed scheme and, where the web's, a host.
SELECT url, pg_temp.attempt('ann', format('SELECT file_url FROM taskchat.send_message(''arg-1'', '''', ''file'', %L)', url))
FROM unnest(ARRAY['https://example.com', 'HTTPS://example.com/', 'https://u:p@[::1]:8443?q#f', 'https:a', 'https:/a', 'https:', 'https://', 'https:///a', 'https://?q',
	'https://#f', 'https://:443/', 'https://me@/', 'https://me@:443', 'https:\\example.com', 'ftp://example.com/', ':', '//example.com/']) AS url;
RESET ROLE;
SET taskchat.allowed_file_schemes = ' S3+v1.0 ,http';
SET ROLE taskchat_backend;
SELECT url, pg_temp.attempt('ann', format('SELECT file_url FROM taskchat.send_message(''arg-1'', '''', ''file'', %L)', url))
FROM unnest(ARRAY['s3+v1.0:bucket', 'http://example.com/', 'http:x', 'https://example.com/']) AS url;
RESET ROLE;
SET taskchat.allowed_file_schemes = '';
SET ROLE taskchat_backend;
SELECT pg_temp.attempt('ann', 'SELECT taskchat.send_message(''arg-1'', '''', ''file'', ''https://example.com/'')');
RESET ROLE;
-- What is no list of schemes is refused.
SELECT list, pg_temp.attempt(NULL, format('SELECT set_config(''taskchat.allowed_file_schemes'', %L, true)', list))
FROM unnest(ARRAY['*', 'ht tp', 'https http', 'https,', ',', 'https,,http', '1a', 'https:', 'https://', 'hütte', 'https, http', ' ']) AS list;
