/*
 * http.h
 *	  Plain HTTP on the relay's ports: the API, health, metrics, files of the
 *	  web root, errors; and the door to the WebSocket.
 */
#ifndef TASKCHAT_HTTP_H
#define TASKCHAT_HTTP_H

#include <stdbool.h>

struct Socket;

/* Steps of a socket's request: false, more bytes or an answer must come first. */
extern bool http_read_head(struct Socket *socket);
extern bool http_read_body(struct Socket *socket);
extern bool http_finish(struct Socket *socket);
extern bool http_send_file(struct Socket *socket);

extern void http_gone(struct Socket *socket);

#endif
