/*
 * http_exchange.c
 *	  One HTTP request: what its head says to the rest of the HTTP modules.
 */
#include "http_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
	free(exchange->args);
	free(exchange->out);
	if (exchange->file >= 0)
		close(exchange->file);
	request_reset(&exchange->head);
	free(exchange);
}

/*
 * Makes the exchange of a request that has yet to be read.  NULL when out of
 * memory.
 */
HttpExchange *
exchange_new(Socket *socket)
{
	HttpExchange *exchange = calloc(1, sizeof(*exchange));

	if (exchange == NULL)
		return NULL;
	exchange->socket = socket;
	exchange->relay = socket->server->relay;
	exchange->file = -1;
	return exchange;
}

static ApiMethod
read_method(const char *method, bool *no_body)
{
	*no_body = strcmp(method, "HEAD") == 0;
	if (*no_body || strcmp(method, "GET") == 0)
		return API_GET;
	if (strcmp(method, "POST") == 0)
		return API_POST;
	return strcmp(method, "OPTIONS") == 0 ? API_OPTIONS : API_OTHER;
}

/*
 * The head is read: fills in what follows from it.
 */
void
exchange_begin(HttpExchange *exchange)
{
	const RequestHead *head = &exchange->head;
	exchange->method = read_method(head->method, &exchange->no_body);
	exchange->api = api_is_path(head->path);
	exchange->closing = !head->keep_alive || exchange->relay->draining;
	exchange->token = request_bearer(head);
	if (exchange->api && server_origin_allowed(exchange->socket, head))
		exchange->origin = request_header(head, "origin");
}
