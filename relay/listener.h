/*
 * listener.h
 *	  The connection that LISTENs to the doorbell.
 */
#ifndef TASKCHAT_LISTENER_H
#define TASKCHAT_LISTENER_H

#include <ev.h>
#include <stdbool.h>

#include "seal.h"

typedef struct Listener Listener;

typedef struct ListenerEvents
{
	void		(*content_limit) (void *arg, int max_content_bytes);	/* of the database, as it is now; may be told again */
	void		(*up) (void *arg, const char *epoch);	/* it listens now, the limit came before; again: under another epoch */
	void		(*down) (void *arg);
	void		(*bell) (void *arg, const char *payload, int backend);
} ListenerEvents;

extern Listener *listener_new(struct ev_loop *loop, const char *database, const char *relay_id,
							  const ListenerEvents *events, void *arg);
extern void listener_free(Listener *listener);
extern bool listener_open(Listener *listener, const char *payload, SealedEvent *event);
extern bool listener_is_up(const Listener *listener);

#endif
