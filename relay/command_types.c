/*
 * command_types.c
 *	  The client frames there are: name, handler, fields.
 */
#include <string.h>

#include "command_internal.h"

#define ID(name) {name, STRING, FIELD_ID}
#define OPTIONAL_ID(name) {name, STRING | OPTIONAL, FIELD_ID}
#define OPTIONAL_COUNT(name) {name, INTEGER | OPTIONAL, FIELD_COUNT}
#define ADDRESS ID("task_id"), OPTIONAL_ID("applicant_id")
#define PAGE OPTIONAL_COUNT("before_seq"), OPTIONAL_COUNT("after_seq"), OPTIONAL_COUNT("limit")
#define END {NULL, 0, FIELD_PLAIN}

static const Field no_fields[] = {END};
static const Field login_fields[] = {{"token", STRING | OPTIONAL, FIELD_PLAIN}, {"ticket", STRING | OPTIONAL, FIELD_PLAIN}, END};
const Field join_fields[] = {ADDRESS, {"after_seq", INTEGER | OPTIONAL, FIELD_PLAIN}, {"epoch", STRING | OPTIONAL, FIELD_PLAIN}, END};
static const Field join_many_fields[] = {{"rooms", ARRAY, FIELD_PLAIN}, END};
static const Field address_fields[] = {ADDRESS, END};
static const Field send_fields[] = {
	ADDRESS, {"content", STRING | OPTIONAL, FIELD_PLAIN}, {"message_type", STRING | OPTIONAL, FIELD_PLAIN}, {"file_url", STRING | OPTIONAL, FIELD_PLAIN},
	{"client_msg_id", STRING | OPTIONAL, FIELD_PLAIN}, {"reply_to", STRING | OPTIONAL, FIELD_PLAIN}, {"metadata", OBJECT | OPTIONAL, FIELD_PLAIN}, END
};
static const Field edit_fields[] = {{"message_id", STRING, FIELD_PLAIN}, {"content", STRING | OPTIONAL, FIELD_PLAIN}, END};
static const Field delete_fields[] = {{"message_id", STRING, FIELD_PLAIN}, END};
static const Field typing_fields[] = {ADDRESS, {"is_typing", BOOL, FIELD_PLAIN}, END};
static const Field presence_fields[] = {OPTIONAL_ID("current_task_id"), {"user_ids", ARRAY | OPTIONAL, FIELD_PLAIN}, END};
static const Field messages_fields[] = {ADDRESS, PAGE, END};
static const Field events_fields[] = {ADDRESS, OPTIONAL_COUNT("after_seq"), OPTIONAL_COUNT("limit"), END};
static const Field rooms_fields[] = {OPTIONAL_COUNT("limit"), OPTIONAL_COUNT("offset"), END};
static const Field seq_fields[] = {ADDRESS, {"seq", INTEGER, FIELD_COUNT}, END};
static const Field notifications_fields[] = {PAGE, END};
static const Field notification_fields[] = {{"id", STRING, FIELD_PLAIN}, END};
static const Field set_presence_fields[] = {{"is_online", BOOL, FIELD_PLAIN}, OPTIONAL_ID("current_task_id"), END};

static const CommandType command_types[] = {
	{"authenticate", session_authenticate, login_fields, LANE_READ, false},
	{"join_task_room", handle_join, join_fields, LANE_READ, false},
	{"join_task_rooms", handle_join_many, join_many_fields, LANE_READ, false},
	{"leave_task_room", handle_leave, address_fields, LANE_READ, false},
	{"send_message", handle_send_message, send_fields, LANE_WRITE, false},
	{"edit_message", handle_plain, edit_fields, LANE_WRITE, false},
	{"delete_message", handle_plain, delete_fields, LANE_WRITE, false},
	{"typing_indicator", handle_typing, typing_fields, LANE_READ, true},
	{"user_presence", handle_user_presence, presence_fields, LANE_READ, false},
	{"get_messages", handle_plain, messages_fields, LANE_READ, false},
	{"get_events", handle_plain, events_fields, LANE_READ, false},
	{"get_rooms", handle_plain, rooms_fields, LANE_READ, false},
	{"get_notifications", handle_plain, notifications_fields, LANE_READ, false},
	{"mark_notification_read", handle_plain, notification_fields, LANE_WRITE, false},
	{"mark_read", handle_plain, seq_fields, LANE_WRITE, false},
	{"ack", handle_ack, seq_fields, LANE_READ, true},
	{"ping", handle_ping, no_fields, LANE_READ, false},
};

/* What only HTTP asks. */
const CommandType http_set_presence = {"set_presence", NULL, set_presence_fields, LANE_WRITE, false};

/* The type of this name, or NULL. */
const CommandType *
command_find_type(const char *name)
{
	for (size_t i = 0; i < sizeof(command_types) / sizeof(command_types[0]); i++)
		if (strcmp(command_types[i].name, name) == 0)
			return &command_types[i];
	return NULL;
}
