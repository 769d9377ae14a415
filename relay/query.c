/*
 * query.c
 *	  The database side as the rest of the relay sees it: what can be asked,
 *	  whether the database is within reach, and the slow poll.  The statements
 *	  are those of the contract in extension/sql/relay.sql.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "query_internal.h"

#define POLL 5.0
#define BEAT 5.0
#define DELIVERED_PAUSE 1.0
#define REFUSED_TIME 10.0		/* seconds that a refused write counts: nobody may try again to show that it is over */

/* Up and down */

/*
 * A write has ended so (NULL: well).  What the database as a whole refuses
 * (out of room or memory, read only, failing discs) says that no other write
 * would do better; all else is the command's own matter.
 */
void
query_written(Query *query, const char *sqlstate)
{
	static const char *const general[] = {"53", "57P0", "58", "25006", "XX001"};

	if (sqlstate == NULL)
		query->refused_at = 0;
	for (size_t i = 0; sqlstate && i < sizeof(general) / sizeof(general[0]); i++)
		if (strncmp(sqlstate, general[i], strlen(general[i])) == 0)
			query->refused_at = clock_seconds();
}

/* Looks whether commands and events can flow, and tells the owner when that has changed. */
void
query_tell(Query *query)
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
	query->events->up(query->arg, query->epoch, changed);
	query->beat_due = true;
	news_go(query);
}

static void
listener_content_limit(void *arg, int max_content_bytes)
{
	Query	   *query = arg;

	query->events->content_limit(query->arg, max_content_bytes);
}

static void
listener_up(void *arg, const char *epoch)
{
	Query	   *query = arg;

	if (query->epoch[0] == '\0')
		snprintf(query->epoch, sizeof(query->epoch), "%s", epoch);
	else if (strcmp(query->epoch, epoch) != 0)
	{
		snprintf(query->epoch, sizeof(query->epoch), "new:%.50s", epoch);
		query->up = false;		/* the owner is told, although nothing may have been lost */
	}
	query_tell(query);
}

static void
listener_down(void *arg)
{
	query_tell(arg);
}

static void
listener_bell(void *arg, const char *payload, int backend)
{
	Query	   *query = arg;

	if (payload[0] == 't' && backend == pgconn_backend(query->news))
		return;
	query->events->bell(query->arg, payload);
}

static const ListenerEvents listener_events = {listener_content_limit, listener_up, listener_down, listener_bell};

static void
on_poll(struct ev_loop *loop, ev_timer *timer, int events)
{
	Query	   *query = timer->data;

	(void) loop;
	(void) events;
	if (!pgconn_ready(query->news))
		return;
	query->events->poll(query->arg);
	query->polling = true;
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
	if (!pgconn_ready(query->news))
		news_delivered_failed(query);
	news_go(query);
}

/* Answer what came in while the database is out of reach. */
static void
on_soon(struct ev_loop *loop, ev_timer *timer, int events)
{
	Query	   *query = timer->data;
	Lane	   *lanes[] = {&query->read, &query->write};
	size_t		i;

	(void) loop;
	(void) events;
	for (i = 0; i < 2; i++)
		if (!pgconn_ready(lanes[i]->conn))
			lane_fail_waiting(lanes[i], "08006", "the database is out of reach");
	if (!pgconn_ready(query->news))
		news_redeem_failed(query);
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

static void
timer_open(Query *query, ev_timer *timer, void (*callback) (struct ev_loop *, ev_timer *, int), double seconds)
{
	ev_timer_init(timer, callback, seconds, seconds);
	timer->data = query;
	if (seconds > 0)
		ev_timer_start(query->loop, timer);
}

static bool
open_wait_lanes(Query *query, const char *database)
{
	int			i;

	for (i = 0; i < WAIT_LANES; i++)
		if (!lane_open(&query->wait[i], query, "taskchat-relay wait", database, LANE_SPARE))
			return false;
	return true;
}

/* See query.h. */
Query *
query_new(struct ev_loop *loop, const char *database, const char *relay_id,
		  const QueryEvents *events, void *arg, char **error)
{
	Query	   *query = calloc(1, sizeof(Query));

	*error = NULL;
	if (query == NULL)
		return NULL;
	query->loop = loop;
	query->events = events;
	query->arg = arg;
	query->doing = NEWS_NONE;
	/* Reconnects of several relays are spread: each draws its own pauses. */
	srand48((long) getpid() ^ (long) (ev_now(loop) * 1000000));
	snprintf(query->relay_id, sizeof(query->relay_id), "%s", relay_id);
	timer_open(query, &query->poll, on_poll, POLL);
	timer_open(query, &query->beat, on_beat, BEAT);
	timer_open(query, &query->delivered, on_delivered, DELIVERED_PAUSE);
	timer_open(query, &query->soon, on_soon, 0);
	if (lane_open(&query->read, query, "taskchat-relay read", database, LANE_BATCHES) &&
		lane_open(&query->write, query, "taskchat-relay write", database, LANE_BATCHES_IN_ORDER) &&
		open_wait_lanes(query, database) &&
		(query->news = pgconn_new(loop, "taskchat-relay news", database, NULL, &news_events, query)) != NULL &&
		(query->listener = listener_new(loop, database, relay_id, &listener_events, query)) != NULL)
		return query;
	query_free(query);
	return NULL;
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
	for (i = 0; i < WAIT_LANES; i++)
		lane_close(&query->wait[i]);
	lane_free_alone(query);
	pgconn_free(query->news);
	news_free(query);
	free(query);
}

bool
query_ready(const Query *query)
{
	return query->listener && listener_is_up(query->listener) && pgconn_ready(query->read.conn) &&
		pgconn_ready(query->write.conn) && pgconn_ready(query->news);
}

bool
query_flows(const Query *query)
{
	return query_ready(query) && !query->beat_failed && !query->news_failed &&
		(query->refused_at == 0 || clock_seconds() - query->refused_at > REFUSED_TIME);
}

bool
query_command(Query *query, CommandLane lane_kind, const char *user_id, const char *task_id,
			  const char *frame, size_t frame_len, CommandDone done, void *arg)
{
	Lane	   *lane = lane_kind == LANE_READ ? &query->read : &query->write;

	if (!lane_add(lane, user_id, task_id, frame, frame_len, done, arg))
		return false;
	if (pgconn_ready(lane->conn))
		lane_go(lane);
	else
		answer_soon(query);
	return true;
}

void
query_forget(Query *query, const void *arg)
{
	int			i;

	lane_forget(&query->read, arg);
	lane_forget(&query->write, arg);
	for (i = 0; i < WAIT_LANES; i++)
		lane_forget(&query->wait[i], arg);
	news_forget(query, arg);
}

bool
query_open(Query *query, const char *payload, SealedEvent *event)
{
	/* Until all connections stand the owner does not know of another epoch. */
	return query->up && listener_open(query->listener, payload, event);
}

void
query_fetch(Query *query, int64_t room_id)
{
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
query_state(Query *query, int64_t room_id)
{
	(void) set_put(&query->sets[NEWS_STATE], room_id, NULL);
	news_go(query);
}

void
query_attach(Query *query, const char *user_id)
{
	(void) set_put(&query->sets[NEWS_ATTACH], 0, user_id);
	news_go(query);
}

void
query_activity(Query *query, int64_t room_id, const char *user_id, int64_t after)
{
	Entry	   *entry = set_put(&query->sets[NEWS_ACTIVITY], room_id, user_id);

	if (entry == NULL)
		return;
	entry->seq = after;
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
query_delivered(Query *query, int64_t room_id, const char *user_id, int64_t seq, CommandDone done, void *arg)
{
	CommandRow	row = {.sqlstate = "53200", .message = "out of memory"};
	Entry	   *entry = set_put(&query->sets[NEWS_DELIVERED], room_id, user_id);
	DeliveryWait *wait;

	if (entry)
		entry_ack(entry, (Ack) {seq, clock_seconds()});
	if (done != NULL)
	{
		wait = entry ? calloc(1, sizeof(DeliveryWait)) : NULL;
		if (wait == NULL)
		{
			done(arg, &row, 1);
			return;
		}
		wait->done = done;
		wait->arg = arg;
		wait->next = entry->waits;
		entry->waits = wait;
	}
	/* The first one after a pause goes at once: the sender sees it sooner. */
	if (query->delivered_due)
		news_go(query);
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
