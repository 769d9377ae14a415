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
	void		(*up) (void *arg, const char *epoch, int max_content_bytes);	/* it listens now; again: under another epoch */
	void		(*down) (void *arg);
	void		(*bell) (void *arg, const char *payload, int backend);
} ListenerEvents;

extern Listener *listener_new(struct ev_loop *loop, const char *database, const char *relay_id,
							  const ListenerEvents *events, void *arg);
extern void listener_free(Listener *listener);
extern bool listener_open(Listener *listener, const char *payload, SealedEvent *event);
extern bool listener_is_up(const Listener *listener);

#endif
