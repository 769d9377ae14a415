/*
 * http.c
 *	  Plain HTTP: takes requests from the library, has them answered by the
 *	  API, and answers the rest itself: health, metrics, files.
 *
 * What refuses a request before its body was read is written at once, and the
 * connection closed.
 */
#include "http.h"

#include <ctype.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <libwebsockets.h>

#include "api.h"
#include "codec.h"
#include "protocol.h"
#include "server_internal.h"

#define HEADER_ROOM 2048
#define MAX_ARGS 256
#define ARG_BYTES 4096
#define REFUSED_LINGER 2		/* seconds in which a refused body is read and thrown away */

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

/* ---- exchanges ---- */

static void
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

static int	http_finish(HttpReply *reply);

/*
 * Keeps an answer (text is copied) for the end of the callback that we are in;
 * otherwise sends it, and the exchange is gone.
 */
static bool
exchange_answer(HttpExchange *exchange, int status, const char *type, const char *text, size_t len)
{
	exchange->out = malloc(LWS_PRE + len + 1);
	if (exchange->out == NULL)
		return false;
	memcpy(exchange->out + LWS_PRE, text, len);
	exchange->out_len = len;
	exchange->status = status;
	exchange->type = type;
	exchange->answered = true;
	if (!exchange->busy)
	{
		struct lws *wsi = exchange->wsi;

		if (http_finish(exchange->reply))
			lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
	}
	return true;
}

static bool
exchange_error(HttpExchange *exchange, WireCode code, const char *message)
{
	JsonText	text = {0};
	bool		ok;

	api_error_text(&text, code, message);
	ok = !text.failed && exchange_answer(exchange, wire_code_http_status(code), "application/json", text.data, text.len);
	json_text_reset(&text);
	return ok;
}

/* ---- headers of the request ---- */

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

/* The parameters of the query; false when there are too many or too long ones. */
static bool
copy_args(HttpExchange *exchange)
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

/* What Content-Length says: 0 when it is absent; false when it is no number. */
static bool
read_length(struct lws *wsi, bool *given, size_t *length)
{
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

/* Makes the exchange of a request. */
static HttpExchange *
exchange_new(struct lws *wsi, Relay *relay, const char *path)
{
	HttpExchange *exchange = calloc(1, sizeof(*exchange));

	if (exchange == NULL)
		return NULL;
	exchange->wsi = wsi;
	exchange->relay = relay;
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

/* ---- headers of the answer ---- */

/* Where headers are written. */
typedef struct HeaderRoom
{
	struct lws *wsi;			/* the library's handle */
	unsigned char *p;			/* the next byte */
	unsigned char *end;			/* behind the last one */
	bool		failed;			/* something did not fit */
} HeaderRoom;

static void
put_header(HeaderRoom *room, const char *name, const char *value)
{
	if (lws_add_http_header_by_name(room->wsi, (const unsigned char *) name, (const unsigned char *) value,
									(int) strlen(value), &room->p, room->end))
		room->failed = true;
}

static void
put_cors(HeaderRoom *room, const HttpExchange *exchange)
{
	put_header(room, "vary:", "Origin");
	if (exchange->origin == NULL)
		return;
	put_header(room, "access-control-allow-origin:", exchange->origin);
	put_header(room, "access-control-expose-headers:", "Retry-After, WWW-Authenticate, Allow");
	if (!exchange->preflight)
		return;
	put_header(room, "access-control-allow-methods:", exchange->allow);
	put_header(room, "access-control-allow-headers:", "authorization, content-type");
	put_header(room, "access-control-max-age:", "600");
}

/* Writes the headers of the answer. */
static int
write_headers(const HttpExchange *exchange)
{
	unsigned char buf[LWS_PRE + HEADER_ROOM];
	HeaderRoom	room = {exchange->wsi, buf + LWS_PRE, buf + sizeof(buf) - 1, false};
	char		seconds[24];

	if (lws_add_http_common_headers(room.wsi, (unsigned) exchange->status, exchange->type, exchange->out_len, &room.p, room.end))
		return -1;
	put_header(&room, "x-content-type-options:", "nosniff");
	put_header(&room, "cache-control:", exchange->api ? "no-store" : "no-cache");
	if (exchange->api)
		put_cors(&room, exchange);
	if (exchange->allow)
		put_header(&room, "allow:", exchange->allow);
	if (exchange->challenge)
		put_header(&room, "www-authenticate:", exchange->token ? "Bearer realm=\"taskchat\", error=\"invalid_token\"" : "Bearer realm=\"taskchat\"");
	if (exchange->retry_after > 0)
	{
		snprintf(seconds, sizeof(seconds), "%lld", (long long) exchange->retry_after);
		put_header(&room, "retry-after:", seconds);
	}
	if (exchange->refused)
		put_header(&room, "connection:", "close");
	return room.failed || lws_finalize_write_http_header(room.wsi, buf + LWS_PRE, &room.p, room.end) ? -1 : 0;
}

/* Writes the whole answer. */
static int
write_answer(const HttpExchange *exchange)
{
	if (write_headers(exchange))
		return -1;
	if (exchange->head || exchange->out_len == 0)
		return 0;
	return lws_write(exchange->wsi, exchange->out + LWS_PRE, exchange->out_len, LWS_WRITE_HTTP_FINAL) < (int) exchange->out_len ? -1 : 0;
}

/*
 * Answers a request at once with an error, before there is room for a reply
 * of its own (a refused upgrade).  code, message: constants.  Returns what
 * the upgrade callback returns: positive.
 */
int
http_error(struct lws *wsi, int status, const char *code, const char *message)
{
	unsigned char out[LWS_PRE + 256];
	HttpExchange exchange = {.wsi = wsi, .status = status, .type = "application/json", .out = out};

	exchange.out_len = (size_t) snprintf((char *) out + LWS_PRE, 256, "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}", code, message);
	return write_answer(&exchange) ? -1 : 1;
}

/* Whether the library holds input of this connection: the next request, sent before this one was answered. */
static bool
has_rest(struct lws *wsi)
{
	bool		somebody;
	bool		others;

	lws_rx_flow_control(wsi, 1);
	somebody = lws_service_adjust_timeout(lws_get_context(wsi), 1, 0) == 0;
	lws_rx_flow_control(wsi, 0);
	others = lws_service_adjust_timeout(lws_get_context(wsi), 1, 0) == 0;
	lws_rx_flow_control(wsi, 1);
	return somebody && !others;
}

/*
 * A request is answered: the next one may come.  Returns as the library's
 * callbacks do.
 */
int
http_complete(struct lws *wsi)
{
	Socket	   *socket = lws_get_opaque_user_data(wsi);

	socket->pipelined = has_rest(wsi);
	lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
	return lws_http_transaction_completed(wsi) ? -1 : 0;
}

/* Sends the answer and ends the exchange. */
static int
http_finish(HttpReply *reply)
{
	HttpExchange *exchange = reply->exchange;
	struct lws *wsi = exchange->wsi;
	int			failed;

	if (exchange->api)
		exchange->relay->metrics.requests++;
	failed = write_answer(exchange);
	http_gone(reply);
	return failed ? -1 : http_complete(wsi);
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
	const HttpExchange *exchange = reply->exchange;

	return exchange && exchange->answered && !exchange->refused ? http_finish(reply) : 0;
}

/*
 * Refuses a request whose body has not been read: the answer goes out now, and
 * the connection ends once the client had time to read it.
 */
static int
http_refuse(HttpExchange *exchange, WireCode code, const char *message)
{
	if (!exchange_error(exchange, code, message))
		return -1;
	exchange->refused = true;
	if (write_answer(exchange))
		return -1;
	lws_set_timeout(exchange->wsi, PENDING_TIMEOUT_USER_OK, REFUSED_LINGER);
	return 0;
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
	exchange->token = copy_token(exchange->wsi);
	if (exchange->method == API_POST && (!has_length || lws_hdr_total_length(exchange->wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0))
		return http_refuse(exchange, WIRE_LENGTH_REQUIRED, "Content-Length is needed, and no Transfer-Encoding");
	if (length > (size_t) exchange->relay->config->max_frame_bytes)
		return http_refuse(exchange, WIRE_TOO_LARGE, "the body is too large");
	if (length > 0 && (route == NULL || exchange->method != API_POST || exchange->allow))
		return http_refuse(exchange, route == NULL ? WIRE_NOT_FOUND : exchange->allow ? WIRE_METHOD_NOT_ALLOWED : WIRE_BAD_REQUEST,
						   route == NULL ? "no such route" : exchange->allow ? "no such method here" : "no body is expected");
	if (route == NULL)
		return exchange_error(exchange, WIRE_NOT_FOUND, "no such route") ? 0 : -1;
	if (exchange->allow)
		return exchange_error(exchange, WIRE_METHOD_NOT_ALLOWED, "no such method here") ? 0 : -1;
	if (exchange->method == API_OPTIONS)
		return http_options(exchange, route);
	if (!copy_args(exchange))
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

	if (!read_length(exchange->wsi, &has_length, &length))
		return http_refuse(exchange, WIRE_BAD_REQUEST, "Content-Length is no number");
	if (exchange->api && !admin)
		return http_api(exchange, has_length, length);
	if (exchange->method != API_GET)
	{
		exchange->allow = "GET, HEAD";
		return http_refuse(exchange, WIRE_METHOD_NOT_ALLOWED, "only GET is served here");
	}
	if (length > 0)
		return http_refuse(exchange, WIRE_BAD_REQUEST, "no body is expected");
	return http_get(exchange, reply, admin);
}

/* Whether the library will look for a body. */
static bool
expects_body(const HttpExchange *exchange)
{
	return (exchange->method != API_GET && exchange->method != API_OPTIONS)
		|| lws_hdr_total_length(exchange->wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0;
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
	reply->exchange = exchange_new(wsi, relay, path);
	if (reply->exchange == NULL)
		return -1;
	reply->exchange->reply = reply;
	reply->exchange->busy = true;
	if (socket->pipelined && expects_body(reply->exchange))
	{
		reply->exchange->retry_after = 1;
		(void) http_refuse(reply->exchange, WIRE_UNAVAILABLE, "a request with a body must wait for the answer before it");
		return -1;
	}
	return http_settle(reply, http_dispatch(reply, admin));
}
