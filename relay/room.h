/*
 * room.h
 *	  A room with at least one joined session: who sits in it, who its members
 *	  are, and how far its line has been sent.
 */
#ifndef TASKCHAT_ROOM_H
#define TASKCHAT_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "query.h"
#include "relay.h"
#include "session.h"

/* Rooms of more members get no state events and no typing. */
#define ROOM_LIVELY_MEMBERS 50

typedef struct Room Room;
typedef struct Member Member;
typedef struct Seat Seat;
struct User;

typedef enum JoinOutcome
{
	JOIN_SEATED, JOIN_AGAIN, JOIN_LIMIT, JOIN_NO_MEMORY
} JoinOutcome;

/* Sessions */
extern JoinOutcome room_join(Session *session, const CommandRow *row);
extern void room_catch_up(Session *session);
extern bool room_leave(Session *session, const char *task_id, const char *applicant_id);
extern void room_leave_all(Session *session);
extern Seat *room_find_seat(Session *session, const char *task_id, const char *applicant_id);
extern int64_t room_seat_id(const Seat *seat);
extern bool room_seat_is_observer(const Seat *seat);
extern bool room_has_session(const Session *session, int64_t room_id);
extern bool room_seat_is_closed(const Seat *seat);
extern void room_typing(Seat *seat, bool is_typing);

/* News from the database */
extern Room *room_find(Relay *relay, int64_t room_id);
extern size_t room_count(const Relay *relay);
extern int64_t room_position(const Room *room);
extern void room_event(Relay *relay, const FetchRow *row);
extern void room_bell(Relay *relay, int64_t room_id, const char *payload);
extern void room_state(Relay *relay, const StateRow *row);
extern void room_cursor(Relay *relay, const CursorRow *row);
extern void room_remote_typing(Relay *relay, int64_t room_id, const char *user_id, bool is_typing);
extern void room_show_presence(struct User *user);

/* Time and the whole */
extern void room_tick_all(Relay *relay);
extern void room_look_again_all(Relay *relay, bool missed);
extern void room_poll(Relay *relay);
extern size_t room_poll_next(Relay *relay, PolledRoom *rooms, size_t most);
extern void room_free_all(Relay *relay);

#endif
