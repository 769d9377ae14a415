/*
 * http_exchange.c
 *	  One HTTP request: what its headers say, in memory of our own, as the
 *	  library forgets them.
 */
#include "http_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_ARGS 256
#define ARG_BYTES 4096

/*
 * Frees it; a call under way is cancelled.
 */
void
exchange_free(HttpExchange *exchange)
{
	if (exchange->call)
		api_cancel(exchange->call);
	for (size_t i = 0; i < exchange->nargs; i++)
		free(exchange->args[i]);
	if (exchange->token)
		explicit_bzero(exchange->token, strlen(exchange->token));
	free(exchange->args);
	free(exchange->token);
	free(exchange->origin);
	free(exchange->path);
	free(exchange->body);
	free(exchange->out);
	free(exchange);
}

/* One header in memory to be freed; NULL when it is absent, too long, or there is no memory. */
static char *
copy_header(struct lws *wsi, enum lws_token_indexes token, size_t most)
{
	int			len = lws_hdr_total_length(wsi, token);
	char	   *text;

	if (len <= 0 || (size_t) len > most)
		return NULL;
	text = malloc((size_t) len + 1);
	if (text && lws_hdr_copy(wsi, text, len + 1, token) < 0)
	{
		free(text);
		text = NULL;
	}
	return text;
}

/*
 * Reads the parameters of the query; false when there are too many or too long ones.
 */
bool
exchange_read_args(HttpExchange *exchange)
{
	char		part[ARG_BYTES];
	int			len;

	exchange->args = calloc(MAX_ARGS, sizeof(char *));
	while (exchange->args && lws_hdr_total_length(exchange->wsi, WSI_TOKEN_HTTP_URI_ARGS) > 0
		   && (len = lws_hdr_copy_fragment(exchange->wsi, part, sizeof(part), WSI_TOKEN_HTTP_URI_ARGS, (int) exchange->nargs)) != -1)
	{
		if (len < 0 || exchange->nargs == MAX_ARGS || (exchange->args[exchange->nargs] = strdup(part)) == NULL)
			return false;
		exchange->nargs++;
	}
	return exchange->args != NULL;
}

/* The token of an Authorization header. */
static char *
copy_token(struct lws *wsi)
{
	char	   *header = copy_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, TOKEN_BYTES);
	char	   *token = NULL;

	if (header && strncasecmp(header, "Bearer ", 7) == 0)
		token = strdup(header + 7 + strspn(header + 7, " "));
	if (header)
		explicit_bzero(header, strlen(header));
	free(header);
	return token;
}

/*
 * What Content-Length says: 0 when it is absent; false when it is no number.
 */
bool
exchange_read_length(const HttpExchange *exchange, bool *given, size_t *length)
{
	struct lws *wsi = exchange->wsi;
	char	   *text = copy_header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, 18);
	bool		good;

	*given = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0;
	*length = 0;
	good = !*given || (text && strspn(text, "0123456789") == strlen(text));
	if (*given && good)
		*length = strtoull(text, NULL, 10);
	free(text);
	return good;
}

static ApiMethod
read_method(struct lws *wsi, bool *head)
{
	*head = lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0;
	if (*head || lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) > 0)
		return API_GET;
	if (lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI) > 0)
		return API_POST;
	return lws_hdr_total_length(wsi, WSI_TOKEN_OPTIONS_URI) > 0 ? API_OPTIONS : API_OTHER;
}

/*
 * Makes the exchange of a request whose headers are there.  NULL when out of memory.
 */
HttpExchange *
exchange_new(struct lws *wsi, Relay *relay, HttpReply *reply, const char *path)
{
	HttpExchange *exchange = calloc(1, sizeof(*exchange));

	if (exchange == NULL)
		return NULL;
	exchange->wsi = wsi;
	exchange->relay = relay;
	exchange->reply = reply;
	exchange->token = copy_token(wsi);
	exchange->method = read_method(wsi, &exchange->head);
	exchange->path = strdup(path);
	exchange->api = api_is_path(path);
	if (exchange->api && server_origin_allowed(wsi))
		exchange->origin = copy_header(wsi, WSI_TOKEN_ORIGIN, 512);
	if (exchange->path)
		return exchange;
	exchange_free(exchange);
	return NULL;
}

/*
 * Whether the library will look for a body.
 */
bool
exchange_expects_body(const HttpExchange *exchange)
{
	return (exchange->method != API_GET && exchange->method != API_OPTIONS)
		|| lws_hdr_total_length(exchange->wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0;
}
