/*
 * load.c
 *	  The load of a benchmark: many WebSocket clients in rooms, messages sent
 *	  through SQL or through the sockets, and what came of it as one line of
 *	  JSON. test/bench/load.h has the options, dialect.c what a peer is.
 *
 * Client c is user "u<c>" and is in the rooms (c * rooms_each) % rooms and
 * following; room r is task "b<r>", and its messages are sent by the first
 * client in it. A message's content is "@number:nanoseconds@xxx…", which is looked
 * for in frames as they come.
 *
 *	messages		log in, join, send; deliveries, latencies, CPU
 *	commands		the same, each of in_flight clients as fast as replies come
 *	login			the log-ins past the first base ones are what is measured
 *	idle			nothing is sent; CPU of window seconds
 *	resume			"joined" on stderr, waits for "down" on stdin, sends a message
 *					to each room, "missed", waits for "up PID", reconnects all
 *
 * Exit status 0: everything was delivered once and in order; 1: not so; 2: the
 * run failed, the reason is on stderr.
 */
#include "load.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* What was used up to a moment. */
typedef struct Used
{
	int64_t		at;
	double		wall;			/* seconds since 1970 */
	double		server;			/* CPU seconds */
	double		postgres;
	double		self;
	long		pss;			/* KiB */
} Used;

int			load_epoll;
static int	pids[MAX_PIDS];
static int	n_pids;

void
load_fail(const char *what, const char *detail)
{
	fprintf(stderr, "load: %s: %s\n", what, detail);
	exit(2);
}

static void
over_time(int signal)
{
	static const char text[] = "load: took longer than the limit\n";

	_exit(write(STDERR_FILENO, text, sizeof(text) - 1) < 0 ? 3 : 2);
}

int64_t
load_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * SECOND + now.tv_nsec;
}

void *
load_alloc(size_t n, size_t size)
{
	void	   *p = calloc(n, size);

	if (p == NULL)
		load_fail("memory", strerror(errno));
	return p;
}

/* Watches a socket: of the client of that number, or WATCH_SENDER and a number. */
void
load_watch(int fd, uint64_t what)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = what};

	if (epoll_ctl(load_epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		load_fail("epoll", strerror(errno));
}

/* Waits at most so long, and reads what came; commits before what follows them. */
void
load_wait(int64_t nanoseconds)
{
	struct epoll_event events[512];
	struct timespec timeout = {.tv_sec = nanoseconds / SECOND, .tv_nsec = nanoseconds % SECOND};
	int			n = epoll_pwait2(load_epoll, events, 512, &timeout, NULL);

	if (n < 0 && errno != EINTR)
		load_fail("epoll", strerror(errno));
	for (int i = 0; i < n; i++)
		if (events[i].data.u64 & WATCH_SENDER)
			sender_readable((long) (events[i].data.u64 & ~WATCH_SENDER));
	for (int i = 0; i < n; i++)
		if (!(events[i].data.u64 & WATCH_SENDER))
			client_readable(&clients[events[i].data.u64]);
}

static void
rest(long seconds)
{
	int64_t		end = load_now() + seconds * SECOND;
	int64_t		left;

	while ((left = end - load_now()) > 0)
		load_wait(left);
}

static void
send_all(long messages, long seconds)
{
	sender_begin((uint64_t) messages, (double) seconds);
	while (!sender_done())
		load_wait(sender_due());
}

static Used
used_now(void)
{
	struct rusage self;
	struct timespec wall;
	Used		used = {.at = load_now()};

	clock_gettime(CLOCK_REALTIME, &wall);
	used.wall = (double) wall.tv_sec + (double) wall.tv_nsec / 1e9;
	for (int i = 0; i < n_pids; i++)
	{
		used.server += process_family_cpu(pids[i]);
		used.pss += process_family_pss(pids[i]);
	}
	if (options.postmaster != 0)
		used.postgres = process_family_cpu((int) options.postmaster);
	getrusage(RUSAGE_SELF, &self);
	used.self = (double) (self.ru_utime.tv_sec + self.ru_stime.tv_sec) +
		(double) (self.ru_utime.tv_usec + self.ru_stime.tv_usec) / 1e6;
	return used;
}

/* What the driver says next must be this word; the rest of the line is returned. */
static const char *
expect_word(const char *word)
{
	static char line[64];

	if (fgets(line, sizeof(line), stdin) == NULL || strncmp(line, word, strlen(word)) != 0)
		load_fail("expected from the driver", word);
	return line + strlen(word);
}

/* Messages while the server is down, then all clients again. */
static Used
resume(void)
{
	Used		begin;

	fprintf(stderr, "joined\n");
	expect_word("down");
	client_close_all();
	sender_begin((uint64_t) options.rooms, 0);
	while (tally.committed < (uint64_t) options.rooms)
		load_wait(sender_due());
	fprintf(stderr, "missed\n");
	pids[0] = atoi(expect_word("up"));
	n_pids = 1;
	begin = used_now();
	memset(&tally.login, 0, sizeof(tally.login));
	client_reopen_all();
	while (!sender_done())
		load_wait(SECOND / 20);
	return begin;
}

static void
print_times(const char *name, const Histogram *times)
{
	printf(",\"%s\":{\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f}", name, histogram_ms(times, 0.5),
		   histogram_ms(times, 0.9), histogram_ms(times, 0.99), histogram_ms(times, 1));
}

static void
print_ratio(const char *name, double amount, double n)
{
	printf(",\"%s\":%.3f", name, n > 0 ? amount / n : 0);
}

static void
print_usage(const Used *empty, const Used *begin, const Used *end)
{
	double		seconds = (double) (end->at - begin->at) / 1e9;
	double		server = end->server - begin->server;
	double		postgres = end->postgres - begin->postgres;
	double		logins = (double) (options.clients - options.base);
	bool		login = strcmp(options.mode, "login") == 0;

	printf(",\"began\":%.6f,\"ended\":%.6f,\"seconds\":%.3f", begin->wall, end->wall, seconds);
	printf(",\"server_cpu_s\":%.6f,\"postgres_cpu_s\":%.6f,\"load_cpu_s\":%.6f", server, postgres, end->self - begin->self);
	print_ratio("server_cpu_us_per_second", server * 1e6, seconds);
	print_ratio("server_cpu_us_per_delivery", server * 1e6, (double) tally.deliveries);
	print_ratio("server_cpu_us_per_message", server * 1e6, (double) tally.committed);
	print_ratio("postgres_cpu_us_per_message", postgres * 1e6, (double) tally.committed);
	print_ratio("load_cpu_us_per_delivery", (end->self - begin->self) * 1e6, (double) tally.deliveries);
	print_ratio("server_cpu_us_per_login", login ? server * 1e6 : 0, logins);
	print_ratio("postgres_cpu_us_per_login", login ? postgres * 1e6 : 0, logins);
	printf(",\"server_pss_kib_before\":%ld,\"server_pss_kib\":%ld", empty->pss, end->pss);
	print_ratio("server_pss_kib_per_connection", (double) (end->pss - empty->pss), logins);
}

static void
report(const Used *empty, const Used *begin, const Used *end, int64_t sent_for)
{
	double		seconds = (double) sent_for / 1e9;

	printf("{\"mode\":\"%s\",\"connections\":%ld,\"rooms\":%ld,\"messages\":%" PRIu64 ",\"committed\":%" PRIu64,
		   options.mode, options.clients, options.rooms, tally.sent, tally.committed);
	printf(",\"deliveries\":%" PRIu64 ",\"missing\":%" PRId64 ",\"duplicate\":%" PRIu64 ",\"reordered\":%" PRIu64
		   ",\"strange\":%" PRIu64 ",\"early\":%" PRIu64 ",\"other\":%" PRIu64 ",\"acks\":%" PRIu64 ",\"resets\":%" PRIu64,
		   tally.deliveries, (int64_t) (tally.expected + tally.duplicate + tally.strange - tally.deliveries),
		   tally.duplicate, tally.reordered, tally.strange, tally.early, tally.other, tally.acks, tally.resets);
	print_ratio("messages_per_second", (double) tally.committed, seconds);
	print_ratio("deliveries_per_second", (double) tally.deliveries, seconds);
	print_times("latency_ms", &tally.latency);
	print_times("commit_ms", &tally.commit);
	print_times("after_commit_ms", &tally.after_commit);
	print_times("login_ms", &tally.login);
	print_usage(empty, begin, end);
	printf(",\"logins\":%ld,\"stalled\":%ld,\"stalled_closed\":%ld}\n", options.clients - options.base, options.stalled,
		   client_count_closed(options.stalled));
}

static void
read_pids(const char *list)
{
	for (const char *at = list; at != NULL && *at != '\0'; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
	{
		if (n_pids == MAX_PIDS)
			load_fail("server_pids", "too many");
		pids[n_pids++] = atoi(at);
	}
}

/*
 * Asks Linux for short turns (sched_setattr(2); before 6.12 it makes no
 * difference): what comes is looked at then, rather than after the database's
 * processes that share our processor, as a client on another machine would.
 */
static void
take_short_turns(void)
{
	/* The first version of the kernel's struct sched_attr; its header and that of the C library exclude each other. */
	struct
	{
		uint32_t	size;
		uint32_t	policy;
		uint64_t	flags;
		int32_t		nice;
		uint32_t	priority;
		uint64_t	runtime;
		uint64_t	deadline;
		uint64_t	period;
	}			own = {.size = 48};

	if (syscall(SYS_sched_getattr, 0, &own, sizeof(own), 0) != 0)
		load_fail("sched_getattr", strerror(errno));
	own.runtime = 100000;		/* nanoseconds: the shortest that Linux grants */
	if (syscall(SYS_sched_setattr, 0, &own, 0) != 0)
		load_fail("sched_setattr", strerror(errno));
}

static void
prepare(int argc, char **argv)
{
	struct rlimit files;

	options_read(argc, argv);
	dialect_read(options.dialect);
	if (options.secret != NULL)
		dialect_read_secret(options.secret);
	read_pids(options.pids);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur < (rlim_t) options.clients + 100)
		load_fail("too few descriptors for", "so many clients");
	signal(SIGALRM, over_time);
	alarm((unsigned) options.limit);
	load_epoll = epoll_create1(EPOLL_CLOEXEC);
	if (load_epoll < 0)
		load_fail("epoll", strerror(errno));
	if (options.rate > 0)
		take_short_turns();
	client_prepare();
	tally_prepare((uint64_t) (options.messages + options.warm + options.rooms));
	sender_open();
}

int
main(int argc, char **argv)
{
	Used		empty;
	Used		begin;
	Used		end;

	prepare(argc, argv);
	if (options.base > 0)
	{
		client_open_until(options.base);
		rest(options.settle);
		memset(&tally.login, 0, sizeof(tally.login));
	}
	empty = begin = used_now();
	client_open_until(options.clients);
	client_stall(options.stalled);
	if (strcmp(options.mode, "login") != 0)
	{
		rest(options.settle);
		send_all(options.warm, 0);
		tally_restart();
		begin = used_now();
	}
	if (strcmp(options.mode, "idle") == 0)
		rest(options.window);
	else if (strcmp(options.mode, "resume") == 0)
		begin = resume();
	else if (strcmp(options.mode, "login") != 0)
		send_all(options.messages, options.seconds);
	end = used_now();
	report(&empty, &begin, &end, end.at - begin.at);
	return tally.complete == tally.sent && tally.duplicate + tally.reordered + tally.strange + tally.resets == 0 ? 0 : 1;
}
