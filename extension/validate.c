/*
 * validate.c
 *	  What a value may look like, before anybody asks who sends it: ids,
 *	  content, file URLs and JSON documents.  The functions in C and those in
 *	  SQL find each rule here and nowhere else.
 */
#include "taskchat.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#define LONGEST_PAGE 200

PG_FUNCTION_INFO_V1(taskchat_check_id);
PG_FUNCTION_INFO_V1(taskchat_check_json);
PG_FUNCTION_INFO_V1(taskchat_check_text);
PG_FUNCTION_INFO_V1(taskchat_refuse_null);
PG_FUNCTION_INFO_V1(taskchat_page_size);

/* 23502: an argument or column that needs a value has none. */
void
refuse_null(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_NOT_NULL_VIOLATION),
			 errmsg("%s must not be null", what),
			 errhint("Pass a value for %s.", what)));
}

static void
refuse_too_long(const char *what, size_t bytes, int max_bytes)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("%s is too long", what),
			 errdetail("It has %zu bytes.", bytes),
			 errhint("At most %d bytes are allowed.", max_bytes)));
}

static void
bad_value(const char *message, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", message),
			 errhint("%s", hint)));
}

/* An id or other short text must not be empty (22023) nor longer than max_bytes (54000). */
void
check_id(const char *what, const char *value, int max_bytes)
{
	if (value[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be empty", what),
				 errhint("Pass at least one character, or NULL where the argument is optional.")));
	if (strlen(value) > (size_t) max_bytes)
		refuse_too_long(what, strlen(value), max_bytes);
}

/* Code points that draw nothing: spaces, controls, format characters, fillers. */
static bool
is_invisible(pg_wchar c)
{
	static const struct
	{
		pg_wchar	first;
		pg_wchar	last;
	}			ranges[] = {
		{0x0000, 0x0020}, {0x007f, 0x00a0}, {0x00ad, 0x00ad}, {0x034f, 0x034f},
		{0x061c, 0x061c}, {0x115f, 0x1160}, {0x1680, 0x1680}, {0x17b4, 0x17b5},
		{0x180b, 0x180f}, {0x2000, 0x200f}, {0x2028, 0x202f}, {0x205f, 0x206f},
		{0x2800, 0x2800}, {0x3000, 0x3000}, {0x3164, 0x3164}, {0xfe00, 0xfe0f},
		{0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xfff0, 0xfffb}, {0x1d173, 0x1d17a},
		{0xe0000, 0xe0fff}
	};
	int			i;

	for (i = 0; i < lengthof(ranges); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

static bool
has_visible(const char *text)
{
	const unsigned char *p = (const unsigned char *) text;

	while (*p)
	{
		int			len = pg_mblen((const char *) p);

		if (GetDatabaseEncoding() == PG_UTF8 ? !is_invisible(utf8_to_unicode(p)) : *p > ' ')
			return true;
		p += len;
	}
	return false;
}

/* The content of a message of that type; NULL where there is none. */
void
check_text(const char *type, const char *content)
{
	bool		is_text = strcmp(type, "text") == 0;

	if (content == NULL)
		refuse_null("content");
	if (!is_text && strcmp(type, "image") != 0 && strcmp(type, "file") != 0)
		bad_value("message_type is unknown", "It is text, image or file.");
	if (strlen(content) > (size_t) max_content_bytes)
		refuse_too_long("content", strlen(content), max_content_bytes);
	if (is_text && !has_visible(content))
		bad_value("content is empty", "A text message needs visible content.");
}

/*
 * One of the schemes that commas separate: where it is, without the blanks
 * around it, and how long.  *rest moves on to the next; after the last it is NULL.
 */
static const char *
next_scheme(const char **rest, size_t *length)
{
	const char *begin = *rest + strspn(*rest, " ");
	const char *end = begin + strcspn(begin, ",");

	*rest = *end ? end + 1 : NULL;
	while (end > begin && end[-1] == ' ')
		end--;
	*length = end - begin;
	return begin;
}

/* RFC 3986 section 3.1. */
static bool
is_scheme(const char *text, size_t length)
{
	static const char *const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char *const all = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.";

	return length > 0 && strspn(text, letters) > 0 && strspn(text, all) >= length;
}

static bool
is_blank(const char *text)
{
	return text[strspn(text, " ")] == '\0';
}

/* Is that a value of taskchat.allowed_file_schemes?  An empty one allows none. */
bool
check_schemes(char **value, void **extra, GucSource source)
{
	const char *rest = is_blank(*value) ? NULL : *value;

	while (rest)
	{
		size_t		length;
		const char *scheme = next_scheme(&rest, &length);

		if (is_scheme(scheme, length))
			continue;
		GUC_check_errdetail("\"%.*s\" is not the scheme of a URL.", (int) length, scheme);
		GUC_check_errhint("Name the schemes, such as https, and separate them by commas.");
		return false;
	}
	return true;
}

static bool
is_allowed(const char *scheme, size_t length)
{
	const char *rest = length > 0 ? allowed_file_schemes : NULL;

	while (rest)
	{
		size_t		item_length;
		const char *item = next_scheme(&rest, &item_length);

		if (item_length == length && pg_strncasecmp(item, scheme, length) == 0)
			return true;
	}
	return false;
}

/* What follows the scheme of a URL of the web must name a host (RFC 9110 section 4.2). */
static bool
has_host(const char *text)
{
	const char *host = text + 2;
	const char *end;
	const char *p;

	if (strncmp(text, "//", 2) != 0)
		return false;
	end = host + strcspn(host, "/?#");
	for (p = host; p < end; p++)
		if (*p == '@')
			host = p + 1;
	return host < end && *host != ':';
}

/* A URL whose scheme is one of the setting's list; no blanks or controls inside. */
void
check_url(const char *url)
{
	size_t		length = strcspn(url, ":");
	const char *p;

	check_id("file_url", url, TASKCHAT_MAX_URL);
	for (p = url; *p; p++)
		if ((unsigned char) *p <= ' ' || *p == 0x7f)
			bad_value("file_url must not contain blanks or control characters",
					  "Percent-encode them.");
	if (url[length] == '\0' || !is_allowed(url, length))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("file_url has a scheme that is not allowed"),
				 is_blank(allowed_file_schemes) ? errhint("None is allowed.") : errhint("Allowed: %s.", allowed_file_schemes)));
	if ((pg_strncasecmp(url, "https:", 6) == 0 || pg_strncasecmp(url, "http:", 5) == 0) && !has_host(url + length + 1))
		bad_value("file_url has no host", "It begins like https://example.com/.");
}

/* What a whole message says; url may be NULL. */
void
check_content(const char *type, const char *content, const char *url)
{
	check_text(type, content);
	if (url == NULL && strcmp(type, "text") != 0)
		bad_value("file_url is missing", "Messages of type image and file need one.");
	if (url)
		check_url(url);
}

/* A JSON document must be an object (22023), and its text not too long (54000). */
void
check_json(const char *what, Jsonb *json)
{
	size_t		bytes;

	if (!JB_ROOT_IS_OBJECT(json))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be an object", what),
				 errhint("Pass a JSON object such as {\"key\": \"value\"}.")));
	bytes = strlen(JsonbToCString(NULL, &json->root, VARSIZE(json)));
	if (bytes > TASKCHAT_MAX_JSON)
		refuse_too_long(what, bytes, TASKCHAT_MAX_JSON);
}

/* check_id(what, value): refuses ids that are null, empty or too long. */
Datum
taskchat_check_id(PG_FUNCTION_ARGS)
{
	char	   *what = text_to_cstring(PG_GETARG_TEXT_PP(0));

	if (PG_ARGISNULL(1))
		refuse_null(what);
	check_id(what, text_to_cstring(PG_GETARG_TEXT_PP(1)), TASKCHAT_MAX_ID);
	PG_RETURN_VOID();
}

/* check_json(what, value): refuses JSON that is null, no object or too long. */
Datum
taskchat_check_json(PG_FUNCTION_ARGS)
{
	char	   *what = text_to_cstring(PG_GETARG_TEXT_PP(0));

	if (PG_ARGISNULL(1))
		refuse_null(what);
	check_json(what, PG_GETARG_JSONB_P(1));
	PG_RETURN_VOID();
}

/* check_text(message_type, content): refuses content that such a message must not have. */
Datum
taskchat_check_text(PG_FUNCTION_ARGS)
{
	check_text(text_to_cstring(PG_GETARG_TEXT_PP(0)),
			   PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_VOID();
}

/* refuse_null(what, is_null): for arguments of any type. */
Datum
taskchat_refuse_null(PG_FUNCTION_ARGS)
{
	if (PG_GETARG_BOOL(1))
		refuse_null(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}

/* page_size(max_rows, usual) → rows of a page: positive and at most 200; NULL means the usual. */
Datum
taskchat_page_size(PG_FUNCTION_ARGS)
{
	int32		wanted = PG_ARGISNULL(0) ? PG_GETARG_INT32(1) : PG_GETARG_INT32(0);

	if (wanted < 1)
		bad_value("max_rows must be positive", "A page has 1 to 200 rows.");
	PG_RETURN_INT32(Min(wanted, LONGEST_PAGE));
}
