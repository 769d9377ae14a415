/*
 * presence.c
 *	  The people whom this relay knows.  Tells the database who is online
 *	  here, keeps what the database says of members of live rooms, and brings
 *	  notifications to all connections of their user.
 *
 * Whether somebody is online is the database's to say (there may be other
 * relays); room.c decides what of it a room may see.
 */
#include "presence.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "room.h"
#include "watch.h"

#define POLL_USERS 500			/* looked at in one round of the slow poll, or some more … */
#define POLL_WATCHES 2000		/* … of so many rooms together … */
#define POLL_TURNS 11			/* … as long as that delays nobody by over so many rounds */

/*
 * Gives the user of this id, made when not known yet.  NULL when out of
 * memory.  A user without sessions and memberships goes by presence_release().
 */
User *
presence_user(Relay *relay, const char *user_id)
{
	User	   *user = presence_find(relay, user_id);

	if (user)
		return user;
	user = calloc(1, sizeof(*user));
	if (user == NULL || (user->id = strdup(user_id)) == NULL)
	{
		free(user);
		return NULL;
	}
	user->relay = relay;
	user->notified = -1;
	user->ended = -1;
	HASH_ADD_KEYPTR(hh, relay->users, user->id, strlen(user->id), user);
	return user;
}

/*
 * Gives the user of this id, or NULL when not known here.
 */
User *
presence_find(Relay *relay, const char *user_id)
{
	User	   *user;

	HASH_FIND_STR(relay->users, user_id, user);
	return user;
}

/*
 * How many users are known here.
 */
size_t
presence_count(const Relay *relay)
{
	return HASH_COUNT(relay->users);
}

static void
presence_free(User *user)
{
	if (user->lingering)
		DL_DELETE2(user->relay->lingering, user, linger_prev, linger_next);
	HASH_DEL(user->relay->users, user);
	free(user->id);
	free(user->task);
	free(user->last_seen);
	free(user->current_task_id);
	free(user);
}

/* Whether something holds the user. */
static bool
presence_is_held(const User *user)
{
	return user->sessions || user->memberships || user->registered || user->calls > 0;
}

/* Whether a bucket is not yet full again: who comes back must find it as it was. */
static bool
presence_is_warm(const User *user)
{
	const Config *config = user->relay->config;
	int64_t		now = user->relay->now;

	return (user->messages.filled_at != 0
			&& (now - user->messages.filled_at) * config->rate_messages < config->rate_messages_burst * 1000)
		|| (user->requests.filled_at != 0
			&& (now - user->requests.filled_at) * config->rate_commands < config->rate_commands_burst * 1000);
}

/*
 * Frees a user whom nothing holds any more, once the limits allow it to be
 * forgotten; otherwise does nothing.
 */
void
presence_release(User *user)
{
	if (presence_is_held(user))
		return;
	if (!presence_is_warm(user))
		presence_free(user);
	else if (!user->lingering)
	{
		user->lingering = true;
		DL_APPEND2(user->relay->lingering, user, linger_prev, linger_next);
	}
}

/* Ends a grace that runs. */
static void
presence_stay(User *user)
{
	if (user->offline_at == 0)
		return;
	user->offline_at = 0;
	DL_DELETE2(user->relay->leaving, user, leaving_prev, leaving_next);
}

/*
 * A session of the user has logged in.
 */
void
presence_enter(User *user, Session *session)
{
	DL_APPEND2(user->sessions, session, user_prev, user_next);
	user->nsessions++;
	presence_stay(user);
	if (user->nsessions == 1)
		watch_attach(user);
	if (!user->registered)
	{
		user->registered = true;
		query_online(user->relay->query, user->id, user->task, true);
	}
}

/*
 * A session of the user is gone; with the last one the grace begins.  What
 * the session looked at is looked at no more.
 */
void
presence_exit(User *user, Session *session)
{
	Relay	   *relay = user->relay;

	DL_DELETE2(user->sessions, session, user_prev, user_next);
	user->nsessions--;
	session->user = NULL;
	if (user->nsessions == 0)
	{
		watch_detach(user);
		user->offline_at = relay->now + relay->config->presence_grace;
		DL_APPEND2(relay->leaving, user, leaving_prev, leaving_next);
	}
	else if (session->task)
	{
		Session    *other;
		const char *task = NULL;

		DL_FOREACH2(user->sessions, other, user_next)
			if (other->task)
				task = other->task;
		presence_tell_task(user, NULL, task);
	}
}

/*
 * The user looks at a task now (NULL: at none), told by a session (NULL: none
 * in particular).  False when out of memory.
 */
bool
presence_tell_task(User *user, Session *session, const char *task_id)
{
	char	   *copy = NULL;
	char	   *own = NULL;

	if (task_id && ((copy = strdup(task_id)) == NULL || (own = strdup(task_id)) == NULL))
	{
		free(copy);
		return false;
	}
	if (session)
	{
		free(session->task);
		session->task = own;
	}
	else
		free(own);
	if ((copy == NULL) != (user->task == NULL) || (copy && strcmp(copy, user->task) != 0))
		query_online(user->relay->query, user->id, copy, true);
	free(user->task);
	user->task = copy;
	return true;
}

/*
 * The database says how a user is; rooms where that can be seen are told.
 */
void
presence_row(Relay *relay, const PresenceRow *row)
{
	User	   *user = presence_find(relay, row->user_id);

	if (user == NULL)
		return;
	free(user->last_seen);
	free(user->current_task_id);
	user->known = true;
	user->is_online = row->is_online;
	user->last_seen = row->last_seen ? strdup(row->last_seen) : NULL;
	user->current_task_id = row->current_task_id ? strdup(row->current_task_id) : NULL;
	room_show_presence(user);
}

/*
 * A notification, or (event NULL) the position from which they count.
 */
void
presence_notification(Relay *relay, const NotificationRow *row)
{
	User	   *user = presence_find(relay, row->user_id);
	Session    *session;
	Session    *next;
	Frame	   *frame;

	if (user == NULL || row->seq <= user->notified)
		return;
	if (row->event && (frame = frame_new(row->event, row->event_len)) != NULL)
	{
		DL_FOREACH_SAFE2(user->sessions, session, next, user_next)
			session_send(session, frame, FRAME_DURABLE);
		frame_unref(frame);
	}
	user->notified = row->seq;
}

/*
 * The database has forgotten who is online here: tells it all again.
 */
void
presence_register_all(Relay *relay)
{
	User	   *user;
	User	   *next;

	HASH_ITER(hh, relay->users, user, next)
		if (user->registered)
			query_online(relay->query, user->id, user->task, true);
}

/*
 * Bells may have been missed: looks at everybody again.
 */
void
presence_look_again_all(Relay *relay)
{
	User	   *user;
	User	   *next;

	HASH_ITER(hh, relay->users, user, next)
	{
		if (user->memberships)
			query_presence(relay->query, user->id);
		if (user->sessions)
			watch_attach(user);
	}
}

/*
 * Bells may be lost without anybody noticing: looks at some of the users, those
 * whose turn it is.  Where they have many rooms a turn comes less often, at least
 * once a minute: 200 users of 100 rooms each, looked at each time, took some 20 us
 * of every message at 500 messages a second.
 */
void
presence_poll(Relay *relay)
{
	size_t		by_rooms = watch_count(relay) / POLL_WATCHES;
	size_t		turns = HASH_COUNT(relay->users) / POLL_USERS + (by_rooms < POLL_TURNS ? by_rooms : POLL_TURNS) + 1;
	size_t		turn = relay->poll_round % turns;
	User	   *user;
	User	   *next;

	HASH_ITER(hh, relay->users, user, next)
	{
		if (turn++ % turns != 0)
			continue;
		if (user->memberships)
			query_presence(relay->query, user->id);
		if (user->sessions)
			watch_attach(user);
	}
}

/*
 * Ends the graces that are over.  They end in the order in which they began.
 */
void
presence_tick(Relay *relay)
{
	User	   *user;
	User	   *next;

	while ((user = relay->leaving) != NULL && user->offline_at <= relay->now)
	{
		presence_stay(user);
		user->registered = false;
		query_online(relay->query, user->id, NULL, false);
		free(user->task);
		user->task = NULL;
		presence_release(user);
	}
	DL_FOREACH_SAFE2(relay->lingering, user, next, linger_next)
	{
		if (!presence_is_held(user))
			presence_release(user);
		else
		{
			user->lingering = false;
			DL_DELETE2(relay->lingering, user, linger_prev, linger_next);
		}
	}
}

/*
 * Frees all users; the sessions and rooms must be gone.
 */
void
presence_free_all(Relay *relay)
{
	User	   *user;
	User	   *next;

	HASH_ITER(hh, relay->users, user, next)
		presence_free(user);
	relay->leaving = NULL;
	relay->lingering = NULL;
}
