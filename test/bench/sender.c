/*
 * sender.c
 *	  Sends the messages: through SQL connections with one transaction in flight
 *	  each, or through the clients' own sockets.
 *
 * Paced, message n is due at its own time, whatever became of those before it,
 * and its latency counts from then: a server that stalls isn't spared what it
 * held up. In the closed loop so many messages are in flight, each until it is
 * committed and with everybody in its room. Commands: each of the first clients
 * sends the next when the reply to its last came.
 */
#include "load.h"

#include <errno.h>
#include <inttypes.h>
#include <libpq-fe.h>

typedef struct Sender
{
	PGconn	   *conn;
	uint64_t	first;			/* of the messages in flight */
	uint64_t	count;			/* of them; 0: idle */
} Sender;

static Sender *senders;
static long *idle;				/* a stack of those that aren't busy */
static long n_idle;
static bool by_socket;
static bool by_command;
static char *filling;			/* of the content, up to its length */

static int64_t began;
static int64_t end;
static uint64_t wanted;			/* messages of this phase */
static int64_t last_change;
static uint64_t last_progress;

/* Opens the SQL connections, where messages are sent by them. */
void
sender_open(void)
{
	by_socket = strcmp(options.publish, "socket") == 0;
	by_command = strcmp(options.mode, "commands") == 0;
	filling = load_alloc(1, (size_t) options.bytes + 1);
	memset(filling, 'x', (size_t) options.bytes);
	if (by_socket || by_command)
		return;
	if (options.url == NULL || options.statement == NULL)
		load_fail("options", "publish=sql needs url and statement");
	senders = load_alloc((size_t) options.senders, sizeof(Sender));
	idle = load_alloc((size_t) options.senders, sizeof(long));
	for (long i = 0; i < options.senders; i++)
	{
		PGconn	   *conn = PQconnectdb(options.url);
		PGresult   *result = PQprepare(conn, "send", options.statement, 3, NULL);

		if (PQresultStatus(result) != PGRES_COMMAND_OK || PQsetnonblocking(conn, 1) != 0 ||
			!PQenterPipelineMode(conn))
			load_fail("prepare", PQerrorMessage(conn));
		PQclear(result);
		senders[i].conn = conn;
		idle[n_idle++] = i;
		load_watch(PQsocket(conn), WATCH_SENDER | (uint64_t) i);
	}
}

/* Puts a statement into the connection's pipeline. */
static void
send_sql(Sender *sender, uint64_t number, const char *content)
{
	const Message *message = tally_message(number);
	char		user[24];
	char		task[24];
	const char *values[3] = {user, task, content};

	snprintf(user, sizeof(user), "u%" PRIu32, message->room / (uint32_t) options.rooms_each);
	snprintf(task, sizeof(task), "b%" PRIu32, message->room);
	if (!PQsendQueryPrepared(sender->conn, "send", 3, values, NULL, NULL, 0))
		load_fail("send", PQerrorMessage(sender->conn));
}

static void
send_socket(Client *client, uint64_t number, const char *content)
{
	Values		values = {
		.room = tally_message(number)->room,
		.user = (uint32_t) (client - clients),
		.number = number,
		.content = content,
	};

	if (dialect.send == NULL)
		load_fail("dialect", "has no send");
	client_say(client, dialect.send, &values);
}

/* sender NULL: through the client's socket. Returns the message's number. */
static uint64_t
send_message(uint32_t room, Client *client, Sender *sender, int64_t due)
{
	uint64_t	number = tally_sent(room, due);
	char		content[16384];
	int			length = snprintf(content, sizeof(content), "@%" PRIu64 ":%" PRId64 "@", number, due);

	if (length < options.bytes)
		snprintf(content + length, sizeof(content) - (size_t) length, "%.*s", (int) (options.bytes - length), filling);
	if (sender == NULL)
		send_socket(client, number, content);
	else
		send_sql(sender, number, content);
	return number;
}

/* Sends as many messages as go together; through SQL they are one transaction. */
static void
send_burst(int64_t due)
{
	static uint64_t all;		/* messages, those of earlier phases too */
	Sender	   *sender = by_socket ? NULL : &senders[idle[--n_idle]];

	for (long i = 0; i < options.burst; i++)
	{
		uint32_t	room = (uint32_t) (all++ % (uint64_t) options.rooms);
		uint64_t	number = send_message(room, &clients[room / (uint32_t) options.rooms_each], sender, due);

		if (sender != NULL && i == 0)
			sender->first = number;
	}
	if (sender == NULL)
		return;
	sender->count = (uint64_t) options.burst;
	if (!PQpipelineSync(sender->conn) || PQflush(sender->conn) < 0)
		load_fail("send", PQerrorMessage(sender->conn));
}

/* Its transaction has ended. */
static void
take_commit(long i)
{
	Sender	   *sender = &senders[i];
	int64_t		now = load_now();

	for (uint64_t k = 0; k < sender->count; k++)
		tally_committed(sender->first + k, now);
	sender->count = 0;
	idle[n_idle++] = i;
}

/* Takes what the connection has: for each statement its result and an end, then the end of all. */
void
sender_readable(long i)
{
	Sender	   *sender = &senders[i];

	if (!PQconsumeInput(sender->conn) || PQflush(sender->conn) < 0)
		load_fail("reply", PQerrorMessage(sender->conn));
	while (sender->count > 0 && !PQisBusy(sender->conn))
	{
		PGresult   *result = PQgetResult(sender->conn);
		ExecStatusType status = PQresultStatus(result);

		if (status == PGRES_PIPELINE_SYNC)
			take_commit(i);
		else if (result != NULL && status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
			load_fail("send", PQerrorMessage(sender->conn));
		PQclear(result);
	}
}

/* Begins to send so many messages, for so many seconds at most (0: no limit). */
void
sender_begin(uint64_t messages, double seconds)
{
	began = load_now();
	end = seconds > 0 ? began + (int64_t) (seconds * 1e9) : INT64_MAX;
	wanted = messages;
	last_change = began;
	last_progress = 0;
	for (long i = 0; by_command && i < options.in_flight; i++)
		sender_command(&clients[i]);
}

/* The client's command was answered: it sends the next one. */
void
sender_command(Client *client)
{
	int64_t		now = load_now();

	if (tally.sent < wanted && now < end)
		send_message(client->first_room, client, NULL, now);
}

/* Sends all that is due. Returns how long nothing else will be, in nanoseconds. */
int64_t
sender_due(void)
{
	while (!by_command && tally.sent < wanted)
	{
		int64_t		now = load_now();
		int64_t		due = now;

		if (options.rate > 0)
			due = began + (int64_t) ((double) tally.sent * 1e9 / (double) options.rate);
		else if (tally.sent - tally.complete >= (uint64_t) options.in_flight)
			break;
		if (due > now)
			return due - now;
		if (now >= end || (!by_socket && n_idle == 0))
			break;
		send_burst(due);
	}
	return SECOND / 20;
}

/* Is all sent and with everybody, or has nothing happened for ten seconds? */
bool
sender_done(void)
{
	uint64_t	progress = tally.deliveries + tally.committed + tally.sent;

	if (progress != last_progress)
	{
		last_progress = progress;
		last_change = load_now();
	}
	if ((tally.sent >= wanted || load_now() >= end) && tally.complete == tally.sent)
		return true;
	return load_now() - last_change > 10 * SECOND;
}
