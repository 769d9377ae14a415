/*
 * command.c
 *	  The client frames: a table of types with their fields and handlers, and
 *	  the replies.
 *
 * What is checked here is shape only.  Rights and values are the database's:
 * a frame that passes goes to it as the client wrote it.
 */
#include "command.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "log.h"
#include "presence.h"
#include "room.h"

#define MAX_REF_BYTES 128
#define MAX_PRESENCE_USERS 100
#define MAX_JOIN_TRIES 4

#define ONE(type) (1u << (type))
#define STRING ONE(JSON_STRING)
#define INTEGER ONE(JSON_INTEGER)
#define BOOL ONE(JSON_BOOL)
#define ARRAY ONE(JSON_ARRAY)
#define OBJECT ONE(JSON_OBJECT)
#define OPTIONAL (ONE(JSON_MISSING) | ONE(JSON_NULL))

typedef struct Field
{
	const char *name;			/* NULL ends the list */
	unsigned	types;			/* set of ONE(JsonType) */
} Field;

typedef void (*Handler) (Command *command, const JsonValue *frame);

typedef struct CommandType
{
	const char *name;			/* "type" of the frame */
	Handler		handler;		/* consumes the command */
	const Field *fields;		/* what it must and may hold */
	CommandLane lane;			/* where it goes in the database */
	bool		quiet;			/* without a ref answered only on error */
} CommandType;

/*
 * Answers a frame that got no further, and counts it.  ref: JSON text or NULL.
 */
void
command_refuse(Session *session, const char *ref, WireCode code, const char *message, int64_t retry_ms)
{
	JsonText	text = {0};

	json_text_raw(&text, "{\"type\":\"reply\",");
	if (ref)
	{
		json_text_raw(&text, "\"ref\":");
		json_text_raw(&text, ref);
		json_text_raw(&text, ",");
	}
	json_text_raw(&text, "\"ok\":false,\"error\":{\"code\":");
	json_text_string(&text, wire_code_name(code));
	json_text_raw(&text, ",\"message\":");
	json_text_string(&text, message ? message : "");
	if (retry_ms > 0)
	{
		json_text_raw(&text, ",\"retry_after_ms\":");
		json_text_integer(&text, retry_ms);
	}
	json_text_raw(&text, "}}");
	session_send_text(session, &text, FRAME_DURABLE);
	if (code != WIRE_UNAVAILABLE)
		session_refused(session);
}

/*
 * Frees a command, taking it out of its session's list.
 */
void
command_free(Command *command)
{
	if (command->waiting)
		DL_DELETE(command->session->commands, command);
	free(command->ref);
	free(command->text);
	free(command);
}

/*
 * Answers with an error, and frees the command.
 */
void
command_fail(Command *command, WireCode code, const char *message, int64_t retry_ms)
{
	command_refuse(command->session, command->ref, code, message, retry_ms);
	command_free(command);
}

/*
 * Answers that it is done, with the text of the reply's data, and frees the
 * command.
 */
void
command_ok(Command *command, const char *data, size_t len)
{
	JsonText	text = {0};

	if (!command->type->quiet || command->ref)
	{
		json_text_raw(&text, "{\"type\":\"reply\",");
		if (command->ref)
		{
			json_text_raw(&text, "\"ref\":");
			json_text_raw(&text, command->ref);
			json_text_raw(&text, ",");
		}
		json_text_raw(&text, "\"ok\":true,\"data\":");
		json_text_raw_n(&text, data, len);
		json_text_raw(&text, "}");
		session_send_text(command->session, &text, FRAME_DURABLE);
	}
	command_free(command);
}

/*
 * The command waits for the database: it stands in its session's list.
 */
void
command_wait(Command *command)
{
	if (command->waiting)
		return;
	DL_APPEND(command->session->commands, command);
	command->waiting = true;
}

/*
 * Called first when the database has answered: true when there is nobody left
 * to be told; the command is freed then.
 */
bool
command_orphaned(Command *command)
{
	if (command->session)
		return false;
	DL_DELETE(command->relay->orphans, command);
	command_free(command);
	return true;
}

/*
 * The session goes: what is under way will be answered to nobody.
 */
void
command_forget_session(Session *session)
{
	Command    *command;
	Command    *next;

	DL_FOREACH_SAFE(session->commands, command, next)
	{
		DL_DELETE(session->commands, command);
		command->waiting = false;
		command->session = NULL;
		DL_APPEND(session->relay->orphans, command);
	}
}

/* Answers with what the database refused. */
static void
command_fail_row(Command *command, const CommandRow *row)
{
	WireCode	code = wire_code_of_sqlstate(row->sqlstate, row->constraint_name);

	if (code == WIRE_INTERNAL)
		log_write(LOG_LEVEL_ERROR, "command", command->session->id, "%s failed: %s %s",
				  command->type->name, row->sqlstate, row->message ? row->message : "");
	command_fail(command, code, code == WIRE_INTERNAL ? "internal error" : row->message, code == WIRE_UNAVAILABLE ? 1000 : 0);
}

/* Sends the command's text to the database. */
static void
command_query(Command *command, CommandDone done)
{
	Session    *session = command->session;

	command->tries++;
	command_wait(command);
	if (!query_command(session->relay->query, command->type->lane, session->user->id,
					   command->text, command->text_len, done, command))
		command_fail(command, WIRE_UNAVAILABLE, "the database is out of reach", 1000);
}

static void
command_plain_done(void *arg, const CommandRow *rows, int nrows)
{
	Command    *command = arg;

	if (command_orphaned(command))
		return;
	if (nrows < 1 || rows[0].sqlstate)
		command_fail_row(command, rows);
	else
		command_ok(command, rows[0].data ? rows[0].data : "{}", rows[0].data ? rows[0].data_len : 2);
}

/* Handler of what the database does alone. */
static void
handle_plain(Command *command, const JsonValue *frame)
{
	(void) frame;
	command_query(command, command_plain_done);
}

static void
handle_send_message(Command *command, const JsonValue *frame)
{
	Session    *session = command->session;
	const Config *config = session->relay->config;
	int64_t		wait = relay_bucket_take(&session->user->messages, session->relay->now,
										 config->rate_messages, config->rate_messages_burst);

	(void) frame;
	if (wait > 0)
		command_fail(command, WIRE_RATE_LIMITED, "too many messages", wait);
	else
		command_query(command, command_plain_done);
}

static void
handle_ping(Command *command, const JsonValue *frame)
{
	(void) frame;
	command_ok(command, "{}", 2);
}

static void
handle_user_presence(Command *command, const JsonValue *frame)
{
	Session    *session = command->session;

	if (json_field_array_length(frame, "user_ids") > MAX_PRESENCE_USERS)
	{
		command_fail(command, WIRE_BAD_REQUEST, "at most 100 user_ids", 0);
		return;
	}
	if (json_field_type(frame, "current_task_id") != JSON_MISSING
		&& !presence_tell_task(session->user, session, json_field_string(frame, "current_task_id")))
	{
		command_fail(command, WIRE_INTERNAL, "out of memory", 0);
		return;
	}
	command_query(command, command_plain_done);
}

/* Runs what waited for the session's joins to end. */
static void
command_after_joins(Session *session)
{
	Command    *command;
	Command    *next;
	const char *error;

	if (session->joins > 0)
		return;
	DL_FOREACH_SAFE(session->commands, command, next)
	{
		JsonValue  *frame;

		if (command->tries > 0 || command->text == NULL)
			continue;
		frame = json_parse(command->text, command->text_len, &error);
		room_leave(session, json_field_string(frame, "task_id"), json_field_string(frame, "applicant_id"));
		json_free(frame);
		command_ok(command, "{}", 2);
	}
}

/* A leave waits for joins under way, which would bring the room back. */
static void
handle_leave(Command *command, const JsonValue *frame)
{
	Session    *session = command->session;

	if (session->joins > 0)
	{
		command_wait(command);
		return;
	}
	room_leave(session, json_field_string(frame, "task_id"), json_field_string(frame, "applicant_id"));
	command_ok(command, "{}", 2);
}

/* Ends a join: the reply is queued, live events may follow. */
static void
command_join_ended(Session *session)
{
	session->joins--;
	room_catch_up(session);
	command_after_joins(session);
}

static const char *
join_problem(JoinOutcome outcome, WireCode *code)
{
	switch (outcome)
	{
		case JOIN_LIMIT:
			*code = WIRE_LIMIT_EXCEEDED;
			return "too many rooms on this connection";
		case JOIN_AGAIN:
			*code = WIRE_UNAVAILABLE;
			return "the room is too busy; try again";
		default:
			*code = WIRE_INTERNAL;
			return "out of memory";
	}
}

static void
command_join_done(void *arg, const CommandRow *rows, int nrows)
{
	Command    *command = arg;
	Session    *session = command->session;
	JoinOutcome outcome;
	WireCode	code;

	if (command_orphaned(command))
		return;
	if (nrows < 1 || rows[0].sqlstate || rows[0].data == NULL)
		command_fail_row(command, rows);
	else
	{
		outcome = session->closing ? JOIN_NO_MEMORY : room_join(session, &rows[0]);
		if (outcome == JOIN_AGAIN && command->tries < MAX_JOIN_TRIES)
		{
			command->tries++;
			if (query_command(session->relay->query, command->type->lane, session->user->id,
							  command->text, command->text_len, command_join_done, command))
				return;
		}
		if (outcome == JOIN_SEATED)
			command_ok(command, rows[0].data, rows[0].data_len);
		else
		{
			const char *problem = join_problem(outcome, &code);

			command_fail(command, code, problem, 0);
		}
	}
	command_join_ended(session);
}

static void
handle_join(Command *command, const JsonValue *frame)
{
	(void) frame;
	command->session->joins++;
	command->tries++;
	command_wait(command);
	if (!query_command(command->session->relay->query, command->type->lane, command->session->user->id,
					   command->text, command->text_len, command_join_done, command))
	{
		Session    *session = command->session;

		command_fail(command, WIRE_UNAVAILABLE, "the database is out of reach", 1000);
		command_join_ended(session);
	}
}

/* Adds a room that was not joined: its object with the error put in. */
static void
join_error_text(JsonText *text, const CommandRow *row, WireCode code, const char *message)
{
	const char *close = row->data ? strrchr(row->data, '}') : NULL;

	if (row->sqlstate && close)
		json_text_raw_n(text, row->data, (size_t) (close - row->data));
	else
	{
		const char *error;
		JsonValue  *object = row->data ? json_parse(row->data, row->data_len, &error) : NULL;

		json_text_raw(text, "{\"task_id\":");
		json_text_string(text, object ? json_field_string(object, "task_id") : NULL);
		json_text_raw(text, ",\"applicant_id\":");
		json_text_string(text, object ? json_field_string(object, "applicant_id") : NULL);
		json_free(object);
	}
	json_text_raw(text, ",\"error\":{\"code\":");
	json_text_string(text, wire_code_name(code));
	json_text_raw(text, ",\"message\":");
	json_text_string(text, message);
	json_text_raw(text, "}}");
}

/* Joins one room of many and adds its object to the reply. */
static void
join_one(Session *session, const CommandRow *row, JsonText *text)
{
	WireCode	code;
	const char *message;
	JoinOutcome outcome;

	if (row->sqlstate)
	{
		code = wire_code_of_sqlstate(row->sqlstate, row->constraint_name);
		join_error_text(text, row, code, code == WIRE_INTERNAL ? "internal error" : row->message);
	}
	else if (text->len + row->data_len > (size_t) session->relay->config->max_reply_bytes)
		join_error_text(text, row, WIRE_LIMIT_EXCEEDED, "the reply is full; ask again");
	else if ((outcome = room_join(session, row)) != JOIN_SEATED)
	{
		message = join_problem(outcome, &code);
		join_error_text(text, row, code, message);
	}
	else
		json_text_raw_n(text, row->data, row->data_len);
}

static void
command_join_many_done(void *arg, const CommandRow *rows, int nrows)
{
	Command    *command = arg;
	Session    *session = command->session;
	JsonText	text = {0};

	if (command_orphaned(command))
		return;
	if (nrows == 1 && rows[0].sqlstate && rows[0].data == NULL)
		command_fail_row(command, rows);
	else if (session->closing)
		command_free(command);
	else
	{
		json_text_raw(&text, "{\"rooms\":[");
		for (int i = 0; i < nrows; i++)
		{
			if (rows[i].data == NULL)
				continue;
			if (text.data && text.data[text.len - 1] == '}')
				json_text_raw(&text, ",");
			join_one(session, &rows[i], &text);
		}
		json_text_raw(&text, "]}");
		if (text.failed)
			command_fail(command, WIRE_INTERNAL, "out of memory", 0);
		else
			command_ok(command, text.data, text.len);
		json_text_reset(&text);
	}
	command_join_ended(session);
}

static void
handle_join_many(Command *command, const JsonValue *frame)
{
	Session    *session = command->session;
	size_t		n = json_field_array_length(frame, "rooms");

	for (size_t i = 0; i < n; i++)
	{
		const JsonValue *room = json_field_array_object(frame, "rooms", i);

		if (room == NULL || json_field_string(room, "task_id") == NULL)
		{
			command_fail(command, WIRE_BAD_REQUEST, "each of \"rooms\" must be an object with a \"task_id\"", 0);
			return;
		}
	}
	if (n > (size_t) session->relay->config->max_rooms_per_connection)
	{
		command_fail(command, WIRE_LIMIT_EXCEEDED, "too many rooms", 0);
		return;
	}
	if (n == 0)
	{
		command_ok(command, "{\"rooms\":[]}", 12);
		return;
	}
	session->joins++;
	command->tries++;
	command_wait(command);
	if (!query_command(session->relay->query, command->type->lane, session->user->id,
					   command->text, command->text_len, command_join_many_done, command))
	{
		command_fail(command, WIRE_UNAVAILABLE, "the database is out of reach", 1000);
		command_join_ended(session);
	}
}

static void
handle_typing(Command *command, const JsonValue *frame)
{
	Seat	   *seat = room_find_seat(command->session, json_field_string(frame, "task_id"),
									  json_field_string(frame, "applicant_id"));
	bool		is_typing = false;

	json_field_bool(frame, "is_typing", &is_typing);
	if (seat == NULL)
		command_fail(command, WIRE_NOT_JOINED, "the room is not joined", 0);
	else if (room_seat_is_observer(seat))
		command_fail(command, WIRE_FORBIDDEN, "observers do not write", 0);
	else if (room_seat_is_closed(seat))
		command_fail(command, WIRE_ROOM_CLOSED, "the room is closed", 0);
	else
	{
		room_typing(seat, is_typing);
		command_ok(command, "{}", 2);
	}
}

/* The room of an ack by somebody who has not joined it is known now. */
static void
command_ack_found(void *arg, const CommandRow *rows, int nrows)
{
	Command    *command = arg;

	if (command_orphaned(command))
		return;
	if (nrows < 1 || rows[0].sqlstate)
		command_fail_row(command, rows);
	else
	{
		query_delivered(command->session->relay->query, rows[0].room_id, command->session->user->id, command->seq);
		command_ok(command, "{}", 2);
	}
}

/* Turns the text of an ack into the question which room it means. */
static bool
command_ask_room(Command *command, const JsonValue *frame)
{
	JsonText	text = {0};

	json_text_raw(&text, "{\"type\":\"find_room\",\"task_id\":");
	json_text_string(&text, json_field_string(frame, "task_id"));
	json_text_raw(&text, ",\"applicant_id\":");
	json_text_string(&text, json_field_string(frame, "applicant_id"));
	json_text_raw(&text, "}");
	if (text.failed)
	{
		json_text_reset(&text);
		return false;
	}
	free(command->text);
	command->text = text.data;
	command->text_len = text.len;
	return true;
}

static void
handle_ack(Command *command, const JsonValue *frame)
{
	Session    *session = command->session;
	Seat	   *seat = room_find_seat(session, json_field_string(frame, "task_id"),
									  json_field_string(frame, "applicant_id"));

	if (!json_field_integer(frame, "seq", &command->seq) || command->seq < 0)
		command_fail(command, WIRE_BAD_REQUEST, "\"seq\" must not be negative", 0);
	else if (seat)
	{
		query_delivered(session->relay->query, room_seat_id(seat), session->user->id, command->seq);
		command_ok(command, "{}", 2);
	}
	else if (command_ask_room(command, frame))
		command_query(command, command_ack_found);
	else
		command_fail(command, WIRE_INTERNAL, "out of memory", 0);
}

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

static const CommandType *
command_find_type(const char *name)
{
	for (size_t i = 0; i < sizeof(command_types) / sizeof(command_types[0]); i++)
		if (strcmp(command_types[i].name, name) == 0)
			return &command_types[i];
	return NULL;
}

/* The name of the first field that is missing or of a wrong type, or NULL. */
static const char *
command_bad_field(const CommandType *type, const JsonValue *frame)
{
	for (const Field *field = type->fields; field->name; field++)
		if ((field->types & ONE(json_field_type(frame, field->name))) == 0)
			return field->name;
	return NULL;
}

/* Reads "ref" into JSON text (NULL when absent); false when it is not one. */
static bool
command_read_ref(const JsonValue *frame, char **ref)
{
	const char *string = json_field_string(frame, "ref");
	JsonText	text = {0};
	int64_t		n;

	*ref = NULL;
	if (json_field_type(frame, "ref") == JSON_MISSING || json_field_type(frame, "ref") == JSON_NULL)
		return true;
	if (string && strlen(string) <= MAX_REF_BYTES)
		json_text_string(&text, string);
	else if (json_field_integer(frame, "ref", &n))
		json_text_integer(&text, n);
	else
		return false;
	if (text.failed)
	{
		json_text_reset(&text);
		return false;
	}
	*ref = text.data;
	return true;
}

/* Whether the session may run the command now; answers it when not. */
static bool
command_admit(Command *command, const JsonValue *frame)
{
	Session    *session = command->session;
	const Config *config = session->relay->config;
	const char *field;
	char		message[96];
	int64_t		wait;

	if (session->user == NULL && command->type->handler != session_authenticate)
	{
		command_fail(command, WIRE_UNAUTHENTICATED, "log in first", 0);
		return false;
	}
	if (session->relay->draining)
	{
		command_fail(command, WIRE_UNAVAILABLE, "the relay is going away", 1000);
		return false;
	}
	wait = relay_bucket_take(&session->bucket, session->relay->now, config->rate_commands, config->rate_commands_burst);
	if (wait > 0)
	{
		command_fail(command, WIRE_RATE_LIMITED, "too many commands", wait);
		return false;
	}
	field = command_bad_field(command->type, frame);
	if (field)
	{
		strcpy(message, "missing field or wrong type: ");
		strncat(message, field, 32);
		command_fail(command, WIRE_BAD_REQUEST, message, 0);
		return false;
	}
	return true;
}

/* Makes the command of a frame and gives it to its handler.  Takes ref. */
static void
command_start(Session *session, const CommandType *type, char *ref, const JsonValue *frame, const char *text, size_t len)
{
	Command    *command = calloc(1, sizeof(*command));

	if (command == NULL || (command->text = malloc(len + 1)) == NULL)
	{
		free(command);
		free(ref);
		session_close(session, CLOSE_INTERNAL, "out of memory");
		return;
	}
	memcpy(command->text, text, len);
	command->text[len] = '\0';
	command->text_len = len;
	command->relay = session->relay;
	command->session = session;
	command->type = type;
	command->ref = ref;
	if (command_admit(command, frame))
		type->handler(command, frame);
}

/*
 * A text frame of a client: every one gets its reply, now or later.
 */
void
command_receive(Session *session, const char *text, size_t len)
{
	const char *error = "not a JSON object";
	JsonValue  *frame = json_parse(text, len, &error);
	const CommandType *type;
	const char *name;
	char	   *ref;

	if (frame == NULL)
	{
		command_refuse(session, NULL, WIRE_BAD_REQUEST, error, 0);
		return;
	}
	name = json_field_string(frame, "type");
	if (!command_read_ref(frame, &ref))
		command_refuse(session, NULL, WIRE_BAD_REQUEST, "\"ref\" must be a short string or an integer", 0);
	else if (name == NULL)
	{
		command_refuse(session, ref, WIRE_BAD_REQUEST, "\"type\" is missing", 0);
		free(ref);
	}
	else if ((type = command_find_type(name)) == NULL)
	{
		command_refuse(session, ref, session->user ? WIRE_UNKNOWN_TYPE : WIRE_UNAUTHENTICATED,
					   session->user ? "unknown type" : "log in first", 0);
		free(ref);
	}
	else
		command_start(session, type, ref, frame, text, len);
	json_free(frame);
}
