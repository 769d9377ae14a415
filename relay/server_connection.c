/*
 * server_connection.c
 *	  One WebSocket connection: messages from the wire to its session, frames
 *	  of its session to the wire, pings.
 *
 * Frames that wait for one connection go out in one send, at the end of the
 * loop's turn, or, where all of them are events of large rooms, a little later
 * together with the next ones; a connection that the kernel has not emptied
 * waits for its writable callback.
 */
#include "server_internal.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "clock.h"
#include "log.h"

#define PONG_DUE 8000			/* ms */
#define LAST_WORD 500			/* ms for a close frame that hardly anybody will read */
#define LEAST_GATHER 1000		/* us of sending to many after which events gather … */
#define MOST_GATHER 5000		/* … and for how long at most */

/* ---- out ---- */

static void
connection_sleep(Connection *connection)
{
	if (connection->waking)
		DL_DELETE2(connection->server->waking, connection, wake_prev, wake_next);
	else if (connection->patient)
		DL_DELETE2(connection->server->patient, connection, wake_prev, wake_next);
	connection->waking = connection->patient = false;
}

static void
connection_wake(void *port, Patience patience)
{
	Connection *connection = port;
	Server	   *server = connection->server;
	bool		patient = patience != PATIENCE_NONE;

	if (patience == PATIENCE_ROUND)
		server->company_until = 0;
	else if (patience == PATIENCE_COMPANY && server->patient == NULL)
		server->company_until = clock_monotonic() + DISPLAY_FRAME * 1000;
	if (connection->waking || (connection->patient && patient))
		return;
	connection_sleep(connection);
	connection->waking = !patient;
	connection->patient = patient;
	if (patient)
		DL_APPEND2(server->patient, connection, wake_prev, wake_next);
	else
		DL_APPEND2(server->waking, connection, wake_prev, wake_next);
}

/*
 * Puts the connection where it is looked at next: when its ping or its pong is
 * due, or its end.
 */
void
connection_wind(Connection *connection)
{
	int64_t		due = connection->pinged_at + connection->server->relay->config->heartbeat;

	if (connection->close_code != 0)
		due = connection->close_at;
	else if (connection->pong_due)
		due = connection->pinged_at + PONG_DUE;
	wheel_put(&connection->server->wheel, &connection->due, due);
}

static void
connection_close(void *port, int code, const char *reason)
{
	Connection *connection = port;

	if (connection->close_code != 0)
		return;
	connection->close_code = code;
	connection->close_reason = reason;
	/* Who lost the heartbeat will hardly answer a close frame, and counts as online until then. */
	connection->close_at = connection->server->relay->now + (code == CLOSE_HEARTBEAT ? LAST_WORD : PONG_DUE);
	connection_wind(connection);
	lws_callback_on_writable(connection->wsi);
}

/* Fills the send buffer with whole frames; returns the bytes. */
static size_t
connection_gather(Connection *connection)
{
	Session    *session = connection->session;
	unsigned char *p = connection->server->buffer;
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

/* Sends one frame from where it is: the only one, or one that is larger than the send buffer. */
static bool
connection_send_one(Connection *connection)
{
	Frame	   *frame = session_next(connection->session);
	size_t		len;
	const void *bytes = frame_bytes(frame, &len);
	bool		ok = socket_write(connection->socket, bytes, len);

	frame_unref(frame);
	return ok;
}

/* Sends what waits, as far as the kernel takes it.  False: drop the connection. */
static bool
connection_flush(Connection *connection)
{
	while (connection->session->queue_count > 0)
	{
		size_t		len;

		/* What the kernel doesn't take the library keeps: to ask before, as lws_send_pipe_choked() does, is a poll() a send. */
		if (socket_is_blocked(connection->socket))
		{
			lws_callback_on_writable(connection->wsi);
			return true;
		}
		len = connection->session->queue_count > 1 ? connection_gather(connection) : 0;
		if (len == 0 ? !connection_send_one(connection) : !socket_write(connection->socket, connection->server->buffer, len))
			return false;
	}
	return true;
}

static void
connection_push(void *port)
{
	Connection *connection = port;

	if (!connection_flush(connection))
		socket_kill(connection->socket);
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
		connection_push(connection);
	}
}

/* Whether what may wait is to wait on; the timer sees to its end. */
static bool
server_gathers(Server *server, int64_t now)
{
	int64_t		until = server->company_until > server->gather_until ? server->company_until : server->gather_until;

	if (ev_is_active(&server->gather) && server->gather_due == until)
		return now < until;
	ev_timer_stop(server->loop, &server->gather);
	if (now >= until)
		return false;
	server->gather_due = until;
	ev_now_update(server->loop);
	ev_timer_set(&server->gather, (double) (until - now) / 1e6, 0.);
	ev_timer_start(server->loop, &server->gather);
	return true;
}

/*
 * Sends what may wait for more, unless it is to wait.  Where such a round has
 * kept us busy for a while, three quarters of that time are left for others to
 * gather, so that they go out in one send to each reader.  With 4 messages in
 * flight to 1,000 readers that took the cost of a delivery from 1.65 to 0.97 us;
 * a longer pause (5 % dearer) and a shorter one (8 %) did worse.
 */
void
server_flush_patient(Server *server)
{
	Connection *connection;
	int64_t		now;
	int64_t		spent;

	if (server->patient == NULL)
		return;
	now = clock_monotonic();
	if (server_gathers(server, now))
		return;
	server->company_until = 0;
	while ((connection = server->patient) != NULL)
	{
		connection_sleep(connection);
		connection_push(connection);
	}
	spent = clock_monotonic() - now;
	if (spent >= LEAST_GATHER)
		server->gather_until = now + spent + (spent * 3 / 4 < MOST_GATHER ? spent * 3 / 4 : MOST_GATHER);
}

/* The connection is over; its socket lives on until the client has read all. */
static void
connection_end(Connection *connection)
{
	Socket	   *socket = connection->socket;

	connection_gone(connection);
	socket_linger(socket);
}

/* Sends a ping, unless the kernel has not even taken what went before. */
static void
connection_ping(Connection *connection)
{
	unsigned char ping[2];
	size_t		len = websocket_control(ping, WEBSOCKET_PING, NULL, 0);

	if (socket_is_blocked(connection->socket))
		return;
	connection->pinged_at = connection->server->relay->now;
	connection->pong_due = true;
	if (!socket_write(connection->socket, ping, len))
		socket_kill(connection->socket);
}

/* The close frame was said, or could not be, and the client does not go. */
static void
connection_overdue(Connection *connection)
{
	if (connection->closed)
		connection_end(connection);
	else
		socket_kill(connection->socket);
}

/*
 * What time brings to the connection of this entry of server->wheel: pings who
 * is due, drops who does not answer, and who does not go after being told to.
 */
void
connection_due(WheelEntry *entry, void *arg)
{
	Connection *connection = (Connection *) ((char *) entry - offsetof(Connection, due));
	Relay	   *relay = connection->server->relay;
	int64_t		since = relay->now - connection->pinged_at;

	(void) arg;
	if (connection->close_code != 0)
	{
		if (relay->now >= connection->close_at)
		{
			connection_overdue(connection);
			return;
		}
	}
	else if (connection->pong_due && since >= PONG_DUE)
		session_close(connection->session, CLOSE_HEARTBEAT, "heartbeat lost");
	else if (!connection->pong_due && since >= relay->config->heartbeat)
		connection_ping(connection);
	connection_wind(connection);
}

/* ---- in ---- */

static const SessionPort connection_port = {connection_wake, connection_push, connection_close};

/* Who it is: the only place where a log line has the address. */
static void
connection_log_client(const Connection *connection, const RequestHead *head)
{
	Address		address;
	char		text[ADDRESS_TEXT_SIZE];

	server_client_address(connection->socket, head, &address);
	address_text(&address, text);
	log_write(LOG_LEVEL_INFO, "server", connection->session->id, "connected from %s", text);
}

/*
 * The handshake of this head is done: the socket becomes a connection with a
 * session.  False when out of memory.
 */
bool
connection_open(Socket *socket, const RequestHead *head)
{
	Server	   *server = socket->server;
	Connection *connection = calloc(1, sizeof(*connection));
	const char *token = request_bearer(head);

	if (connection == NULL)
		return false;
	connection->session = session_new(server->relay, &connection_port, connection);
	if (connection->session == NULL)
	{
		free(connection);
		return false;
	}
	connection->server = server;
	connection->socket = socket;
	connection->wsi = socket->wsi;
	connection->pinged_at = server->relay->now;
	DL_APPEND(server->connections, connection);
	connection_wind(connection);
	socket->connection = connection;
	socket->stage = STAGE_WEBSOCKET;
	socket_settle(socket);
	connection_log_client(connection, head);
	if (server->relay->draining)
		session_close(connection->session, CLOSE_GOING_AWAY, "going away");
	else if (server->relay->nsessions > server->session_limit)
		session_close(connection->session, CLOSE_FULL, "full");
	else if (token)
		session_bearer(connection->session, token, strlen(token));
	return true;
}

/* Why a connection ended that the session did not close: session_close() has said the rest. */
static void
connection_log_end(const Connection *connection)
{
	if (connection->session->closing)
		return;
	if (connection->peer_code != 0)
		log_write(LOG_LEVEL_INFO, "server", connection->session->id, "ended: closed by the client with %d", connection->peer_code);
	else
		log_write(LOG_LEVEL_INFO, "server", connection->session->id, "ended: the connection broke");
}

/*
 * The connection is over: its session ends.
 */
void
connection_gone(Connection *connection)
{
	connection_log_end(connection);
	connection_sleep(connection);
	wheel_remove(&connection->due);
	DL_DELETE(connection->server->connections, connection);
	session_free(connection->session);
	websocket_reset(&connection->reader);
	free(connection->pong);
	connection->socket->connection = NULL;
	free(connection);
}

/* A ping is answered at once, or when the kernel takes more: then only the last one. */
static bool
connection_pong(Connection *connection)
{
	const WebSocketReader *reader = &connection->reader;
	unsigned char pong[2 + WEBSOCKET_CONTROL_BYTES];
	size_t		len = websocket_control(pong, WEBSOCKET_PONG, reader->control, reader->control_len);

	if (!socket_is_blocked(connection->socket))
		return socket_write(connection->socket, pong, len);
	if (connection->pong == NULL && (connection->pong = malloc(sizeof(pong))) == NULL)
		return false;
	memcpy(connection->pong, pong, len);
	connection->pong_len = len;
	lws_callback_on_writable(connection->wsi);
	return true;
}

/*
 * The client closes (RFC 6455 section 5.5.1), or has broken the rules.  What
 * it asked before is answered as far as that can be done now; what it says
 * later is not heard.
 */
static void
connection_last_word(Connection *connection, WebSocketEvent event)
{
	const WebSocketReader *reader = &connection->reader;

	if (event == WEBSOCKET_IS_CLOSE)
		connection->peer_code = reader->control_len >= 2 ? reader->control[0] << 8 | reader->control[1] : CLOSE_NO_STATUS;
	connection->deaf = true;
	if (connection->closed)
		connection_end(connection);
	else if (event == WEBSOCKET_FAILED)
		session_close(connection->session, reader->code, reader->reason);
	else
		connection_close(connection, reader->code, "");
}

/*
 * Bytes have come in; whole messages go to the session.  Returns as the
 * library's callbacks do.
 */
int
connection_receive(Connection *connection, const void *in, size_t len)
{
	size_t		limit = (size_t) connection->server->relay->config->max_frame_bytes;
	const unsigned char *bytes = in;
	WebSocketEvent event = WEBSOCKET_IS_PONG;

	while (event != WEBSOCKET_MORE && !connection->deaf)
	{
		event = websocket_read(&connection->reader, &bytes, &len, limit);
		switch (event)
		{
			case WEBSOCKET_IS_TEXT:
				if (connection->close_code == 0)
					session_receive(connection->session, connection->reader.text, connection->reader.text_len);
				break;
			case WEBSOCKET_IS_PING:
				if (connection->close_code == 0 && !connection_pong(connection))
					return -1;
				break;
			case WEBSOCKET_IS_PONG:
				connection->pong_due = false;
				connection_wind(connection);
				break;
			case WEBSOCKET_IS_CLOSE:
			case WEBSOCKET_FAILED:
				connection_last_word(connection, event);
				return 0;		/* it may be gone */
			default:
				break;
		}
	}
	return 0;
}

/* Says the close frame.  False: drop the connection. */
static bool
connection_say_close(Connection *connection)
{
	unsigned char frame[2 + WEBSOCKET_CONTROL_BYTES];
	size_t		len = websocket_close_frame(frame, connection->close_code, connection->close_reason);

	connection->closed = true;
	if (!socket_write(connection->socket, frame, len))
		return false;
	if (connection->deaf)
		connection_end(connection);
	return true;
}

/*
 * The kernel takes more: sends what waits, and then the close frame if the
 * session has ended.  Returns as the library's callbacks do.
 */
int
connection_writable(Connection *connection)
{
	connection_sleep(connection);
	if (connection->closed)
		return 0;
	if (connection->pong_len > 0 && !socket_is_blocked(connection->socket))
	{
		size_t		len = connection->pong_len;

		connection->pong_len = 0;
		if (!socket_write(connection->socket, connection->pong, len))
			return -1;
	}
	if (!connection_flush(connection))
		return -1;
	if (connection->close_code != 0 && connection->session->queue_count == 0
		&& !socket_is_blocked(connection->socket))
		return connection_say_close(connection) ? 0 : -1;
	return 0;
}
