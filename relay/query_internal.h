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

#define WAIT_LANES 3			/* spare connections, for what waits for locks */

/* One command on its way. */
typedef struct QueryCommand
{
	struct QueryCommand *next;
	char	   *user_id;		/* who asks */
	char	   *task_id;		/* what about; NULL: no task in particular */
	char	   *frame;			/* JSON text */
	size_t		frame_len;		/* its bytes */
	CommandDone done;			/* NULL: forgotten */
	void	   *arg;			/* of done */
	int			tries;			/* alone, so far */
	double		since;			/* clock_seconds() when it was put aside to go alone */
} QueryCommand;

typedef struct CommandList
{
	QueryCommand *first;
	QueryCommand **last;		/* where the next one goes */
	size_t		count;
} CommandList;

typedef enum LaneKind
{
	LANE_BATCHES,				/* of what only reads */
	LANE_BATCHES_IN_ORDER,		/* of what writes: a busy task's commands go alone */
	LANE_SPARE					/* one command at a time, and it may wait for locks */
} LaneKind;

/* A connection for commands: the next batch fills while one is under way. */
typedef struct Lane
{
	struct Query *query;		/* whose */
	PgConn	   *conn;			/* owned */
	const char *name;			/* a constant */
	bool		alone;			/* LANE_SPARE */
	bool		keeps_order;	/* LANE_BATCHES_IN_ORDER */
	double		started_at;		/* clock_seconds() when what is under way was sent */
	CommandList waiting;		/* for the next batch; of spare lanes: query->alone */
	CommandList running;		/* under way */
} Lane;

/* A task some of whose commands go alone. */
typedef struct BusyTask
{
	char	   *task_id;		/* owned */
	size_t		commands;		/* how many */
	UT_hash_handle hh;			/* in query->busy */
} BusyTask;

/* Who waits for a delivery cursor to be stored. */
typedef struct DeliveryWait
{
	struct DeliveryWait *next;
	CommandDone done;			/* NULL: forgotten */
	void	   *arg;			/* of done */
} DeliveryWait;

#define ACKS 4					/* of one cursor between two writes that are told apart */

/* A client said that it has received everything up to there. */
typedef struct Ack
{
	int64_t		seq;
	double		at;				/* clock_seconds() */
} Ack;

/* A room or user to look at; with what there is to say of it. */
typedef struct Entry
{
	char	   *key;			/* room_id or user_id, or both; owned */
	int64_t		room_id;
	char	   *user_id;		/* owned */
	char	   *task_id;		/* owned */
	int64_t		seq;
	bool		flag;			/* online, typing */
	Ack			acks[ACKS];		/* of a delivery cursor, by seq */
	int			ack_count;
	int			tries;			/* to store a delivery cursor, so far */
	DeliveryWait *waits;		/* owned */
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
	NEWS_FAREWELL, NEWS_REDEEM, NEWS_BEAT, NEWS_ONLINE, NEWS_ATTACH, NEWS_FETCH, NEWS_STATE, NEWS_CURSORS,
	NEWS_PRESENCE, NEWS_NOTIFICATIONS, NEWS_ACTIVITY, NEWS_TYPING, NEWS_DELIVERED, NEWS_POLL, NEWS_KINDS, NEWS_NONE = NEWS_KINDS
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
	Lane		wait[WAIT_LANES];	/* spare ones */
	CommandList alone;			/* commands that wait for a spare one */
	BusyTask   *busy;			/* by task_id: whose commands go alone */
	PgConn	   *news;
	NewsKind	doing;			/* what the news lane has under way */
	Entry	   *sets[NEWS_KINDS];	/* dirty rooms and users */
	Entry	   *taken;			/* what the statement under way is about */
	TicketWait *tickets;		/* to be redeemed */
	TicketWait *redeeming;		/* under way */
	bool		beat_due;
	bool		polling;		/* a round of the slow poll goes on */
	bool		delivered_due;
	bool		up;				/* told so */
	bool		beat_failed;	/* the last sign of life was not taken */
	bool		news_failed;	/* the last other statement of the news lane failed */
	double		refused_at;		/* clock_seconds() when it took no write or ran no commands; 0: the last write went well */
	char		epoch[64];		/* seen last; "" before */
	void		(*farewell_done) (void *arg);
	void	   *farewell_arg;
	ev_timer	poll;
	ev_timer	beat;
	ev_timer	delivered;
	ev_timer	soon;			/* answers what cannot be sent, in the next turn */
};

/* query.c */
extern void query_tell(Query *query);
extern void query_written(Query *query, const char *sqlstate);

/* query_sql.c: texts of arrays, cells of results */
extern void sql_array_add(JsonText *text, const char *element);
extern void sql_array_add_integer(JsonText *text, int64_t n);
extern const char *sql_array_end(JsonText *text);
extern const char *sql_cell(const PGresult *result, int row, int column);
extern int64_t sql_cell_integer(const PGresult *result, int row, int column);

/* query_set.c */
extern Entry *set_put(Entry **set, int64_t room_id, const char *user_id);
extern void set_drop(Entry **set, Entry *entry);
extern void entry_answer(Entry *entry, const CommandRow *row);
extern void entry_ack(Entry *entry, Ack ack);
extern void set_clear(Entry **set);
extern void set_move(Entry **from, Entry **to, Entry *entry);
extern size_t set_take(Entry **set, Entry **taken);
extern void set_put_back(Entry **set, Entry **taken);

/* query_list.c */
extern void list_init(CommandList *list);
extern void list_append(CommandList *list, QueryCommand *command);
extern void list_insert_sorted(CommandList *list, QueryCommand *command);
extern QueryCommand *list_take(CommandList *list, QueryCommand **place);
extern QueryCommand *list_pop(CommandList *list);
extern void list_fail(CommandList *list, const char *sqlstate, const char *message);
extern void list_forget(CommandList *list, const void *arg);
extern void list_free(CommandList *list);
extern void query_command_answer(QueryCommand *command, const CommandRow *rows, int nrows);
extern void query_command_fail(QueryCommand *command, const char *sqlstate, const char *message);
extern void query_command_free(QueryCommand *command);

/* query_lane.c */
extern bool lane_open(Lane *lane, Query *query, const char *name, const char *database, LaneKind kind);
extern void lane_close(Lane *lane);
extern void lane_free_alone(Query *query);
extern void lane_go(Lane *lane);
extern bool lane_add(Lane *lane, const char *user_id, const char *task_id, const char *frame, size_t frame_len,
					 CommandDone done, void *arg);
extern void lane_fail_running(Lane *lane, const char *sqlstate, const char *message);
extern void lane_fail_waiting(Lane *lane, const char *sqlstate, const char *message);
extern void lane_forget(Lane *lane, const void *arg);

/* query_news.c */
extern const PgConnEvents news_events;
extern void news_go(Query *query);
extern bool news_send(Query *query, const char *sql, int n, JsonText *arrays);
extern void news_forget(Query *query, const void *arg);
extern void news_free(Query *query);

/* query_rooms.c: each of the first kind sends a statement (false: nothing to do), of the second reads its answer */
extern bool news_fetch(Query *query);
extern bool news_state(Query *query);
extern bool news_cursors(Query *query);
extern bool news_activity(Query *query);
extern bool news_typing(Query *query);
extern bool news_delivered(Query *query);
extern bool news_poll(Query *query);
extern void poll_answer(Query *query, const PGresult *result);
extern void fetch_answer(Query *query, const PGresult *result);
extern void state_answer(Query *query, const PGresult *result);
extern void activity_answer(Query *query, const PGresult *result);
extern void delivered_answer(Query *query, const PGresult *result);
extern void cursors_answer(Query *query, const PGresult *result);
extern void news_delivered_failed(Query *query);

/* query_users.c: likewise */
extern bool news_farewell(Query *query);
extern bool news_redeem(Query *query);
extern bool news_beat(Query *query);
extern bool news_online(Query *query);
extern bool news_attach(Query *query);
extern bool news_presence(Query *query);
extern bool news_notifications(Query *query);
extern void redeem_answer(Query *query, const PGresult *result);
extern void beat_answer(Query *query, const PGresult *result);
extern void attach_answer(Query *query, const PGresult *result);
extern void presence_answer(Query *query, const PGresult *result);
extern void notifications_answer(Query *query, const PGresult *result);
extern void farewell_answer(Query *query, const PGresult *result);
extern void news_redeem_failed(Query *query);

#endif
