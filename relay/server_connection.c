/*
 * server_connection.c
 *	  One WebSocket connection: messages from the wire to its session, frames
 *	  of its session to the wire, pings.
 *
 * Frames that wait for one connection go out in one send, at the end of the
 * loop's turn; a connection that the kernel has not emptied waits for its
 * writable callback.
 */
#include "server_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <utlist.h>

#include "codec.h"
#include "log.h"

#define PONG_DUE 8000			/* ms */

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

/*
 * Sends what sessions have queued in this turn of the loop.
 */
void
server_flush_waking(Server *server)
{
	Connection *connection;

	while ((connection = server->waking) != NULL)
	{
		connection_sleep(connection);
		if (!connection_flush(connection))
			lws_set_timeout(connection->wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_ASYNC);
	}
}

/*
 * What time brings to one connection: pings who is due, drops who does not
 * answer, and who does not go after being told to.
 */
void
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

/* ---- in ---- */

static const SessionPort connection_port = {connection_wake, connection_close};

/* Logs in by the handshake's header, when there is one. */
static void
connection_bearer(Connection *connection)
{
	char		header[TOKEN_BYTES];

	if (!server_header(connection->wsi, WSI_TOKEN_HTTP_AUTHORIZATION, header, sizeof(header)) || header[0] == '\0')
		return;
	if (strncasecmp(header, "Bearer ", 7) == 0)
	{
		const char *token = header + 7 + strspn(header + 7, " ");

		session_bearer(connection->session, token, strlen(token));
	}
	memset(header, 0, sizeof(header));
}

/* Who it is: the only place where a log line has the address. */
static void
connection_log_client(const Connection *connection)
{
	Address		address;
	char		text[ADDRESS_TEXT_SIZE];

	server_client_address(connection->wsi, &address);
	address_text(&address, text);
	log_write(LOG_LEVEL_INFO, "server", connection->session->id, "connected from %s", text);
}

/*
 * The handshake is done: gives the connection its session.  Returns as the
 * library's callbacks do.
 */
int
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
	connection_log_client(connection);
	if (server->relay->draining)
		session_close(connection->session, CLOSE_GOING_AWAY, "going away");
	else if (server->relay->nsessions > server->session_limit)
		session_close(connection->session, CLOSE_FULL, "full");
	else
		connection_bearer(connection);
	return 0;
}

/*
 * The library has closed the connection: its session ends.
 */
void
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

/*
 * A piece of a frame has come in; a whole message goes to the session.
 * Returns as the library's callbacks do.
 */
int
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
int
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

/*
 * The kernel takes more: sends what waits, and then the close frame if the
 * session has ended.  Returns as the library's callbacks do.
 */
int
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
