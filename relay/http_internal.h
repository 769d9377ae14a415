/*
 * http_internal.h
 *	  What the HTTP modules share: one request and its answer.
 */
#ifndef TASKCHAT_HTTP_INTERNAL_H
#define TASKCHAT_HTTP_INTERNAL_H

#include <libwebsockets.h>

#include "api.h"
#include "http.h"
#include "protocol.h"
#include "server_internal.h"

/* One request, from its headers to the last byte of its answer. */
typedef struct HttpExchange
{
	struct lws *wsi;			/* the library's handle */
	HttpReply  *reply;			/* where this exchange hangs */
	Relay	   *relay;			/* borrowed */
	bool		busy;			/* in a callback, which will send the answer */
	ApiCall    *call;			/* under way, or NULL */
	ApiMethod	method;			/* of an API request */
	bool		head;			/* no body is to be answered */
	bool		api;			/* CORS applies */
	bool		called;			/* given to the API */
	bool		refused;		/* answered before its body came */
	bool		closing;		/* the connection ends with the answer */
	char	   *origin;			/* page that may read the answer, or NULL */
	char	   *path;			/* decoded */
	char	  **args;			/* decoded */
	size_t		nargs;			/* how many */
	char	   *token;			/* of the Authorization header, or NULL */
	char	   *body;			/* as far as it has come */
	size_t		body_len;		/* its bytes */
	size_t		body_size;		/* bytes that will come */
	bool		answered;		/* the next ones are set */
	int			status;			/* of the answer */
	const char *type;			/* a constant */
	const char *allow;			/* Allow, or NULL */
	bool		challenge;		/* WWW-Authenticate */
	bool		preflight;		/* Access-Control-Allow-Methods and so on */
	int64_t		retry_after;	/* seconds, or 0 */
	unsigned char *out;			/* LWS_PRE bytes, then the answer's body */
	size_t		out_len;		/* its bytes */
} HttpExchange;

/* http_exchange.c */
extern HttpExchange *exchange_new(struct lws *wsi, Relay *relay, HttpReply *reply, const char *path);
extern void exchange_free(HttpExchange *exchange);
extern bool exchange_read_args(HttpExchange *exchange);
extern bool exchange_read_length(const HttpExchange *exchange, bool *given, size_t *length);
extern bool exchange_expects_body(const HttpExchange *exchange);

/* http_answer.c */
extern bool exchange_answer(HttpExchange *exchange, int status, const char *type, const char *text, size_t len);
extern bool exchange_error(HttpExchange *exchange, WireCode code, const char *message);
extern int	exchange_finish(HttpExchange *exchange);
extern int	exchange_refuse(HttpExchange *exchange, WireCode code, const char *message);

#endif
