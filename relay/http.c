/*
 * http.c
 *	  Plain HTTP: /healthz, /readyz, and the files under web_root.
 *
 * The library has decoded the path before it comes here; what it points to is
 * resolved and must lie under web_root.
 */
#include "http.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <libwebsockets.h>

#define HEADER_ROOM 1024

/* Content types by the end of a file's name. */
static const struct
{
	const char *suffix;
	const char *type;
}			content_types[] = {
	{".html", "text/html; charset=utf-8"},
	{".js", "text/javascript; charset=utf-8"},
	{".mjs", "text/javascript; charset=utf-8"},
	{".css", "text/css; charset=utf-8"},
	{".json", "application/json"},
	{".map", "application/json"},
	{".svg", "image/svg+xml"},
	{".png", "image/png"},
	{".jpg", "image/jpeg"},
	{".jpeg", "image/jpeg"},
	{".gif", "image/gif"},
	{".webp", "image/webp"},
	{".ico", "image/x-icon"},
	{".woff2", "font/woff2"},
	{".txt", "text/plain; charset=utf-8"},
};

static const char *
http_content_type(const char *path)
{
	size_t		len = strlen(path);

	for (size_t i = 0; i < sizeof(content_types) / sizeof(content_types[0]); i++)
	{
		size_t		n = strlen(content_types[i].suffix);

		if (len > n && strcmp(path + len - n, content_types[i].suffix) == 0)
			return content_types[i].type;
	}
	return "application/octet-stream";
}

/* Sends the headers; the body of len bytes is to follow. */
static int
http_headers(struct lws *wsi, int status, const char *type, size_t len, const char *allow)
{
	unsigned char buf[LWS_PRE + HEADER_ROOM];
	unsigned char *start = buf + LWS_PRE;
	unsigned char *p = start;
	unsigned char *end = buf + sizeof(buf) - 1;

	if (lws_add_http_common_headers(wsi, (unsigned) status, type, len, &p, end)
		|| lws_add_http_header_by_name(wsi, (const unsigned char *) "x-content-type-options:",
									   (const unsigned char *) "nosniff", 7, &p, end)
		|| lws_add_http_header_by_name(wsi, (const unsigned char *) "cache-control:",
									   (const unsigned char *) "no-cache", 8, &p, end)
		|| (status == 426
			&& (lws_add_http_header_by_name(wsi, (const unsigned char *) "upgrade:",
											(const unsigned char *) "websocket", 9, &p, end)
				|| lws_add_http_header_by_name(wsi, (const unsigned char *) "sec-websocket-version:",
											   (const unsigned char *) "13", 2, &p, end)))
		|| (allow && lws_add_http_header_by_name(wsi, (const unsigned char *) "allow:",
												 (const unsigned char *) allow, (int) strlen(allow), &p, end)))
		return 1;
	return lws_finalize_write_http_header(wsi, start, &p, end);
}

/* Keeps a body for the writable callback, its headers sent now. */
static int
http_reply(struct lws *wsi, HttpReply *reply, int status, const char *type, const char *body, const char *allow)
{
	reply->len = strlen(body);
	memcpy(reply->body, body, reply->len + 1);
	if (http_headers(wsi, status, type, reply->len, allow))
		return -1;
	lws_callback_on_writable(wsi);
	return 0;
}

/* {"error":{…}} of constants. */
static void
http_error_text(char *text, size_t size, const char *code, const char *message)
{
	snprintf(text, size, "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}", code, message);
}

/*
 * Answers a request at once with an error, before there is room for a reply
 * of its own (a refused upgrade).  code, message: constants.  Returns what
 * the upgrade callback returns: positive.
 */
int
http_error(struct lws *wsi, int status, const char *code, const char *message)
{
	unsigned char buf[LWS_PRE + 256];
	char	   *text = (char *) buf + LWS_PRE;
	size_t		len;

	http_error_text(text, 256, code, message);
	len = strlen(text);
	if (http_headers(wsi, status, "application/json", len, NULL)
		|| lws_write(wsi, (unsigned char *) text, len, LWS_WRITE_HTTP_FINAL) < 0)
		return -1;
	return 1;
}

/*
 * The connection can take the body.  Returns as the library's callbacks do.
 */
int
http_writable(struct lws *wsi, HttpReply *reply)
{
	unsigned char buf[LWS_PRE + sizeof(reply->body)];
	size_t		len = reply->len;

	if (len == 0)
		return 0;
	reply->len = 0;
	memcpy(buf + LWS_PRE, reply->body, len);
	if (lws_write(wsi, buf + LWS_PRE, len, LWS_WRITE_HTTP_FINAL) != (int) len)
		return -1;
	return lws_http_transaction_completed(wsi) ? -1 : 0;
}

/* The file that a path means, below web_root; false when there is none. */
static bool
http_find_file(const char *web_root, const char *path, char *file)
{
	char		root[PATH_MAX];
	char		wanted[PATH_MAX];
	struct stat st;
	size_t		len;

	if (web_root[0] == '\0' || realpath(web_root, root) == NULL || strstr(path, "/.") || strchr(path, '\\'))
		return false;
	if (snprintf(wanted, sizeof(wanted), "%s/%s", root, path) >= (int) sizeof(wanted))
		return false;
	if (stat(wanted, &st) == 0 && S_ISDIR(st.st_mode))
	{
		if (snprintf(wanted, sizeof(wanted), "%s/%s/index.html", root, path) >= (int) sizeof(wanted))
			return false;
	}
	len = strlen(root);
	return realpath(wanted, file) != NULL && strncmp(file, root, len) == 0
		&& (file[len] == '/' || len == 1) && stat(file, &st) == 0 && S_ISREG(st.st_mode);
}

/* Sends a file with the library's own sender. */
static int
http_file(struct lws *wsi, const char *file)
{
	static const char headers[] = "x-content-type-options: nosniff\r\ncache-control: no-cache\r\n";
	int			n = lws_serve_http_file(wsi, file, http_content_type(file), headers, sizeof(headers) - 1);

	if (n < 0)
		return -1;
	if (n > 0)
		return lws_http_transaction_completed(wsi) ? -1 : 0;
	return 0;
}

/*
 * A request has come in; path is decoded, without the query.  admin: it came
 * over admin_listen.  Returns as the library's callbacks do.
 */
int
http_request(struct lws *wsi, const Relay *relay, HttpReply *reply, const char *path, bool admin)
{
	char		text[sizeof(reply->body)];
	char		file[PATH_MAX];

	if (lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) == 0 && lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) == 0)
	{
		http_error_text(text, sizeof(text), "method_not_allowed", "only GET is served here");
		return http_reply(wsi, reply, 405, "application/json", text, "GET, HEAD");
	}
	if (strcmp(path, "/healthz") == 0)
		return http_reply(wsi, reply, 200, "text/plain; charset=utf-8", "ok\n", NULL);
	if (strcmp(path, "/readyz") == 0)
	{
		if (!relay->draining && query_ready(relay->query))
			return http_reply(wsi, reply, 200, "text/plain; charset=utf-8", "ready\n", NULL);
		http_error_text(text, sizeof(text), "unavailable", "commands and events do not flow");
		return http_reply(wsi, reply, 503, "application/json", text, NULL);
	}
	if (!admin && http_find_file(relay->config->web_root, path, file))
		return http_file(wsi, file);
	http_error_text(text, sizeof(text), "not_found", "no such route");
	return http_reply(wsi, reply, 404, "application/json", text, NULL);
}
