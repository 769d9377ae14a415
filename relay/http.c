/*
 * http.c
 *	  Plain HTTP: takes requests from the library, has them answered by the
 *	  API, and answers the rest itself: health, metrics, files.
 *
 * What refuses a request before its body was read is written at once, and the
 * connection closed.
 */
#include "http_internal.h"

#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/*
 * The request is over, or its connection gone: forgets it.
 */
void
http_gone(HttpReply *reply)
{
	if (reply->exchange)
		exchange_free(reply->exchange);
	reply->exchange = NULL;
}

/*
 * The end of a callback with this result: an answer that is ready goes out with
 * the writable callback that follows, as the library loses the next request
 * when one is completed while its headers are being read.
 */
static int
http_settle(HttpReply *reply, int result)
{
	HttpExchange *exchange = reply->exchange;

	if (exchange == NULL)
		return result;
	exchange->busy = false;
	if (result == 0 && exchange->answered && !exchange->refused)
	{
		lws_rx_flow_control(exchange->wsi, 1);
		lws_callback_on_writable(exchange->wsi);
	}
	return result;
}

/*
 * The connection can take an answer.
 */
int
http_writable(HttpReply *reply)
{
	HttpExchange *exchange = reply->exchange;

	return exchange && exchange->answered && !exchange->refused ? exchange_finish(exchange) : 0;
}

/* ---- the API ---- */

static void
api_answered(void *arg, const ApiAnswer *answer)
{
	HttpExchange *exchange = arg;

	exchange->call = NULL;
	exchange->retry_after = answer->retry_after;
	exchange->challenge = answer->challenge;
	if (!exchange_answer(exchange, answer->status, "application/json", answer->body, answer->len))
		lws_set_timeout(exchange->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}

/* A client that has closed is not waited for: while its request waits nothing is read. */
static void
api_looks(void *arg)
{
	HttpExchange *exchange = arg;
	struct pollfd fd = {.fd = lws_get_socket_fd(exchange->wsi), .events = POLLRDHUP};

	if (poll(&fd, 1, 0) > 0)
		lws_set_timeout(exchange->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}

static const ApiPort api_port = {api_answered, api_looks};

/*
 * The request is whole: the API answers it, now or later.  The next one is not
 * read meanwhile; the library would hand us the end of the body again and again.
 */
static int
http_call_api(HttpExchange *exchange)
{
	ApiRequest	request = {
		.method = exchange->method, .path = exchange->path, .args = (const char *const *) exchange->args,
		.nargs = exchange->nargs, .token = exchange->token, .body = exchange->body, .body_len = exchange->body_len
	};

	lws_set_timeout(exchange->wsi, NO_PENDING_TIMEOUT, 0);
	lws_rx_flow_control(exchange->wsi, 0);
	exchange->called = true;
	exchange->call = api_call(exchange->relay, &request, &api_port, exchange);
	return 0;
}

/* A page asks what it may do, or anybody what there is. */
static int
http_options(HttpExchange *exchange, const ApiRoute *route)
{
	bool		asked = lws_hdr_total_length(exchange->wsi, WSI_TOKEN_ORIGIN) > 0;

	if (asked && exchange->origin == NULL)
		return exchange_error(exchange, WIRE_FORBIDDEN, "this origin is not allowed") ? 0 : -1;
	exchange->allow = api_allow(route);
	exchange->preflight = true;
	return exchange_answer(exchange, 204, "application/json", "", 0) ? 0 : -1;
}

/* The headers of an API request. */
static int
http_api(HttpExchange *exchange, bool has_length, size_t length)
{
	const ApiRoute *route = api_find_route(exchange->path);

	if (route && !api_has_method(route, exchange->method))
		exchange->allow = api_allow(route);
	if (exchange->method == API_POST && (!has_length || lws_hdr_total_length(exchange->wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0))
		return exchange_refuse(exchange, WIRE_LENGTH_REQUIRED, "Content-Length is needed, and no Transfer-Encoding");
	if (length > (size_t) exchange->relay->config->max_frame_bytes)
		return exchange_refuse(exchange, WIRE_TOO_LARGE, "the body is too large");
	if (length > 0 && (route == NULL || exchange->method != API_POST || exchange->allow))
		return exchange_refuse(exchange, route == NULL ? WIRE_NOT_FOUND : exchange->allow ? WIRE_METHOD_NOT_ALLOWED : WIRE_BAD_REQUEST,
						   route == NULL ? "no such route" : exchange->allow ? "no such method here" : "no body is expected");
	if (route == NULL)
		return exchange_error(exchange, WIRE_NOT_FOUND, "no such route") ? 0 : -1;
	if (exchange->allow)
		return exchange_error(exchange, WIRE_METHOD_NOT_ALLOWED, "no such method here") ? 0 : -1;
	if (exchange->method == API_OPTIONS)
		return http_options(exchange, route);
	if (!exchange_read_args(exchange))
		return exchange_error(exchange, WIRE_BAD_REQUEST, "too many query parameters, or too long ones") ? 0 : -1;
	if (length == 0)
		return http_call_api(exchange);
	exchange->body_size = length;
	exchange->body = malloc(length + 1);
	return exchange->body ? 0 : -1;
}

/*
 * A piece of the request's body.
 */
int
http_body(struct lws *wsi, HttpReply *reply, const void *in, size_t len)
{
	HttpExchange *exchange = reply->exchange;

	(void) wsi;
	if (exchange == NULL)
		return -1;
	if (exchange->refused || exchange->body == NULL)
		return 0;
	if (exchange->body_len + len > exchange->body_size)
		return -1;
	memcpy(exchange->body + exchange->body_len, in, len);
	exchange->body_len += len;
	exchange->body[exchange->body_len] = '\0';
	return 0;
}

/*
 * The body is whole.
 */
int
http_body_end(struct lws *wsi, HttpReply *reply)
{
	HttpExchange *exchange = reply->exchange;

	(void) wsi;
	if (exchange == NULL || exchange->refused)
		return -1;
	if (exchange->called || exchange->body == NULL || exchange->body_len < exchange->body_size)
		return 0;
	exchange->busy = true;
	return http_settle(reply, http_call_api(exchange));
}

/* ---- the rest ---- */

static int
http_metrics(HttpExchange *exchange)
{
	JsonText	text = {0};
	bool		ok;

	metrics_write(exchange->relay, &text);
	ok = !text.failed && exchange_answer(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", text.data, text.len);
	json_text_reset(&text);
	return ok ? 0 : -1;
}

/* What GET and HEAD find besides the API. */
static int
http_get(HttpExchange *exchange, HttpReply *reply, bool admin)
{
	const Relay *relay = exchange->relay;
	const char *path = exchange->path;
	struct lws *wsi = exchange->wsi;
	char		file[PATH_MAX];

	if (strcmp(path, "/healthz") == 0)
		return exchange_answer(exchange, 200, "text/plain; charset=utf-8", "ok\n", 3) ? 0 : -1;
	if (strcmp(path, "/readyz") == 0)
	{
		if (!relay->draining && query_ready(relay->query))
			return exchange_answer(exchange, 200, "text/plain; charset=utf-8", "ready\n", 6) ? 0 : -1;
		exchange->retry_after = 1;
		return exchange_error(exchange, WIRE_UNAVAILABLE, "commands and events do not flow") ? 0 : -1;
	}
	if (admin && strcmp(path, "/metrics") == 0)
		return http_metrics(exchange);
	if (admin || !http_find_file(relay->config->web_root, path, file))
		return exchange_error(exchange, WIRE_NOT_FOUND, "no such route") ? 0 : -1;
	http_gone(reply);
	return http_send_file(wsi, file);
}

/* A request, once it has its exchange. */
static int
http_dispatch(HttpReply *reply, bool admin)
{
	HttpExchange *exchange = reply->exchange;
	bool		has_length;
	size_t		length;

	if (!exchange_read_length(exchange, &has_length, &length))
		return exchange_refuse(exchange, WIRE_BAD_REQUEST, "Content-Length is no number");
	if (exchange->api && !admin)
		return http_api(exchange, has_length, length);
	if (exchange->method != API_GET)
	{
		exchange->allow = "GET, HEAD";
		return exchange_refuse(exchange, WIRE_METHOD_NOT_ALLOWED, "only GET is served here");
	}
	if (length > 0)
		return exchange_refuse(exchange, WIRE_BAD_REQUEST, "no body is expected");
	return http_get(exchange, reply, admin);
}

/*
 * The headers of a request are whole; path is decoded, without the query.
 * admin: it came over admin_listen.
 *
 * Where a request with a body was sent before the one in front of it was
 * answered, the library (4.1.6) goes round in circles for ever: such a one is
 * refused, and the connection closed before it can.
 */
int
http_request(struct lws *wsi, Relay *relay, HttpReply *reply, const char *path, bool admin)
{
	const Socket *socket = lws_get_opaque_user_data(wsi);

	if (reply->exchange)
		return -1;				/* the answer before does not get out */
	reply->exchange = exchange_new(wsi, relay, reply, path);
	if (reply->exchange == NULL)
		return -1;
	reply->exchange->busy = true;
	if (socket->pipelined && exchange_expects_body(reply->exchange))
	{
		reply->exchange->retry_after = 1;
		(void) exchange_refuse(reply->exchange, WIRE_UNAVAILABLE, "a request with a body must wait for the answer before it");
		return -1;
	}
	return http_settle(reply, http_dispatch(reply, admin));
}
