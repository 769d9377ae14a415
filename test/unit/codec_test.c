/*
 * codec_test.c
 *	  What the scanner lets through and what it refuses (cases after RFC 8259
 *	  and RFC 3629), and that what is written is read back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "codec.h"

typedef struct Case
{
	const char *text;
	size_t		len;			/* 0: strlen */
} Case;

static const Case good[] = {
	{"{}", 0}, {" {\t\r\n} ", 0}, {"{\"a\":1}", 0}, {"{\"a\":-0}", 0}, {"{\"a\":1.5e-3}", 0},
	{"{\"a\":[[],{},\"\",true,false,null]}", 0}, {"{\"a\":\"\\u00e9\\ud83d\\ude00\\n\\\"\\\\\\/\"}", 0},
	{"{\"a\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\"}", 0}, {"{\"a\":1,\"a\":2}", 0},
	{"{\"a\":9007199254740993}", 0}, {"{\"a\":-123456789012345678901234567890}", 0}, {"{\"a\":0.12345678901234567890}", 0},
	{"{\"\":0}", 0}, {"{\"a\":\"\x7f\"}", 0}
};

static const Case bad[] = {
	{"", 0}, {" ", 0}, {"[]", 0}, {"null", 0}, {"1", 0}, {"\"a\"", 0}, {"{", 0}, {"}", 0}, {"{}{}", 0}, {"{} x", 0},
	{"{a:1}", 0}, {"{'a':1}", 0}, {"{\"a\"}", 0}, {"{\"a\":}", 0}, {"{\"a\":1,}", 0}, {"{,}", 0}, {"{\"a\" 1}", 0},
	{"{\"a\":NaN}", 0}, {"{\"a\":Infinity}", 0}, {"{\"a\":-Infinity}", 0}, {"{\"a\":True}", 0}, {"{\"a\":nul}", 0},
	{"{\"a\":01}", 0}, {"{\"a\":-01}", 0}, {"{\"a\":1.}", 0}, {"{\"a\":.5}", 0}, {"{\"a\":+1}", 0}, {"{\"a\":1e}", 0},
	{"{\"a\":0x10}", 0}, {"{\"a\":-}", 0}, {"{\"a\":1e99999}", 0},
	{"{\"a\":[1,]}", 0}, {"{\"a\":[,1]}", 0}, {"{\"a\":[1 2]}", 0}, {"{\"a\":[}", 0}, {"{\"a\":[1}", 0},
	{"{\"a\":\"}", 0}, {"{\"a\":\"\\x\"}", 0}, {"{\"a\":\"\\u12\"}", 0}, {"{\"a\":\"\\u12g4\"}", 0},
	{"{\"a\":\"\\u0000\"}", 0}, {"{\"\\u0000\":1}", 0}, {"{\"a\":\"\\ud800\"}", 0}, {"{\"a\":\"\\udc00\"}", 0},
	{"{\"a\":\"\\ud800\\u0041\"}", 0}, {"{\"a\":\"\n\"}", 0}, {"{\"a\":\"\t\"}", 0}, {"{\"a\":\"\x01\"}", 0},
	{"{\"a\":\"\0\"}", 9}, {"{\"a\":1}\0", 8}, {"\xef\xbb\xbf{}", 0},
	{"{\"a\":\"\x80\"}", 0}, {"{\"a\":\"\xc0\x80\"}", 0}, {"{\"a\":\"\xc1\xbf\"}", 0}, {"{\"a\":\"\xe0\x80\x80\"}", 0},
	{"{\"a\":\"\xed\xa0\x80\"}", 0}, {"{\"a\":\"\xf0\x80\x80\x80\"}", 0}, {"{\"a\":\"\xf4\x90\x80\x80\"}", 0},
	{"{\"a\":\"\xf5\x80\x80\x80\"}", 0}, {"{\"a\":\"\xe2\x82\"}", 0}, {"{\"a\":\"\xff\"}", 0},
	{"{/**/}", 0}, {"{\"a\":1//\n}", 0}
};

static JsonValue *
parse(const Case *one)
{
	size_t		len = one->len ? one->len : strlen(one->text);
	char	   *exact = malloc(len + 1);
	const char *error = NULL;
	JsonValue  *value;

	/* Exactly as long as it is, so that a look past the end is seen. */
	memcpy(exact, one->text, len);
	value = json_parse(exact, len, &error);
	if (value == NULL)
		assert_non_null(error);
	free(exact);
	return value;
}

static void
accepts(void **state)
{
	(void) state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
	{
		JsonValue  *value = parse(&good[i]);

		if (value == NULL)
			fail_msg("refused: %s", good[i].text);
		json_free(value);
	}
}

static void
refuses(void **state)
{
	(void) state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(&bad[i]) != NULL)
			fail_msg("let through: %s", bad[i].text);
}

static void
bounds_depth(void **state)
{
	char		text[200] = "{\"a\":";
	Case		one = {text, 0};
	JsonValue  *value;

	(void) state;
	memset(text + 5, '[', 31);
	memset(text + 36, ']', 31);
	strcpy(text + 67, "}");
	value = parse(&one);
	assert_non_null(value);
	json_free(value);
	memset(text + 5, '[', 32);
	memset(text + 37, ']', 32);
	strcpy(text + 69, "}");
	assert_null(parse(&one));
}

/* A number of any size is let through, but for what no database could hold. */
static void
bounds_numbers(void **state)
{
	char		text[1100] = "{\"a\":";
	Case		one = {text, 0};
	JsonValue  *value;

	(void) state;
	memset(text + 5, '7', 1000);
	strcpy(text + 1005, "}");
	value = parse(&one);
	assert_non_null(value);
	json_free(value);
	strcpy(text + 1005, "7}");
	assert_null(parse(&one));
	memcpy(text + 5, "0.", 2);
	assert_null(parse(&one));
}

static void
reads_fields(void **state)
{
	Case		one = {"{\"s\":\"x\",\"i\":-9007199254740991,\"big\":9007199254740992,\"d\":1.5,\"b\":true,\"n\":null,"
		"\"l\":[{\"k\":\"v\"},\"t\",3],\"o\":{}}", 0};
	JsonValue  *value = parse(&one);
	int64_t		integer = 0;
	bool		flag = false;

	(void) state;
	assert_non_null(value);
	assert_string_equal(json_field_string(value, "s"), "x");
	assert_null(json_field_string(value, "i"));
	assert_null(json_field_string(value, "missing"));
	assert_true(json_field_integer(value, "i", &integer));
	assert_true(integer == INT64_C(-9007199254740991));
	assert_false(json_field_integer(value, "big", &integer));
	assert_false(json_field_integer(value, "d", &integer));
	assert_true(json_field_bool(value, "b", &flag) && flag);
	assert_int_equal(json_field_type(value, "n"), JSON_NULL);
	assert_int_equal(json_field_type(value, "missing"), JSON_MISSING);
	assert_int_equal(json_field_type(value, "o"), JSON_OBJECT);
	assert_int_equal(json_field_array_length(value, "l"), 3);
	assert_string_equal(json_field_string(json_field_array_object(value, "l", 0), "k"), "v");
	assert_null(json_field_array_object(value, "l", 1));
	assert_string_equal(json_field_array_string(value, "l", 1), "t");
	assert_null(json_field_array_string(value, "l", 3));
	json_free(value);
}

static void
writes_what_it_reads(void **state)
{
	const char *text = "quote\" back\\ line\n bell\a caf\xc3\xa9";
	JsonText	out = {0};
	const char *error;
	JsonValue  *value;

	(void) state;
	json_text_raw(&out, "{\"a\":");
	json_text_string(&out, text);
	json_text_raw(&out, ",\"n\":");
	json_text_string(&out, NULL);
	json_text_raw(&out, ",\"i\":");
	json_text_integer(&out, -7);
	json_text_raw(&out, ",\"t\":");
	json_text_time(&out, INT64_C(1000001));
	json_text_raw(&out, "}");
	assert_false(out.failed);
	value = json_parse(out.data, out.len, &error);
	assert_non_null(value);
	assert_string_equal(json_field_string(value, "a"), text);
	assert_string_equal(json_field_string(value, "t"), "1970-01-01T00:00:01.000001Z");
	assert_int_equal(json_field_type(value, "n"), JSON_NULL);
	json_free(value);
	json_text_reset(&out);
	assert_null(out.data);
}

/* A value that is refused does not hide whom to answer; what is no JSON does. */
static void
tells_whom_to_answer(void **state)
{
	static const char *const refused[] = {
		"{\"a\":\"\\u0000\",\"ref\":\"r\"}", "{\"ref\":\"r\",\"a\":\"\\ud800\"}", "{\"a\":[\"\\udc00\"],\"ref\":\"r\"}",
		"{\"a\":1e99999,\"ref\":\"r\"}", "{\"r\\u0065f\":\"r\",\"a\":1e99999}",
		"{\"ref\":\"r\",\"ref\\u0000\":\"s\"}",
		"{\"ref\":\"x\",\"a\":{\"ref\":\"y\"},\"b\":\"\\u0000\",\"ref\":\"r\"}"
	};
	const char *cut = "{\"ref\":\"r\\u0000s\"}";
	const char *none = "{\"ref\":\"r\",}";
	const char *error;
	JsonValue  *value;

	(void) state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
	{
		assert_null(json_parse(refused[i], strlen(refused[i]), &error));
		value = json_parse_refused(refused[i], strlen(refused[i]));
		assert_non_null(value);
		assert_string_equal(json_field_string(value, "ref"), "r");
		json_free(value);
	}
	value = json_parse_refused(cut, strlen(cut));
	assert_non_null(value);
	assert_null(json_field_string(value, "ref"));
	json_free(value);
	assert_null(json_parse_refused(none, strlen(none)));
	assert_null(json_parse_refused("{", 1));
	assert_null(json_parse_refused("{} {", 4));
}

/* Nor does a text that goes too deep, however deep, and wherever the ref stands. */
static void
tells_whom_to_answer_from_the_depth(void **state)
{
	enum {DEEP = 100000};
	char	   *text = malloc(2 * DEEP + 100);
	const char *error;
	JsonValue  *value;

	(void) state;
	for (int first = 0; first < 2; first++)
	{
		size_t		n = (size_t) sprintf(text, first ? "{\"ref\":\"r\",\"x\":{\"y\":" : "{\"x\":{\"ref\":\"no\",\"y\":");

		memset(text + n, '[', DEEP);
		memset(text + n + DEEP, ']', DEEP);
		n += 2 * DEEP;
		n += (size_t) sprintf(text + n, first ? ",\"ref\":\"]\"}}" : "},\"ref\":\"r\"}");
		assert_null(json_parse(text, n, &error));
		assert_string_equal(error, "nested too deeply");
		value = json_parse_refused(text, n);
		assert_non_null(value);
		assert_string_equal(json_field_string(value, "ref"), "r");
		assert_int_equal(json_field_array_length(value, "x"), 0);
		json_free(value);
		assert_null(json_parse_refused(text, n - 1));
	}
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts), cmocka_unit_test(refuses), cmocka_unit_test(bounds_depth),
		cmocka_unit_test(reads_fields), cmocka_unit_test(writes_what_it_reads),
		cmocka_unit_test(bounds_numbers), cmocka_unit_test(tells_whom_to_answer),
		cmocka_unit_test(tells_whom_to_answer_from_the_depth)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
