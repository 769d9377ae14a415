/*
 * command_room.c
 *	  Frames about the rooms of a connection: joining and leaving, typing,
 *	  what has been received.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "command_internal.h"
#include "presence.h"
#include "room.h"

#define MAX_JOIN_TRIES 4

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

		if (!command->leaving)
			continue;
		frame = json_parse(command->text, command->text_len, &error);
		room_leave(session, json_field_string(frame, "task_id"), json_field_string(frame, "applicant_id"));
		json_free(frame);
		command_ok(command, "{}", 2);
	}
}

/* A leave waits for joins under way, which would bring the room back. */
void
handle_leave(Command *command, const JsonValue *frame)
{
	Session    *session = command->session;

	if (session->joins > 0)
	{
		command->leaving = true;
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
			if (query_command(session->relay->query, command->type->lane, session->user->id, NULL,
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

/* A join goes to the database; until it ends, leaves wait. */
static void
command_begin_join(Command *command, CommandDone done)
{
	Session    *session = command->session;

	session->joins++;
	command->tries++;
	command_wait(command);
	if (query_command(session->relay->query, command->type->lane, session->user->id, NULL,
					  command->text, command->text_len, done, command))
		return;
	command_fail(command, WIRE_UNAVAILABLE, "the database is out of reach", 0);
	command_join_ended(session);
}

void
handle_join(Command *command, const JsonValue *frame)
{
	(void) frame;
	command_begin_join(command, command_join_done);
}

/* Ends the object of a room that was not joined. */
static void
join_error_end(JsonText *text, WireCode code, const char *message)
{
	json_text_raw(text, ",\"error\":{\"code\":");
	json_text_string(text, wire_code_name(code));
	json_text_raw(text, ",\"message\":");
	json_text_string(text, message);
	json_text_raw(text, "}}");
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
	join_error_end(text, code, message);
}

/* Whether the row no longer fits into the reply to many joins, as the database says or as it turns out here. */
static bool
reply_is_full(const Session *session, const CommandRow *row, const JsonText *text)
{
	if (row->sqlstate)
		return row->constraint_name && strcmp(row->constraint_name, "reply_full") == 0;
	return text->len > 16 && text->len + row->data_len + 256 > (size_t) session->relay->config->max_reply_bytes;
}

/*
 * Whether the connection has no seat left for a room that it asks for: it may
 * ask again, but would not be told otherwise.
 */
static bool
seats_are_taken(Session *session, const JsonValue *room)
{
	return (int64_t) session->nseats >= session->relay->config->max_rooms_per_connection
		&& room_find_seat(session, json_field_string(room, "task_id"), json_field_string(room, "applicant_id")) == NULL;
}

/* Joins one room of many, as the frame's element asks, and adds its object to the reply. */
static void
join_one(Session *session, const JsonValue *room, const CommandRow *row, JsonText *text)
{
	bool		full = reply_is_full(session, row, text);
	WireCode	code;
	const char *message;
	char		reason[512];
	JoinOutcome outcome;

	if (full && !seats_are_taken(session, room))
		join_error_text(text, row, WIRE_LIMIT_EXCEEDED, "the reply is full; ask again");
	else if (row->sqlstate && !full)
	{
		code = command_describe_failure(row, "join_task_rooms", session->id, reason, sizeof(reason));
		join_error_text(text, row, code, reason);
	}
	else if ((outcome = full ? JOIN_LIMIT : room_join(session, row)) != JOIN_SEATED)
	{
		message = join_problem(outcome, &code);
		join_error_text(text, row, code, message);
	}
	else
		json_text_raw_n(text, row->data, row->data_len);
}

/* What is wrong with the i-th of the rooms that a frame names, as far as its shape tells; false: nothing. */
static bool
room_is_misshapen(const JsonValue *frame, size_t i, WireCode *code, char *message, size_t size)
{
	const JsonValue *room = json_field_array_object(frame, "rooms", i);

	if (room)
		return !command_check_fields(join_fields, room, code, message, size);
	*code = WIRE_BAD_REQUEST;
	snprintf(message, size, "each of \"rooms\" must be an object");
	return true;
}

/* Adds a room whose element was misshapen, with as much of its address as there is. */
static void
misshapen_text(JsonText *text, const JsonValue *room, WireCode code, const char *message)
{
	json_text_raw(text, "{\"task_id\":");
	json_text_string(text, room ? json_field_string(room, "task_id") : NULL);
	json_text_raw(text, ",\"applicant_id\":");
	json_text_string(text, room ? json_field_string(room, "applicant_id") : NULL);
	join_error_end(text, code, message);
}

/* Joins the rooms of these rows, one for each element of the frame, and writes the reply. */
static void
join_rows(Command *command, const JsonValue *frame, const CommandRow *rows, int nrows, JsonText *text)
{
	WireCode	code;
	char		message[96];

	json_text_raw(text, "{\"rooms\":[");
	for (int i = 0; i < nrows; i++)
	{
		const JsonValue *room = json_field_array_object(frame, "rooms", (size_t) i);

		if (i > 0)
			json_text_raw(text, ",");
		if (room_is_misshapen(frame, (size_t) i, &code, message, sizeof(message)))
			misshapen_text(text, room, code, message);
		else
			join_one(command->session, room, &rows[i], text);
	}
	json_text_raw(text, "]}");
}

static void
command_join_many_done(void *arg, const CommandRow *rows, int nrows)
{
	Command    *command = arg;
	Session    *session = command->session;
	JsonText	text = {0};
	const char *error;
	JsonValue  *frame;

	if (command_orphaned(command))
		return;
	if (nrows == 1 && rows[0].sqlstate && rows[0].data == NULL)
		command_fail_row(command, rows);
	else if (session->closing)
		command_free(command);
	else
	{
		frame = json_parse(command->text, command->text_len, &error);
		if (frame)
			join_rows(command, frame, rows, nrows, &text);
		if (frame == NULL)
			command_fail(command, WIRE_INTERNAL, "out of memory", 0);
		else if (text.failed)
		{
			/* It sits in rooms already that it would not know of. */
			session_close(session, CLOSE_INTERNAL, "out of memory");
			command_free(command);
		}
		else
			command_ok(command, text.data, text.len);
		json_free(frame);
		json_text_reset(&text);
	}
	command_join_ended(session);
}

/* A room that is misshapen is told so in its place; a frame of nothing else is refused. */
void
handle_join_many(Command *command, const JsonValue *frame)
{
	size_t		n = json_field_array_length(frame, "rooms");
	size_t		misshapen = 0;
	WireCode	code;
	char		message[96];

	for (size_t i = n; i > 0; i--)
		if (room_is_misshapen(frame, i - 1, &code, message, sizeof(message)))
			misshapen++;
	if (n == 0)
		command_ok(command, "{\"rooms\":[]}", 12);
	else if (misshapen == n)
		command_fail(command, code, message, 0);
	else
		command_begin_join(command, command_join_many_done);
}

void
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
	else if (is_typing && room_seat_is_closed(seat))
		command_fail(command, WIRE_ROOM_CLOSED, "the room is closed", 0);
	else
	{
		room_typing(seat, is_typing);
		command_ok(command, "{}", 2);
	}
}

/* The cursor is stored: who asked for an answer gets it now. */
static void
command_ack_stored(void *arg, const CommandRow *rows, int nrows)
{
	Command    *command = arg;

	(void) nrows;
	if (command_orphaned(command))
		return;
	if (rows[0].sqlstate)
		command_fail_row(command, rows);
	else
		command_ok(command, "{}", 2);
}

/* Moves the cursor, with the other members' in a while. */
static void
command_deliver(Command *command, int64_t room_id)
{
	Session    *session = command->session;

	if (command->ref)
	{
		command_wait(command);
		query_delivered(session->relay->query, room_id, session->user->id, command->seq, command_ack_stored, command);
		return;
	}
	query_delivered(session->relay->query, room_id, session->user->id, command->seq, NULL, NULL);
	command_ok(command, "{}", 2);
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
		command_deliver(command, rows[0].room_id);
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

void
handle_ack(Command *command, const JsonValue *frame)
{
	Session    *session = command->session;
	Seat	   *seat = room_find_seat(session, json_field_string(frame, "task_id"),
									  json_field_string(frame, "applicant_id"));

	json_field_integer(frame, "seq", &command->seq);
	if (seat)
		command_deliver(command, room_seat_id(seat));
	else if (command_ask_room(command, frame))
		command_query(command, NULL, command_ack_found);
	else
		command_fail(command, WIRE_INTERNAL, "out of memory", 0);
}
