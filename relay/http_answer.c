/*
 * http_answer.c
 *	  Answers of plain HTTP: status line, headers, body.
 */
#include "http_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Reasons of the statuses that are answered (RFC 9110 section 15). */
static const struct
{
	int			status;
	const char *reason;
}			reasons[] = {
	{200, "OK"},
	{201, "Created"},
	{204, "No Content"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{409, "Conflict"},
	{411, "Length Required"},
	{413, "Content Too Large"},
	{414, "URI Too Long"},
	{417, "Expectation Failed"},
	{426, "Upgrade Required"},
	{429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{503, "Service Unavailable"},
	{505, "HTTP Version Not Supported"},
};

static const char *
reason_of(int status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "";
}

static void
put(JsonText *text, const char *name, const char *value)
{
	json_text_raw(text, name);
	json_text_raw(text, ": ");
	json_text_raw(text, value);
	json_text_raw(text, "\r\n");
}

static void
put_number(JsonText *text, const char *name, int64_t value)
{
	json_text_raw(text, name);
	json_text_raw(text, ": ");
	json_text_integer(text, value);
	json_text_raw(text, "\r\n");
}

static void
put_cors(JsonText *text, const HttpExchange *exchange)
{
	put(text, "vary", "Origin");
	if (exchange->origin == NULL)
		return;
	put(text, "access-control-allow-origin", exchange->origin);
	put(text, "access-control-expose-headers", "Retry-After, WWW-Authenticate, Allow");
	if (!exchange->preflight)
		return;
	put(text, "access-control-allow-methods", exchange->allow);
	put(text, "access-control-allow-headers", "authorization, content-type");
	put(text, "access-control-max-age", "600");
}

/* Status line and the headers that every answer has. */
static void
put_begin(JsonText *text, const HttpExchange *exchange)
{
	char		line[96];
	time_t		seconds = (time_t) (exchange->relay->wall / 1000);
	struct tm	utc;

	snprintf(line, sizeof(line), "HTTP/1.1 %d %s\r\n", exchange->status, reason_of(exchange->status));
	json_text_raw(text, line);
	gmtime_r(&seconds, &utc);
	strftime(line, sizeof(line), "%a, %d %b %Y %H:%M:%S GMT", &utc);
	put(text, "date", line);
	put(text, "server", "taskchat");
	put(text, "x-content-type-options", "nosniff");
	put(text, "cache-control", exchange->api ? "no-store" : "no-cache");
}

/* All headers of the answer. */
static void
put_headers(JsonText *text, const HttpExchange *exchange)
{
	put_begin(text, exchange);
	if (exchange->status != 204)
	{
		put(text, "content-type", exchange->type);
		put_number(text, "content-length", (int64_t) (exchange->file >= 0 ? exchange->file_left : exchange->out_len));
	}
	if (exchange->api)
		put_cors(text, exchange);
	if (exchange->status == 426)
	{
		put(text, "upgrade", "websocket");
		put(text, "sec-websocket-version", "13");
	}
	if (exchange->allow)
		put(text, "allow", exchange->allow);
	if (exchange->challenge)
		put(text, "www-authenticate", exchange->token ? "Bearer realm=\"taskchat\", error=\"invalid_token\"" : "Bearer realm=\"taskchat\"");
	if (exchange->retry_after > 0)
		put_number(text, "retry-after", exchange->retry_after);
	if (exchange->closing)
		put(text, "connection", exchange->status == 426 ? "close, Upgrade" : "close");
	else if (exchange->status == 426)
		put(text, "connection", "Upgrade");
	json_text_raw(text, "\r\n");
}

/*
 * Sends the answer, but for a file's bytes.  False: drop the socket.
 */
bool
exchange_write(HttpExchange *exchange)
{
	JsonText	text = {0};
	bool		ok;

	put_headers(&text, exchange);
	if (!exchange->no_body && exchange->out)
		json_text_raw_n(&text, exchange->out, exchange->out_len);
	ok = !text.failed && socket_write(exchange->socket, text.data, text.len);
	json_text_reset(&text);
	return ok;
}

/*
 * Sets the answer; text is copied.  It goes out as soon as it is its turn.
 */
void
exchange_answer(HttpExchange *exchange, int status, const char *type, const char *text, size_t len)
{
	exchange->out = malloc(len + 1);
	if (exchange->out)
		memcpy(exchange->out, text, len);
	else
		exchange->closing = true;
	exchange->out_len = exchange->out ? len : 0;
	exchange->status = exchange->out ? status : 503;
	exchange->type = type;
	exchange->answered = true;
}

/*
 * Sets an error of the wire as the answer, with another status than the code's.
 */
void
exchange_error_status(HttpExchange *exchange, int status, WireCode code, const char *message)
{
	JsonText	text = {0};

	api_error_text(exchange->relay, &text, code, message);
	exchange_answer(exchange, status, "application/json", text.failed ? "{}" : text.data, text.failed ? 2 : text.len);
	json_text_reset(&text);
}

/*
 * Sets an error of the wire as the answer.
 */
void
exchange_error(HttpExchange *exchange, WireCode code, const char *message)
{
	exchange_error_status(exchange, wire_code_http_status(code), code, message);
}
