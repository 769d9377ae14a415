-- The public interface as it is promised, against the catalog. The lists are
-- the promise; the queries list what differs, and stay empty.
SET client_min_messages = warning;
SET intervalstyle = postgres;

-- Relations: columns that users may rely on, in this order or another
CREATE TEMP TABLE promised_columns AS SELECT * FROM (VALUES
	('task_messages', 'id uuid, room_id bigint, task_id text, applicant_id text, seq bigint, sender_id text, message_type text, content text NOT NULL, file_url text, created_at timestamptz, read_at timestamptz, is_system_message boolean, client_msg_id text, reply_to uuid, edited_at timestamptz, deleted_at timestamptz, metadata jsonb'),
	('task_events', 'room_id bigint, task_id text, applicant_id text, seq bigint, kind text, actor_id text, payload jsonb, created_at timestamptz'),
	('task_rooms', 'room_id bigint, task_id text, applicant_id text, first_seq bigint, last_seq bigint, status text, created_at timestamptz, closed_at timestamptz'),
	('task_members', 'room_id bigint, user_id text, task_id text, applicant_id text, role text, joined_at timestamptz, joined_seq bigint, last_read_seq bigint, last_delivered_seq bigint, muted boolean'),
	('user_presence', 'user_id text, is_online boolean, last_seen timestamptz, current_task_id text'),
	('notifications', 'id uuid, user_id text, seq bigint, kind text, task_id text, payload jsonb, created_at timestamptz, read_at timestamptz')) AS p (relation, columns);
SELECT p.relation, c AS promised, format_type(a.atttypid, a.atttypmod) AS is, a.attnotnull
FROM promised_columns p, regexp_split_to_table(p.columns, ', ') AS c
LEFT JOIN LATERAL (SELECT * FROM pg_attribute a WHERE a.attrelid = ('taskchat.' || p.relation)::regclass AND a.attname = split_part(c, ' ', 1)) AS a ON true
WHERE a.attname IS NULL OR a.atttypid <> split_part(c, ' ', 2)::regtype OR (c LIKE '%NOT NULL' AND NOT a.attnotnull);
-- … and no other column
SELECT p.relation, a.attname FROM promised_columns p JOIN pg_attribute a ON a.attrelid = ('taskchat.' || p.relation)::regclass AND a.attnum > 0
WHERE NOT EXISTS (SELECT FROM regexp_split_to_table(p.columns, ', ') AS c WHERE split_part(c, ' ', 1) = a.attname);
-- Keys: on the whole table, so that ON CONFLICT infers them; of (task_id, applicant_id) NULLs are alike
SELECT * FROM (VALUES
	('task_messages', 'id', 'distinct'), ('task_messages', 'room_id,seq', 'distinct'), ('task_messages', 'task_id,sender_id,client_msg_id', 'distinct'),
	('task_rooms', 'task_id,applicant_id', 'alike'), ('task_members', 'room_id,user_id', 'distinct'), ('notifications', 'id', 'distinct'), ('notifications', 'user_id,seq', 'distinct')) AS p (relation, key, nulls)
WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = ('taskchat.' || relation)::regclass AND i.indisunique AND i.indpred IS NULL AND i.indnullsnotdistinct = (nulls = 'alike')
	AND key = (SELECT string_agg(a.attname, ',' ORDER BY k.n) FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, n) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum));
SELECT pg_get_constraintdef(oid) AS member_key FROM pg_constraint WHERE conrelid = 'taskchat.task_members'::regclass AND contype = 'p';

-- Functions: arguments with types and defaults, what they return
CREATE TEMP TABLE promised_functions AS SELECT * FROM (VALUES
	('act_as(user_id text)', 'void'),
	('current_user_id()', 'text'),
	('send_message(task_id text, content text, message_type text DEFAULT ''text'', file_url text DEFAULT NULL, client_msg_id text DEFAULT NULL, reply_to uuid DEFAULT NULL, metadata jsonb DEFAULT NULL, applicant_id text DEFAULT NULL)', 'task_messages'),
	('edit_message(message_id uuid, content text)', 'task_messages'),
	('delete_message(message_id uuid)', 'task_messages'),
	('get_messages(task_id text, before_seq bigint DEFAULT NULL, after_seq bigint DEFAULT NULL, max_rows integer DEFAULT 50, applicant_id text DEFAULT NULL)', 'SETOF task_messages'),
	('get_events(task_id text, after_seq bigint DEFAULT 0, max_rows integer DEFAULT 200, applicant_id text DEFAULT NULL)', 'TABLE(seq bigint, event jsonb)'),
	('search_messages(query text, task_id text DEFAULT NULL, max_rows integer DEFAULT 50, applicant_id text DEFAULT NULL)', 'SETOF task_messages'),
	('mark_read(task_id text, up_to_seq bigint, applicant_id text DEFAULT NULL)', 'bigint'),
	('get_rooms()', 'TABLE(task_id text, applicant_id text, role text, status text, last_seq bigint, unread bigint, muted boolean, last_message task_messages)'),
	('set_muted(task_id text, muted boolean, applicant_id text DEFAULT NULL)', 'void'),
	('set_typing(task_id text, is_typing boolean, applicant_id text DEFAULT NULL)', 'void'),
	('set_presence(is_online boolean, current_task_id text DEFAULT NULL)', 'user_presence'),
	('get_presence(user_ids text[])', 'SETOF user_presence'),
	('get_notifications(before_seq bigint DEFAULT NULL, after_seq bigint DEFAULT NULL, max_rows integer DEFAULT 50)', 'SETOF notifications'),
	('mark_notification_read(id uuid)', 'notifications'),
	('open_room(task_id text, creator_id text)', 'task_rooms'),
	('close_room(task_id text, applicant_id text DEFAULT NULL)', 'void'),
	('reopen_room(task_id text, applicant_id text DEFAULT NULL)', 'void'),
	('add_member(task_id text, user_id text, role text DEFAULT ''worker'')', 'task_members'),
	('remove_member(task_id text, user_id text, applicant_id text DEFAULT NULL)', 'boolean'),
	('send_system_message(task_id text, content text, metadata jsonb DEFAULT NULL, applicant_id text DEFAULT NULL)', 'task_messages'),
	('publish_task_update(task_id text, changes jsonb, applicant_id text DEFAULT NULL)', 'void'),
	('notify_user(user_id text, kind text, payload jsonb DEFAULT ''{}'', task_id text DEFAULT NULL)', 'uuid'),
	('create_ticket(user_id text, ttl interval DEFAULT ''60 seconds'')', 'text'),
	('end_sessions(user_id text)', 'void'),
	('bind_tasks(tasks regclass, task_key name DEFAULT ''id'', creator_key name DEFAULT ''creator_id'', watch name[] DEFAULT ''{status}'', users regclass DEFAULT NULL, user_key name DEFAULT ''id'', backfill boolean DEFAULT true)', 'bigint'),
	('unbind_tasks(tasks regclass)', 'void'),
	('purge_messages(older_than interval)', 'bigint'),
	('undelivered(older_than interval DEFAULT ''30 seconds'')', 'TABLE(user_id text, task_id text, applicant_id text, seq bigint, message task_messages)'),
	('delivery_stats(since timestamp with time zone DEFAULT (now() - ''1 day''), task_id text DEFAULT NULL)', 'TABLE(messages bigint, deliveries_expected bigint, deliveries_confirmed bigint, delivery_rate double precision, latency_p50_ms double precision, latency_p95_ms double precision, latency_p99_ms double precision)'),
	('new_epoch()', 'text')) AS p (signature, returns);
-- The catalog's words for defaults, without its casts and its schema names
CREATE TEMP VIEW functions AS SELECT p.oid, p.proname,
	p.proname || '(' || regexp_replace(regexp_replace(regexp_replace(regexp_replace(pg_get_function_arguments(p.oid), '::[a-z]+( with time zone)?(\[\])?', '', 'g'), '''00:01:00''', '''60 seconds'''), '''00:00:30''', '''30 seconds'''), '(, )?OUT .*', '') || ')' AS signature,
	replace(CASE WHEN pg_get_function_arguments(p.oid) ~ 'OUT ' THEN 'TABLE(' || replace(substring(pg_get_function_arguments(p.oid) FROM 'OUT .*'), 'OUT ', '') || ')' ELSE pg_get_function_result(p.oid) END, 'taskchat.', '') AS returns
	FROM pg_proc p WHERE p.pronamespace = 'taskchat'::regnamespace;
SELECT p.signature AS promised, p.returns, f.signature AS is, f.returns AS is_returned
FROM promised_functions p LEFT JOIN functions f ON f.proname = split_part(p.signature, '(', 1)
WHERE f.signature IS DISTINCT FROM p.signature OR f.returns IS DISTINCT FROM p.returns;

-- Roles
SELECT rolname, rolcanlogin, rolinherit, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles WHERE rolname ~ '^taskchat_' ORDER BY rolname;
SELECT m.member::regrole, m.roleid::regrole AS is_in, m.admin_option FROM pg_auth_members m WHERE m.member::regrole::text ~ '^taskchat_' OR m.roleid::regrole::text ~ '^taskchat_' ORDER BY 1, 2;

-- Settings
SELECT taskchat.current_user_id() IS NULL AS loaded;
SELECT name, boot_val, unit, context FROM pg_settings WHERE name LIKE 'taskchat.%' ORDER BY name;
SELECT extname, extversion, extnamespace::regnamespace, extrelocatable FROM pg_extension WHERE extname = 'taskchat';
