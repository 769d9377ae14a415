/*
 * json_scan.h
 *	  The grammar of JSON (RFC 8259, RFC 3629), byte by byte; for codec.c.
 */
#ifndef TASKCHAT_JSON_SCAN_H
#define TASKCHAT_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "codec.h"

#define JSON_DEEPEST 32

/* The scanner (RFC 8259): where it is, and why it stopped. */
typedef struct Scan
{
	const unsigned char *at;
	const unsigned char *end;
	const char *error;
	const char *refused;		/* it is JSON, but has a value that we don't take: why */
	int			depth;
	size_t		pairs;			/* names with a value, in all objects */
	JsonText   *outline;		/* gets the members of the outermost object, arrays and objects in them emptied; or NULL */
} Scan;

extern bool json_scan(Scan *scan, const char **error);

#endif
