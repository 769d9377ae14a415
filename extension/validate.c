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

/* "scheme:" of a URL is one of the setting's list; no blanks or controls inside. */
void
check_url(const char *url)
{
	const char *colon = strchr(url, ':');
	const char *p;
	char	   *list;
	char	   *item;
	char	   *state = NULL;

	check_id("file_url", url, TASKCHAT_MAX_URL);
	for (p = url; *p; p++)
		if ((unsigned char) *p <= ' ' || *p == 0x7f)
			bad_value("file_url must not contain blanks or control characters",
					  "Percent-encode them.");
	list = pstrdup(allowed_file_schemes);
	for (item = strtok_r(list, ", ", &state); item && colon; item = strtok_r(NULL, ", ", &state))
		if (strlen(item) == (size_t) (colon - url) && pg_strncasecmp(item, url, colon - url) == 0)
			return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("file_url has a scheme that is not allowed"),
			 errhint("Allowed: %s.", allowed_file_schemes)));
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

/* A JSON document by the length of its text. */
void
check_json_size(const char *what, Jsonb *json)
{
	size_t		bytes = strlen(JsonbToCString(NULL, &json->root, VARSIZE(json)));

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
	Jsonb	   *json;

	if (PG_ARGISNULL(1))
		refuse_null(what);
	json = PG_GETARG_JSONB_P(1);
	if (!JB_ROOT_IS_OBJECT(json))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be an object", what),
				 errhint("Pass a JSON object such as {\"key\": \"value\"}.")));
	check_json_size(what, json);
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
