/*
 * pgconn_resolve.h
 *	  Finds a connection string's servers in a thread of its own.
 */
#ifndef TASKCHAT_PGCONN_RESOLVE_H
#define TASKCHAT_PGCONN_RESOLVE_H

#include <ev.h>

#include "pgconn_info.h"

typedef struct PgResolve PgResolve;

/* From the event loop; targets are the callee's to keep. */
typedef void (*PgResolved) (void *arg, PgTargets targets);

extern PgResolve *pgresolve_start(struct ev_loop *loop, const char *database, PgResolved done, void *arg);
extern void pgresolve_abandon(PgResolve *resolve);

#endif
