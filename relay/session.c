/*
 * session.c
 *	  One client connection without its socket: log-in and its end, limits,
 *	  and the bounded queue of frames on their way out.
 *
 * What frames mean is command.c's matter, who sits where is room.c's.
 */
#include "session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <utlist.h>

#include "command.h"
#include "log.h"
#include "presence.h"
#include "room.h"

#define REFUSED_LIMIT 100		/* refused frames … */
#define REFUSED_WINDOW 10000	/* … in so many milliseconds: flooding */
#define EXPIRING_NOTICE 60		/* seconds between token_expiring and exp */
#define GREET_WAIT 2000			/* ms that welcome waits for the database */
#define MAX_EXPIRES_AT INT64_C(253402300799)	/* the end of the year 9999 */

/* When the session is to be looked at next. */
static void
session_wind(Session *session)
{
	Relay	   *relay = session->relay;
	int64_t		due = session->opened_at + relay->config->auth_timeout;

	if (session->user)
	{
		int64_t		wall = session->told_expiring ? session->ends_at : (session->expires_at - EXPIRING_NOTICE) * 1000;

		due = relay->now + (wall < session->ends_at ? wall : session->ends_at) - relay->wall;
		if (!session->greeted && session->login_at + GREET_WAIT < due)
			due = session->login_at + GREET_WAIT;
	}
	wheel_put(&relay->wheel, &session->due, due);
}

/*
 * Makes the session of a new connection.  port is borrowed for its life.
 * NULL when out of memory.  At the end: session_free().
 */
Session *
session_new(Relay *relay, const SessionPort *port, void *port_arg)
{
	Session    *session = calloc(1, sizeof(*session));

	if (session == NULL)
		return NULL;
	session->relay = relay;
	session->id = ++relay->last_session;
	session->port = port;
	session->port_arg = port_arg;
	session->opened_at = relay->now;
	session_wind(session);
	DL_APPEND(relay->sessions, session);
	relay->nsessions++;
	relay->metrics.sessions++;
	return session;
}

/* Drops all frames that wait. */
static void
session_clear_queue(Session *session)
{
	Frame	   *frame;

	while ((frame = session_next(session)) != NULL)
		frame_unref(frame);
}

/*
 * The connection is gone: leaves all rooms, and frees the session.
 */
void
session_free(Session *session)
{
	Relay	   *relay = session->relay;

	session->closing = true;
	command_forget_session(session);
	room_leave_all(session);
	if (session->user)
		presence_exit(session->user, session);
	session_clear_queue(session);
	wheel_remove(&session->due);
	DL_DELETE(relay->sessions, session);
	relay->nsessions--;
	free(session->queue);
	free(session->task);
	free(session);
}

/* Doubles the ring.  False when out of memory. */
static bool
session_grow_queue(Session *session)
{
	size_t		size = session->queue_size ? session->queue_size * 2 : 2;
	Frame	  **queue = malloc(size * sizeof(Frame *));

	if (queue == NULL)
		return false;
	for (size_t i = 0; i < session->queue_count; i++)
		queue[i] = session->queue[(session->queue_first + i) & (session->queue_size - 1)];
	free(session->queue);
	session->queue = queue;
	session->queue_size = size;
	session->queue_first = 0;
	return true;
}

/*
 * Queues a frame, taking a reference of its own.  A reader who is too slow
 * loses fleeting frames, then the connection (4409).
 */
void
session_send(Session *session, Frame *frame, FrameKind kind)
{
	size_t		limit = (size_t) session->relay->config->max_queue_bytes;
	Patience	patience;
	size_t		len;

	if (session->closing)
		return;
	frame_bytes(frame, &len);
	if (kind == FRAME_FLEETING && session->queue_bytes + len > limit / 2)
	{
		session->relay->metrics.dropped++;
		return;
	}
	/* Much may come in one turn of the loop: that alone makes nobody slow. */
	if (session->queue_count > 0 && session->queue_bytes + len > limit)
		session->port->push(session->port_arg);
	if ((session->queue_count > 0 && session->queue_bytes + len > limit)
		|| (session->queue_count == session->queue_size && !session_grow_queue(session)))
	{
		session_clear_queue(session);
		session_close(session, CLOSE_TOO_SLOW, "too slow");
		return;
	}
	session->queue[(session->queue_first + session->queue_count) & (session->queue_size - 1)] = frame_ref(frame);
	session->queue_count++;
	session->relay->metrics.frames++;
	session->queue_bytes += len;
	patience = kind == FRAME_CROWD_EARLY ? PATIENCE_COMPANY : kind == FRAME_CROWD ? PATIENCE_ROUND : PATIENCE_NONE;
	if (session->queue_count == 1 || patience < (Patience) session->patience)
	{
		session->patience = patience;
		session->port->wake(session->port_arg, patience);
	}
}

/*
 * Queues a frame of this text, and frees the text.  Closes the connection
 * when there is no memory for it.
 */
void
session_send_text(Session *session, JsonText *text, FrameKind kind)
{
	Frame	   *frame = text->failed ? NULL : frame_new(text->data, text->len);

	json_text_reset(text);
	if (frame == NULL)
	{
		session_close(session, CLOSE_INTERNAL, "out of memory");
		return;
	}
	session_send(session, frame, kind);
	frame_unref(frame);
}

/*
 * Gives the oldest frame that waits, and the reference with it; NULL when
 * none does.
 */
Frame *
session_next(Session *session)
{
	Frame	   *frame;
	size_t		len;

	if (session->queue_count == 0)
		return NULL;
	frame = session->queue[session->queue_first];
	session->queue_first = (session->queue_first + 1) & (session->queue_size - 1);
	session->queue_count--;
	frame_bytes(frame, &len);
	session->queue_bytes -= len;
	return frame;
}

/*
 * Ends the session once what waits is sent.  reason: a constant.
 */
void
session_close(Session *session, int code, const char *reason)
{
	if (session->closing)
		return;
	session->closing = true;
	wheel_remove(&session->due);
	metrics_closed(session->relay, code);
	log_write(LOG_LEVEL_INFO, "session", session->id, "closed %d: %s", code, reason);
	session->port->close(session->port_arg, code, reason);
}

/*
 * Counts a frame that was refused; who sends nothing else is put out.
 */
void
session_refused(Session *session)
{
	int64_t		now = session->relay->now;

	if (session->refused == 0 || now - session->refused_since >= REFUSED_WINDOW)
	{
		session->refused = 0;
		session->refused_since = now;
	}
	if (++session->refused >= REFUSED_LIMIT)
		session_close(session, CLOSE_FLOODING, "flooding");
}

/*
 * Tells the client to come back a random while later.
 */
void
session_going_away(Session *session)
{
	JsonText	text = {0};

	json_text_raw(&text, "{\"type\":\"going_away\",\"retry_ms\":5000}");
	session_send_text(session, &text, FRAME_DURABLE);
}

/*
 * One whole text frame has arrived.  text is borrowed.
 */
void
session_receive(Session *session, const char *text, size_t len)
{
	if (!session->closing)
		command_receive(session, text, len);
}

/* A session_id, which is said once and nowhere kept: 128 random bits. */
static void
add_random_id(JsonText *text)
{
	unsigned char random[16];
	char		id[2 * sizeof(random) + 1];

	if (getrandom(random, sizeof(random), 0) != (ssize_t) sizeof(random))
	{
		text->failed = true;
		return;
	}
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(id + 2 * i, 3, "%02x", random[i]);
	json_text_string(text, id);
}

/*
 * Sends welcome to a session that has logged in, once.  It comes when the
 * user's rooms and notifications are known, so that from then on nothing of
 * them is missed, or at once where that cannot be.
 */
void
session_greet(Session *session)
{
	const Config *config = session->relay->config;
	JsonText	text = {0};

	if (session->greeted || session->user == NULL)
		return;
	session->greeted = true;
	json_text_raw(&text, "{\"type\":\"welcome\",\"user_id\":");
	json_text_string(&text, session->user->id);
	json_text_raw(&text, ",\"session_id\":");
	add_random_id(&text);
	json_text_raw(&text, ",\"protocol\":\"taskchat.v1\",\"heartbeat\":");
	json_text_integer(&text, config->heartbeat / 1000);
	json_text_raw(&text, ",\"expires_at\":");
	json_text_time(&text, session->expires_at * 1000000);
	json_text_raw(&text, ",\"limits\":{\"max_frame_bytes\":");
	json_text_integer(&text, config->max_frame_bytes);
	json_text_raw(&text, ",\"max_content_bytes\":");
	json_text_integer(&text, session->relay->max_content_bytes);
	json_text_raw(&text, ",\"rate_messages\":");
	json_text_integer(&text, config->rate_messages);
	json_text_raw(&text, ",\"max_rooms\":");
	json_text_integer(&text, config->max_rooms_per_connection);
	json_text_raw(&text, "}}");
	session_send_text(session, &text, FRAME_DURABLE);
}

/* A log-in failed: an error, and for the first one the end. */
static void
session_login_failed(Session *session, Command *command, WireCode code, const char *reason)
{
	if (command)
		command_fail(command, code, reason, 0);
	else
		command_refuse(session, NULL, code, reason, 0);
	if (session->user == NULL && code != WIRE_UNAVAILABLE)
		session_close(session, CLOSE_NOT_LOGGED_IN, "not logged in");
}

/* Answers an authenticate with the end of the log-in. */
static void
session_login_ok(Session *session, Command *command)
{
	JsonText	text = {0};

	json_text_raw(&text, "{\"expires_at\":");
	json_text_time(&text, session->expires_at * 1000000);
	json_text_raw(&text, "}");
	command_ok(command, text.failed ? "{}" : text.data, text.failed ? 2 : text.len);
	json_text_reset(&text);
}

/*
 * The user is known: begins or renews the log-in.  grace_ms: how long the
 * connection may stay past expires_at.  command: the authenticate, consumed;
 * NULL after a log-in by header.
 */
static void
session_login(Session *session, Command *command, const char *user_id, int64_t expires_at, int64_t grace_ms)
{
	Relay	   *relay = session->relay;
	bool		first = session->user == NULL;

	if (!first && strcmp(session->user->id, user_id) != 0)
	{
		session_login_failed(session, command, WIRE_FORBIDDEN, "this connection belongs to another user");
		return;
	}
	if (first)
	{
		User	   *user = presence_user(relay, user_id);

		if (user == NULL || (int64_t) user->nsessions >= relay->config->max_connections_per_user)
		{
			if (command)
				command_fail(command, WIRE_LIMIT_EXCEEDED, "too many connections of this user", 30000);
			if (user)
				presence_release(user);
			session_close(session, CLOSE_TOO_MANY, "too many connections of this user");
			return;
		}
		session->user = user;
		session->login_at = relay->now;
		presence_enter(user, session);
	}
	if (expires_at > MAX_EXPIRES_AT)
		expires_at = MAX_EXPIRES_AT;
	session->expires_at = expires_at;
	session->ends_at = expires_at * 1000 + grace_ms;
	session->told_expiring = false;
	session_wind(session);
	if (command)
		session_login_ok(session, command);
	if (first && (session->user->attached || !query_ready(relay->query)))
		session_greet(session);
}

/*
 * Log-in by the handshake's Authorization header.
 */
void
session_bearer(Session *session, const char *token, size_t len)
{
	Relay	   *relay = session->relay;
	Claims		claims;
	const char *reason;

	if (!auth_verify(relay->auth, token, len, relay->wall / 1000, &claims, &reason))
	{
		session_login_failed(session, NULL, WIRE_UNAUTHENTICATED, reason);
		return;
	}
	session_login(session, NULL, claims.user_id, claims.expires_at, relay->config->jwt_leeway);
}

/* The database has looked at a ticket. */
static void
session_redeemed(void *arg, bool reached, const char *user_id)
{
	Command    *command = arg;
	Session    *session = command->session;

	if (command_orphaned(command))
		return;
	session->redeeming = false;
	if (!reached)
		session_login_failed(session, command, WIRE_UNAVAILABLE, "the database is out of reach");
	else if (user_id == NULL)
		session_login_failed(session, command, WIRE_UNAUTHENTICATED, "the ticket is not valid");
	else
		session_login(session, command, user_id,
					  (session->relay->wall + session->relay->config->ticket_session) / 1000, 0);
}

/*
 * Handler of the client frame "authenticate": first log-in or renewal.
 */
void
session_authenticate(Command *command, const JsonValue *frame)
{
	Session    *session = command->session;
	Relay	   *relay = session->relay;
	const char *token = json_field_string(frame, "token");
	const char *ticket = json_field_string(frame, "ticket");
	Claims		claims;
	const char *reason;

	if ((token == NULL) == (ticket == NULL))
		session_login_failed(session, command, WIRE_BAD_REQUEST, "one of \"token\" and \"ticket\" is needed");
	else if (session->redeeming)
		command_fail(command, WIRE_CONFLICT, "a ticket is being looked at", 0);
	else if (ticket)
	{
		session->redeeming = true;
		command_wait(command);
		query_redeem(relay->query, ticket, session_redeemed, command);
	}
	else if (!auth_verify(relay->auth, token, strlen(token), relay->wall / 1000, &claims, &reason))
		session_login_failed(session, command, WIRE_UNAUTHENTICATED, reason);
	else
		session_login(session, command, claims.user_id, claims.expires_at, relay->config->jwt_leeway);
}

/* Says that the log-in ends soon. */
static void
session_tell_expiring(Session *session)
{
	JsonText	text = {0};

	session->told_expiring = true;
	json_text_raw(&text, "{\"type\":\"token_expiring\",\"expires_at\":");
	json_text_time(&text, session->expires_at * 1000000);
	json_text_raw(&text, "}");
	session_send_text(session, &text, FRAME_DURABLE);
}

/* What is due to one session. */
static void
session_look(Session *session)
{
	Relay	   *relay = session->relay;

	if (session->user == NULL)
	{
		if (relay->now - session->opened_at >= relay->config->auth_timeout)
			session_close(session, CLOSE_NOT_LOGGED_IN, "no log-in in time");
		return;
	}
	if (!session->greeted && relay->now - session->login_at >= GREET_WAIT)
		session_greet(session);
	if (relay->wall >= session->ends_at)
		session_close(session, CLOSE_NOT_LOGGED_IN, "log-in has ended");
	else if (!session->told_expiring && relay->wall / 1000 >= session->expires_at - EXPIRING_NOTICE)
		session_tell_expiring(session);
	if (relay->draining && session->commands == NULL)
		session_close(session, CLOSE_GOING_AWAY, "going away");
}

/*
 * What time brings to one session.
 */
void
session_tick(Session *session)
{
	if (session->closing)
		return;
	session_look(session);
	if (!session->closing)
		session_wind(session);
}

/*
 * The session of this entry of relay->wheel is due.
 */
void
session_due(WheelEntry *entry, void *arg)
{
	(void) arg;
	session_tick((Session *) ((char *) entry - offsetof(Session, due)));
}
