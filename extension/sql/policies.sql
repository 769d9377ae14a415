/*
 * policies: the rooms of the identity, as an index condition.  Relations
 * without a policy are nobody's but the owner's.
 */
ALTER TABLE taskchat.task_rooms ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.task_members ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.task_messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.task_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.notifications ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.notification_counters ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.last_seen ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.bindings ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.leases ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.tickets ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.stage ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.doorbell_channel ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.database_epoch ENABLE ROW LEVEL SECURITY;

CREATE POLICY members_read ON taskchat.task_rooms FOR SELECT
	USING (room_id = ANY ((SELECT taskchat.my_rooms())::bigint[]));
CREATE POLICY members_read ON taskchat.task_members FOR SELECT
	USING (room_id = ANY ((SELECT taskchat.my_rooms())::bigint[]));
CREATE POLICY members_read ON taskchat.task_messages FOR SELECT
	USING (room_id = ANY ((SELECT taskchat.my_rooms())::bigint[]));
CREATE POLICY members_read ON taskchat.task_events FOR SELECT
	USING (room_id = ANY ((SELECT taskchat.my_rooms())::bigint[]));
CREATE POLICY own_read ON taskchat.notifications FOR SELECT
	USING (user_id = (SELECT taskchat.current_user_id()));
/* The trigger has let through only what the identity may write. */
CREATE POLICY sender_writes ON taskchat.task_messages FOR INSERT
	WITH CHECK (sender_id = taskchat.current_user_id());
