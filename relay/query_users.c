/*
 * query_users.c
 *	  What is asked and told about users and this relay itself: tickets, the
 *	  lease, who is here, notifications.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query_internal.h"

bool
news_farewell(Query *query)
{
	const char *params[] = {query->relay_id};

	return query->farewell_done && pgconn_send(query->news, "SELECT taskchat.relay_farewell($1)", 1, params);
}

bool
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
	return news_send(query, "SELECT ticket, user_id FROM taskchat.relay_redeem($1::text[]) ORDER BY ticket", 1, &tickets);
}

bool
news_beat(Query *query)
{
	const char *params[] = {query->relay_id};

	if (!query->beat_due)
		return false;
	query->beat_due = false;
	return pgconn_send(query->news, "SELECT taskchat.relay_beat($1, '15 seconds')", 1, params);
}

bool
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
	return news_send(query, "SELECT taskchat.relay_online(($1::text[])[1], $2::text[], $3::text[], $4::boolean[])", 4, arrays);
}

bool
news_attach(Query *query)
{
	JsonText	users = {0};
	Entry	   *entry;

	if (set_take(&query->sets[NEWS_ATTACH], &query->taken) == 0)
		return false;
	for (entry = query->taken; entry; entry = entry->hh.next)
		sql_array_add(&users, entry->user_id);
	return news_send(query, "SELECT user_id, room_id, seq, ended FROM taskchat.relay_attach($1::text[])", 1, &users);
}

bool
news_presence(Query *query)
{
	JsonText	users = {0};
	Entry	   *entry;

	if (set_take(&query->sets[NEWS_PRESENCE], &query->taken) == 0)
		return false;
	for (entry = query->taken; entry; entry = entry->hh.next)
		sql_array_add(&users, entry->user_id);
	return news_send(query, "SELECT user_id, is_online, last_seen, current_task_id"
					   " FROM taskchat.relay_presence($1::text[])", 1, &users);
}

bool
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
		return news_send(query, "SELECT user_id, seq, event FROM taskchat.relay_notifications($1::text[], $2::bigint[])", 2, arrays);
	set_clear(&query->taken);
	return false;
}

void
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

void
beat_answer(Query *query, const PGresult *result)
{
	if (strcmp(PQgetvalue(result, 0, 0), "f") == 0)
		query->events->register_all(query->arg);
}

/* The rows of a failed statement are asked for again later; meanwhile nobody waits for them. */
void
attach_answer(Query *query, const PGresult *result)
{
	Entry	   *entry;
	Entry	   *next;
	int			i;

	for (i = 0; result && i < PQntuples(result); i++)
	{
		AttachRow	row = {sql_cell(result, i, 0), sql_cell_integer(result, i, 1), sql_cell_integer(result, i, 2),
		sql_cell_integer(result, i, 3)};

		query->events->attach_row(query->arg, &row);
	}
	HASH_ITER(hh, query->taken, entry, next)
		query->events->attach_done(query->arg, entry->user_id, result != NULL);
}

void
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

void
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

void
farewell_answer(Query *query, const PGresult *result)
{
	void		(*done) (void *arg) = query->farewell_done;

	(void) result;
	query->farewell_done = NULL;
	if (done)
		done(query->farewell_arg);
}

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
