/*
 * server_internal.h
 *	  What the server modules share: the server, its sockets, its WebSocket
 *	  connections.
 */
#ifndef TASKCHAT_SERVER_INTERNAL_H
#define TASKCHAT_SERVER_INTERNAL_H

#include <sys/resource.h>

#include <ev.h>
#include <libwebsockets.h>

#include "address.h"
#include "http.h"
#include "server.h"
#include "session.h"

#define SEND_BYTES 65536		/* at most so much in one send */
#define TOKEN_BYTES 8192

typedef struct ServerTls ServerTls;

/* One listening socket, server_listen.c. */
typedef struct Door
{
	Server	   *server;			/* whose it is */
	bool		admin;			/* of admin_listen */
	int			fd;				/* -1: closed */
	ev_io		io;				/* somebody knocks */
	ev_timer	pause;			/* until it is looked at again */
	Bucket		bucket;			/* sockets a second */
} Door;

/*
 * One accepted socket, from accept to close; the library keeps it as the
 * opaque pointer of its handle.
 */
typedef struct Socket
{
	Server	   *server;			/* whose it is */
	struct lws *wsi;			/* the library's handle */
	Address		peer;			/* the other end */
	bool		admin;			/* came through admin_listen */
	bool		guest;			/* in server->guests: no WebSocket yet */
	bool		pipelined;		/* the next request came before the last one was answered */
	int64_t		deadline;		/* of a guest: when it is closed if nothing comes of it */
	struct Socket *prev;		/* in server->guests */
	struct Socket *next;
} Socket;

/* What the library keeps for each connection. */
typedef struct Connection
{
	Server	   *server;			/* where it lives; NULL before the upgrade */
	struct lws *wsi;			/* the library's handle */
	Session    *session;		/* the logic on top */
	HttpReply	reply;			/* of plain HTTP */
	char	   *text;			/* the message that comes in */
	size_t		text_len;		/* bytes of it so far */
	size_t		fragments;		/* pieces of it so far */
	int			close_code;		/* 0: stays */
	const char *close_reason;	/* a constant */
	int64_t		close_at;		/* when it is dropped if it does not go by itself */
	int64_t		pinged_at;		/* last ping */
	bool		pong_due;		/* and not answered yet */
	bool		waking;			/* in server->waking */
	bool		deaf;			/* the client has closed: what it says after that counts no more */
	struct Connection *prev;	/* in server->connections */
	struct Connection *next;
	struct Connection *wake_prev;	/* in server->waking */
	struct Connection *wake_next;
} Connection;

struct Server
{
	struct lws_context *context;	/* the library's */
	struct lws_vhost *plain;	/* of sockets without TLS */
	struct lws_vhost *secure;	/* of sockets with TLS; NULL until there is a certificate */
	Relay	   *relay;			/* borrowed */
	struct ev_loop *loop;		/* borrowed */
	ev_prepare	flush;			/* end of each turn */
	ev_check	wakeup;			/* begin of each turn */
	ev_timer	tick;			/* a few times a second */
	Door		door;			/* of listen */
	Door		admin_door;		/* of admin_listen */
	char	   *admin_listen;	/* what it is open on */
	ServerTls  *tls;			/* certificate and key in force, or NULL */
	NetworkList proxies;		/* that are believed */
	Socket	   *guests;			/* sockets that are no WebSockets (yet) */
	size_t		nsockets;		/* accepted and not closed */
	size_t		socket_limit;	/* more are closed at once */
	size_t		session_limit;	/* more are told 1013 */
	Connection *connections;	/* upgraded ones */
	Connection *waking;			/* those with frames to be sent in this turn */
	unsigned char buffer[LWS_PRE + SEND_BYTES]; /* one send */
};

/* server_listen.c */
extern bool server_set_limits(Server *server);
extern bool door_open(Door *door, Server *server, const char *address, bool admin, char **error);
extern void door_move(Door *from, Door *to);
extern void door_close(Door *door);
extern void socket_await(Socket *socket, int64_t ms);
extern void socket_settle(Socket *socket);
extern void socket_gone(Socket *socket);
extern void server_sweep_guests(Server *server);

/* server_tls.c */
extern ServerTls *server_tls_load(const Config *config, char **error);
extern void server_tls_free(ServerTls *tls);
extern void server_tls_prepare(Server *server, void *ssl_ctx);

/* server_handshake.c */
extern bool server_header(struct lws *wsi, enum lws_token_indexes token, char *out, size_t size);
extern bool server_origin_allowed(struct lws *wsi);
extern void server_client_address(struct lws *wsi, Address *address);
extern int	server_confirm_upgrade(struct lws *wsi, const char *upgrade);

/* server_connection.c */
extern int	connection_open(Server *server, Connection *connection, struct lws *wsi);
extern void connection_gone(Connection *connection);
extern int	connection_receive(Connection *connection, struct lws *wsi, const void *in, size_t len);
extern int	connection_peer_closes(Connection *connection, struct lws *wsi, const unsigned char *payload, size_t len);
extern int	connection_writable(Connection *connection);
extern void connection_sweep(Connection *connection);
extern void server_flush_waking(Server *server);

#endif
