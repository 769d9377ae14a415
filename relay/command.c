/*
 * command.c
 *	  Client frames from their arrival to their reply.
 *
 * What is checked here is shape only.  Rights and values are the database's:
 * a frame that passes goes to it as the client wrote it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "clock.h"
#include "command_internal.h"
#include "log.h"
#include "presence.h"

#define MAX_REF_BYTES 128
#define MAX_ID_BYTES 255
#define UNAVAILABLE_RETRY 1000	/* ms: what clients are told when the database is away */

/*
 * Answers a frame that got no further, and counts it.  ref: JSON text or NULL;
 * retry_ms: 0 for what is usual with the code.
 */
void
command_refuse(Session *session, const char *ref, WireCode code, const char *message, int64_t retry_ms)
{
	JsonText	text = {0};

	metrics_error(session->relay, code);
	if (retry_ms == 0 && code == WIRE_UNAVAILABLE)
		retry_ms = UNAVAILABLE_RETRY;
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
	metrics_command(command->relay, command->type->name, command->started, false);
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

	metrics_command(command->relay, command->type->name, command->started, true);
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
 * Whether nobody is left to be told.
 */
bool
command_is_abandoned(const Command *command)
{
	return command->session == NULL;
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

/*
 * Says what a client is told of an error of the database, and logs what it is
 * not told.  what: what failed; session: its number, or 0.
 */
WireCode
command_describe_failure(const CommandRow *row, const char *what, uint64_t session, char *message, size_t size)
{
	WireCode	code = wire_code_of_sqlstate(row->sqlstate, row->constraint_name);
	uint32_t	id;

	if (code != WIRE_INTERNAL)
	{
		snprintf(message, size, "%s", row->message ? row->message : "");
		return code;
	}
	id = (uint32_t) mrand48();
	snprintf(message, size, "internal error %08" PRIx32, id);
	log_write(LOG_LEVEL_ERROR, "command", session, "internal error %08" PRIx32 ": %s failed: %s %s",
			  id, what, row->sqlstate, row->message ? row->message : "");
	return code;
}

/* Answers with what the database refused. */
void
command_fail_row(Command *command, const CommandRow *row)
{
	static const CommandRow nothing = {.sqlstate = "XX000", .message = "no answer"};
	char		message[512];
	WireCode	code = command_describe_failure(row && row->sqlstate ? row : &nothing, command->type->name,
												command->session->id, message, sizeof(message));

	command_fail(command, code, message, 0);
}

/* Sends the command's text to the database. */
void
command_query(Command *command, const JsonValue *frame, CommandDone done)
{
	Session    *session = command->session;

	command->tries++;
	command_wait(command);
	if (!query_command(session->relay->query, command->type->lane, session->user->id,
					   frame ? json_field_string(frame, "task_id") : NULL, command->text, command->text_len, done, command))
		command_fail(command, WIRE_UNAVAILABLE, "the database is out of reach", 0);
}

/*
 * Whether all fields are there, of their types and sizes; otherwise what to
 * answer.
 */
bool
command_check_fields(const Field *fields, const JsonValue *frame, WireCode *code, char *message, size_t size)
{
	*code = WIRE_BAD_REQUEST;
	for (const Field *field = fields; field->name; field++)
	{
		JsonType	type = json_field_type(frame, field->name);
		const char *string = json_field_string(frame, field->name);
		int64_t		n = 0;

		if ((field->types & ONE(type)) == 0 || (type == JSON_INTEGER && !json_field_integer(frame, field->name, &n)))
		{
			snprintf(message, size, "missing field or wrong type: %s", field->name);
			return false;
		}
		if (field->kind == FIELD_COUNT && n < 0)
		{
			snprintf(message, size, "%s must not be negative", field->name);
			return false;
		}
		if (field->kind == FIELD_ID && string && string[0] == '\0')
		{
			snprintf(message, size, "%s must not be empty", field->name);
			return false;
		}
		if (field->kind == FIELD_ID && string && strlen(string) > MAX_ID_BYTES)
		{
			*code = WIRE_TOO_LARGE;
			snprintf(message, size, "%s is too long", field->name);
			return false;
		}
	}
	return true;
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
	WireCode	code;
	char		message[96];
	int64_t		wait;

	if (session->user == NULL && command->type->handler != session_authenticate)
	{
		command_fail(command, WIRE_UNAUTHENTICATED, "log in first", 0);
		return false;
	}
	if (session->relay->draining)
	{
		command_fail(command, WIRE_UNAVAILABLE, "the relay is going away", 0);
		return false;
	}
	wait = relay_bucket_take(&session->bucket, session->relay->now, config->rate_commands, config->rate_commands_burst);
	if (wait > 0)
	{
		command_fail(command, WIRE_RATE_LIMITED, "too many commands", wait);
		return false;
	}
	if (!command_check_fields(command->type->fields, frame, &code, message, sizeof(message)))
	{
		command_fail(command, code, message, 0);
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
	command->started = clock_monotonic();
	if (command_admit(command, frame))
		type->handler(command, frame);
}

/* Answers a text that is no frame; with its ref, where one can be read. */
static void
command_refuse_text(Session *session, const char *text, size_t len, const char *error)
{
	JsonValue  *frame = json_parse_refused(text, len);
	char	   *ref = NULL;

	if (frame && !command_read_ref(frame, &ref))
		ref = NULL;
	command_refuse(session, ref, WIRE_BAD_REQUEST, error, 0);
	free(ref);
	json_free(frame);
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

	session->relay->metrics.received++;
	if (frame == NULL)
	{
		command_refuse_text(session, text, len, error);
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
