/*
 * websocket.h
 *	  The frames of RFC 6455 as a server reads them, and control frames as it
 *	  writes them.  Knows no sockets.
 */
#ifndef TASKCHAT_WEBSOCKET_H
#define TASKCHAT_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEBSOCKET_CONTROL_BYTES 125 /* the payload of a control frame */
#define WEBSOCKET_CLOSE 8
#define WEBSOCKET_PING 9
#define WEBSOCKET_PONG 10
#define WEBSOCKET_NO_CODE 1005	/* a close frame without a code */

/* What has been read. */
typedef enum WebSocketEvent
{
	WEBSOCKET_MORE,				/* nothing yet: all bytes are used */
	WEBSOCKET_IS_TEXT,			/* a whole message: text, text_len */
	WEBSOCKET_IS_PING,			/* control, control_len are to be sent back */
	WEBSOCKET_IS_PONG,
	WEBSOCKET_IS_CLOSE,			/* code is to be sent back */
	WEBSOCKET_FAILED			/* code, reason: what to close with; nothing may be read any more */
} WebSocketEvent;

/* The reading side of one connection; zeroed at first.  Each connection has one for good: it is kept small. */
typedef struct WebSocketReader
{
	unsigned char head[14];		/* of the frame that is being read */
	unsigned char head_len;		/* bytes of it so far */
	unsigned char masked;		/* bytes of its payload that were unmasked, modulo 4 */
	unsigned char opcode;		/* of the frame */
	bool		fin;			/* the last one of its message */
	bool		in_payload;		/* the head is whole */
	bool		in_message;		/* a fragment came, the last one did not */
	bool		delivered;		/* text is a message that the caller has had */
	unsigned char utf8_more;	/* bytes that a character lacks */
	unsigned char utf8_low;		/* what the next one may be at least */
	unsigned char utf8_high;	/* and at most */
	uint64_t	left;			/* bytes of the frame's payload that are still to come */
	char	   *text;			/* the message so far; NUL-terminated when whole */
	size_t		text_len;		/* bytes of it */
	size_t		text_size;		/* bytes allocated */
	size_t		fragments;		/* frames of it */
	unsigned char *control;		/* payload of a control frame, or NULL */
	size_t		control_len;	/* bytes of it */
	const char *reason;			/* of WEBSOCKET_FAILED; a constant */
	int			code;			/* of that and of WEBSOCKET_IS_CLOSE */
} WebSocketReader;

extern WebSocketEvent websocket_read(WebSocketReader *reader, const unsigned char **bytes, size_t *len, size_t limit);
extern void websocket_reset(WebSocketReader *reader);
extern size_t websocket_control(unsigned char *out, int opcode, const void *payload, size_t len);
extern size_t websocket_close_frame(unsigned char *out, int code, const char *reason);

#endif
