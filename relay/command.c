/*
 * command.c
 *	  Client frames from their arrival to their reply.
 *
 * What is checked here is shape only.  Rights and values are the database's:
 * a frame that passes goes to it as the client wrote it.
 */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "command_internal.h"
#include "log.h"
#include "presence.h"

#define MAX_REF_BYTES 128

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
void
command_fail_row(Command *command, const CommandRow *row)
{
	WireCode	code = wire_code_of_sqlstate(row->sqlstate, row->constraint_name);

	if (code == WIRE_INTERNAL)
		log_write(LOG_LEVEL_ERROR, "command", command->session->id, "%s failed: %s %s",
				  command->type->name, row->sqlstate, row->message ? row->message : "");
	command_fail(command, code, code == WIRE_INTERNAL ? "internal error" : row->message, code == WIRE_UNAVAILABLE ? 1000 : 0);
}

/* Sends the command's text to the database. */
void
command_query(Command *command, CommandDone done)
{
	Session    *session = command->session;

	command->tries++;
	command_wait(command);
	if (!query_command(session->relay->query, command->type->lane, session->user->id,
					   command->text, command->text_len, done, command))
		command_fail(command, WIRE_UNAVAILABLE, "the database is out of reach", 1000);
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
