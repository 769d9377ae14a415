/*
 * query_lane.c
 *	  Commands in micro-batches: what comes while a batch is under way goes
 *	  together into the next one.  What is busy goes alone.
 */
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "query_internal.h"

#define LARGEST_BATCH 60
#define LARGEST_BATCH_BYTES (4 * 1024 * 1024)
#define MOST_TRIES 3

static void
list_init(CommandList *list)
{
	list->first = NULL;
	list->last = &list->first;
	list->count = 0;
}

static void
list_append(CommandList *list, QueryCommand *command)
{
	command->next = NULL;
	*list->last = command;
	list->last = &command->next;
	list->count++;
}

static QueryCommand *
list_pop(CommandList *list)
{
	QueryCommand *command = list->first;

	if (command != NULL)
	{
		list->first = command->next;
		if (list->first == NULL)
			list->last = &list->first;
		list->count--;
	}
	return command;
}

static void
command_answer(QueryCommand *command, const CommandRow *rows, int nrows)
{
	if (command->done)
		command->done(command->arg, rows, nrows);
	free(command->user_id);
	free(command->frame);
	free(command);
}

static void
command_fail(QueryCommand *command, const char *sqlstate, const char *message)
{
	CommandRow	row = {0};

	row.sqlstate = sqlstate;
	row.message = message;
	command_answer(command, &row, 1);
}

static void
list_fail(CommandList *list, const char *sqlstate, const char *message)
{
	CommandList failed = *list;
	QueryCommand *command;

	/* A callback may add to the list: what is there now goes first. */
	if (failed.first == NULL)
		return;
	list_init(list);
	while ((command = failed.first) != NULL)
	{
		failed.first = command->next;
		command_fail(command, sqlstate, message);
	}
}

static void
read_row(const PGresult *result, int i, CommandRow *row)
{
	row->room_id = sql_cell_integer(result, i, 1);
	row->seq = sql_cell_integer(result, i, 2);
	row->role = sql_cell(result, i, 3);
	row->sqlstate = sql_cell(result, i, 4);
	row->constraint_name = sql_cell(result, i, 5);
	row->message = sql_cell(result, i, 6);
	row->data = sql_cell(result, i, 7);
	row->data_len = row->data ? (size_t) PQgetlength(result, i, 7) : 0;
}

static bool
is_state(const CommandRow *row, const char *prefix)
{
	return row->sqlstate && strncmp(row->sqlstate, prefix, strlen(prefix)) == 0;
}

/* A held lock, a deadlock, a serialization failure: the command goes (again) alone. */
static bool
goes_alone(const Lane *lane, const QueryCommand *command, const CommandRow *row)
{
	if (!lane->alone)
		return is_state(row, "55P03") || is_state(row, "40");
	return is_state(row, "40") && command->tries < MOST_TRIES;
}

static void
answer_from(Lane *lane, QueryCommand *command, const PGresult *result, int first, int count)
{
	CommandRow	few[4];
	CommandRow *rows = count <= 4 ? few : malloc((size_t) count * sizeof(CommandRow));
	int			i;

	if (rows == NULL || count == 0)
	{
		command_fail(command, count == 0 ? "XX000" : "53200", "the database gave no answer");
		return;
	}
	for (i = 0; i < count; i++)
		read_row(result, first + i, &rows[i]);
	if (count == 1 && goes_alone(lane, command, &rows[0]))
	{
		command->tries++;
		list_append(&lane->query->wait.waiting, command);
		lane_go(&lane->query->wait);
	}
	else
		command_answer(command, rows, count);
	if (rows != few)
		free(rows);
}

static void
lane_answer(void *arg, const PGresult *result)
{
	Lane	   *lane = arg;
	CommandList running = lane->running;
	int			row = 0;
	int			number;
	QueryCommand *command;
	bool		good = PQresultStatus(result) == PGRES_TUPLES_OK;
	const char *sqlstate = good ? NULL : PQresultErrorField(result, PG_DIAG_SQLSTATE);

	list_init(&lane->running);
	if (!good)
		log_write(LOG_LEVEL_WARNING, "query", 0, "%s: %s", lane->name, PQresultErrorMessage(result));
	for (number = 1; (command = running.first) != NULL; number++)
	{
		int			first = row;

		running.first = command->next;
		if (!good)
		{
			command_fail(command, sqlstate ? sqlstate : "08006", "the database failed");
			continue;
		}
		while (row < PQntuples(result) && sql_cell_integer(result, row, 0) == number)
			row++;
		answer_from(lane, command, result, first, row - first);
	}
	lane_go(lane);
}

/* Send the next batch if the lane is free. */
void
lane_go(Lane *lane)
{
	JsonText	users = {0};
	JsonText	frames = {0};
	size_t		most = lane->alone ? 1 : LARGEST_BATCH;
	const char *params[3];

	if (!pgconn_idle(lane->conn) || lane->waiting.first == NULL)
		return;
	while (lane->waiting.first && lane->running.count < most && frames.len < LARGEST_BATCH_BYTES)
	{
		QueryCommand *command = list_pop(&lane->waiting);

		sql_array_add(&users, command->user_id);
		sql_array_add(&frames, command->frame);
		list_append(&lane->running, command);
	}
	params[0] = sql_array_end(&users);
	params[1] = sql_array_end(&frames);
	params[2] = lane->alone ? "true" : "false";
	if (params[0] == NULL || params[1] == NULL)
		list_fail(&lane->running, "53200", "out of memory");
	else
		(void) pgconn_send(lane->conn,
						   "SELECT command, room_id, seq, role, sqlstate, constraint_name, message, data"
						   " FROM taskchat.relay_run($1::text[], $2::text[], $3::boolean)", 3, params);
	json_text_reset(&users);
	json_text_reset(&frames);
}

static void
lane_ready(void *arg)
{
	Lane	   *lane = arg;

	query_tell(lane->query);
	lane_go(lane);
}

static void
lane_lost(void *arg, const char *reason)
{
	Lane	   *lane = arg;

	query_tell(lane->query);
	list_fail(&lane->running, "08006", reason);
	list_fail(&lane->waiting, "08006", reason);
}

static const PgConnEvents lane_events = {lane_ready, lane_answer, lane_lost, NULL};

/* Makes the lane and begins to connect it; false when out of memory. */
bool
lane_open(Lane *lane, Query *query, const char *name, const char *database, bool alone)
{
	lane->query = query;
	lane->name = name;
	lane->alone = alone;
	list_init(&lane->waiting);
	list_init(&lane->running);
	lane->conn = pgconn_new(query->loop, name, database, alone ? "SET lock_timeout = '2s'" : NULL, &lane_events, lane);
	return lane->conn != NULL;
}

/* Closes it; no callback follows. */
void
lane_close(Lane *lane)
{
	QueryCommand *command;

	pgconn_free(lane->conn);
	while (lane->running.first && (command = list_pop(&lane->running)) != NULL)
	{
		command->done = NULL;
		command_answer(command, NULL, 0);
	}
	while (lane->waiting.first && (command = list_pop(&lane->waiting)) != NULL)
	{
		command->done = NULL;
		command_answer(command, NULL, 0);
	}
}

/* Takes a command (copied) for the next batch; false when out of memory. */
bool
lane_add(Lane *lane, const char *user_id, const char *frame, size_t frame_len, CommandDone done, void *arg)
{
	QueryCommand *command = calloc(1, sizeof(QueryCommand));

	if (command == NULL)
		return false;
	command->user_id = strdup(user_id);
	command->frame = strndup(frame, frame_len);
	command->frame_len = frame_len;
	command->done = done;
	command->arg = arg;
	if (command->user_id == NULL || command->frame == NULL)
	{
		command->done = NULL;
		command_answer(command, NULL, 0);
		return false;
	}
	list_append(&lane->waiting, command);
	return true;
}

/* Answers all that waits with an error. */
void
lane_fail_waiting(Lane *lane, const char *sqlstate, const char *message)
{
	list_fail(&lane->waiting, sqlstate, message);
}

static void
list_forget(CommandList *list, const void *arg)
{
	QueryCommand *command;

	for (command = list->first; command; command = command->next)
		if (command->arg == arg)
			command->done = NULL;
}

/* Forgets the callbacks of all commands with this arg. */
void
lane_forget(Lane *lane, const void *arg)
{
	list_forget(&lane->waiting, arg);
	list_forget(&lane->running, arg);
}
