/*
 * options.c
 *	  The command line: KEY=VALUE, what each means stands in load.h.
 */
#include "load.h"

#include <errno.h>

Options		options = {
	.mode = "messages",
	.publish = "sql",
	.clients = 1,
	.rooms = 1,
	.rooms_each = 1,
	.opening = 32,
	.in_flight = 0,
	.senders = 4,
	.burst = 1,
	.bytes = 64,
	.settle = 2,
	.window = 30,
	.limit = 300,
};

static const struct
{
	const char *key;
	const char **text;			/* one of the two */
	long	   *number;
}			known[] = {
	{"mode", &options.mode, NULL},
	{"dialect", &options.dialect, NULL},
	{"secret", &options.secret, NULL},
	{"publish", &options.publish, NULL},
	{"url", &options.url, NULL},
	{"statement", &options.statement, NULL},
	{"server_pids", &options.pids, NULL},
	{"port", NULL, &options.port},
	{"postmaster_pid", NULL, &options.postmaster},
	{"clients", NULL, &options.clients},
	{"rooms", NULL, &options.rooms},
	{"rooms_each", NULL, &options.rooms_each},
	{"base", NULL, &options.base},
	{"opening", NULL, &options.opening},
	{"messages", NULL, &options.messages},
	{"warm", NULL, &options.warm},
	{"seconds", NULL, &options.seconds},
	{"rate", NULL, &options.rate},
	{"burst", NULL, &options.burst},
	{"in_flight", NULL, &options.in_flight},
	{"senders", NULL, &options.senders},
	{"bytes", NULL, &options.bytes},
	{"acks", NULL, &options.acks},
	{"stalled", NULL, &options.stalled},
	{"settle", NULL, &options.settle},
	{"window", NULL, &options.window},
	{"limit", NULL, &options.limit},
};

static void
set_option(const char *argument)
{
	const char *value = strchr(argument, '=');
	char	   *end;

	for (size_t i = 0; value != NULL && i < sizeof(known) / sizeof(known[0]); i++)
	{
		if (strncmp(argument, known[i].key, (size_t) (value - argument)) != 0 ||
			known[i].key[value - argument] != '\0')
			continue;
		if (known[i].text != NULL)
		{
			*known[i].text = value + 1;
			return;
		}
		errno = 0;
		*known[i].number = strtol(value + 1, &end, 10);
		if (errno != 0 || *end != '\0' || end == value + 1 || *known[i].number < 0)
			load_fail("not a number", argument);
		return;
	}
	load_fail("not an option", argument);
}

static bool
is_mode(const char *mode)
{
	static const char *const modes[] = {"messages", "commands", "idle", "login", "resume"};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(mode, modes[i]) == 0)
			return true;
	return false;
}

/* Reads the command line, and ends the program where it makes no sense. */
void
options_read(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		set_option(argv[i]);
	if (options.dialect == NULL || options.port == 0)
		load_fail("usage", "load port=N dialect=FILE [KEY=VALUE ...]");
	if (!is_mode(options.mode))
		load_fail("mode", options.mode);
	if (strcmp(options.publish, "sql") != 0 && strcmp(options.publish, "socket") != 0)
		load_fail("publish", options.publish);
	if (options.clients == 0 || options.rooms == 0 || options.rooms_each == 0 || options.opening == 0 ||
		options.burst == 0 || options.senders == 0)
		load_fail("options", "clients, rooms, rooms_each, opening, burst and senders must not be 0");
	if (options.clients * options.rooms_each % options.rooms != 0)
		load_fail("options", "clients * rooms_each must be a multiple of rooms");
	if (options.base > options.clients || options.stalled >= options.clients)
		load_fail("options", "more of base or stalled than clients");
	if (options.messages % options.burst != 0 || options.warm % options.burst != 0)
		load_fail("options", "messages and warm must be multiples of burst");
	if (options.in_flight == 0)
		options.in_flight = options.senders;
	/* While the server is down nobody gets anything. */
	if (strcmp(options.mode, "resume") == 0)
		options.in_flight = options.rooms;
	if (options.messages == 0)
		options.messages = options.rate > 0 ? options.rate * options.seconds : options.seconds * 50000;
}
