/*
 * request_test.c
 *	  Heads of HTTP requests: what is taken apart how, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "request.h"

static RequestHead head;
static RequestProblem problem;

/* Reads a text in which '\n' stands for CR LF. */
static RequestState
parse(const char *text)
{
	char	   *bytes = malloc(2 * strlen(text) + 1);
	size_t		len = 0;
	size_t		used = 0;
	RequestState state;

	for (const char *p = text; *p; p++)
	{
		if (*p == '\n')
			bytes[len++] = '\r';
		bytes[len++] = *p;
	}
	state = request_parse(&head, bytes, len, &used, &problem);
	if (state == REQUEST_WHOLE)
		assert_int_equal(used, len);
	free(bytes);
	return state;
}

static void
good(const char *line, const char *path, const char *query)
{
	char		text[1024];

	snprintf(text, sizeof(text), "%s HTTP/1.1\nHost: x\n\n", line);
	assert_int_equal(parse(text), REQUEST_WHOLE);
	assert_string_equal(head.path, path);
	assert_string_equal(head.query, query);
	assert_false(head.bad_path);
	request_reset(&head);
}

/* A path with an escape that is none: the rest of the head is read all the same. */
static void
bad_path(const char *line, const char *begin)
{
	char		text[1024];

	snprintf(text, sizeof(text), "%s HTTP/1.1\nHost: x\n\n", line);
	assert_int_equal(parse(text), REQUEST_WHOLE);
	assert_true(head.bad_path);
	assert_int_equal(strncmp(head.path, begin, strlen(begin)), 0);
	assert_string_equal(request_header(&head, "host"), "x");
	request_reset(&head);
}

static void
bad(const char *text, int status)
{
	assert_int_equal(parse(text), REQUEST_BAD);
	assert_int_equal(problem.status, status);
	assert_null(head.text);
}

/* U+0000, wherever it stands, hides nothing behind it. */
#define bad_nul(bytes) bad_bytes(bytes, sizeof(bytes) - 1)

static void
bad_bytes(const char *bytes, size_t len)
{
	size_t		used = 0;

	assert_int_equal(request_parse(&head, bytes, len, &used, &problem), REQUEST_BAD);
	assert_int_equal(problem.status, 400);
	assert_null(head.text);
}

static void
targets(void **state)
{
	(void) state;
	good("GET /", "/", "");
	good("GET /a%20b/%c3%bc?x=%41", "/a b/\xc3\xbc", "x=%41");
	good("GET /a+b/%2B", "/a+b/+", "");
	good("GET /a%2Fb/%2f/%25", "/a%2Fb/%2F/%25", "");
	good("GET /a%252Fb", "/a%252Fb", "");
	good("GET /../x//./", "/../x//./", "");
	good("GET http://host:1/path?q", "/path", "q");
	good("GET https://host", "/", "");
	good("GET http://host?q=1", "/", "q=1");
	good("OPTIONS *", "/", "");
	bad("GET * HTTP/1.1\nHost: x\n\n", 400);
	bad("GET x HTTP/1.1\nHost: x\n\n", 400);
	bad_path("GET /api/%zz", "/api/");
	bad_path("GET /%4", "/");
	bad_path("GET /%", "/");
	bad_path("GET /%00", "/");
	bad_path("GET /api/%ff", "/api/");
	bad("GET /\xff HTTP/1.1\nHost: x\n\n", 400);
	bad("GET /a b HTTP/1.1\nHost: x\n\n", 400);
	bad("GET /#a HTTP/1.1\nHost: x\n\n", 400);
	bad("CONNECT host:1 HTTP/1.1\nHost: x\n\n", 405);
	bad("GET / HTTP/2.0\nHost: x\n\n", 505);
	bad("GET / http/1.1\nHost: x\n\n", 400);
	bad("GET /\nHost: x\n\n", 400);
	bad("(GET) / HTTP/1.1\nHost: x\n\n", 400);
}

static void
ids_in_paths(void **state)
{
	char		one[] = "a%2Fb%25";
	char		two[] = "%252F";
	char		three[] = "%2";

	(void) state;
	request_decode_rest(one);
	assert_string_equal(one, "a/b%");
	request_decode_rest(two);
	assert_string_equal(two, "%2F");
	request_decode_rest(three);
	assert_string_equal(three, "%2");
}

static void
headers(void **state)
{
	char		joined[16];

	(void) state;
	assert_int_equal(parse("\n\nGET / HTTP/1.1\nHOST:x\nX-A: \t b c \t\nx-list: a, B\nX-List:c\nEmpty:\n\n"), REQUEST_WHOLE);
	assert_string_equal(request_header(&head, "host"), "x");
	assert_string_equal(request_header(&head, "x-a"), "b c");
	assert_string_equal(request_header(&head, "empty"), "");
	assert_null(request_header(&head, "none"));
	assert_true(request_list_has(&head, "x-list", "b"));
	assert_true(request_list_has(&head, "x-list", "c"));
	assert_false(request_list_has(&head, "x-list", "a,"));
	assert_true(request_join(&head, "x-list", joined, sizeof(joined)));
	assert_string_equal(joined, "a, B,c");
	assert_false(request_join(&head, "x-list", joined, 6));
	assert_true(head.keep_alive);
	assert_false(head.has_length);
	request_reset(&head);
	bad("GET / HTTP/1.1\n\n", 400);
	bad("GET / HTTP/1.1\nHost: a\nHost: a\n\n", 400);
	bad("GET / HTTP/1.1\nHost: a b\n\n", 400);
	bad("GET / HTTP/1.1\nHost: x\nNo colon\n\n", 400);
	bad("GET / HTTP/1.1\nHost: x\nSpace : y\n\n", 400);
	bad("GET / HTTP/1.1\nHost: x\nX: y\n z\n\n", 400);
	bad("GET / HTTP/1.1\nHost: x\nX: \x01\n\n", 400);
	bad("GET / HTTP/1.1\nHost: x\nX: a\rb\n\n", 400);
	bad("GET / HTTP/1.1\nHost: x\nAuthorization: Bearer a\nAuthorization: Bearer b\n\n", 400);
	bad_nul("GET / HTTP/1.1\r\nHost: x\r\n\0Content-Length: 5\r\n\r\n");
	bad_nul("GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n");
	bad_nul("GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n");
}

static void
one_bearer(const char *value, const char *token)
{
	char		text[256];

	snprintf(text, sizeof(text), "GET / HTTP/1.1\nHost: x\nAuthorization: %s\n\n", value);
	assert_int_equal(parse(text), REQUEST_WHOLE);
	if (token)
		assert_string_equal(request_bearer(&head), token);
	else
		assert_null(request_bearer(&head));
	request_reset(&head);
}

static void
bearers(void **state)
{
	(void) state;
	one_bearer("Bearer abc", "abc");
	one_bearer("bearer   abc", "abc");
	one_bearer("Bearer", "");
	one_bearer("Bearerabc", NULL);
	one_bearer("Basic abc", NULL);
}

static void
bodies(void **state)
{
	(void) state;
	assert_int_equal(parse("POST / HTTP/1.1\nHost: x\nContent-Length: 17\nExpect: 100-Continue\nConnection: a, Close\n\n"), REQUEST_WHOLE);
	assert_true(head.has_length && head.length == 17 && head.expects_continue);
	assert_false(head.keep_alive);
	request_reset(&head);
	assert_int_equal(parse("POST / HTTP/1.0\nContent-Length: 99999999999999999999\nTransfer-Encoding: chunked\n\n"), REQUEST_WHOLE);
	assert_true(head.length == SIZE_MAX && head.encoded && !head.keep_alive);
	request_reset(&head);
	bad("POST / HTTP/1.1\nHost: x\nContent-Length: -1\n\n", 400);
	bad("POST / HTTP/1.1\nHost: x\nContent-Length: 1, 1\n\n", 400);
	bad("POST / HTTP/1.1\nHost: x\nContent-Length: 1\nContent-Length: 1\n\n", 400);
	bad("POST / HTTP/1.1\nHost: x\nContent-Length:\n\n", 400);
	bad("POST / HTTP/1.1\nHost: x\nExpect: more\n\n", 417);
}

static void
sizes(void **state)
{
	char	   *text = malloc(REQUEST_HEAD_BYTES + 100);
	size_t		len;
	size_t		used;

	(void) state;
	assert_int_equal(parse("GET / HTTP/1.1\nHost: x\n"), REQUEST_PARTIAL);
	assert_int_equal(request_parse(&head, "", 0, &used, &problem), REQUEST_PARTIAL);
	memset(text, 'a', REQUEST_HEAD_BYTES + 100);
	memcpy(text, "GET /", 5);
	assert_int_equal(request_parse(&head, text, REQUEST_HEAD_BYTES - 1, &used, &problem), REQUEST_PARTIAL);
	assert_int_equal(request_parse(&head, text, REQUEST_HEAD_BYTES, &used, &problem), REQUEST_BAD);
	assert_int_equal(problem.status, 414);
	memcpy(text, "GET / HTTP/1.1\r\nHost: x\r\nX: ", 28);
	memcpy(text + REQUEST_HEAD_BYTES - 4, "\r\n\r\n", 4);
	assert_int_equal(request_parse(&head, text, REQUEST_HEAD_BYTES + 100, &used, &problem), REQUEST_WHOLE);
	assert_int_equal(used, REQUEST_HEAD_BYTES);
	request_reset(&head);
	memmove(text + REQUEST_HEAD_BYTES - 3, text + REQUEST_HEAD_BYTES - 4, 5);
	text[REQUEST_HEAD_BYTES - 4] = 'a';
	assert_int_equal(request_parse(&head, text, REQUEST_HEAD_BYTES + 100, &used, &problem), REQUEST_BAD);
	assert_int_equal(problem.status, 431);
	len = (size_t) sprintf(text, "GET / HTTP/1.1\r\nHost: x\r\n");
	for (int i = 1; i <= REQUEST_HEADERS; i++)
		len += (size_t) sprintf(text + len, "a:b\r\n");
	len += (size_t) sprintf(text + len, "\r\n");
	assert_int_equal(request_parse(&head, text, len, &used, &problem), REQUEST_BAD);
	assert_int_equal(problem.status, 431);
	free(text);
}

static void
queries(void **state)
{
	char	  **args;
	size_t		nargs;

	(void) state;
	assert_true(request_split_query("a=b+c&&d=%2B%26&e", 3, &args, &nargs));
	assert_int_equal(nargs, 3);
	assert_string_equal(args[0], "a=b c");
	assert_string_equal(args[1], "d=+&");
	assert_string_equal(args[2], "e");
	while (nargs > 0)
		free(args[--nargs]);
	free(args);
	assert_false(request_split_query("a&b&c", 2, &args, &nargs));
	while (nargs > 0)
		free(args[--nargs]);
	free(args);
	assert_false(request_split_query("a=%0", 2, &args, &nargs));
	while (nargs > 0)
		free(args[--nargs]);
	free(args);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets),
		cmocka_unit_test(ids_in_paths),
		cmocka_unit_test(headers),
		cmocka_unit_test(bearers),
		cmocka_unit_test(bodies),
		cmocka_unit_test(sizes),
		cmocka_unit_test(queries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
