/*
 * relay.c
 *	  The whole of the live state: begins and ends it, moves its time on, and
 *	  hands the news of the database to rooms and presence.
 *
 * Nothing here opens a socket; the server module owns those.
 */
#include "relay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "api.h"
#include "clock.h"
#include "command.h"
#include "log.h"
#include "presence.h"
#include "room.h"
#include "session.h"
#include "watch.h"

#define REPLY_ENVELOPE 1024		/* bytes of a reply besides its data */
#define CLOCK_STEP 100			/* ms that the two clocks may drift apart before that is noticed */

/*
 * Makes an empty state.  config and auth are borrowed and must outlive it.
 */
void
relay_init(Relay *relay, const Config *config, const Auth *auth)
{
	memset(relay, 0, sizeof(*relay));
	relay->config = config;
	relay->auth = auth;
	relay->max_content_bytes = 16384;
	relay_set_time(relay);
	relay->clock_lead = relay->wall - relay->now;
	wheel_init(&relay->wheel, relay->now);
	snprintf(relay->id, sizeof(relay->id), "relay-%ld-%" PRIx64, (long) getpid(), (uint64_t) relay->wall);
}

/*
 * Makes other settings and keys those in force; both are borrowed.
 */
void
relay_take_over(Relay *relay, const Config *config, const Auth *auth)
{
	Session    *session;
	Session    *next;

	relay->config = config;
	relay->auth = auth;
	DL_FOREACH_SAFE(relay->sessions, session, next)
		session_tick(session);
}

/*
 * Frees rooms, users and what is left of commands.  The sessions must be gone,
 * and the database module freed.
 */
void
relay_release(Relay *relay)
{
	Command    *command;
	Command    *next;

	api_free_all(relay);
	room_free_all(relay);
	presence_free_all(relay);
	DL_FOREACH_SAFE(relay->orphans, command, next)
	{
		DL_DELETE(relay->orphans, command);
		command->waiting = false;
		command_free(command);
	}
}

/*
 * Reads the clocks; called at the beginning of each turn of the loop.
 */
void
relay_set_time(Relay *relay)
{
	struct timespec t;

	relay->now = clock_monotonic() / 1000;
	clock_gettime(CLOCK_REALTIME, &t);
	relay->wall = (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* All times that were reckoned are doubtful: looks at every session. */
static void
relay_tick_sessions(Relay *relay)
{
	Session    *session;
	Session    *next;

	relay->clock_lead = relay->wall - relay->now;
	DL_FOREACH_SAFE(relay->sessions, session, next)
		session_tick(session);
}

/*
 * Does what time brings: log-ins that end, typing that ends, users that go
 * offline.  Called a few times a second.
 */
void
relay_tick(Relay *relay)
{
	/* Log-ins end by the wall clock, which may be set. */
	if (relay->draining || llabs(relay->wall - relay->now - relay->clock_lead) >= CLOCK_STEP)
		relay_tick_sessions(relay);
	else
		wheel_turn(&relay->wheel, relay->now, session_due, NULL);
	room_tick_all(relay);
	watch_tick(relay);
	api_tick(relay);
	presence_tick(relay);
}

/*
 * The relay is about to stop: tells every client, and closes each once its
 * last command is answered (relay_tick sees to the late ones).
 */
void
relay_drain(Relay *relay)
{
	Session    *session;
	Session    *next;

	relay->draining = true;
	api_tick(relay);
	DL_FOREACH_SAFE(relay->sessions, session, next)
	{
		session_going_away(session);
		if (session->commands == NULL)
			session_close(session, CLOSE_GOING_AWAY, "going away");
	}
}

/*
 * Takes one token of a bucket of rate tokens a second.  Returns 0, or the
 * milliseconds until there will be one.
 */
int64_t
relay_bucket_take(Bucket *bucket, int64_t now, int64_t rate, int64_t burst)
{
	int64_t		elapsed = now - bucket->filled_at;

	if (rate <= 0)
		return 0;
	if (bucket->filled_at == 0 || elapsed >= burst * 1000)
		bucket->level = burst * 1000;
	else
		bucket->level += elapsed * rate;
	if (bucket->level > burst * 1000)
		bucket->level = burst * 1000;
	bucket->filled_at = now;
	if (bucket->level < 1000)
		return (1000 - bucket->level + rate - 1) / rate;
	bucket->level -= 1000;
	return 0;
}

/* The database's epoch has changed: what joined clients hold is of another line. */
static void
relay_end_old_epoch(Relay *relay)
{
	Session    *session;
	Session    *next;

	DL_FOREACH_SAFE(relay->sessions, session, next)
	{
		if (session->nseats == 0 && session->joins == 0)
			continue;
		room_leave_all(session);
		session_going_away(session);
		session_close(session, CLOSE_GOING_AWAY, "another epoch");
	}
}

/* Asks for all that bells might have told.  missed: some may have rung that nobody heard. */
static void
relay_look_again(Relay *relay, bool missed)
{
	room_look_again_all(relay, missed);
	presence_look_again_all(relay);
	api_poll(relay);
}

static void
relay_content_limit(void *arg, int max_content_bytes)
{
	((Relay *) arg)->max_content_bytes = max_content_bytes;
}

static void
relay_up(void *arg, const char *epoch, bool epoch_changed)
{
	Relay	   *relay = arg;

	log_write(LOG_LEVEL_INFO, "relay", 0, "database is up, epoch %s%s", epoch ? epoch : "", epoch_changed ? ", changed" : "");
	if (epoch_changed)
	{
		relay_end_old_epoch(relay);
		watch_forget_epoch(relay);
		api_forget_epoch(relay);
	}
	relay_look_again(relay, relay->was_up);
	relay->was_up = true;
}

static void
relay_down(void *arg)
{
	((Relay *) arg)->metrics.lost++;
	log_write(LOG_LEVEL_WARNING, "relay", 0, "database is out of reach");
}

/* Payload "<room_id> <0|1> <user_id>" of a typing bell. */
static void
relay_typing_bell(Relay *relay, const char *rest)
{
	char	   *end;
	int64_t		room_id = strtoll(rest, &end, 10);

	if (end == rest || end[0] != ' ' || (end[1] != '0' && end[1] != '1') || end[2] != ' ')
		return;
	room_remote_typing(relay, room_id, end + 3, end[1] == '1');
}

/* A doorbell says where to look, and may bring a message under seal; a forged one does no harm. */
static void
relay_bell(void *arg, const char *payload)
{
	Relay	   *relay = arg;
	const char *rest = payload + 1;
	User	   *user;

	switch (payload[0])
	{
		case 'r':
		case 'e':
		case 'E':
			room_bell(relay, strtoll(rest, NULL, 10), payload[0] == 'r' ? NULL : payload);
			watch_bell(relay, strtoll(rest, NULL, 10));
			api_bell(relay, strtoll(rest, NULL, 10));
			break;
		case 'c':
			if (room_find(relay, strtoll(rest, NULL, 10)))
				query_cursors(relay->query, strtoll(rest, NULL, 10));
			break;
		case 'p':
			user = presence_find(relay, rest);
			if (user && user->memberships)
				query_presence(relay->query, rest);
			break;
		case 'n':
			user = presence_find(relay, rest);
			if (user && user->sessions)
				query_notifications(relay->query, rest);
			break;
		case 'm':
			user = presence_find(relay, rest);
			if (user && user->sessions)
				watch_attach(user);
			break;
		case 'x':
			user = presence_find(relay, rest);
			if (user && user->sessions)
				watch_ended(user);
			break;
		case 't':
			relay_typing_bell(relay, rest);
			break;
		case 'o':
			log_write(LOG_LEVEL_WARNING, "relay", 0, "the database had more news than it could keep: all rooms are looked at");
			relay_look_again(relay, true);
			break;
		default:
			break;
	}
}

static void
relay_fetch_row(void *arg, const FetchRow *row)
{
	((Relay *) arg)->metrics.events++;
	room_event(arg, row);
}

static void
relay_fetch_done(void *arg, const int64_t *rooms, int nrooms, bool ok)
{
	/* What was not fetched is asked for again when the database is up. */
	(void) arg;
	(void) rooms;
	if (!ok)
		log_write(LOG_LEVEL_WARNING, "relay", 0, "events of %d rooms could not be fetched", nrooms);
}

static void
relay_cursor_row(void *arg, const CursorRow *row)
{
	room_cursor(arg, row);
}

static void
relay_presence_row(void *arg, const PresenceRow *row)
{
	presence_row(arg, row);
}

static void
relay_notification_row(void *arg, const NotificationRow *row)
{
	presence_notification(arg, row);
}

static void
relay_state_row(void *arg, const StateRow *row)
{
	room_state(arg, row);
}

static void
relay_attach_row(void *arg, const AttachRow *row)
{
	watch_row(arg, row);
}

static void
relay_attach_done(void *arg, const char *user_id, bool ok)
{
	watch_done(arg, user_id, ok);
}

static void
relay_activity_row(void *arg, const ActivityRow *row)
{
	watch_activity(arg, row);
}

static void
relay_poll(void *arg)
{
	room_poll(arg);
	api_poll(arg);
	presence_poll(arg);
}

static void
relay_limits(void *arg, QueryLimits *limits)
{
	const Config *config = ((Relay *) arg)->config;

	limits->max_bytes = (int) config->max_reply_bytes - REPLY_ENVELOPE;
	limits->max_events = (int) config->resume_limit;
	limits->max_rooms = (int) config->max_rooms_per_connection;
}

static bool
relay_abandoned(void *arg, CommandDone done, const void *command)
{
	(void) arg;
	return api_is_call(done) ? api_is_abandoned(command) : command_is_abandoned(command);
}

static size_t
relay_poll_rooms(void *arg, PolledRoom *rooms, size_t most)
{
	return room_poll_next(arg, rooms, most);
}

static int64_t
relay_room_position(void *arg, int64_t room_id)
{
	Room	   *room = room_find(arg, room_id);

	return room ? room_position(room) : -1;
}

static int64_t
relay_notification_position(void *arg, const char *user_id)
{
	User	   *user = presence_find(arg, user_id);

	return user && user->sessions ? user->notified : -2;
}

static void
relay_register_all(void *arg)
{
	presence_register_all(arg);
}

/*
 * The functions through which the database module reports; their argument is
 * the Relay.
 */
const QueryEvents *
relay_query_events(void)
{
	static const QueryEvents events = {
		.content_limit = relay_content_limit,
		.up = relay_up,
		.down = relay_down,
		.bell = relay_bell,
		.fetch_row = relay_fetch_row,
		.fetch_done = relay_fetch_done,
		.cursor_row = relay_cursor_row,
		.presence_row = relay_presence_row,
		.notification_row = relay_notification_row,
		.state_row = relay_state_row,
		.attach_row = relay_attach_row,
		.attach_done = relay_attach_done,
		.activity_row = relay_activity_row,
		.poll = relay_poll,
		.limits = relay_limits,
		.abandoned = relay_abandoned,
		.poll_rooms = relay_poll_rooms,
		.room_position = relay_room_position,
		.notification_position = relay_notification_position,
		.register_all = relay_register_all,
	};

	return &events;
}
