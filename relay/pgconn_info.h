/*
 * pgconn_info.h
 *	  Connection strings: whether libpq understands one, what of it may be
 *	  shown, and which servers it means, their names resolved.
 */
#ifndef TASKCHAT_PGCONN_INFO_H
#define TASKCHAT_PGCONN_INFO_H

#include <stdbool.h>
#include <stddef.h>

/* One server to try, as libpq's parameters of these names. */
typedef struct PgTarget
{
	char	   *host;			/* name, or directory of the socket; may be "" */
	char	   *hostaddr;		/* "" with a socket */
	char	   *port;			/* may be "": the default */
} PgTarget;

typedef struct PgTargets
{
	PgTarget   *items;			/* owned, in the order to be tried */
	size_t		count;
	char	   *error;			/* why there are none; owned */
} PgTargets;

extern bool pginfo_is_valid(const char *database);
extern char *pginfo_without_password(const char *database, bool *hidden);
extern void pginfo_targets(const char *database, PgTargets *targets);
extern void pginfo_targets_reset(PgTargets *targets);

#endif
