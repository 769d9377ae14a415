/*
 * api.c
 *	  Calls of the HTTP API from their request to their answer.  The database
 *	  does the work, by the same functions as for frames over the socket.
 *
 * A request for events may wait: it is parked with its room, and asked again
 * when the room's doorbell rings, now and then without one, and when the
 * database is back.
 */
#include "api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uthash.h>
#include <utlist.h>

#include "api_internal.h"
#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "presence.h"

#define TOKEN_ARGS 4
#define LOOK_PAUSE 1000			/* ms between two looks at a parked call's client */
#define POLL_CALLS 500			/* parked calls asked again in one round of the slow poll */

struct ApiCall
{
	Relay	   *relay;			/* where it lives */
	const ApiPort *port;		/* whom to answer; NULL: nobody any more */
	void	   *arg;			/* of the port */
	User	   *user;			/* who asks; held by user->calls */
	ApiFrame	frame;			/* what */
	int64_t		deadline;		/* when a parked call is answered anyway; monotonic */
	int64_t		looked_at;		/* when the client was last seen; monotonic */
	int64_t		started;		/* microseconds, for the metrics */
	struct ParkedRoom *room;	/* where it is parked, or NULL */
	bool		asking;			/* the database is at it */
	bool		again;			/* and is to be asked once more */
	char	   *empty;			/* the answer so far of a parked call */
	struct ApiCall *prev;		/* in relay->calls */
	struct ApiCall *next;
	struct ApiCall *room_prev;	/* in room->calls */
	struct ApiCall *room_next;
};

/* A room with parked calls. */
typedef struct ParkedRoom
{
	int64_t		id;				/* room_id */
	ApiCall    *calls;			/* at least one */
	UT_hash_handle hh;			/* in relay->parked */
} ParkedRoom;

static bool api_ask(ApiCall *call);

/*
 * Writes {"error":{…}}, the answer to a request, and counts it.
 */
void
api_error_text(Relay *relay, JsonText *text, WireCode code, const char *message)
{
	metrics_error(relay, code);
	json_text_raw(text, "{\"error\":{\"code\":");
	json_text_string(text, wire_code_name(code));
	json_text_raw(text, ",\"message\":");
	json_text_string(text, message);
	json_text_raw(text, "}}");
}

static void
api_answer_error(Relay *relay, const ApiPort *port, void *arg, WireCode code, const char *message, int64_t retry_ms)
{
	JsonText	text = {0};
	ApiAnswer	answer = {.status = wire_code_http_status(code)};

	api_error_text(relay, &text, code, message);
	answer.body = text.failed ? "{}" : text.data;
	answer.len = strlen(answer.body);
	answer.challenge = code == WIRE_UNAUTHENTICATED;
	answer.retry_after = (retry_ms + 999) / 1000;
	if (answer.retry_after == 0 && (answer.status == 429 || answer.status == 503))
		answer.retry_after = 1;
	port->done(arg, &answer);
	json_text_reset(&text);
}

/* ---- the call ---- */

static void
api_unpark(ApiCall *call)
{
	ParkedRoom *room = call->room;

	if (room == NULL)
		return;
	call->room = NULL;
	DL_DELETE2(room->calls, call, room_prev, room_next);
	if (room->calls)
		return;
	HASH_DEL(call->relay->parked, room);
	free(room);
}

static void
api_free(ApiCall *call)
{
	api_unpark(call);
	DL_DELETE(call->relay->calls, call);
	call->relay->ncalls--;
	call->user->calls--;
	presence_release(call->user);
	api_free_frame(&call->frame);
	free(call->empty);
	free(call);
}

/* Answers the call with an error, and frees it. */
static void
api_fail(ApiCall *call, WireCode code, const char *message, int64_t retry_ms)
{
	const ApiPort *port = call->port;

	metrics_command(call->relay, call->frame.type->name, call->started, false);
	call->port = NULL;
	if (port)
		api_answer_error(call->relay, port, call->arg, code, message, retry_ms);
	api_free(call);
}

/* Answers the call with data, and frees it. */
static void
api_succeed(ApiCall *call, const char *data, size_t len)
{
	static const char old[] = "\"duplicate\":true}";
	bool		sent = strcmp(call->frame.type->name, "send_message") == 0;
	bool		duplicate = len > sizeof(old) && strcmp(data + len - (sizeof(old) - 1), old) == 0;
	ApiAnswer	answer = {.status = sent && !duplicate ? 201 : 200, .body = data, .len = len};
	const ApiPort *port = call->port;

	metrics_command(call->relay, call->frame.type->name, call->started, true);
	call->port = NULL;
	if (port)
		port->done(call->arg, &answer);
	api_free(call);
}

/* The client is gone. */
void
api_cancel(ApiCall *call)
{
	call->port = NULL;
	if (!call->asking)
		api_free(call);
}

/* Parks the call with its room; false when out of memory. */
static bool
api_park(ApiCall *call, int64_t room_id)
{
	ParkedRoom *room;

	HASH_FIND(hh, call->relay->parked, &room_id, sizeof(room_id), room);
	if (room == NULL)
	{
		room = calloc(1, sizeof(*room));
		if (room == NULL)
			return false;
		room->id = room_id;
		HASH_ADD(hh, call->relay->parked, id, sizeof(room->id), room);
	}
	call->room = room;
	DL_APPEND2(room->calls, call, room_prev, room_next);
	return true;
}

/*
 * There is no event yet.  The first such answer may be older than a bell that
 * nobody heard for this call, so once it is parked the question is put again.
 */
static void
api_wait(ApiCall *call, const CommandRow *row)
{
	free(call->empty);
	call->empty = strndup(row->data, row->data_len);
	if (call->room && call->room->id != row->room_id)
		api_unpark(call);		/* the task was deleted and made again */
	if (call->room == NULL)
		call->again = api_park(call, row->room_id);
	if (call->room == NULL || call->empty == NULL)
		api_fail(call, WIRE_INTERNAL, "out of memory", 0);
	else if (call->again)
		(void) api_ask(call);
}

static bool
api_may_wait(const ApiCall *call)
{
	return call->deadline > call->relay->now && !call->relay->draining;
}

static void
api_asked(void *arg, const CommandRow *rows, int nrows)
{
	ApiCall    *call = arg;
	const CommandRow *row = &rows[0];
	char		message[512];
	WireCode	code;

	call->asking = false;
	if (call->port == NULL)
		api_free(call);
	else if (nrows < 1 || row->sqlstate)
	{
		code = command_describe_failure(row, call->frame.type->name, 0, message, sizeof(message));
		if (code == WIRE_UNAVAILABLE && call->room && api_may_wait(call))
			return;
		api_fail(call, code, message, code == WIRE_UNAVAILABLE ? 1000 : 0);
	}
	else if (call->deadline && row->seq <= call->frame.after_seq && api_may_wait(call))
		api_wait(call, row);
	else
		api_succeed(call, row->data ? row->data : "{}", row->data ? row->data_len : 2);
}

/*
 * Whether a command of the database is a call's.
 */
bool
api_is_call(CommandDone done)
{
	return done == api_asked;
}

/*
 * Whether the call's client is gone.
 */
bool
api_is_abandoned(const ApiCall *call)
{
	return call->port == NULL;
}

/* Puts the question to the database, perhaps once more; false: the call has failed and is freed. */
static bool
api_ask(ApiCall *call)
{
	if (call->asking)
	{
		call->again = true;
		return true;
	}
	call->asking = true;
	call->again = false;
	if (query_command(call->relay->query, call->frame.type->lane, call->user->id, call->frame.task_id,
					  call->frame.text.data, call->frame.text.len, api_asked, call))
		return true;
	call->asking = false;
	api_fail(call, WIRE_UNAVAILABLE, "the database is out of reach", 1000);
	return false;
}

/* ---- requests ---- */

/* Whether the query holds what is not to be logged by anybody on the way. */
static bool
api_url_has_token(const ApiRequest *request)
{
	static const char *const names[TOKEN_ARGS] = {"token=", "access_token=", "ticket=", "jwt="};

	for (size_t i = 0; i < request->nargs; i++)
		for (size_t n = 0; n < TOKEN_ARGS; n++)
			if (strncasecmp(request->args[i], names[n], strlen(names[n])) == 0)
				return true;
	return false;
}

/* Takes from the user's buckets what the request costs; the milliseconds to wait, or 0. */
static int64_t
api_take(User *user, const ApiRequest *request, const ApiRoute *route)
{
	const Config *config = user->relay->config;
	int64_t		wait = relay_bucket_take(&user->requests, user->relay->now, config->rate_commands, config->rate_commands_burst);

	if (wait == 0 && request->method == API_POST && route->post.creates)
		wait = relay_bucket_take(&user->messages, user->relay->now, config->rate_messages, config->rate_messages_burst);
	return wait;
}

/* Makes the call of a request that is in order; NULL when out of memory. */
static ApiCall *
api_new(Relay *relay, User *user, ApiFrame *frame, const ApiPort *port, void *arg)
{
	ApiCall    *call = calloc(1, sizeof(*call));

	if (call == NULL)
		return NULL;
	call->relay = relay;
	call->port = port;
	call->arg = arg;
	call->user = user;
	call->frame = *frame;
	call->started = clock_monotonic();
	if (frame->wait > 0)
		call->deadline = relay->now + frame->wait * 1000;
	user->calls++;
	DL_APPEND(relay->calls, call);
	relay->ncalls++;
	return call;
}

/* What a user may ask now; makes the call, or answers. */
static ApiCall *
api_admit(User *user, const ApiRequest *request, const ApiPort *port, void *arg)
{
	Relay	   *relay = user->relay;
	const ApiRoute *route = api_find_route(request->path);
	int64_t		wait = api_take(user, request, route);
	char		message[128];
	WireCode	code;
	ApiFrame	frame;
	ApiCall    *call;

	if (wait > 0)
		api_answer_error(relay, port, arg, WIRE_RATE_LIMITED, "too many requests", wait);
	else if ((int64_t) user->calls >= relay->config->max_connections_per_user)
		api_answer_error(relay, port, arg, WIRE_LIMIT_EXCEEDED, "too many requests of this user at once", 1000);
	else if (!api_make_frame(&frame, request, &code, message, sizeof(message)))
	{
		api_answer_error(relay, port, arg, code, message, 0);
		api_free_frame(&frame);
	}
	else if ((call = api_new(relay, user, &frame, port, arg)) == NULL)
	{
		api_answer_error(relay, port, arg, WIRE_INTERNAL, "out of memory", 0);
		api_free_frame(&frame);
	}
	else
		return call;
	return NULL;
}

/*
 * A request whose route has its method has come in whole.  Its answer goes to
 * the port, now (NULL is returned then) or later, unless the call is cancelled.
 */
ApiCall *
api_call(Relay *relay, const ApiRequest *request, const ApiPort *port, void *arg)
{
	Claims		claims;
	const char *reason = "Authorization: Bearer and a token are needed";
	User	   *user;
	ApiCall    *call = NULL;

	if (relay->draining)
		api_answer_error(relay, port, arg, WIRE_UNAVAILABLE, "the relay is going away", 1000);
	else if (api_url_has_token(request))
		api_answer_error(relay, port, arg, WIRE_BAD_REQUEST, "a token does not belong in the URL", 0);
	else if (request->token == NULL
			 || !auth_verify(relay->auth, request->token, strlen(request->token), relay->wall / 1000, &claims, &reason))
		api_answer_error(relay, port, arg, WIRE_UNAUTHENTICATED, reason, 0);
	else if ((user = presence_user(relay, claims.user_id)) == NULL)
		api_answer_error(relay, port, arg, WIRE_INTERNAL, "out of memory", 0);
	else
	{
		call = api_admit(user, request, port, arg);
		presence_release(user);
	}
	return call && api_ask(call) ? call : NULL;
}

/* ---- time and bells ---- */

/*
 * The room's line has moved.
 */
void
api_bell(Relay *relay, int64_t room_id)
{
	ParkedRoom *room;
	ApiCall    *call;
	ApiCall    *next;

	HASH_FIND(hh, relay->parked, &room_id, sizeof(room_id), room);
	if (room)
		DL_FOREACH_SAFE2(room->calls, call, next, room_next)
			(void) api_ask(call);
}

/*
 * Bells may be lost without anybody noticing: asks for some parked calls, those
 * whose turn it is.
 */
void
api_poll(Relay *relay)
{
	ApiCall    *call;
	ApiCall    *next;
	int			left = POLL_CALLS;

	DL_FOREACH_SAFE(relay->calls, call, next)
	{
		if (left == 0)
			break;
		if (call->room == NULL || call->asking)
			continue;
		left--;
		DL_DELETE(relay->calls, call);
		DL_APPEND(relay->calls, call);
		(void) api_ask(call);
	}
}

/*
 * The database is another one: what parked calls wait for is no more, so they
 * are answered with what there is, and the new epoch in it.
 */
void
api_forget_epoch(Relay *relay)
{
	ApiCall    *call;
	ApiCall    *next;

	DL_FOREACH_SAFE(relay->calls, call, next)
	{
		if (call->room == NULL)
			continue;
		call->deadline = relay->now;
		(void) api_ask(call);
	}
}

/*
 * Answers the parked calls whose time is over, and looks whether the others'
 * clients are still there.
 */
void
api_tick(Relay *relay)
{
	ApiCall    *call;
	ApiCall    *next;

	DL_FOREACH_SAFE(relay->calls, call, next)
	{
		if (call->room == NULL || call->asking)
			continue;
		if (!api_may_wait(call))
			api_succeed(call, call->empty, strlen(call->empty));
		else if (relay->now - call->looked_at >= LOOK_PAUSE)
		{
			call->looked_at = relay->now;
			if (call->port->look)
				call->port->look(call->arg);
		}
	}
}

/*
 * Frees what is left of calls; the sockets and the database module are gone.
 */
void
api_free_all(Relay *relay)
{
	while (relay->calls)
	{
		relay->calls->port = NULL;
		api_free(relay->calls);
	}
}
