/*
 * config_test.c
 *	  Settings from file, environment and flags: which wins, what is refused
 *	  and how the refusal is worded, and that what is printed reads back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "address.h"
#include "config.h"
#include "config_option.h"
#include "log.h"

static char path[] = "/tmp/taskchat-config.XXXXXX";

static void
write_file(const char *text, size_t len)
{
	FILE	   *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

/* Loads with up to four more arguments and the environment. */
static Config *
load(const char *file, char *const *more, char *const *environment, char **error)
{
	char	   *argv[8] = {"taskchat-relay"};
	int			argc = 1;
	ConfigRequest request;

	if (file)
	{
		write_file(file, strlen(file));
		argv[argc++] = "-c";
		argv[argc++] = path;
	}
	for (; more && *more; more++)
		argv[argc++] = *more;
	return config_load(argc, argv, environment, &request, error);
}

static Config *
load_good(const char *file, char *const *more, char *const *environment)
{
	char	   *error;
	Config	   *config = load(file, more, environment, &error);

	if (config == NULL)
		fail_msg("%s", error ? error : "no error");
	return config;
}

static void
defaults_are_those_of_the_interface(void **state)
{
	Config	   *config = load_good(NULL, NULL, NULL);

	assert_string_equal(config->listen, "127.0.0.1:8765");
	assert_string_equal(config->admin_listen, "127.0.0.1:8766");
	assert_string_equal(config->database, "");
	assert_string_equal(config->jwt_user_claim, "sub");
	assert_int_equal(config->jwt_leeway, 30000);
	assert_int_equal(config->ticket_session, 12 * 3600000);
	assert_int_equal(config->auth_timeout, 10000);
	assert_int_equal(config->heartbeat, 25000);
	assert_int_equal(config->typing_timeout, 6000);
	assert_int_equal(config->presence_grace, 10000);
	assert_int_equal(config->drain_timeout, 15000);
	assert_int_equal(config->max_frame_bytes, 65536);
	assert_int_equal(config->max_reply_bytes, 262144);
	assert_int_equal(config->max_queue_bytes, 1048576);
	assert_int_equal(config->max_connections, 100000);
	assert_int_equal(config->max_connections_per_user, 20);
	assert_int_equal(config->max_rooms_per_connection, 200);
	assert_int_equal(config->rate_messages, 10);
	assert_int_equal(config->rate_messages_burst, 30);
	assert_int_equal(config->rate_commands, 50);
	assert_int_equal(config->rate_commands_burst, 200);
	assert_int_equal(config->resume_limit, 500);
	assert_int_equal(config->log_level, LOG_LEVEL_INFO);
	assert_int_equal(config->log_format, LOG_FORMAT_TEXT);
	config_free(config);
}

static void
lines_are_read(void **state)
{
	Config	   *config = load_good("# a comment = no key\n"
								   "   # another\n"
								   "\n"
								   "\theartbeat=7s  \r\n"
								   "jwt_issuer = a # b = c, \"d\" \n"
								   "jwt_audience = \"  kept  \"\n"
								   "web_root = \"\"\n"
								   "jwt_user_claim = \"\"x\"\"\n"
								   "database = host=/run user='a b' password=\"\n"
								   "auth_timeout = 250ms\n"
								   "ticket_session = 2h\n"
								   "typing_timeout = 3m\n"
								   "rate_messages = 1\n"
								   "rate_messages = 5",
								   NULL, NULL);

	assert_int_equal(config->heartbeat, 7000);
	assert_string_equal(config->jwt_issuer, "a # b = c, \"d\"");
	assert_string_equal(config->jwt_audience, "  kept  ");
	assert_string_equal(config->web_root, "");
	assert_string_equal(config->jwt_user_claim, "\"x\"");
	assert_string_equal(config->database, "host=/run user='a b' password=\"");
	assert_int_equal(config->auth_timeout, 250);
	assert_int_equal(config->ticket_session, 7200000);
	assert_int_equal(config->typing_timeout, 180000);
	assert_int_equal(config->rate_messages, 5);
	config_free(config);
}

static void
flags_win_over_environment_over_file(void **state)
{
	char	   *flags[] = {"--heartbeat", "3s", "--allowed-origins=https://f.example", NULL};
	char	   *environment[] = {"TASKCHAT_HEARTBEAT=2s", "TASKCHAT_JWT_ISSUER=env", "DATABASE_URL=postgres://url/x",
	"TASKCHAT_ALLOWED_ORIGINS=*", "TASKCHAT_JWT_SECRET=from the environment", "TASKCHAT_NO_KEY=x", NULL};
	char	   *both[] = {"TASKCHAT_DATABASE=dbname=env", "DATABASE_URL=postgres://url/x", NULL};
	const char *file = "heartbeat = 1s\njwt_issuer = file\njwt_audience = file\ndatabase = dbname=file\n";
	Config	   *config = load_good(file, flags, environment);

	assert_int_equal(config->heartbeat, 3000);
	assert_string_equal(config->allowed_origins, "https://f.example");
	assert_string_equal(config->jwt_issuer, "env");
	assert_string_equal(config->jwt_audience, "file");
	assert_string_equal(config->database, "postgres://url/x");
	assert_string_equal(config->jwt_secret, "from the environment");
	config_free(config);
	config = load_good(file, NULL, both);
	assert_string_equal(config->database, "dbname=env");
	config_free(config);
}

/* Every key by every way that it may be given, with a value that is not its default. */
static void
every_key_every_way(void **state)
{
	static const char *const special[][2] = {
		{"listen", "[::1]:99"}, {"admin_listen", "*:98"}, {"database", "dbname=x"}, {"allowed_origins", "https://a.example, null"},
		{"trusted_proxies", "10.0.0.0/8, ::1"}, {"jwt_algorithms", "ES256,PS256"}, {"log_level", "debug"}, {"log_format", "json"}};

	for (size_t i = 0; i < config_option_count; i++)
	{
		const Option *option = &config_options[i];
		const char *value = option->kind == OPTION_DURATION ? "77s" : option->kind == OPTION_NUMBER ? "400" : "text";
		char		flag[80];
		char		variable[160] = "TASKCHAT_";
		char		line[160];
		char	   *flags[2] = {flag, NULL};
		char	   *environment[2] = {variable, NULL};
		size_t		n = strlen(variable);

		/* Given together with another one; never in a file; for later. */
		if (strncmp(option->key, "tls_", 4) == 0 || option->kind == OPTION_SECRET || strcmp(option->key, "broker") == 0)
			continue;
		if (strcmp(option->key, "max_reply_bytes") == 0 || strcmp(option->key, "max_queue_bytes") == 0)
			value = "70000";
		for (size_t k = 0; k < sizeof(special) / sizeof(special[0]); k++)
			if (strcmp(special[k][0], option->key) == 0)
				value = special[k][1];
		snprintf(flag, sizeof(flag), "--%s=%s", option->key, value);
		for (char *p = flag; *p != '='; p++)
			*p = *p == '_' ? '-' : *p;
		for (const char *p = option->key; *p; p++)
			variable[n++] = (char) (*p == '_' ? '_' : *p - 'a' + 'A');
		snprintf(variable + n, sizeof(variable) - n, "=%s", value);
		snprintf(line, sizeof(line), "%s = %s\n", option->key, value);
		for (int way = 0; way < 3; way++)
		{
			Config	   *config = load_good(way == 0 ? line : NULL, way == 1 ? flags : NULL, way == 2 ? environment : NULL);
			const void *at = (const char *) config + option->offset;

			if (option->kind == OPTION_STRING)
				assert_string_equal(*(char *const *) at, value);
			else if (option->kind == OPTION_CHOICE)
				assert_string_equal(option->choices[*(const int *) at], value);
			else
				assert_int_equal(*(const int64_t *) at, option->kind == OPTION_DURATION ? 77000 : atoi(value));
			config_free(config);
		}
	}
}

/* What a file's third line has wrong, and the key that the error names. */
static const char *const bad_lines[][2] = {
	{"hartbeat = 25s", "hartbeat: unknown key"},
	{"HEARTBEAT = 25s", "HEARTBEAT: unknown key"},
	{"allowed-origins = *", "allowed-origins: unknown key"},
	{"s3cret s3cret = 1", "(not a name): unknown key"},
	{"= 1", "(not a name): unknown key"},
	{"heartbeat", "heartbeat: not a line"},
	{"s3cret", "no key: not a line"},
	{"heartbeat = 25", "heartbeat: not a duration"},
	{"heartbeat = s3cret", "heartbeat: not a duration"},
	{"heartbeat = 25 s", "heartbeat: not a duration"},
	{"heartbeat = 2.5s", "heartbeat: not a duration"},
	{"heartbeat = -1s", "heartbeat: not a duration"},
	{"heartbeat = 1d", "heartbeat: not a duration"},
	{"heartbeat = 1S", "heartbeat: not a duration"},
	{"heartbeat =", "heartbeat: not a duration"},
	{"heartbeat = 99999999999999999999s", "heartbeat: not a duration"},
	{"heartbeat = 9999999999999999h", "heartbeat: not a duration"},
	{"heartbeat = 0s", "heartbeat: out of range"},
	{"heartbeat = 9000h", "heartbeat: out of range"},
	{"heartbeat = \"25s", "heartbeat: the closing quote is missing"},
	{"heartbeat = \"", "heartbeat: the closing quote is missing"},
	{"max_connections = 1.5", "max_connections: not a whole number"},
	{"max_connections = 1k", "max_connections: not a whole number"},
	{"max_connections = 0x10", "max_connections: not a whole number"},
	{"max_connections = +1", "max_connections: not a whole number"},
	{"max_connections =", "max_connections: not a whole number"},
	{"max_connections = 0", "max_connections: out of range"},
	{"resume_limit = 501", "resume_limit: out of range"},
	{"log_level = verbose", "log_level: not one of"},
	{"log_format =", "log_format: not one of"},
	{"listen =", "listen: not an address"},
	{"listen = 8765", "listen: not an address"},
	{"listen = :8765", "listen: not an address"},
	{"listen = 127.0.0.1:", "listen: not an address"},
	{"listen = 127.0.0.1:0", "listen: not an address"},
	{"listen = 127.0.0.1:65536", "listen: not an address"},
	{"listen = 127.0.0.1:80x", "listen: not an address"},
	{"listen = 127.0.0.256:80", "listen: not an address"},
	{"listen = ::1:80", "listen: not an address"},
	{"listen = [::1:80", "listen: not an address"},
	{"listen = [127.0.0.1]:80", "listen: not an address"},
	{"listen = chat.example.org:80", "listen: not an address"},
	{"admin_listen = nowhere", "admin_listen: not an address"},
	{"admin_listen = 127.0.0.1:8765", "admin_listen: it must differ"},
	{"database = host=h password=s3cret nonsense", "database: not a connection string"},
	{"database = postgres://u:s3cret@[h/db", "database: not a connection string"},
	{"allowed_origins = app.example.org", "allowed_origins: not a comma list"},
	{"allowed_origins = https://app.example.org/", "allowed_origins: not a comma list"},
	{"allowed_origins = https://*.example.org", "allowed_origins: not a comma list"},
	{"allowed_origins = https://", "allowed_origins: not a comma list"},
	{"allowed_origins = https://a.example,,https://b.example", "allowed_origins: not a comma list"},
	{"allowed_origins = https://a.example https://b.example", "allowed_origins: not a comma list"},
	{"trusted_proxies = proxy.example.org", "trusted_proxies: not a comma list"},
	{"trusted_proxies = 10.0.0.0/33", "trusted_proxies: not a comma list"},
	{"trusted_proxies = 10.0.0.0/", "trusted_proxies: not a comma list"},
	{"trusted_proxies = ::1/129", "trusted_proxies: not a comma list"},
	{"trusted_proxies = 10.0.0.1,", "trusted_proxies: not a comma list"},
	{"jwt_algorithms = none", "jwt_algorithms: not a comma list"},
	{"jwt_algorithms = HS512", "jwt_algorithms: not a comma list"},
	{"jwt_algorithms = hs256", "jwt_algorithms: not a comma list"},
	{"jwt_algorithms = HS256,", "jwt_algorithms: not a comma list"},
	{"jwt_user_claim =", "jwt_user_claim: it must not be empty"},
	{"jwt_secret = s3cret", "jwt_secret: a secret is given by"},
	{"broker = nats://127.0.0.1", "broker: this version knows no broker"},
	{"tls_certificate = /x", "tls_certificate: it needs tls_key"},
	{"tls_key = /x", "tls_key: it needs tls_certificate"},
	{"jwt_issuer = a\x01", "jwt_issuer: it holds a control character"}
};

static void
bad_lines_are_refused(void **state)
{
	for (size_t i = 0; i < sizeof(bad_lines) / sizeof(bad_lines[0]); i++)
	{
		char		file[256];
		char		expected[256];
		char	   *error;

		snprintf(file, sizeof(file), "# first\nlog_level = info\n%s\nlog_level = nonsense\n", bad_lines[i][0]);
		/* What is wrong only together with another option is seen after all lines. */
		if (strstr(bad_lines[i][1], ": it needs") || strstr(bad_lines[i][1], ": it must differ"))
			snprintf(file, sizeof(file), "\n\n%s\n", bad_lines[i][0]);
		snprintf(expected, sizeof(expected), "%s, line 3: %s", path, bad_lines[i][1]);
		if (load(file, NULL, NULL, &error) != NULL)
			fail_msg("taken: %s", bad_lines[i][0]);
		if (strncmp(error, expected, strlen(expected)) != 0)
			fail_msg("\"%s\": \"%s\" is not \"%s\"", bad_lines[i][0], error, expected);
		if (strstr(error, "s3cret") || strchr(error, '\n'))
			fail_msg("%s", error);
		free(error);
	}
}

/* Command lines and environments that are refused, and what is said. */
static const struct
{
	const char *arguments[3];
	const char *variable;
	const char *error;
}			bad_calls[] = {
	{{"--hartbeat", "25s"}, NULL, "command line: --hartbeat: unknown flag"},
	{{"--heartbeat"}, NULL, "command line, --heartbeat: heartbeat: the value is missing"},
	{{"--heartbeat", "--check-config"}, NULL, "command line, --heartbeat: heartbeat: the value is missing"},
	{{"--heartbeat", "soon"}, NULL, "command line, --heartbeat: heartbeat: not a duration"},
	{{"--auth-timeout=soon"}, NULL, "command line, --auth-timeout: auth_timeout: not a duration"},
	{{"--heartbeat="}, NULL, "command line, --heartbeat: heartbeat: not a duration"},
	{{"--jwt-secret", "s3cret"}, NULL, "command line, --jwt-secret: jwt_secret: a secret is given by"},
	{{"--jwt_secret=s3cret"}, NULL, "command line, --jwt_secret: jwt_secret: a secret is given by"},
	{{"-h"}, NULL, "command line: argument 1: neither"},
	{{"s3cret"}, NULL, "command line: argument 1: neither"},
	{{"--"}, NULL, "command line: argument 1: neither"},
	{{"--=x"}, NULL, "command line: argument 1: neither"},
	{{""}, NULL, "command line: argument 1: neither"},
	{{"--check-config=1"}, NULL, "command line: --check-config: unknown flag"},
	{{"--a-flag-that-is-very-much-longer-than-any-that-there-is"}, NULL, "command line: --a-flag-that-is-very-much-longer-than-a: unknown"},
	{{"-c"}, NULL, "command line, -c: the file is missing"},
	{{"-c", "/nonexistent/x.conf"}, NULL, "/nonexistent/x.conf: the configuration file cannot be read: No such file"},
	{{"-c", "/tmp"}, NULL, "/tmp: the configuration file cannot be read: Is a directory"},
	{{NULL}, "TASKCHAT_HEARTBEAT=soon", "environment, TASKCHAT_HEARTBEAT: heartbeat: not a duration"},
	{{NULL}, "TASKCHAT_LISTEN=", "environment, TASKCHAT_LISTEN: listen: not an address"},
	{{NULL}, "DATABASE_URL=postgres://u:s3cret@[h", "environment, DATABASE_URL: database: not a connection string"}
};

static void
bad_calls_are_refused(void **state)
{
	for (size_t i = 0; i < sizeof(bad_calls) / sizeof(bad_calls[0]); i++)
	{
		char	   *environment[] = {(char *) bad_calls[i].variable, NULL};
		char	   *error;

		if (load(NULL, (char *const *) bad_calls[i].arguments, environment, &error) != NULL)
			fail_msg("taken: %s", bad_calls[i].error);
		if (strncmp(error, bad_calls[i].error, strlen(bad_calls[i].error)) != 0 || strstr(error, "s3cret"))
			fail_msg("\"%s\" is not \"%s\"", error, bad_calls[i].error);
		free(error);
	}
}

static void
a_nul_byte_is_refused(void **state)
{
	static const char text[] = "log_level = info\nlisten = 127.0.0.1:1\0\n";
	char	   *argv[] = {"relay", "-c", path};
	ConfigRequest request;
	char	   *error;

	write_file(text, sizeof(text) - 1);
	assert_null(config_load(3, argv, NULL, &request, &error));
	assert_non_null(strstr(error, ", line 2: "));
	free(error);
}

static void
requests_are_told(void **state)
{
	char	   *help[] = {"relay", "-c", "/nonexistent", "--help", "--nonsense"};
	char	   *both[] = {"relay", "--check-config", "--print-config", "--log-level", "error"};
	ConfigRequest request;
	char	   *error;
	Config	   *config;

	assert_null(config_load(5, help, NULL, &request, &error));
	assert_null(error);
	assert_true(request.help && !request.version);
	config = config_load(5, both, NULL, &request, &error);
	assert_non_null(config);
	assert_true(request.check && request.print && !request.help);
	config_free(config);
}

/* stdout of config_print(), to be freed. */
static char *
printed(const Config *config)
{
	char		name[] = "/tmp/taskchat-printed.XXXXXX";
	int			fd = mkstemp(name);
	int			out;
	char	   *text = calloc(1, 8192);
	FILE	   *file;

	assert_true(fd >= 0 && text);
	fflush(stdout);
	out = dup(STDOUT_FILENO);
	dup2(fd, STDOUT_FILENO);
	config_print(config);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	close(out);
	close(fd);
	file = fopen(name, "r");
	assert_non_null(file);
	assert_true(fread(text, 1, 8191, file) > 0);
	fclose(file);
	unlink(name);
	return text;
}

static void
what_is_printed_reads_back(void **state)
{
	char	   *environment[] = {"TASKCHAT_JWT_SECRET=s3cret s3cret s3cret s3cret s3cret", NULL};
	Config	   *config = load_good("heartbeat = 90s\ntyping_timeout=1500ms\njwt_leeway = 0s\n"
								   "jwt_issuer = \" \"a\" \"\nlog_format = json\n"
								   "database = postgresql://ann:s3cret%27@h1,h2:5433/d?connect_timeout=3\n",
								   NULL, environment);
	char	   *first = printed(config);
	char	   *second;

	config_free(config);
	assert_null(strstr(first, "s3cret"));
	assert_non_null(strstr(first, "\nheartbeat = 90s\n"));
	assert_non_null(strstr(first, "\ntyping_timeout = 1500ms\n"));
	assert_non_null(strstr(first, "\njwt_leeway = 0s\n"));
	assert_non_null(strstr(first, "\nticket_session = 12h\n"));
	config = load_good(first, NULL, NULL);
	assert_int_equal(config->heartbeat, 90000);
	assert_int_equal(config->typing_timeout, 1500);
	assert_string_equal(config->jwt_issuer, " \"a\" ");
	assert_non_null(strstr(config->database, "host='h1,h2'"));
	second = printed(config);
	config_free(config);
	config = load_good(second, NULL, NULL);
	free(first);
	first = printed(config);
	assert_string_equal(first, second);
	config_free(config);
	free(first);
	free(second);
}

static void
problems_name_their_place(void **state)
{
	char	   *flags[] = {"--jwks-file", "/a", NULL};
	Config	   *config = load_good("\njwt_secret_file = /b\n", flags, NULL);
	char		expected[80];
	char	   *text = config_problem(config, "jwt_secret_file", "no");

	snprintf(expected, sizeof(expected), "%s, line 2: jwt_secret_file: no", path);
	assert_string_equal(text, expected);
	free(text);
	text = config_problem(config, "jwks_file", "no");
	assert_string_equal(text, "command line, --jwks-file: jwks_file: no");
	free(text);
	config_free(config);
}

static void
addresses_are_split(void **state)
{
	static const struct
	{
		const char *text;
		const char *host;
		int			port;
	}			good[] = {{"127.0.0.1:80", "127.0.0.1", 80}, {"[::1]:65535", "::1", 65535}, {"*:1", "*", 1},
	{"0.0.0.0:8765", "0.0.0.0", 8765}, {"[::]:8765", "::", 8765}, {"localhost:8765", "127.0.0.1", 8765}};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
	{
		char		host[64];
		int			port;

		assert_true(config_split_address(good[i].text, host, sizeof(host), &port));
		assert_string_equal(host, good[i].host);
		assert_int_equal(port, good[i].port);
	}
}

/* Who the client is: peer, X-Forwarded-For, the answer. */
static const char *const forwarded[][3] = {
	{"192.0.2.1", "203.0.113.9", "192.0.2.1"},
	{"10.1.2.3", "", "10.1.2.3"},
	{"10.1.2.3", "203.0.113.9", "203.0.113.9"},
	{"10.1.2.3", "203.0.113.9, 10.9.9.9", "203.0.113.9"},
	{"10.1.2.3", "6.6.6.6, 203.0.113.9", "203.0.113.9"},
	{"10.1.2.3", "6.6.6.6,\t203.0.113.9 ,10.0.0.1", "203.0.113.9"},
	{"10.1.2.3", "203.0.113.9:4711", "203.0.113.9"},
	{"10.1.2.3", "[2001:db8::9]:4711", "2001:db8::9"},
	{"10.1.2.3", "2001:db8::9", "2001:db8::9"},
	{"fd00::1", "203.0.113.9", "203.0.113.9"},
	{"fd01::1", "203.0.113.9", "fd01::1"},
	{"10.1.2.3", "unknown", "10.1.2.3"},
	{"10.1.2.3", "203.0.113.9, unknown", "10.1.2.3"},
	{"10.1.2.3", ",,", "10.1.2.3"},
	{"10.1.2.3", "10.0.0.7", "10.0.0.7"}
};

static void
proxies_are_believed_if_trusted(void **state)
{
	NetworkList proxies;

	assert_true(network_list_parse(" 10.0.0.0/8 ,fd00::/16,192.168.1.1", &proxies));
	assert_int_equal(proxies.count, 3);
	for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
	{
		Address		address;
		char		text[ADDRESS_TEXT_SIZE];

		assert_true(address_parse(forwarded[i][0], strlen(forwarded[i][0]), &address));
		address_behind_proxies(&proxies, forwarded[i][1], &address);
		address_text(&address, text);
		if (strcmp(text, forwarded[i][2]) != 0)
			fail_msg("%s behind \"%s\": %s", forwarded[i][0], forwarded[i][1], text);
	}
	network_list_reset(&proxies);
	assert_true(network_list_parse("", &proxies));
	assert_int_equal(proxies.count, 0);
}

static int
make_file(void **state)
{
	int			fd = mkstemp(path);

	return fd >= 0 ? close(fd) : -1;
}

static int
remove_file(void **state)
{
	return unlink(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_of_the_interface),
		cmocka_unit_test(lines_are_read),
		cmocka_unit_test(flags_win_over_environment_over_file),
		cmocka_unit_test(every_key_every_way),
		cmocka_unit_test(bad_lines_are_refused),
		cmocka_unit_test(bad_calls_are_refused),
		cmocka_unit_test(a_nul_byte_is_refused),
		cmocka_unit_test(requests_are_told),
		cmocka_unit_test(what_is_printed_reads_back),
		cmocka_unit_test(problems_name_their_place),
		cmocka_unit_test(addresses_are_split),
		cmocka_unit_test(proxies_are_believed_if_trusted)
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
