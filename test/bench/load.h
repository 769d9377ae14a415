/*
 * load.h
 *	  What the files of the load generator share.
 */
#ifndef TASKCHAT_BENCH_LOAD_H
#define TASKCHAT_BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000000)
#define MAX_STEPS 8
#define MAX_PIDS 8

/* ---- dialect.c: how a peer is spoken to ---- */

typedef struct Step
{
	bool		say;			/* say the text, or wait for a frame with it */
	char	   *text;
} Step;

typedef struct Dialect
{
	char	   *path;
	char	   *header;			/* whole lines, or NULL */
	Step		steps[MAX_STEPS];
	int			n_steps;
	char	   *send;
	char	   *reply;			/* NULL: sends aren't answered */
	char	   *refused;
	char	   *seq;			/* NULL: messages aren't numbered by the server */
	char	   *ack;
	char	   *ping;			/* as a text frame, and its answer */
	char	   *pong;
	char	   *epoch;
	char	   *last_seq;		/* of a snapshot */
	char	   *reset;
	char	   *resume;
	char	   *resume_room;
} Dialect;

typedef struct Values
{
	uint32_t	room;
	uint32_t	user;
	uint64_t	number;
	uint64_t	seq;
	const char *content;
	const char *epoch;
	const char *rooms;
} Values;

extern Dialect dialect;
extern void dialect_read(const char *path);
extern void dialect_read_secret(const char *path);
extern size_t dialect_expand(char *out, size_t size, const char *template, const Values *values);
extern const char *dialect_find(const char *mark, const char *text, size_t length);

/* ---- options.c ---- */

typedef struct Options
{
	const char *mode;			/* messages, commands, idle, login, resume */
	const char *dialect;		/* file */
	const char *secret;			/* file of the tokens' key; NULL: no tokens */
	const char *publish;		/* sql, socket */
	const char *url;
	const char *statement;		/* $1 user, $2 task, $3 content */
	const char *pids;			/* of the server: a comma list */
	long		port;
	long		postmaster;		/* process, or 0 */
	long		clients;
	long		rooms;
	long		rooms_each;
	long		base;			/* clients that are there before log-ins are measured */
	long		opening;		/* log-ins under way at once */
	long		messages;		/* at most; 0: as many as seconds allow */
	long		warm;			/* messages before the measured ones */
	long		seconds;		/* of sending at most; 0: no limit */
	long		rate;			/* a second; 0: closed loop */
	long		burst;			/* messages that go together, in one transaction */
	long		in_flight;		/* closed loop */
	long		senders;		/* SQL connections */
	long		bytes;			/* length of the content */
	long		acks;			/* clients acknowledge what comes */
	long		stalled;		/* so many of the last clients stop reading */
	long		settle;			/* seconds between the last join and what is measured */
	long		window;			/* seconds that an idle server is watched */
	long		limit;			/* seconds after which the program gives up */
} Options;

extern Options options;
extern void options_read(int argc, char **argv);

/* ---- client.c ---- */

typedef enum ClientState
{
	CLIENT_ABSENT,
	CLIENT_UPGRADING,			/* waits for 101 */
	CLIENT_STEPPING,			/* is in the dialect's steps */
	CLIENT_READY,
	CLIENT_STALLED				/* reads no more */
} ClientState;

/* A client in one of its rooms. */
typedef struct Place
{
	uint64_t   *seen;			/* a bit for each message of the room */
	uint32_t	words;			/* of seen */
	uint64_t	seq;			/* of the last message that came */
	int64_t		latest;			/* when the latest sent of those that came was sent */
	char		epoch[40];
} Place;

typedef struct Client
{
	int			fd;
	ClientState state;
	uint8_t		step;
	uint32_t	room_at;		/* joins its rooms one after the other */
	uint32_t	first_room;
	int64_t		opened;			/* when */
	char	   *input;			/* what came and isn't a whole frame yet */
	size_t		used;
	size_t		size;
} Client;

extern Client *clients;
extern Place *places;			/* rooms_each for each client */
extern long n_ready;

extern void client_prepare(void);
extern void client_open_until(long count);
extern void client_reopen_all(void);
extern void client_close_all(void);
extern void client_stall(long count);
extern long client_count_closed(long count);
extern void client_say(Client *client, const char *template, const Values *values);
extern void client_readable(Client *client);

/* ---- sender.c: messages through libpq, and when they are due ---- */

extern void sender_open(void);
extern void sender_readable(long i);
extern int64_t sender_due(void);
extern void sender_begin(uint64_t messages, double seconds);
extern bool sender_done(void);
extern void sender_command(Client *client);

/* ---- tally.c: what came of the messages ---- */

/* Bounds of values: 64 steps to each power of two. */
#define HISTOGRAM_STEPS 64
#define HISTOGRAM_SIZE (58 * HISTOGRAM_STEPS)

typedef struct Histogram
{
	uint64_t	count[HISTOGRAM_SIZE];
	uint64_t	n;
	int64_t		max;
} Histogram;

typedef struct Message
{
	int64_t		due;
	int64_t		sent;
	int64_t		committed;		/* 0: not yet */
	uint32_t	room;
	uint32_t	place;			/* in the room's line: 0, 1, 2 … */
	uint32_t	wanted;			/* deliveries to come */
} Message;

typedef struct Tally
{
	uint64_t	sent;
	uint64_t	committed;
	uint64_t	complete;		/* committed and with everybody */
	uint64_t	expected;		/* deliveries */
	uint64_t	deliveries;
	uint64_t	duplicate;
	uint64_t	reordered;
	uint64_t	strange;		/* to a client that isn't in the room */
	uint64_t	early;			/* delivered before its commit was told */
	uint64_t	resets;
	uint64_t	other;			/* frames that are neither message nor reply */
	uint64_t	acks;
	Histogram	latency;		/* from when it was due to its delivery */
	Histogram	commit;			/* from when it was due to its commit */
	Histogram	after_commit;	/* from the commit to the delivery */
	Histogram	login;			/* from connect() to the last step */
} Tally;

extern Tally tally;
extern void tally_prepare(uint64_t messages);
extern uint64_t tally_sent(uint32_t room, int64_t due);
extern const Message *tally_message(uint64_t number);
extern void tally_committed(uint64_t number, int64_t at);
extern void tally_delivered(Client *client, uint64_t number, uint64_t seq, int64_t at);
extern void tally_restart(void);
extern void histogram_add(Histogram *histogram, int64_t value);
extern double histogram_ms(const Histogram *histogram, double quantile);

/* ---- load.c ---- */

extern int	load_epoll;
extern void load_fail(const char *what, const char *detail) __attribute__((noreturn));
extern int64_t load_now(void);
extern void *load_alloc(size_t n, size_t size);
extern void load_watch(int fd, uint64_t what);
extern void load_wait(int64_t nanoseconds);

#define WATCH_SENDER (UINT64_C(1) << 32)

/* ---- process.c ---- */

extern double process_family_cpu(int pid);
extern long process_family_pss(int pid);

#endif
