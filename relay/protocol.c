/*
 * protocol.c
 *	  The table of error codes, and which SQLSTATE becomes which.  What to do
 *	  with an error is its callers' matter.
 */
#include "protocol.h"

#include <stddef.h>
#include <string.h>

static const struct
{
	const char *name;
	int			http_status;
}			codes[] = {
	[WIRE_UNAUTHENTICATED] = {"unauthenticated", 401},
	[WIRE_FORBIDDEN] = {"forbidden", 403},
	[WIRE_NOT_FOUND] = {"not_found", 404},
	[WIRE_BAD_REQUEST] = {"bad_request", 400},
	[WIRE_TOO_LARGE] = {"too_large", 413},
	[WIRE_ROOM_CLOSED] = {"room_closed", 409},
	[WIRE_CONFLICT] = {"conflict", 409},
	[WIRE_RATE_LIMITED] = {"rate_limited", 429},
	[WIRE_LIMIT_EXCEEDED] = {"limit_exceeded", 429},
	[WIRE_UNAVAILABLE] = {"unavailable", 503},
	[WIRE_INTERNAL] = {"internal", 500},
	[WIRE_METHOD_NOT_ALLOWED] = {"method_not_allowed", 405},
	[WIRE_LENGTH_REQUIRED] = {"length_required", 411},
	[WIRE_UNKNOWN_TYPE] = {"unknown_type", 400},
	[WIRE_NOT_JOINED] = {"not_joined", 409}
};

/* SQLSTATEs by prefix; the first row that fits decides. */
static const struct
{
	const char *prefix;
	WireCode	code;
}			states[] = {
	{"28000", WIRE_UNAUTHENTICATED},
	{"42501", WIRE_FORBIDDEN},
	{"P0002", WIRE_NOT_FOUND},
	{"22023", WIRE_BAD_REQUEST},
	{"22P02", WIRE_BAD_REQUEST},
	{"22P05", WIRE_BAD_REQUEST},
	{"23502", WIRE_BAD_REQUEST},
	{"23514", WIRE_BAD_REQUEST},
	{"54000", WIRE_TOO_LARGE},
	{"55000", WIRE_CONFLICT},
	{"42710", WIRE_CONFLICT},
	{"23505", WIRE_CONFLICT},
	{"08", WIRE_UNAVAILABLE},
	{"53", WIRE_UNAVAILABLE},
	{"57P0", WIRE_UNAVAILABLE},
	{"25006", WIRE_UNAVAILABLE},
	{"55P03", WIRE_UNAVAILABLE},
	{"40", WIRE_UNAVAILABLE}
};

/* The code's name on the wire; a constant. */
const char *
wire_code_name(WireCode code)
{
	return codes[code].name;
}

/* The status of an HTTP answer with this code (RFC 9110 section 15). */
int
wire_code_http_status(WireCode code)
{
	return codes[code].http_status;
}

/* What an SQL error is to a client; constraint_name may be NULL. */
WireCode
wire_code_of_sqlstate(const char *sqlstate, const char *constraint_name)
{
	size_t		i;

	if (strcmp(sqlstate, "55000") == 0 && constraint_name && strcmp(constraint_name, "room_closed") == 0)
		return WIRE_ROOM_CLOSED;
	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strncmp(sqlstate, states[i].prefix, strlen(states[i].prefix)) == 0)
			return states[i].code;
	return WIRE_INTERNAL;
}
