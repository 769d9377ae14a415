/*
 * dialect.c
 *	  How a peer is spoken to: a file of templates, a line each, "key value".
 *
 *	path T			what is asked for in the upgrade
 *	header T		a further line of the upgrade; any number of them
 *	expect M, say T	from the 101 on, in this order: wait for a text frame with
 *					M in it, send T. After the last one the client is ready.
 *					A say that names {task} is said for each of the client's
 *					rooms, after the frame that answers the one before.
 *	send T			sends a message
 *	reply M			a frame with M in it answers a send; the {number} of the
 *					send follows M. Without it a message counts as committed
 *					when it is first delivered.
 *	refused M		a frame with M in it ends the run as failed
 *	seq M			the server's number of a message in its room follows M
 *	ack T			acknowledges a message
 *	ping M, pong T	a text frame that is M is answered with T
 *	epoch M, last_seq M		what a snapshot has for the resume
 *	resume T, resume_room T	said in place of the join after a break; {rooms}
 *					is the list of resume_room with commas between
 *	reset M			a frame with M in it says that the resume is not possible
 *
 * In T stand {task} {user} {token} {content} {number} {seq} {epoch} {rooms}; any
 * other brace is itself. M is searched in the frame, or with ^ before it is
 * the frame's beginning.
 */
#include "load.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <time.h>

Dialect		dialect;
static char secret[256];
static size_t secret_length;

static const struct
{
	const char *key;
	size_t		offset;
}			fields[] = {
	{"path", offsetof(Dialect, path)},
	{"send", offsetof(Dialect, send)},
	{"reply", offsetof(Dialect, reply)},
	{"refused", offsetof(Dialect, refused)},
	{"seq", offsetof(Dialect, seq)},
	{"ack", offsetof(Dialect, ack)},
	{"ping", offsetof(Dialect, ping)},
	{"pong", offsetof(Dialect, pong)},
	{"epoch", offsetof(Dialect, epoch)},
	{"last_seq", offsetof(Dialect, last_seq)},
	{"reset", offsetof(Dialect, reset)},
	{"resume", offsetof(Dialect, resume)},
	{"resume_room", offsetof(Dialect, resume_room)},
};

static void
add_header(const char *line)
{
	char	   *longer;

	if (asprintf(&longer, "%s%s\r\n", dialect.header ? dialect.header : "", line) < 0)
		load_fail("memory", strerror(errno));
	free(dialect.header);
	dialect.header = longer;
}

static void
add_step(bool say, const char *text)
{
	if (dialect.n_steps == MAX_STEPS)
		load_fail("dialect", "too many steps");
	dialect.steps[dialect.n_steps].say = say;
	dialect.steps[dialect.n_steps].text = strdup(text);
	if (dialect.steps[dialect.n_steps++].text == NULL)
		load_fail("memory", strerror(errno));
}

static void
set(const char *key, const char *value)
{
	if (strcmp(key, "expect") == 0 || strcmp(key, "say") == 0)
	{
		add_step(key[0] == 's', value);
		return;
	}
	if (strcmp(key, "header") == 0)
	{
		add_header(value);
		return;
	}
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
	{
		if (strcmp(key, fields[i].key) != 0)
			continue;
		*(char **) ((char *) &dialect + fields[i].offset) = strdup(value);
		return;
	}
	load_fail("dialect", key);
}

/* Reads the file of a dialect. */
void
dialect_read(const char *path)
{
	FILE	   *file = fopen(path, "r");
	char	   *line = NULL;
	size_t		size = 0;
	ssize_t		length;

	if (file == NULL)
		load_fail(path, strerror(errno));
	while ((length = getline(&line, &size, file)) > 0)
	{
		char	   *value;

		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		if (line[0] == '\0')
			continue;
		value = strchr(line, ' ');
		if (value == NULL)
			load_fail(path, line);
		*value = '\0';
		set(line, value + 1);
	}
	free(line);
	fclose(file);
	if (dialect.path == NULL)
		load_fail(path, "there is no path");
}

/* Reads the key that tokens are signed with: the first line of the file. */
void
dialect_read_secret(const char *path)
{
	FILE	   *file = fopen(path, "r");

	if (file == NULL || fgets(secret, sizeof(secret), file) == NULL)
		load_fail(path, "can't be read");
	fclose(file);
	secret_length = strcspn(secret, "\n");
}

static size_t
base64url(char *out, const void *bytes, size_t length)
{
	size_t		n = (size_t) EVP_EncodeBlock((unsigned char *) out, bytes, (int) length);

	while (n > 0 && out[n - 1] == '=')
		n--;
	for (size_t i = 0; i < n; i++)
		out[i] = out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i];
	out[n] = '\0';
	return n;
}

/* A token (HS256) of the user, good for a day. out has room for 512 bytes. */
static size_t
sign_token(char *out, uint32_t user)
{
	static const char head[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
	char		claims[128];
	unsigned char mac[32];
	unsigned	mac_length = sizeof(mac);
	int			length = snprintf(claims, sizeof(claims), "{\"sub\":\"u%" PRIu32 "\",\"exp\":%lld}", user, (long long) time(NULL) + 86400);
	size_t		n = base64url(out, head, sizeof(head) - 1);

	out[n++] = '.';
	n += base64url(out + n, claims, (size_t) length);
	HMAC(EVP_sha256(), secret, (int) secret_length, (unsigned char *) out, n, mac, &mac_length);
	out[n++] = '.';
	return n + base64url(out + n, mac, mac_length);
}

/* Writes a placeholder's value; returns its length, or -1 if the name isn't one. */
static int
expand_name(char *out, size_t size, const char *name, size_t length, const Values *values)
{
#define NAMED(text) (length == sizeof(text) - 1 && memcmp(name, text, length) == 0)
	if (NAMED("task"))
		return snprintf(out, size, "b%" PRIu32, values->room);
	if (NAMED("user"))
		return snprintf(out, size, "u%" PRIu32, values->user);
	if (NAMED("token"))
		return size < 512 ? (int) size : (int) sign_token(out, values->user);
	if (NAMED("content"))
		return snprintf(out, size, "%s", values->content);
	if (NAMED("number"))
		return snprintf(out, size, "%" PRIu64, values->number);
	if (NAMED("seq"))
		return snprintf(out, size, "%" PRIu64, values->seq);
	if (NAMED("epoch"))
		return snprintf(out, size, "%s", values->epoch);
	if (NAMED("rooms"))
		return snprintf(out, size, "%s", values->rooms);
#undef NAMED
	return -1;
}

/* Fills a template in; returns the length of the text, which is ended by a NUL. */
size_t
dialect_expand(char *out, size_t size, const char *template, const Values *values)
{
	size_t		n = 0;

	while (*template != '\0')
	{
		size_t		name = *template == '{' ? strspn(template + 1, "abcdefghijklmnopqrstuvwxyz_") : 0;
		int			length = -1;

		if (name > 0 && template[name + 1] == '}')
			length = expand_name(out + n, size - n, template + 1, name, values);
		if (length >= 0)
		{
			n += (size_t) length;
			template += name + 2;
		}
		else
			out[n++] = *template++;
		if (n + 1 >= size)
			load_fail("template", "too long when filled in");
	}
	out[n] = '\0';
	return n;
}

/* Where the text goes on after the mark; NULL where it doesn't have it. */
const char *
dialect_find(const char *mark, const char *text, size_t length)
{
	size_t		size = strlen(mark);
	const char *at;

	if (mark[0] == '^')
		return length >= size - 1 && memcmp(text, mark + 1, size - 1) == 0 ? text + size - 1 : NULL;
	at = memmem(text, length, mark, size);
	return at == NULL ? NULL : at + size;
}
