/*
 * codec.c
 *	  JSON in and out.  The scanner below holds a client's text against the
 *	  grammar before the library sees it; the library builds the tree.
 */
#include "codec.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEEPEST 32
#define LONGEST_NUMBER 1000		/* characters: far within what jsonb can hold */
#define LARGEST_INTEGER INT64_C(9007199254740991)	/* 2^53 − 1 */

/* The scanner (RFC 8259): where it is, and why it stopped. */
typedef struct Scan
{
	const unsigned char *at;
	const unsigned char *end;
	const char *error;
	const char *refused;		/* it is JSON, but has a value that we don't take: why */
	int			depth;
	size_t		pairs;			/* names with a value, in all objects */
	JsonText   *outline;		/* gets the members of the outermost object, arrays and objects in them emptied; or NULL */
} Scan;

static bool scan_value(Scan *scan);

static bool
scan_fail(Scan *scan, const char *error)
{
	if (scan->error == NULL)
		scan->error = error;
	return false;
}

/* A value that no field may have; the text is JSON nevertheless. */
static bool
scan_refuse(Scan *scan, const char *why)
{
	if (scan->refused == NULL)
		scan->refused = why;
	return true;
}

static void
skip_space(Scan *scan)
{
	while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\n' || *scan->at == '\r'))
		scan->at++;
}

static int
peek(const Scan *scan)
{
	return scan->at < scan->end ? *scan->at : -1;
}

static bool
scan_hex4(Scan *scan, unsigned *out)
{
	int			i;

	*out = 0;
	for (i = 0; i < 4; i++)
	{
		int			c = peek(scan);
		int			digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 :
			c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;

		if (digit < 0)
			return scan_fail(scan, "a \\u escape needs four hexadecimal digits");
		*out = *out * 16 + (unsigned) digit;
		scan->at++;
	}
	return true;
}

static bool
scan_unicode_escape(Scan *scan)
{
	unsigned	unit;

	if (!scan_hex4(scan, &unit))
		return false;
	if (unit == 0)
		return scan_refuse(scan, "U+0000 is not allowed");
	if (unit >= 0xdc00 && unit <= 0xdfff)
		return scan_refuse(scan, "a surrogate stands alone");
	if (unit >= 0xd800 && unit <= 0xdbff)
	{
		if (scan->end - scan->at < 6 || scan->at[0] != '\\' || scan->at[1] != 'u')
			return scan_refuse(scan, "a surrogate stands alone");
		scan->at += 2;
		if (!scan_hex4(scan, &unit))
			return false;
		if (unit < 0xdc00 || unit > 0xdfff)
			return scan_refuse(scan, "a surrogate stands alone");
	}
	return true;
}

static bool
scan_escape(Scan *scan)
{
	int			c = peek(scan);

	if (c < 0 || c == 0 || strchr("\"\\/bfnrtu", c) == NULL)
		return scan_fail(scan, "unknown escape in a string");
	scan->at++;
	return c == 'u' ? scan_unicode_escape(scan) : true;
}

/* One code point beyond ASCII: shortest form, no surrogate, up to U+10FFFF (RFC 3629). */
static bool
scan_utf8(Scan *scan)
{
	const unsigned char *p = scan->at;
	size_t		left = (size_t) (scan->end - p);
	size_t		more;
	unsigned	low = 0x80;
	unsigned	high = 0xbf;
	size_t		i;

	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		more = 1;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
	{
		more = 2;
		low = p[0] == 0xe0 ? 0xa0 : low;
		high = p[0] == 0xed ? 0x9f : high;
	}
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
	{
		more = 3;
		low = p[0] == 0xf0 ? 0x90 : low;
		high = p[0] == 0xf4 ? 0x8f : high;
	}
	else
		return scan_fail(scan, "invalid UTF-8");
	if (left <= more || p[1] < low || p[1] > high)
		return scan_fail(scan, "invalid UTF-8");
	for (i = 2; i <= more; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return scan_fail(scan, "invalid UTF-8");
	scan->at += more + 1;
	return true;
}

static bool
scan_string(Scan *scan)
{
	scan->at++;
	while (scan->at < scan->end)
	{
		unsigned char c = *scan->at;

		if (c == '"')
		{
			scan->at++;
			return true;
		}
		if (c < 0x20)
			return scan_fail(scan, "a control character stands in a string");
		if (c >= 0x80)
		{
			if (!scan_utf8(scan))
				return false;
			continue;
		}
		scan->at++;
		if (c == '\\' && !scan_escape(scan))
			return false;
	}
	return scan_fail(scan, "a string does not end");
}

static bool
scan_digits(Scan *scan)
{
	const unsigned char *start = scan->at;

	while (peek(scan) >= '0' && peek(scan) <= '9')
		scan->at++;
	return scan->at > start ? true : scan_fail(scan, "a digit is missing");
}

static bool
scan_number(Scan *scan)
{
	const unsigned char *start;

	if (peek(scan) == '-')
		scan->at++;
	start = scan->at;
	if (!scan_digits(scan))
		return false;
	if (*start == '0' && scan->at - start > 1)
		return scan_fail(scan, "a number begins with 0");
	if (peek(scan) == '.')
	{
		scan->at++;
		if (!scan_digits(scan))
			return false;
	}
	if (scan->at - start > LONGEST_NUMBER)
		scan_refuse(scan, "a number is too long");
	if (peek(scan) == 'e' || peek(scan) == 'E')
	{
		scan->at++;
		if (peek(scan) == '+' || peek(scan) == '-')
			scan->at++;
		start = scan->at;
		if (!scan_digits(scan))
			return false;
		if (scan->at - start > 3)
			scan_refuse(scan, "an exponent is too large");
	}
	return true;
}

static bool
scan_word(Scan *scan, const char *word)
{
	size_t		len = strlen(word);

	if ((size_t) (scan->end - scan->at) < len || memcmp(scan->at, word, len) != 0)
		return scan_fail(scan, "unknown word");
	scan->at += len;
	return true;
}

/* Adds a member to the outline. */
static void
outline_add(JsonText *outline, const unsigned char *name, const unsigned char *value, const unsigned char *end)
{
	json_text_raw(outline, outline->len == 0 ? "{" : ",");
	json_text_raw_n(outline, (const char *) name, (size_t) (value - name));
	if (*value == '{' || *value == '[')
		json_text_raw(outline, "[]");
	else
		json_text_raw_n(outline, (const char *) value, (size_t) (end - value));
}

static bool
scan_pair(Scan *scan)
{
	const unsigned char *name = scan->at;
	const unsigned char *value;
	bool		name_is_whole;

	if (peek(scan) != '"')
		return scan_fail(scan, "a name must be a string");
	if (scan->outline)
		scan->refused = NULL;	/* nobody asks for it in the end */
	if (!scan_string(scan))
		return false;
	name_is_whole = scan->refused == NULL;	/* the library would cut it at U+0000 */
	skip_space(scan);
	if (peek(scan) != ':')
		return scan_fail(scan, "a colon is missing");
	scan->at++;
	scan->pairs++;
	skip_space(scan);
	value = scan->at;
	if (!scan_value(scan))
		return false;
	if (scan->outline && scan->depth == 1 && name_is_whole)
		outline_add(scan->outline, name, value, scan->at);
	return true;
}

/*
 * A container that is too deep, from its opening bracket.  As it is refused
 * anyway, its brackets are only counted: neither stack nor memory is spent.
 */
static bool
skip_container(Scan *scan)
{
	size_t		open = 0;

	do
	{
		int			c = peek(scan);

		if (c < 0)
			return scan_fail(scan, "a comma or bracket is missing");
		if (c == '"')
		{
			if (!scan_string(scan))
				return false;
			continue;
		}
		if (c == '[' || c == '{')
			open++;
		else if (c == ']' || c == '}')
			open--;
		scan->at++;
	} while (open > 0);
	return true;
}

/* The rest of an array or object, from its opening bracket. */
static bool
scan_container(Scan *scan, int closing, bool (*item) (Scan *scan))
{
	if (scan->depth == DEEPEST)
		return scan_refuse(scan, "nested too deeply") && skip_container(scan);
	scan->depth++;
	scan->at++;
	skip_space(scan);
	if (peek(scan) == closing)
	{
		scan->at++;
		scan->depth--;
		return true;
	}
	for (;;)
	{
		skip_space(scan);
		if (!item(scan))
			return false;
		skip_space(scan);
		if (peek(scan) == closing)
			break;
		if (peek(scan) != ',')
			return scan_fail(scan, "a comma or bracket is missing");
		scan->at++;
	}
	scan->at++;
	scan->depth--;
	return true;
}

static bool
scan_value(Scan *scan)
{
	skip_space(scan);
	switch (peek(scan))
	{
		case '{':
			return scan_container(scan, '}', scan_pair);
		case '[':
			return scan_container(scan, ']', scan_value);
		case '"':
			return scan_string(scan);
		case 't':
			return scan_word(scan, "true");
		case 'f':
			return scan_word(scan, "false");
		case 'n':
			return scan_word(scan, "null");
		default:
			return scan_number(scan);
	}
}

/* Whether the bytes are whole characters of RFC 3629. */
bool
json_is_utf8(const char *text, size_t len)
{
	Scan		scan = {.at = (const unsigned char *) text, .end = (const unsigned char *) text + len};

	while (scan.at < scan.end)
	{
		if (*scan.at < 0x80)
			scan.at++;
		else if (!scan_utf8(&scan))
			return false;
	}
	return true;
}

/* Holds the text against the grammar; false with *error, a constant. */
static bool
scan_text(Scan *scan, const char **error)
{
	*error = "not a JSON object";
	skip_space(scan);
	if (peek(scan) != '{' || !scan_value(scan))
	{
		*error = scan->error ? scan->error : *error;
		return false;
	}
	skip_space(scan);
	if (scan->at != scan->end)
		*error = "something follows the object";
	return scan->at == scan->end;
}

/*
 * The tree of a text that the scanner has found to be an object.  The library
 * need not be strict: all that this adds is to refuse integers that it clamps.
 */
static JsonValue *
build_tree(const char *text, size_t len, const char **error)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEEPEST + 2);
	struct json_object *object = NULL;

	*error = "out of memory";
	if (tokener == NULL)
		return NULL;
	object = json_tokener_parse_ex(tokener, text, (int) len);
	if (object != NULL && !json_object_is_type(object, json_type_object))
	{
		json_object_put(object);
		object = NULL;
	}
	json_tokener_free(tokener);
	return (JsonValue *) object;
}

/* Parses one JSON object, and counts the names in its text. */
static JsonValue *
parse(const char *text, size_t len, const char **error, size_t *pairs)
{
	Scan		scan = {.at = (const unsigned char *) text, .end = (const unsigned char *) text + len};

	if (!scan_text(&scan, error))
		return NULL;
	if (scan.refused)
	{
		*error = scan.refused;
		return NULL;
	}
	*pairs = scan.pairs;
	return build_tree(text, len, error);
}

/* Parse one JSON object of len bytes; NULL with *error, a constant, otherwise.  Free with json_free(). */
JsonValue *
json_parse(const char *text, size_t len, const char **error)
{
	size_t		pairs;

	return parse(text, len, error, &pairs);
}

/*
 * The object of a text that json_parse() refused though it is JSON (U+0000, a
 * surrogate alone, a number that is too long, too deep); NULL where it is none.
 * Only to find out whom to answer: arrays and objects within it are empty
 * arrays here, and what was refused may be cut or rounded.
 */
JsonValue *
json_parse_refused(const char *text, size_t len)
{
	JsonText	outline = {0};
	Scan		scan = {.at = (const unsigned char *) text, .end = (const unsigned char *) text + len, .outline = &outline};
	const char *error;
	JsonValue  *value = NULL;

	if (scan_text(&scan, &error))
	{
		json_text_raw(&outline, outline.len == 0 ? "{}" : "}");
		if (!outline.failed)
			value = build_tree(outline.data, outline.len, &error);
	}
	json_text_reset(&outline);
	return value;
}

/* How many names the tree holds: fewer than the text where one came twice. */
static size_t
count_pairs(struct json_object *value)
{
	size_t		n = 0;

	if (json_object_is_type(value, json_type_array))
	{
		for (size_t i = 0; i < json_object_array_length(value); i++)
			n += count_pairs(json_object_array_get_idx(value, i));
	}
	else if (json_object_is_type(value, json_type_object))
	{
		json_object_object_foreach(value, name, member)
		{
			(void) name;
			n += 1 + count_pairs(member);
		}
	}
	return n;
}

/*
 * As json_parse(), for texts that somebody vouches for: a name that comes
 * twice in one object is an error, as readers differ in which one they take.
 */
JsonValue *
json_parse_unique(const char *text, size_t len, const char **error)
{
	size_t		pairs;
	JsonValue  *value = parse(text, len, error, &pairs);

	if (value == NULL || count_pairs((struct json_object *) value) == pairs)
		return value;
	json_free(value);
	*error = "a name comes twice";
	return NULL;
}

void
json_free(JsonValue *value)
{
	json_object_put((struct json_object *) value);
}

static struct json_object *
field(const JsonValue *object, const char *name, bool *present)
{
	struct json_object *value = NULL;

	*present = json_object_object_get_ex((struct json_object *) object, name, &value);
	return value;
}

JsonType
json_field_type(const JsonValue *object, const char *name)
{
	bool		present;
	struct json_object *value = field(object, name, &present);

	if (!present)
		return JSON_MISSING;
	switch (json_object_get_type(value))
	{
		case json_type_null:
			return JSON_NULL;
		case json_type_boolean:
			return JSON_BOOL;
		case json_type_int:
			return JSON_INTEGER;
		case json_type_double:
			return JSON_NUMBER;
		case json_type_string:
			return JSON_STRING;
		case json_type_array:
			return JSON_ARRAY;
		default:
			return JSON_OBJECT;
	}
}

const char *
json_field_string(const JsonValue *object, const char *name)
{
	bool		present;
	struct json_object *value = field(object, name, &present);
	const char *string = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;

	/* One with U+0000 inside, which json_parse_refused() lets through, is none. */
	return string && strlen(string) == (size_t) json_object_get_string_len(value) ? string : NULL;
}

bool
json_field_integer(const JsonValue *object, const char *name, int64_t *out)
{
	bool		present;
	struct json_object *value = field(object, name, &present);
	int64_t		integer;

	if (!json_object_is_type(value, json_type_int))
		return false;
	integer = json_object_get_int64(value);
	if (integer > LARGEST_INTEGER || integer < -LARGEST_INTEGER)
		return false;
	*out = integer;
	return true;
}

/* Any number, as a double; false when there is none. */
bool
json_field_number(const JsonValue *object, const char *name, double *out)
{
	bool		present;
	struct json_object *value = field(object, name, &present);

	if (!json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_double))
		return false;
	*out = json_object_get_double(value);
	return true;
}

bool
json_field_bool(const JsonValue *object, const char *name, bool *out)
{
	bool		present;
	struct json_object *value = field(object, name, &present);

	if (!json_object_is_type(value, json_type_boolean))
		return false;
	*out = json_object_get_boolean(value);
	return true;
}

size_t
json_field_array_length(const JsonValue *object, const char *name)
{
	bool		present;
	struct json_object *value = field(object, name, &present);

	return json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;
}

static struct json_object *
element(const JsonValue *object, const char *name, size_t i, json_type type)
{
	bool		present;
	struct json_object *array = field(object, name, &present);
	struct json_object *value;

	if (!json_object_is_type(array, json_type_array) || i >= json_object_array_length(array))
		return NULL;
	value = json_object_array_get_idx(array, i);
	return json_object_is_type(value, type) ? value : NULL;
}

const JsonValue *
json_field_array_object(const JsonValue *object, const char *name, size_t i)
{
	return (const JsonValue *) element(object, name, i, json_type_object);
}

const char *
json_field_array_string(const JsonValue *object, const char *name, size_t i)
{
	struct json_object *value = element(object, name, i, json_type_string);

	return value ? json_object_get_string(value) : NULL;
}

void
json_text_reset(JsonText *text)
{
	free(text->data);
	memset(text, 0, sizeof(*text));
}

void
json_text_raw_n(JsonText *text, const char *raw, size_t len)
{
	if (text->failed)
		return;
	if (text->len + len + 1 > text->size)
	{
		size_t		size = (text->len + len + 1) * 2;
		char	   *data;

		size = size < 256 ? 256 : size;
		data = realloc(text->data, size);
		if (data == NULL)
		{
			text->failed = true;
			return;
		}
		text->data = data;
		text->size = size;
	}
	memcpy(text->data + text->len, raw, len);
	text->len += len;
	text->data[text->len] = '\0';
}

void
json_text_raw(JsonText *text, const char *raw)
{
	json_text_raw_n(text, raw, strlen(raw));
}

void
json_text_string(JsonText *text, const char *string)
{
	const char *start = string;
	const char *p;

	if (string == NULL)
	{
		json_text_raw(text, "null");
		return;
	}
	json_text_raw(text, "\"");
	for (p = string; *p; p++)
	{
		unsigned char c = (unsigned char) *p;
		char		escaped[8];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		json_text_raw_n(text, start, (size_t) (p - start));
		if (c == '"' || c == '\\')
			snprintf(escaped, sizeof(escaped), "\\%c", c);
		else
			snprintf(escaped, sizeof(escaped), "\\u%04x", c);
		json_text_raw(text, escaped);
		start = p + 1;
	}
	json_text_raw_n(text, start, (size_t) (p - start));
	json_text_raw(text, "\"");
}

void
json_text_integer(JsonText *text, int64_t n)
{
	char		digits[24];

	snprintf(digits, sizeof(digits), "%lld", (long long) n);
	json_text_raw(text, digits);
}

void
json_text_time(JsonText *text, int64_t unix_microseconds)
{
	time_t		seconds = (time_t) (unix_microseconds / 1000000);
	int			micros = (int) (unix_microseconds % 1000000);
	struct tm	utc;
	char		date[32];
	char		full[64];

	if (micros < 0)
	{
		micros += 1000000;
		seconds--;
	}
	gmtime_r(&seconds, &utc);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(full, sizeof(full), "\"%s.%06dZ\"", date, micros);
	json_text_raw(text, full);
}
