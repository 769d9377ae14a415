/*
 * raw.c
 *	  The floor under any fan-out over WebSocket: one thread, epoll, and nothing
 *	  else. A client of room N asks for the path /bN; every text frame of a
 *	  client goes as it is to all of its room. No log-in, no database.
 *
 *	  raw PORT HEARTBEAT_SECONDS [coalesce]
 *
 * Without "coalesce" each delivery is one send(); with it what came in one turn
 * of the loop goes to each socket in one send() at the turn's end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_ROOMS 32768
#define MAX_FDS 65536
#define MAX_OUT (1 << 20)
#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

typedef struct Room Room;

typedef struct Conn
{
	int			fd;
	bool		open;			/* the handshake is done */
	bool		dirty;			/* stands in the list of those to flush */
	bool		watched;		/* epoll tells when it can be written */
	Room	   *room;
	size_t		at;				/* its place in the room */
	char	   *in;				/* what came and isn't whole yet */
	size_t		in_used;
	char	   *out;			/* what waits to be sent */
	size_t		out_used;
	size_t		out_size;
} Conn;

struct Room
{
	Conn	  **conns;
	size_t		n;
	size_t		size;
};

static int	epoll;
static bool coalesce;
static Room rooms[MAX_ROOMS];
static Conn *conns[MAX_FDS];
static Conn *dirty[MAX_FDS];
static size_t n_dirty;
static char input[1 << 16];
static volatile sig_atomic_t ended;

static void
on_signal(int number)
{
	ended = 1;
}

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static void *
grown(void *p, size_t size)
{
	void	   *bigger = realloc(p, size);

	if (bigger == NULL)
		die("memory");
	return bigger;
}

static void
watch(Conn *conn, bool writing)
{
	struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = conn};

	if (conn->watched != writing && epoll_ctl(epoll, EPOLL_CTL_MOD, conn->fd, &event) != 0)
		die("epoll");
	conn->watched = writing;
}

/* Nothing is freed before the turn ends, as the list of the dirty may have it. */
static void
hang_up(Conn *conn)
{
	if (conn->room != NULL)
	{
		Conn	   *last = conn->room->conns[--conn->room->n];

		conn->room->conns[conn->at] = last;
		last->at = conn->at;
	}
	conns[conn->fd] = NULL;
	close(conn->fd);
	conn->fd = -1;
	if (!conn->dirty)
	{
		dirty[n_dirty++] = conn;
		conn->dirty = true;
	}
}

static void
keep(Conn *conn, const char *bytes, size_t length)
{
	if (conn->out_used + length > conn->out_size)
	{
		conn->out_size = (conn->out_used + length) * 2;
		conn->out = grown(conn->out, conn->out_size);
	}
	memcpy(conn->out + conn->out_used, bytes, length);
	conn->out_used += length;
}

/* Sends what it can of these bytes. Returns how much, or -1 where the socket is broken. */
static ssize_t
push(Conn *conn, const char *bytes, size_t length)
{
	ssize_t		sent = send(conn->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);

	return sent < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : sent;
}

/* A socket that is too slow or broken is left to its next read, or to the flush, to be closed. */
static void
deliver(Conn *conn, const char *frame, size_t length)
{
	ssize_t		sent = 0;

	if (!coalesce && conn->out_used == 0)
	{
		sent = push(conn, frame, length);
		if (sent < 0 || (size_t) sent == length)
			return;
	}
	keep(conn, frame + sent, length - (size_t) sent);
	if (!conn->dirty)
	{
		dirty[n_dirty++] = conn;
		conn->dirty = true;
	}
}

static void
flush_all(void)
{
	for (size_t i = 0; i < n_dirty; i++)
	{
		Conn	   *conn = dirty[i];
		ssize_t		sent;

		conn->dirty = false;
		if (conn->fd >= 0)
		{
			sent = push(conn, conn->out, conn->out_used);
			if (sent >= 0 && conn->out_used - (size_t) sent <= MAX_OUT)
			{
				memmove(conn->out, conn->out + sent, conn->out_used - (size_t) sent);
				conn->out_used -= (size_t) sent;
				watch(conn, conn->out_used > 0);
				continue;
			}
			conn->dirty = true;
			hang_up(conn);
		}
		free(conn->in);
		free(conn->out);
		free(conn);
	}
	n_dirty = 0;
}

static size_t
put_head(char *frame, int opcode, size_t length)
{
	frame[0] = (char) (0x80 | opcode);
	if (length < 126)
	{
		frame[1] = (char) length;
		return 2;
	}
	frame[1] = 126;
	frame[2] = (char) (length >> 8);
	frame[3] = (char) (length & 0xff);
	return 4;
}

static void
broadcast(Room *room, const char *text, size_t length)
{
	static char frame[(1 << 16) + 4];
	size_t		head = put_head(frame, 1, length);

	memcpy(frame + head, text, length);
	for (size_t i = 0; i < room->n; i++)
		deliver(room->conns[i], frame, head + length);
}

static void
ping_all(void)
{
	char		frame[2];

	put_head(frame, 9, 0);
	for (int fd = 0; fd < MAX_FDS; fd++)
		if (conns[fd] != NULL && conns[fd]->open)
			deliver(conns[fd], frame, 2);
}

/* Takes one frame from the front; 0: it isn't whole, -1: the connection has to end. */
static ssize_t
take_frame(Conn *conn, unsigned char *at, size_t length)
{
	size_t		head = 6;
	size_t		size;

	if (length < head)
		return 0;
	size = at[1] & 0x7f;
	if ((at[1] & 0x80) == 0 || size == 127)
		return -1;
	if (size == 126)
	{
		head = 8;
		size = (size_t) at[2] << 8 | at[3];
	}
	if (length < head + size)
		return 0;
	for (size_t i = 0; i < size; i++)
		at[head + i] ^= at[head - 4 + i % 4];
	if (at[0] == 0x81)
		broadcast(conn->room, (char *) at + head, size);
	else if (at[0] != 0x8a)
		return -1;
	return (ssize_t) (head + size);
}

/* The same for the handshake. */
static ssize_t
take_request(Conn *conn, char *text)
{
	char	   *end = strstr(text, "\r\n\r\n");
	char	   *key = strcasestr(text, "\r\nSec-WebSocket-Key:");
	char		accept[64 + sizeof(GUID)];
	char		reply[256];
	unsigned char digest[SHA_DIGEST_LENGTH];
	unsigned	number;
	Room	   *room;

	if (end == NULL)
		return 0;
	if (key == NULL || sscanf(text, "GET /b%u ", &number) != 1 || number >= MAX_ROOMS)
		return -1;
	key += strcspn(key, ":") + 1;
	key += strspn(key, " ");
	snprintf(accept, sizeof(accept), "%.*s%s", (int) (strcspn(key, "\r") & 63), key, GUID);
	SHA1((unsigned char *) accept, strlen(accept), digest);
	EVP_EncodeBlock((unsigned char *) accept, digest, sizeof(digest));
	snprintf(reply, sizeof(reply), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
			 "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
	room = conn->room = &rooms[number];
	if (room->n == room->size)
	{
		room->size = room->size * 2 + 2;
		room->conns = grown(room->conns, room->size * sizeof(Conn *));
	}
	conn->at = room->n;
	room->conns[room->n++] = conn;
	conn->open = true;
	deliver(conn, reply, strlen(reply));
	return end + 4 - text;
}

/* The common case, whole frames and nothing left over, touches only the shared buffer. */
static void
read_conn(Conn *conn)
{
	ssize_t		got;
	ssize_t		taken = 0;
	size_t		done = 0;
	size_t		length;

	if (conn->in_used > 0)
		memcpy(input, conn->in, conn->in_used);
	got = recv(conn->fd, input + conn->in_used, sizeof(input) - 1 - conn->in_used, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0)
	{
		hang_up(conn);
		return;
	}
	length = conn->in_used + (size_t) got;
	input[length] = '\0';
	do
	{
		done += (size_t) taken;
		taken = conn->open ? take_frame(conn, (unsigned char *) input + done, length - done)
			: take_request(conn, input + done);
	} while (taken > 0 && done + (size_t) taken <= length);
	if (taken < 0 || length - done == sizeof(input) - 1)
	{
		hang_up(conn);
		return;
	}
	conn->in_used = length - done;
	if (conn->in_used > 0)
	{
		conn->in = grown(conn->in, conn->in_used);
		memcpy(conn->in, input + done, conn->in_used);
	}
}

static void
accept_all(int listener)
{
	int			one = 1;
	int			fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
	{
		struct epoll_event event = {.events = EPOLLIN};
		Conn	   *conn = calloc(1, sizeof(Conn));

		if (conn == NULL || fd >= MAX_FDS)
			die("accept");
		conn->fd = fd;
		conns[fd] = conn;
		event.data.ptr = conn;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
			die("epoll");
	}
}

static int
listen_at(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
	int			one = 1;
	int			fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
		bind(fd, (struct sockaddr *) &address, sizeof(address)) != 0 || listen(fd, 4096) != 0 ||
		epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		die("listen");
	return fd;
}

int
main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct rlimit files;
	time_t		pinged = time(NULL);
	int			heartbeat;
	int			listener;

	if (argc < 3)
	{
		fprintf(stderr, "usage: raw PORT HEARTBEAT_SECONDS [coalesce]\n");
		return 2;
	}
	heartbeat = atoi(argv[2]);
	coalesce = argc > 3;
	sigaction(SIGTERM, &action, NULL);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	listener = listen_at(atoi(argv[1]));
	while (!ended)
	{
		struct epoll_event events[512];
		int			n = epoll_wait(epoll, events, 512, 1000);

		for (int i = 0; i < n; i++)
		{
			Conn	   *conn = events[i].data.ptr;

			if (conn == NULL)
				accept_all(listener);
			else if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
				read_conn(conn);
			else
				deliver(conn, "", 0);
		}
		if (time(NULL) - pinged >= heartbeat)
		{
			ping_all();
			pinged = time(NULL);
		}
		flush_all();
	}
	return 0;
}
