/*
 * command_types.c
 *	  The client frames there are: name, handler, fields.
 */
#include <string.h>

#include "command_internal.h"

#define ADDRESS {"task_id", STRING}, {"applicant_id", STRING | OPTIONAL}

static const Field no_fields[] = {{NULL, 0}};
static const Field login_fields[] = {{"token", STRING | OPTIONAL}, {"ticket", STRING | OPTIONAL}, {NULL, 0}};
static const Field join_fields[] = {ADDRESS, {"after_seq", INTEGER | OPTIONAL}, {"epoch", STRING | OPTIONAL}, {NULL, 0}};
static const Field join_many_fields[] = {{"rooms", ARRAY}, {NULL, 0}};
static const Field address_fields[] = {ADDRESS, {NULL, 0}};
static const Field send_fields[] = {
	ADDRESS, {"content", STRING | OPTIONAL}, {"message_type", STRING | OPTIONAL}, {"file_url", STRING | OPTIONAL},
	{"client_msg_id", STRING | OPTIONAL}, {"reply_to", STRING | OPTIONAL}, {"metadata", OBJECT | OPTIONAL}, {NULL, 0}
};
static const Field typing_fields[] = {ADDRESS, {"is_typing", BOOL}, {NULL, 0}};
static const Field presence_fields[] = {{"current_task_id", STRING | OPTIONAL}, {"user_ids", ARRAY | OPTIONAL}, {NULL, 0}};
static const Field messages_fields[] = {
	ADDRESS, {"before_seq", INTEGER | OPTIONAL}, {"after_seq", INTEGER | OPTIONAL}, {"limit", INTEGER | OPTIONAL}, {NULL, 0}
};
static const Field events_fields[] = {ADDRESS, {"after_seq", INTEGER | OPTIONAL}, {"limit", INTEGER | OPTIONAL}, {NULL, 0}};
static const Field seq_fields[] = {ADDRESS, {"seq", INTEGER}, {NULL, 0}};

static const CommandType command_types[] = {
	{"authenticate", session_authenticate, login_fields, LANE_READ, false},
	{"join_task_room", handle_join, join_fields, LANE_READ, false},
	{"join_task_rooms", handle_join_many, join_many_fields, LANE_READ, false},
	{"leave_task_room", handle_leave, address_fields, LANE_READ, false},
	{"send_message", handle_send_message, send_fields, LANE_WRITE, false},
	{"typing_indicator", handle_typing, typing_fields, LANE_READ, true},
	{"user_presence", handle_user_presence, presence_fields, LANE_READ, false},
	{"get_messages", handle_plain, messages_fields, LANE_READ, false},
	{"get_events", handle_plain, events_fields, LANE_READ, false},
	{"mark_read", handle_plain, seq_fields, LANE_WRITE, false},
	{"ack", handle_ack, seq_fields, LANE_READ, true},
	{"ping", handle_ping, no_fields, LANE_READ, false},
};

/* The type of this name, or NULL. */
const CommandType *
command_find_type(const char *name)
{
	for (size_t i = 0; i < sizeof(command_types) / sizeof(command_types[0]); i++)
		if (strcmp(command_types[i].name, name) == 0)
			return &command_types[i];
	return NULL;
}
