/*
 * listener.c
 *	  LISTENs on a connection of its own, which never begins a transaction.
 *	  A notification to itself must come back in time: a server process that
 *	  is stopped is not seen by TCP.  What a bell means is its owner's matter.
 */
#include "listener.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "pgconn.h"

#define INTERFACE_NUMBER 6
#define HEARTBEAT 2.0
#define HEARTBEAT_TIMEOUT 7.0
#define QUEUE_FULL "54000"		/* how NOTIFY says so */

typedef enum ListenerState
{
	LISTENER_AWAY,
	LISTENER_GREETING,			/* relay_hello() is under way */
	LISTENER_SUBSCRIBING,		/* LISTEN is under way */
	LISTENER_UP
} ListenerState;

struct Listener
{
	struct ev_loop *loop;		/* borrowed */
	const ListenerEvents *events;	/* borrowed */
	void	   *arg;			/* of the events */
	PgConn	   *conn;			/* owned */
	ListenerState state;
	char		heartbeat[80];	/* payload of our own bell */
	char		channel[128];	/* what we listen to */
	char		epoch[64];		/* of the database */
	Seal	   *seal;			/* of the events that bells bring along; NULL: they bring none.  Owned */
	double		heard_at;		/* clock_seconds() when the own bell was heard last */
	bool		queue_full;		/* the own bell could not be rung */
	ev_timer	timer;			/* rings the own bell */
};

static void
on_ready(void *arg)
{
	Listener   *listener = arg;

	listener->state = LISTENER_GREETING;
	(void) pgconn_send(listener->conn, "SELECT interface, channel, epoch, max_content_bytes, seal FROM taskchat.relay_hello()", 0, NULL);
}

/* The key of what bells bring along, or none. */
static void
take_seal(Listener *listener, const char *key)
{
	seal_free(listener->seal);
	listener->seal = key[0] ? seal_new(key) : NULL;
	if (key[0] && listener->seal == NULL)
		log_write(LOG_LEVEL_WARNING, "listener", 0, "the key of what the doorbell brings along cannot be used: all events are fetched");
}

static void
take_hello(Listener *listener, const PGresult *result)
{
	char		sql[300];
	char	   *channel;

	if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1)
	{
		pgconn_drop(listener->conn, PQresultErrorMessage(result)[0] ? PQresultErrorMessage(result) : "relay_hello() failed");
		return;
	}
	if (atoi(PQgetvalue(result, 0, 0)) != INTERFACE_NUMBER)
	{
		log_write(LOG_LEVEL_ERROR, "listener", 0, "the database's taskchat has interface number %s, this relay %d: install matching versions",
				  PQgetvalue(result, 0, 0), INTERFACE_NUMBER);
		pgconn_drop(listener->conn, "wrong interface number");
		return;
	}
	snprintf(listener->channel, sizeof(listener->channel), "%s", PQgetvalue(result, 0, 1));
	snprintf(listener->epoch, sizeof(listener->epoch), "%s", PQgetvalue(result, 0, 2));
	listener->events->content_limit(listener->arg, atoi(PQgetvalue(result, 0, 3)));
	take_seal(listener, PQgetvalue(result, 0, 4));
	channel = pgconn_quote(listener->conn, listener->channel);
	if (channel == NULL)
	{
		pgconn_drop(listener->conn, "out of memory");
		return;
	}
	snprintf(sql, sizeof(sql), "LISTEN %s", channel);
	free(channel);
	listener->state = LISTENER_SUBSCRIBING;
	(void) pgconn_send(listener->conn, sql, 0, NULL);
}

/* new_epoch() begins another one while we listen; its owner then hears once more that we do. */
static void
take_epoch(Listener *listener, const char *epoch)
{
	if (strcmp(epoch, listener->epoch) == 0)
		return;
	snprintf(listener->epoch, sizeof(listener->epoch), "%s", epoch);
	listener->events->up(listener->arg, listener->epoch);
}

/*
 * The own bell was rung, or could not be.  Where the notification queue is full
 * there is nothing to hear, and the connection has answered: it is kept, and
 * the slow poll brings what happens.  The limit comes along, as a reload of the
 * database's configuration rings no bell.
 */
static void
take_ring(Listener *listener, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	bool		full = sqlstate && strcmp(sqlstate, QUEUE_FULL) == 0;

	if (full)
		listener->heard_at = clock_seconds();
	if (full && !listener->queue_full)
		log_write(LOG_LEVEL_ERROR, "listener", 0, "events are late, as the notification queue is full: end the session that listens in an open transaction: %s",
				  PQresultErrorMessage(result));
	listener->queue_full = full;
	if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1)
	{
		take_epoch(listener, PQgetvalue(result, 0, 1));
		listener->events->content_limit(listener->arg, atoi(PQgetvalue(result, 0, 2)));
	}
}

static void
on_answer(void *arg, const PGresult *result)
{
	Listener   *listener = arg;

	switch (listener->state)
	{
		case LISTENER_GREETING:
			take_hello(listener, result);
			break;
		case LISTENER_SUBSCRIBING:
			if (PQresultStatus(result) != PGRES_COMMAND_OK)
			{
				pgconn_drop(listener->conn, "LISTEN failed");
				break;
			}
			listener->state = LISTENER_UP;
			listener->heard_at = clock_seconds();
			listener->events->up(listener->arg, listener->epoch);
			break;
		case LISTENER_UP:
			take_ring(listener, result);
			break;
		default:
			break;
	}
}

static void
on_lost(void *arg, const char *reason)
{
	Listener   *listener = arg;
	bool		was_up = listener->state == LISTENER_UP;

	(void) reason;
	listener->state = LISTENER_AWAY;
	if (was_up)
		listener->events->down(listener->arg);
}

/* An event in clear is believed, and lost bells cost a look at everything: only the own server process may say so. */
static bool
is_genuine(const Listener *listener, const char *payload, int backend)
{
	return (payload[0] != 'o' && payload[0] != 'E') || backend == pgconn_backend(listener->conn);
}

static void
on_notified(void *arg, const char *payload, int backend)
{
	Listener   *listener = arg;

	if (strcmp(payload, listener->heartbeat) == 0)
		listener->heard_at = clock_seconds();
	else if (payload[0] != 'h' && listener->state == LISTENER_UP && is_genuine(listener, payload, backend))
		listener->events->bell(listener->arg, payload, backend);
}

static void
on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	Listener   *listener = timer->data;
	const char *params[2] = {listener->channel, listener->heartbeat};

	(void) events;
	if (listener->state != LISTENER_UP)
		return;
	if (clock_seconds() - listener->heard_at > HEARTBEAT_TIMEOUT)
		pgconn_drop(listener->conn, "the own doorbell was not heard");
	else if (pgconn_idle(listener->conn))
		(void) pgconn_send(listener->conn, "SELECT pg_catalog.pg_notify($1, $2), epoch, max_content_bytes FROM taskchat.relay_hello()", 2, params);
}

static const PgConnEvents conn_events = {on_ready, on_answer, on_lost, on_notified};

/* Begins to connect; NULL when out of memory. */
Listener *
listener_new(struct ev_loop *loop, const char *database, const char *relay_id,
			 const ListenerEvents *events, void *arg)
{
	Listener   *listener = calloc(1, sizeof(Listener));

	if (listener == NULL)
		return NULL;
	listener->loop = loop;
	listener->events = events;
	listener->arg = arg;
	snprintf(listener->heartbeat, sizeof(listener->heartbeat), "h%s", relay_id);
	listener->conn = pgconn_new(loop, "taskchat-relay listener", database, NULL, &conn_events, listener);
	if (listener->conn == NULL)
	{
		free(listener);
		return NULL;
	}
	ev_timer_init(&listener->timer, on_timer, HEARTBEAT, HEARTBEAT);
	listener->timer.data = listener;
	ev_timer_start(loop, &listener->timer);
	return listener;
}

void
listener_free(Listener *listener)
{
	if (listener == NULL)
		return;
	ev_timer_stop(listener->loop, &listener->timer);
	pgconn_free(listener->conn);
	seal_free(listener->seal);
	free(listener);
}

/*
 * Opens the payload of a bell that brings an event along; see seal_open().
 */
bool
listener_open(Listener *listener, const char *payload, SealedEvent *event)
{
	return listener->seal && seal_open(listener->seal, payload, event);
}

bool
listener_is_up(const Listener *listener)
{
	return listener->state == LISTENER_UP;
}
