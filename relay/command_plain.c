/*
 * command_plain.c
 *	  Frames that the database answers, or that need nothing at all.
 */
#include <string.h>

#include "command_internal.h"
#include "log.h"
#include "presence.h"

#define MAX_PRESENCE_USERS 100

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
void
handle_plain(Command *command, const JsonValue *frame)
{
	command_query(command, frame, command_plain_done);
}

void
handle_send_message(Command *command, const JsonValue *frame)
{
	Session    *session = command->session;
	const Config *config = session->relay->config;
	int64_t		wait = relay_bucket_take(&session->user->messages, session->relay->now,
										 config->rate_messages, config->rate_messages_burst);

	if (wait > 0)
		command_fail(command, WIRE_RATE_LIMITED, "too many messages", wait);
	else
		command_query(command, frame, command_plain_done);
}

void
handle_ping(Command *command, const JsonValue *frame)
{
	(void) frame;
	command_ok(command, "{}", 2);
}

/* Asked, and allowed to look at the task: that is told now, so that an error changes nothing. */
static void
command_presence_done(void *arg, const CommandRow *rows, int nrows)
{
	Command    *command = arg;
	Session    *session = command->session;
	const char *error;
	JsonValue  *frame;

	if (session && nrows > 0 && rows[0].sqlstate == NULL && session->user && !session->closing
		&& (frame = json_parse(command->text, command->text_len, &error)) != NULL)
	{
		if (json_field_type(frame, "current_task_id") != JSON_MISSING
			&& !presence_tell_task(session->user, session, json_field_string(frame, "current_task_id")))
			log_write(LOG_LEVEL_ERROR, "command", session->id, "out of memory");
		json_free(frame);
	}
	command_plain_done(arg, rows, nrows);
}

void
handle_user_presence(Command *command, const JsonValue *frame)
{
	size_t		n = json_field_array_length(frame, "user_ids");

	if (n > MAX_PRESENCE_USERS)
	{
		command_fail(command, WIRE_BAD_REQUEST, "at most 100 user_ids", 0);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (json_field_array_string(frame, "user_ids", i) == NULL)
		{
			command_fail(command, WIRE_BAD_REQUEST, "user_ids must be strings", 0);
			return;
		}
	command_query(command, frame, command_presence_done);
}
