/*
 * json_scan.c
 *	  Holds a client's text against the grammar of JSON, which the library that
 *	  builds the tree takes less strictly.
 */
#include "json_scan.h"

#include <string.h>

#define LONGEST_NUMBER 1000		/* characters: far within what jsonb can hold */

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
	if (scan->depth == JSON_DEEPEST)
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

/*
 * Holds the text between at and end against the grammar: one object.  False
 * with *error, a constant.  What is JSON but is not taken is in scan->refused.
 */
bool
json_scan(Scan *scan, const char **error)
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
