/*
 * codec_fuzz.c
 *	  Any bytes as JSON: what is taken must be UTF-8, and a string that is read
 *	  and written again must be the same string.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"

static const char *const names[] = {"type", "ref", "task_id", "x", "", "rooms"};

/* Reads the field in every way there is, with no type in mind. */
static void
read_field(const JsonValue *object, const char *name)
{
	int64_t		integer;
	bool		flag;
	size_t		n = json_field_array_length(object, name);

	if (json_field_integer(object, name, &integer)
		&& (json_field_type(object, name) != JSON_INTEGER || integer > INT64_C(9007199254740991) || integer < -INT64_C(9007199254740991)))
		abort();
	if (json_field_bool(object, name, &flag) && json_field_type(object, name) != JSON_BOOL)
		abort();
	for (size_t i = 0; i <= n && i < 8; i++)
	{
		json_field_array_object(object, name, i);
		json_field_array_string(object, name, i);
	}
}

/* Writes the string as JSON and reads that. */
static void
string_comes_back(const char *string)
{
	JsonText	text = {0};
	const char *error;
	const char *again;
	JsonValue  *object;

	json_text_raw(&text, "{\"x\":");
	json_text_string(&text, string);
	json_text_raw(&text, "}");
	object = json_parse(text.data, text.len, &error);
	again = object ? json_field_string(object, "x") : NULL;
	if (again == NULL || strcmp(again, string) != 0)
		abort();
	json_free(object);
	json_text_reset(&text);
}

/* What is parsed for its address alone tells the same as what is parsed whole. */
static void
address_is_the_same(const JsonValue *object, const char *text, size_t size)
{
	JsonValue  *outline = json_parse_refused(text, size);

	if (object && outline == NULL)
		abort();
	for (size_t i = 0; outline && i < sizeof(names) / sizeof(names[0]); i++)
	{
		const char *string = json_field_string(outline, names[i]);
		const char *whole = object ? json_field_string(object, names[i]) : string;

		if ((string == NULL) != (whole == NULL) || (string && strcmp(string, whole) != 0))
			abort();
	}
	json_free(outline);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *error = NULL;
	char	   *text = malloc(size + 1);	/* NUL-terminated, as frames are */
	JsonValue  *object;

	memcpy(text, data, size);
	text[size] = '\0';
	object = json_parse(text, size, &error);
	if (object == NULL && error == NULL)
		abort();
	if (object && !json_is_utf8(text, size))
		abort();
	for (size_t i = 0; object && i < sizeof(names) / sizeof(names[0]); i++)
	{
		const char *string = json_field_string(object, names[i]);

		read_field(object, names[i]);
		if (string)
			string_comes_back(string);
	}
	address_is_the_same(object, text, size);
	json_free(object);
	free(text);
	return 0;
}
