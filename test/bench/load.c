/*
 * load.c
 *	  The load of a benchmark: many WebSocket clients in rooms, messages sent
 *	  through SQL, and what came of it as one line of JSON.
 *
 * A file names the clients, one a line, separated by tabs: the number of the
 * room, its task, the user, the token of the log-in header, the first frame to
 * send. Lines of one room stand together; the first user of a room sends its
 * messages. A message's content is "@room:sender:nanoseconds@", and its place in the
 * room's line is "seq":N in the frame; both are looked for in the text as it
 * is, so any server that passes them on can be measured. Deliveries are counted
 * for each client: missing, twice, reordered.
 *
 * Each of the SQL connections has one message in flight: the closed loop sends
 * the next when the last is committed and delivered to all of its room, the
 * paced one when it is due. Latency counts from when a message was due.
 * WebSocket clients are in client.c, figures of processes in process.c.
 */
#include "load.h"

#include <libpq-fe.h>

#include <errno.h>
#include <inttypes.h>
#include <sys/resource.h>

typedef struct Sender
{
	PGconn	   *conn;
	bool		asked;			/* the statement isn't answered yet */
	uint32_t	wanted;			/* deliveries of its message still to come */
	int64_t		at;				/* when it was due */
} Sender;

static Load load;
static Sender *senders;
static int	n_senders;
static int64_t *latencies;
static int64_t *commits;
static size_t n_latencies;
static size_t n_commits;

void
load_fail(const char *what, const char *detail)
{
	fprintf(stderr, "load: %s: %s\n", what, detail);
	exit(1);
}

int64_t
load_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

static void *
must_alloc(size_t n, size_t size)
{
	void	   *p = calloc(n, size);

	if (p == NULL)
		load_fail("memory", strerror(errno));
	return p;
}

/* A text frame came: finds the message in it, if there is one, and counts it. */
void
load_delivered(Client *client, const char *frame, size_t length)
{
	const char *at = memchr(frame, '@', length);
	const char *place = memmem(frame, length, "\"seq\":", 6);
	unsigned	room;
	unsigned	sender;
	uint64_t	number;
	int64_t		due;

	if (at == NULL || place == NULL || sscanf(at, "@%u:%u:%" SCNd64 "@", &room, &sender, &due) != 3)
		return;
	number = strtoull(place + 6, NULL, 10);
	load.deliveries++;
	if (room != client->room)
		load.strange++;
	else if (number <= client->last)
		load.duplicate++;
	else
	{
		if (client->last != 0 && number != client->last + 1)
			load.reordered++;
		client->last = number;
	}
	if (n_latencies < load.expected)
		latencies[n_latencies++] = load_now() - due;
	if (sender < (unsigned) n_senders && senders[sender].at == due && senders[sender].wanted > 0)
		senders[sender].wanted--;
}

static void
read_clients(const char *path)
{
	FILE	   *file = fopen(path, "r");
	char	   *line = NULL;
	size_t		size = 0;

	if (file == NULL)
		load_fail(path, strerror(errno));
	while (getline(&line, &size, file) > 0)
	{
		char	   *rest = strdup(line);
		Client	   *client;

		if (load.n_clients == MAX_CLIENTS || rest == NULL)
			load_fail(path, "too many clients");
		client = &load.clients[load.n_clients++];
		client->room = (uint32_t) strtoul(strsep(&rest, "\t"), NULL, 10);
		client->task = strsep(&rest, "\t");
		client->user = strsep(&rest, "\t");
		client->token = strsep(&rest, "\t");
		client->hello = strsep(&rest, "\n");
		if (client->hello == NULL || client->room >= MAX_CLIENTS)
			load_fail(path, "a line is malformed");
		if (load.rooms[client->room].members++ == 0)
			load.rooms[client->room].first = client;
		if (client->room >= load.n_rooms)
			load.n_rooms = client->room + 1;
	}
	free(line);
	fclose(file);
	if (load.n_clients == 0)
		load_fail(path, "no clients");
}

static void
open_senders(const char *url, const char *statement)
{
	for (int i = 0; i < n_senders; i++)
	{
		PGconn	   *conn = PQconnectdb(url);
		PGresult   *result = PQprepare(conn, "send", statement, 3, NULL);

		if (PQresultStatus(result) != PGRES_COMMAND_OK || PQsetnonblocking(conn, 1) != 0)
			load_fail("prepare", PQerrorMessage(conn));
		PQclear(result);
		senders[i].conn = conn;
		client_watch(&load, PQsocket(conn), NULL);
	}
}

static void
send_message(int i, int64_t due)
{
	Sender	   *sender = &senders[i];
	uint32_t	n = (uint32_t) (load.sent++ % load.n_rooms);
	Room	   *room = &load.rooms[n];
	char		content[96];
	const char *values[3] = {room->first->user, room->first->task, content};

	snprintf(content, sizeof(content), "@%" PRIu32 ":%d:%" PRId64 "@", n, i, due);
	sender->asked = true;
	sender->wanted = room->members;
	sender->at = due;
	if (!PQsendQueryPrepared(sender->conn, "send", 3, values, NULL, NULL, 0) || PQflush(sender->conn) < 0)
		load_fail("send", PQerrorMessage(sender->conn));
}

static void
take_replies(void)
{
	for (int i = 0; i < n_senders; i++)
	{
		PGresult   *result;

		if (!senders[i].asked)
			continue;
		if (!PQconsumeInput(senders[i].conn) || PQflush(senders[i].conn) < 0)
			load_fail("reply", PQerrorMessage(senders[i].conn));
		while (senders[i].asked && !PQisBusy(senders[i].conn))
		{
			result = PQgetResult(senders[i].conn);
			if (result == NULL)
			{
				senders[i].asked = false;
				commits[n_commits++] = load_now() - senders[i].at;
			}
			else if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
				load_fail("send", PQerrorMessage(senders[i].conn));
			PQclear(result);
		}
	}
}

/* Sends all that is due. Returns how long to wait, in milliseconds. */
static int
send_due(uint64_t messages, double rate, int64_t began)
{
	for (int i = 0; i < n_senders && load.sent < messages; i++)
	{
		int64_t		now = load_now();
		int64_t		due = rate > 0 ? began + (int64_t) (load.sent * 1e9 / rate) : now;

		if (due > now)
			return (int) ((due - now) / 1000000);
		if (senders[i].asked || (rate <= 0 && senders[i].wanted > 0))
			continue;
		send_message(i, due);
	}
	return 5;
}

/* Ends 10 s after the last thing happened, at the latest. */
static int64_t
run(uint64_t messages, double rate)
{
	int64_t		began = load_now();
	int64_t		last = began;
	uint64_t	before = 0;

	while (load.deliveries < load.expected || n_commits < messages)
	{
		client_wait(&load, send_due(messages, rate, began));
		take_replies();
		if (load.deliveries + n_commits != before)
			last = load_now();
		else if (load_now() - last > INT64_C(10000000000))
			break;
		before = load.deliveries + n_commits;
	}
	return last - began;
}

static int
by_size(const void *a, const void *b)
{
	int64_t		x = *(const int64_t *) a;
	int64_t		y = *(const int64_t *) b;

	return (x > y) - (x < y);
}

static double
milliseconds(const int64_t *sorted, size_t n, double quantile)
{
	return n == 0 ? 0 : (double) sorted[(size_t) ((double) (n - 1) * quantile)] / 1e6;
}

static void
report(uint64_t messages, int64_t took, double relay_cpu, double postgres_cpu, long pss)
{
	qsort(latencies, n_latencies, sizeof(int64_t), by_size);
	qsort(commits, n_commits, sizeof(int64_t), by_size);
	printf("{\"connections\":%d,\"rooms\":%u,\"messages\":%" PRIu64 ",\"seconds\":%.3f,"
		   "\"messages_per_second\":%.1f,\"deliveries\":%" PRIu64 ",\"missing\":%" PRId64 ","
		   "\"duplicate\":%" PRIu64 ",\"reordered\":%" PRIu64 ",\"strange\":%" PRIu64 ",",
		   load.n_clients, load.n_rooms, messages, (double) took / 1e9,
		   (double) n_commits / ((double) took / 1e9), load.deliveries,
		   (int64_t) load.expected - (int64_t) (load.deliveries - load.duplicate),
		   load.duplicate, load.reordered, load.strange);
	printf("\"latency_ms\":{\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f},\"commit_ms\":{\"p50\":%.3f,\"p99\":%.3f},"
		   "\"server_cpu_us_per_delivery\":%.3f,\"server_cpu_us_per_message\":%.2f,"
		   "\"postgres_cpu_us_per_message\":%.2f,\"server_pss_kib\":%ld}\n",
		   milliseconds(latencies, n_latencies, 0.5), milliseconds(latencies, n_latencies, 0.99),
		   milliseconds(latencies, n_latencies, 1), milliseconds(commits, n_commits, 0.5),
		   milliseconds(commits, n_commits, 0.99), relay_cpu * 1e6 / (double) load.expected,
		   relay_cpu * 1e6 / (double) messages, postgres_cpu * 1e6 / (double) messages, pss);
}

int
main(int argc, char **argv)
{
	struct rlimit files;
	uint64_t	messages;
	double		rate;
	double		relay_cpu;
	double		postgres_cpu;
	int64_t		took;

	if (argc != 10)
	{
		fprintf(stderr, "usage: load PORT CLIENTS URL STATEMENT MESSAGES RATE SENDERS SERVER_PID POSTMASTER_PID\n"
				"RATE 0 is the closed loop, with SENDERS messages in flight\n");
		return 2;
	}
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	messages = strtoull(argv[5], NULL, 10);
	rate = strtod(argv[6], NULL);
	n_senders = atoi(argv[7]);
	if (messages == 0 || n_senders <= 0)
		load_fail("arguments", "MESSAGES and SENDERS must be positive");
	load.clients = must_alloc(MAX_CLIENTS, sizeof(Client));
	load.rooms = must_alloc(MAX_CLIENTS, sizeof(Room));
	read_clients(argv[2]);
	for (uint64_t i = 0; i < messages; i++)
		load.expected += load.rooms[i % load.n_rooms].members;
	latencies = must_alloc(load.expected, sizeof(int64_t));
	commits = must_alloc(messages, sizeof(int64_t));
	senders = must_alloc((size_t) n_senders, sizeof(Sender));
	client_open_all(&load, atoi(argv[1]));
	open_senders(argv[3], argv[4]);
	relay_cpu = process_cpu(atoi(argv[8]));
	postgres_cpu = process_family_cpu(atoi(argv[9]));
	took = run(messages, rate);
	relay_cpu = process_cpu(atoi(argv[8])) - relay_cpu;
	postgres_cpu = process_family_cpu(atoi(argv[9])) - postgres_cpu;
	report(messages, took, relay_cpu, postgres_cpu, process_pss(atoi(argv[8])));
	return load.deliveries == load.expected && load.duplicate + load.reordered + load.strange == 0 ? 0 : 1;
}
