/*
 * request.c
 *	  Heads of HTTP/1.1 requests (RFC 9112), read strictly: what two readers
 *	  could understand in two ways is refused.
 */
#include "request.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "codec.h"

/* Headers that mean something only when there is one of them. */
static const char *const singles[] = {
	"host", "content-length", "transfer-encoding", "authorization", "origin", "upgrade", "expect",
	"sec-websocket-key", "sec-websocket-version"
};

static RequestState
bad(RequestProblem *problem, int status, const char *message)
{
	problem->status = status;
	problem->message = message;
	return REQUEST_BAD;
}

/* Whether all of the text are characters of a token (RFC 9110 section 5.6.2). */
static bool
is_token(const char *text)
{
	return text[0] && text[strspn(text, "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")] == '\0';
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/*
 * Resolves the escapes of a text where it stands.  of_path: those of '/' and
 * '%' stay, as %2F and %25; otherwise '+' is a space.  False for what is no
 * escape, for U+0000, and for what is no UTF-8 then.
 */
static bool
resolve(char *text, bool of_path)
{
	char	   *out = text;

	for (const char *p = text; *p; p++)
	{
		int			high;
		int			low;
		char		c;

		if (*p != '%')
		{
			*out++ = *p == '+' && !of_path ? ' ' : *p;
			continue;
		}
		high = hex_digit(p[1]);
		low = high < 0 ? -1 : hex_digit(p[2]);
		if (low < 0 || high + low == 0)
			return false;
		p += 2;
		c = (char) (high * 16 + low);
		if (of_path && (c == '/' || c == '%'))
		{
			*out++ = '%';
			*out++ = '2';
			*out++ = c == '/' ? 'F' : '5';
		}
		else
			*out++ = c;
	}
	*out = '\0';
	return json_is_utf8(text, (size_t) (out - text));
}

/*
 * Resolves the escapes that the path of a head keeps, in a part of it that
 * holds no '/'.
 */
void
request_decode_rest(char *segment)
{
	char	   *out = segment;

	for (const char *p = segment; *p; p++)
	{
		bool		escape = p[0] == '%' && p[1] == '2' && (p[2] == 'F' || p[2] == '5');

		*out++ = !escape ? *p : p[2] == 'F' ? '/' : '%';
		p += escape ? 2 : 0;
	}
	*out = '\0';
}

/* What stands behind the scheme and the authority of an absolute URL; NULL when it is none. */
static char *
path_of_url(char *target)
{
	char	   *rest;

	if (strncasecmp(target, "http://", 7) != 0 && strncasecmp(target, "https://", 8) != 0)
		return NULL;
	rest = strstr(target, "://") + 3;
	rest += strcspn(rest, "/?");
	return rest;
}

/* Takes the request target apart. */
static RequestState
read_target(RequestHead *head, char *target, RequestProblem *problem)
{
	static char root[] = "/";
	char	   *path = target[0] == '/' ? target : path_of_url(target);
	char	   *query;

	for (const unsigned char *p = (unsigned char *) target; *p; p++)
		if (*p <= ' ' || *p >= 0x7f || *p == '#')
			return bad(problem, 400, "the URL holds characters that must be escaped");
	if (path == NULL && strcmp(target, "*") == 0 && strcmp(head->method, "OPTIONS") == 0)
		path = root;
	if (path == NULL && strcmp(head->method, "CONNECT") == 0)
		return bad(problem, 405, "this is no proxy");
	if (path == NULL)
		return bad(problem, 400, "the URL must begin with a slash");
	query = strchr(path, '?');
	head->query = query ? query + 1 : "";
	if (query)
		*query = '\0';
	head->path = path[0] ? path : root;
	head->bad_path = head->path != root && !resolve(path, true);
	return REQUEST_WHOLE;
}

/* Method, target and version. */
static RequestState
read_request_line(RequestHead *head, char *line, RequestProblem *problem)
{
	char	   *target = strchr(line, ' ');
	char	   *version = target ? strrchr(target + 1, ' ') : NULL;

	if (version == NULL)
		return bad(problem, 400, "this is no HTTP request");
	*target++ = '\0';
	*version++ = '\0';
	head->method = line;
	if (!is_token(line))
		return bad(problem, 400, "this is no HTTP request");
	head->http_1_0 = strcmp(version, "HTTP/1.0") == 0;
	if (!head->http_1_0 && strcmp(version, "HTTP/1.1") != 0)
		return strncmp(version, "HTTP/", 5) == 0 ? bad(problem, 505, "HTTP/1.1 is spoken here") : bad(problem, 400, "this is no HTTP request");
	return read_target(head, target, problem);
}

/* One header line. */
static RequestState
read_header(RequestHead *head, char *line, RequestProblem *problem)
{
	char	   *value = strchr(line, ':');
	size_t		len;

	if (value == NULL)
		return bad(problem, 400, "a header has no colon");
	*value++ = '\0';
	if (!is_token(line))
		return bad(problem, 400, "a header's name is none");
	if (head->nheaders == REQUEST_HEADERS)
		return bad(problem, 431, "too many headers");
	for (char *p = line; *p; p++)
		*p = (char) (*p >= 'A' && *p <= 'Z' ? *p + ('a' - 'A') : *p);
	value += strspn(value, " \t");
	for (len = strlen(value); len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'); len--)
		value[len - 1] = '\0';
	for (const unsigned char *p = (unsigned char *) value; *p; p++)
		if ((*p < ' ' && *p != '\t') || *p == 0x7f)
			return bad(problem, 400, "a header holds control characters");
	for (size_t i = 0; i < sizeof(singles) / sizeof(singles[0]); i++)
		if (strcmp(line, singles[i]) == 0 && request_header(head, line))
			return bad(problem, 400, "a header comes twice");
	head->headers[head->nheaders].name = line;
	head->headers[head->nheaders].value = value;
	head->nheaders++;
	return REQUEST_WHOLE;
}

/* What the headers say of the request as a whole. */
static RequestState
judge_headers(RequestHead *head, RequestProblem *problem)
{
	const char *length = request_header(head, "content-length");
	const char *host = request_header(head, "host");
	const char *expect = request_header(head, "expect");

	if (host == NULL ? !head->http_1_0 : host[strcspn(host, " \t,/@?#")] != '\0')
		return bad(problem, 400, "Host is missing, or no host");
	head->encoded = request_header(head, "transfer-encoding") != NULL;
	if (length)
	{
		size_t		digits = strspn(length, "0123456789");

		if (digits == 0 || length[digits])
			return bad(problem, 400, "Content-Length is no number");
		head->has_length = true;
		head->length = digits > 18 ? SIZE_MAX : strtoull(length, NULL, 10);
	}
	head->keep_alive = !head->http_1_0 && !request_list_has(head, "connection", "close");
	head->expects_continue = !head->http_1_0 && expect && strcasecmp(expect, "100-continue") == 0;
	return expect && !head->expects_continue && !head->http_1_0 ? bad(problem, 417, "only 100-continue can be expected") : REQUEST_WHOLE;
}

/* The end of the line that begins here, "" in its place; NULL for a bare CR or LF. */
static char *
end_line(char *line)
{
	char	   *end = line + strcspn(line, "\r\n");

	if (end[0] != '\r' || end[1] != '\n')
		return NULL;
	*end = '\0';
	return end + 2;
}

/* Takes the copy of a head apart. */
static RequestState
read_head(RequestHead *head, RequestProblem *problem)
{
	char	   *line = head->text;
	char	   *next;
	RequestState state;

	/* It would end the text for us, and for nobody else. */
	if (strlen(head->text) < head->size)
		return bad(problem, 400, "U+0000 is not allowed");
	next = end_line(line);
	state = next ? read_request_line(head, line, problem) : bad(problem, 400, "a line does not end as it must");
	while (state == REQUEST_WHOLE && next[0] != '\0' && strcmp(next, "\r\n") != 0)
	{
		line = next;
		next = end_line(line);
		state = next ? read_header(head, line, problem) : bad(problem, 400, "a line does not end as it must");
	}
	return state == REQUEST_WHOLE ? judge_headers(head, problem) : state;
}

/*
 * Reads a head from the bytes that have come.  REQUEST_WHOLE: *used of them
 * are it; free it with request_reset().  REQUEST_BAD: *problem says why, and
 * nothing is to be freed; the method is not known then.
 */
RequestState
request_parse(RequestHead *head, const char *bytes, size_t len, size_t *used, RequestProblem *problem)
{
	size_t		skip = 0;
	const char *end;
	RequestState state;

	memset(head, 0, sizeof(*head));
	/* An empty line in front is a habit of old clients (RFC 9112 section 2.2). */
	while (skip + 2 <= len && skip < 4 && memcmp(bytes + skip, "\r\n", 2) == 0)
		skip += 2;
	end = memmem(bytes + skip, len - skip, "\r\n\r\n", 4);
	if (end == NULL || (size_t) (end - bytes) + 4 > REQUEST_HEAD_BYTES)
	{
		if (end == NULL && len < REQUEST_HEAD_BYTES)
			return REQUEST_PARTIAL;
		return memmem(bytes + skip, REQUEST_HEAD_BYTES - skip, "\r\n", 2) ? bad(problem, 431, "the headers are too large")
			: bad(problem, 414, "the URL is too long");
	}
	*used = (size_t) (end - bytes) + 4;
	head->size = *used - skip;
	head->text = malloc(head->size + 1);
	if (head->text == NULL)
		return bad(problem, 503, "out of memory");
	memcpy(head->text, bytes + skip, head->size);
	head->text[head->size] = '\0';
	state = read_head(head, problem);
	if (state == REQUEST_BAD)
		request_reset(head);
	return state;
}

/*
 * Forgets a head, and what it held for good: a token may be among it.
 */
void
request_reset(RequestHead *head)
{
	if (head->text)
		explicit_bzero(head->text, head->size);
	free(head->text);
	memset(head, 0, sizeof(*head));
}

/*
 * The value of the first header of this name (in small letters), or NULL.
 */
const char *
request_header(const RequestHead *head, const char *name)
{
	for (size_t i = 0; i < head->nheaders; i++)
		if (strcmp(head->headers[i].name, name) == 0)
			return head->headers[i].value;
	return NULL;
}

/*
 * The token of the Authorization header, perhaps an empty one; NULL when there
 * is none of this scheme (RFC 6750).
 */
const char *
request_bearer(const RequestHead *head)
{
	const char *value = request_header(head, "authorization");

	if (value == NULL || strncasecmp(value, "Bearer", 6) != 0 || (value[6] != ' ' && value[6] != '\0'))
		return NULL;
	return value + 6 + strspn(value + 6, " ");
}

/*
 * Whether a comma list holds the word, in letters of any case.
 */
bool
request_word_listed(const char *list, const char *word)
{
	size_t		len = strlen(word);

	while (*list)
	{
		size_t		n;

		list += strspn(list, ", \t");
		n = strcspn(list, ", \t");
		if (n == len && n > 0 && strncasecmp(list, word, n) == 0)
			return true;
		list += n;
	}
	return false;
}

/*
 * Whether one of the headers of this name has the word in its comma list.
 */
bool
request_list_has(const RequestHead *head, const char *name, const char *word)
{
	for (size_t i = 0; i < head->nheaders; i++)
		if (strcmp(head->headers[i].name, name) == 0 && request_word_listed(head->headers[i].value, word))
			return true;
	return false;
}

/*
 * All headers of this name as one comma list, "" when there are none; false
 * when they don't fit.
 */
bool
request_join(const RequestHead *head, const char *name, char *out, size_t size)
{
	size_t		used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < head->nheaders; i++)
	{
		const char *value = head->headers[i].value;
		size_t		len = strlen(value);

		if (strcmp(head->headers[i].name, name) != 0)
			continue;
		if (used + len + 2 > size)
			return false;
		if (used > 0)
			out[used++] = ',';
		memcpy(out + used, value, len + 1);
		used += len;
	}
	return true;
}

/*
 * Splits a query into "name=value" texts, decoded ('+' is a space), in an
 * array to be freed with its elements.  False when there are more than that
 * many, one is badly escaped, or there is no memory; what there is is to be
 * freed all the same.
 */
bool
request_split_query(const char *query, size_t most, char ***args, size_t *nargs)
{
	*nargs = 0;
	*args = calloc(most, sizeof(char *));
	while (*args && *query)
	{
		size_t		len = strcspn(query, "&");
		char	   *arg;

		if (len > 0)
		{
			if (*nargs == most || (arg = strndup(query, len)) == NULL)
				return false;
			(*args)[(*nargs)++] = arg;
			if (!resolve(arg, false))
				return false;
		}
		query += len + (query[len] == '&');
	}
	return *args != NULL;
}
