/*
 * server.h
 *	  The sockets: listening, WebSocket connections, the ping sweep.  With
 *	  http.h the only module that knows libwebsockets.
 */
#ifndef TASKCHAT_SERVER_H
#define TASKCHAT_SERVER_H

#include <stdbool.h>

#include "relay.h"

typedef struct Server Server;
struct ev_loop;

extern Server *server_new(struct ev_loop *loop, Relay *relay, char **error);
extern void server_free(Server *server);
extern void server_refuse_new(Server *server);

#endif
