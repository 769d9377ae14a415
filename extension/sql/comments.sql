/*
 * comments: what \d+ says about columns, triggers, policies and indexes.
 * Tables, views, types and functions have theirs where they are made.
 */
COMMENT ON COLUMN taskchat.task_rooms.room_id IS 'Internal number of the room';
COMMENT ON COLUMN taskchat.task_rooms.task_id IS 'The task that the room belongs to';
COMMENT ON COLUMN taskchat.task_rooms.applicant_id IS 'The applicant of a private room; NULL: the task''s main room';
COMMENT ON COLUMN taskchat.task_rooms.first_seq IS 'Lowest seq that is still kept';
COMMENT ON COLUMN taskchat.task_rooms.last_seq IS 'Highest seq that was given; 0: none yet';
COMMENT ON COLUMN taskchat.task_rooms.status IS 'open, or closed: users write no more';
COMMENT ON COLUMN taskchat.task_rooms.created_at IS 'When the room was opened';
COMMENT ON COLUMN taskchat.task_rooms.closed_at IS 'When it was closed; NULL while it is open';

COMMENT ON COLUMN taskchat.task_members.room_id IS 'The room';
COMMENT ON COLUMN taskchat.task_members.user_id IS 'The member';
COMMENT ON COLUMN taskchat.task_members.task_id IS 'The room''s task';
COMMENT ON COLUMN taskchat.task_members.applicant_id IS 'The room''s applicant; NULL: the task''s main room';
COMMENT ON COLUMN taskchat.task_members.role IS 'creator, worker, applicant or observer (who reads only)';
COMMENT ON COLUMN taskchat.task_members.joined_at IS 'When the member joined';
COMMENT ON COLUMN taskchat.task_members.joined_seq IS 'The seq of the joining on the room''s line';
COMMENT ON COLUMN taskchat.task_members.last_read_seq IS 'Read up to here; moves forward only';
COMMENT ON COLUMN taskchat.task_members.last_delivered_seq IS 'Received up to here; moves forward only';
COMMENT ON COLUMN taskchat.task_members.muted IS 'The member wants no push or e-mail about this room';

COMMENT ON COLUMN taskchat.task_messages.id IS 'The message''s public id (UUID of version 7)';
COMMENT ON COLUMN taskchat.task_messages.room_id IS 'The room';
COMMENT ON COLUMN taskchat.task_messages.task_id IS 'The room''s task';
COMMENT ON COLUMN taskchat.task_messages.applicant_id IS 'The room''s applicant; NULL: the task''s main room';
COMMENT ON COLUMN taskchat.task_messages.seq IS 'Place on the room''s line: 1, 2, 3 … without gaps, in the order of commits';
COMMENT ON COLUMN taskchat.task_messages.sender_id IS 'Who sent it; NULL: a system message';
COMMENT ON COLUMN taskchat.task_messages.message_type IS 'text, image or file';
COMMENT ON COLUMN taskchat.task_messages.content IS 'The text; may be empty beside a file, and is empty after deletion';
COMMENT ON COLUMN taskchat.task_messages.file_url IS 'Where the image or file is';
COMMENT ON COLUMN taskchat.task_messages.created_at IS 'When it was stored; seq gives the order, not this';
COMMENT ON COLUMN taskchat.task_messages.read_at IS 'When the first other member read it';
COMMENT ON COLUMN taskchat.task_messages.is_system_message IS 'Written by the application and not by a user';
COMMENT ON COLUMN taskchat.task_messages.client_msg_id IS 'The sender''s own id for it: sent twice, it is stored once in the whole task';
COMMENT ON COLUMN taskchat.task_messages.reply_to IS 'The message of the same room that it answers';
COMMENT ON COLUMN taskchat.task_messages.edited_at IS 'When it was last edited';
COMMENT ON COLUMN taskchat.task_messages.deleted_at IS 'When it was deleted';
COMMENT ON COLUMN taskchat.task_messages.metadata IS 'The application''s own data about it';

COMMENT ON COLUMN taskchat.task_events.room_id IS 'The room';
COMMENT ON COLUMN taskchat.task_events.task_id IS 'The room''s task';
COMMENT ON COLUMN taskchat.task_events.applicant_id IS 'The room''s applicant; NULL: the task''s main room';
COMMENT ON COLUMN taskchat.task_events.seq IS 'Place on the room''s line, which messages share';
COMMENT ON COLUMN taskchat.task_events.kind IS 'message_edited, message_deleted, member_joined, member_left, member_role_changed, task_update, room_closed or room_opened';
COMMENT ON COLUMN taskchat.task_events.actor_id IS 'Who caused it; NULL: the application';
COMMENT ON COLUMN taskchat.task_events.payload IS 'What happened; of an edit or deletion the message''s id only';
COMMENT ON COLUMN taskchat.task_events.created_at IS 'When it was stored';

COMMENT ON COLUMN taskchat.notifications.id IS 'The notification''s id (UUID of version 7)';
COMMENT ON COLUMN taskchat.notifications.user_id IS 'Whom it is for';
COMMENT ON COLUMN taskchat.notifications.seq IS 'Number among the user''s own, in the order of commits';
COMMENT ON COLUMN taskchat.notifications.kind IS 'What it is about, in the application''s words';
COMMENT ON COLUMN taskchat.notifications.task_id IS 'The task that it is about, if any';
COMMENT ON COLUMN taskchat.notifications.payload IS 'The application''s own data about it';
COMMENT ON COLUMN taskchat.notifications.created_at IS 'When it was stored';
COMMENT ON COLUMN taskchat.notifications.read_at IS 'When the user marked it read';

COMMENT ON COLUMN taskchat.user_presence.user_id IS 'The user';
COMMENT ON COLUMN taskchat.user_presence.is_online IS 'Has a live session';
COMMENT ON COLUMN taskchat.user_presence.last_seen IS 'Now while online, else when the user went offline';
COMMENT ON COLUMN taskchat.user_presence.current_task_id IS 'The task that the user looks at; NULL for who is no member of it';

COMMENT ON COLUMN taskchat.notification_counters.user_id IS 'The user';
COMMENT ON COLUMN taskchat.notification_counters.last_seq IS 'Highest seq that was given';
COMMENT ON COLUMN taskchat.delivery_samples.room_id IS 'The room';
COMMENT ON COLUMN taskchat.delivery_samples.user_id IS 'Whose cursor moved';
COMMENT ON COLUMN taskchat.delivery_samples.up_to_seq IS 'Where it moved to';
COMMENT ON COLUMN taskchat.delivery_samples.delivered_at IS 'When it moved';
COMMENT ON COLUMN taskchat.delivery_samples.latencies_ms IS 'Milliseconds from storing to delivery, one a message of others that it passed';
COMMENT ON COLUMN taskchat.last_seen.user_id IS 'The user';
COMMENT ON COLUMN taskchat.last_seen.last_seen IS 'When the last session ended';
COMMENT ON COLUMN taskchat.bindings.tasks IS 'The application''s table of tasks';
COMMENT ON COLUMN taskchat.bindings.task_key IS 'Its key column';
COMMENT ON COLUMN taskchat.bindings.creator_key IS 'Its column with the creator''s id';
COMMENT ON COLUMN taskchat.bindings.watch IS 'Columns whose changes are told to the room';
COMMENT ON COLUMN taskchat.bindings.users IS 'The application''s table of users, if bound';
COMMENT ON COLUMN taskchat.bindings.user_key IS 'Its key column';
COMMENT ON COLUMN taskchat.leases.holder IS 'A relay, or "user:" and an id for a lease of set_presence()';
COMMENT ON COLUMN taskchat.leases.expires_at IS 'Counts as gone from then on';
COMMENT ON COLUMN taskchat.sessions.holder IS 'The lease that it lives by';
COMMENT ON COLUMN taskchat.sessions.user_id IS 'The user';
COMMENT ON COLUMN taskchat.sessions.current_task_id IS 'The task that the user looks at, if any';
COMMENT ON COLUMN taskchat.sessions.since IS 'When it began';
COMMENT ON COLUMN taskchat.tickets.hash IS 'SHA-256 of the ticket, which itself is stored nowhere';
COMMENT ON COLUMN taskchat.tickets.user_id IS 'Whom it logs in';
COMMENT ON COLUMN taskchat.tickets.expires_at IS 'No longer valid from then on';
COMMENT ON COLUMN taskchat.sign_outs.user_id IS 'The user';
COMMENT ON COLUMN taskchat.sign_outs.signed_out_at IS 'When end_sessions() was called last';
COMMENT ON COLUMN taskchat.sign_outs.xid IS 'By which transaction: for who asks what is new since a snapshot';
COMMENT ON COLUMN taskchat.pending.place IS 'Whose lock it waits for: r and a room_id, n and a user''s id, t and a task''s';
COMMENT ON COLUMN taskchat.pending.id IS 'Their order at one place';
COMMENT ON COLUMN taskchat.pending.what IS 'e: an event, d: the room goes, c: another creator, l: a member leaves, o: the room opens, n: a notification';
COMMENT ON COLUMN taskchat.pending.kind IS 'Of an event or notification';
COMMENT ON COLUMN taskchat.pending.user_id IS 'Who caused an event; else whom it concerns';
COMMENT ON COLUMN taskchat.pending.task_id IS 'Of what waits for a task, or of a notification';
COMMENT ON COLUMN taskchat.pending.applicant_id IS 'Of what waits for a task: in that private room only';
COMMENT ON COLUMN taskchat.pending.payload IS 'Of an event or notification';
COMMENT ON COLUMN taskchat.pending.notification IS 'Its id';
COMMENT ON COLUMN taskchat.pending.left_at IS 'When it was left to a later transaction';
COMMENT ON COLUMN taskchat.stage.pulled_at IS 'Start of the transaction';
COMMENT ON COLUMN taskchat.doorbell_channel.channel IS 'The channel''s name';
COMMENT ON COLUMN taskchat.doorbell_channel.seal IS 'Key of the events that bells bring along (AES-256-GCM); NULL: they bring none';
COMMENT ON COLUMN taskchat.database_epoch.epoch IS 'Random; part of every room''s epoch';

COMMENT ON TRIGGER zz_taskchat_message ON taskchat.task_messages IS 'Validates and numbers what any INSERT brings; its name sorts last';
COMMENT ON TRIGGER drain_stage ON taskchat.stage IS 'Numbers and stores at commit what was staged';

COMMENT ON POLICY members_read ON taskchat.task_rooms IS 'Members see their rooms';
COMMENT ON POLICY members_read ON taskchat.task_members IS 'Members see each other';
COMMENT ON POLICY members_read ON taskchat.task_messages IS 'Members read their rooms'' messages';
COMMENT ON POLICY members_read ON taskchat.task_events IS 'Members read their rooms'' events';
COMMENT ON POLICY own_read ON taskchat.notifications IS 'Users see their own notifications';
COMMENT ON POLICY sender_writes ON taskchat.task_messages IS 'Users send as themselves';

COMMENT ON INDEX taskchat.task_members_user_task IS 'The rooms of a user: policies, addresses';
COMMENT ON INDEX taskchat.task_messages_reply_to IS 'Replies to a message that goes';
COMMENT ON INDEX taskchat.task_messages_time IS 'Messages of a period';
COMMENT ON INDEX taskchat.task_messages_search IS 'Full-text search';
COMMENT ON INDEX taskchat.delivery_samples_time IS 'Samples of a period';
COMMENT ON INDEX taskchat.sessions_user IS 'The sessions of a user';
COMMENT ON INDEX taskchat.tickets_expiry IS 'Tickets that have run out';
