/*
 * log_test.c
 *	  Lines of the log: levels, and JSON that can be read whatever the text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "codec.h"
#include "log.h"

static char name[] = "/tmp/taskchat-log.XXXXXX";
static char written[16384];

/* What is written to stderr meanwhile ends up in written. */
static int
begin(void)
{
	int			saved = dup(STDERR_FILENO);
	FILE	   *file = freopen(name, "w", stderr);

	assert_true(saved >= 0 && file);
	return saved;
}

static void
end(int saved)
{
	FILE	   *file;

	dup2(saved, STDERR_FILENO);
	close(saved);
	file = fopen(name, "r");
	assert_non_null(file);
	written[fread(written, 1, sizeof(written) - 1, file)] = '\0';
	fclose(file);
}

/* A text, and what a reader of the JSON finds as the message. */
static const char *const texts[][2] = {
	{"plain", "plain"},
	{"\"quoted\" \\ back", "\"quoted\" \\ back"},
	{"two\nlines\t\x7f\x1b[31m", "two\nlines\t\x7f\x1b[31m"},
	{"Gr\xc3\xbc\xc3\x9f" "e \xe2\x82\xac \xf0\x9f\x98\x80", "Gr\xc3\xbc\xc3\x9f" "e \xe2\x82\xac \xf0\x9f\x98\x80"},
	{"latin \xfc", "latin \xef\xbf\xbd"},
	{"cut \xe2\x82", "cut \xef\xbf\xbd\xef\xbf\xbd"},
	{"overlong \xc0\xaf \xe0\x80\xaf", "overlong \xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	{"surrogate \xed\xa0\x80", "surrogate \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	{"", ""}
};

static void
json_lines_can_be_read(void **state)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
	{
		const char *error;
		JsonValue  *line;
		int64_t		session;
		int			saved = begin();

		log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
		log_write(LOG_LEVEL_WARNING, "test", 7, "%s", texts[i][0]);
		end(saved);
		assert_int_equal(strcspn(written, "\n"), strlen(written) - 1);
		line = json_parse(written, strlen(written), &error);
		if (line == NULL)
			fail_msg("%s: %s", error, written);
		assert_string_equal(json_field_string(line, "message"), texts[i][1]);
		assert_string_equal(json_field_string(line, "level"), "warning");
		assert_string_equal(json_field_string(line, "module"), "test");
		assert_true(json_field_integer(line, "session", &session) && session == 7);
		json_free(line);
	}
}

static void
long_texts_are_cut(void **state)
{
	char		text[10000];
	const char *error;
	JsonValue  *line;
	int			saved = begin();

	for (size_t i = 0; i + 3 < sizeof(text); i += 3)
		memcpy(text + i, "\xe2\x82\xac", 4);
	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_write(LOG_LEVEL_INFO, "test", 0, "%s", text);
	end(saved);
	line = json_parse(written, strlen(written), &error);
	assert_non_null(line);
	assert_true(strlen(written) < 4096);
	json_free(line);
}

static void
levels_and_text(void **state)
{
	int			saved = begin();

	log_configure(LOG_LEVEL_WARNING, LOG_FORMAT_TEXT);
	log_write(LOG_LEVEL_INFO, "test", 0, "not said");
	log_write(LOG_LEVEL_ERROR, "test", 3, "said \"so\"\n2000-01-01 forged");
	end(saved);
	assert_null(strstr(written, "not said"));
	assert_non_null(strstr(written, "Z error test[3]: said \"so\"\\u000a2000-01-01 forged\n"));
	assert_int_equal(strcspn(written, "\n"), strlen(written) - 1);
}

static int
make_file(void **state)
{
	int			fd = mkstemp(name);

	return fd >= 0 ? close(fd) : -1;
}

static int
remove_file(void **state)
{
	return unlink(name);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_lines_can_be_read),
		cmocka_unit_test(long_texts_are_cut),
		cmocka_unit_test(levels_and_text)
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
