/*
 * http_internal.h
 *	  What the HTTP modules share: one request and its answer.
 */
#ifndef TASKCHAT_HTTP_INTERNAL_H
#define TASKCHAT_HTTP_INTERNAL_H

#include "api.h"
#include "http.h"
#include "protocol.h"
#include "server_internal.h"

/* One request, from its head to the last byte of its answer. */
typedef struct HttpExchange
{
	Socket	   *socket;			/* where it came in */
	Relay	   *relay;			/* borrowed */
	RequestHead head;			/* what it says */
	ApiCall    *call;			/* under way, or NULL */
	ApiMethod	method;			/* HEAD counts as GET */
	bool		no_body;		/* none is to be answered: HEAD */
	bool		api;			/* CORS applies */
	bool		closing;		/* the connection ends with the answer */
	const char *origin;			/* page that may read the answer, or NULL */
	const char *token;			/* of the Authorization header, or NULL */
	char	  **args;			/* of the query, decoded */
	size_t		nargs;			/* how many */
	bool		answered;		/* the next ones are set */
	int			status;			/* of the answer */
	const char *type;			/* a constant */
	const char *allow;			/* Allow, or NULL */
	bool		challenge;		/* WWW-Authenticate */
	bool		preflight;		/* Access-Control-Allow-Methods and so on */
	int64_t		retry_after;	/* seconds, or 0 */
	char	   *out;			/* the answer's body */
	size_t		out_len;		/* its bytes */
	int			file;			/* a descriptor that is sent instead, or -1 */
	size_t		file_left;		/* bytes of it that are not sent yet */
} HttpExchange;

/* http_exchange.c */
extern HttpExchange *exchange_new(Socket *socket);
extern void exchange_begin(HttpExchange *exchange);
extern void exchange_free(HttpExchange *exchange);

/* http_answer.c */
extern void exchange_answer(HttpExchange *exchange, int status, const char *type, const char *text, size_t len);
extern void exchange_error(HttpExchange *exchange, WireCode code, const char *message);
extern void exchange_error_status(HttpExchange *exchange, int status, WireCode code, const char *message);
extern bool exchange_write(HttpExchange *exchange);

/* http.c */
extern bool http_end(Socket *socket);

/* http_file.c */
extern bool http_find_file(const char *web_root, const char *path, char *file);
extern bool http_answer_file(HttpExchange *exchange, const char *file);

#endif
