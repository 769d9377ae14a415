/*
 * client.c
 *	  WebSocket clients (RFC 6455) of the load generator: opens them all, logs
 *	  them in, and hands over the text frames that come. They answer pings.
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define OPENING_AT_ONCE 32

void
client_watch(Load *load, int fd, Client *client)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};

	if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		load_fail("epoll", strerror(errno));
}

/* Clients say little, so a socket that can't take it at once is a failure. */
static void
write_all(Client *client, const void *bytes, size_t length)
{
	if (send(client->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t) length)
		load_fail("write", strerror(errno));
}

/* The mask is zero: nothing between here and the server needs a better one. */
static void
write_frame(Client *client, int opcode, const char *payload, size_t length)
{
	unsigned char frame[1024] = {0x80 | opcode};
	size_t		head = 2;

	if (length > sizeof(frame) - 8)
		load_fail("frame", "too long");
	frame[1] = 0x80 | (length < 126 ? length : 126);
	if (length >= 126)
	{
		frame[2] = length >> 8;
		frame[3] = length & 0xff;
		head = 4;
	}
	memcpy(frame + head + 4, payload, length);
	write_all(client, frame, head + 4 + length);
}

static void
open_client(Load *load, Client *client, int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	char		request[2048];
	int			one = 1;
	int			length;

	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0 || connect(client->fd, (struct sockaddr *) &address, sizeof(address)) != 0)
		load_fail("connect", strerror(errno));
	setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	client_watch(load, client->fd, client);
	length = snprintf(request, sizeof(request), "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
					  "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
					  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer %s\r\n\r\n", port, client->token);
	write_all(client, request, (size_t) length);
}

static void
take_text(Load *load, Client *client, const char *text, size_t length)
{
	if (client->state == CLIENT_READY)
		load_delivered(client, text, length);
	else if (client->state == CLIENT_LOGGING_IN && memmem(text, length, "\"welcome\"", 9) != NULL)
	{
		write_frame(client, 1, client->hello, strlen(client->hello));
		client->state = CLIENT_JOINING;
	}
	else if (memmem(text, length, "\"ok\":false", 10) != NULL)
		load_fail("refused", text);
	else if (client->state == CLIENT_JOINING && memmem(text, length, "\"reply\"", 7) != NULL)
	{
		client->state = CLIENT_READY;
		load->n_ready++;
	}
}

/* Takes one frame from the front of the input. Returns its length, or 0 if it isn't whole. */
static size_t
take_frame(Load *load, Client *client, char *at, size_t length)
{
	const unsigned char *head = (unsigned char *) at;
	size_t		skip = 2;
	size_t		size;

	if (length < 2)
		return 0;
	size = head[1] & 0x7f;
	if (size == 126)
		skip = 4;
	else if (size == 127)
		skip = 10;
	if (length < skip)
		return 0;
	if (skip > 2)
		size = 0;
	for (size_t i = 2; i < skip; i++)
		size = size << 8 | head[i];
	if (length < skip + size)
		return 0;
	switch (head[0])
	{
		case 0x81:
			take_text(load, client, at + skip, size);
			break;
		case 0x89:
			write_frame(client, 10, at + skip, size);
			break;
		case 0x8a:
			break;
		default:
			load_fail("frame", "closed, or of a kind that isn't known here");
	}
	return skip + size;
}

static void
read_client(Load *load, Client *client)
{
	ssize_t		got;
	size_t		done = 0;
	size_t		length;

	if (client->size - client->used < 4096)
	{
		char	   *bigger = realloc(client->input, client->size * 2 + 8192);

		if (bigger == NULL)
			load_fail("memory", strerror(errno));
		client->input = bigger;
		client->size = client->size * 2 + 8192;
	}
	/* One byte stays free, for the end of the string. */
	got = recv(client->fd, client->input + client->used, client->size - client->used - 1, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0)
		load_fail("read", got == 0 ? "the server closed the connection" : strerror(errno));
	client->used += (size_t) got;
	client->input[client->used] = '\0';
	if (client->state == CLIENT_UPGRADING)
	{
		const char *end = strstr(client->input, "\r\n\r\n");

		if (end == NULL)
			return;
		if (strncmp(client->input, "HTTP/1.1 101 ", 13) != 0)
			load_fail("upgrade", client->input);
		done = (size_t) (end + 4 - client->input);
		client->state = CLIENT_LOGGING_IN;
	}
	while ((length = take_frame(load, client, client->input + done, client->used - done)) > 0)
		done += length;
	memmove(client->input, client->input + done, client->used - done);
	client->used -= done;
}

/* Waits at most so long and reads what came to clients. */
void
client_wait(Load *load, int milliseconds)
{
	struct epoll_event events[256];
	int			n = epoll_wait(load->epoll, events, 256, milliseconds);

	if (n < 0 && errno != EINTR)
		load_fail("epoll", strerror(errno));
	for (int i = 0; i < n; i++)
		if (events[i].data.ptr != NULL)
			read_client(load, events[i].data.ptr);
}

/* Opens all clients, a few at a time; all are joined afterwards. */
void
client_open_all(Load *load, int port)
{
	int			opened = 0;
	int64_t		end = load_now() + INT64_C(180000000000);

	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (load->epoll < 0)
		load_fail("epoll", strerror(errno));
	while (load->n_ready < load->n_clients)
	{
		while (opened < load->n_clients && opened - load->n_ready < OPENING_AT_ONCE)
			open_client(load, &load->clients[opened++], port);
		client_wait(load, 100);
		if (load_now() > end)
			load_fail("log-in", "took over three minutes");
	}
}
