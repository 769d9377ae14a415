/*
 * tables: the data model.  C code knows the order of the columns of
 * task_rooms, task_members, task_messages and task_events.
 *
 * task_members, task_messages and task_events have no foreign key to
 * task_rooms: whoever writes them holds the lock of the room's row, and
 * roster_erase() takes their rows along.  A key would fail business transactions
 * at REPEATABLE READ that are older than the room, and parallel restores,
 * which load the tables of an extension in any order under its constraints.
 */
CREATE SEQUENCE taskchat.room_numbers AS bigint;
COMMENT ON SEQUENCE taskchat.room_numbers IS 'Room ids: the upper 15 bits are taskchat.database_number, so that rooms can move between databases';
DO $$
DECLARE
	number int := coalesce(nullif(pg_catalog.current_setting('taskchat.database_number', true), ''), '0');
BEGIN
	IF number < 0 OR number > 32767 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'taskchat.database_number is out of range', HINT = 'It is between 0 and 32767.';
	END IF;
	PERFORM pg_catalog.setval('taskchat.room_numbers', (number::bigint << 48) + 1, false);
END
$$;

CREATE TABLE taskchat.task_rooms (
	room_id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('taskchat.room_numbers'),
	task_id text COLLATE "C" NOT NULL,
	applicant_id text COLLATE "C",
	first_seq bigint NOT NULL DEFAULT 1,
	last_seq bigint NOT NULL DEFAULT 0,
	status text COLLATE "C" NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed')),
	created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	closed_at timestamptz,
	UNIQUE NULLS NOT DISTINCT (task_id, applicant_id)
) WITH (fillfactor = 50);
COMMENT ON TABLE taskchat.task_rooms IS 'Rooms and their counters: last_seq moves under the row''s lock, so seq order is commit order';

CREATE TABLE taskchat.task_members (
	room_id bigint NOT NULL,
	user_id text COLLATE "C" NOT NULL,
	task_id text COLLATE "C" NOT NULL,
	applicant_id text COLLATE "C",
	role text COLLATE "C" NOT NULL CHECK (role IN ('creator', 'worker', 'applicant', 'observer')),
	joined_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	joined_seq bigint NOT NULL,
	last_read_seq bigint NOT NULL DEFAULT 0,
	last_delivered_seq bigint NOT NULL DEFAULT 0,
	muted boolean NOT NULL DEFAULT false,
	PRIMARY KEY (room_id, user_id)
) WITH (fillfactor = 70);
CREATE INDEX task_members_user_task ON taskchat.task_members (user_id, task_id);
COMMENT ON TABLE taskchat.task_members IS 'Who is in which room, as what, and how far they have read and received';

CREATE TABLE taskchat.task_messages (
	id uuid NOT NULL,
	room_id bigint NOT NULL,
	task_id text COLLATE "C" NOT NULL,
	applicant_id text COLLATE "C",
	seq bigint NOT NULL,
	sender_id text COLLATE "C",
	message_type text NOT NULL DEFAULT 'text' CHECK (message_type IN ('text', 'image', 'file')),
	content text NOT NULL,
	file_url text,
	created_at timestamptz NOT NULL,
	read_at timestamptz,
	is_system_message boolean NOT NULL DEFAULT false,
	client_msg_id text COLLATE "C",
	reply_to uuid,
	edited_at timestamptz,
	deleted_at timestamptz,
	metadata jsonb
);
/* In this order: what is sent twice conflicts in every key, and the first one names the error. */
ALTER TABLE taskchat.task_messages ADD CONSTRAINT task_messages_client_msg_id_key UNIQUE (task_id, sender_id, client_msg_id);
ALTER TABLE taskchat.task_messages ADD CONSTRAINT task_messages_pkey PRIMARY KEY (room_id, seq);
ALTER TABLE taskchat.task_messages ADD CONSTRAINT task_messages_id_key UNIQUE (id);
ALTER TABLE taskchat.task_messages ADD CONSTRAINT task_messages_reply_to_fkey
	FOREIGN KEY (reply_to) REFERENCES taskchat.task_messages (id) ON DELETE SET NULL;
/* Rows come in the order of time. */
CREATE INDEX task_messages_time ON taskchat.task_messages USING brin (created_at);
/* An index begins with a summary of the empty first pages, which each message there would have to change (5,000 instructions). */
SELECT pg_catalog.brin_desummarize_range('taskchat.task_messages_time', 0);
CREATE INDEX task_messages_reply_to ON taskchat.task_messages (reply_to) WHERE reply_to IS NOT NULL;
/* search_messages() repeats the expression.  A short list of pending entries keeps each sender's share of merging it small. */
CREATE INDEX task_messages_search ON taskchat.task_messages USING gin (pg_catalog.to_tsvector('pg_catalog.simple'::pg_catalog.regconfig, content))
	WITH (gin_pending_list_limit = 256);
COMMENT ON TABLE taskchat.task_messages IS 'Messages; with task_events the gapless line of each room';

CREATE TABLE taskchat.task_events (
	room_id bigint NOT NULL,
	task_id text COLLATE "C" NOT NULL,
	applicant_id text COLLATE "C",
	seq bigint NOT NULL,
	kind text COLLATE "C" NOT NULL,
	actor_id text COLLATE "C",
	payload jsonb NOT NULL DEFAULT '{}',
	created_at timestamptz NOT NULL,
	PRIMARY KEY (room_id, seq)
);
COMMENT ON TABLE taskchat.task_events IS 'Durable events of a room that are not new messages';

CREATE TABLE taskchat.delivery_samples (
	room_id bigint NOT NULL,
	user_id text COLLATE "C" NOT NULL,
	up_to_seq bigint NOT NULL,
	delivered_at timestamptz NOT NULL,
	latencies_ms int[] NOT NULL,
	PRIMARY KEY (room_id, user_id, up_to_seq)
);
CREATE INDEX delivery_samples_time ON taskchat.delivery_samples USING brin (delivered_at);
COMMENT ON TABLE taskchat.delivery_samples IS 'How long messages took to their readers: one row a movement of a delivery cursor';

CREATE TABLE taskchat.notifications (
	id uuid PRIMARY KEY,
	user_id text COLLATE "C" NOT NULL,
	seq bigint NOT NULL,
	kind text NOT NULL,
	task_id text COLLATE "C",
	payload jsonb NOT NULL DEFAULT '{}',
	created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	read_at timestamptz,
	UNIQUE (user_id, seq)
);
COMMENT ON TABLE taskchat.notifications IS 'Personal notifications, numbered per user in commit order';

CREATE TABLE taskchat.notification_counters (
	user_id text COLLATE "C" PRIMARY KEY,
	last_seq bigint NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE taskchat.notification_counters IS 'Last notification number of each user';

CREATE TABLE taskchat.last_seen (
	user_id text COLLATE "C" PRIMARY KEY,
	last_seen timestamptz NOT NULL
) WITH (fillfactor = 70);
COMMENT ON TABLE taskchat.last_seen IS 'When a user went offline last';

CREATE TABLE taskchat.bindings (
	tasks regclass PRIMARY KEY,
	task_key name NOT NULL,
	creator_key name NOT NULL,
	watch name[] NOT NULL,
	users regclass,
	user_key name
);
COMMENT ON TABLE taskchat.bindings IS 'The application''s own tables that rooms follow';

/*
 * What a commit had to tell while somebody held the lock that it takes: see
 * pending.c.  Empty nearly always.
 */
CREATE SEQUENCE taskchat.pending_numbers AS bigint;
COMMENT ON SEQUENCE taskchat.pending_numbers IS 'The order of rows of pending';
CREATE TABLE taskchat.pending (
	place text COLLATE "C" NOT NULL,
	id bigint NOT NULL DEFAULT pg_catalog.nextval('taskchat.pending_numbers'),
	what text NOT NULL,
	kind text,
	user_id text COLLATE "C",
	task_id text COLLATE "C",
	applicant_id text COLLATE "C",
	payload text,
	notification uuid,
	left_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	PRIMARY KEY (place, id)
);
COMMENT ON TABLE taskchat.pending IS 'Changes that are committed and wait for a busy room or user, to be told by a later transaction';

/* Not dumped: what belongs to this running database only. */
CREATE UNLOGGED TABLE taskchat.leases (
	holder text COLLATE "C" PRIMARY KEY,
	expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE taskchat.leases IS 'One row a relay (or a user of set_presence) while it is alive';

CREATE UNLOGGED TABLE taskchat.sessions (
	holder text COLLATE "C" NOT NULL REFERENCES taskchat.leases ON DELETE CASCADE,
	user_id text COLLATE "C" NOT NULL,
	current_task_id text COLLATE "C",
	since timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	PRIMARY KEY (holder, user_id)
);
CREATE INDEX sessions_user ON taskchat.sessions (user_id);
COMMENT ON TABLE taskchat.sessions IS 'Users with a live session, by who holds it';

CREATE TABLE taskchat.tickets (
	hash bytea PRIMARY KEY,
	user_id text COLLATE "C" NOT NULL,
	expires_at timestamptz NOT NULL
);
CREATE INDEX tickets_expiry ON taskchat.tickets (expires_at);
COMMENT ON TABLE taskchat.tickets IS 'Single-use log-in tickets, stored as SHA-256';

/*
 * A relay that listens hears of a sign-out by the doorbell.  One that did not
 * listen for a while asks for the rows whose xid its last snapshot did not see.
 */
CREATE TABLE taskchat.sign_outs (
	user_id text COLLATE "C" PRIMARY KEY,
	signed_out_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	xid xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id()
);
COMMENT ON TABLE taskchat.sign_outs IS 'When all sessions of a user were ended last';

CREATE UNLOGGED TABLE taskchat.stage (pulled_at timestamptz DEFAULT pg_catalog.now());
COMMENT ON TABLE taskchat.stage IS 'Brings the deferred trigger about that drains staged events; always empty between transactions';

/* Three uuids are 366 random bits. */
CREATE TABLE taskchat.doorbell_channel (
	channel text PRIMARY KEY,
	seal bytea CHECK (pg_catalog.octet_length(seal) = 32)
);
INSERT INTO taskchat.doorbell_channel
	VALUES ('taskchat_' || pg_catalog.replace(pg_catalog.gen_random_uuid()::text, '-', ''),
		pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.concat(pg_catalog.gen_random_uuid(), pg_catalog.gen_random_uuid(), pg_catalog.gen_random_uuid()), 'UTF8')));
CREATE FUNCTION taskchat.forget_channel() RETURNS trigger
	AS 'MODULE_PATHNAME', 'taskchat_forget_channel' LANGUAGE C;
COMMENT ON FUNCTION taskchat.forget_channel() IS 'Internal: sessions read the channel and its key anew';
CREATE TRIGGER forget_channel AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON taskchat.doorbell_channel
	FOR EACH STATEMENT EXECUTE FUNCTION taskchat.forget_channel();
ALTER TABLE taskchat.doorbell_channel ENABLE ALWAYS TRIGGER forget_channel;
COMMENT ON TRIGGER forget_channel ON taskchat.doorbell_channel IS 'Sessions keep what they have read here';
COMMENT ON TABLE taskchat.doorbell_channel IS 'The NOTIFY channel of this database and the key of what it carries, told to relays only';

CREATE TABLE taskchat.database_epoch (epoch text PRIMARY KEY);
INSERT INTO taskchat.database_epoch VALUES (pg_catalog.gen_random_uuid()::text);
COMMENT ON TABLE taskchat.database_epoch IS 'Changes with every restore, so that clients drop what they hold';

SELECT pg_catalog.pg_extension_config_dump('taskchat.room_numbers', '');
SELECT pg_catalog.pg_extension_config_dump('taskchat.task_rooms', '');
SELECT pg_catalog.pg_extension_config_dump('taskchat.task_members', '');
SELECT pg_catalog.pg_extension_config_dump('taskchat.task_messages', '');
SELECT pg_catalog.pg_extension_config_dump('taskchat.task_events', '');
SELECT pg_catalog.pg_extension_config_dump('taskchat.delivery_samples', '');
SELECT pg_catalog.pg_extension_config_dump('taskchat.notifications', '');
SELECT pg_catalog.pg_extension_config_dump('taskchat.notification_counters', '');
SELECT pg_catalog.pg_extension_config_dump('taskchat.last_seen', '');
SELECT pg_catalog.pg_extension_config_dump('taskchat.pending_numbers', '');
SELECT pg_catalog.pg_extension_config_dump('taskchat.pending', '');
/* The number of a table that is gone may be another's in the copy. */
SELECT pg_catalog.pg_extension_config_dump('taskchat.bindings', 'WHERE tasks IN (SELECT oid FROM pg_catalog.pg_class)');
