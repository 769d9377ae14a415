/*
 * load.h
 *	  What the files of the load generator share.
 */
#ifndef TASKCHAT_BENCH_LOAD_H
#define TASKCHAT_BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_CLIENTS 20000

typedef enum ClientState
{
	CLIENT_UPGRADING,			/* waits for 101 */
	CLIENT_LOGGING_IN,			/* waits for "welcome" */
	CLIENT_JOINING,				/* waits for the reply to its first frame */
	CLIENT_READY
} ClientState;

typedef struct Client
{
	int			fd;
	ClientState state;
	uint32_t	room;
	uint64_t	last;			/* seq of the last message that came */
	const char *task;
	const char *user;
	const char *token;
	const char *hello;			/* the first frame to send */
	char	   *input;			/* what came and isn't a whole frame yet */
	size_t		used;
	size_t		size;
} Client;

typedef struct Room
{
	Client	   *first;			/* who sends */
	uint32_t	members;
} Room;

typedef struct Load
{
	Client	   *clients;
	int			n_clients;
	int			n_ready;
	Room	   *rooms;
	uint32_t	n_rooms;
	int			epoll;
	uint64_t	sent;
	uint64_t	expected;		/* deliveries */
	uint64_t	deliveries;
	uint64_t	duplicate;
	uint64_t	reordered;
	uint64_t	strange;		/* of another room */
} Load;

/* load.c */
extern void load_fail(const char *what, const char *detail) __attribute__((noreturn));
extern int64_t load_now(void);
extern void load_delivered(Client *client, const char *frame, size_t length);

/* client.c */
extern void client_open_all(Load *load, int port);
extern void client_watch(Load *load, int fd, Client *client);
extern void client_wait(Load *load, int milliseconds);

/* process.c */
extern double process_cpu(int pid);
extern double process_family_cpu(int pid);
extern long process_pss(int pid);

#endif
