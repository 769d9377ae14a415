/*
 * query_lane.c
 *	  Commands in micro-batches: what comes while a batch is under way goes
 *	  together into the next one.
 *
 * A command that finds its room locked by somebody goes alone, over a spare
 * connection that may wait for a while, and with it go all later commands for
 * the same task: the order of one task's commands is kept, and no other task
 * waits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "protocol.h"
#include "query_internal.h"

#define LARGEST_BATCH 60
#define LARGEST_BATCH_BYTES (4 * 1024 * 1024)
#define MOST_TRIES 3

/* ---- commands that go alone ---- */

static BusyTask *
busy_find(Query *query, const char *task_id)
{
	BusyTask   *busy = NULL;

	if (task_id)
		HASH_FIND_STR(query->busy, task_id, busy);
	return busy;
}

/* One more command of the task goes alone; false when out of memory. */
static bool
busy_add(Query *query, const char *task_id)
{
	BusyTask   *busy = busy_find(query, task_id);

	if (task_id == NULL)
		return true;
	if (busy == NULL)
	{
		busy = calloc(1, sizeof(BusyTask));
		if (busy == NULL || (busy->task_id = strdup(task_id)) == NULL)
		{
			free(busy);
			return false;
		}
		HASH_ADD_KEYPTR(hh, query->busy, busy->task_id, strlen(busy->task_id), busy);
	}
	busy->commands++;
	return true;
}

/* A command of the task that went alone has ended. */
static void
busy_end(Query *query, const char *task_id)
{
	BusyTask   *busy = busy_find(query, task_id);

	if (busy == NULL || --busy->commands > 0)
		return;
	HASH_DEL(query->busy, busy);
	free(busy->task_id);
	free(busy);
}

static bool
wait_lanes_ready(const Query *query)
{
	int			i;

	for (i = 0; i < WAIT_LANES; i++)
		if (pgconn_ready(query->wait[i].conn))
			return true;
	return false;
}

static void
wait_lanes_go(Query *query)
{
	int			i;

	for (i = 0; i < WAIT_LANES; i++)
		lane_go(&query->wait[i]);
}

/* From now on the command goes alone. */
static void
go_alone(Query *query, QueryCommand *command)
{
	if (!busy_add(query, command->task_id))
	{
		query_command_fail(command, "53200", "out of memory");
		return;
	}
	command->since = clock_seconds();
	list_append(&query->alone, command);
}

/* Ends a command that went alone. */
static void
alone_fail(Query *query, QueryCommand *command, const char *sqlstate, const char *message)
{
	busy_end(query, command->task_id);
	query_command_fail(command, sqlstate, message);
}

/* All that waits to go alone fails. */
static void
alone_fail_all(Query *query, const char *sqlstate, const char *message)
{
	CommandList failed;
	QueryCommand *command;

	failed.first = query->alone.first;
	list_init(&query->alone);
	while ((command = failed.first) != NULL)
	{
		failed.first = command->next;
		alone_fail(query, command, sqlstate, message);
	}
}

/*
 * A command has waited for its task's lock in vain: those that have waited
 * behind it as long would do no better.
 */
static void
alone_fail_task(Query *query, const char *task_id, double since, const CommandRow *row)
{
	CommandList failed;
	QueryCommand **place = &query->alone.first;
	QueryCommand *command;

	list_init(&failed);
	while (task_id && *place)
	{
		if ((*place)->task_id && strcmp((*place)->task_id, task_id) == 0 && (*place)->since <= since)
			list_append(&failed, list_take(&query->alone, place));
		else
			place = &(*place)->next;
	}
	while ((command = list_pop(&failed)) != NULL)
		alone_fail(query, command, row->sqlstate, row->message);
}

/* Whether another spare connection is at this task. */
static bool
task_under_way(const Query *query, const char *task_id)
{
	int			i;

	for (i = 0; task_id && i < WAIT_LANES; i++)
	{
		const QueryCommand *running = query->wait[i].running.first;

		if (running && running->task_id && strcmp(running->task_id, task_id) == 0)
			return true;
	}
	return false;
}

/* The next command to go alone, or NULL. */
static QueryCommand *
alone_next(Query *query)
{
	QueryCommand **place;

	for (place = &query->alone.first; *place; place = &(*place)->next)
		if (!task_under_way(query, (*place)->task_id))
			return list_take(&query->alone, place);
	return NULL;
}

/* ---- answers ---- */

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
		return (is_state(row, "55P03") || is_state(row, "40")) && wait_lanes_ready(lane->query);
	return is_state(row, "40") && command->tries < MOST_TRIES;
}

/* One command's rows have come. */
static void
answer_from(Lane *lane, QueryCommand *command, const PGresult *result, int first, int count)
{
	Query	   *query = lane->query;
	CommandRow	few[4];
	CommandRow *rows = count <= 4 ? few : malloc((size_t) count * sizeof(CommandRow));
	int			i;

	for (i = 0; rows && i < count; i++)
		read_row(result, first + i, &rows[i]);
	if (rows && count > 0 && (lane->alone || lane->keeps_order))
		query_written(query, rows[0].sqlstate);
	if (lane->alone)
	{
		if (rows && count == 1 && is_state(&rows[0], "55P03"))
			alone_fail_task(query, command->task_id, lane->started_at, &rows[0]);
		busy_end(query, command->task_id);
	}
	if (rows == NULL || count == 0)
		query_command_fail(command, count == 0 ? "XX000" : "53200", "the database gave no answer");
	else if (count == 1 && goes_alone(lane, command, &rows[0]))
	{
		command->tries++;
		go_alone(query, command);
	}
	else
		query_command_answer(command, rows, count);
	if (rows != few)
		free(rows);
}

/*
 * A whole statement has failed: that is no command's fault, and no command
 * flows.  Gives what each is answered with: what passes by itself, or an
 * internal error.
 */
static const char *
lane_statement_failed(Lane *lane, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	log_write(LOG_LEVEL_WARNING, "query", 0, "%s: %s", lane->name, PQresultErrorMessage(result));
	lane->query->refused_at = clock_seconds();
	if (sqlstate == NULL)
		return "08006";
	return wire_code_of_sqlstate(sqlstate, NULL) == WIRE_UNAVAILABLE ? sqlstate : "XX000";
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
	const char *sqlstate = good ? NULL : lane_statement_failed(lane, result);

	list_init(&lane->running);
	for (number = 1; (command = running.first) != NULL; number++)
	{
		int			first = row;

		running.first = command->next;
		if (!good)
		{
			if (lane->alone)
				busy_end(lane->query, command->task_id);
			query_command_fail(command, sqlstate, "the database failed");
			continue;
		}
		while (row < PQntuples(result) && sql_cell_integer(result, row, 0) == number)
			row++;
		answer_from(lane, command, result, first, row - first);
	}
	wait_lanes_go(lane->query);
	lane_go(lane);
}

/* ---- batches ---- */

/*
 * Takes commands for one batch, sorted by task; those of a task that is busy
 * go behind it.
 */
static void
lane_fill(Lane *lane)
{
	Query	   *query = lane->query;
	size_t		bytes = 0;
	QueryCommand *command;

	if (lane->alone)
	{
		command = alone_next(query);
		if (command)
			list_append(&lane->running, command);
		return;
	}
	while (lane->running.count < LARGEST_BATCH && bytes < LARGEST_BATCH_BYTES
		   && (command = list_pop(&lane->waiting)) != NULL)
	{
		if (lane->keeps_order && busy_find(query, command->task_id))
		{
			go_alone(query, command);
			continue;
		}
		/* What was to be written is written all the same; but nobody reads what would be read. */
		if (!lane->keeps_order && (command->done == NULL || query->events->abandoned(query->arg, command->done, command->arg)))
		{
			query_command_fail(command, "57014", "nobody waits for it");
			continue;
		}
		bytes += command->frame_len;
		list_insert_sorted(&lane->running, command);
	}
}

/* Sends the next batch if the lane is free. */
void
lane_go(Lane *lane)
{
	JsonText	users = {0};
	JsonText	frames = {0};
	QueryLimits limits = {0};
	char		numbers[3][16];
	const char *params[6];
	QueryCommand *command;

	if (!pgconn_idle(lane->conn) || lane->running.first)
		return;
	lane_fill(lane);
	if (lane->running.first == NULL)
		return;
	for (command = lane->running.first; command; command = command->next)
	{
		sql_array_add(&users, command->user_id);
		sql_array_add(&frames, command->frame);
	}
	lane->query->events->limits(lane->query->arg, &limits);
	snprintf(numbers[0], sizeof(numbers[0]), "%d", limits.max_bytes);
	snprintf(numbers[1], sizeof(numbers[1]), "%d", limits.max_events);
	snprintf(numbers[2], sizeof(numbers[2]), "%d", limits.max_rooms);
	params[0] = sql_array_end(&users);
	params[1] = sql_array_end(&frames);
	params[2] = lane->alone ? "true" : "false";
	params[3] = numbers[0];
	params[4] = numbers[1];
	params[5] = numbers[2];
	lane->started_at = clock_seconds();
	if (params[0] == NULL || params[1] == NULL)
		lane_fail_running(lane, "53200", "out of memory");
	else
		(void) pgconn_send(lane->conn,
						   "SELECT command, room_id, seq, role, sqlstate, constraint_name, message, data"
						   " FROM taskchat.relay_run($1::text[], $2::text[], $3::boolean, $4::int, $5::int, $6::int)", 6, params);
	json_text_reset(&users);
	json_text_reset(&frames);
}

/* Answers what is under way with an error. */
void
lane_fail_running(Lane *lane, const char *sqlstate, const char *message)
{
	if (lane->alone && lane->running.first)
		busy_end(lane->query, lane->running.first->task_id);
	list_fail(&lane->running, sqlstate, message);
}

/* Answers all that waits with an error. */
void
lane_fail_waiting(Lane *lane, const char *sqlstate, const char *message)
{
	if (!lane->alone)
		list_fail(&lane->waiting, sqlstate, message);
	else if (!wait_lanes_ready(lane->query))
		alone_fail_all(lane->query, sqlstate, message);
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
	lane_fail_running(lane, "08006", reason);
	lane_fail_waiting(lane, "08006", reason);
}

static const PgConnEvents lane_events = {lane_ready, lane_answer, lane_lost, NULL};

/* Makes the lane and begins to connect it; false when out of memory. */
bool
lane_open(Lane *lane, Query *query, const char *name, const char *database, LaneKind kind)
{
	lane->query = query;
	lane->name = name;
	lane->alone = kind == LANE_SPARE;
	lane->keeps_order = kind == LANE_BATCHES_IN_ORDER;
	list_init(&lane->waiting);
	list_init(&lane->running);
	if (query->alone.last == NULL)
		list_init(&query->alone);
	lane->conn = pgconn_new(query->loop, name, database, lane->alone ? "2s" : NULL, &lane_events, lane);
	return lane->conn != NULL;
}

/* Closes it; no callback follows. */
void
lane_close(Lane *lane)
{
	pgconn_free(lane->conn);
	lane->conn = NULL;
	list_free(&lane->running);
	list_free(&lane->waiting);
}

/* Frees what waits to go alone; the lanes are closed. */
void
lane_free_alone(Query *query)
{
	BusyTask   *busy;
	BusyTask   *next;

	list_free(&query->alone);
	HASH_ITER(hh, query->busy, busy, next)
	{
		HASH_DEL(query->busy, busy);
		free(busy->task_id);
		free(busy);
	}
}

/* Takes a command (copied) for the next batch; false when out of memory. */
bool
lane_add(Lane *lane, const char *user_id, const char *task_id, const char *frame, size_t frame_len,
		 CommandDone done, void *arg)
{
	QueryCommand *command = calloc(1, sizeof(QueryCommand));

	if (command == NULL)
		return false;
	command->user_id = strdup(user_id);
	command->task_id = task_id ? strdup(task_id) : NULL;
	command->frame = strndup(frame, frame_len);
	command->frame_len = frame_len;
	command->done = done;
	command->arg = arg;
	if (command->user_id == NULL || command->frame == NULL || (task_id && command->task_id == NULL))
	{
		query_command_free(command);
		return false;
	}
	list_append(&lane->waiting, command);
	return true;
}

/* Forgets the callbacks of all commands with this arg. */
void
lane_forget(Lane *lane, const void *arg)
{
	list_forget(&lane->waiting, arg);
	list_forget(&lane->running, arg);
	list_forget(&lane->query->alone, arg);
}
