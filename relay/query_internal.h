/*
 * query_internal.h
 *	  What the files of the query module share: the lanes of commands, the
 *	  sets of what is to be looked at, and the module's state.
 */
#ifndef TASKCHAT_QUERY_INTERNAL_H
#define TASKCHAT_QUERY_INTERNAL_H

#include <ev.h>
#include <libpq-fe.h>
#include <uthash.h>

#include "codec.h"
#include "listener.h"
#include "pgconn.h"
#include "query.h"

/* One command on its way. */
typedef struct QueryCommand
{
	struct QueryCommand *next;
	char	   *user_id;
	char	   *frame;
	size_t		frame_len;
	CommandDone done;			/* NULL: forgotten */
	void	   *arg;
	int			tries;			/* alone, so far */
} QueryCommand;

typedef struct CommandList
{
	QueryCommand *first;
	QueryCommand **last;
	size_t		count;
} CommandList;

/* A connection for commands: the next batch fills while one is under way. */
typedef struct Lane
{
	struct Query *query;
	PgConn	   *conn;
	const char *name;
	bool		alone;			/* one command at a time, and it may wait for locks */
	CommandList waiting;
	CommandList running;
} Lane;

/* A room or user to look at; with what there is to say of it. */
typedef struct Entry
{
	char	   *key;			/* room_id or user_id, or both; owned */
	int64_t		room_id;
	char	   *user_id;		/* owned */
	char	   *task_id;		/* owned */
	int64_t		seq;
	bool		flag;			/* online, typing */
	UT_hash_handle hh;
} Entry;

typedef struct TicketWait
{
	struct TicketWait *next;
	char	   *ticket;
	TicketDone	done;
	void	   *arg;
} TicketWait;

/* What the news lane can do, in order of urgency. */
typedef enum NewsKind
{
	NEWS_FAREWELL, NEWS_REDEEM, NEWS_BEAT, NEWS_ONLINE, NEWS_FETCH, NEWS_CURSORS, NEWS_PRESENCE,
	NEWS_NOTIFICATIONS, NEWS_TYPING, NEWS_DELIVERED, NEWS_KINDS, NEWS_NONE = NEWS_KINDS
} NewsKind;

struct Query
{
	struct ev_loop *loop;		/* borrowed */
	const QueryEvents *events;	/* borrowed */
	void	   *arg;			/* of the events */
	char		relay_id[80];
	Listener   *listener;
	Lane		read;
	Lane		write;
	Lane		wait;
	PgConn	   *news;
	NewsKind	doing;			/* what the news lane has under way */
	Entry	   *sets[NEWS_KINDS];	/* dirty rooms and users */
	Entry	   *taken;			/* what the statement under way is about */
	Entry	   *known;			/* rooms that the slow poll looks at */
	TicketWait *tickets;		/* to be redeemed */
	TicketWait *redeeming;		/* under way */
	bool		beat_due;
	bool		delivered_due;
	bool		up;				/* told so */
	char		epoch[64];		/* seen last; "" before */
	int			max_content_bytes;
	void		(*farewell_done) (void *arg);
	void	   *farewell_arg;
	ev_timer	poll;
	ev_timer	beat;
	ev_timer	delivered;
	ev_timer	soon;			/* answers what cannot be sent, in the next turn */
};

/* query.c */
extern void query_tell(Query *query);

/* query_sql.c: texts of arrays, cells of results */
extern void sql_array_add(JsonText *text, const char *element);
extern void sql_array_add_integer(JsonText *text, int64_t n);
extern const char *sql_array_end(JsonText *text);
extern const char *sql_cell(const PGresult *result, int row, int column);
extern int64_t sql_cell_integer(const PGresult *result, int row, int column);

/* query_set.c */
extern Entry *set_put(Entry **set, int64_t room_id, const char *user_id);
extern void set_drop(Entry **set, Entry *entry);
extern void set_clear(Entry **set);
extern size_t set_take(Entry **set, Entry **taken);
extern void set_put_back(Entry **set, Entry **taken);

/* query_lane.c */
extern bool lane_open(Lane *lane, Query *query, const char *name, const char *database, bool alone);
extern void lane_close(Lane *lane);
extern void lane_go(Lane *lane);
extern bool lane_add(Lane *lane, const char *user_id, const char *frame, size_t frame_len, CommandDone done, void *arg);
extern void lane_fail_waiting(Lane *lane, const char *sqlstate, const char *message);
extern void lane_forget(Lane *lane, const void *arg);

/* query_news.c */
extern const PgConnEvents news_events;
extern void news_go(Query *query);
extern void news_redeem_failed(Query *query);
extern void news_free(Query *query);

#endif
