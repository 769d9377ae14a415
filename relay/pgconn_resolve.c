/*
 * pgconn_resolve.c
 *	  The only thread beside the event loop: it asks the system's resolver,
 *	  which may take its time, and wakes the loop.
 *
 * Both sides hold the request, and the last one to let go frees it; so the
 * loop can go away while the resolver still waits.
 */
#include "pgconn_resolve.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct PgResolve
{
	pthread_mutex_t lock;		/* over what both sides look at */
	int			holders;		/* loop, thread */
	bool		abandoned;		/* the loop has let go */
	ev_async	wake;			/* the loop's */
	struct ev_loop *loop;		/* borrowed */
	char	   *database;		/* owned */
	PgTargets	targets;		/* what the thread found */
	PgResolved	done;
	void	   *arg;
};

static void
let_go(PgResolve *resolve)
{
	bool		last;

	pthread_mutex_lock(&resolve->lock);
	last = --resolve->holders == 0;
	pthread_mutex_unlock(&resolve->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&resolve->lock);
	pginfo_targets_reset(&resolve->targets);
	free(resolve->database);
	free(resolve);
}

static void *
resolve_in_thread(void *arg)
{
	PgResolve  *resolve = arg;

	pginfo_targets(resolve->database, &resolve->targets);
	pthread_mutex_lock(&resolve->lock);
	if (!resolve->abandoned)
		ev_async_send(resolve->loop, &resolve->wake);
	pthread_mutex_unlock(&resolve->lock);
	let_go(resolve);
	return NULL;
}

static void
on_wake(struct ev_loop *loop, ev_async *wake, int events)
{
	PgResolve  *resolve = wake->data;
	PgTargets	targets = resolve->targets;

	(void) events;
	ev_async_stop(loop, wake);
	memset(&resolve->targets, 0, sizeof(resolve->targets));
	resolve->done(resolve->arg, targets);
	let_go(resolve);
}

/* Starts the thread, without the signals, which are the loop's. */
static bool
start_thread(PgResolve *resolve)
{
	pthread_attr_t attributes;
	pthread_t	thread;
	sigset_t	all;
	sigset_t	before;
	bool		ok;

	if (pthread_attr_init(&attributes) != 0)
		return false;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	ok = pthread_create(&thread, &attributes, resolve_in_thread, resolve) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return ok;
}

/*
 * Begins to look for the servers of a connection string.  done is called once
 * from the event loop, unless pgresolve_abandon() comes before.  NULL when
 * there is no memory or no thread.
 */
PgResolve *
pgresolve_start(struct ev_loop *loop, const char *database, PgResolved done, void *arg)
{
	PgResolve  *resolve = calloc(1, sizeof(PgResolve));

	if (resolve == NULL)
		return NULL;
	pthread_mutex_init(&resolve->lock, NULL);
	resolve->holders = 2;
	resolve->loop = loop;
	resolve->done = done;
	resolve->arg = arg;
	resolve->database = strdup(database);
	ev_async_init(&resolve->wake, on_wake);
	resolve->wake.data = resolve;
	ev_async_start(loop, &resolve->wake);
	if (resolve->database && start_thread(resolve))
		return resolve;
	ev_async_stop(loop, &resolve->wake);
	resolve->holders = 1;
	let_go(resolve);
	return NULL;
}

/*
 * Nobody waits for it any more: done will not be called.
 */
void
pgresolve_abandon(PgResolve *resolve)
{
	pthread_mutex_lock(&resolve->lock);
	resolve->abandoned = true;
	pthread_mutex_unlock(&resolve->lock);
	ev_async_stop(resolve->loop, &resolve->wake);
	let_go(resolve);
}
