/*
 * http.h
 *	  Plain HTTP on the relay's ports: health, files of the web root, errors.
 */
#ifndef TASKCHAT_HTTP_H
#define TASKCHAT_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "relay.h"

struct lws;

/* The answer that a connection is writing. */
typedef struct HttpReply
{
	char		body[256];		/* JSON or text */
	size_t		len;			/* its bytes; 0: none waits */
} HttpReply;

extern int	http_request(struct lws *wsi, const Relay *relay, HttpReply *reply, const char *path, bool admin);
extern int	http_writable(struct lws *wsi, HttpReply *reply);
extern int	http_error(struct lws *wsi, int status, const char *code, const char *message);

#endif
