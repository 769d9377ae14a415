/*
 * pgconn_info.c
 *	  Connection strings, as libpq itself reads them: with the environment,
 *	  the service file and the defaults.
 *
 * libpq would resolve names inside the event loop; so pginfo_targets(), which
 * blocks, runs in a thread, and libpq is then given addresses.
 */
#include "pgconn_info.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libpq-fe.h>

/* Whether libpq takes it for a string of options and not for a database's name. */
static bool
pginfo_has_options(const char *database)
{
	return strchr(database, '=') != NULL || strncmp(database, "postgresql://", 13) == 0
		|| strncmp(database, "postgres://", 11) == 0;
}

/*
 * Whether libpq understands the text.  What it says of one that it does not
 * is left out: it may repeat a password.
 */
bool
pginfo_is_valid(const char *database)
{
	PQconninfoOption *options;

	if (!pginfo_has_options(database))
		return true;
	options = PQconninfoParse(database, NULL);
	PQconninfoFree(options);
	return options != NULL;
}

static bool
is_password(const PQconninfoOption *option)
{
	return option->val && option->val[0]
		&& (strcmp(option->keyword, "password") == 0 || strcmp(option->keyword, "sslpassword") == 0);
}

/* Writes keyword='value' for all options but passwords. */
static char *
pginfo_write(const PQconninfoOption *options)
{
	char	   *text = NULL;
	size_t		size;
	FILE	   *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	for (; options->keyword; options++)
	{
		if (options->val == NULL || is_password(options))
			continue;
		fprintf(out, "%s%s='", ftell(out) > 0 ? " " : "", options->keyword);
		for (const char *p = options->val; *p; p++)
			fprintf(out, *p == '\'' || *p == '\\' ? "\\%c" : "%c", *p);
		fputc('\'', out);
	}
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

/*
 * The connection string as it may be shown: without a password (*hidden says
 * whether there was one).  To be freed; NULL when out of memory.
 */
char *
pginfo_without_password(const char *database, bool *hidden)
{
	PQconninfoOption *options = pginfo_has_options(database) ? PQconninfoParse(database, NULL) : NULL;
	char	   *text;

	*hidden = false;
	for (PQconninfoOption *option = options; option && option->keyword; option++)
		*hidden = *hidden || is_password(option);
	text = *hidden ? pginfo_write(options) : strdup(database);
	PQconninfoFree(options);
	return text;
}

/* Item i of a comma list, to be freed; a list of one stands for all. */
static char *
list_item(const char *list, size_t i)
{
	if (list == NULL)
		return strdup("");
	if (strchr(list, ',') == NULL && i > 0)
		i = 0;
	for (; i > 0 && *list; i--)
	{
		list += strcspn(list, ",");
		list += *list == ',';
	}
	return strndup(list, strcspn(list, ","));
}

static size_t
list_length(const char *list)
{
	size_t		n = 1;

	for (; list && *list; list++)
		n += *list == ',';
	return n;
}

static bool
add_target(PgTargets *targets, const char *host, const char *hostaddr, const char *port)
{
	PgTarget   *items = realloc(targets->items, (targets->count + 1) * sizeof(PgTarget));
	PgTarget   *target;

	if (items == NULL)
		return false;
	targets->items = items;
	target = &items[targets->count++];
	target->host = strdup(host);
	target->hostaddr = strdup(hostaddr);
	target->port = strdup(port);
	return target->host && target->hostaddr && target->port;
}

/* Adds all addresses of a name; a name that has none is left out, and noted. */
static bool
add_addresses(PgTargets *targets, const char *host, const char *port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	struct addrinfo *found = NULL;
	int			status = getaddrinfo(host, NULL, &hints, &found);
	bool		ok = true;

	if (status != 0)
	{
		free(targets->error);
		targets->error = NULL;
		return asprintf(&targets->error, "the host name \"%.200s\" cannot be resolved: %s", host, gai_strerror(status)) >= 0;
	}
	for (struct addrinfo *at = found; at && ok; at = at->ai_next)
	{
		char		text[NI_MAXHOST];

		if (getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST) == 0)
			ok = add_target(targets, host, text, port);
	}
	freeaddrinfo(found);
	return ok;
}

/* One server as the options name it. */
static bool
add_server(PgTargets *targets, const char *host, const char *hostaddr, const char *port)
{
	if (host == NULL || hostaddr == NULL || port == NULL)
		return false;
	if (hostaddr[0] || host[0] == '\0' || host[0] == '/' || host[0] == '@')
		return add_target(targets, host, hostaddr, port);
	return add_addresses(targets, host, port);
}

static const char *
option_value(const PQconninfoOption *options, const char *keyword)
{
	for (; options->keyword; options++)
		if (strcmp(options->keyword, keyword) == 0)
			return options->val;
	return NULL;
}

static bool
add_servers(PgTargets *targets, const PQconninfoOption *options)
{
	const char *hosts = option_value(options, "host");
	const char *addresses = option_value(options, "hostaddr");
	const char *ports = option_value(options, "port");
	size_t		count = list_length(hosts);
	bool		ok = true;

	if (list_length(addresses) > count)
		count = list_length(addresses);
	for (size_t i = 0; i < count && ok; i++)
	{
		char	   *host = list_item(hosts, i);
		char	   *address = list_item(addresses, i);
		char	   *port = list_item(ports, i);

		ok = add_server(targets, host, address, port);
		free(host);
		free(address);
		free(port);
	}
	return ok;
}

/*
 * Finds the servers that a connection string means, names resolved.  Blocks;
 * made for a thread of its own.  With no server targets->error says why.  At
 * the end: pginfo_targets_reset().
 */
void
pginfo_targets(const char *database, PgTargets *targets)
{
	/* A mode that does not exist: libpq reads everything, then stops before it connects. */
	const char *const keys[] = {"dbname", "sslmode", NULL};
	const char *const values[] = {database, "only-read-the-options", NULL};
	PGconn	   *pq = PQconnectStartParams(keys, values, 1);
	PQconninfoOption *options = PQconninfo(pq);

	memset(targets, 0, sizeof(*targets));
	if (options == NULL || !add_servers(targets, options))
	{
		pginfo_targets_reset(targets);
		targets->error = strdup("out of memory");
	}
	PQconninfoFree(options);
	PQfinish(pq);
}

/*
 * Frees what targets holds, and empties it.
 */
void
pginfo_targets_reset(PgTargets *targets)
{
	for (size_t i = 0; i < targets->count; i++)
	{
		free(targets->items[i].host);
		free(targets->items[i].hostaddr);
		free(targets->items[i].port);
	}
	free(targets->items);
	free(targets->error);
	memset(targets, 0, sizeof(*targets));
}
