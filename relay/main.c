/*
 * main.c
 *	  The relay daemon: reads the settings, starts the parts in order, and ends
 *	  them in the opposite one.  The only file that exits.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <ev.h>

#include "auth.h"
#include "clock.h"
#include "config.h"
#include "log.h"
#include "query.h"
#include "relay.h"
#include "server.h"

#ifndef TASKCHAT_VERSION
#error "TASKCHAT_VERSION comes from the build"
#endif

#define EXIT_SETTINGS 2
#define FAREWELL_SECONDS 2.0	/* the database has so long to hear it */
#define TIDY_SECONDS 5.0		/* between two looks at memory that lies idle */
#define TIDY_FRAMES 1000		/* frames in that time above which nobody has time for it */
#define TIDY_BYTES (1024 * 1024)	/* less is not worth it */

extern char **environ;

/* The process: its settings and its parts. */
typedef struct Daemon
{
	int			argc;			/* the command line, for reading settings again */
	char	  **argv;
	struct ev_loop *loop;		/* the one loop */
	Config	   *config;			/* in force */
	Auth	   *auth;			/* keys in force */
	Relay		relay;			/* the live state */
	Query	   *query;			/* the database side */
	Server	   *server;			/* the network side */
	ev_signal	on_term;
	ev_signal	on_int;
	ev_signal	on_hup;
	ev_timer	draining;		/* looks whether all clients are gone */
	double		drain_until;	/* clock_seconds() when it is over anyway */
	bool		said_farewell;	/* the database was told */
	ev_timer	watchdog;		/* tells the service manager that the loop turns */
	ev_timer	tidying;		/* gives memory back to the system */
	uint64_t	tidy_frames;	/* frames in and out, when that was looked at last */
} Daemon;

/* Tells the service manager, where there is one, how we are. */
static void
notify_manager(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t		len = path ? strlen(path) : 0;
	int			fd;

	if (len == 0 || len >= sizeof(address.sun_path))
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *) &address,
			   (socklen_t) (offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		log_write(LOG_LEVEL_WARNING, "main", 0, "the service manager cannot be told: %s", strerror(errno));
	close(fd);
}

/* systemd holds the time against the signal that it sent. */
static void
notify_reloading(void)
{
	char		state[80];

	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld", (long long) clock_monotonic());
	notify_manager(state);
}

static void
feed_watchdog(struct ev_loop *loop, ev_timer *watcher, int events)
{
	(void) loop;
	(void) watcher;
	(void) events;
	notify_manager("WATCHDOG=1");
}

/* Twice as often as the service manager wants to hear that the loop turns. */
static void
start_watchdog(Daemon *daemon)
{
	const char *limit = getenv("WATCHDOG_USEC");
	double		seconds = limit ? atof(limit) / 1e6 : 0;

	if (seconds <= 0)
		return;
	ev_timer_init(&daemon->watchdog, feed_watchdog, seconds / 2, seconds / 2);
	ev_timer_start(daemon->loop, &daemon->watchdog);
}

/*
 * After a flood the allocator keeps what it once took; when it is quiet again
 * the system gets it back.
 */
static void
tidy(struct ev_loop *loop, ev_timer *watcher, int events)
{
	Daemon	   *daemon = watcher->data;
	uint64_t	frames = daemon->relay.metrics.received + daemon->relay.metrics.frames;
	bool		quiet = frames - daemon->tidy_frames < TIDY_FRAMES;
	struct mallinfo2 info;

	(void) loop;
	(void) events;
	daemon->tidy_frames = frames;
	if (!quiet)
		return;
	info = mallinfo2();
	if (info.fordblks > TIDY_BYTES && info.fordblks > info.uordblks / 4)
		(void) malloc_trim(0);
}

static void
farewell_said(void *arg)
{
	Daemon	   *daemon = arg;

	ev_break(daemon->loop, EVBREAK_ALL);
}

/* Ends the loop when the clients are gone, or the time is over. */
static void
look_at_drain(struct ev_loop *loop, ev_timer *watcher, int events)
{
	Daemon	   *daemon = watcher->data;

	(void) events;
	if (daemon->said_farewell)
	{
		if (clock_seconds() >= daemon->drain_until + FAREWELL_SECONDS)
			ev_break(loop, EVBREAK_ALL);
		return;
	}
	if ((daemon->relay.nsessions > 0 || daemon->relay.ncalls > 0) && clock_seconds() < daemon->drain_until)
		return;
	daemon->said_farewell = true;
	daemon->drain_until = clock_seconds();
	query_farewell(daemon->query, farewell_said, daemon);
}

/* SIGTERM, SIGINT: a clean end; the second one is a quick end. */
static void
on_stop(struct ev_loop *loop, ev_signal *watcher, int events)
{
	Daemon	   *daemon = watcher->data;

	(void) events;
	if (daemon->relay.draining)
	{
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	log_write(LOG_LEVEL_INFO, "main", 0, "stopping: %zu connections", daemon->relay.nsessions);
	notify_manager("STOPPING=1");
	server_refuse_new(daemon->server);
	relay_drain(&daemon->relay);
	daemon->drain_until = clock_seconds() + (double) daemon->config->drain_timeout / 1000;
	ev_timer_start(loop, &daemon->draining);
}

/* Keeps one of the settings that only a restart changes, as it is in force. */
static void
keep_text(const char *key, char **new, char **old)
{
	char	   *changed = *new;

	if (strcmp(*old, *new) == 0)
		return;
	log_write(LOG_LEVEL_WARNING, "main", 0, "\"%s\" has changed: restart to apply it", key);
	*new = *old;
	*old = changed;
}

/* What a new configuration cannot change in a running process. */
static void
keep_what_needs_restart(Config *old, Config *new)
{
	keep_text("listen", &new->listen, &old->listen);
	keep_text("database", &new->database, &old->database);
	if (old->max_connections != new->max_connections)
		log_write(LOG_LEVEL_WARNING, "main", 0, "\"max_connections\" has changed: restart to apply it");
	new->max_connections = old->max_connections;
}

/* Makes new settings and keys those in force. */
static void
take_over(Daemon *daemon, Config *config, Auth *auth)
{
	keep_what_needs_restart(daemon->config, config);
	relay_take_over(&daemon->relay, config, auth);
	server_wind_all(daemon->server);
	auth_free(daemon->auth);
	config_free(daemon->config);
	daemon->config = config;
	daemon->auth = auth;
	log_configure(config->log_level, config->log_format);
	log_write(LOG_LEVEL_INFO, "main", 0, "settings read again");
}

/* SIGHUP: reads the settings again, and all files that they name; broken ones change nothing. */
static void
on_reload(struct ev_loop *loop, ev_signal *watcher, int events)
{
	Daemon	   *daemon = watcher->data;
	ConfigRequest request = {0};
	char	   *error = NULL;
	Config	   *config;
	Auth	   *auth = NULL;

	(void) loop;
	(void) events;
	notify_reloading();
	config = config_load(daemon->argc, daemon->argv, environ, &request, &error);
	if (config && server_check(config, &error))
		auth = auth_new(config, &error);
	if (auth && server_reload(daemon->server, config, &error))
		take_over(daemon, config, auth);
	else
	{
		log_write(LOG_LEVEL_ERROR, "main", 0, "the old settings stay: %s", error ? error : "out of memory");
		free(error);
		auth_free(auth);
		config_free(config);
	}
	notify_manager("READY=1");
}

static void
start_signal(Daemon *daemon, ev_signal *watcher, void (*handler) (struct ev_loop *, ev_signal *, int), int number)
{
	ev_signal_init(watcher, handler, number);
	watcher->data = daemon;
	ev_signal_start(daemon->loop, watcher);
}

static void
start_signals(Daemon *daemon)
{
	signal(SIGPIPE, SIG_IGN);
	start_signal(daemon, &daemon->on_term, on_stop, SIGTERM);
	start_signal(daemon, &daemon->on_int, on_stop, SIGINT);
	start_signal(daemon, &daemon->on_hup, on_reload, SIGHUP);
	ev_timer_init(&daemon->draining, look_at_drain, 0.05, 0.05);
	daemon->draining.data = daemon;
}

/* Prints why it does not start, and gives the exit status. */
static int
complain(char *error, int status)
{
	fprintf(stderr, "taskchat-relay: %s\n", error ? error : "out of memory");
	free(error);
	return status;
}

/* From the first socket to the last. */
static int
run(Daemon *daemon)
{
	char	   *error = NULL;
	int			status = EXIT_SUCCESS;

	log_configure(daemon->config->log_level, daemon->config->log_format);
	daemon->loop = ev_default_loop(EVFLAG_NOSIGMASK);
	start_signals(daemon);
	relay_init(&daemon->relay, daemon->config, daemon->auth);
	daemon->query = query_new(daemon->loop, daemon->config->database, daemon->relay.id,
							  relay_query_events(), &daemon->relay, &error);
	if (daemon->query == NULL)
		return complain(error, EXIT_SETTINGS);
	daemon->relay.query = daemon->query;
	daemon->server = server_new(daemon->loop, &daemon->relay, &error);
	if (daemon->server)
	{
		log_write(LOG_LEVEL_INFO, "main", 0, "taskchat-relay %s on %s", TASKCHAT_VERSION, daemon->config->listen);
		notify_manager("READY=1");
		start_watchdog(daemon);
		ev_timer_init(&daemon->tidying, tidy, TIDY_SECONDS, TIDY_SECONDS);
		daemon->tidying.data = daemon;
		ev_timer_start(daemon->loop, &daemon->tidying);
		ev_run(daemon->loop, 0);
		server_free(daemon->server);
	}
	else
		status = complain(error, EXIT_FAILURE);
	query_free(daemon->query);
	relay_release(&daemon->relay);
	return status;
}

int
main(int argc, char **argv)
{
	Daemon		daemon = {.argc = argc, .argv = argv};
	ConfigRequest request = {0};
	char	   *error = NULL;
	int			status = EXIT_SUCCESS;

	daemon.config = config_load(argc, argv, environ, &request, &error);
	if (request.version)
		printf("taskchat-relay %s\n", TASKCHAT_VERSION);
	else if (request.help)
		config_help();
	else if (daemon.config == NULL)
		return complain(error, EXIT_SETTINGS);
	else if (request.print && !request.check)
		config_print(daemon.config);
	else if (!server_check(daemon.config, &error)
			 || (daemon.auth = auth_new(daemon.config, &error)) == NULL)
		status = complain(error, EXIT_SETTINGS);
	else if (request.print)
		config_print(daemon.config);
	else if (request.check)
		printf("taskchat-relay: the configuration is good\n");
	else
		status = run(&daemon);
	auth_free(daemon.auth);
	config_free(daemon.config);
	return status;
}
