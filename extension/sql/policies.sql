/*
 * policies: the rooms of the identity, as an index condition.  Relations
 * without a policy are nobody's but the owner's.
 */
ALTER TABLE taskchat.task_rooms ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.task_members ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.task_messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.task_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.notifications ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.delivery_samples ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.notification_counters ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.last_seen ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.bindings ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.pending ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.leases ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.tickets ENABLE ROW LEVEL SECURITY;
ALTER TABLE taskchat.sign_outs ENABLE ROW LEVEL SECURITY;
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
/*
 * EXPLAIN tells estimates, and comparisons of text are leakproof: with full
 * statistics anybody who may read a relation could search what others wrote by
 * asking for estimates.  So nothing is gathered about texts that no plan needs,
 * and of ids only how many there are (and one common value).
 */
ALTER TABLE taskchat.task_rooms
	ALTER task_id SET STATISTICS 1, ALTER applicant_id SET STATISTICS 1, ALTER status SET STATISTICS 1;
ALTER TABLE taskchat.task_members
	ALTER user_id SET STATISTICS 1, ALTER task_id SET STATISTICS 1, ALTER applicant_id SET STATISTICS 1,
	ALTER role SET STATISTICS 1;
ALTER TABLE taskchat.task_messages
	ALTER id SET STATISTICS 0, ALTER task_id SET STATISTICS 1, ALTER applicant_id SET STATISTICS 1,
	ALTER sender_id SET STATISTICS 1, ALTER message_type SET STATISTICS 1, ALTER content SET STATISTICS 0,
	ALTER file_url SET STATISTICS 0, ALTER client_msg_id SET STATISTICS 0, ALTER reply_to SET STATISTICS 0,
	ALTER metadata SET STATISTICS 0;
ALTER INDEX taskchat.task_messages_search ALTER COLUMN 1 SET STATISTICS 0;
ALTER TABLE taskchat.task_events
	ALTER task_id SET STATISTICS 1, ALTER applicant_id SET STATISTICS 1, ALTER kind SET STATISTICS 1,
	ALTER actor_id SET STATISTICS 0, ALTER payload SET STATISTICS 0;
ALTER TABLE taskchat.notifications
	ALTER id SET STATISTICS 0, ALTER user_id SET STATISTICS 1, ALTER kind SET STATISTICS 0,
	ALTER task_id SET STATISTICS 0, ALTER payload SET STATISTICS 0;

/* The trigger has let through only what the identity may write. */
CREATE POLICY sender_writes ON taskchat.task_messages FOR INSERT
	WITH CHECK (sender_id = taskchat.current_user_id());
