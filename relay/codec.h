/*
 * codec.h
 *	  JSON in and out: the only module that knows the JSON library.
 *
 * Texts from clients are first held against RFC 8259 and RFC 3629 byte by
 * byte (what the library lets through is refused here: NaN, single quotes,
 * overlong UTF-8, lone surrogates, \u0000, endless numbers, depth over 32).
 * Other numbers are let through as they are: only who reads one as an integer
 * holds it against ±(2^53−1).
 */
#ifndef TASKCHAT_CODEC_H
#define TASKCHAT_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct JsonValue JsonValue;		/* opaque parsed object, owned by who parsed it */

typedef enum JsonType
{
	JSON_MISSING, JSON_NULL, JSON_BOOL, JSON_INTEGER, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT
} JsonType;

/* Parse one JSON object; NULL with *error (a constant text) otherwise. */
extern JsonValue *json_parse(const char *text, size_t len, const char **error);
extern JsonValue *json_parse_refused(const char *text, size_t len);
extern JsonValue *json_parse_unique(const char *text, size_t len, const char **error);
/* Whether the bytes are whole characters of RFC 3629. */
extern bool json_is_utf8(const char *text, size_t len);
extern void json_free(JsonValue *value);
extern JsonType json_field_type(const JsonValue *object, const char *name);
/* Strings are borrowed from the object; NULL unless a string. */
extern const char *json_field_string(const JsonValue *object, const char *name);
extern bool json_field_integer(const JsonValue *object, const char *name, int64_t *out);	/* integer within ±(2^53−1) */
extern bool json_field_number(const JsonValue *object, const char *name, double *out);	/* may be infinite */
extern bool json_field_bool(const JsonValue *object, const char *name, bool *out);
extern size_t json_field_array_length(const JsonValue *object, const char *name);
/* Borrowed view of element i if it is an object, else NULL; string variant: NULL unless a string. */
extern const JsonValue *json_field_array_object(const JsonValue *object, const char *name, size_t i);
extern const char *json_field_array_string(const JsonValue *object, const char *name, size_t i);

/* A growing text that JSON is written into.  Out of memory sets failed. */
typedef struct JsonText
{
	char	   *data;			/* NUL-terminated; free() it, or json_text_reset */
	size_t		len;
	size_t		size;
	bool		failed;
} JsonText;

extern void json_text_reset(JsonText *text);	/* frees and zeroes */
extern void json_text_raw(JsonText *text, const char *raw);
extern void json_text_raw_n(JsonText *text, const char *raw, size_t len);
extern void json_text_string(JsonText *text, const char *string);	/* quoted and escaped; NULL: null */
extern void json_text_integer(JsonText *text, int64_t n);
/* RFC 3339 UTC with microseconds, quoted. */
extern void json_text_time(JsonText *text, int64_t unix_microseconds);

#endif
