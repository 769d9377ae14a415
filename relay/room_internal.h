/*
 * room_internal.h
 *	  What the files of the room module share: rooms, seats and members.
 */
#ifndef TASKCHAT_ROOM_INTERNAL_H
#define TASKCHAT_ROOM_INTERNAL_H

#include <uthash.h>
#include <utlist.h>

#include "presence.h"
#include "room.h"

#define RING_LEAST 4			/* recent frames kept for late joiners: at first … */
#define RING_MOST 64			/* … and where so many come; a power of two times that */
#define CROWD 64				/* seats from which on events may wait for each other */
#define COMPANY 4				/* so many events at most are waited for */
#define SLOW_PACE 64			/* ms between events after which none is expected */

/* One session in one room. */
struct Seat
{
	Room	   *room;			/* where */
	Session    *session;		/* who */
	int64_t		skip;			/* the snapshot's last seq: send none up to it */
	bool		fresh;			/* the join's reply is queued, catching up is not done */
	bool		typed;			/* it said last that its user types */
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
	size_t		nseats;			/* how many */
	Member	   *members;		/* by user_id; empty when more than 50 */
	Recent	   *ring;			/* ring_size places, at seq modulo that; NULL: nothing was sent lately */
	int			ring_size;
	int64_t		sent_at;		/* when the last event was sent */
	int			pace;			/* mean distance of its events, in eighths of ms; of a crowd */
	int			gathered;		/* its events that go out together next … */
	int64_t		gathers_from;	/* … and when the first came */
	Room	   *busy_prev;		/* in relay->busy */
	Room	   *busy_next;
	UT_hash_handle hh;			/* in relay->rooms */
};

/* room.c */
extern void room_begin_event(const Room *room, JsonText *text, const char *type);
extern void room_tell(Room *room, JsonText *text, const User *except, Session *only);

/* room_member.c */
extern Member *room_find_member(Room *room, const char *user_id);
extern bool room_is_lively(Room *room);
extern Member *room_add_member(Room *room, const char *user_id);
extern void room_drop_member(Member *member);
extern void room_read_members(Room *room, const JsonValue *reply);
extern void room_tell_cursors(Member *member, bool read, bool delivered, Session *only);
extern void room_settle_cursors(Member *member);
extern void room_tell_presence(Member *member, Session *only);
extern void room_end_typing(Room *room);
extern void room_set_typing(Member *member, bool is_typing);

/* room_seat.c */
extern Seat *room_seat_of(Room *room, const Session *session);
extern void room_tell_removed(Seat *seat, const char *reason);
extern void room_unseat(Seat *seat);
extern void room_forget(Room *room);
extern void room_free(Room *room);

#endif
