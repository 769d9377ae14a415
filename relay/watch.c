/*
 * watch.c
 *	  Which rooms the connected users are members of, so that a doorbell of a
 *	  room that a connection has not joined becomes a room_activity for it.
 *
 * A user's rooms are read when the first connection logs in, again when the
 * database says that they changed, and now and then without a bell.  With them
 * comes a number that end_sessions() changes: who finds it changed ends the
 * user's sessions, however late.  A bell for a room that nobody here
 * watches costs one look-up.
 */
#include "watch.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "presence.h"
#include "room.h"
#include "session.h"

#define ACTIVITY_MERGE 1000		/* ms between two looks at a room */

/* What a watch is found by. */
typedef struct WatchKey
{
	int64_t		room_id;
	const User *user;
} WatchKey;

/* One user in one room. */
typedef struct Watch
{
	WatchKey	key;			/* in relay->watches */
	struct WatchedRoom *room;	/* where */
	User	   *user;			/* who */
	int64_t		seen;			/* activity is told of messages after this seq */
	bool		added;			/* the user came into it lately: to be told */
	bool		kept;			/* found by the attach that is being read */
	struct Watch *prev;			/* in user->watches */
	struct Watch *next;
	struct Watch *room_prev;	/* in room->watches */
	struct Watch *room_next;
	UT_hash_handle hh;			/* in relay->watches */
} Watch;

typedef struct WatchedRoom
{
	Relay	   *relay;			/* where it lives */
	int64_t		id;				/* room_id */
	Watch	   *watches;		/* empty only while some user's rooms are being read */
	int64_t		looked_at;		/* when activity was asked for last; 0: never */
	bool		due;			/* it rang since */
	struct WatchedRoom *due_prev;	/* in relay->due */
	struct WatchedRoom *due_next;
	UT_hash_handle hh;			/* in relay->watched */
} WatchedRoom;

static WatchedRoom *
watch_find_room(Relay *relay, int64_t room_id)
{
	WatchedRoom *room;

	HASH_FIND(hh, relay->watched, &room_id, sizeof(room_id), room);
	return room;
}

static WatchedRoom *
watch_room(Relay *relay, int64_t room_id)
{
	WatchedRoom *room = watch_find_room(relay, room_id);

	if (room)
		return room;
	room = calloc(1, sizeof(*room));
	if (room == NULL)
		return NULL;
	room->relay = relay;
	room->id = room_id;
	HASH_ADD(hh, relay->watched, id, sizeof(room->id), room);
	return room;
}

static void
watch_set_due(WatchedRoom *room)
{
	if (room->due)
		return;
	room->due = true;
	DL_APPEND2(room->relay->due, room, due_prev, due_next);
}

static void
watch_clear_due(WatchedRoom *room)
{
	if (!room->due)
		return;
	room->due = false;
	DL_DELETE2(room->relay->due, room, due_prev, due_next);
}

static void
watch_free_room(WatchedRoom *room)
{
	watch_clear_due(room);
	HASH_DEL(room->relay->watched, room);
	free(room);
}

static Watch *
watch_find(const User *user, int64_t room_id)
{
	WatchKey	key = {room_id, user};
	Watch	   *watch;

	HASH_FIND(hh, user->relay->watches, &key, sizeof(key), watch);
	return watch;
}

static Watch *
watch_add(User *user, int64_t room_id, int64_t seq)
{
	WatchedRoom *room = watch_room(user->relay, room_id);
	Watch	   *watch = room ? calloc(1, sizeof(*watch)) : NULL;

	if (watch == NULL)
		return NULL;
	watch->key.room_id = room_id;
	watch->key.user = user;
	watch->room = room;
	watch->user = user;
	watch->seen = seq;
	HASH_ADD(hh, user->relay->watches, key, sizeof(watch->key), watch);
	DL_APPEND(user->watches, watch);
	DL_APPEND2(room->watches, watch, room_prev, room_next);
	return watch;
}

static void
watch_drop(Watch *watch)
{
	WatchedRoom *room = watch->room;

	HASH_DEL(room->relay->watches, watch);
	DL_DELETE(watch->user->watches, watch);
	DL_DELETE2(room->watches, watch, room_prev, room_next);
	free(watch);
	if (room->watches == NULL)
		watch_free_room(room);
}

/* Whether some connection of the user has not joined the room. */
static bool
watch_is_outside(const Watch *watch)
{
	Session    *session;

	DL_FOREACH2(watch->user->sessions, session, user_next)
		if (!room_has_session(session, watch->room->id))
			return true;
	return false;
}

/* Asks what there is to be told of a room, of everybody to whom it could be told. */
static void
watch_look(WatchedRoom *room)
{
	Watch	   *watch;

	watch_clear_due(room);
	room->looked_at = room->relay->now;
	DL_FOREACH2(room->watches, watch, room_next)
		if (watch_is_outside(watch))
			query_activity(room->relay->query, room->id, watch->user->id, watch->seen);
}

/*
 * Reads the user's rooms (again).  Until that is done a bell for an unknown
 * room is remembered: the room may turn out to be one of them.
 */
void
watch_attach(User *user)
{
	if (user->attaching)
		user->attach_again = true;
	else
		user->relay->attaching++;
	user->attaching = true;
	query_attach(user->relay->query, user->id);
}

/*
 * A bell says that the user's sessions were ended: looks whether that is so.
 */
void
watch_ended(User *user)
{
	user->end_heard = true;
	watch_attach(user);
}

/* No user's rooms are being read any more: what rang for nobody is forgotten. */
static void
watch_end_attaching(Relay *relay)
{
	WatchedRoom *room;
	WatchedRoom *next;

	if (--relay->attaching > 0)
		return;
	DL_FOREACH_SAFE2(relay->due, room, next, due_next)
		if (room->watches == NULL)
			watch_free_room(room);
}

/*
 * The user's last connection is gone.
 */
void
watch_detach(User *user)
{
	while (user->watches)
		watch_drop(user->watches);
	user->attached = false;
	user->ended = -1;
	user->end_heard = false;
	user->notified = -1;
	if (user->attaching)
	{
		user->attaching = user->attach_again = false;
		watch_end_attaching(user->relay);
	}
}

/* Ends all connections of the user when the database says so. */
static void
watch_take_ended(User *user, int64_t ended)
{
	bool		over = ended > 0 && (user->ended >= 0 ? ended != user->ended : user->end_heard);
	Session    *session;
	Session    *next;

	user->ended = ended;
	user->end_heard = false;
	if (!over)
		return;
	DL_FOREACH_SAFE2(user->sessions, session, next, user_next)
		session_close(session, CLOSE_NOT_ALLOWED, "signed out");
}

/*
 * A row of a user's rooms, after the database.
 */
void
watch_row(Relay *relay, const AttachRow *row)
{
	User	   *user = presence_find(relay, row->user_id);
	Watch	   *watch;

	if (user == NULL || !user->attaching)
		return;
	if (row->room_id == 0)
	{
		DL_FOREACH(user->watches, watch)
			watch->kept = false;
		watch_take_ended(user, row->ended);
		if (user->notified < 0)
			user->notified = row->seq;
		else if (row->seq > user->notified)
			query_notifications(relay->query, user->id);
		return;
	}
	watch = watch_find(user, row->room_id);
	if (watch == NULL)
	{
		watch = watch_add(user, row->room_id, row->seq);
		if (watch && user->attached)
		{
			watch->added = true;
			watch_set_due(watch->room);
		}
	}
	else if (row->seq > watch->seen && watch_is_outside(watch))
		watch_set_due(watch->room);
	if (watch)
		watch->kept = true;
}

/*
 * All rows of a user's rooms have come, or (ok false) could not be had.
 */
void
watch_done(Relay *relay, const char *user_id, bool ok)
{
	User	   *user = presence_find(relay, user_id);
	Watch	   *watch;
	Watch	   *next;
	Session    *session;
	Session    *next_session;

	if (user == NULL || !user->attaching)
		return;
	if (ok)
	{
		user->attached = true;
		DL_FOREACH_SAFE(user->watches, watch, next)
			if (!watch->kept)
				watch_drop(watch);
	}
	/* What failed is asked for again by the slow poll, or when the database is back. */
	if (user->attach_again)
		user->attach_again = false;
	else
	{
		user->attaching = false;
		watch_end_attaching(relay);
	}
	DL_FOREACH_SAFE2(user->sessions, session, next_session, user_next)
		session_greet(session);
	watch_tick(relay);
}

/*
 * The room's line has moved.
 */
void
watch_bell(Relay *relay, int64_t room_id)
{
	WatchedRoom *room = relay->attaching > 0 ? watch_room(relay, room_id) : watch_find_room(relay, room_id);

	if (room == NULL)
		return;
	if (room->watches && (room->looked_at == 0 || relay->now - room->looked_at >= ACTIVITY_MERGE))
		watch_look(room);
	else
		watch_set_due(room);
}

/*
 * The user has left the room at this seq: what came before is known.
 */
void
watch_seen(User *user, int64_t room_id, int64_t seq)
{
	Watch	   *watch = watch_find(user, room_id);

	if (watch && seq > watch->seen)
		watch->seen = seq;
}

/* Tells the connections that have not joined the room. */
static void
watch_tell(const Watch *watch, const ActivityRow *row)
{
	JsonText	text = {0};
	Session    *session;
	Session    *next;
	Frame	   *frame;

	json_text_raw(&text, "{\"type\":\"room_activity\",\"task_id\":");
	json_text_string(&text, row->task_id);
	json_text_raw(&text, ",\"applicant_id\":");
	json_text_string(&text, row->applicant_id);
	json_text_raw(&text, ",\"last_seq\":");
	json_text_integer(&text, row->last_seq);
	json_text_raw(&text, ",\"unread\":");
	json_text_integer(&text, row->unread);
	json_text_raw(&text, watch->added ? ",\"reason\":\"added\"}" : ",\"reason\":\"message\"}");
	frame = text.failed ? NULL : frame_new(text.data, text.len);
	json_text_reset(&text);
	if (frame == NULL)
		return;
	DL_FOREACH_SAFE2(watch->user->sessions, session, next, user_next)
		if (!room_has_session(session, row->room_id))
			session_send(session, frame, FRAME_FLEETING);
	frame_unref(frame);
}

/*
 * What is unread for a user in a room, after the database.  Nothing is told
 * where only the user's own messages came.
 */
void
watch_activity(Relay *relay, const ActivityRow *row)
{
	User	   *user = presence_find(relay, row->user_id);
	Watch	   *watch = user ? watch_find(user, row->room_id) : NULL;

	if (watch == NULL)
		return;
	if (watch->added || row->others)
		watch_tell(watch, row);
	watch->added = false;
	if (row->last_seq > watch->seen)
		watch->seen = row->last_seq;
}

/*
 * How many rooms the connected users are members of, each counted anew.
 */
size_t
watch_count(const Relay *relay)
{
	return HASH_COUNT(relay->watches);
}

/*
 * Looks at the rooms that rang while it was too early.
 */
void
watch_tick(Relay *relay)
{
	WatchedRoom *room;
	WatchedRoom *next;

	DL_FOREACH_SAFE2(relay->due, room, next, due_next)
		if (room->watches && (room->looked_at == 0 || relay->now - room->looked_at >= ACTIVITY_MERGE))
			watch_look(room);
}

/*
 * The database is another one: its counts of ended sessions and notifications
 * are not those of before.
 */
void
watch_forget_epoch(Relay *relay)
{
	User	   *user;
	User	   *next;

	HASH_ITER(hh, relay->users, user, next)
	{
		while (user->watches)
			watch_drop(user->watches);
		user->ended = -1;
		user->notified = -1;
		user->attached = false;
	}
}
