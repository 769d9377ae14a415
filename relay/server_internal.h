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
#include "request.h"
#include "server.h"
#include "session.h"
#include "websocket.h"
#include "wheel.h"

#define SEND_BYTES 65536		/* at most so much in one send */

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

/* What a socket is at. */
typedef enum SocketStage
{
	STAGE_HEAD,					/* a request's head is read, or waited for */
	STAGE_BODY,					/* and its body */
	STAGE_ANSWER,				/* its answer is worked at; nothing is read */
	STAGE_FILE,					/* its answer is a file that is being sent; nothing is read */
	STAGE_WEBSOCKET,			/* it has become a WebSocket */
	STAGE_LINGER				/* all is said: what still comes is thrown away until the client ends too */
} SocketStage;

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
	bool		heard;			/* it has said something */
	bool		working;		/* in socket_go_on() */
	bool		shut;			/* our half is closed */
	bool		guest;			/* in server->guests: its deadline counts */
	SocketStage stage;			/* what it is at */
	int64_t		deadline;		/* of a guest: when it is closed if nothing comes of it */
	char	   *input;			/* bytes of requests that were not used yet */
	size_t		input_len;		/* how many */
	size_t		input_size;		/* bytes allocated */
	size_t		lingered;		/* bytes thrown away */
	struct HttpExchange *exchange;	/* the request under way, or NULL */
	struct Connection *connection;	/* the WebSocket, or NULL */
	struct Socket *prev;		/* in server->guests */
	struct Socket *next;
} Socket;

/* A WebSocket connection. */
typedef struct Connection
{
	Server	   *server;			/* where it lives */
	Socket	   *socket;			/* under it */
	struct lws *wsi;			/* the library's handle */
	Session    *session;		/* the logic on top */
	WebSocketReader reader;		/* what comes in */
	unsigned char *pong;		/* the last ping's answer, while the kernel takes nothing; owned */
	size_t		pong_len;		/* bytes of it; 0: none is due */
	int			close_code;		/* 0: stays */
	const char *close_reason;	/* a constant */
	int			peer_code;		/* the client's own close code; 0: it sent none */
	int64_t		close_at;		/* when it is dropped if it does not go by itself */
	int64_t		pinged_at;		/* last ping */
	bool		pong_due;		/* and not answered yet */
	WheelEntry	due;			/* in server->wheel */
	bool		waking;			/* in server->waking, or */
	bool		patient;		/* in server->patient */
	bool		deaf;			/* nothing that comes counts any more: the client has closed, or broken the rules */
	bool		closed;			/* our close frame is out */
	struct Connection *prev;	/* in server->connections */
	struct Connection *next;
	struct Connection *wake_prev;	/* in one of these */
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
	size_t		input_bytes;	/* of requests that are not whole, of all sockets */
	Connection *connections;	/* upgraded ones */
	Wheel		wheel;			/* of these, by when they are to be looked at */
	Connection *waking;			/* those with frames to be sent in this turn */
	Connection *patient;		/* those whose frames may wait for both of these … */
	int64_t		gather_until;	/* leisure for the next round, of clock_monotonic() */
	int64_t		company_until;	/* more is to come by then; 0: it is there */
	int64_t		gather_due;		/* … and until when the timer runs */
	ev_timer	gather;
	unsigned char buffer[SEND_BYTES];	/* one send */
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

/* server_socket.c */
extern int	socket_receive(Socket *socket, const void *in, size_t len);
extern int	socket_writable(Socket *socket);
extern bool socket_go_on(Socket *socket);
extern void socket_use(Socket *socket, size_t n);
extern void socket_hold(Socket *socket, bool hold);
extern bool socket_write(Socket *socket, const void *bytes, size_t len);
extern bool socket_is_blocked(const Socket *socket);
extern bool socket_client_is_gone(const Socket *socket);
extern void socket_linger(Socket *socket);
extern void socket_kill(Socket *socket);
extern void socket_release(Socket *socket);

/* server_tls.c */
extern ServerTls *server_tls_load(const Config *config, char **error);
extern void server_tls_free(ServerTls *tls);
extern void server_tls_prepare(Server *server, void *ssl_ctx);

/* server_handshake.c */
extern bool server_origin_allowed(const Socket *socket, const RequestHead *head);
extern void server_client_address(const Socket *socket, const RequestHead *head, Address *address);
extern const char *server_upgrade_problem(const Socket *socket, const RequestHead *head, int *status);
extern bool server_upgrade(Socket *socket, const RequestHead *head);

/* server_connection.c */
extern bool connection_open(Socket *socket, const RequestHead *head);
extern void connection_gone(Connection *connection);
extern int	connection_receive(Connection *connection, const void *in, size_t len);
extern int	connection_writable(Connection *connection);
extern void connection_wind(Connection *connection);
extern void connection_due(WheelEntry *entry, void *arg);
extern void server_flush_waking(Server *server);
extern void server_flush_patient(Server *server);

#endif
