/*
 * protocol.h
 *	  The words of the wire: error codes, close codes, frame names, and how
 *	  SQLSTATEs become codes.  Knows no library.
 */
#ifndef TASKCHAT_PROTOCOL_H
#define TASKCHAT_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

typedef enum WireCode
{
	WIRE_UNAUTHENTICATED, WIRE_FORBIDDEN, WIRE_NOT_FOUND, WIRE_BAD_REQUEST, WIRE_TOO_LARGE,
	WIRE_ROOM_CLOSED, WIRE_CONFLICT, WIRE_RATE_LIMITED, WIRE_LIMIT_EXCEEDED, WIRE_UNAVAILABLE,
	WIRE_INTERNAL, WIRE_METHOD_NOT_ALLOWED, WIRE_LENGTH_REQUIRED, WIRE_UNKNOWN_TYPE, WIRE_NOT_JOINED
} WireCode;

extern const char *wire_code_name(WireCode code);
extern int	wire_code_http_status(WireCode code);
/* constraint_name may be NULL. */
extern WireCode wire_code_of_sqlstate(const char *sqlstate, const char *constraint_name);

#define CLOSE_NORMAL 1000
#define CLOSE_GOING_AWAY 1001
#define CLOSE_PROTOCOL 1002
#define CLOSE_UNSUPPORTED 1003
#define CLOSE_NO_STATUS 1005	/* a close frame without a code; never on the wire */
#define CLOSE_BAD_UTF8 1007
#define CLOSE_TOO_LARGE 1009
#define CLOSE_INTERNAL 1011
#define CLOSE_FULL 1013
#define CLOSE_NOT_LOGGED_IN 4401
#define CLOSE_NOT_ALLOWED 4403
#define CLOSE_HEARTBEAT 4408
#define CLOSE_TOO_SLOW 4409
#define CLOSE_FLOODING 4429
#define CLOSE_TOO_MANY 4430

#endif
