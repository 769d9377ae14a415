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

/* Sends a statement over the news connection, its parameters the n arrays, which are freed. */
bool
news_send(Query *query, const char *sql, int n, JsonText *arrays)
{
	const char *params[4] = {NULL};
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
	[NEWS_ATTACH] = {news_attach, attach_answer, true, false},
	[NEWS_STATE] = {news_state, state_answer, false, true},
	[NEWS_ACTIVITY] = {news_activity, activity_answer, false, true},
	[NEWS_FETCH] = {news_fetch, fetch_answer, true, false},
	[NEWS_CURSORS] = {news_cursors, cursors_answer, false, true},
	[NEWS_PRESENCE] = {news_presence, presence_answer, false, true},
	[NEWS_NOTIFICATIONS] = {news_notifications, notifications_answer, false, true},
	[NEWS_TYPING] = {news_typing, NULL, false, false},
	[NEWS_DELIVERED] = {news_delivered, delivered_answer, true, true},
	[NEWS_POLL] = {news_poll, poll_answer, true, false}
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

	if (query->doing == NEWS_BEAT)
		query->beat_failed = !good;
	else
		query->news_failed = !good;
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

static void
forget_waits(Entry *set, const void *arg)
{
	Entry	   *entry;
	DeliveryWait *wait;

	for (entry = set; entry; entry = entry->hh.next)
		for (wait = entry->waits; wait; wait = wait->next)
			if (wait->arg == arg)
				wait->done = NULL;
}

/* Forgets the callbacks of tickets and cursors with this arg. */
void
news_forget(Query *query, const void *arg)
{
	TicketWait *wait;

	for (wait = query->tickets; wait; wait = wait->next)
		if (wait->arg == arg)
			wait->done = NULL;
	for (wait = query->redeeming; wait; wait = wait->next)
		if (wait->arg == arg)
			wait->done = NULL;
	forget_waits(query->sets[NEWS_DELIVERED], arg);
	forget_waits(query->taken, arg);
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
	tickets_free(query->tickets);
	tickets_free(query->redeeming);
}
