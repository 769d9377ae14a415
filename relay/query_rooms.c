/*
 * query_rooms.c
 *	  What is asked and told about rooms: one statement for all that rang,
 *	  and what its rows mean to the owner.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "query_internal.h"

#define FETCH_ROWS 200
#define FETCH_SQL "SELECT room_id, seq, kind, user_id, role, event FROM taskchat.relay_fetch($1::bigint[], $2::bigint[], " STRING(FETCH_ROWS) ")"
#define STRING(x) STRING_OF(x)
#define STRING_OF(x) #x
#define POLLED_ROOMS 1000		/* in one statement of the slow poll */
#define DELIVERED_TRIES 5	/* one a second, before who waits hears that somebody holds the cursor */

bool
news_fetch(Query *query)
{
	JsonText	arrays[2] = {{0}, {0}};
	size_t		wanted = 0;
	Entry	   *entry;
	Entry	   *next;

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
	return news_send(query, FETCH_SQL, 2, arrays);
}

/*
 * The slow poll: most often no line has moved unheard, so the rooms don't go
 * through the set of those to be fetched.
 */
bool
news_poll(Query *query)
{
	static PolledRoom rooms[POLLED_ROOMS];
	JsonText	arrays[2] = {{0}, {0}};
	size_t		count = query->polling ? query->events->poll_rooms(query->arg, rooms, POLLED_ROOMS) : 0;
	size_t		i;

	query->polling = count > 0;
	if (count == 0)
		return false;
	for (i = 0; i < count; i++)
	{
		sql_array_add_integer(&arrays[0], rooms[i].room_id);
		sql_array_add_integer(&arrays[1], rooms[i].position);
	}
	return news_send(query, FETCH_SQL, 2, arrays);
}

bool
news_state(Query *query)
{
	JsonText	rooms = {0};
	Entry	   *entry;

	if (set_take(&query->sets[NEWS_STATE], &query->taken) == 0)
		return false;
	for (entry = query->taken; entry; entry = entry->hh.next)
		sql_array_add_integer(&rooms, entry->room_id);
	return news_send(query, "SELECT room_id, members, members_total FROM taskchat.relay_state($1::bigint[])", 1, &rooms);
}

bool
news_cursors(Query *query)
{
	JsonText	rooms = {0};
	Entry	   *entry;

	if (set_take(&query->sets[NEWS_CURSORS], &query->taken) == 0)
		return false;
	for (entry = query->taken; entry; entry = entry->hh.next)
		sql_array_add_integer(&rooms, entry->room_id);
	return news_send(query, "SELECT room_id, user_id, role, last_read_seq, last_delivered_seq"
					   " FROM taskchat.relay_cursors($1::bigint[])", 1, &rooms);
}

bool
news_activity(Query *query)
{
	JsonText	arrays[3] = {{0}, {0}, {0}};
	Entry	   *entry;

	if (set_take(&query->sets[NEWS_ACTIVITY], &query->taken) == 0)
		return false;
	for (entry = query->taken; entry; entry = entry->hh.next)
	{
		sql_array_add_integer(&arrays[0], entry->room_id);
		sql_array_add(&arrays[1], entry->user_id);
		sql_array_add_integer(&arrays[2], entry->seq);
	}
	return news_send(query, "SELECT room_id, user_id, task_id, applicant_id, last_seq, unread, others"
					   " FROM taskchat.relay_activity($1::bigint[], $2::text[], $3::bigint[])", 3, arrays);
}

bool
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
	return news_send(query, "SELECT taskchat.relay_typing($1::bigint[], $2::text[], $3::boolean[])", 3, arrays);
}

bool
news_delivered(Query *query)
{
	JsonText	arrays[4] = {{0}, {0}, {0}, {0}};
	double		now = clock_seconds();
	Entry	   *entry;
	int			i;

	if (!query->delivered_due || set_take(&query->sets[NEWS_DELIVERED], &query->taken) == 0)
		return false;
	query->delivered_due = false;
	ev_timer_again(query->loop, &query->delivered);
	for (entry = query->taken; entry; entry = entry->hh.next)
		for (i = 0; i < entry->ack_count; i++)
		{
			sql_array_add_integer(&arrays[0], entry->room_id);
			sql_array_add(&arrays[1], entry->user_id);
			sql_array_add_integer(&arrays[2], entry->acks[i].seq);
			sql_array_add_integer(&arrays[3], (int64_t) ((now - entry->acks[i].at) * 1000));
		}
	return news_send(query, "SELECT room_id, user_id FROM taskchat.relay_delivered"
					   "($1::bigint[], $2::text[], $3::bigint[], $4::int[])", 4, arrays);
}

/* Hands a row of relay_fetch() on; its room. */
static int64_t
fetched_row(Query *query, const PGresult *result, int i)
{
	FetchRow	row = {
		.room_id = sql_cell_integer(result, i, 0), .seq = sql_cell_integer(result, i, 1), .kind = sql_cell(result, i, 2),
		.user_id = sql_cell(result, i, 3), .role = sql_cell(result, i, 4), .event = sql_cell(result, i, 5)
	};

	row.event_len = row.event ? (size_t) PQgetlength(result, i, 5) : 0;
	query->events->fetch_row(query->arg, &row);
	return row.room_id;
}

/* Rows that the poll found: bells were lost.  There may be more behind them. */
void
poll_answer(Query *query, const PGresult *result)
{
	int			i;

	if (result == NULL)
		query->polling = false;
	for (i = 0; i < (result ? PQntuples(result) : 0); i++)
		(void) set_put(&query->sets[NEWS_FETCH], fetched_row(query, result, i), NULL);
}

void
fetch_answer(Query *query, const PGresult *result)
{
	int			rows = result ? PQntuples(result) : 0;
	int64_t    *rooms;
	int			nrooms = 0;
	Entry	   *entry;
	int			i;

	for (i = 0; i < rows; i++)
	{
		entry = set_put(&query->taken, fetched_row(query, result, i), NULL);
		if (entry)
			entry->seq++;
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

void
state_answer(Query *query, const PGresult *result)
{
	int			i;

	for (i = 0; i < PQntuples(result); i++)
	{
		StateRow	row = {sql_cell_integer(result, i, 0), sql_cell(result, i, 1), (size_t) PQgetlength(result, i, 1),
		sql_cell_integer(result, i, 2)};

		query->events->state_row(query->arg, &row);
	}
}

void
activity_answer(Query *query, const PGresult *result)
{
	int			i;

	for (i = 0; i < PQntuples(result); i++)
	{
		ActivityRow row = {sql_cell_integer(result, i, 0), sql_cell(result, i, 1), sql_cell(result, i, 2), sql_cell(result, i, 3),
		sql_cell_integer(result, i, 4), sql_cell_integer(result, i, 5), strcmp(PQgetvalue(result, i, 6), "t") == 0};

		query->events->activity_row(query->arg, &row);
	}
}

/* Tells who waits for cursors of the set that they are stored (sqlstate NULL), or why not. */
static void
answer_waits(Entry *set, const char *sqlstate, const char *message)
{
	CommandRow	row = {.sqlstate = sqlstate, .message = message, .data = "{}", .data_len = 2};
	Entry	   *entry;
	Entry	   *next;

	HASH_ITER(hh, set, entry, next)
		entry_answer(entry, &row);
}

/*
 * The rows are the cursors that somebody else holds.  Those are sent again, and
 * who waits for one waits on, but not for ever.
 */
void
delivered_answer(Query *query, const PGresult *result)
{
	CommandRow	busy = {.sqlstate = "55P03", .message = "somebody else holds this cursor"};
	Entry	   *held = NULL;
	int			i;

	if (result == NULL)
	{
		answer_waits(query->taken, "08006", "the database is out of reach");
		return;
	}
	for (i = 0; i < PQntuples(result); i++)
	{
		Entry	   *entry = set_put(&query->taken, sql_cell_integer(result, i, 0), sql_cell(result, i, 1));

		if (entry == NULL)
			continue;
		set_move(&query->taken, &held, entry);
		if (++entry->tries >= DELIVERED_TRIES)
			entry_answer(entry, &busy);
	}
	answer_waits(query->taken, NULL, NULL);
	set_put_back(&query->sets[NEWS_DELIVERED], &held);
}

void
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

/* Answers who waits for a delivery cursor: the database is out of reach; the cursors stay. */
void
news_delivered_failed(Query *query)
{
	answer_waits(query->sets[NEWS_DELIVERED], "08006", "the database is out of reach");
}
