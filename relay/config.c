/*
 * config.c
 *	  The three places that settings come from: file, environment, flags.
 *	  What keys there are, and which values they take, is config_option.c's
 *	  matter.
 *
 * An error is one line that names the place (of a file the line too), the key
 * and what is wrong, and never a value.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "config_option.h"

#define LONGEST_KEY 40
#define SECRET_PLACE "a secret is given by jwt_secret_file or by TASKCHAT_JWT_SECRET in the environment, nowhere else"

/* One setting of the command line, borrowed from it. */
typedef struct Flag
{
	const char *argument;		/* as written, up to its = */
	const Option *option;
	const char *value;
} Flag;

/* The command line, taken apart. */
typedef struct Arguments
{
	const char *file;			/* of -c, or NULL */
	Flag	   *flags;			/* in order, owned */
	size_t		count;
} Arguments;

__attribute__((format(printf, 1, 2))) static char *
message(const char *format,...)
{
	va_list		args;
	char	   *text = NULL;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return text;
}

/* Sets an option and notes where that was: NULL, or the error. */
static char *
set_from(Config *config, const Option *option, const char *value, const char *where)
{
	const char *problem = option_set(config, option, value);
	char	   *origin;

	if (problem)
		return message("%s: %s: %s", where, option->key, problem);
	origin = strdup(where);
	if (origin == NULL)
		return message("out of memory");
	free(config->origins[option - config_options]);
	config->origins[option - config_options] = origin;
	return NULL;
}

/* ---- the file ---- */

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

/* Whether it may be repeated as a key: not whatever stands there by mistake. */
static bool
looks_like_key(const char *text)
{
	size_t		len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

	return len > 0 && len <= LONGEST_KEY && text[len] == '\0';
}

/* Takes the double quotes off a value; false when one is missing. */
static bool
unquote(char **value)
{
	size_t		len = strlen(*value);

	if ((*value)[0] != '"')
		return true;
	if (len < 2 || (*value)[len - 1] != '"')
		return false;
	(*value)[len - 1] = '\0';
	++*value;
	return true;
}

static char *
read_line(Config *config, char *line, const char *where)
{
	char	   *equals;
	char	   *key;
	char	   *value;
	const Option *option;

	line = trim(line);
	if (*line == '\0' || *line == '#')
		return NULL;
	equals = strchr(line, '=');
	if (equals == NULL)
		return message("%s: %s: not a line \"key = value\"", where, option_find(line) ? line : "no key");
	*equals = '\0';
	key = trim(line);
	value = trim(equals + 1);
	option = option_find(key);
	if (option == NULL)
		return message("%s: %s: unknown key", where, looks_like_key(key) ? key : "(not a name)");
	if (option->kind == OPTION_SECRET)
		return message("%s: %s: %s", where, key, SECRET_PLACE);
	if (!unquote(&value))
		return message("%s: %s: the closing quote is missing", where, key);
	return set_from(config, option, value, where);
}

static char *
read_file(Config *config, const char *path)
{
	FILE	   *file = fopen(path, "re");
	char	   *line = NULL;
	size_t		size = 0;
	ssize_t		len;
	int			number = 0;
	char	   *error = NULL;

	if (file == NULL)
		return message("%s: the configuration file cannot be read: %s", path, strerror(errno));
	while (error == NULL && (errno = 0, len = getline(&line, &size, file)) >= 0)
	{
		char	   *where = message("%s, line %d", path, ++number);

		if (where == NULL)
			error = message("out of memory");
		else if (strlen(line) != (size_t) len)
			error = message("%s: no key: the line holds a NUL byte", where);
		else
			error = read_line(config, line, where);
		free(where);
	}
	if (error == NULL && ferror(file))
		error = message("%s: the configuration file cannot be read: %s", path, strerror(errno));
	free(line);
	fclose(file);
	return error;
}

/* ---- the environment ---- */

static const char *
environment_value(char *const *environment, const char *name)
{
	size_t		len = strlen(name);

	for (; environment && *environment; environment++)
		if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
			return *environment + len + 1;
	return NULL;
}

/* A variable's name: TASKCHAT_ and the key in capitals. */
static void
variable_name(const Option *option, char *name)
{
	size_t		n = (size_t) sprintf(name, "TASKCHAT_");

	for (const char *key = option->key; *key; key++)
		name[n++] = (char) toupper((unsigned char) *key);
	name[n] = '\0';
}

static char *
read_environment(Config *config, char *const *environment)
{
	const char *value = environment_value(environment, "DATABASE_URL");
	char	   *error = NULL;

	if (value && value[0])
		error = set_from(config, option_find("database"), value, "environment, DATABASE_URL");
	for (size_t i = 0; i < config_option_count && error == NULL; i++)
	{
		char		name[64];
		char		where[80];

		variable_name(&config_options[i], name);
		value = environment_value(environment, name);
		snprintf(where, sizeof(where), "environment, %s", name);
		if (value)
			error = set_from(config, &config_options[i], value, where);
	}
	return error;
}

/* ---- the command line ---- */

/* What is asked for besides settings; false when it is none of that. */
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

/* Finds the option of --key; dashes and underscores are the same. */
static const Option *
flag_option(const char *argument, size_t len)
{
	char		key[LONGEST_KEY + 1];

	if (len < 3 || len - 2 > LONGEST_KEY)
		return NULL;
	for (size_t i = 2; i < len; i++)
		key[i - 2] = argument[i] == '-' ? '_' : argument[i];
	key[len - 2] = '\0';
	return option_find(key);
}

/* --key value or --key=value; the next argument is no value if it is a flag itself. */
static char *
take_flag(Arguments *arguments, int argc, char *const *argv, int *i)
{
	const char *argument = argv[*i];
	size_t		len = strcspn(argument, "=");
	Flag	   *flag = &arguments->flags[arguments->count];

	if (strncmp(argument, "--", 2) != 0 || len == 2)
		return message("command line: argument %d: neither a flag nor a flag's value", *i);
	flag->argument = argument;
	flag->option = flag_option(argument, len);
	if (flag->option == NULL)
		return message("command line: %.*s: unknown flag", len > LONGEST_KEY ? LONGEST_KEY : (int) len, argument);
	if (flag->option->kind == OPTION_SECRET)
		return message("command line, %.*s: %s: %s", (int) len, argument, flag->option->key, SECRET_PLACE);
	if (argument[len] == '=')
		flag->value = argument + len + 1;
	else if (*i + 1 < argc && strncmp(argv[*i + 1], "--", 2) != 0)
		flag->value = argv[++*i];
	else
		return message("command line, %.*s: %s: the value is missing", (int) len, argument, flag->option->key);
	arguments->count++;
	return NULL;
}

/*
 * Takes the command line apart, without looking at values.  Stops where help
 * or the version is asked for: these need nothing else to be right.
 */
static char *
take_arguments(Arguments *arguments, int argc, char *const *argv, ConfigRequest *request)
{
	char	   *error = NULL;

	for (int i = 1; i < argc && error == NULL && !request->help && !request->version; i++)
	{
		if (read_request(argv[i], request))
			continue;
		if (strcmp(argv[i], "-c") != 0)
			error = take_flag(arguments, argc, argv, &i);
		else if (arguments->file)
			error = message("command line, -c: given twice");
		else if (++i < argc)
			arguments->file = argv[i];
		else
			error = message("command line, -c: the file is missing");
	}
	return error;
}

static char *
read_flags(Config *config, const Arguments *arguments)
{
	char	   *error = NULL;

	for (size_t i = 0; i < arguments->count && error == NULL; i++)
	{
		const Flag *flag = &arguments->flags[i];
		char		where[80];

		snprintf(where, sizeof(where), "command line, %.*s", (int) strcspn(flag->argument, "="), flag->argument);
		error = set_from(config, flag->option, flag->value, where);
	}
	return error;
}

/* ---- all of it ---- */

static char *
read_defaults(Config *config)
{
	char	   *error = NULL;

	for (size_t i = 0; i < config_option_count && error == NULL; i++)
		error = set_from(config, &config_options[i], config_options[i].standard, "default");
	return error;
}

/* What only several options together can have wrong. */
static char *
check_together(const Config *config)
{
	if (config->tls_certificate[0] && config->tls_key[0] == '\0')
		return config_problem(config, "tls_certificate", "it needs tls_key as well");
	if (config->tls_key[0] && config->tls_certificate[0] == '\0')
		return config_problem(config, "tls_key", "it needs tls_certificate as well");
	if (strcmp(config->listen, config->admin_listen) == 0)
		return config_problem(config, "admin_listen", "it must differ from listen");
	return NULL;
}

static Config *
config_new(void)
{
	Config	   *config = calloc(1, sizeof(Config));

	if (config)
		config->origins = calloc(config_option_count, sizeof(char *));
	if (config && config->origins)
		return config;
	free(config);
	return NULL;
}

/*
 * The settings: flags win over the environment, that over the file, that over
 * the defaults; of one key given twice in the same place the last wins.  Reads
 * the configuration file, but no file that a setting names.
 *
 * NULL when help or the version is asked for, and on an error: then *error is
 * one line, to be freed, or NULL when out of memory.  At the end: config_free().
 */
Config *
config_load(int argc, char *const *argv, char *const *environment, ConfigRequest *request, char **error)
{
	Config	   *config = config_new();
	Arguments	arguments = {.flags = calloc((size_t) argc + 1, sizeof(Flag))};

	*error = NULL;
	memset(request, 0, sizeof(*request));
	if (config == NULL || arguments.flags == NULL)
		*error = message("out of memory");
	else
		*error = take_arguments(&arguments, argc, argv, request);
	if (*error == NULL && !request->help && !request->version)
	{
		*error = read_defaults(config);
		if (*error == NULL && arguments.file)
			*error = read_file(config, arguments.file);
		if (*error == NULL)
			*error = read_environment(config, environment);
		if (*error == NULL)
			*error = read_flags(config, &arguments);
		if (*error == NULL)
			*error = check_together(config);
	}
	free(arguments.flags);
	if (*error == NULL && !request->help && !request->version)
		return config;
	config_free(config);
	return NULL;
}

void
config_free(Config *config)
{
	if (config == NULL)
		return;
	for (size_t i = 0; i < config_option_count; i++)
	{
		option_release(config, &config_options[i]);
		free(config->origins[i]);
	}
	free(config->origins);
	free(config);
}

/*
 * One line that says where the option was set and why that does not do, for
 * whoever reads the files that settings name.  To be freed; NULL when out of
 * memory.
 */
char *
config_problem(const Config *config, const char *key, const char *why)
{
	const Option *option = option_find(key);
	const char *where = option ? config->origins[option - config_options] : "configuration";

	return message("%s: %s: %s", where, key, why);
}

/*
 * Prints all settings to stdout, in the syntax of the file; no secrets.
 */
void
config_print(const Config *config)
{
	for (size_t i = 0; i < config_option_count; i++)
		option_print(config, &config_options[i]);
}

/*
 * Prints how the program is called, and all keys, to stdout.
 */
void
config_help(void)
{
	printf("Usage: taskchat-relay [-c FILE] [--KEY VALUE ...] [--check-config] [--print-config] [--version] [--help]\n\n"
		   "Keys, each a line \"key = value\" of FILE, an environment variable (TASKCHAT_LISTEN for\n"
		   "listen) and a flag (--listen, --allowed-origins); flags win over the environment, that\n"
		   "over the file. In brackets the default:\n\n");
	for (size_t i = 0; i < config_option_count; i++)
		printf("  %-26s %s [%s]\n", config_options[i].key, config_options[i].help, config_options[i].standard);
	printf("\nDurations take ms, s, m and h. See taskchat-relay(8).\n");
}

/*
 * Splits "address:port", "[address]:port" or "*:port"; host, of host_size
 * bytes, gets the numeric address without brackets, or "*".  False when text
 * is none of these.
 */
bool
config_split_address(const char *text, char *host, size_t host_size, int *port)
{
	const char *colon = strrchr(text, ':');
	size_t		len = colon ? (size_t) (colon - text) : 0;
	size_t		digits = colon ? strspn(colon + 1, "0123456789") : 0;
	Address		address;

	if (digits == 0 || digits > 5 || colon[1 + digits] != '\0')
		return false;
	*port = atoi(colon + 1);
	if (*port < 1 || *port > 65535 || len >= host_size)
		return false;
	if (len == 9 && memcmp(text, "localhost", 9) == 0)
	{
		text = "127.0.0.1";
	}
	else if (!(len == 1 && text[0] == '*'))
	{
		/* An IPv6 address without brackets would leave its end to be taken for the port. */
		if (!address_parse(text, len, &address) || (text[0] != '[' && memchr(text, ':', len)))
			return false;
		if (text[0] == '[')
		{
			text++;
			len -= 2;
		}
	}
	memcpy(host, text, len);
	host[len] = '\0';
	return true;
}
