/*
 * query.c
 *	  The lanes to the database and what gathers for each: commands in
 *	  micro-batches, and the news that the relay has to look for.  The
 *	  statements are those of the contract in extension/sql/relay.sql.
 */
#include "query.h"

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

#include "codec.h"
#include "listener.h"
#include "log.h"
#include "pgconn.h"

#define LARGEST_BATCH 60
#define LARGEST_BATCH_BYTES (4 * 1024 * 1024)
#define LARGEST_SET 1000
#define FETCH_ROWS 200
#define MOST_TRIES 3
#define POLL 5.0
#define BEAT 5.0
#define DELIVERED_PAUSE 1.0

/* One command on its way. */
typedef struct QueryCommand
{
	struct QueryCommand *next;
	char	   *user_id;
	char	   *frame;
	size_t		frame_len;
	CommandDone done;			/* NULL: forgotten */
	void	   *arg;
	int			tries;			/* alone, so far */
} QueryCommand;

typedef struct CommandList
{
	QueryCommand *first;
	QueryCommand **last;
	size_t		count;
} CommandList;

/* A connection for commands: the next batch fills while one is under way. */
typedef struct Lane
{
	struct Query *query;
	PgConn	   *conn;
	const char *name;
	bool		alone;			/* one command at a time, and it may wait for locks */
	CommandList waiting;
	CommandList running;
} Lane;

/* A room or user to look at; with what there is to say of it. */
typedef struct Entry
{
	char	   *key;			/* room_id or user_id, or both; owned */
	int64_t		room_id;
	char	   *user_id;		/* owned */
	char	   *task_id;		/* owned */
	int64_t		seq;
	bool		flag;			/* online, typing */
	UT_hash_handle hh;
} Entry;

typedef struct TicketWait
{
	struct TicketWait *next;
	char	   *ticket;
	TicketDone	done;
	void	   *arg;
} TicketWait;

/* What the news lane can do, in order of urgency. */
typedef enum NewsKind
{
	NEWS_FAREWELL, NEWS_REDEEM, NEWS_BEAT, NEWS_ONLINE, NEWS_FETCH, NEWS_CURSORS, NEWS_PRESENCE,
	NEWS_NOTIFICATIONS, NEWS_TYPING, NEWS_DELIVERED, NEWS_KINDS, NEWS_NONE = NEWS_KINDS
} NewsKind;

struct Query
{
	struct ev_loop *loop;		/* borrowed */
	const QueryEvents *events;	/* borrowed */
	void	   *arg;			/* of the events */
	char		relay_id[80];
	Listener   *listener;
	Lane		read;
	Lane		write;
	Lane		wait;
	PgConn	   *news;
	NewsKind	doing;			/* what the news lane has under way */
	Entry	   *sets[NEWS_KINDS];	/* dirty rooms and users */
	Entry	   *taken;			/* what the statement under way is about */
	Entry	   *known;			/* rooms that the slow poll looks at */
	TicketWait *tickets;		/* to be redeemed */
	TicketWait *redeeming;		/* under way */
	bool		beat_due;
	bool		delivered_due;
	bool		up;				/* told so */
	char		epoch[64];		/* seen last; "" before */
	int			max_content_bytes;
	void		(*farewell_done) (void *arg);
	void	   *farewell_arg;
	ev_timer	poll;
	ev_timer	beat;
	ev_timer	delivered;
	ev_timer	soon;			/* answers what cannot be sent, in the next turn */
};

static void lane_go(Lane *lane);
static void news_go(Query *query);

/* Text of an SQL array: {"…","…"}; NULL elements are NULL. */
static void
array_add(JsonText *text, const char *element)
{
	const char *p;

	json_text_raw(text, text->len == 0 ? "{" : ",");
	if (element == NULL)
	{
		json_text_raw(text, "NULL");
		return;
	}
	json_text_raw(text, "\"");
	for (p = element; *p; p++)
	{
		if (*p == '"' || *p == '\\')
			json_text_raw_n(text, "\\", 1);
		json_text_raw_n(text, p, 1);
	}
	json_text_raw(text, "\"");
}

static void
array_add_integer(JsonText *text, int64_t n)
{
	json_text_raw(text, text->len == 0 ? "{" : ",");
	json_text_integer(text, n);
}

static const char *
array_end(JsonText *text)
{
	json_text_raw(text, text->len == 0 ? "{}" : "}");
	return text->failed ? NULL : text->data;
}

static const char *
cell(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
}

static int64_t
cell_integer(const PGresult *result, int row, int column)
{
	const char *text = cell(result, row, column);

	return text ? strtoll(text, NULL, 10) : 0;
}

/* Commands */

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
	row->room_id = cell_integer(result, i, 1);
	row->seq = cell_integer(result, i, 2);
	row->role = cell(result, i, 3);
	row->sqlstate = cell(result, i, 4);
	row->constraint_name = cell(result, i, 5);
	row->message = cell(result, i, 6);
	row->data = cell(result, i, 7);
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
		while (row < PQntuples(result) && cell_integer(result, row, 0) == number)
			row++;
		answer_from(lane, command, result, first, row - first);
	}
	lane_go(lane);
}

/* Send the next batch if the lane is free. */
static void
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

		array_add(&users, command->user_id);
		array_add(&frames, command->frame);
		list_append(&lane->running, command);
	}
	params[0] = array_end(&users);
	params[1] = array_end(&frames);
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

/* Sets */

static void
entry_free(Entry *entry)
{
	free(entry->key);
	free(entry->user_id);
	free(entry->task_id);
	free(entry);
}

static void
set_clear(Entry **set)
{
	Entry	   *entry;
	Entry	   *next;

	HASH_ITER(hh, *set, entry, next)
	{
		HASH_DEL(*set, entry);
		entry_free(entry);
	}
}

/* The entry of that room or user (or both), made when it is new; NULL when out of memory. */
static Entry *
set_put(Entry **set, int64_t room_id, const char *user_id)
{
	char		key[300];
	Entry	   *entry;

	snprintf(key, sizeof(key), "%lld/%s", (long long) room_id, user_id ? user_id : "");
	HASH_FIND_STR(*set, key, entry);
	if (entry != NULL)
		return entry;
	entry = calloc(1, sizeof(Entry));
	if (entry == NULL)
		return NULL;
	entry->key = strdup(key);
	entry->room_id = room_id;
	entry->user_id = user_id ? strdup(user_id) : NULL;
	if (entry->key == NULL || (user_id && entry->user_id == NULL))
	{
		entry_free(entry);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, *set, entry->key, strlen(entry->key), entry);
	return entry;
}

/* Move up to LARGEST_SET entries to query->taken. */
static size_t
set_take(Query *query, NewsKind kind)
{
	Entry	   *entry;
	Entry	   *next;
	size_t		count = 0;

	HASH_ITER(hh, query->sets[kind], entry, next)
	{
		if (count == LARGEST_SET)
			break;
		HASH_DEL(query->sets[kind], entry);
		HASH_ADD_KEYPTR(hh, query->taken, entry->key, strlen(entry->key), entry);
		count++;
	}
	return count;
}

/* News: each kind sends one statement about what it took, and reads its answer */

static bool
send_arrays(Query *query, const char *sql, int n, JsonText *arrays)
{
	const char *params[4];
	bool		good = true;
	int			i;

	for (i = 0; i < n; i++)
	{
		params[i] = array_end(&arrays[i]);
		good = good && params[i] != NULL;
	}
	good = good && pgconn_send(query->news, sql, n, params);
	for (i = 0; i < n; i++)
		json_text_reset(&arrays[i]);
	return good;
}

static bool
news_farewell(Query *query)
{
	const char *params[] = {query->relay_id};

	return query->farewell_done && pgconn_send(query->news, "SELECT taskchat.relay_farewell($1)", 1, params);
}

static bool
news_redeem(Query *query)
{
	JsonText	tickets = {0};
	TicketWait *wait;

	if (query->tickets == NULL)
		return false;
	query->redeeming = query->tickets;
	query->tickets = NULL;
	for (wait = query->redeeming; wait; wait = wait->next)
		array_add(&tickets, wait->ticket);
	return send_arrays(query, "SELECT ticket, user_id FROM taskchat.relay_redeem($1::text[]) ORDER BY ticket", 1, &tickets);
}

static bool
news_beat(Query *query)
{
	const char *params[] = {query->relay_id};

	if (!query->beat_due)
		return false;
	query->beat_due = false;
	return pgconn_send(query->news, "SELECT taskchat.relay_beat($1, '15 seconds')", 1, params);
}

static bool
news_online(Query *query)
{
	JsonText	arrays[4] = {{0}, {0}, {0}, {0}};
	Entry	   *entry;

	if (set_take(query, NEWS_ONLINE) == 0)
		return false;
	for (entry = query->taken; entry; entry = entry->hh.next)
	{
		array_add(&arrays[1], entry->user_id);
		array_add(&arrays[2], entry->task_id);
		array_add(&arrays[3], entry->flag ? "t" : "f");
	}
	array_add(&arrays[0], query->relay_id);
	return send_arrays(query, "SELECT taskchat.relay_online(($1::text[])[1], $2::text[], $3::text[], $4::boolean[])", 4, arrays);
}

static bool
news_fetch(Query *query)
{
	JsonText	arrays[2] = {{0}, {0}};
	size_t		wanted = 0;
	Entry	   *entry;
	Entry	   *next;
	char		sql[256];

	set_take(query, NEWS_FETCH);
	HASH_ITER(hh, query->taken, entry, next)
	{
		int64_t		position = query->events->room_position(query->arg, entry->room_id);

		if (position < 0)
		{
			HASH_DEL(query->taken, entry);
			entry_free(entry);
			continue;
		}
		array_add_integer(&arrays[0], entry->room_id);
		array_add_integer(&arrays[1], position);
		entry->seq = 0;			/* rows that came */
		wanted++;
	}
	if (wanted == 0)
		return false;
	snprintf(sql, sizeof(sql), "SELECT room_id, seq, kind, user_id, role, event"
			 " FROM taskchat.relay_fetch($1::bigint[], $2::bigint[], %d)", FETCH_ROWS);
	return send_arrays(query, sql, 2, arrays);
}

static bool
news_cursors(Query *query)
{
	JsonText	rooms = {0};
	Entry	   *entry;

	if (set_take(query, NEWS_CURSORS) == 0)
		return false;
	for (entry = query->taken; entry; entry = entry->hh.next)
		array_add_integer(&rooms, entry->room_id);
	return send_arrays(query, "SELECT room_id, user_id, role, last_read_seq, last_delivered_seq"
					   " FROM taskchat.relay_cursors($1::bigint[])", 1, &rooms);
}

static bool
news_presence(Query *query)
{
	JsonText	users = {0};
	Entry	   *entry;

	if (set_take(query, NEWS_PRESENCE) == 0)
		return false;
	for (entry = query->taken; entry; entry = entry->hh.next)
		array_add(&users, entry->user_id);
	return send_arrays(query, "SELECT user_id, is_online, last_seen, current_task_id"
					   " FROM taskchat.relay_presence($1::text[])", 1, &users);
}

static bool
news_notifications(Query *query)
{
	JsonText	arrays[2] = {{0}, {0}};
	size_t		wanted = 0;
	Entry	   *entry;
	char		digits[24];

	set_take(query, NEWS_NOTIFICATIONS);
	for (entry = query->taken; entry; entry = entry->hh.next)
	{
		int64_t		position = query->events->notification_position(query->arg, entry->user_id);

		if (position < -1)
			continue;
		snprintf(digits, sizeof(digits), "%lld", (long long) position);
		array_add(&arrays[0], entry->user_id);
		array_add(&arrays[1], position < 0 ? NULL : digits);
		wanted++;
	}
	if (wanted > 0)
		return send_arrays(query, "SELECT user_id, seq, event FROM taskchat.relay_notifications($1::text[], $2::bigint[])", 2, arrays);
	set_clear(&query->taken);
	return false;
}

static bool
news_typing(Query *query)
{
	JsonText	arrays[3] = {{0}, {0}, {0}};
	Entry	   *entry;

	if (set_take(query, NEWS_TYPING) == 0)
		return false;
	for (entry = query->taken; entry; entry = entry->hh.next)
	{
		array_add_integer(&arrays[0], entry->room_id);
		array_add(&arrays[1], entry->user_id);
		array_add(&arrays[2], entry->flag ? "t" : "f");
	}
	return send_arrays(query, "SELECT taskchat.relay_typing($1::bigint[], $2::text[], $3::boolean[])", 3, arrays);
}

static bool
news_delivered(Query *query)
{
	JsonText	arrays[3] = {{0}, {0}, {0}};
	Entry	   *entry;

	if (!query->delivered_due || set_take(query, NEWS_DELIVERED) == 0)
		return false;
	query->delivered_due = false;
	for (entry = query->taken; entry; entry = entry->hh.next)
	{
		array_add_integer(&arrays[0], entry->room_id);
		array_add(&arrays[1], entry->user_id);
		array_add_integer(&arrays[2], entry->seq);
	}
	return send_arrays(query, "SELECT taskchat.relay_delivered($1::bigint[], $2::text[], $3::bigint[])", 3, arrays);
}

static void
redeem_answer(Query *query, const PGresult *result)
{
	TicketWait *wait = query->redeeming;
	int			row = 0;

	query->redeeming = NULL;
	while (wait)
	{
		TicketWait *next = wait->next;

		if (wait->done)
			wait->done(wait->arg, result != NULL, result ? cell(result, row, 1) : NULL);
		free(wait->ticket);
		free(wait);
		wait = next;
		row++;
	}
}

static void
beat_answer(Query *query, const PGresult *result)
{
	if (strcmp(PQgetvalue(result, 0, 0), "f") == 0)
		query->events->register_all(query->arg);
}

static void
fetch_answer(Query *query, const PGresult *result)
{
	int			rows = result ? PQntuples(result) : 0;
	int64_t    *rooms = calloc(HASH_COUNT(query->taken) + 1, sizeof(int64_t));
	int			nrooms = 0;
	Entry	   *taken = query->taken;
	Entry	   *entry;
	int			i;

	query->taken = NULL;
	for (i = 0; i < rows; i++)
	{
		FetchRow	row = {
			.room_id = cell_integer(result, i, 0), .seq = cell_integer(result, i, 1), .kind = cell(result, i, 2),
			.user_id = cell(result, i, 3), .role = cell(result, i, 4), .event = cell(result, i, 5)
		};

		row.event_len = row.event ? (size_t) PQgetlength(result, i, 5) : 0;
		set_put(&taken, row.room_id, NULL)->seq++;
		query->events->fetch_row(query->arg, &row);
	}
	for (entry = taken; entry; entry = entry->hh.next)
	{
		/* A full page, or a failure: look again. */
		if (entry->seq >= FETCH_ROWS || result == NULL)
			(void) set_put(&query->sets[NEWS_FETCH], entry->room_id, NULL);
		if (rooms)
			rooms[nrooms++] = entry->room_id;
	}
	set_clear(&taken);
	query->events->fetch_done(query->arg, rooms, nrooms, result != NULL);
	free(rooms);
}

static void
cursors_answer(Query *query, const PGresult *result)
{
	int			i;

	for (i = 0; i < PQntuples(result); i++)
	{
		CursorRow	row = {cell_integer(result, i, 0), cell(result, i, 1), cell(result, i, 2),
		cell_integer(result, i, 3), cell_integer(result, i, 4)};

		query->events->cursor_row(query->arg, &row);
	}
}

static void
presence_answer(Query *query, const PGresult *result)
{
	int			i;

	for (i = 0; i < PQntuples(result); i++)
	{
		PresenceRow row = {cell(result, i, 0), strcmp(PQgetvalue(result, i, 1), "t") == 0,
		cell(result, i, 2), cell(result, i, 3)};

		query->events->presence_row(query->arg, &row);
	}
}

static void
notifications_answer(Query *query, const PGresult *result)
{
	int			i;

	for (i = 0; i < PQntuples(result); i++)
	{
		NotificationRow row = {cell(result, i, 0), cell_integer(result, i, 1), cell(result, i, 2), 0};

		row.event_len = row.event ? (size_t) PQgetlength(result, i, 2) : 0;
		query->events->notification_row(query->arg, &row);
	}
}

static void
farewell_answer(Query *query, const PGresult *result)
{
	void		(*done) (void *arg) = query->farewell_done;

	(void) result;
	query->farewell_done = NULL;
	if (done)
		done(query->farewell_arg);
}

/* again: what was taken is looked for once more when the statement failed. */
static const struct
{
	bool		(*send) (Query *query);	/* false: nothing to do */
	void		(*answer) (Query *query, const PGresult *result);	/* NULL result (failed) only where always is set */
	bool		always;
	bool		again;
}			news[NEWS_KINDS] = {
	[NEWS_FAREWELL] = {news_farewell, farewell_answer, true, false},
	[NEWS_REDEEM] = {news_redeem, redeem_answer, true, false},
	[NEWS_BEAT] = {news_beat, beat_answer, false, false},
	[NEWS_ONLINE] = {news_online, NULL, false, true},
	[NEWS_FETCH] = {news_fetch, fetch_answer, true, false},
	[NEWS_CURSORS] = {news_cursors, cursors_answer, false, true},
	[NEWS_PRESENCE] = {news_presence, presence_answer, false, true},
	[NEWS_NOTIFICATIONS] = {news_notifications, notifications_answer, false, true},
	[NEWS_TYPING] = {news_typing, NULL, false, false},
	[NEWS_DELIVERED] = {news_delivered, NULL, false, true}
};

/* Put back what a failed statement took, unless something newer is there. */
static void
put_back(Query *query, NewsKind kind)
{
	Entry	   *entry;
	Entry	   *next;

	HASH_ITER(hh, query->taken, entry, next)
	{
		Entry	   *newer;

		HASH_DEL(query->taken, entry);
		HASH_FIND_STR(query->sets[kind], entry->key, newer);
		if (newer)
			entry_free(entry);
		else
			HASH_ADD_KEYPTR(hh, query->sets[kind], entry->key, strlen(entry->key), entry);
	}
}

/* The news lane's statement ended; result NULL: it failed. */
static void
news_end(Query *query, const PGresult *result)
{
	NewsKind	kind = query->doing;

	query->doing = NEWS_NONE;
	if (kind == NEWS_NONE)
		return;
	if (news[kind].answer && (result || news[kind].always))
		news[kind].answer(query, result);
	if (result == NULL && news[kind].again)
		put_back(query, kind);
	set_clear(&query->taken);
}

static void
news_answer(void *arg, const PGresult *result)
{
	Query	   *query = arg;
	bool		good = PQresultStatus(result) == PGRES_TUPLES_OK;

	if (!good)
		log_write(LOG_LEVEL_WARNING, "query", 0, "news %d: %s", (int) query->doing, PQresultErrorMessage(result));
	news_end(query, good ? result : NULL);
	if (good)
		news_go(query);
	/* After a failure the next round waits for a bell, the poll or the beat. */
}

static void
news_go(Query *query)
{
	NewsKind	kind;

	for (kind = 0; kind < NEWS_KINDS; kind++)
	{
		if (!pgconn_idle(query->news) || query->doing != NEWS_NONE)
			return;
		query->doing = kind;
		if (news[kind].send(query))
			return;
		if (query->doing == kind)
			query->doing = NEWS_NONE;
	}
}

/* Up and down */

static void
tell(Query *query)
{
	bool		up = query_ready(query);
	bool		changed;

	if (up == query->up)
		return;
	query->up = up;
	if (!up)
	{
		log_write(LOG_LEVEL_WARNING, "query", 0, "the database is out of reach");
		query->events->down(query->arg);
		return;
	}
	log_write(LOG_LEVEL_INFO, "query", 0, "the database is within reach");
	changed = query->epoch[0] != '\0' && strncmp(query->epoch, "new:", 4) == 0;
	if (changed)
		memmove(query->epoch, query->epoch + 4, strlen(query->epoch + 4) + 1);
	query->events->up(query->arg, query->epoch, changed, query->max_content_bytes);
	query->beat_due = true;
	news_go(query);
}

static void
listener_up(void *arg, const char *epoch, int max_content_bytes)
{
	Query	   *query = arg;

	if (query->epoch[0] == '\0')
		snprintf(query->epoch, sizeof(query->epoch), "%s", epoch);
	else if (strcmp(query->epoch, epoch) != 0)
		snprintf(query->epoch, sizeof(query->epoch), "new:%.50s", epoch);
	query->max_content_bytes = max_content_bytes;
	tell(query);
}

static void
listener_down(void *arg)
{
	tell(arg);
}

static void
listener_bell(void *arg, const char *payload, int backend)
{
	Query	   *query = arg;

	if (payload[0] == 't' && backend == pgconn_backend(query->news))
		return;
	query->events->bell(query->arg, payload[0], payload + 1);
}

static void
lane_ready(void *arg)
{
	Lane	   *lane = arg;

	tell(lane->query);
	lane_go(lane);
}

static void
lane_lost(void *arg, const char *reason)
{
	Lane	   *lane = arg;

	tell(lane->query);
	list_fail(&lane->running, "08006", reason);
	list_fail(&lane->waiting, "08006", reason);
}

static void
news_ready(void *arg)
{
	tell(arg);
	news_go(arg);
}

static void
news_lost(void *arg, const char *reason)
{
	Query	   *query = arg;

	(void) reason;
	tell(query);
	news_end(query, NULL);
}

static const PgConnEvents lane_events = {lane_ready, lane_answer, lane_lost, NULL};
static const PgConnEvents news_events = {news_ready, news_answer, news_lost, NULL};
static const ListenerEvents listener_events = {listener_up, listener_down, listener_bell};

static void
on_poll(struct ev_loop *loop, ev_timer *timer, int events)
{
	Query	   *query = timer->data;
	Entry	   *entry;
	Entry	   *next;

	(void) loop;
	(void) events;
	HASH_ITER(hh, query->known, entry, next)
	{
		if (query->events->room_position(query->arg, entry->room_id) >= 0)
			(void) set_put(&query->sets[NEWS_FETCH], entry->room_id, NULL);
		else
		{
			HASH_DEL(query->known, entry);
			entry_free(entry);
		}
	}
	news_go(query);
}

static void
on_beat(struct ev_loop *loop, ev_timer *timer, int events)
{
	Query	   *query = timer->data;

	(void) loop;
	(void) events;
	query->beat_due = true;
	news_go(query);
}

static void
on_delivered(struct ev_loop *loop, ev_timer *timer, int events)
{
	Query	   *query = timer->data;

	(void) loop;
	(void) events;
	query->delivered_due = true;
	news_go(query);
}

/* Answer what came in while the database is out of reach. */
static void
on_soon(struct ev_loop *loop, ev_timer *timer, int events)
{
	Query	   *query = timer->data;
	Lane	   *lanes[] = {&query->read, &query->write, &query->wait};
	size_t		i;

	(void) loop;
	(void) events;
	for (i = 0; i < 3; i++)
		if (!pgconn_ready(lanes[i]->conn))
			list_fail(&lanes[i]->waiting, "08006", "the database is out of reach");
	if (!pgconn_ready(query->news) && query->tickets && query->redeeming == NULL)
	{
		query->redeeming = query->tickets;
		query->tickets = NULL;
		redeem_answer(query, NULL);
	}
}

static void
answer_soon(Query *query)
{
	if (!ev_is_active(&query->soon))
	{
		ev_timer_set(&query->soon, 0., 0.);
		ev_timer_start(query->loop, &query->soon);
	}
}

static bool
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

static void
timer_open(Query *query, ev_timer *timer, void (*callback) (struct ev_loop *, ev_timer *, int), double seconds)
{
	ev_timer_init(timer, callback, seconds, seconds);
	timer->data = query;
	if (seconds > 0)
		ev_timer_start(query->loop, timer);
}

/* See query.h. */
Query *
query_new(struct ev_loop *loop, const char *database, const char *relay_id,
		  const QueryEvents *events, void *arg, char **error)
{
	Query	   *query = calloc(1, sizeof(Query));
	PQconninfoOption *parsed = PQconninfoParse(database, error);

	if (parsed == NULL || query == NULL)
	{
		PQconninfoFree(parsed);
		free(query);
		return NULL;
	}
	PQconninfoFree(parsed);
	query->loop = loop;
	query->events = events;
	query->arg = arg;
	query->doing = NEWS_NONE;
	/* Reconnects of several relays are spread: each draws its own pauses. */
	srand48((long) getpid() ^ (long) (ev_now(loop) * 1000000));
	snprintf(query->relay_id, sizeof(query->relay_id), "%s", relay_id);
	list_init(&query->read.waiting);
	timer_open(query, &query->poll, on_poll, POLL);
	timer_open(query, &query->beat, on_beat, BEAT);
	timer_open(query, &query->delivered, on_delivered, DELIVERED_PAUSE);
	timer_open(query, &query->soon, on_soon, 0);
	if (lane_open(&query->read, query, "taskchat-relay read", database, false) &&
		lane_open(&query->write, query, "taskchat-relay write", database, false) &&
		lane_open(&query->wait, query, "taskchat-relay wait", database, true) &&
		(query->news = pgconn_new(loop, "taskchat-relay news", database, NULL, &news_events, query)) != NULL &&
		(query->listener = listener_new(loop, database, relay_id, &listener_events, query)) != NULL)
		return query;
	query_free(query);
	return NULL;
}

static void
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

static void
tickets_free(TicketWait *wait)
{
	while (wait)
	{
		TicketWait *next = wait->next;

		free(wait->ticket);
		free(wait);
		wait = next;
	}
}

/* Closes everything; no callback follows. */
void
query_free(Query *query)
{
	ev_timer   *timers[4];
	size_t		i;

	if (query == NULL)
		return;
	timers[0] = &query->poll;
	timers[1] = &query->beat;
	timers[2] = &query->delivered;
	timers[3] = &query->soon;
	for (i = 0; i < 4; i++)
		ev_timer_stop(query->loop, timers[i]);
	listener_free(query->listener);
	lane_close(&query->read);
	lane_close(&query->write);
	lane_close(&query->wait);
	pgconn_free(query->news);
	for (i = 0; i < NEWS_KINDS; i++)
		set_clear(&query->sets[i]);
	set_clear(&query->taken);
	set_clear(&query->known);
	tickets_free(query->tickets);
	tickets_free(query->redeeming);
	free(query);
}

bool
query_ready(const Query *query)
{
	return query->listener && listener_is_up(query->listener) && pgconn_ready(query->read.conn) &&
		pgconn_ready(query->write.conn) && pgconn_ready(query->news);
}

bool
query_command(Query *query, CommandLane lane_kind, const char *user_id,
			  const char *frame, size_t frame_len, CommandDone done, void *arg)
{
	Lane	   *lane = lane_kind == LANE_READ ? &query->read : &query->write;
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
	if (pgconn_ready(lane->conn))
		lane_go(lane);
	else
		answer_soon(query);
	return true;
}

static void
list_forget(CommandList *list, const void *arg)
{
	QueryCommand *command;

	for (command = list->first; command; command = command->next)
		if (command->arg == arg)
			command->done = NULL;
}

void
query_forget(Query *query, const void *arg)
{
	Lane	   *lanes[] = {&query->read, &query->write, &query->wait};
	TicketWait *wait;
	size_t		i;

	for (i = 0; i < 3; i++)
	{
		list_forget(&lanes[i]->waiting, arg);
		list_forget(&lanes[i]->running, arg);
	}
	for (wait = query->tickets; wait; wait = wait->next)
		if (wait->arg == arg)
			wait->done = NULL;
	for (wait = query->redeeming; wait; wait = wait->next)
		if (wait->arg == arg)
			wait->done = NULL;
}

void
query_fetch(Query *query, int64_t room_id)
{
	(void) set_put(&query->known, room_id, NULL);
	(void) set_put(&query->sets[NEWS_FETCH], room_id, NULL);
	news_go(query);
}

void
query_cursors(Query *query, int64_t room_id)
{
	(void) set_put(&query->sets[NEWS_CURSORS], room_id, NULL);
	news_go(query);
}

void
query_presence(Query *query, const char *user_id)
{
	(void) set_put(&query->sets[NEWS_PRESENCE], 0, user_id);
	news_go(query);
}

void
query_notifications(Query *query, const char *user_id)
{
	(void) set_put(&query->sets[NEWS_NOTIFICATIONS], 0, user_id);
	news_go(query);
}

void
query_online(Query *query, const char *user_id, const char *task_id, bool online)
{
	Entry	   *entry = set_put(&query->sets[NEWS_ONLINE], 0, user_id);

	if (entry == NULL)
		return;
	free(entry->task_id);
	entry->task_id = task_id ? strdup(task_id) : NULL;
	entry->flag = online;
	news_go(query);
}

void
query_delivered(Query *query, int64_t room_id, const char *user_id, int64_t seq)
{
	Entry	   *entry = set_put(&query->sets[NEWS_DELIVERED], room_id, user_id);

	if (entry && seq > entry->seq)
		entry->seq = seq;
}

void
query_typing(Query *query, int64_t room_id, const char *user_id, bool typing)
{
	Entry	   *entry = set_put(&query->sets[NEWS_TYPING], room_id, user_id);

	if (entry == NULL)
		return;
	entry->flag = typing;
	news_go(query);
}

void
query_redeem(Query *query, const char *ticket, TicketDone done, void *arg)
{
	TicketWait *wait = calloc(1, sizeof(TicketWait));

	if (wait == NULL || (wait->ticket = strdup(ticket)) == NULL)
	{
		free(wait);
		done(arg, false, NULL);
		return;
	}
	wait->done = done;
	wait->arg = arg;
	wait->next = query->tickets;
	query->tickets = wait;
	if (pgconn_ready(query->news))
		news_go(query);
	else
		answer_soon(query);
}

void
query_farewell(Query *query, void (*done) (void *arg), void *arg)
{
	if (!pgconn_ready(query->news))
	{
		done(arg);
		return;
	}
	query->farewell_done = done;
	query->farewell_arg = arg;
	news_go(query);
}
