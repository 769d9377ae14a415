/*
 * server.c
 *	  The sockets: libwebsockets on the libev loop.  Takes connections, judges
 *	  handshakes, hands texts to sessions and frames of sessions to the wire,
 *	  and sweeps for dead connections.
 *
 * Frames that wait for one connection go out in one send, at the end of the
 * loop's turn; a connection that the kernel has not emptied waits for its
 * writable callback.
 */
#define _GNU_SOURCE
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

#include <ev.h>
#include <libwebsockets.h>
#include <utlist.h>

#include "codec.h"
#include "http.h"
#include "log.h"
#include "session.h"

#define SEND_BYTES 65536		/* at most so much in one send */
#define PONG_DUE 8000			/* ms */
#define TICK 0.2				/* seconds between two looks at what time brings */
#define FD_RESERVE 32			/* descriptors kept for files and the database */
#define TOKEN_BYTES 8192

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
	struct lws_vhost *admin;	/* of admin_listen, or NULL */
	Relay	   *relay;			/* borrowed */
	struct ev_loop *loop;		/* borrowed */
	ev_prepare	flush;			/* end of each turn */
	ev_check	wakeup;			/* begin of each turn */
	ev_timer	tick;			/* a few times a second */
	Connection *connections;	/* upgraded ones */
	Connection *waking;			/* those with frames to be sent in this turn */
	rlim_t		fd_limit;		/* of the process */
	bool		refusing;		/* no new connections */
	unsigned char buffer[LWS_PRE + SEND_BYTES]; /* one send */
};

/* ---- out ---- */

static void
connection_wake(void *port)
{
	Connection *connection = port;

	if (connection->waking)
		return;
	connection->waking = true;
	DL_APPEND2(connection->server->waking, connection, wake_prev, wake_next);
}

static void
connection_sleep(Connection *connection)
{
	if (!connection->waking)
		return;
	connection->waking = false;
	DL_DELETE2(connection->server->waking, connection, wake_prev, wake_next);
}

static void
connection_close(void *port, int code, const char *reason)
{
	Connection *connection = port;

	if (connection->close_code != 0)
		return;
	connection->close_code = code;
	connection->close_reason = reason;
	connection->close_at = connection->server->relay->now + PONG_DUE;
	lws_callback_on_writable(connection->wsi);
}

/* Fills the send buffer with whole frames; returns the bytes. */
static size_t
connection_gather(Connection *connection)
{
	Session    *session = connection->session;
	unsigned char *p = connection->server->buffer + LWS_PRE;
	size_t		used = 0;

	while (session->queue_count > 0)
	{
		size_t		len;
		const void *bytes = frame_bytes(session->queue[session->queue_first], &len);

		if (used + len > SEND_BYTES)
			break;
		memcpy(p + used, bytes, len);
		used += len;
		frame_unref(session_next(session));
	}
	return used;
}

/* Sends one frame that is larger than the send buffer. */
static bool
connection_send_large(Connection *connection)
{
	Frame	   *frame = session_next(connection->session);
	size_t		len;
	const void *bytes = frame_bytes(frame, &len);
	unsigned char *copy = malloc(LWS_PRE + len);
	bool		ok = false;

	if (copy)
	{
		memcpy(copy + LWS_PRE, bytes, len);
		ok = lws_write(connection->wsi, copy + LWS_PRE, len, LWS_WRITE_RAW) >= (int) len;
		free(copy);
	}
	frame_unref(frame);
	return ok;
}

/* Sends what waits, as far as the kernel takes it.  False: drop the connection. */
static bool
connection_flush(Connection *connection)
{
	while (connection->session->queue_count > 0 && !connection->deaf)
	{
		size_t		len;

		if (lws_partial_buffered(connection->wsi) || lws_send_pipe_choked(connection->wsi))
		{
			lws_callback_on_writable(connection->wsi);
			return true;
		}
		len = connection_gather(connection);
		if (len == 0 ? !connection_send_large(connection)
			: lws_write(connection->wsi, connection->server->buffer + LWS_PRE, len, LWS_WRITE_RAW) < (int) len)
			return false;
	}
	return true;
}

static void
server_flush(struct ev_loop *loop, ev_prepare *watcher, int events)
{
	Server	   *server = watcher->data;
	Connection *connection;

	(void) loop;
	(void) events;
	while ((connection = server->waking) != NULL)
	{
		connection_sleep(connection);
		if (!connection_flush(connection))
			lws_set_timeout(connection->wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_ASYNC);
	}
}

/* ---- time ---- */

static void
server_wakeup(struct ev_loop *loop, ev_check *watcher, int events)
{
	Server	   *server = watcher->data;

	(void) loop;
	(void) events;
	relay_set_time(server->relay);
}

/* Pings who is due, and drops who does not answer. */
static void
connection_sweep(Connection *connection)
{
	Relay	   *relay = connection->server->relay;
	int64_t		since = relay->now - connection->pinged_at;

	if (connection->close_code != 0)
	{
		if (relay->now >= connection->close_at)
			lws_set_timeout(connection->wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_ASYNC);
		return;
	}
	if (connection->pong_due && since >= PONG_DUE)
		session_close(connection->session, CLOSE_HEARTBEAT, "heartbeat lost");
	else if (!connection->pong_due && since >= relay->config->heartbeat && !lws_partial_buffered(connection->wsi))
	{
		/* With a payload: the library says nothing of an empty pong. */
		unsigned char ping[LWS_PRE + 3] = {0};

		ping[LWS_PRE] = 0x89;
		ping[LWS_PRE + 1] = 1;
		ping[LWS_PRE + 2] = 'h';
		connection->pinged_at = relay->now;
		connection->pong_due = true;
		if (lws_write(connection->wsi, ping + LWS_PRE, 3, LWS_WRITE_RAW) < 3)
			lws_set_timeout(connection->wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_ASYNC);
	}
}

static void
server_tick(struct ev_loop *loop, ev_timer *watcher, int events)
{
	Server	   *server = watcher->data;
	Connection *connection;
	Connection *next;

	(void) loop;
	(void) events;
	relay_set_time(server->relay);
	relay_tick(server->relay);
	DL_FOREACH_SAFE(server->connections, connection, next)
		connection_sweep(connection);
}

/* ---- handshake ---- */

/* One header, "" when absent; false when it does not fit. */
static bool
server_header(struct lws *wsi, enum lws_token_indexes token, char *out, size_t size)
{
	out[0] = '\0';
	if (lws_hdr_total_length(wsi, token) == 0)
		return true;
	return lws_hdr_copy(wsi, out, (int) size, token) >= 0;
}

/* Whether a comma list holds the word. */
static bool
list_has(const char *list, const char *word)
{
	size_t		len = strlen(word);

	while (*list)
	{
		size_t		n;

		list += strspn(list, ", \t");
		n = strcspn(list, ", \t");
		if (n == len && n > 0 && strncasecmp(list, word, n) == 0)
			return true;
		list += n;
	}
	return false;
}

/* Whether pages of this origin may connect; programs send none. */
static bool
server_origin_allowed(const Server *server, struct lws *wsi)
{
	const char *allowed = server->relay->config->allowed_origins;
	char		origin[512];
	char		host[512];
	const char *authority;

	if (!server_header(wsi, WSI_TOKEN_ORIGIN, origin, sizeof(origin))
		|| !server_header(wsi, WSI_TOKEN_HOST, host, sizeof(host)))
		return false;
	if (origin[0] == '\0' || list_has(allowed, "*") || list_has(allowed, origin))
		return true;
	authority = strstr(origin, "://");
	return allowed[0] == '\0' && authority && strcasecmp(authority + 3, host) == 0;
}

/* Whether the URL holds what is not to be logged by anybody on the way. */
static bool
server_url_has_token(struct lws *wsi)
{
	static const char *const names[] = {"token=", "access_token=", "ticket=", "jwt="};
	char		part[16384];		/* longer than all headers may be: nothing passes unseen */

	for (int i = 0; lws_hdr_copy_fragment(wsi, part, sizeof(part), WSI_TOKEN_HTTP_URI_ARGS, i) != -1; i++)
	{
		if (i > 100)
			return true;
		for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++)
			if (strncasecmp(part, names[n], strlen(names[n])) == 0)
				return true;
	}
	return false;
}

/* Whether the request is HTTP/1.1 with one key of 16 bytes in base64 (RFC 6455 section 4.2.1). */
static bool
server_handshake_is_whole(struct lws *wsi)
{
	static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char		version[16];
	char		key[32];

	return server_header(wsi, WSI_TOKEN_HTTP, version, sizeof(version)) && strcmp(version, "HTTP/1.1") == 0
		&& server_header(wsi, WSI_TOKEN_KEY, key, sizeof(key))
		&& strspn(key, base64) == 22 && strcmp(key + 22, "==") == 0;
}

/* Judges an upgrade: 0 to go on, otherwise as the library's callback returns. */
static int
server_confirm_upgrade(const Server *server, struct lws *wsi, const char *upgrade, bool admin)
{
	char		path[64];
	char		version[16];
	char		protocols[256];

	if (upgrade == NULL || strcasecmp(upgrade, "websocket") != 0)
		return -1;
	if (admin || !server_header(wsi, WSI_TOKEN_GET_URI, path, sizeof(path)) || strcmp(path, "/ws") != 0)
		return http_error(wsi, 404, "not_found", "no such route");
	if (!server_header(wsi, WSI_TOKEN_VERSION, version, sizeof(version)) || strcmp(version, "13") != 0)
		return http_error(wsi, 426, "bad_request", "Sec-WebSocket-Version must be 13");
	if (!server_handshake_is_whole(wsi))
		return http_error(wsi, 400, "bad_request", "not a handshake of RFC 6455");
	if (!server_header(wsi, WSI_TOKEN_PROTOCOL, protocols, sizeof(protocols))
		|| (protocols[0] && !list_has(protocols, "taskchat.v1")))
		return http_error(wsi, 400, "bad_request", "the sub-protocol is taskchat.v1");
	if (!server_origin_allowed(server, wsi))
		return http_error(wsi, 403, "forbidden", "this origin is not allowed");
	if (server_url_has_token(wsi))
		return http_error(wsi, 400, "bad_request", "a token does not belong in the URL");
	return 0;
}

/* ---- connections ---- */

static const SessionPort connection_port = {connection_wake, connection_close};

/* Logs in by the handshake's header, when there is one. */
static void
connection_bearer(Connection *connection)
{
	char		header[TOKEN_BYTES];

	if (!server_header(connection->wsi, WSI_TOKEN_HTTP_AUTHORIZATION, header, sizeof(header)) || header[0] == '\0')
		return;
	if (strncasecmp(header, "Bearer ", 7) == 0)
		session_bearer(connection->session, header + 7, strlen(header + 7));
	memset(header, 0, sizeof(header));
}

static int
connection_open(Server *server, Connection *connection, struct lws *wsi)
{
	memset(connection, 0, sizeof(*connection));
	connection->session = session_new(server->relay, &connection_port, connection);
	if (connection->session == NULL)
		return -1;
	connection->server = server;
	connection->wsi = wsi;
	connection->pinged_at = server->relay->now;
	DL_APPEND(server->connections, connection);
	if (server->relay->draining)
		session_close(connection->session, CLOSE_GOING_AWAY, "going away");
	else if ((int64_t) server->relay->nsessions > server->relay->config->max_connections)
		session_close(connection->session, CLOSE_FULL, "full");
	else
		connection_bearer(connection);
	return 0;
}

static void
connection_gone(Connection *connection)
{
	if (connection->session == NULL)
		return;
	connection_sleep(connection);
	DL_DELETE(connection->server->connections, connection);
	session_free(connection->session);
	connection->session = NULL;
	free(connection->text);
	connection->text = NULL;
}

/*
 * Adds a piece of a message; false when it must be closed.  remaining: bytes
 * of its frame that are announced and not here yet, as what is too large is
 * not waited for.
 */
static bool
connection_collect(Connection *connection, const void *in, size_t len, size_t remaining)
{
	size_t		limit = (size_t) connection->server->relay->config->max_frame_bytes;
	char	   *text;

	if (connection->text_len + len + remaining > limit || ++connection->fragments > limit)
	{
		session_close(connection->session, CLOSE_TOO_LARGE, "frame too large");
		return false;
	}
	text = realloc(connection->text, connection->text_len + len + 1);
	if (text == NULL)
	{
		session_close(connection->session, CLOSE_INTERNAL, "out of memory");
		return false;
	}
	memcpy(text + connection->text_len, in, len);
	connection->text = text;
	connection->text_len += len;
	text[connection->text_len] = '\0';
	return true;
}

static int
connection_receive(Connection *connection, struct lws *wsi, const void *in, size_t len)
{
	if (connection->close_code != 0 || connection->deaf)
		return 0;
	if (lws_frame_is_binary(wsi))
	{
		session_close(connection->session, CLOSE_UNSUPPORTED, "text frames only");
		return 0;
	}
	if (!connection_collect(connection, in, len, lws_remaining_packet_payload(wsi)))
		return 0;
	if (lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0)
	{
		char	   *text = connection->text;
		size_t		text_len = connection->text_len;

		connection->text = NULL;
		connection->text_len = 0;
		connection->fragments = 0;
		session_receive(connection->session, text, text_len);
		free(text);
	}
	return 0;
}

/* Whether a client's close frame may be answered with its own code; otherwise *code is what it gets. */
static bool
close_frame_is_good(const unsigned char *payload, size_t len, int *code)
{
	*code = CLOSE_PROTOCOL;
	if (len == 1 || (len >= 2 && (payload[0] << 8 | payload[1]) >= 5000))
		return false;
	*code = CLOSE_BAD_UTF8;
	return len <= 2 || json_is_utf8((const char *) payload + 2, len - 2);
}

/*
 * The client closes (RFC 6455 section 5.5.1).  What it asked before is
 * answered as far as that can be done now; what it says later is not heard.
 * The library answers with the same frame, but does not look at all of it.
 */
static int
connection_peer_closes(Connection *connection, struct lws *wsi, const unsigned char *payload, size_t len)
{
	int			code;

	connection_sleep(connection);
	if (!connection_flush(connection))
		return -1;
	connection->deaf = true;
	if (close_frame_is_good(payload, len, &code))
		return 0;
	lws_close_reason(wsi, (enum lws_close_status) code, NULL, 0);
	return -1;
}

static int
connection_writable(Connection *connection)
{
	connection_sleep(connection);
	if (!connection_flush(connection))
		return -1;
	if (connection->close_code != 0 && connection->session->queue_count == 0
		&& !lws_partial_buffered(connection->wsi))
	{
		lws_close_reason(connection->wsi, (enum lws_close_status) connection->close_code,
						 (unsigned char *) connection->close_reason, strlen(connection->close_reason));
		return -1;
	}
	return 0;
}

/* Whether a new socket may stay: descriptors are kept in reserve. */
static int
server_filter_connection(const Server *server, lws_sockfd_type fd)
{
	return server->refusing || (rlim_t) fd + FD_RESERVE >= server->fd_limit;
}

/* ---- the library ---- */

/* WebSocket connections. */
static int
server_ws_callback(Server *server, struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	Connection *connection = user;

	switch (reason)
	{
		case LWS_CALLBACK_ESTABLISHED:
			return connection_open(server, connection, wsi);
		case LWS_CALLBACK_CLOSED:
			connection_gone(connection);
			return 0;
		case LWS_CALLBACK_RECEIVE:
			return connection_receive(connection, wsi, in, len);
		case LWS_CALLBACK_RECEIVE_PONG:
			connection->pong_due = false;
			return 0;
		case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
			return connection_peer_closes(connection, wsi, in, len);
		case LWS_CALLBACK_SERVER_WRITEABLE:
			return connection_writable(connection);
		default:
			return 0;
	}
}

static int
server_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct lws_context *context = lws_get_context(wsi);
	Server	   *server = context ? lws_context_user(context) : NULL;
	Connection *connection = user;
	bool		admin = server && server->admin && lws_get_vhost(wsi) == server->admin;

	switch (reason)
	{
		case LWS_CALLBACK_FILTER_NETWORK_CONNECTION:
			return server_filter_connection(server, (lws_sockfd_type) (intptr_t) in);
		case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
			return server_confirm_upgrade(server, wsi, in, admin);
		case LWS_CALLBACK_HTTP:
			return http_request(wsi, server->relay, &connection->reply, in, admin);
		case LWS_CALLBACK_HTTP_WRITEABLE:
			return http_writable(wsi, &connection->reply);
		case LWS_CALLBACK_HTTP_FILE_COMPLETION:
			return lws_http_transaction_completed(wsi) ? -1 : 0;
		case LWS_CALLBACK_HTTP_BODY:
		case LWS_CALLBACK_RAW_ADOPT:
		case LWS_CALLBACK_RAW_CONNECTED:
		case LWS_CALLBACK_RAW_RX:
			return -1;
		case LWS_CALLBACK_ESTABLISHED:
		case LWS_CALLBACK_CLOSED:
		case LWS_CALLBACK_RECEIVE:
		case LWS_CALLBACK_RECEIVE_PONG:
		case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		case LWS_CALLBACK_SERVER_WRITEABLE:
			return server_ws_callback(server, wsi, reason, user, in, len);
		default:
			return 0;
	}
}

static const struct lws_protocols server_protocols[] = {
	{.name = "taskchat.v1", .callback = server_callback, .per_session_data_size = sizeof(Connection),
	.rx_buffer_size = 1024, .tx_packet_size = SEND_BYTES},
	{.name = NULL}
};

static void
server_log(int level, const char *line)
{
	size_t		len = strcspn(line, "\n");

	log_write(level & LLL_ERR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "server", 0, "%.*s", (int) len, line);
}

/* Opens one listening address.  NULL with *error. */
static struct lws_vhost *
server_listen(Server *server, const char *name, const char *address, bool tls, char **error)
{
	static const lws_retry_bo_t no_validity_timers = {0};
	const Config *config = server->relay->config;
	struct lws_context_creation_info info = {0};
	struct lws_vhost *vhost = NULL;
	char		host[256];

	if (config_split_address(address, host, sizeof(host), &info.port))
	{
		info.iface = host[0] ? host : NULL;
		info.vhost_name = name;
		info.protocols = server_protocols;
		info.retry_and_idle_policy = &no_validity_timers;
		info.options = LWS_SERVER_OPTION_VALIDATE_UTF8 | LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND;
		if (strchr(host, ':') == NULL)
			info.options |= LWS_SERVER_OPTION_DISABLE_IPV6;	/* or it would bind to any address */
		if (tls && config->tls_certificate[0])
		{
			info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
			info.ssl_cert_filepath = config->tls_certificate;
			info.ssl_private_key_filepath = config->tls_key;
		}
		info.alpn = "http/1.1";
		info.keepalive_timeout = 30;
		vhost = lws_create_vhost(server->context, &info);
	}
	if (vhost == NULL && asprintf(error, "cannot listen on %s", address) < 0)
		*error = NULL;
	return vhost;
}

/* Makes the library's context on the loop. */
static struct lws_context *
server_context(Server *server)
{
	struct lws_context_creation_info info = {0};
	void	   *loops[1] = {server->loop};

	lws_set_log_level(LLL_ERR, server_log);
	info.port = CONTEXT_PORT_NO_LISTEN;
	info.options = LWS_SERVER_OPTION_LIBEV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_VALIDATE_UTF8;
	if (server->relay->config->tls_certificate[0])
		info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
	info.foreign_loops = loops;
	info.user = server;
	info.max_http_header_data = 16384;
	info.server_string = "taskchat";
	return lws_create_context(&info);
}

static void
server_start_watchers(Server *server)
{
	ev_prepare_init(&server->flush, server_flush);
	server->flush.data = server;
	ev_prepare_start(server->loop, &server->flush);
	ev_check_init(&server->wakeup, server_wakeup);
	ev_set_priority(&server->wakeup, EV_MAXPRI);
	server->wakeup.data = server;
	ev_check_start(server->loop, &server->wakeup);
	ev_timer_init(&server->tick, server_tick, TICK, TICK);
	server->tick.data = server;
	ev_timer_start(server->loop, &server->tick);
}

/*
 * Opens the ports of relay's configuration on the loop.  NULL with *error (to
 * be freed) when that cannot be.
 */
Server *
server_new(struct ev_loop *loop, Relay *relay, char **error)
{
	Server	   *server = calloc(1, sizeof(*server));
	struct rlimit limit;

	*error = NULL;
	if (server == NULL)
		return NULL;
	server->relay = relay;
	server->loop = loop;
	server->fd_limit = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 1024;
	server->context = server_context(server);
	if (server->context == NULL)
		*error = strdup("cannot start the network library");
	else if (server_listen(server, "public", relay->config->listen, true, error)
			 && (relay->config->admin_listen[0] == '\0'
				 || (server->admin = server_listen(server, "admin", relay->config->admin_listen, false, error))))
	{
		server_start_watchers(server);
		return server;
	}
	if (server->context)
		lws_context_destroy(server->context);
	free(server);
	return NULL;
}

/*
 * New connections are turned away from now on.
 */
void
server_refuse_new(Server *server)
{
	server->refusing = true;
}

/*
 * Closes all sockets, and with them the sessions.
 */
void
server_free(Server *server)
{
	ev_timer_stop(server->loop, &server->tick);
	ev_check_stop(server->loop, &server->wakeup);
	ev_prepare_stop(server->loop, &server->flush);
	server->refusing = true;
	lws_context_destroy(server->context);
	free(server);
}
