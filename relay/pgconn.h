/*
 * pgconn.h
 *	  One database connection on the event loop: connects, runs one statement
 *	  at a time, hands notifications on, and connects again when it is lost.
 */
#ifndef TASKCHAT_PGCONN_H
#define TASKCHAT_PGCONN_H

#include <ev.h>
#include <libpq-fe.h>
#include <stdbool.h>

typedef struct PgConn PgConn;

/*
 * What a connection tells its owner, always from the event loop.  An answer is
 * the statement's last result after its transaction has ended; it lives until
 * the callback returns.
 */
typedef struct PgConnEvents
{
	void		(*ready) (void *arg);	/* connected: statements may be sent */
	void		(*answer) (void *arg, const PGresult *result);
	void		(*lost) (void *arg, const char *reason);	/* the statement under way, if any, has no answer */
	void		(*notified) (void *arg, const char *payload, int backend);	/* may be NULL */
} PgConnEvents;

extern PgConn *pgconn_new(struct ev_loop *loop, const char *name, const char *database, const char *lock_timeout,
						  const PgConnEvents *events, void *arg);
extern void pgconn_free(PgConn *conn);
extern bool pgconn_ready(const PgConn *conn);
extern bool pgconn_idle(const PgConn *conn);
extern bool pgconn_send(PgConn *conn, const char *sql, int nparams, const char *const *params);
extern int	pgconn_backend(const PgConn *conn);
extern void pgconn_drop(PgConn *conn, const char *reason);
extern char *pgconn_quote(PgConn *conn, const char *identifier);

#endif
