/*
 * live.h
 *	  What the unit tests of the relay's live part stand on: a database that
 *	  only notes what it is asked, tokens that say whose they are, and
 *	  connections that keep what they are sent.  Included once by each test.
 */
#ifndef TASKCHAT_TEST_LIVE_H
#define TASKCHAT_TEST_LIVE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "command.h"
#include "presence.h"
#include "room.h"
#include "session.h"

/* ---- the database ---- */

#define MAX_ASKED 256

typedef struct Asked
{
	CommandDone done;			/* whom to answer */
	void	   *arg;			/* with what */
	char		user_id[64];	/* as whom */
	char		task_id[64];	/* about which task */
	char		frame[1024];	/* what */
	CommandLane lane;			/* where */
} Asked;

static Asked asked[MAX_ASKED];	/* commands not yet answered, oldest first */
static int	nasked;
static int	nfetches;			/* calls of query_fetch */
static int	nopened;			/* calls of query_open */
static int	ntyping;			/* calls of query_typing */
static int	nonline;			/* calls of query_online(true) */
static int	noffline;			/* calls of query_online(false) */
static int64_t delivered;		/* last seq of query_delivered */
static bool ready;				/* what query_ready says */
static int	nattach;			/* calls of query_attach */
static int	nactivity;			/* calls of query_activity */
static int64_t activity_after;	/* seq of the last one */
static int	nstate;				/* calls of query_state */
static TicketDone ticket_done;
static void *ticket_arg;

bool
query_command(Query *query, CommandLane lane, const char *user_id, const char *task_id,
			  const char *frame, size_t len, CommandDone done, void *arg)
{
	Asked	   *one = &asked[nasked++];

	assert_true(nasked < MAX_ASKED);
	one->done = done;
	one->arg = arg;
	one->lane = lane;
	snprintf(one->user_id, sizeof(one->user_id), "%s", user_id);
	snprintf(one->task_id, sizeof(one->task_id), "%s", task_id ? task_id : "");
	snprintf(one->frame, sizeof(one->frame), "%.*s", (int) len, frame);
	return true;
}

/* The seal of "e7 5" holds event 5, a message of b; that of "e7 5 s" one of the system; that of "e7 no" is broken. */
bool
query_open(Query *query, const char *payload, SealedEvent *event)
{
	static char text[128];
	char	   *end;

	nopened++;
	event->seq = strtoll(strchr(payload, ' ') + 1, &end, 10);
	event->sender_id = *end ? NULL : "b";
	event->text = text;
	event->len = (size_t) snprintf(text, sizeof(text), "{\"type\":\"message_received\",\"seq\":%d,\"carried\":true}", (int) event->seq);
	return event->seq > 0;
}

void
query_fetch(Query *query, int64_t room_id)
{
	nfetches++;
}

void
query_cursors(Query *query, int64_t room_id)
{
}

void
query_presence(Query *query, const char *user_id)
{
}

void
query_notifications(Query *query, const char *user_id)
{
}

void
query_online(Query *query, const char *user_id, const char *task_id, bool online)
{
	*(online ? &nonline : &noffline) += 1;
}

void
query_delivered(Query *query, int64_t room_id, const char *user_id, int64_t seq, CommandDone done, void *arg)
{
	delivered = seq;
	if (done)
	{
		Asked	   *one = &asked[nasked++];

		memset(one, 0, sizeof(*one));
		one->done = done;
		one->arg = arg;
	}
}

bool
query_ready(const Query *query)
{
	return ready;
}

bool
query_flows(const Query *query)
{
	return ready;
}

void
query_attach(Query *query, const char *user_id)
{
	nattach++;
}

void
query_activity(Query *query, int64_t room_id, const char *user_id, int64_t after)
{
	nactivity++;
	activity_after = after;
}

void
query_state(Query *query, int64_t room_id)
{
	nstate++;
}

void
query_typing(Query *query, int64_t room_id, const char *user_id, bool typing)
{
	ntyping++;
}

void
query_redeem(Query *query, const char *ticket, TicketDone done, void *arg)
{
	ticket_done = done;
	ticket_arg = arg;
}

/* ---- tokens: "user:" and the user's id ---- */

bool
auth_verify(const Auth *auth, const char *token, size_t len, int64_t now, Claims *claims, const char **reason)
{
	if (strncmp(token, "user:", 5) != 0)
	{
		*reason = "bad token";
		return false;
	}
	snprintf(claims->user_id, sizeof(claims->user_id), "%s", token + 5);
	claims->expires_at = now + 3600;
	return true;
}

/* ---- connections ---- */

typedef struct Wire
{
	Session    *session;		/* on it */
	int			close_code;		/* 0: open */
	size_t		takes;			/* frames that it takes when it is pushed */
	int			wakes;			/* how often it was woken */
	Patience	patience;		/* and how the last time */
	char		last[4096];		/* the frame that take() gave */
} Wire;

static Config config;
static Relay relay;

static void
wire_wake(void *port, Patience patience)
{
	Wire	   *wire = port;

	wire->wakes++;
	wire->patience = patience;
}

static void
wire_push(void *port)
{
	Wire	   *wire = port;

	for (; wire->takes > 0 && wire->session->queue_count > 0; wire->takes--)
		frame_unref(session_next(wire->session));
}

static void
wire_close(void *port, int code, const char *reason)
{
	((Wire *) port)->close_code = code;
}

static const SessionPort wire_port = {wire_wake, wire_push, wire_close};

/* The text of the next frame, without its header; "" when none waits. */
static inline const char *
take(Wire *wire)
{
	Frame	   *frame = session_next(wire->session);
	size_t		len;
	const unsigned char *bytes;
	size_t		header;

	wire->last[0] = '\0';
	if (frame == NULL)
		return wire->last;
	bytes = (const unsigned char *) frame_bytes(frame, &len);
	header = bytes[1] < 126 ? 2 : bytes[1] == 126 ? 4 : 10;
	snprintf(wire->last, sizeof(wire->last), "%.*s", (int) (len - header), (const char *) bytes + header);
	frame_unref(frame);
	return wire->last;
}

/* The next frame must hold this text. */
static inline void
expect(Wire *wire, const char *part)
{
	const char *text = take(wire);

	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static inline void
expect_nothing(Wire *wire)
{
	assert_string_equal(take(wire), "");
}

static inline void
say(Wire *wire, const char *text)
{
	session_receive(wire->session, text, strlen(text));
}

static inline void
connect_wire(Wire *wire)
{
	memset(wire, 0, sizeof(*wire));
	wire->session = session_new(&relay, &wire_port, wire);
	assert_non_null(wire->session);
}

/* Connects and logs in. */
static inline void
login(Wire *wire, const char *user_id)
{
	char		token[80];

	connect_wire(wire);
	snprintf(token, sizeof(token), "user:%s", user_id);
	session_bearer(wire->session, token, strlen(token));
	expect(wire, "\"welcome\"");
	wire->wakes = 0;
}

/* Answers the oldest command that the database was asked. */
static void
answer(const CommandRow *rows, int nrows)
{
	Asked		one = asked[0];

	assert_true(nasked > 0);
	memmove(asked, asked + 1, (size_t) --nasked * sizeof(Asked));
	one.done(one.arg, rows, nrows);
}

/* Answers a join with room 7, members a (creator), b (worker), o (observer). */
static inline void
answer_join(int64_t seq)
{
	static const char data[] = "{\"task_id\":\"t\",\"applicant_id\":null,\"status\":\"open\",\"members\":["
		"{\"user_id\":\"a\",\"role\":\"creator\",\"last_read_seq\":0,\"last_delivered_seq\":0,\"is_online\":true,\"current_task_id\":null},"
		"{\"user_id\":\"b\",\"role\":\"worker\",\"last_read_seq\":0,\"last_delivered_seq\":0,\"is_online\":true,\"current_task_id\":null},"
		"{\"user_id\":\"o\",\"role\":\"observer\",\"last_read_seq\":0,\"last_delivered_seq\":0,\"is_online\":true,\"current_task_id\":null}]}";
	CommandRow	row = {.room_id = 7, .seq = seq, .role = "worker", .data = data, .data_len = sizeof(data) - 1};

	answer(&row, 1);
}

/* An event of room 7, as the database gives it. */
static inline void
event(int64_t seq, const char *kind, const char *user_id, const char *role)
{
	char		text[128];
	FetchRow	row = {.room_id = 7, .seq = seq, .kind = kind, .user_id = user_id, .role = role, .event = text};

	row.event_len = (size_t) snprintf(text, sizeof(text), "{\"type\":\"%s\",\"seq\":%d}", kind, (int) seq);
	relay_query_events()->fetch_row(&relay, &row);
}

/* A doorbell rings. */
static inline void
bell(const char *payload)
{
	relay_query_events()->bell(&relay, payload);
}

static int
live_setup(void **state)
{
	memset(&config, 0, sizeof(config));
	config.auth_timeout = 10000;
	config.heartbeat = 25000;
	config.jwt_leeway = 30000;
	config.ticket_session = 3600000;
	config.typing_timeout = 6000;
	config.presence_grace = 10000;
	config.max_frame_bytes = 65536;
	config.max_reply_bytes = 262144;
	config.max_queue_bytes = 1048576;
	config.max_connections_per_user = 3;
	config.max_rooms_per_connection = 5;
	config.rate_messages = 10;
	config.rate_messages_burst = 3;
	config.rate_commands = 50;
	config.rate_commands_burst = 200;
	relay_init(&relay, &config, NULL);
	nasked = nfetches = nopened = ntyping = nonline = noffline = nattach = nactivity = nstate = 0;
	ready = false;
	return 0;
}

static int
live_teardown(void **state)
{
	Session    *session;

	while ((session = relay.sessions) != NULL)
		session_free(session);
	while (nasked > 0)
	{
		CommandRow	row = {.sqlstate = "08006", .message = "gone"};

		answer(&row, 1);
	}
	relay_release(&relay);
	return 0;
}

#define LIVE_TEST(name) cmocka_unit_test_setup_teardown(name, live_setup, live_teardown)

#endif
