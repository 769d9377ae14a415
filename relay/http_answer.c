/*
 * http_answer.c
 *	  Answers of plain HTTP: headers, bodies, and the end of a request, which
 *	  makes room for the next one of the connection.
 */
#include "http_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_ROOM 2048
#define REFUSED_LINGER 2		/* seconds in which a refused body is read and thrown away */

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
	if (exchange->status == 426)
	{
		put_header(&room, "upgrade:", "websocket");
		put_header(&room, "sec-websocket-version:", "13");
	}
	if (exchange->allow)
		put_header(&room, "allow:", exchange->allow);
	if (exchange->challenge)
		put_header(&room, "www-authenticate:", exchange->token ? "Bearer realm=\"taskchat\", error=\"invalid_token\"" : "Bearer realm=\"taskchat\"");
	if (exchange->retry_after > 0)
	{
		snprintf(seconds, sizeof(seconds), "%lld", (long long) exchange->retry_after);
		put_header(&room, "retry-after:", seconds);
	}
	if (exchange->refused || exchange->closing)
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
 * Keeps an answer (text is copied) for the end of the callback that we are in;
 * otherwise sends it, and the exchange is gone.
 */
bool
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

		if (exchange_finish(exchange))
			lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
	}
	return true;
}

/*
 * Answers with an error of the wire.
 */
bool
exchange_error(HttpExchange *exchange, WireCode code, const char *message)
{
	JsonText	text = {0};
	bool		ok;

	api_error_text(&text, code, message);
	ok = !text.failed && exchange_answer(exchange, wire_code_http_status(code), "application/json", text.data, text.len);
	json_text_reset(&text);
	return ok;
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
typedef enum Rest
{
	REST_NONE,
	REST_HELD,
	REST_UNSURE					/* of this one or of another */
} Rest;

/*
 * The library only says whether it holds anybody's: so it is asked with this
 * connection's input held back and not.
 */
static Rest
find_rest(struct lws *wsi)
{
	bool		somebody;
	bool		others;

	lws_rx_flow_control(wsi, 1);
	somebody = lws_service_adjust_timeout(lws_get_context(wsi), 1, 0) == 0;
	lws_rx_flow_control(wsi, 0);
	others = lws_service_adjust_timeout(lws_get_context(wsi), 1, 0) == 0;
	lws_rx_flow_control(wsi, 1);
	return others ? REST_UNSURE : somebody ? REST_HELD : REST_NONE;
}

/*
 * A request is answered: the next one may come, unless it cannot be told what
 * of it is here already.  Returns as the library's callbacks do.
 */
int
http_complete(struct lws *wsi)
{
	Socket	   *socket = lws_get_opaque_user_data(wsi);
	Rest		rest = find_rest(wsi);

	if (rest == REST_UNSURE)
		return -1;
	socket->pipelined = rest == REST_HELD;
	lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
	return lws_http_transaction_completed(wsi) ? -1 : 0;
}

/*
 * Sends the answer that is ready, and ends the exchange.  Returns as the
 * library's callbacks do.
 */
int
exchange_finish(HttpExchange *exchange)
{
	HttpReply  *reply = exchange->reply;
	struct lws *wsi = exchange->wsi;
	int			failed;

	if (exchange->api)
		exchange->relay->metrics.requests++;
	exchange->closing = find_rest(wsi) == REST_UNSURE;
	failed = write_answer(exchange) || exchange->closing;
	http_gone(reply);
	return failed ? -1 : http_complete(wsi);
}

/*
 * Refuses a request whose body has not been read: the answer goes out now, and
 * the connection ends once the client had time to read it.
 */
int
exchange_refuse(HttpExchange *exchange, WireCode code, const char *message)
{
	if (!exchange_error(exchange, code, message))
		return -1;
	exchange->refused = true;
	if (write_answer(exchange))
		return -1;
	lws_set_timeout(exchange->wsi, PENDING_TIMEOUT_USER_OK, REFUSED_LINGER);
	return 0;
}
