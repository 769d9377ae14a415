/*
 * room.c
 *	  Rooms with at least one joined session.  Brings the room's line to its
 *	  seats, each event once and in order, and the state of members and typing
 *	  beside it.
 *
 * The line comes from the database by fetches; a room never believes a
 * doorbell, but for a message under the extension's seal that is just the next
 * of the line.  Events are framed once and queued by reference.
 */
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "room_internal.h"

#define REMEMBERED 15000		/* ms without an event after which frames are let go: no snapshot of a join is as old */
#define POLL_ROOMS 500			/* whose cursors are looked at in one round of the slow poll, or some more */

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
 * How many rooms are live here.
 */
size_t
room_count(const Relay *relay)
{
	return HASH_COUNT(relay->rooms);
}

/*
 * The seq of the last event that was sent.
 */
int64_t
room_position(const Room *room)
{
	return room->last;
}

/*
 * Whether the session has joined the room of this id.
 */
bool
room_has_session(const Session *session, int64_t room_id)
{
	Room	   *room = room_find(session->relay, room_id);

	return room && room_seat_of(room, session);
}

/*
 * The line of this room has moved, as a doorbell says.  payload: of one that
 * brings a new message along; NULL: it brings nothing.  A message that cannot be
 * opened, or is not the next one, is fetched.
 */
void
room_bell(Relay *relay, int64_t room_id, const char *payload)
{
	Room	   *room = room_find(relay, room_id);
	SealedEvent event;
	FetchRow	row = {.room_id = room_id, .kind = "message_received"};

	if (room == NULL)
		return;
	if (payload == NULL || !query_open(relay->query, payload, &event))
	{
		if (payload)
			relay->metrics.unopened++;
		query_fetch(relay->query, room_id);
		return;
	}
	if (event.seq == room->last + 1)
		relay->metrics.carried++;
	row.seq = event.seq;
	row.user_id = event.sender_id;
	row.event = event.text;
	row.event_len = event.len;
	room_event(relay, &row);
}

int64_t
room_seat_id(const Seat *seat)
{
	return seat->room->id;
}

/* Begins an event of this room: type and address. */
void
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
void
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

/* The place for the next frame in the ring, which grows before it forgets one.  NULL: none, out of memory. */
static Recent *
room_recent_next(Room *room, int64_t seq)
{
	while (room->ring_size < RING_MOST
		   && (room->ring == NULL || room->ring[seq % room->ring_size].frame))
	{
		int			size = room->ring_size ? room->ring_size * 2 : RING_LEAST;
		Recent	   *ring = calloc((size_t) size, sizeof(Recent));

		if (ring == NULL)
			break;
		for (int i = 0; i < room->ring_size; i++)
			if (room->ring[i].frame)
				ring[room->ring[i].seq % size] = room->ring[i];
		free(room->ring);
		room->ring = ring;
		room->ring_size = size;
	}
	return room->ring ? &room->ring[seq % room->ring_size] : NULL;
}

/* Keeps a sent frame for joiners whose snapshot is older. */
static void
room_remember(Room *room, int64_t seq, Frame *frame, const char *left)
{
	Recent	   *recent = room_recent_next(room, seq);

	if (recent == NULL)
		return;
	if (recent->frame)
		frame_unref(recent->frame);
	free(recent->left);
	room->sent_at = room->relay->now;
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
	{
		room->closed = true;
		room_end_typing(room);
	}
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
 * What becomes of the next event: whether it is to wait for more of them.  As
 * many are waited for as the pace of the last ones lets expect in the time of a
 * display frame, for readers see no sooner: 100 a second to 1,000 readers take
 * 2.1 us a delivery instead of 3.6.  A wait that was in vain is not tried again
 * for some events, lest who waits for us be waited for.
 */
static FrameKind
room_gather(Room *room)
{
	int64_t		now = room->relay->now;
	int64_t		distance = now - room->sent_at;
	int			company;

	if (room->nseats < CROWD || distance >= SLOW_PACE)
		room->pace = SLOW_PACE * 8;
	else
		room->pace += (int) distance - room->pace / 8;
	if (room->nseats < CROWD)
		return FRAME_DURABLE;
	if (room->gathered > 0 && now - room->gathers_from >= DISPLAY_FRAME)
	{
		if (room->gathered == 1)
			room->pace = SLOW_PACE * 8;
		room->gathered = 0;
	}
	if (room->gathered++ == 0)
		room->gathers_from = now;
	company = 1 + DISPLAY_FRAME * 8 / (room->pace + 1);
	if (room->gathered < (company < COMPANY ? company : COMPANY))
		return FRAME_CROWD_EARLY;
	room->gathered = 0;
	return FRAME_CROWD;
}

/*
 * An event of a room's line, after the database.  What was sent is passed
 * over; a gap is fetched again.
 */
void
room_event(Relay *relay, const FetchRow *row)
{
	Room	   *room = room_find(relay, row->room_id);
	FrameKind	kind;
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
	kind = room_gather(room);
	room_remember(room, row->seq, frame, strcmp(row->kind, "member_left") == 0 ? row->user_id : NULL);
	DL_FOREACH_SAFE(room->seats, seat, next)
		if (seat->skip < row->seq && !seat->fresh)
			session_send(seat->session, frame, kind);
	frame_unref(frame);
	room_apply(room, row);
}

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
 * Bells may have been missed: looks at every room again, and tells its
 * members' state where it was live before (missed).
 */
void
room_look_again_all(Relay *relay, bool missed)
{
	Room	   *room;
	Room	   *next;

	HASH_ITER(hh, relay->rooms, room, next)
	{
		query_fetch(relay->query, room->id);
		if (missed)
			query_state(relay->query, room->id);
		else
			query_cursors(relay->query, room->id);
	}
}

/*
 * Bells may be lost without anybody noticing: begins a round through the lines
 * of all rooms (room_poll_next), and looks at the cursors of those rooms whose
 * turn it is.  Lets go of what quiet rooms keep.
 */
void
room_poll(Relay *relay)
{
	size_t		turns = room_count(relay) / POLL_ROOMS + 1;
	size_t		turn = relay->poll_round++ % turns;
	Room	   *room;
	Room	   *next;

	relay->polled = relay->rooms;
	HASH_ITER(hh, relay->rooms, room, next)
	{
		if (relay->now - room->sent_at > REMEMBERED)
			room_forget(room);
		if (turn++ % turns == 0)
			query_cursors(relay->query, room->id);
	}
}

/*
 * The next rooms of the round, at most so many; returns how many there are.
 */
size_t
room_poll_next(Relay *relay, PolledRoom *rooms, size_t most)
{
	size_t		count = 0;

	for (; relay->polled && count < most; relay->polled = relay->polled->hh.next)
		rooms[count++] = (PolledRoom) {relay->polled->id, relay->polled->last};
	return count;
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
