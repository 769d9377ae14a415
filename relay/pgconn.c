/*
 * pgconn.c
 *	  A libpq connection as a small state machine with one time limit.  It
 *	  never cancels: what does not answer in time is dropped and made again,
 *	  after a pause that grows and is spread at random.
 *
 * Of several servers one is tried after the other, each with its own time
 * limit: libpq alone would wait for the first one that does not answer for
 * ever.  A server that takes no writes is none for us.
 */
#include "pgconn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "pgconn_resolve.h"
#include "pgconn_statement.h"

#define CONNECT_TIMEOUT 5.0
#define STATEMENT_TIMEOUT 8.0
#define SHORTEST_PAUSE 0.1
#define LONGEST_PAUSE 3.0

typedef enum PgConnState
{
	PGCONN_PAUSING,				/* waits before it connects again */
	PGCONN_RESOLVING,			/* names are looked up */
	PGCONN_CONNECTING,
	PGCONN_SETTING_UP,			/* sets its parameters */
	PGCONN_IDLE,
	PGCONN_PREPARING,			/* a statement is being prepared, to be run next */
	PGCONN_BUSY					/* a statement is under way */
} PgConnState;

struct PgConn
{
	struct ev_loop *loop;		/* borrowed */
	const PgConnEvents *events; /* borrowed */
	void	   *arg;			/* of the events */
	char	   *name;			/* for the log and application_name */
	char	   *database;		/* conninfo or URI */
	char	   *lock_timeout;	/* of its statements; NULL: the default */
	PGconn	   *pq;				/* NULL while pausing */
	int			backend;		/* the server's process; 0: unknown yet */
	PgResolve  *resolve;		/* while resolving, or NULL */
	PgTargets	targets;		/* servers found by it */
	size_t		next_target;	/* the one to be tried next */
	PgStatements statements;	/* that it has prepared */
	PGresult   *result;			/* last result of the statement under way */
	PgConnState state;
	double		pause;			/* seconds before the next attempt */
	ev_io		io;				/* on the socket */
	ev_timer	timer;			/* the state's time limit, or the pause */
};

static void on_io(struct ev_loop *loop, ev_io *io, int events);

static void
watch(PgConn *conn, int events)
{
	/* A watcher that is made anew costs a system call. */
	if (ev_is_active(&conn->io) && conn->io.fd == PQsocket(conn->pq) && (conn->io.events & (EV_READ | EV_WRITE)) == events)
		return;
	ev_io_stop(conn->loop, &conn->io);
	ev_io_init(&conn->io, on_io, PQsocket(conn->pq), events);
	conn->io.data = conn;
	ev_io_start(conn->loop, &conn->io);
}

static void
limit(PgConn *conn, double seconds)
{
	ev_timer_stop(conn->loop, &conn->timer);
	if (seconds > 0)
	{
		ev_timer_set(&conn->timer, seconds, 0.);
		ev_timer_start(conn->loop, &conn->timer);
	}
}

static void
release(PgConn *conn)
{
	if (conn->resolve)
		pgresolve_abandon(conn->resolve);
	conn->resolve = NULL;
	ev_io_stop(conn->loop, &conn->io);
	PQclear(conn->result);
	conn->result = NULL;
	pgstatements_reset(&conn->statements);
	if (conn->pq)
		PQfinish(conn->pq);
	conn->pq = NULL;
}

/* Connects again after a pause. */
static void
pause_first(PgConn *conn)
{
	conn->state = PGCONN_PAUSING;
	limit(conn, conn->pause * (0.5 + drand48()));
	conn->pause = conn->pause * 2 > LONGEST_PAUSE ? LONGEST_PAUSE : conn->pause * 2;
}

static void try_target(PgConn *conn);

/* Give the connection up; a new one follows: to the next server at once, after the last one after a pause. */
void
pgconn_drop(PgConn *conn, const char *reason)
{
	bool		was_up = conn->state >= PGCONN_IDLE;
	char	   *text;

	if (conn->state == PGCONN_PAUSING)
		return;
	text = strdup(reason);
	release(conn);
	log_write(LOG_LEVEL_WARNING, "pgconn", 0, "%s: %s", conn->name, text ? text : "out of memory");
	if (!was_up && conn->next_target < conn->targets.count)
		try_target(conn);
	else
		pause_first(conn);
	if (was_up)
		conn->events->lost(conn->arg, text ? text : "out of memory");
	free(text);
}

static void
drop_with_library_error(PgConn *conn)
{
	char		text[512];
	char	   *newline;

	snprintf(text, sizeof(text), "%s", PQerrorMessage(conn->pq));
	newline = strchr(text, '\n');
	if (newline)
		*newline = '\0';
	pgconn_drop(conn, text[0] ? text : "connection lost");
}

/* What the server remarks goes to the log, without the details, which may hold what people wrote. */
static void
on_notice(void *arg, const PGresult *result)
{
	const PgConn *conn = arg;
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	bool		warning = severity && strcmp(severity, "WARNING") == 0;

	log_write(warning ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG, "pgconn", 0, "%s: the server says: %s",
			  conn->name, message ? message : "(nothing)");
}

/*
 * Begins to connect to the next server.  What stands before dbname the
 * connection string may overrule, what stands behind it not.
 */
static void
try_target(PgConn *conn)
{
	const PgTarget *target = &conn->targets.items[conn->next_target++];
	const char *const keys[] = {"application_name", "target_session_attrs", "keepalives_idle", "keepalives_interval",
		"keepalives_count", "tcp_user_timeout", "dbname", "host", "hostaddr", "port",
	"client_encoding", NULL};
	const char *const values[] = {conn->name, "read-write", "5", "2",
		"3", "10000", conn->database, target->host, target->hostaddr, target->port,
	"UTF8", NULL};

	conn->state = PGCONN_CONNECTING;
	conn->pq = PQconnectStartParams(keys, values, 1);
	if (conn->pq == NULL)
	{
		pgconn_drop(conn, "out of memory");
		return;
	}
	if (PQstatus(conn->pq) == CONNECTION_BAD)
	{
		drop_with_library_error(conn);
		return;
	}
	PQsetNoticeReceiver(conn->pq, on_notice, conn);
	limit(conn, CONNECT_TIMEOUT);
	watch(conn, EV_WRITE);
}

static void
on_resolved(void *arg, PgTargets targets)
{
	PgConn	   *conn = arg;

	conn->resolve = NULL;
	pginfo_targets_reset(&conn->targets);
	conn->targets = targets;
	conn->next_target = 0;
	if (targets.error)
		log_write(LOG_LEVEL_WARNING, "pgconn", 0, "%s: %s", conn->name, targets.error);
	if (targets.count > 0)
		try_target(conn);
	else
		pause_first(conn);
}

/* Looks the servers up, which takes as long as the system's resolver does. */
static void
start(PgConn *conn)
{
	conn->state = PGCONN_RESOLVING;
	limit(conn, 0);
	conn->resolve = pgresolve_start(conn->loop, conn->database, on_resolved, conn);
	if (conn->resolve == NULL)
		pause_first(conn);
}

static void
flush(PgConn *conn)
{
	int			left = PQflush(conn->pq);

	if (left < 0)
		drop_with_library_error(conn);
	else
		watch(conn, left > 0 ? EV_READ | EV_WRITE : EV_READ);
}

/* The library has taken a statement (sent: 1), or not. */
static bool
begin(PgConn *conn, PgConnState state, int sent)
{
	if (!sent)
	{
		drop_with_library_error(conn);
		return false;
	}
	conn->state = state;
	limit(conn, STATEMENT_TIMEOUT);
	flush(conn);
	return conn->state == state;
}

static int
send_plain(PgConn *conn, const char *sql, int nparams, const char *const *params)
{
	return PQsendQueryParams(conn->pq, sql, nparams, NULL, params, NULL, NULL, 0);
}

static const char *
statement_name(int number, char *name, size_t size)
{
	snprintf(name, size, "s%d", number);
	return name;
}

static int
send_prepared(PgConn *conn, int number, int nparams, const char *const *params)
{
	char		name[16];

	return PQsendQueryPrepared(conn->pq, statement_name(number, name, sizeof(name)), nparams, params, NULL, NULL, 0);
}

/* Begins a statement: those with parameters come again and again, and are prepared first. */
static bool
begin_statement(PgConn *conn, const char *sql, int nparams, const char *const *params)
{
	int			number = nparams > 0 ? pgstatements_find(&conn->statements, sql) : -1;
	char		name[16];

	if (number >= 0)
		return begin(conn, PGCONN_BUSY, send_prepared(conn, number, nparams, params));
	if (nparams > 0)
		number = pgstatements_add(&conn->statements, sql, nparams, params);
	if (number < 0)
		return begin(conn, PGCONN_BUSY, send_plain(conn, sql, nparams, params));
	return begin(conn, PGCONN_PREPARING, PQsendPrepare(conn->pq, statement_name(number, name, sizeof(name)), sql, nparams, NULL));
}

static void
become_ready(PgConn *conn, int backend)
{
	conn->state = PGCONN_IDLE;
	conn->backend = backend;
	limit(conn, 0);
	conn->events->ready(conn->arg);
}

/*
 * The relay reads what is committed, whatever the database's default: at
 * SERIALIZABLE it would be a reader that makes others' transactions fail.  The
 * process is asked for, as a pooler between us makes up what PQbackendPID() says.
 */
static void
set_up(PgConn *conn)
{
	static const char *const isolation = "SELECT pg_catalog.pg_backend_pid(),"
		" pg_catalog.set_config('default_transaction_isolation', 'read committed', false)";
	static const char *const both = "SELECT pg_catalog.pg_backend_pid(),"
		" pg_catalog.set_config('default_transaction_isolation', 'read committed', false),"
		" pg_catalog.set_config('lock_timeout', $1, false)";
	const char *const params[] = {conn->lock_timeout};

	if (conn->lock_timeout)
		(void) begin(conn, PGCONN_SETTING_UP, send_plain(conn, both, 1, params));
	else
		(void) begin(conn, PGCONN_SETTING_UP, send_plain(conn, isolation, 0, NULL));
}

static void
go_on_connecting(PgConn *conn)
{
	PostgresPollingStatusType status;

	/* The library may close the socket and open another: the watcher is made anew. */
	ev_io_stop(conn->loop, &conn->io);
	status = PQconnectPoll(conn->pq);
	switch (status)
	{
		case PGRES_POLLING_READING:
			watch(conn, EV_READ);
			break;
		case PGRES_POLLING_WRITING:
			watch(conn, EV_WRITE);
			break;
		case PGRES_POLLING_OK:
			PQsetnonblocking(conn->pq, 1);
			watch(conn, EV_READ);
			set_up(conn);
			break;
		default:
			drop_with_library_error(conn);
			break;
	}
}

/* The statement under way has ended. */
static void
answer(PgConn *conn, const PGresult *result)
{
	conn->state = PGCONN_IDLE;
	/* Only what works makes the next reconnect quick. */
	if (PQresultStatus(result) != PGRES_FATAL_ERROR)
		conn->pause = SHORTEST_PAUSE;
	conn->events->answer(conn->arg, result);
}

/* The statement has been prepared, and is run; or its error is the answer. */
static void
run_prepared(PgConn *conn, const PGresult *result)
{
	PgStatements *statements = &conn->statements;

	if (PQresultStatus(result) != PGRES_COMMAND_OK)
	{
		pgstatements_take_back(statements);
		answer(conn, result);
	}
	else if (begin(conn, PGCONN_BUSY, send_prepared(conn, (int) statements->count - 1, statements->nparams,
											   (const char *const *) statements->params)))
		pgstatements_drop_params(statements);
}

/* What was prepared fits no more: the extension was replaced, or somebody between us and the server forgot it. */
static bool
is_stale(const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return sqlstate && (strcmp(sqlstate, "0A000") == 0 || strcmp(sqlstate, "26000") == 0);
}

/* The statement and its transaction have ended: an error that came with COMMIT is the last result. */
static void
finish(PgConn *conn)
{
	PGresult   *result = conn->result;

	conn->result = NULL;
	limit(conn, 0);
	if (conn->state == PGCONN_SETTING_UP)
	{
		if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1)
			become_ready(conn, atoi(PQgetvalue(result, 0, 0)));
		else
			pgconn_drop(conn, PQresultErrorMessage(result));
	}
	else if (conn->state == PGCONN_PREPARING)
		run_prepared(conn, result);
	else if (is_stale(result))
		pgconn_drop(conn, PQresultErrorMessage(result));
	else if (PQtransactionStatus(conn->pq) != PQTRANS_IDLE)
		pgconn_drop(conn, "a statement left its transaction open");
	else
		answer(conn, result);
	PQclear(result);
}

static void
take_results(PgConn *conn)
{
	while ((conn->state >= PGCONN_PREPARING || conn->state == PGCONN_SETTING_UP) && !PQisBusy(conn->pq))
	{
		PGresult   *result = PQgetResult(conn->pq);

		if (result == NULL)
		{
			finish(conn);
			return;
		}
		PQclear(conn->result);
		conn->result = result;
	}
}

static void
take_notifications(PgConn *conn)
{
	PGnotify   *notify;

	while (conn->pq && (notify = PQnotifies(conn->pq)) != NULL)
	{
		if (conn->events->notified)
			conn->events->notified(conn->arg, notify->extra, notify->be_pid);
		PQfreemem(notify);
	}
}

static void
on_io(struct ev_loop *loop, ev_io *io, int events)
{
	PgConn	   *conn = io->data;

	(void) loop;
	if (conn->state == PGCONN_CONNECTING)
	{
		go_on_connecting(conn);
		return;
	}
	if (events & EV_READ)
	{
		if (!PQconsumeInput(conn->pq))
		{
			drop_with_library_error(conn);
			return;
		}
		take_results(conn);
		take_notifications(conn);
	}
	if ((events & EV_WRITE) && conn->pq && conn->state != PGCONN_CONNECTING)
	{
		flush(conn);
		/* A flush that would block reads what has come: nobody will say so again. */
		if (conn->pq)
		{
			take_results(conn);
			take_notifications(conn);
		}
	}
}

static void
on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	PgConn	   *conn = timer->data;

	(void) loop;
	(void) events;
	if (conn->state == PGCONN_PAUSING)
		start(conn);
	else
		pgconn_drop(conn, conn->state == PGCONN_CONNECTING ? "connecting took too long" : "a statement took too long");
}

/*
 * A connection that begins to connect in the loop's next turn.  lock_timeout
 * as the server's parameter, or NULL: the server's default.  NULL when out of
 * memory.
 */
PgConn *
pgconn_new(struct ev_loop *loop, const char *name, const char *database, const char *lock_timeout,
		   const PgConnEvents *events, void *arg)
{
	PgConn	   *conn = calloc(1, sizeof(PgConn));

	if (conn == NULL)
		return NULL;
	conn->loop = loop;
	conn->events = events;
	conn->arg = arg;
	conn->name = strdup(name);
	conn->database = strdup(database);
	conn->lock_timeout = lock_timeout ? strdup(lock_timeout) : NULL;
	conn->pause = SHORTEST_PAUSE;
	conn->state = PGCONN_PAUSING;
	ev_init(&conn->io, on_io);
	ev_timer_init(&conn->timer, on_timer, 0., 0.);
	conn->timer.data = conn;
	if (!conn->name || !conn->database || (lock_timeout && !conn->lock_timeout))
	{
		pgconn_free(conn);
		return NULL;
	}
	limit(conn, 0.001);
	return conn;
}

/* Closes it; no callback follows. */
void
pgconn_free(PgConn *conn)
{
	if (conn == NULL)
		return;
	release(conn);
	ev_timer_stop(conn->loop, &conn->timer);
	pginfo_targets_reset(&conn->targets);
	free(conn->name);
	free(conn->database);
	free(conn->lock_timeout);
	free(conn);
}

bool
pgconn_ready(const PgConn *conn)
{
	return conn->state >= PGCONN_IDLE;
}

bool
pgconn_idle(const PgConn *conn)
{
	return conn->state == PGCONN_IDLE;
}

/* Send a statement with text parameters (copied); false when it cannot be: lost() has then been called. */
bool
pgconn_send(PgConn *conn, const char *sql, int nparams, const char *const *params)
{
	return conn->state == PGCONN_IDLE && begin_statement(conn, sql, nparams, params);
}

/* The server process behind it, as notifications name it; 0 when there is none. */
int
pgconn_backend(const PgConn *conn)
{
	return conn->backend;
}

/* An identifier in quotes, to be freed with free(); NULL on failure. */
char *
pgconn_quote(PgConn *conn, const char *identifier)
{
	char	   *quoted = conn->pq ? PQescapeIdentifier(conn->pq, identifier, strlen(identifier)) : NULL;
	char	   *copy = quoted ? strdup(quoted) : NULL;

	PQfreemem(quoted);
	return copy;
}
