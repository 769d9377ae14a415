/*
 * room_seat.c
 *	  Sessions come into rooms and leave them.  A joiner's snapshot may be
 *	  older than the room: what happened since follows from the ring.
 */
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "room_internal.h"
#include "watch.h"

#define STATE_RECENT 10000		/* ms: a joiner's snapshot may be older than these changes */

/*
 * Forgets the frames that were sent lately: who joins with an older snapshot
 * takes a new one.
 */
void
room_forget(Room *room)
{
	if (room->ring == NULL)
		return;
	for (int i = 0; i < room->ring_size; i++)
	{
		frame_unref(room->ring[i].frame);
		free(room->ring[i].left);
	}
	free(room->ring);
	room->ring = NULL;
	room->ring_size = 0;
}

void
room_free(Room *room)
{
	Member	   *member;
	Member	   *next;

	HASH_ITER(hh, room->members, member, next)
		room_drop_member(member);
	room_forget(room);
	if (room->busy)
		DL_DELETE2(room->relay->busy, room, busy_prev, busy_next);
	if (room->relay->polled == room)
		room->relay->polled = room->hh.next;
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
void
room_unseat(Seat *seat)
{
	Room	   *room = seat->room;
	Session    *session = seat->session;
	bool		typed = seat->typed;
	Member	   *member;
	Seat	   *other;

	if (session->user)
		watch_seen(session->user, room->id, room->last);
	DL_DELETE(room->seats, seat);
	room->nseats--;
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
		if (other->session->user == session->user && !typed)
			return;
	member = session->user ? room_find_member(room, session->user->id) : NULL;
	if (member && member->typing_until)
	{
		room_set_typing(member, false);
		query_typing(room->relay->query, room->id, member->user->id, false);
	}
}

/*
 * Where the session sits in the room, NULL: it has not joined.  One of the two
 * lists is short: a session has few rooms, or a room few sessions.
 */
Seat *
room_seat_of(Room *room, const Session *session)
{
	Seat	   *seat;

	if (room->nseats < session->nseats)
		DL_SEARCH_SCALAR(room->seats, seat, session, session);
	else
		DL_FOREACH2(session->seats, seat, session_next)
			if (seat->room == room)
				break;
	return seat;
}

/* Whether all after seq up to the room's position is still in the ring. */
static bool
room_ring_reaches(const Room *room, int64_t seq)
{
	return seq >= room->last
		|| (room->last - seq <= room->ring_size && room->ring[(seq + 1) % room->ring_size].seq == seq + 1);
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
		room->nseats++;
		DL_APPEND2(session->seats, seat, session_prev, session_next);
		session->nseats++;
	}
	seat->skip = row->seq;
	seat->fresh = true;
	query_fetch(relay->query, room->id);
	return JOIN_SEATED;
}

/* Says why a seat is lost. */
void
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
		Recent	   *recent = &room->ring[seq % room->ring_size];

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
			room_tell_cursors(member, member->told_read > 0, member->told_delivered > 0, session);
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
