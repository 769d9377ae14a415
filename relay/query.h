/*
 * query.h
 *	  What the rest of the relay asks of the database.
 *
 * Requests gather in lanes (one database connection each); while a lane's
 * batch is under way the next one fills.  Nothing here blocks.  Strings given
 * are copied; strings handed to callbacks live until the callback returns.
 * Every request is answered by exactly one "done" (or its rows and then done);
 * a request that is dropped because the database is out of reach is answered
 * with sqlstate "08006".  A callback may make new requests.
 */
#ifndef TASKCHAT_QUERY_H
#define TASKCHAT_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "seal.h"

typedef struct Query Query;

/* One row of relay_run (extension/sql/relay.sql); pointers are NULL for SQL NULL. */
typedef struct CommandRow
{
	int64_t		room_id;		/* 0: none */
	int64_t		seq;			/* 0: none */
	const char *role;
	const char *sqlstate;		/* NULL: done */
	const char *constraint_name;
	const char *message;
	const char *data;			/* JSON text */
	size_t		data_len;
} CommandRow;

/* All rows of one command (at least one), after its transaction has ended. */
typedef void (*CommandDone) (void *arg, const CommandRow *rows, int nrows);

typedef enum CommandLane
{
	LANE_READ,					/* joins, pages, presence: no commit to wait for */
	LANE_WRITE					/* what is stored: messages, edits, marks */
} CommandLane;

typedef struct FetchRow
{
	int64_t		room_id;
	int64_t		seq;			/* 0 for room_deleted and reset */
	const char *kind;
	const char *user_id;
	const char *role;
	const char *event;			/* JSON text of the frame */
	size_t		event_len;
} FetchRow;

typedef struct CursorRow
{
	int64_t		room_id;
	const char *user_id;
	const char *role;
	int64_t		last_read_seq;
	int64_t		last_delivered_seq;
} CursorRow;

typedef struct PresenceRow
{
	const char *user_id;
	bool		is_online;
	const char *last_seen;		/* RFC 3339 or NULL */
	const char *current_task_id;
} PresenceRow;

/* Members of a room as at join. */
typedef struct StateRow
{
	int64_t		room_id;
	const char *members;		/* JSON array */
	size_t		members_len;
	int64_t		members_total;	/* 0: these are all */
} StateRow;

/* A user with a session: first room_id 0, then a row a room. */
typedef struct AttachRow
{
	const char *user_id;
	int64_t		room_id;		/* 0: the user itself */
	int64_t		seq;			/* last notification's, or the room's last */
	int64_t		ended;			/* how often sessions were ended; of room_id 0 only */
} AttachRow;

/* What is unread for one user in one room. */
typedef struct ActivityRow
{
	int64_t		room_id;
	const char *user_id;
	const char *task_id;
	const char *applicant_id;
	int64_t		last_seq;
	int64_t		unread;
	bool		others;			/* somebody else's message came after the seq asked about */
} ActivityRow;

/* What replies may hold; asked for before each batch. */
typedef struct QueryLimits
{
	int			max_bytes;		/* of a reply's data */
	int			max_events;		/* of one room in a resume */
	int			max_rooms;		/* joined by one frame */
} QueryLimits;

typedef struct NotificationRow
{
	const char *user_id;
	int64_t		seq;
	const char *event;			/* NULL: only tells the last seq */
	size_t		event_len;
} NotificationRow;

/* A room whose line the slow poll looks at. */
typedef struct PolledRoom
{
	int64_t		room_id;
	int64_t		position;		/* last seq sent */
} PolledRoom;

/* What the query module tells its owner; all from the event loop. */
typedef struct QueryEvents
{
	void		(*content_limit) (void *arg, int max_content_bytes);	/* of the database; before up, and again later */
	void		(*up) (void *arg, const char *epoch, bool epoch_changed);	/* listening again: catch up everything */
	void		(*down) (void *arg);	/* commands or events do not flow */
	void		(*bell) (void *arg, const char *payload);	/* a doorbell; own typing is not reported */
	void		(*fetch_row) (void *arg, const FetchRow *row);
	void		(*fetch_done) (void *arg, const int64_t *rooms, int nrooms, bool ok);
	void		(*cursor_row) (void *arg, const CursorRow *row);
	void		(*presence_row) (void *arg, const PresenceRow *row);
	void		(*notification_row) (void *arg, const NotificationRow *row);
	void		(*state_row) (void *arg, const StateRow *row);
	void		(*attach_row) (void *arg, const AttachRow *row);
	void		(*attach_done) (void *arg, const char *user_id, bool ok);	/* all rows of that user came */
	void		(*activity_row) (void *arg, const ActivityRow *row);
	void		(*poll) (void *arg);	/* every few seconds: mark what is to be looked at without a bell; a round of poll_rooms begins */
	void		(*limits) (void *arg, QueryLimits *limits);
	bool		(*abandoned) (void *arg, CommandDone done, const void *command);	/* nobody waits for the answer that done(command) is to have */
	size_t		(*poll_rooms) (void *arg, PolledRoom *rooms, size_t most);	/* the next ones of the poll's round; 0: it is over */
	int64_t		(*room_position) (void *arg, int64_t room_id);	/* last seq sent; -1: not wanted any more */
	int64_t		(*notification_position) (void *arg, const char *user_id);	/* last seq sent; -1: not known yet; -2: not wanted */
	void		(*register_all) (void *arg);	/* presence lease was new: call query_online for every user */
} QueryEvents;

struct ev_loop;
struct Config;

/*
 * database: conninfo or URI ("": libpq's defaults).  Begins to connect at
 * once; NULL when out of memory or the conninfo cannot be parsed (*error is
 * then a message to be freed by the caller).
 */
extern Query *query_new(struct ev_loop *loop, const char *database, const char *relay_id,
						const QueryEvents *events, void *arg, char **error);
extern void query_free(Query *query);

extern bool query_ready(const Query *query);	/* all connections stand */
extern bool query_flows(const Query *query);	/* commands and events flow: the database takes what it is told, too */

/*
 * frame: JSON text of a client frame.  task_id: the task that it is about, or
 * NULL.  Commands of one lane about one task start in the order given.
 */
extern bool query_command(Query *query, CommandLane lane, const char *user_id, const char *task_id,
						  const char *frame, size_t frame_len, CommandDone done, void *arg);

/* Forget the callbacks of all commands with this arg (their owner goes away). */
extern void query_forget(Query *query, const void *arg);

/*
 * Opens the payload of a bell that brings an event along (e).  False: it is to
 * be fetched, as with any other bell.  The event lives until the next call.
 */
extern bool query_open(Query *query, const char *payload, SealedEvent *event);

/* Mark for the next batch; marking twice is once. */
extern void query_fetch(Query *query, int64_t room_id);
extern void query_cursors(Query *query, int64_t room_id);
extern void query_state(Query *query, int64_t room_id);
extern void query_attach(Query *query, const char *user_id);
extern void query_activity(Query *query, int64_t room_id, const char *user_id, int64_t after);
extern void query_presence(Query *query, const char *user_id);
extern void query_notifications(Query *query, const char *user_id);

extern void query_online(Query *query, const char *user_id, const char *task_id, bool online);
/*
 * Merged: one write a second a member.  done may be NULL; it is called once the
 * cursor is stored, or with 55P03 when somebody holds the row for seconds.
 */
extern void query_delivered(Query *query, int64_t room_id, const char *user_id, int64_t seq, CommandDone done, void *arg);
extern void query_typing(Query *query, int64_t room_id, const char *user_id, bool typing);

typedef void (*TicketDone) (void *arg, bool reached, const char *user_id);	/* reached false: database out of reach; user_id NULL: not valid */
extern void query_redeem(Query *query, const char *ticket, TicketDone done, void *arg);

/* Says farewell for this relay's users, then calls done (also when it cannot be said). */
extern void query_farewell(Query *query, void (*done) (void *arg), void *arg);

#endif
