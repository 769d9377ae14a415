/*
 * config_option.c
 *	  The option table, and its values as text: read, checked, written.  What
 *	  a setting means is its reader's matter, where it comes from config.c's.
 *
 * No problem with a value repeats the value: it may be a secret in the wrong
 * place.
 */
#include "config_option.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "pgconn_info.h"

#define LONGEST_DURATION INT64_C(31536000000)	/* a year */

static const char *const level_choices[] = {"error", "warning", "info", "debug", NULL};
static const char *const format_choices[] = {"text", "json", NULL};

/* Takes one element off a comma list, trimmed; false at its end. */
static bool
list_next(const char **list, const char **item, size_t *len)
{
	const char *end;

	if (*list == NULL)
		return false;
	end = *list + strcspn(*list, ",");
	*item = *list + strspn(*list, " \t");
	*list = *end ? end + 1 : NULL;
	while (end > *item && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*len = end > *item ? (size_t) (end - *item) : 0;
	return true;
}

static const char *
check_listen(const char *value)
{
	char		host[64];
	int			port;

	return config_split_address(value, host, sizeof(host), &port) ? NULL :
		"not an address and port (127.0.0.1:8765, [::1]:8765, or *:8765 for all addresses)";
}

static const char *
check_admin_listen(const char *value)
{
	return value[0] ? check_listen(value) : NULL;
}

static const char *
check_database(const char *value)
{
	return pginfo_is_valid(value) ? NULL : "not a connection string that libpq understands";
}

/* Whether it is scheme://host or scheme://host:port, as browsers write it. */
static bool
is_origin(const char *item, size_t len)
{
	size_t		scheme = 0;

	if (len == 4 && memcmp(item, "null", 4) == 0)
		return true;
	while (scheme < len && (isalnum((unsigned char) item[scheme]) || strchr("+-.", item[scheme])))
		scheme++;
	if (scheme == 0 || len <= scheme + 3 || memcmp(item + scheme, "://", 3) != 0)
		return false;
	for (size_t i = scheme + 3; i < len; i++)
		if (!isalnum((unsigned char) item[i]) && strchr("-._:[]", item[i]) == NULL)
			return false;
	return true;
}

static const char *
check_origins(const char *value)
{
	const char *item;
	size_t		len;

	if (value[0] == '\0')
		return NULL;
	while (list_next(&value, &item, &len))
		if (!(len == 1 && item[0] == '*') && !is_origin(item, len))
			return "not a comma list of origins (https://app.example.org, with no path) or *";
	return NULL;
}

static const char *
check_proxies(const char *value)
{
	NetworkList list;

	if (!network_list_parse(value, &list))
		return "not a comma list of addresses and networks (10.0.0.1, 10.0.0.0/8, fd00::/8)";
	network_list_reset(&list);
	return NULL;
}

static const char *
check_algorithms(const char *value)
{
	static const char *const names[] = {"HS256", "RS256", "PS256", "ES256"};
	const char *item;
	size_t		len;

	if (value[0] == '\0')
		return NULL;
	while (list_next(&value, &item, &len))
	{
		size_t		i = 0;

		while (i < 4 && (len != 5 || memcmp(item, names[i], 5) != 0))
			i++;
		if (i == 4)
			return "not a comma list of HS256, RS256, PS256, ES256";
	}
	return NULL;
}

static const char *
check_not_empty(const char *value)
{
	return value[0] ? NULL : "it must not be empty";
}

static const char *
check_broker(const char *value)
{
	return value[0] ? "this version knows no broker" : NULL;
}

#define STRING(key, standard, check, help) {#key, OPTION_STRING, offsetof(Config, key), standard, help, NULL, 0, 0, check}
#define SECRET(key, help) {#key, OPTION_SECRET, offsetof(Config, key), "", help, NULL, 0, 0, NULL}
#define NUMBER(key, standard, least, most, help) {#key, OPTION_NUMBER, offsetof(Config, key), standard, help, NULL, least, most, NULL}
#define DURATION(key, standard, least, help) {#key, OPTION_DURATION, offsetof(Config, key), standard, help, NULL, least, LONGEST_DURATION, NULL}
#define CHOICE(key, standard, choices, help) {#key, OPTION_CHOICE, offsetof(Config, key), standard, help, choices, 0, 0, NULL}

const Option config_options[] = {
	STRING(listen, "127.0.0.1:8765", check_listen, "address and port for clients"),
	STRING(admin_listen, "127.0.0.1:8766", check_admin_listen, "address and port for health and metrics; empty: none"),
	STRING(database, "", check_database, "connection string; empty: DATABASE_URL, or libpq's defaults"),
	STRING(web_root, "", NULL, "directory of static files to serve"),
	STRING(allowed_origins, "", check_origins, "comma list of the origins that pages may come from; empty: the same host; * any"),
	STRING(trusted_proxies, "", check_proxies, "comma list of addresses and networks whose X-Forwarded-For is believed"),
	STRING(jwt_secret_file, "", NULL, "file with the secret of HS256 tokens"),
	SECRET(jwt_secret, "that secret itself: TASKCHAT_JWT_SECRET in the environment, nowhere else"),
	STRING(jwt_public_key_file, "", NULL, "PEM file with one public key or several"),
	STRING(jwks_file, "", NULL, "JSON Web Key Set"),
	STRING(jwt_algorithms, "", check_algorithms, "comma list of algorithms; empty: all that the keys are made for"),
	STRING(jwt_issuer, "", NULL, "what iss must be; empty: anything"),
	STRING(jwt_audience, "", NULL, "what aud must be or hold; empty: anything"),
	STRING(jwt_user_claim, "sub", check_not_empty, "claim that names the user"),
	DURATION(jwt_leeway, "30s", 0, "tolerance for clocks"),
	DURATION(ticket_session, "12h", 1000, "how long a ticket's session lasts"),
	STRING(tls_certificate, "", NULL, "PEM file of the certificate chain"),
	STRING(tls_key, "", NULL, "PEM file of its private key"),
	DURATION(auth_timeout, "10s", 100, "time to log in"),
	DURATION(heartbeat, "25s", 100, "time between pings"),
	DURATION(typing_timeout, "6s", 100, "when typing ends by itself"),
	DURATION(presence_grace, "10s", 0, "how long a user stays online after the last connection"),
	DURATION(drain_timeout, "15s", 0, "time that SIGTERM gives to clients"),
	NUMBER(max_frame_bytes, "65536", 256, 16777216, "longest frame from a client, longest body of a request"),
	NUMBER(max_reply_bytes, "262144", 16384, 16777216, "longest frame to a client"),
	NUMBER(max_queue_bytes, "1048576", 4096, 1073741824, "bytes that may wait for one connection"),
	NUMBER(max_connections, "100000", 1, 10000000, "connections in all"),
	NUMBER(max_connections_per_user, "20", 1, 1000000, "connections of one user"),
	NUMBER(max_rooms_per_connection, "200", 1, 100000, "rooms joined by one connection"),
	NUMBER(rate_messages, "10", 1, 1000000, "messages a second a user"),
	NUMBER(rate_messages_burst, "30", 1, 1000000, "messages at once a user"),
	NUMBER(rate_commands, "50", 1, 1000000, "commands a second a connection"),
	NUMBER(rate_commands_burst, "200", 1, 1000000, "commands at once a connection"),
	NUMBER(resume_limit, "500", 1, 500, "events of one room in a resume"),
	CHOICE(log_level, "info", level_choices, "error, warning, info or debug"),
	CHOICE(log_format, "text", format_choices, "text or json"),
	STRING(broker, "", check_broker, "for a later version")
};

const size_t config_option_count = sizeof(config_options) / sizeof(config_options[0]);

static char **
string_of(Config *config, const Option *option)
{
	return (char **) ((char *) config + option->offset);
}

/*
 * The option of this key; NULL when there is none.
 */
const Option *
option_find(const char *key)
{
	for (size_t i = 0; i < config_option_count; i++)
		if (strcmp(config_options[i].key, key) == 0)
			return &config_options[i];
	return NULL;
}

static bool
parse_number(const char *text, int64_t *out, const char **rest)
{
	char	   *end;

	if (!isdigit((unsigned char) text[0]))
		return false;
	errno = 0;
	*out = strtoll(text, &end, 10);
	*rest = end;
	return errno == 0;
}

/* Largest first: it is also how a duration is written. */
static const struct
{
	const char *name;
	int64_t		ms;
}			units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

static bool
parse_duration(const char *text, int64_t *out)
{
	const char *rest;

	if (!parse_number(text, out, &rest))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(rest, units[i].name) == 0)
			return !__builtin_mul_overflow(*out, units[i].ms, out);
	return false;
}

static const char *
set_string(Config *config, const Option *option, const char *value)
{
	const char *problem = option->check ? option->check(value) : NULL;
	char	   *copy;

	if (problem)
		return problem;
	/* A file could not say it, so it could not be printed as one. */
	for (const char *p = value; *p && option->kind == OPTION_STRING; p++)
		if (iscntrl((unsigned char) *p) && *p != '\t')
			return "it holds a control character";
	copy = strdup(value);
	if (copy == NULL)
		return "out of memory";
	free(*string_of(config, option));
	*string_of(config, option) = copy;
	return NULL;
}

static const char *
set_choice(Config *config, const Option *option, const char *value)
{
	for (int i = 0; option->choices[i]; i++)
		if (strcmp(option->choices[i], value) == 0)
		{
			*(int *) ((char *) config + option->offset) = i;
			return NULL;
		}
	return "not one of the values that it can have";
}

/*
 * Sets the option from a text.  Returns the problem with it, a constant, and
 * leaves the old value; NULL when it is set.
 */
const char *
option_set(Config *config, const Option *option, const char *value)
{
	int64_t		number;
	const char *rest;

	switch (option->kind)
	{
		case OPTION_STRING:
		case OPTION_SECRET:
			return set_string(config, option, value);
		case OPTION_CHOICE:
			return set_choice(config, option, value);
		case OPTION_NUMBER:
			if (!parse_number(value, &number, &rest) || *rest != '\0')
				return "not a whole number";
			break;
		case OPTION_DURATION:
			if (!parse_duration(value, &number))
				return "not a duration (a whole number with ms, s, m or h)";
			break;
	}
	if (number < option->least || number > option->most)
		return "out of range";
	*(int64_t *) ((char *) config + option->offset) = number;
	return NULL;
}

/*
 * Frees what the option's value holds.
 */
void
option_release(Config *config, const Option *option)
{
	if (option->kind == OPTION_STRING || option->kind == OPTION_SECRET)
		free(*string_of(config, option));
}

static void
print_duration(const char *key, int64_t ms)
{
	size_t		i = 0;

	while (ms % units[i].ms != 0)
		i++;
	if (ms == 0)
		i = 2;
	printf("%s = %lld%s\n", key, (long long) (ms / units[i].ms), units[i].name);
}

/* A connection string may hold a password, which is left out. */
static void
print_database(const char *value)
{
	bool		hidden;
	char	   *text = pginfo_without_password(value, &hidden);

	if (hidden)
		printf("# the password of database is not shown\n");
	printf("database = \"%s\"\n", text ? text : "");
	free(text);
}

/*
 * Prints the option as a line of a configuration file to stdout; of a secret
 * only whether there is one, as a comment.
 */
void
option_print(const Config *config, const Option *option)
{
	const void *at = (const char *) config + option->offset;

	switch (option->kind)
	{
		case OPTION_STRING:
			if (option->offset == offsetof(Config, database))
				print_database(config->database);
			else
				printf("%s = \"%s\"\n", option->key, *(char *const *) at);
			break;
		case OPTION_SECRET:
			printf("# %s: %s\n", option->key, **(char *const *) at ? "given in the environment, not shown" : "not given");
			break;
		case OPTION_NUMBER:
			printf("%s = %lld\n", option->key, (long long) *(const int64_t *) at);
			break;
		case OPTION_DURATION:
			print_duration(option->key, *(const int64_t *) at);
			break;
		case OPTION_CHOICE:
			printf("%s = %s\n", option->key, option->choices[*(const int *) at]);
			break;
	}
}
