/*
 * codec.c
 *	  JSON in and out.  json_scan.c holds a client's text against the grammar
 *	  before the library sees it; the library builds the tree.
 */
#include "codec.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "json_scan.h"

#define LARGEST_INTEGER INT64_C(9007199254740991)	/* 2^53 − 1 */

/*
 * The tree of a text that the scanner has found to be an object.  The library
 * need not be strict: all that this adds is to refuse integers that it clamps.
 */
static JsonValue *
build_tree(const char *text, size_t len, const char **error)
{
	struct json_tokener *tokener = json_tokener_new_ex(JSON_DEEPEST + 2);
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

	if (!json_scan(&scan, error))
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

	if (json_scan(&scan, &error))
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
