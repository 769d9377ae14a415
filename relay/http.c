/*
 * http.c
 *	  Plain HTTP: reads a socket's requests one by one, has them answered by
 *	  the API, and answers the rest itself: health, metrics, files, handshakes.
 *
 * A request is read when the answer before it is out.  What refuses one before
 * its body was read ends the connection with the answer.
 */
#include "http_internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ARGS 256			/* parameters of a query */
#define KEEPALIVE 30000			/* ms that a connection may wait for its next request */
#define ANSWER_TIME 120000		/* ms for a request that has arrived: waiting and sending */

/*
 * The socket is gone: so is its request.
 */
void
http_gone(Socket *socket)
{
	if (socket->exchange)
		exchange_free(socket->exchange);
	socket->exchange = NULL;
}

/* Answers with an error, and ends the connection with it. */
static void
http_refuse(HttpExchange *exchange, WireCode code, const char *message)
{
	exchange->closing = true;
	exchange_error(exchange, code, message);
}

/* ---- the API ---- */

static void
api_answered(void *arg, const ApiAnswer *answer)
{
	HttpExchange *exchange = arg;
	Socket	   *socket = exchange->socket;

	exchange->call = NULL;
	exchange->retry_after = answer->retry_after;
	exchange->challenge = answer->challenge;
	exchange_answer(exchange, answer->status, "application/json", answer->body, answer->len);
	if (!socket->working && !socket_go_on(socket))
		socket_kill(socket);
}

/* A client that has closed is not waited for. */
static void
api_looks(void *arg)
{
	HttpExchange *exchange = arg;

	if (socket_client_is_gone(exchange->socket))
		socket_kill(exchange->socket);
}

static const ApiPort api_port = {api_answered, api_looks};

/* The request is whole: the API answers it, now or later. */
static void
http_call_api(HttpExchange *exchange, const char *body, size_t body_len)
{
	ApiRequest	request = {
		.method = exchange->method, .path = exchange->head.path, .args = (const char *const *) exchange->args,
		.nargs = exchange->nargs, .token = exchange->token, .body = body, .body_len = body_len
	};

	exchange->call = api_call(exchange->relay, &request, &api_port, exchange);
}

/* A page asks what it may do, or anybody what there is. */
static void
http_options(HttpExchange *exchange, const ApiRoute *route)
{
	if (request_header(&exchange->head, "origin") && exchange->origin == NULL)
	{
		exchange_error(exchange, WIRE_FORBIDDEN, "this origin is not allowed");
		return;
	}
	exchange->allow = api_allow(route);
	exchange->preflight = true;
	exchange_answer(exchange, 204, "", "", 0);
}

/* The head of an API request. */
static void
http_api(HttpExchange *exchange)
{
	const RequestHead *head = &exchange->head;
	const ApiRoute *route = api_find_route(head->path);

	if (route == NULL)
		exchange_error(exchange, WIRE_NOT_FOUND, "no such route");
	else if (!api_has_method(route, exchange->method))
	{
		exchange->allow = api_allow(route);
		exchange_error(exchange, WIRE_METHOD_NOT_ALLOWED, "no such method here");
	}
	else if (exchange->method == API_OPTIONS)
		http_options(exchange, route);
	else if (exchange->method == API_POST && (!head->has_length || head->encoded))
		http_refuse(exchange, WIRE_LENGTH_REQUIRED, "Content-Length is needed, and no Transfer-Encoding");
	else if (head->length > (size_t) exchange->relay->config->max_frame_bytes)
		http_refuse(exchange, WIRE_TOO_LARGE, "the body is too large");
	else if (exchange->method == API_GET && head->length > 0)
		http_refuse(exchange, WIRE_BAD_REQUEST, "no body is expected");
	else if (!request_split_query(head->query, MAX_ARGS, &exchange->args, &exchange->nargs))
		http_refuse(exchange, WIRE_BAD_REQUEST, "too many query parameters, or a bad escape in them");
	else if (head->length > 0)
	{
		exchange->socket->stage = STAGE_BODY;
		socket_await(exchange->socket, exchange->relay->config->auth_timeout);
		if (head->expects_continue)
			(void) socket_write(exchange->socket, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	}
	else
		http_call_api(exchange, NULL, 0);
}

/* ---- the rest ---- */

static void
http_metrics(HttpExchange *exchange)
{
	JsonText	text = {0};

	metrics_write(exchange->relay, &text);
	if (text.failed)
		exchange_error(exchange, WIRE_INTERNAL, "out of memory");
	else
		exchange_answer(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", text.data, text.len);
	json_text_reset(&text);
}

static void
http_readiness(HttpExchange *exchange)
{
	if (!exchange->relay->draining && query_flows(exchange->relay->query))
		exchange_answer(exchange, 200, "text/plain; charset=utf-8", "ready\n", 6);
	else
	{
		exchange->retry_after = 1;
		exchange_error(exchange, WIRE_UNAVAILABLE, "commands and events do not flow");
	}
}

/* What there is besides the API and the WebSocket. */
static void
http_other(HttpExchange *exchange)
{
	const char *path = exchange->head.path;
	bool		admin = exchange->socket->admin;
	char		file[PATH_MAX];

	if (exchange->method != API_GET)
	{
		exchange->allow = "GET, HEAD, OPTIONS";
		if (exchange->method == API_OPTIONS)
			exchange_answer(exchange, 204, "", "", 0);
		else
			exchange_error(exchange, WIRE_METHOD_NOT_ALLOWED, "only GET is served here");
	}
	else if (exchange->head.length > 0)
		http_refuse(exchange, WIRE_BAD_REQUEST, "no body is expected");
	else if (strcmp(path, "/healthz") == 0)
		exchange_answer(exchange, 200, "text/plain; charset=utf-8", "ok\n", 3);
	else if (strcmp(path, "/readyz") == 0)
		http_readiness(exchange);
	else if (admin && strcmp(path, "/metrics") == 0)
		http_metrics(exchange);
	else if (admin || !http_find_file(exchange->relay->config->web_root, path, file) || !http_answer_file(exchange, file))
		exchange_error(exchange, WIRE_NOT_FOUND, "no such route");
}

/* Somebody wants the WebSocket. */
static void
http_websocket(HttpExchange *exchange)
{
	Socket	   *socket = exchange->socket;
	const char *problem;
	int			status;

	if (strcmp(exchange->head.method, "GET") != 0)
	{
		exchange->allow = "GET";
		exchange_error(exchange, WIRE_METHOD_NOT_ALLOWED, "only GET is served here");
		return;
	}
	problem = server_upgrade_problem(socket, &exchange->head, &status);
	if (problem)
	{
		exchange->closing = true;
		exchange_error_status(exchange, status, status == 403 ? WIRE_FORBIDDEN : WIRE_BAD_REQUEST, problem);
		return;
	}
	if (!server_upgrade(socket, &exchange->head))
	{
		socket->stage = STAGE_LINGER;
		socket_kill(socket);
	}
	http_gone(socket);
}

/* ---- steps ---- */

/* The head is no request that could be answered otherwise. */
static void
http_bad_head(HttpExchange *exchange, const RequestProblem *problem)
{
	exchange->closing = true;
	if (problem->status == 405)
		exchange->allow = "GET, HEAD, POST, OPTIONS";
	if (problem->status == 503)
		exchange->retry_after = 1;
	exchange_error_status(exchange, problem->status,
						  problem->status == 405 ? WIRE_METHOD_NOT_ALLOWED : problem->status == 503 ? WIRE_UNAVAILABLE
						  : problem->status == 414 || problem->status == 431 ? WIRE_TOO_LARGE : WIRE_BAD_REQUEST,
						  problem->message);
}

/* A request's head is there: what it wants is answered, or begun. */
static void
http_dispatch(HttpExchange *exchange)
{
	const Socket *socket = exchange->socket;

	exchange_begin(exchange);
	if (exchange->head.length > 0 || exchange->head.encoded)
		exchange->closing = true;	/* unless the body is read, which its reader says */
	if (exchange->head.bad_path)
		http_refuse(exchange, WIRE_BAD_REQUEST, "the path has a bad escape");
	else if (exchange->api && !socket->admin)
		http_api(exchange);
	else if (!socket->admin && strcmp(exchange->head.path, "/ws") == 0)
		http_websocket(exchange);
	else
		http_other(exchange);
}

/*
 * Reads a head, if it is whole, and begins its request.
 */
bool
http_read_head(Socket *socket)
{
	HttpExchange *exchange;
	RequestProblem problem;
	size_t		used;

	if (socket->input_len == 0 || (exchange = exchange_new(socket)) == NULL)
		return false;
	switch (request_parse(&exchange->head, socket->input, socket->input_len, &used, &problem))
	{
		case REQUEST_PARTIAL:
			exchange_free(exchange);
			return false;
		case REQUEST_BAD:
			used = socket->input_len;
			break;
		case REQUEST_WHOLE:
			problem.status = 0;
			break;
	}
	socket->exchange = exchange;
	socket->stage = STAGE_ANSWER;
	socket_use(socket, used);
	socket_await(socket, ANSWER_TIME);
	if (problem.status)
		http_bad_head(exchange, &problem);
	else
		http_dispatch(exchange);
	return true;
}

/*
 * Takes the body, if it is whole, to the API.
 */
bool
http_read_body(Socket *socket)
{
	HttpExchange *exchange = socket->exchange;
	size_t		len = exchange->head.length;
	char	   *body;

	if (socket->input_len < len)
		return false;
	body = strndup(socket->input, len);
	socket->stage = STAGE_ANSWER;
	socket_await(socket, ANSWER_TIME);
	exchange->closing = !exchange->head.keep_alive || exchange->relay->draining;
	if (body == NULL)
		http_refuse(exchange, WIRE_UNAVAILABLE, "out of memory");
	else if (strlen(body) < len)
		exchange_error(exchange, WIRE_BAD_REQUEST, "U+0000 is not allowed");
	else
		http_call_api(exchange, body, len);
	if (body)
		explicit_bzero(body, strlen(body));
	free(body);
	socket_use(socket, len);
	return true;
}

/*
 * The answer is out, or with the library: the next request may come, or the
 * connection ends.
 */
bool
http_end(Socket *socket)
{
	bool		closing = socket->exchange->closing;

	http_gone(socket);
	if (closing)
	{
		socket_linger(socket);
		return false;
	}
	socket->stage = STAGE_HEAD;
	socket_hold(socket, false);
	socket_await(socket, KEEPALIVE);
	return true;
}

/*
 * Sends the answer, if there is one.
 */
bool
http_finish(Socket *socket)
{
	HttpExchange *exchange = socket->exchange;

	if (!exchange->answered)
	{
		socket_hold(socket, true);
		return false;
	}
	if (exchange->api)
		exchange->relay->metrics.requests++;
	if (!exchange_write(exchange))
	{
		socket_kill(socket);
		return false;
	}
	if (exchange->file >= 0 && !exchange->no_body && exchange->file_left > 0)
	{
		socket_hold(socket, true);
		socket->stage = STAGE_FILE;
		return true;
	}
	return http_end(socket);
}
