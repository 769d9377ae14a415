/*
 * request_fuzz.c
 *	  Any bytes as the head of an HTTP request; after a leading '@' each 0x1e
 *	  stands for CR LF, and an empty line follows.  What is taken keeps what the rest of the relay relies
 *	  on, and ends where it ends, however much has come behind it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "request.h"

static void
want(bool holds)
{
	if (!holds)
		abort();
}

/* The input with CR LF for 0x1e, and an empty line; to be freed. */
static char *
with_crlf(const uint8_t *data, size_t size, size_t *len)
{
	char	   *text = malloc(2 * size + 4);

	*len = 0;
	for (size_t i = 0; i < size; i++)
	{
		if (data[i] == 0x1e)
			text[(*len)++] = '\r';
		text[(*len)++] = data[i] == 0x1e ? '\n' : (char) data[i];
	}
	memcpy(text + *len, "\r\n\r\n", 4);
	*len += 4;
	return text;
}

static void
check_query(const char *query)
{
	char	  **args;
	size_t		nargs;
	bool		good = request_split_query(query, 256, &args, &nargs);

	want(nargs <= 256);
	for (size_t i = 0; i < nargs; i++)
	{
		want(!good || json_is_utf8(args[i], strlen(args[i])));
		free(args[i]);
	}
	free(args);
}

static void
check_head(RequestHead *head)
{
	char		joined[64];

	want(head->path[0] == '/' && (head->bad_path || json_is_utf8(head->path, strlen(head->path))));
	want(head->http_1_0 || request_header(head, "host"));
	want(head->nheaders <= REQUEST_HEADERS);
	for (size_t i = 0; i < head->nheaders; i++)
	{
		want(head->headers[i].name[0] != '\0');
		for (const unsigned char *p = (const unsigned char *) head->headers[i].value; *p; p++)
			want(*p >= ' ' || *p == '\t');
		if (request_join(head, head->headers[i].name, joined, sizeof(joined)))
			want(strlen(joined) >= strlen(head->headers[i].value));
		request_list_has(head, head->headers[i].name, "x");
	}
	check_query(head->query);
	request_bearer(head);
	request_decode_rest(head->path);
	want(head->bad_path || json_is_utf8(head->path, strlen(head->path)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	RequestHead head;
	RequestProblem problem;
	size_t		len = size;
	size_t		used = 0;
	size_t		again = 0;
	char	   *made = size && data[0] == '@' ? with_crlf(data + 1, size - 1, &len) : NULL;
	const char *bytes = made ? made : (const char *) data;

	switch (request_parse(&head, bytes, len, &used, &problem))
	{
		case REQUEST_WHOLE:
			want(used <= len && used <= REQUEST_HEAD_BYTES);
			check_head(&head);
			request_reset(&head);
			want(request_parse(&head, bytes, used - 1, &again, &problem) == REQUEST_PARTIAL);
			want(request_parse(&head, bytes, used, &again, &problem) == REQUEST_WHOLE && again == used);
			request_reset(&head);
			break;
		case REQUEST_PARTIAL:
			want(len < REQUEST_HEAD_BYTES);
			break;
		case REQUEST_BAD:
			want(problem.status >= 400 && problem.message && head.text == NULL);
			break;
	}
	free(made);
	return 0;
}
