/*
 * http.h
 *	  Plain HTTP on the relay's ports: the API, health, metrics, files of the
 *	  web root, errors.
 */
#ifndef TASKCHAT_HTTP_H
#define TASKCHAT_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "relay.h"

struct lws;
struct HttpExchange;

/* What a connection keeps of the request that it is at; zeroed at first. */
typedef struct HttpReply
{
	struct HttpExchange *exchange;	/* NULL: none is under way, or the library sends a file */
} HttpReply;

/* http.c: the library's callbacks; each returns what that callback is to return. */
extern int	http_request(struct lws *wsi, Relay *relay, HttpReply *reply, const char *path, bool admin);
extern int	http_body(struct lws *wsi, HttpReply *reply, const void *in, size_t len);
extern int	http_body_end(struct lws *wsi, HttpReply *reply);
extern int	http_writable(HttpReply *reply);
extern int	http_complete(struct lws *wsi);
extern void http_gone(HttpReply *reply);
extern int	http_error(struct lws *wsi, int status, const char *code, const char *message);

/* http_file.c */
extern bool http_find_file(const char *web_root, const char *path, char *file);
extern int	http_send_file(struct lws *wsi, const char *file);

#endif
