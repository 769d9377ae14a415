/*
 * client.c
 *	  WebSocket clients (RFC 6455) of the load generator: opens them, goes
 *	  through the dialect's steps with each, and hands the messages that come to
 *	  the tally. They answer pings. Sockets block on writing: what clients say is
 *	  little. Reading goes into one buffer for all; only the beginning of a frame
 *	  that isn't whole stays with its client.
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* So many connections from one address leave it ports to spare. */
#define CLIENTS_PER_ADDRESS 8000
#define INPUT_SIZE (256 * 1024)
#define OUTPUT_SIZE (256 * 1024)

Client	   *clients;
Place	   *places;
long		n_ready;
static bool resuming;
static char input[INPUT_SIZE];
static char output[OUTPUT_SIZE];
static char frame[OUTPUT_SIZE + 16];

/* Makes the clients, which are absent at first. */
void
client_prepare(void)
{
	clients = load_alloc((size_t) options.clients, sizeof(Client));
	places = load_alloc((size_t) (options.clients * options.rooms_each), sizeof(Place));
	for (long i = 0; i < options.clients; i++)
		clients[i].first_room = (uint32_t) (i * options.rooms_each % options.rooms);
}

static uint32_t
client_number(const Client *client)
{
	return (uint32_t) (client - clients);
}

static Place *
client_places(const Client *client)
{
	return &places[(client - clients) * options.rooms_each];
}

static void
write_all(Client *client, const char *bytes, size_t length)
{
	while (length > 0)
	{
		ssize_t		n = send(client->fd, bytes, length, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			load_fail("write", strerror(errno));
		if (n > 0)
		{
			bytes += n;
			length -= (size_t) n;
		}
	}
}

/* The mask is zero: nothing between here and the server needs a better one. */
static void
write_frame(Client *client, int opcode, const char *payload, size_t length)
{
	size_t		head = 2;

	frame[0] = (char) (0x80 | opcode);
	if (length < 126)
		frame[1] = (char) (0x80 | length);
	else if (length < 65536)
	{
		frame[1] = (char) (0x80 | 126);
		for (int i = 0; i < 2; i++)
			frame[head++] = (char) (length >> (8 - 8 * i));
	}
	else
	{
		frame[1] = (char) (0x80 | 127);
		for (int i = 0; i < 8; i++)
			frame[head++] = (char) (length >> (56 - 8 * i));
	}
	memset(frame + head, 0, 4);
	memcpy(frame + head + 4, payload, length);
	write_all(client, frame, head + 4 + length);
}

/* Sends the template, filled in, as a text frame. */
void
client_say(Client *client, const char *template, const Values *values)
{
	write_frame(client, 1, output, dialect_expand(output, sizeof(output), template, values));
}

static void
open_client(Client *client)
{
	uint32_t	number = client_number(client);
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + number / CLIENTS_PER_ADDRESS)};
	struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t) options.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	Values		values = {.room = client->first_room, .user = number};
	int			one = 1;
	size_t		n;

	client->opened = load_now();
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0 ||
		setsockopt(client->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) != 0 ||
		bind(client->fd, (struct sockaddr *) &own, sizeof(own)) != 0 ||
		connect(client->fd, (struct sockaddr *) &server, sizeof(server)) != 0 ||
		setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0)
		load_fail("connect", strerror(errno));
	n = dialect_expand(output, sizeof(output), "GET ", &values);
	n += dialect_expand(output + n, sizeof(output) - n, dialect.path, &values);
	n += (size_t) snprintf(output + n, sizeof(output) - n, " HTTP/1.1\r\nHost: 127.0.0.1:%ld\r\n"
						   "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
						   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", options.port);
	if (dialect.header != NULL)
		n += dialect_expand(output + n, sizeof(output) - n, dialect.header, &values);
	n += dialect_expand(output + n, sizeof(output) - n, "\r\n", &values);
	client->state = CLIENT_UPGRADING;
	client->step = 0;
	client->room_at = 0;
	client->used = 0;
	load_watch(client->fd, client_number(client));
	write_all(client, output, n);
}

static bool
names_task(const char *template)
{
	return strstr(template, "{task}") != NULL;
}

/* Asks for what all its rooms have had since the last message that came. */
static void
say_resume(Client *client)
{
	static char rooms[OUTPUT_SIZE];
	Values		values = {.user = client_number(client), .rooms = rooms};
	size_t		n = 0;

	for (long i = 0; i < options.rooms_each; i++)
	{
		Place	   *place = &client_places(client)[i];

		values.room = client->first_room + (uint32_t) i;
		values.seq = place->seq;
		values.epoch = place->epoch;
		if (i > 0)
			rooms[n++] = ',';
		n += dialect_expand(rooms + n, sizeof(rooms) - n, dialect.resume_room, &values);
	}
	client_say(client, dialect.resume, &values);
}

/* Goes on in the dialect's steps, up to where a frame has to be waited for. */
static void
go_on(Client *client)
{
	while (client->step < dialect.n_steps && dialect.steps[client->step].say)
	{
		const char *template = dialect.steps[client->step++].text;
		Values		values = {.room = client->first_room + client->room_at, .user = client_number(client)};

		if (resuming && names_task(template))
			say_resume(client);
		else
			client_say(client, template, &values);
	}
	client->state = CLIENT_STEPPING;
	if (client->step < dialect.n_steps)
		return;
	client->state = CLIENT_READY;
	n_ready++;
	histogram_add(&tally.login, load_now() - client->opened);
}

/* Keeps what a later resume needs of the snapshot. */
static void
take_snapshot(Client *client, const char *text, size_t length)
{
	Place	   *place = &client_places(client)[client->room_at];
	const char *at;

	if (dialect.last_seq != NULL && (at = dialect_find(dialect.last_seq, text, length)) != NULL)
		place->seq = strtoull(at, NULL, 10);
	if (dialect.epoch != NULL && (at = dialect_find(dialect.epoch, text, length)) != NULL)
	{
		size_t		n = strcspn(at, "\"");

		if (n >= sizeof(place->epoch))
			load_fail("epoch", "too long");
		memcpy(place->epoch, at, n);
		place->epoch[n] = '\0';
	}
}

static void
refuse_if_refused(const char *text, size_t length)
{
	if (dialect.refused != NULL && dialect_find(dialect.refused, text, length) != NULL)
		load_fail("refused", text);
}

static void
acknowledge(Client *client, uint32_t room, uint64_t seq)
{
	Values		values = {.room = room, .user = client_number(client), .seq = seq};

	client_say(client, dialect.ack, &values);
	tally.acks++;
}

/* Counts the messages in a frame. Only the answer to a resume has more than one. */
static bool
take_messages(Client *client, const char *text, size_t length)
{
	const char *end = text + length;
	const char *seq = dialect.seq == NULL || resuming ? NULL : dialect_find(dialect.seq, text, length);
	uint64_t	place = seq == NULL ? 0 : strtoull(seq, NULL, 10);
	const char *at = text;
	bool		found = false;

	while ((at = memchr(at, '@', (size_t) (end - at))) != NULL)
	{
		char	   *rest;
		uint64_t	number = strtoull(++at, &rest, 10);

		if (rest == at || *rest != ':' || tally_message(number) == NULL ||
			tally_message(number)->due != strtoll(rest + 1, &rest, 10) || *rest != '@')
			continue;
		found = true;
		tally_delivered(client, number, place, load_now());
		if (options.acks && client->state == CLIENT_READY)
			acknowledge(client, tally_message(number)->room, place);
		if (!resuming)
			break;
		at = rest + 1;
	}
	return found;
}

static void
take_step(Client *client, const char *text, size_t length)
{
	const Step *step = &dialect.steps[client->step];
	const Step *before = client->step > 0 ? step - 1 : NULL;

	refuse_if_refused(text, length);
	if (resuming)
	{
		take_messages(client, text, length);
		if (dialect.reset != NULL && dialect_find(dialect.reset, text, length) != NULL)
			tally.resets++;
	}
	if (dialect_find(step->text, text, length) == NULL)
		return;
	if (!resuming && before != NULL && before->say && names_task(before->text))
	{
		take_snapshot(client, text, length);
		if (client->room_at + 1 < options.rooms_each)
		{
			client->room_at++;
			client->step -= 2;
		}
	}
	client->step++;
	go_on(client);
}

static void
take_text(Client *client, const char *text, size_t length)
{
	const char *reply;

	if (dialect.ping != NULL && length == strlen(dialect.ping) && memcmp(text, dialect.ping, length) == 0)
		write_frame(client, 1, dialect.pong, strlen(dialect.pong));
	else if (client->state == CLIENT_STEPPING)
		take_step(client, text, length);
	else if (dialect.reply != NULL && (reply = dialect_find(dialect.reply, text, length)) != NULL)
	{
		refuse_if_refused(text, length);
		tally_committed(strtoull(reply, NULL, 10), load_now());
		if (strcmp(options.mode, "commands") == 0)
			sender_command(client);
	}
	else if (!take_messages(client, text, length))
	{
		refuse_if_refused(text, length);
		tally.other++;
	}
}

static void
fail_closed(Client *client, const unsigned char *payload, size_t length)
{
	char		text[128];

	snprintf(text, sizeof(text), "client %u was closed with %d", (unsigned) client_number(client),
			 length < 2 ? 0 : payload[0] << 8 | payload[1]);
	load_fail("closed", text);
}

/* Takes one frame from the front. Returns its length, or 0 if it isn't whole. */
static size_t
take_frame(Client *client, char *at, size_t length)
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
			take_text(client, at + skip, size);
			break;
		case 0x88:
			fail_closed(client, head + skip, size);
			break;
		case 0x89:
			write_frame(client, 10, at + skip, size);
			break;
		case 0x8a:
			break;
		default:
			load_fail("frame", "of a kind that isn't known here");
	}
	return skip + size;
}

/* The length of the answer to the upgrade, or 0 if it isn't whole. */
static size_t
take_upgrade(Client *client, char *text, size_t length)
{
	const char *end = memmem(text, length, "\r\n\r\n", 4);

	if (end == NULL)
		return 0;
	if (length < 13 || memcmp(text, "HTTP/1.1 101 ", 13) != 0)
		load_fail("upgrade", text);
	go_on(client);
	return (size_t) (end + 4 - text);
}

/* Keeps the beginning of a frame until the rest comes. */
static void
keep(Client *client, const char *bytes, size_t length)
{
	if (length > client->size)
	{
		free(client->input);
		client->size = length + 1024;
		client->input = load_alloc(1, client->size);
	}
	memcpy(client->input, bytes, length);
	client->used = length;
}

/* Reads what there is, at most once. */
void
client_readable(Client *client)
{
	size_t		used = client->used;
	size_t		done = 0;
	size_t		length;
	ssize_t		got;

	if (client->state == CLIENT_STALLED)
		return;
	memcpy(input, client->input ? client->input : "", used);
	/* One byte stays free, for the end of the string. */
	got = recv(client->fd, input + used, sizeof(input) - used - 1, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0)
		load_fail("read", got == 0 ? "the server closed the connection" : strerror(errno));
	used += (size_t) got;
	input[used] = '\0';
	if (client->state == CLIENT_UPGRADING)
		done = take_upgrade(client, input, used);
	while (client->state != CLIENT_UPGRADING && (length = take_frame(client, input + done, used - done)) > 0)
		done += length;
	client->used = 0;
	if (done < used)
		keep(client, input + done, used - done);
}

/* Opens clients, a few at a time, until so many are ready. */
void
client_open_until(long count)
{
	static long opened;

	if (resuming && n_ready == 0)
		opened = 0;
	while (n_ready < count)
	{
		while (opened < count && opened - n_ready < options.opening)
			open_client(&clients[opened++]);
		load_wait(SECOND / 10);
	}
}

void
client_close_all(void)
{
	for (long i = 0; i < options.clients; i++)
	{
		close(clients[i].fd);
		clients[i].state = CLIENT_ABSENT;
	}
	n_ready = 0;
}

/* Opens all anew; from now on they don't join but resume. */
void
client_reopen_all(void)
{
	if (dialect.resume == NULL || dialect.resume_room == NULL)
		load_fail("dialect", "has no resume");
	resuming = true;
	client_open_until(options.clients);
}

/* The last clients read no more. */
void
client_stall(long count)
{
	for (long i = options.clients - count; i < options.clients; i++)
	{
		if (epoll_ctl(load_epoll, EPOLL_CTL_DEL, clients[i].fd, NULL) != 0)
			load_fail("epoll", strerror(errno));
		clients[i].state = CLIENT_STALLED;
	}
}

/* How many of those has the server closed? */
long
client_count_closed(long count)
{
	long		closed = 0;

	for (long i = options.clients - count; i < options.clients; i++)
	{
		ssize_t		n;

		do
			n = recv(clients[i].fd, input, sizeof(input), MSG_DONTWAIT);
		while (n > 0);
		if (n == 0 || errno != EAGAIN)
			closed++;
	}
	return closed;
}
