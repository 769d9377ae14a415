/*
 * grants: everything is refused first, then given by name.
 */
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA taskchat FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA taskchat FROM PUBLIC;

GRANT SELECT ON taskchat.task_rooms, taskchat.task_members, taskchat.task_messages, taskchat.task_events,
	taskchat.user_presence, taskchat.notifications TO taskchat_user;
GRANT INSERT ON taskchat.task_messages TO taskchat_user;

GRANT EXECUTE ON FUNCTION
	taskchat.current_user_id(), taskchat.require_identity(), taskchat.my_rooms(), taskchat.page_size(int, int), taskchat.find_room(text, text, boolean),
	taskchat.send_message(text, text, text, text, text, uuid, jsonb, text),
	taskchat.message_page(bigint, bigint, bigint, int), taskchat.get_messages(text, bigint, bigint, int, text), taskchat.get_events(text, bigint, int, text),
	taskchat.mark_read(text, bigint, text), taskchat.set_typing(text, boolean, text),
	taskchat.set_presence(boolean, text), taskchat.get_presence(text[]),
	taskchat.edit_message(uuid, text), taskchat.delete_message(uuid),
	taskchat.get_rooms(), taskchat.list_rooms(bigint, bigint), taskchat.unread(bigint, text, bigint),
	taskchat.set_muted(text, boolean, text), taskchat.search_messages(text, text, int, text),
	taskchat.get_notifications(bigint, bigint, int), taskchat.mark_notification_read(uuid),
	taskchat.message_json(taskchat.task_messages), taskchat.message_event(taskchat.task_messages),
	taskchat.room_event(taskchat.task_events, taskchat.task_messages), taskchat.json_time(timestamptz),
	taskchat.room_line(bigint, bigint, int), taskchat.room_epoch(bigint), taskchat.visible_presence(text),
	taskchat.wire_object(text[]), taskchat.wire_presence(taskchat.user_presence),
	taskchat.wire_notification(taskchat.notifications), taskchat.wire_limit(jsonb, int), taskchat.wire_page(text[], int, int),
	taskchat.wire_events(bigint, bigint, bigint, int, int),
	taskchat.wire_find_room(jsonb), taskchat.wire_edit_message(jsonb),
	taskchat.wire_delete_message(jsonb), taskchat.wire_get_messages(jsonb, int), taskchat.wire_get_events(jsonb, int),
	taskchat.wire_get_rooms(jsonb, int), taskchat.wire_mark_read(jsonb), taskchat.wire_user_presence(jsonb),
	taskchat.wire_set_presence(jsonb), taskchat.wire_get_notifications(jsonb, int), taskchat.wire_mark_notification_read(jsonb)
	TO taskchat_user;

GRANT EXECUTE ON FUNCTION
	taskchat.act_as(text), taskchat.open_room(text, text), taskchat.close_room(text, text), taskchat.reopen_room(text, text),
	taskchat.add_member(text, text, text), taskchat.remove_member(text, text, text),
	taskchat.send_system_message(text, text, jsonb, text), taskchat.publish_task_update(text, jsonb, text),
	taskchat.notify_user(text, text, jsonb, text), taskchat.create_ticket(text, interval),
	taskchat.end_sessions(text), taskchat.new_epoch(), taskchat.undelivered(interval),
	taskchat.delivery_stats(timestamptz, text), taskchat.purge_messages(interval),
	taskchat.bind_tasks(regclass, name, name, name[], regclass, name, boolean), taskchat.unbind_tasks(regclass),
	taskchat.orphaned_rooms(), taskchat.deliver_pending()
	TO taskchat_backend;

GRANT EXECUTE ON FUNCTION
	taskchat.act_as(text), taskchat.relay_hello(), taskchat.relay_run(text[], text[], boolean, int, int, int),
	taskchat.relay_fetch(bigint[], bigint[], int), taskchat.relay_cursors(bigint[]), taskchat.relay_presence(text[]),
	taskchat.relay_beat(text, interval), taskchat.relay_online(text, text[], text[], boolean[]),
	taskchat.relay_farewell(text), taskchat.relay_redeem(text[]), taskchat.relay_notifications(text[], bigint[]),
	taskchat.relay_state(bigint[]), taskchat.relay_attach(text[]), taskchat.relay_activity(bigint[], text[], bigint[]),
	taskchat.relay_delivered(bigint[], text[], bigint[], int[]), taskchat.relay_typing(bigint[], text[], boolean[])
	TO taskchat_relay;
