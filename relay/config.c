/*
 * config.c
 *	  The option table, and the three places that options come from: file,
 *	  environment, flags.  What a setting means is its reader's matter.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

typedef enum OptionKind
{
	OPTION_STRING,				/* char * */
	OPTION_SECRET,				/* char *, never from a flag, never printed */
	OPTION_NUMBER,				/* int64_t */
	OPTION_DURATION,			/* int64_t milliseconds */
	OPTION_CHOICE				/* int: index into choices */
} OptionKind;

typedef struct Option
{
	const char *key;			/* as in the file */
	OptionKind	kind;
	size_t		offset;			/* in Config */
	const char *standard;		/* the default, as text */
	const char *const *choices; /* of OPTION_CHOICE, NULL-ended */
	int64_t		least;			/* of numbers */
	int64_t		most;
	const char *help;
} Option;

static const char *const level_choices[] = {"error", "warning", "info", "debug", NULL};
static const char *const format_choices[] = {"text", "json", NULL};

#define STRING(key, standard, help) {#key, OPTION_STRING, offsetof(Config, key), standard, NULL, 0, 0, help}
#define NUMBER(key, standard, least, most, help) {#key, OPTION_NUMBER, offsetof(Config, key), standard, NULL, least, most, help}
#define DURATION(key, standard, least, help) {#key, OPTION_DURATION, offsetof(Config, key), standard, NULL, least, INT64_C(31536000000), help}
#define CHOICE(key, standard, choices, help) {#key, OPTION_CHOICE, offsetof(Config, key), standard, choices, 0, 0, help}

static const Option options[] = {
	STRING(listen, "127.0.0.1:8765", "address and port for clients"),
	STRING(database, "", "connection string (default: libpq's, or DATABASE_URL)"),
	STRING(web_root, "", "directory of static files to serve"),
	STRING(allowed_origins, "", "origins that browsers may come from (default: the same host; * for any)"),
	STRING(trusted_proxies, "", "addresses whose X-Forwarded-For is believed"),
	STRING(jwt_secret_file, "", "file with the secret of HS256 tokens"),
	{"jwt_secret", OPTION_SECRET, offsetof(Config, jwt_secret), "", NULL, 0, 0, "the secret itself (environment only)"},
	STRING(jwt_public_key_file, "", "PEM file with a public key"),
	STRING(jwks_file, "", "JSON Web Key Set"),
	STRING(jwt_algorithms, "", "algorithms that tokens may be signed with"),
	STRING(jwt_issuer, "", "required iss"),
	STRING(jwt_audience, "", "required aud"),
	STRING(jwt_user_claim, "sub", "claim that names the user"),
	DURATION(jwt_leeway, "30s", 0, "tolerance for clocks"),
	DURATION(ticket_session, "12h", 1000, "how long a ticket's session lasts"),
	STRING(tls_certificate, "", "PEM file of the certificate chain"),
	STRING(tls_key, "", "PEM file of its private key"),
	DURATION(auth_timeout, "10s", 100, "time to log in"),
	DURATION(heartbeat, "25s", 100, "time between pings"),
	DURATION(typing_timeout, "6s", 100, "when typing ends by itself"),
	DURATION(presence_grace, "10s", 0, "how long a user stays online after the last connection"),
	NUMBER(max_frame_bytes, "65536", 1024, 16777216, "longest frame from a client"),
	NUMBER(max_reply_bytes, "262144", 16384, 16777216, "longest frame to a client"),
	NUMBER(max_queue_bytes, "1048576", 65536, 1073741824, "bytes that may wait for one connection"),
	NUMBER(max_connections, "100000", 1, 10000000, "connections in all"),
	NUMBER(max_connections_per_user, "20", 1, 1000000, "connections of one user"),
	NUMBER(max_rooms_per_connection, "200", 1, 100000, "rooms joined by one connection"),
	NUMBER(rate_messages, "10", 1, 1000000, "messages a second a user"),
	NUMBER(rate_messages_burst, "30", 1, 1000000, "messages at once a user"),
	NUMBER(rate_commands, "50", 1, 1000000, "commands a second a connection"),
	NUMBER(rate_commands_burst, "200", 1, 1000000, "commands at once a connection"),
	NUMBER(resume_limit, "500", 1, 500, "events of one room in a resume"),
	DURATION(drain_timeout, "15s", 0, "time that SIGTERM gives to clients"),
	STRING(admin_listen, "127.0.0.1:8766", "address and port for health and metrics"),
	CHOICE(log_level, "info", level_choices, "error, warning, info or debug"),
	CHOICE(log_format, "text", format_choices, "text or json"),
	STRING(broker, "", "reserved")
};

#define NOPTIONS (sizeof(options) / sizeof(options[0]))

static void *
place(Config *config, const Option *option)
{
	return (char *) config + option->offset;
}

static char *
message(const char *where, const char *key, const char *problem)
{
	char	   *text = NULL;

	if (asprintf(&text, "%s: %s: %s", where, key, problem) < 0)
		return NULL;
	return text;
}

static const Option *
option_find(const char *key)
{
	size_t		i;

	for (i = 0; i < NOPTIONS; i++)
		if (strcmp(options[i].key, key) == 0)
			return &options[i];
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

static bool
parse_duration(const char *text, int64_t *out)
{
	static const struct
	{
		const char *unit;
		int64_t		ms;
	}			units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
	const char *rest;
	size_t		i;

	if (!parse_number(text, out, &rest))
		return false;
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(rest, units[i].unit) == 0)
			return !__builtin_mul_overflow(*out, units[i].ms, out);
	return false;
}

/* The problem with the value, a constant, or NULL: it is set. */
static const char *
option_set(Config *config, const Option *option, const char *value)
{
	int64_t		number;
	const char *rest;
	char	   *copy;
	int			i;

	switch (option->kind)
	{
		case OPTION_STRING:
		case OPTION_SECRET:
			copy = strdup(value);
			if (copy == NULL)
				return "out of memory";
			free(*(char **) place(config, option));
			*(char **) place(config, option) = copy;
			return NULL;
		case OPTION_NUMBER:
			if (!parse_number(value, &number, &rest) || *rest != '\0')
				return "not a whole number";
			break;
		case OPTION_DURATION:
			if (!parse_duration(value, &number))
				return "not a duration (a whole number and ms, s, m or h)";
			break;
		case OPTION_CHOICE:
			for (i = 0; option->choices[i]; i++)
				if (strcmp(option->choices[i], value) == 0)
				{
					*(int *) place(config, option) = i;
					return NULL;
				}
			return "not one of the values that it can have";
	}
	if (number < option->least || number > option->most)
		return "out of range";
	*(int64_t *) place(config, option) = number;
	return NULL;
}

static char *
trim(char *text)
{
	char	   *end;

	while (isspace((unsigned char) *text))
		text++;
	end = text + strlen(text);
	while (end > text && isspace((unsigned char) end[-1]))
		*--end = '\0';
	return text;
}

static char *
read_line(Config *config, char *line, const char *where)
{
	char	   *equals;
	char	   *key;
	char	   *value;
	const Option *option;
	const char *problem;
	size_t		len;

	line = trim(line);
	if (*line == '\0' || *line == '#')
		return NULL;
	equals = strchr(line, '=');
	if (equals == NULL)
		return message(where, line, "not a line \"key = value\"");
	*equals = '\0';
	key = trim(line);
	value = trim(equals + 1);
	len = strlen(value);
	if (len >= 2 && value[0] == '"' && value[len - 1] == '"')
	{
		value[len - 1] = '\0';
		value++;
	}
	option = option_find(key);
	if (option == NULL)
		return message(where, key, "unknown key");
	if (option->kind == OPTION_SECRET)
		return message(where, key, "a secret is not given here: name a jwt_secret_file");
	problem = option_set(config, option, value);
	return problem ? message(where, key, problem) : NULL;
}

static char *
read_file(Config *config, const char *path)
{
	FILE	   *file = fopen(path, "r");
	char	   *line = NULL;
	size_t		size = 0;
	int			number = 0;
	char	   *error = NULL;

	if (file == NULL)
		return message(path, "file", strerror(errno));
	while (error == NULL && getline(&line, &size, file) >= 0)
	{
		char		where[4200];

		snprintf(where, sizeof(where), "%.4096s, line %d", path, ++number);
		error = read_line(config, line, where);
	}
	if (error == NULL && ferror(file))
		error = message(path, "file", strerror(errno));
	free(line);
	fclose(file);
	return error;
}

static const char *
environment_value(char *const *environment, const char *name)
{
	size_t		len = strlen(name);

	for (; environment && *environment; environment++)
		if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
			return *environment + len + 1;
	return NULL;
}

static char *
read_environment(Config *config, char *const *environment)
{
	size_t		i;
	const char *value = environment_value(environment, "DATABASE_URL");

	if (value && option_set(config, option_find("database"), value) != NULL)
		return message("environment", "DATABASE_URL", "out of memory");
	for (i = 0; i < NOPTIONS; i++)
	{
		char		name[64] = "TASKCHAT_";
		size_t		n = strlen(name);
		const char *key;
		const char *problem;

		for (key = options[i].key; *key; key++)
			name[n++] = (char) toupper((unsigned char) *key);
		name[n] = '\0';
		value = environment_value(environment, name);
		if (value == NULL)
			continue;
		problem = option_set(config, &options[i], value);
		if (problem)
			return message("environment", name, problem);
	}
	return NULL;
}

/* --key value, --key=value; dashes and underscores are the same in a key. */
static char *
read_flag(Config *config, int argc, char *const *argv, int *i)
{
	char		key[64];
	const char *equals = strchr(argv[*i], '=');
	const char *value;
	size_t		len = equals ? (size_t) (equals - argv[*i]) : strlen(argv[*i]);
	const Option *option;
	const char *problem;
	size_t		k;

	if (strncmp(argv[*i], "--", 2) != 0 || len - 2 >= sizeof(key))
		return message("command line", argv[*i], "unknown argument");
	for (k = 2; k < len; k++)
		key[k - 2] = argv[*i][k] == '-' ? '_' : argv[*i][k];
	key[len - 2] = '\0';
	option = option_find(key);
	if (option == NULL)
		return message("command line", argv[*i], "unknown flag");
	if (option->kind == OPTION_SECRET)
		return message("command line", key, "a secret is never given by a flag: name a jwt_secret_file");
	if (equals)
		value = equals + 1;
	else if (++*i < argc)
		value = argv[*i];
	else
		return message("command line", key, "the value is missing");
	problem = option_set(config, option, value);
	return problem ? message("command line", key, problem) : NULL;
}

static bool
read_request(const char *argument, ConfigRequest *request)
{
	if (strcmp(argument, "--check-config") == 0)
		request->check = true;
	else if (strcmp(argument, "--print-config") == 0)
		request->print = true;
	else if (strcmp(argument, "--version") == 0)
		request->version = true;
	else if (strcmp(argument, "--help") == 0)
		request->help = true;
	else
		return false;
	return true;
}

/* Reads the flags: with flags false only -c FILE, with flags true all the others. */
static char *
read_arguments(Config *config, int argc, char *const *argv, ConfigRequest *request, bool flags)
{
	char	   *error = NULL;
	int			i;

	for (i = 1; i < argc && error == NULL; i++)
	{
		if (strcmp(argv[i], "-c") == 0)
		{
			if (++i >= argc)
				return message("command line", "-c", "the file is missing");
			if (!flags)
				error = read_file(config, argv[i]);
		}
		else if (read_request(argv[i], request))
			continue;
		else if (flags)
			error = read_flag(config, argc, argv, &i);
		else if (strncmp(argv[i], "--", 2) == 0 && strchr(argv[i], '=') == NULL)
			i++;
	}
	return error;
}

static char *
check_addresses(const Config *config)
{
	char		host[256];
	int			port;

	if (!config_split_address(config->listen, host, sizeof(host), &port))
		return message("configuration", "listen", "not an address and port");
	if (config->admin_listen[0] && !config_split_address(config->admin_listen, host, sizeof(host), &port))
		return message("configuration", "admin_listen", "not an address and port");
	return NULL;
}

/*
 * The settings: flags win over the environment, that over the file, that over
 * the defaults.  NULL with *error, one line to be freed.
 */
Config *
config_load(int argc, char *const *argv, char *const *environ_, ConfigRequest *request, char **error)
{
	Config	   *config = calloc(1, sizeof(Config));
	size_t		i;

	*error = NULL;
	memset(request, 0, sizeof(*request));
	if (config == NULL)
		return NULL;
	for (i = 0; i < NOPTIONS && *error == NULL; i++)
		if (option_set(config, &options[i], options[i].standard) != NULL)
			*error = message("defaults", options[i].key, "cannot be set");
	if (*error == NULL)
		*error = read_arguments(config, argc, argv, request, false);
	if (*error == NULL)
		*error = read_environment(config, environ_);
	if (*error == NULL)
		*error = read_arguments(config, argc, argv, request, true);
	if (*error == NULL)
		*error = check_addresses(config);
	if (*error == NULL)
		return config;
	config_free(config);
	return NULL;
}

void
config_free(Config *config)
{
	size_t		i;

	if (config == NULL)
		return;
	for (i = 0; i < NOPTIONS; i++)
		if (options[i].kind == OPTION_STRING || options[i].kind == OPTION_SECRET)
			free(*(char **) place(config, &options[i]));
	free(config);
}

/* All settings as a configuration file; a secret only says that it is set. */
void
config_print(const Config *config)
{
	size_t		i;

	for (i = 0; i < NOPTIONS; i++)
	{
		const Option *option = &options[i];
		const void *at = (const char *) config + option->offset;

		switch (option->kind)
		{
			case OPTION_STRING:
				printf("%s = \"%s\"\n", option->key, *(char *const *) at);
				break;
			case OPTION_SECRET:
				printf("# %s %s\n", option->key, **(char *const *) at ? "is set" : "is not set");
				break;
			case OPTION_NUMBER:
				printf("%s = %lld\n", option->key, (long long) *(const int64_t *) at);
				break;
			case OPTION_DURATION:
				printf("%s = %lldms\n", option->key, (long long) *(const int64_t *) at);
				break;
			case OPTION_CHOICE:
				printf("%s = %s\n", option->key, option->choices[*(const int *) at]);
				break;
		}
	}
}

void
config_help(void)
{
	size_t		i;

	printf("taskchat-relay [-c FILE] [--KEY VALUE ...] [--check-config] [--print-config] [--version] [--help]\n\n"
		   "Keys, each also an environment variable (TASKCHAT_LISTEN for listen):\n");
	for (i = 0; i < NOPTIONS; i++)
		printf("  %-26s %s [%s]\n", options[i].key, options[i].help, options[i].standard);
}

/* Splits "address:port" or "[address]:port"; host has host_size bytes. */
bool
config_split_address(const char *text, char *host, size_t host_size, int *port)
{
	const char *colon = strrchr(text, ':');
	const char *rest;
	const char *start = text;
	size_t		len;
	int64_t		number;

	if (colon == NULL || !parse_number(colon + 1, &number, &rest) || *rest != '\0' || number > 65535)
		return false;
	len = (size_t) (colon - text);
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']')
	{
		start = text + 1;
		len -= 2;
	}
	if (len == 0 || len >= host_size)
		return false;
	memcpy(host, start, len);
	host[len] = '\0';
	*port = (int) number;
	return true;
}
