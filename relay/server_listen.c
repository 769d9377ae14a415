/*
 * server_listen.c
 *	  Listening sockets of our own, and what they accept until it is a
 *	  WebSocket: limits of descriptors, of new sockets a second, of time.
 *
 * The library's own listener goes round in circles once descriptors run out,
 * cannot move between plain and TLS, and leaves the kernel's buffers large.
 */
#include "server_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utlist.h>

#include "log.h"

#define FD_RESERVE 48			/* descriptors kept for the database, files and the log */
#define MOST_OVERFLOW 1024		/* sockets past max_connections that still hear why */
#define ACCEPT_AT_ONCE 64		/* in one turn of the loop */
#define ACCEPT_RATE 3000		/* sockets a second: a quarter of a core, which leaves time for those who are in */
#define ACCEPT_RATE_TLS 500
#define SHORTAGE_PAUSE 1.0		/* seconds without accepting when descriptors or memory are short */
#define SEND_BUFFER 65536		/* of the kernel, which doubles it; unset it grows to megabytes */
#define LOST_SOCKET 60000		/* ms after which a socket that never lived is forgotten */

/*
 * Fits the limit of open files and max_connections to each other: raises the
 * first as far as it may go, and if that is not enough takes fewer connections.
 * The library keeps tables by that limit, so it is not left higher than needed.
 * False when not even one connection fits.
 */
bool
server_set_limits(Server *server)
{
	rlim_t		most = (rlim_t) server->relay->config->max_connections;
	rlim_t		overflow = most / 16 + 16 < MOST_OVERFLOW ? most / 16 + 16 : MOST_OVERFLOW;
	rlim_t		wanted = most + overflow + FD_RESERVE;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return false;
	limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < FD_RESERVE + 2)
		return false;
	if (limit.rlim_cur < wanted)
	{
		rlim_t		room = limit.rlim_cur - FD_RESERVE;

		overflow = overflow < room / 4 ? overflow : room / 4;
		most = room - overflow;
		log_write(LOG_LEVEL_WARNING, "server", 0, "only %llu connections are taken instead of %lld: the limit of open files is %llu",
				  (unsigned long long) most, (long long) server->relay->config->max_connections,
				  (unsigned long long) limit.rlim_cur);
	}
	server->session_limit = most;
	server->socket_limit = most + overflow;
	return true;
}

/* ---- guests ---- */

/*
 * Closes the socket in so many milliseconds, unless something comes of it.
 */
void
socket_await(Socket *socket, int64_t ms)
{
	socket->deadline = socket->server->relay->now + ms;
}

/*
 * The socket is a WebSocket now: its session keeps the time from here on.
 */
void
socket_settle(Socket *socket)
{
	if (socket->guest)
		DL_DELETE(socket->server->guests, socket);
	socket->guest = false;
}

/*
 * The socket is closed: forgets it.
 */
void
socket_gone(Socket *socket)
{
	socket_release(socket);
	socket_settle(socket);
	socket->server->nsockets--;
	free(socket);
}

/*
 * Closes the guests whose time is over: those who say nothing, or say it a
 * byte at a time.
 */
void
server_sweep_guests(Server *server)
{
	Socket	   *socket;
	Socket	   *next;

	DL_FOREACH_SAFE(server->guests, socket, next)
	{
		if (server->relay->now < socket->deadline)
			continue;
		if (socket->wsi)
			socket_kill(socket);
		else
			socket_gone(socket);
	}
}

/* ---- accept ---- */

/* Hands an accepted descriptor, which it takes over, to the library. */
static void
server_adopt(Server *server, int fd, const Address *peer, bool admin)
{
	bool		tls = server->tls && !admin;
	Socket	   *socket = calloc(1, sizeof(*socket));
	lws_adopt_desc_t info = {0};

	if (socket == NULL)
	{
		close(fd);
		return;
	}
	socket->server = server;
	socket->peer = *peer;
	socket->admin = admin;
	socket->guest = true;
	/* If the library cannot take it, it tells so only where it got far enough to know our pointer. */
	socket_await(socket, LOST_SOCKET);
	DL_APPEND(server->guests, socket);
	server->nsockets++;
	info.vh = tls ? server->secure : server->plain;
	info.type = LWS_ADOPT_SOCKET | (tls ? LWS_ADOPT_ALLOW_SSL : 0);
	info.fd.sockfd = fd;
	info.opaque = socket;
	(void) lws_adopt_descriptor_vhost_via_info(&info);
}

/* Takes one socket; false when there is none, or none should be taken now. */
static bool
door_accept(Door *door)
{
	Server	   *server = door->server;
	struct sockaddr_storage from;
	socklen_t	len = sizeof(from);
	Address		peer;
	int			on = 1;
	int			fd = accept4(door->fd, (struct sockaddr *) &from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
	{
		if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
			return errno != EAGAIN && errno != EWOULDBLOCK;	/* else the one who knocked has gone */
		log_write(LOG_LEVEL_WARNING, "server", 0, "no socket can be taken now: %s", strerror(errno));
		ev_io_stop(server->loop, &door->io);
		ev_timer_set(&door->pause, SHORTAGE_PAUSE, 0.);
		ev_timer_start(server->loop, &door->pause);
		return false;
	}
	if (!address_of_socket((struct sockaddr *) &from, &peer)
		|| (server->nsockets >= server->socket_limit && !door->admin)
		|| setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
		close(fd);
	else
		server_adopt(server, fd, &peer, door->admin);
	return true;
}

/* Somebody knocks: lets in as many as may come in now. */
static void
door_knocked(struct ev_loop *loop, ev_io *io, int events)
{
	Door	   *door = io->data;
	Relay	   *relay = door->server->relay;
	int64_t		rate = door->server->tls ? ACCEPT_RATE_TLS : ACCEPT_RATE;

	(void) events;
	for (int i = 0; i < ACCEPT_AT_ONCE; i++)
	{
		int64_t		wait = door->admin ? 0 : relay_bucket_take(&door->bucket, relay->now, rate, rate / 2);

		if (wait > 0)
		{
			ev_io_stop(loop, &door->io);
			ev_timer_set(&door->pause, (double) (wait > 10 ? wait : 10) / 1000, 0.);
			ev_timer_start(loop, &door->pause);
			return;
		}
		if (!door_accept(door))
			return;
	}
}

static void
door_again(struct ev_loop *loop, ev_timer *timer, int events)
{
	Door	   *door = timer->data;

	(void) events;
	ev_io_start(loop, &door->io);
}

/* ---- listening ---- */

/* A bound and listening socket; -1 with errno. */
static int
listen_on(const struct sockaddr *address, socklen_t len, bool both_families)
{
	int			on = 1;
	int			off = 0;
	int			size = SEND_BUFFER;
	int			fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0
		&& setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) == 0
		&& (!both_families || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0)
		&& bind(fd, address, len) == 0
		&& listen(fd, SOMAXCONN) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Listens on a numeric address, or on all of both families for "*". */
static int
listen_at(const char *host, int port)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t) port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port)};
	bool		all = strcmp(host, "*") == 0;
	int			fd;

	if (all || inet_pton(AF_INET6, host, &six.sin6_addr) == 1)
	{
		fd = listen_on((struct sockaddr *) &six, sizeof(six), all);
		if (fd >= 0 || !all || errno != EAFNOSUPPORT)
			return fd;
	}
	else if (inet_pton(AF_INET, host, &four.sin_addr) != 1)
	{
		errno = EINVAL;
		return -1;
	}
	return listen_on((struct sockaddr *) &four, sizeof(four), false);
}

/* Begins to look who knocks. */
static void
door_watch(Door *door)
{
	ev_io_init(&door->io, door_knocked, door->fd, EV_READ);
	door->io.data = door;
	ev_timer_init(&door->pause, door_again, 0., 0.);
	door->pause.data = door;
	ev_io_start(door->server->loop, &door->io);
}

/*
 * Listens on an address of the configuration.  False with *error, to be freed.
 * At the end: door_close().
 */
bool
door_open(Door *door, Server *server, const char *address, bool admin, char **error)
{
	char		host[64];
	int			port = 0;

	memset(door, 0, sizeof(*door));
	errno = EINVAL;
	door->fd = config_split_address(address, host, sizeof(host), &port) ? listen_at(host, port) : -1;
	if (door->fd < 0)
	{
		if (asprintf(error, "cannot listen on %s: %s", address, strerror(errno)) < 0)
			*error = NULL;
		return false;
	}
	door->server = server;
	door->admin = admin;
	door_watch(door);
	return true;
}

/*
 * Puts an open (or never opened) door in the place of another, which is closed.
 */
void
door_move(Door *from, Door *to)
{
	door_close(to);
	if (from->server == NULL)
		return;
	ev_io_stop(from->server->loop, &from->io);
	*to = *from;
	door_watch(to);
}

/*
 * Listens no more; what was accepted stays.  A door that was never opened is
 * closed already.
 */
void
door_close(Door *door)
{
	if (door->server == NULL)
		return;
	ev_io_stop(door->server->loop, &door->io);
	ev_timer_stop(door->server->loop, &door->pause);
	close(door->fd);
	memset(door, 0, sizeof(*door));
	door->fd = -1;
}
