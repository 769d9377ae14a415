/*
 * server.h
 *	  The network side: ports, sockets, WebSocket connections.  The only modules
 *	  that know libwebsockets.
 */
#ifndef TASKCHAT_SERVER_H
#define TASKCHAT_SERVER_H

#include <stdbool.h>

#include "relay.h"

typedef struct Server Server;
struct ev_loop;

extern bool server_check(const Config *config, char **error);
extern Server *server_new(struct ev_loop *loop, Relay *relay, char **error);
extern bool server_reload(Server *server, const Config *config, char **error);
extern void server_wind_all(Server *server);
extern void server_refuse_new(Server *server);
extern void server_free(Server *server);

#endif
