/*
 * relay.h
 *	  The live state of one relay process: its sessions, rooms and users, and
 *	  what the database module reports to them.
 */
#ifndef TASKCHAT_RELAY_H
#define TASKCHAT_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth.h"
#include "config.h"
#include "metrics.h"
#include "query.h"
#include "wheel.h"

struct Session;
struct Room;
struct User;
struct Command;
struct Watch;
struct WatchedRoom;
struct ApiCall;
struct ParkedRoom;

typedef struct Relay
{
	const Config *config;		/* borrowed; may be replaced between turns */
	const Auth *auth;			/* borrowed; may be replaced between turns */
	Query	   *query;			/* borrowed; set before the first session */
	char		id[64];			/* names this process in the database */
	int64_t		now;			/* monotonic milliseconds of this turn */
	int64_t		wall;			/* Unix milliseconds of this turn */
	int			max_content_bytes;	/* the database's limit, told in welcome */
	bool		draining;		/* no new work is taken */
	uint64_t	last_session;	/* the highest session number given */
	size_t		nsessions;		/* how many sessions live */
	struct Session *sessions;	/* all of them */
	Wheel		wheel;			/* sessions by when they are to be looked at */
	int64_t		clock_lead;		/* wall less now, as the wheel's times were reckoned */
	struct Room *rooms;			/* by room_id: those with a joined session */
	struct Room *polled;		/* the next one of the slow poll's round, or NULL */
	unsigned	poll_round;		/* number of that round */
	struct Room *busy;			/* rooms with something that ends by time */
	struct User *users;			/* by user_id: with a session or a seat in a room */
	struct User *leaving;		/* users whose grace before offline runs */
	struct User *lingering;		/* users who are kept for their limits only */
	struct ApiCall *calls;		/* requests over HTTP under way */
	struct ParkedRoom *parked;	/* by room_id: where such wait for an event */
	size_t		ncalls;			/* how many requests */
	Metrics		metrics;		/* what is counted */
	struct Watch *watches;		/* by room and user: where connected users are members */
	struct WatchedRoom *watched;	/* by room_id */
	struct WatchedRoom *due;	/* rooms that rang too early to be looked at again */
	size_t		attaching;		/* users whose rooms are being read */
	bool		was_up;			/* the database was within reach before */
	struct Command *orphans;	/* commands under way whose session is gone */
} Relay;

/* How much one may still ask; refilled as time passes. */
typedef struct Bucket
{
	int64_t		level;			/* thousandths of a token */
	int64_t		filled_at;		/* when level was right; 0: never used */
} Bucket;

extern void relay_init(Relay *relay, const Config *config, const Auth *auth);
extern void relay_take_over(Relay *relay, const Config *config, const Auth *auth);
extern void relay_release(Relay *relay);
extern void relay_set_time(Relay *relay);
extern void relay_tick(Relay *relay);
extern void relay_drain(Relay *relay);
extern const QueryEvents *relay_query_events(void);
extern int64_t relay_bucket_take(Bucket *bucket, int64_t now, int64_t rate, int64_t burst);

#endif
