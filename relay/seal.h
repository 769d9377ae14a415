/*
 * seal.h
 *	  Events that doorbells bring along under seal.
 */
#ifndef TASKCHAT_SEAL_H
#define TASKCHAT_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Seal Seal;

/* What was under seal: pointers live until the next seal_open(). */
typedef struct SealedEvent
{
	int64_t		seq;			/* its number in the room's line */
	const char *sender_id;		/* NULL: the system */
	const char *text;			/* JSON text of the frame, and a NUL */
	size_t		len;			/* its bytes */
} SealedEvent;

extern Seal *seal_new(const char *key);
extern void seal_free(Seal *seal);
extern bool seal_open(Seal *seal, const char *payload, SealedEvent *event);

#endif
