/*
 * query_news.c
 *	  What the relay has to look for in the database: rooms that rang, users
 *	  who came or went, tickets.  One statement at a time over one connection,
 *	  the most urgent kind first; each is about all that has gathered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "query_internal.h"

#define FETCH_ROWS 200

static bool
send_arrays(Query *query, const char *sql, int n, JsonText *arrays)
{
	const char *params[4];
	bool		good = true;
	int			i;

	for (i = 0; i < n; i++)
	{
		params[i] = sql_array_end(&arrays[i]);
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
		sql_array_add(&tickets, wait->ticket);
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

	if (set_take(&query->sets[NEWS_ONLINE], &query->taken) == 0)
		return false;
	for (entry = query->taken; entry; entry = entry->hh.next)
	{
		sql_array_add(&arrays[1], entry->user_id);
		sql_array_add(&arrays[2], entry->task_id);
		sql_array_add(&arrays[3], entry->flag ? "t" : "f");
	}
	sql_array_add(&arrays[0], query->relay_id);
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

	set_take(&query->sets[NEWS_FETCH], &query->taken);
	HASH_ITER(hh, query->taken, entry, next)
	{
		int64_t		position = query->events->room_position(query->arg, entry->room_id);

		if (position < 0)
		{
			set_drop(&query->taken, entry);
			continue;
		}
		sql_array_add_integer(&arrays[0], entry->room_id);
		sql_array_add_integer(&arrays[1], position);
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

	if (set_take(&query->sets[NEWS_CURSORS], &query->taken) == 0)
		return false;
	for (entry = query->taken; entry; entry = entry->hh.next)
		sql_array_add_integer(&rooms, entry->room_id);
	return send_arrays(query, "SELECT room_id, user_id, role, last_read_seq, last_delivered_seq"
					   " FROM taskchat.relay_cursors($1::bigint[])", 1, &rooms);
}

static bool
news_presence(Query *query)
{
	JsonText	users = {0};
	Entry	   *entry;

	if (set_take(&query->sets[NEWS_PRESENCE], &query->taken) == 0)
		return false;
	for (entry = query->taken; entry; entry = entry->hh.next)
		sql_array_add(&users, entry->user_id);
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

	set_take(&query->sets[NEWS_NOTIFICATIONS], &query->taken);
	for (entry = query->taken; entry; entry = entry->hh.next)
	{
		int64_t		position = query->events->notification_position(query->arg, entry->user_id);

		if (position < -1)
			continue;
		snprintf(digits, sizeof(digits), "%lld", (long long) position);
		sql_array_add(&arrays[0], entry->user_id);
		sql_array_add(&arrays[1], position < 0 ? NULL : digits);
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

	if (set_take(&query->sets[NEWS_TYPING], &query->taken) == 0)
		return false;
	for (entry = query->taken; entry; entry = entry->hh.next)
	{
		sql_array_add_integer(&arrays[0], entry->room_id);
		sql_array_add(&arrays[1], entry->user_id);
		sql_array_add(&arrays[2], entry->flag ? "t" : "f");
	}
	return send_arrays(query, "SELECT taskchat.relay_typing($1::bigint[], $2::text[], $3::boolean[])", 3, arrays);
}

static bool
news_delivered(Query *query)
{
	JsonText	arrays[3] = {{0}, {0}, {0}};
	Entry	   *entry;

	if (!query->delivered_due || set_take(&query->sets[NEWS_DELIVERED], &query->taken) == 0)
		return false;
	query->delivered_due = false;
	for (entry = query->taken; entry; entry = entry->hh.next)
	{
		sql_array_add_integer(&arrays[0], entry->room_id);
		sql_array_add(&arrays[1], entry->user_id);
		sql_array_add_integer(&arrays[2], entry->seq);
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
			wait->done(wait->arg, result != NULL, result ? sql_cell(result, row, 1) : NULL);
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
	int64_t    *rooms;
	int			nrooms = 0;
	Entry	   *entry;
	int			i;

	for (i = 0; i < rows; i++)
	{
		FetchRow	row = {
			.room_id = sql_cell_integer(result, i, 0), .seq = sql_cell_integer(result, i, 1), .kind = sql_cell(result, i, 2),
			.user_id = sql_cell(result, i, 3), .role = sql_cell(result, i, 4), .event = sql_cell(result, i, 5)
		};

		row.event_len = row.event ? (size_t) PQgetlength(result, i, 5) : 0;
		entry = set_put(&query->taken, row.room_id, NULL);
		if (entry)
			entry->seq++;
		query->events->fetch_row(query->arg, &row);
	}
	rooms = calloc(HASH_COUNT(query->taken) + 1, sizeof(int64_t));
	for (entry = query->taken; entry; entry = entry->hh.next)
	{
		/* A full page, or a failure: look again. */
		if (entry->seq >= FETCH_ROWS || result == NULL)
			(void) set_put(&query->sets[NEWS_FETCH], entry->room_id, NULL);
		if (rooms)
			rooms[nrooms++] = entry->room_id;
	}
	query->events->fetch_done(query->arg, rooms, nrooms, result != NULL);
	free(rooms);
}

static void
cursors_answer(Query *query, const PGresult *result)
{
	int			i;

	for (i = 0; i < PQntuples(result); i++)
	{
		CursorRow	row = {sql_cell_integer(result, i, 0), sql_cell(result, i, 1), sql_cell(result, i, 2),
		sql_cell_integer(result, i, 3), sql_cell_integer(result, i, 4)};

		query->events->cursor_row(query->arg, &row);
	}
}

static void
presence_answer(Query *query, const PGresult *result)
{
	int			i;

	for (i = 0; i < PQntuples(result); i++)
	{
		PresenceRow row = {sql_cell(result, i, 0), strcmp(PQgetvalue(result, i, 1), "t") == 0,
		sql_cell(result, i, 2), sql_cell(result, i, 3)};

		query->events->presence_row(query->arg, &row);
	}
}

static void
notifications_answer(Query *query, const PGresult *result)
{
	int			i;

	for (i = 0; i < PQntuples(result); i++)
	{
		NotificationRow row = {sql_cell(result, i, 0), sql_cell_integer(result, i, 1), sql_cell(result, i, 2), 0};

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

/*
 * The news lane's statement ended; result NULL: it failed.  The lane counts as
 * occupied until all is done, as callbacks ask for more news: a statement that
 * they began would find its own set cleared here.
 */
static void
news_end(Query *query, const PGresult *result)
{
	NewsKind	kind = query->doing;

	if (kind == NEWS_NONE)
		return;
	if (news[kind].answer && (result || news[kind].always))
		news[kind].answer(query, result);
	if (result == NULL && news[kind].again)
		set_put_back(&query->sets[kind], &query->taken);
	set_clear(&query->taken);
	query->doing = NEWS_NONE;
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

void
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
static void
news_ready(void *arg)
{
	query_tell(arg);
	news_go(arg);
}

static void
news_lost(void *arg, const char *reason)
{
	Query	   *query = arg;

	(void) reason;
	query_tell(query);
	news_end(query, NULL);
}

/* The news connection; its argument is the Query. */
const PgConnEvents news_events = {news_ready, news_answer, news_lost, NULL};

/* Answers the tickets that wait: the database is out of reach. */
void
news_redeem_failed(Query *query)
{
	if (query->tickets == NULL || query->redeeming)
		return;
	query->redeeming = query->tickets;
	query->tickets = NULL;
	redeem_answer(query, NULL);
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

/* Frees what has gathered. */
void
news_free(Query *query)
{
	int			i;

	for (i = 0; i < NEWS_KINDS; i++)
		set_clear(&query->sets[i]);
	set_clear(&query->taken);
	set_clear(&query->known);
	tickets_free(query->tickets);
	tickets_free(query->redeeming);
}
