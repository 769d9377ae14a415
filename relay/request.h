/*
 * request.h
 *	  Heads of HTTP/1.1 requests: request line and headers, from bytes to
 *	  parts.  Knows no sockets.
 */
#ifndef TASKCHAT_REQUEST_H
#define TASKCHAT_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#define REQUEST_HEAD_BYTES 16384	/* request line and all headers */
#define REQUEST_HEADERS 100

typedef struct RequestHeader
{
	const char *name;			/* in small letters */
	const char *value;			/* without space around it */
} RequestHeader;

/* One request's head; all texts point into memory of its own. */
typedef struct RequestHead
{
	char	   *text;			/* the memory */
	size_t		size;			/* its bytes */
	const char *method;			/* as it came */
	char	   *path;			/* begins with '/'; escapes are resolved, but for those of '/' and '%' */
	bool		bad_path;		/* one of them is none, or they are no UTF-8: path is good to tell the API from other routes */
	const char *query;			/* as it came; "" for none */
	bool		http_1_0;		/* HTTP/1.0 */
	RequestHeader headers[REQUEST_HEADERS];
	size_t		nheaders;		/* how many */
	bool		has_length;		/* Content-Length is there */
	size_t		length;			/* what it says; huge for what is past any limit */
	bool		encoded;		/* Transfer-Encoding is there */
	bool		keep_alive;		/* another request may follow */
	bool		expects_continue;	/* the client waits before it sends the body */
} RequestHead;

typedef enum RequestState
{
	REQUEST_PARTIAL,			/* more bytes are needed */
	REQUEST_WHOLE,
	REQUEST_BAD
} RequestState;

/* Why a head is refused. */
typedef struct RequestProblem
{
	int			status;			/* of HTTP */
	const char *message;		/* a constant */
} RequestProblem;

extern RequestState request_parse(RequestHead *head, const char *bytes, size_t len, size_t *used, RequestProblem *problem);
extern void request_reset(RequestHead *head);
extern const char *request_header(const RequestHead *head, const char *name);
extern const char *request_bearer(const RequestHead *head);
extern bool request_word_listed(const char *list, const char *word);
extern bool request_list_has(const RequestHead *head, const char *name, const char *word);
extern bool request_join(const RequestHead *head, const char *name, char *out, size_t size);
extern bool request_split_query(const char *query, size_t most, char ***args, size_t *nargs);
extern void request_decode_rest(char *segment);

#endif
