/*
 * room.c
 *	  Rooms with at least one joined session.  Brings the room's line to its
 *	  seats, each event once and in order, and the state of members and typing
 *	  beside it.
 *
 * The line comes from the database by fetches; a room never believes a
 * doorbell.  Events are framed once and queued by reference.
 */
#include "room.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "log.h"
#include "presence.h"

#define RING_SIZE 64			/* recent frames kept for late joiners */
#define STATE_MERGE 1000		/* ms between two cursor events of a member */
#define STATE_RECENT 10000		/* ms: a joiner's snapshot may be older than these changes */
#define TYPING_REPEAT 2000		/* ms between two starts told to other relays */

/* One session in one room. */
struct Seat
{
	Room	   *room;			/* where */
	Session    *session;		/* who */
	int64_t		skip;			/* the snapshot's last seq: send none up to it */
	bool		fresh;			/* the join's reply is queued, catching up is not done */
	Seat	   *prev;			/* in room->seats */
	Seat	   *next;
	Seat	   *session_prev;	/* in session->seats */
	Seat	   *session_next;
};

/* One member of the room, whether connected or not. */
struct Member
{
	Room	   *room;			/* where */
	User	   *user;			/* who */
	bool		observer;		/* may only read */
	int64_t		read;			/* last_read_seq */
	int64_t		delivered;		/* last_delivered_seq */
	int64_t		told_read;		/* what the room was told of them */
	int64_t		told_delivered;
	int64_t		told_at;		/* when; 0: never */
	int64_t		typing_until;	/* end of typing; 0: not typing */
	int64_t		typing_sent;	/* when other relays were told last; 0: never */
	bool		shown;			/* the next two were told to the room */
	bool		shown_online;
	bool		shown_here;		/* looks at this room's task */
	int64_t		shown_at;		/* when that changed */
	Member	   *prev;			/* in user->memberships */
	Member	   *next;
	UT_hash_handle hh;			/* in room->members */
};

/* A frame that was sent lately. */
typedef struct Recent
{
	int64_t		seq;			/* 0: none */
	Frame	   *frame;			/* a reference */
	char	   *left;			/* user_id when it is a member_left */
} Recent;

struct Room
{
	Relay	   *relay;			/* where it lives */
	int64_t		id;				/* room_id */
	char	   *task_id;		/* the address */
	char	   *applicant_id;	/* NULL: the main room */
	int64_t		last;			/* seq of the last event sent */
	bool		closed;			/* status is 'closed' */
	bool		busy;			/* in relay->busy */
	Seat	   *seats;			/* joined sessions */
	Member	   *members;		/* by user_id; empty when more than 50 */
	Recent		ring[RING_SIZE];	/* at seq modulo RING_SIZE */
	Room	   *busy_prev;		/* in relay->busy */
	Room	   *busy_next;
	UT_hash_handle hh;			/* in relay->rooms */
};

/*
 * Gives the live room of this id, or NULL.
 */
Room *
room_find(Relay *relay, int64_t room_id)
{
	Room	   *room;

	HASH_FIND(hh, relay->rooms, &room_id, sizeof(room_id), room);
	return room;
}

/*
 * The seq of the last event that was sent.
 */
int64_t
room_position(const Room *room)
{
	return room->last;
}

int64_t
room_seat_id(const Seat *seat)
{
	return seat->room->id;
}

/* ---- sending ---- */

/* Begins an event of this room: type and address. */
static void
room_begin_event(const Room *room, JsonText *text, const char *type)
{
	json_text_raw(text, "{\"type\":");
	json_text_string(text, type);
	json_text_raw(text, ",\"task_id\":");
	json_text_string(text, room->task_id);
	json_text_raw(text, ",\"applicant_id\":");
	json_text_string(text, room->applicant_id);
}

/*
 * Sends a fleeting event to all seats but those of one user, or to one session
 * only.  Frees the text.
 */
static void
room_tell(Room *room, JsonText *text, const User *except, Session *only)
{
	Frame	   *frame;
	Seat	   *seat;
	Seat	   *next;

	json_text_raw(text, "}");
	frame = text->failed ? NULL : frame_new(text->data, text->len);
	json_text_reset(text);
	if (frame == NULL)
		return;
	if (only)
		session_send(only, frame, FRAME_FLEETING);
	else
	{
		DL_FOREACH_SAFE(room->seats, seat, next)
			if (except == NULL || seat->session->user != except)
				session_send(seat->session, frame, FRAME_FLEETING);
	}
	frame_unref(frame);
}

/* ---- members ---- */

static Member *
room_find_member(Room *room, const char *user_id)
{
	Member	   *member;

	HASH_FIND(hh, room->members, user_id, strlen(user_id), member);
	return member;
}

/* State events and typing are for rooms whose members are known and few. */
static bool
room_is_lively(Room *room)
{
	unsigned	n = HASH_COUNT(room->members);

	return n > 0 && n <= ROOM_LIVELY_MEMBERS;
}

/* Something of the room ends by time: it is looked at by each tick. */
static void
room_set_busy(Room *room)
{
	if (room->busy)
		return;
	room->busy = true;
	DL_APPEND2(room->relay->busy, room, busy_prev, busy_next);
}

static Member *
room_add_member(Room *room, const char *user_id)
{
	Member	   *member = calloc(1, sizeof(*member));
	User	   *user = member ? presence_user(room->relay, user_id) : NULL;

	if (user == NULL)
	{
		free(member);
		return NULL;
	}
	member->room = room;
	member->user = user;
	DL_APPEND(user->memberships, member);
	HASH_ADD_KEYPTR(hh, room->members, user->id, strlen(user->id), member);
	query_presence(room->relay->query, user_id);
	return member;
}

static void
room_drop_member(Member *member)
{
	User	   *user = member->user;

	HASH_DEL(member->room->members, member);
	DL_DELETE(user->memberships, member);
	free(member);
	presence_release(user);
}

/* Tells one or both cursors of a member, to the room or one session. */
static void
room_tell_cursors(Member *member, bool read, bool delivered, Session *only)
{
	JsonText	text = {0};

	if (read)
	{
		room_begin_event(member->room, &text, "message_read");
		json_text_raw(&text, ",\"user_id\":");
		json_text_string(&text, member->user->id);
		json_text_raw(&text, ",\"last_read_seq\":");
		json_text_integer(&text, member->told_read);
		room_tell(member->room, &text, NULL, only);
	}
	if (delivered)
	{
		room_begin_event(member->room, &text, "message_delivered");
		json_text_raw(&text, ",\"user_id\":");
		json_text_string(&text, member->user->id);
		json_text_raw(&text, ",\"last_delivered_seq\":");
		json_text_integer(&text, member->told_delivered);
		room_tell(member->room, &text, NULL, only);
	}
}

/* Tells cursors that moved; at most once a second, the rest waits for a tick. */
static void
room_settle_cursors(Member *member)
{
	Room	   *room = member->room;
	bool		read = member->read > member->told_read;
	bool		delivered = member->delivered > member->told_delivered;

	if (!read && !delivered)
		return;
	if (member->told_at != 0 && room->relay->now - member->told_at < STATE_MERGE)
	{
		room_set_busy(room);
		return;
	}
	member->told_read = member->read;
	member->told_delivered = member->delivered;
	member->told_at = room->relay->now;
	if (room_is_lively(room))
		room_tell_cursors(member, read, delivered, NULL);
}

/*
 * Where a member's cursors are, after the database.
 */
void
room_cursor(Relay *relay, const CursorRow *row)
{
	Room	   *room = room_find(relay, row->room_id);
	Member	   *member;

	if (room == NULL)
		return;
	member = room_find_member(room, row->user_id);
	if (member == NULL && (member = room_add_member(room, row->user_id)) == NULL)
		return;
	if (row->role)
		member->observer = strcmp(row->role, "observer") == 0;
	if (row->last_read_seq > member->read)
		member->read = row->last_read_seq;
	if (row->last_delivered_seq > member->delivered)
		member->delivered = row->last_delivered_seq;
	room_settle_cursors(member);
}

/* Takes the members of a join's reply, all that the joiner was told. */
static void
room_read_members(Room *room, const JsonValue *reply)
{
	size_t		n = json_field_array_length(reply, "members");
	int64_t		total;

	if (n > ROOM_LIVELY_MEMBERS || json_field_integer(reply, "members_total", &total))
		return;
	for (size_t i = 0; i < n; i++)
	{
		const JsonValue *one = json_field_array_object(reply, "members", i);
		const char *user_id = one ? json_field_string(one, "user_id") : NULL;
		const char *role = one ? json_field_string(one, "role") : NULL;
		const char *task = one ? json_field_string(one, "current_task_id") : NULL;
		Member	   *member;

		if (user_id == NULL || room_find_member(room, user_id) || (member = room_add_member(room, user_id)) == NULL)
			continue;
		member->observer = role && strcmp(role, "observer") == 0;
		json_field_integer(one, "last_read_seq", &member->read);
		json_field_integer(one, "last_delivered_seq", &member->delivered);
		member->told_read = member->read;
		member->told_delivered = member->delivered;
		member->shown = json_field_bool(one, "is_online", &member->shown_online);
		member->shown_here = task && strcmp(task, room->task_id) == 0;
	}
}

/* Tells how a member is, to the room or one session. */
static void
room_tell_presence(Member *member, Session *only)
{
	JsonText	text = {0};

	room_begin_event(member->room, &text, "user_presence");
	json_text_raw(&text, ",\"user_id\":");
	json_text_string(&text, member->user->id);
	json_text_raw(&text, member->shown_online ? ",\"is_online\":true" : ",\"is_online\":false");
	json_text_raw(&text, ",\"last_seen\":");
	json_text_string(&text, member->user->last_seen);
	json_text_raw(&text, ",\"current_task_id\":");
	json_text_string(&text, member->shown_here ? member->room->task_id : NULL);
	room_tell(member->room, &text, NULL, only);
}

/*
 * Something is known anew of a user: each room of which he is a member hears
 * what it may see and has not been told.
 */
void
room_show_presence(User *user)
{
	Member	   *member;
	Member	   *next;

	DL_FOREACH_SAFE(user->memberships, member, next)
	{
		bool		here = user->is_online && user->current_task_id
			&& strcmp(user->current_task_id, member->room->task_id) == 0;

		if (member->shown && member->shown_online == user->is_online && member->shown_here == here)
			continue;
		member->shown = true;
		member->shown_online = user->is_online;
		member->shown_here = here;
		member->shown_at = user->relay->now;
		if (room_is_lively(member->room))
			room_tell_presence(member, NULL);
	}
}

/* ---- typing ---- */

static void
room_tell_typing(Member *member, bool is_typing)
{
	JsonText	text = {0};

	room_begin_event(member->room, &text, "typing_indicator");
	json_text_raw(&text, ",\"user_id\":");
	json_text_string(&text, member->user->id);
	json_text_raw(&text, is_typing ? ",\"is_typing\":true" : ",\"is_typing\":false");
	room_tell(member->room, &text, member->user, NULL);
}

/* Typing begins, goes on, or ends; the room hears of changes only. */
static void
room_set_typing(Member *member, bool is_typing)
{
	Relay	   *relay = member->room->relay;
	bool		was = member->typing_until != 0;

	member->typing_until = is_typing ? relay->now + relay->config->typing_timeout : 0;
	if (is_typing)
		room_set_busy(member->room);
	if (was != is_typing)
		room_tell_typing(member, is_typing);
}

/*
 * A seat's user types, or stops.  Rights were looked at before.
 */
void
room_typing(Seat *seat, bool is_typing)
{
	Room	   *room = seat->room;
	Relay	   *relay = room->relay;
	Member	   *member = room_find_member(room, seat->session->user->id);
	bool		was;

	if (member == NULL || !room_is_lively(room))
		return;
	was = member->typing_until != 0;
	room_set_typing(member, is_typing);
	if (is_typing ? (member->typing_sent == 0 || relay->now - member->typing_sent >= TYPING_REPEAT) : was)
	{
		if (is_typing)
			member->typing_sent = relay->now;
		query_typing(relay->query, room->id, member->user->id, is_typing);
	}
}

/*
 * Another relay says that somebody types here.  Believed of members only.
 */
void
room_remote_typing(Relay *relay, int64_t room_id, const char *user_id, bool is_typing)
{
	Room	   *room = room_find(relay, room_id);
	Member	   *member = room ? room_find_member(room, user_id) : NULL;

	if (member && !member->observer && !room->closed && room_is_lively(room))
		room_set_typing(member, is_typing);
}

/*
 * Whether the seat's user may only read.
 */
bool
room_seat_is_observer(const Seat *seat)
{
	Member	   *member = room_find_member(seat->room, seat->session->user->id);

	return member && member->observer;
}

/*
 * Whether the seat's room is closed.
 */
bool
room_seat_is_closed(const Seat *seat)
{
	return seat->room->closed;
}

/* ---- rooms and seats ---- */

static void
room_free(Room *room)
{
	Member	   *member;
	Member	   *next;

	HASH_ITER(hh, room->members, member, next)
		room_drop_member(member);
	for (int i = 0; i < RING_SIZE; i++)
	{
		if (room->ring[i].frame)
			frame_unref(room->ring[i].frame);
		free(room->ring[i].left);
	}
	if (room->busy)
		DL_DELETE2(room->relay->busy, room, busy_prev, busy_next);
	HASH_DEL(room->relay->rooms, room);
	free(room->task_id);
	free(room->applicant_id);
	free(room);
}

/* The place after a JSON string that begins at p, or end. */
static const char *
skip_string(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		if (*p == '\\')
			p++;
	return p < end ? p + 1 : end;
}

/* The place after a JSON array or object that begins at p, or end. */
static const char *
skip_nested(const char *p, const char *end)
{
	int			depth = 0;

	while (p < end)
	{
		if (*p == '"')
		{
			p = skip_string(p, end);
			continue;
		}
		if (*p == '[' || *p == '{')
			depth++;
		else if ((*p == ']' || *p == '}') && --depth == 0)
			return p + 1;
		p++;
	}
	return end;
}

/*
 * Reads a join's reply but for its events: they are many, and what users put
 * into them (deep metadata, huge numbers) must not keep anybody from joining.
 */
static JsonValue *
room_parse_reply(const char *data, size_t len, const char **error)
{
	const char *end = data + len;
	const char *p = data;
	const char *start;
	JsonText	text = {0};
	JsonValue  *reply;

	while (p < end)
	{
		start = p;
		if (*p == '"')
			p = skip_string(p, end);
		else if (*p == '[' && text.len >= 9 && strncmp(text.data + text.len - 9, "\"events\":", 9) == 0)
		{
			p = skip_nested(p, end);
			json_text_raw(&text, "[]");
			continue;
		}
		else
			p++;
		if (*start == ' ')
			continue;
		json_text_raw_n(&text, start, (size_t) (p - start));
	}
	*error = "out of memory";
	reply = text.failed ? NULL : json_parse(text.data, text.len, error);
	json_text_reset(&text);
	return reply;
}

/* Makes the room that a join's reply describes.  NULL when out of memory. */
static Room *
room_new(Relay *relay, const CommandRow *row)
{
	const char *error;
	JsonValue  *reply = room_parse_reply(row->data, row->data_len, &error);
	const char *task_id = reply ? json_field_string(reply, "task_id") : NULL;
	const char *applicant_id = reply ? json_field_string(reply, "applicant_id") : NULL;
	const char *status = reply ? json_field_string(reply, "status") : NULL;
	Room	   *room = task_id ? calloc(1, sizeof(*room)) : NULL;

	if (room)
	{
		room->relay = relay;
		room->id = row->room_id;
		room->last = row->seq;
		room->closed = status && strcmp(status, "closed") == 0;
		room->task_id = strdup(task_id);
		room->applicant_id = applicant_id ? strdup(applicant_id) : NULL;
		HASH_ADD(hh, relay->rooms, id, sizeof(room->id), room);
		room_read_members(room, reply);
		query_cursors(relay->query, room->id);
	}
	else
		log_write(LOG_LEVEL_ERROR, "room", 0, "the reply of a join cannot be used: %s", reply ? "no task_id" : error);
	json_free(reply);
	return room;
}

/* The session leaves its seat; the last one turns off the light. */
static void
room_unseat(Seat *seat)
{
	Room	   *room = seat->room;
	Session    *session = seat->session;
	Member	   *member;
	Seat	   *other;

	DL_DELETE(room->seats, seat);
	DL_DELETE2(session->seats, seat, session_prev, session_next);
	session->nseats--;
	free(seat);
	if (room->seats == NULL)
	{
		member = session->user ? room_find_member(room, session->user->id) : NULL;
		if (member && member->typing_until)
			query_typing(room->relay->query, room->id, member->user->id, false);
		room_free(room);
		return;
	}
	DL_FOREACH(room->seats, other)
		if (other->session->user == session->user)
			return;
	member = session->user ? room_find_member(room, session->user->id) : NULL;
	if (member && member->typing_until)
	{
		room_set_typing(member, false);
		query_typing(room->relay->query, room->id, member->user->id, false);
	}
}

static Seat *
room_seat_of(Room *room, Session *session)
{
	Seat	   *seat;

	DL_FOREACH2(session->seats, seat, session_next)
		if (seat->room == room)
			return seat;
	return NULL;
}

/* Whether all after seq up to the room's position is still in the ring. */
static bool
room_ring_reaches(const Room *room, int64_t seq)
{
	return seq >= room->last || (room->last - seq <= RING_SIZE && room->ring[(seq + 1) % RING_SIZE].seq == seq + 1);
}

/*
 * Seats a session in the room whose snapshot the row is.  The reply is to be
 * queued next, then room_catch_up() called.  JOIN_AGAIN: the room has gone on
 * too far since that snapshot, a new one is needed.
 */
JoinOutcome
room_join(Session *session, const CommandRow *row)
{
	Relay	   *relay = session->relay;
	Room	   *room = room_find(relay, row->room_id);
	Seat	   *seat = room ? room_seat_of(room, session) : NULL;

	if (room && !room_ring_reaches(room, row->seq))
		return JOIN_AGAIN;
	if (seat == NULL && (int64_t) session->nseats >= relay->config->max_rooms_per_connection)
		return JOIN_LIMIT;
	if (seat == NULL)
	{
		seat = calloc(1, sizeof(*seat));
		if (seat == NULL || (room == NULL && (room = room_new(relay, row)) == NULL))
		{
			free(seat);
			return JOIN_NO_MEMORY;
		}
		seat->room = room;
		seat->session = session;
		DL_APPEND(room->seats, seat);
		DL_APPEND2(session->seats, seat, session_prev, session_next);
		session->nseats++;
	}
	seat->skip = row->seq;
	seat->fresh = true;
	query_fetch(relay->query, room->id);
	return JOIN_SEATED;
}

/* Says why a seat is lost. */
static void
room_tell_removed(Seat *seat, const char *reason)
{
	JsonText	text = {0};

	room_begin_event(seat->room, &text, "removed_from_room");
	json_text_raw(&text, ",\"reason\":");
	json_text_string(&text, reason);
	json_text_raw(&text, "}");
	session_send_text(seat->session, &text, FRAME_DURABLE);
}

/* Brings one fresh seat from its snapshot to the room's position. */
static void
room_catch_up_seat(Seat *seat)
{
	Room	   *room = seat->room;
	Session    *session = seat->session;
	Member	   *member;
	Member	   *next;

	seat->fresh = false;
	for (int64_t seq = seat->skip + 1; seq <= room->last; seq++)
	{
		Recent	   *recent = &room->ring[seq % RING_SIZE];

		session_send(session, recent->frame, FRAME_DURABLE);
		if (recent->left && strcmp(recent->left, session->user->id) == 0)
		{
			room_tell_removed(seat, "removed");
			room_unseat(seat);
			return;
		}
	}
	if (!room_is_lively(room))
		return;
	HASH_ITER(hh, room->members, member, next)
	{
		if (member->told_at != 0 && room->relay->now - member->told_at < STATE_RECENT)
			room_tell_cursors(member, true, true, session);
		if (member->shown_at != 0 && room->relay->now - member->shown_at < STATE_RECENT)
			room_tell_presence(member, session);
	}
}

/*
 * After the reply of a join: what happened since its snapshot follows.
 */
void
room_catch_up(Session *session)
{
	Seat	   *seat;
	Seat	   *next;

	DL_FOREACH_SAFE2(session->seats, seat, next, session_next)
		if (seat->fresh)
			room_catch_up_seat(seat);
}

/* Seat by exact address. */
static Seat *
room_seat_at(Session *session, const char *task_id, const char *applicant_id)
{
	Seat	   *seat;

	DL_FOREACH2(session->seats, seat, session_next)
	{
		const char *own = seat->room->applicant_id;

		if (strcmp(seat->room->task_id, task_id) == 0
			&& (own == NULL ? applicant_id == NULL : applicant_id && strcmp(own, applicant_id) == 0))
			return seat;
	}
	return NULL;
}

/*
 * Gives the session's seat in the room of this address, or NULL.  The short
 * address of a task stands for the main room, else the user's private one.
 */
Seat *
room_find_seat(Session *session, const char *task_id, const char *applicant_id)
{
	Seat	   *seat = room_seat_at(session, task_id, applicant_id);

	if (seat == NULL && applicant_id == NULL)
		seat = room_seat_at(session, task_id, session->user->id);
	return seat;
}

/*
 * Leaves a room; false when it was not joined.
 */
bool
room_leave(Session *session, const char *task_id, const char *applicant_id)
{
	Seat	   *seat = room_find_seat(session, task_id, applicant_id);

	if (seat == NULL)
		return false;
	room_unseat(seat);
	return true;
}

/*
 * Leaves all rooms.
 */
void
room_leave_all(Session *session)
{
	while (session->seats)
		room_unseat(session->seats);
}

/* ---- the line ---- */

/* The room is gone or its line cannot be followed: all leave. */
static void
room_end(Room *room, bool deleted)
{
	Seat	   *seat = room->seats;
	Seat	   *next;

	/* The last unseating frees the room, so nothing of it is read after that. */
	for (; seat; seat = next)
	{
		Session    *session = seat->session;

		next = seat->next;
		if (deleted)
			room_tell_removed(seat, "room_deleted");
		room_unseat(seat);
		if (!deleted)
		{
			session_going_away(session);
			session_close(session, CLOSE_GOING_AWAY, "the line was purged");
		}
	}
}

/* Keeps a sent frame for joiners whose snapshot is older. */
static void
room_remember(Room *room, int64_t seq, Frame *frame, const char *left)
{
	Recent	   *recent = &room->ring[seq % RING_SIZE];

	if (recent->frame)
		frame_unref(recent->frame);
	free(recent->left);
	recent->seq = seq;
	recent->frame = frame_ref(frame);
	recent->left = left ? strdup(left) : NULL;
}

/* A member is gone: his seats are too.  True when the room went with them. */
static bool
room_member_left(Room *room, int64_t seq, const char *user_id)
{
	Relay	   *relay = room->relay;
	int64_t		id = room->id;
	Member	   *member = room_find_member(room, user_id);
	Seat	   *seat = room->seats;
	Seat	   *next;

	if (member)
	{
		if (member->typing_until)
			room_set_typing(member, false);
		room_drop_member(member);
	}
	else
		query_cursors(relay->query, id);
	for (; seat; seat = next)
	{
		next = seat->next;
		if (seat->skip >= seq || seat->fresh || strcmp(seat->session->user->id, user_id) != 0)
			continue;
		room_tell_removed(seat, "removed");
		room_unseat(seat);
	}
	return room_find(relay, id) == NULL;
}

/* What an event changes in the room itself, after it was sent. */
static void
room_apply(Room *room, const FetchRow *row)
{
	Member	   *member;

	if (strcmp(row->kind, "room_closed") == 0)
		room->closed = true;
	else if (strcmp(row->kind, "room_opened") == 0)
		room->closed = false;
	if (row->user_id == NULL)
		return;
	member = room_find_member(room, row->user_id);
	if (strcmp(row->kind, "message_received") == 0)
	{
		if (member && member->typing_until)
			room_set_typing(member, false);
	}
	else if (strcmp(row->kind, "member_left") == 0)
		room_member_left(room, row->seq, row->user_id);
	else if (strcmp(row->kind, "member_joined") == 0 || strcmp(row->kind, "member_role_changed") == 0)
	{
		if (member == NULL && room->members != NULL)
			member = room_add_member(room, row->user_id);
		if (member && row->role)
			member->observer = strcmp(row->role, "observer") == 0;
	}
}

/*
 * An event of a room's line, after the database.  What was sent is passed
 * over; a gap is fetched again.
 */
void
room_event(Relay *relay, const FetchRow *row)
{
	Room	   *room = room_find(relay, row->room_id);
	Frame	   *frame;
	Seat	   *seat;
	Seat	   *next;

	if (room == NULL)
		return;
	if (strcmp(row->kind, "room_deleted") == 0 || strcmp(row->kind, "reset") == 0)
	{
		room_end(room, row->kind[1] == 'o');
		return;
	}
	if (row->seq <= room->last)
		return;
	frame = row->seq == room->last + 1 ? frame_new(row->event, row->event_len) : NULL;
	if (frame == NULL)
	{
		query_fetch(relay->query, room->id);
		return;
	}
	room->last = row->seq;
	room_remember(room, row->seq, frame, strcmp(row->kind, "member_left") == 0 ? row->user_id : NULL);
	DL_FOREACH_SAFE(room->seats, seat, next)
		if (seat->skip < row->seq && !seat->fresh)
			session_send(seat->session, frame, FRAME_DURABLE);
	frame_unref(frame);
	room_apply(room, row);
}

/* ---- time and the whole ---- */

/* True while something of the room still ends by time. */
static bool
room_tick(Room *room)
{
	Member	   *member;
	Member	   *next;
	bool		busy = false;

	HASH_ITER(hh, room->members, member, next)
	{
		if (member->typing_until != 0 && member->typing_until <= room->relay->now)
			room_set_typing(member, false);
		room_settle_cursors(member);
		busy = busy || member->typing_until != 0
			|| member->read > member->told_read || member->delivered > member->told_delivered;
	}
	return busy;
}

/*
 * Ends typing that is over and tells cursors that waited.
 */
void
room_tick_all(Relay *relay)
{
	Room	   *room;
	Room	   *next;

	DL_FOREACH_SAFE2(relay->busy, room, next, busy_next)
	{
		if (room_tick(room))
			continue;
		room->busy = false;
		DL_DELETE2(relay->busy, room, busy_prev, busy_next);
	}
}

/*
 * Bells may have been missed: looks at every room again.
 */
void
room_look_again_all(Relay *relay)
{
	Room	   *room;
	Room	   *next;

	HASH_ITER(hh, relay->rooms, room, next)
	{
		query_fetch(relay->query, room->id);
		query_cursors(relay->query, room->id);
	}
}

/*
 * Frees what is left of rooms; their sessions must be gone.
 */
void
room_free_all(Relay *relay)
{
	Room	   *room;
	Room	   *next;

	HASH_ITER(hh, relay->rooms, room, next)
		room_free(room);
}
