/*
 * room_member.c
 *	  The members of a live room: how far they have read, who is there, who
 *	  types.  The room hears of changes only, cursors merged to one a second.
 */
#include <stdlib.h>
#include <string.h>

#include "room_internal.h"

/* Most rooms have few members: the 32 buckets that uthash begins with are half a kilobyte for each room. */
#undef HASH_INITIAL_NUM_BUCKETS
#undef HASH_INITIAL_NUM_BUCKETS_LOG2
#define HASH_INITIAL_NUM_BUCKETS 2U
#define HASH_INITIAL_NUM_BUCKETS_LOG2 1U

#define STATE_MERGE 1000		/* ms between two cursor events of a member */
#define TYPING_REPEAT 2000		/* ms between two starts told to other relays */

Member *
room_find_member(Room *room, const char *user_id)
{
	Member	   *member;

	HASH_FIND(hh, room->members, user_id, strlen(user_id), member);
	return member;
}

/* State events and typing are for rooms whose members are known and few. */
bool
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

Member *
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

void
room_drop_member(Member *member)
{
	User	   *user = member->user;

	HASH_DEL(member->room->members, member);
	DL_DELETE(user->memberships, member);
	free(member);
	presence_release(user);
}

/* Tells one or both cursors of a member, to the room or one session. */
void
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
void
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
void
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

/* Takes one member of a state: what it says counts as told. */
static void
room_read_state(Room *room, const JsonValue *one)
{
	const char *user_id = json_field_string(one, "user_id");
	const char *role = json_field_string(one, "role");
	Member	   *member = user_id ? room_find_member(room, user_id) : NULL;

	if (member == NULL && (user_id == NULL || (member = room_add_member(room, user_id)) == NULL))
		return;
	member->observer = role && strcmp(role, "observer") == 0;
	json_field_integer(one, "last_read_seq", &member->read);
	json_field_integer(one, "last_delivered_seq", &member->delivered);
	member->told_read = member->read;
	member->told_delivered = member->delivered;
	member->told_at = room->relay->now;
	member->shown = json_field_bool(one, "is_online", &member->shown_online);
	member->shown_here = json_field_string(one, "current_task_id") != NULL;
	member->shown_at = room->relay->now;
}

/*
 * The members of a room as they are, after the relay missed something: all
 * seats are told.
 */
void
room_state(Relay *relay, const StateRow *row)
{
	Room	   *room = room_find(relay, row->room_id);
	JsonText	text = {0};
	JsonValue  *state;
	const char *error;
	size_t		n;

	if (room == NULL)
		return;
	room_begin_event(room, &text, "room_state");
	json_text_raw(&text, ",\"members\":");
	json_text_raw_n(&text, row->members, row->members_len);
	if (row->members_total > 0)
	{
		json_text_raw(&text, ",\"members_total\":");
		json_text_integer(&text, row->members_total);
	}
	json_text_raw(&text, "}");
	state = text.failed ? NULL : json_parse(text.data, text.len, &error);
	n = state ? json_field_array_length(state, "members") : 0;
	for (size_t i = 0; n <= ROOM_LIVELY_MEMBERS && i < n; i++)
		room_read_state(room, json_field_array_object(state, "members", i));
	json_free(state);
	if (!text.failed)
		text.data[--text.len] = '\0';	/* room_tell() closes it */
	room_tell(room, &text, NULL, NULL);
}

/* Tells how a member is, to the room or one session. */
void
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
void
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
 * Nobody types here any more.
 */
void
room_end_typing(Room *room)
{
	Member	   *member;
	Member	   *next;

	HASH_ITER(hh, room->members, member, next)
		if (member->typing_until)
			room_set_typing(member, false);
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
	seat->typed = is_typing;
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
