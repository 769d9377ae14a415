/*
 * wheel.h
 *	  What is to be looked at when its time comes: many entries, each put
 *	  anew as often as one likes, at a cost that does not grow with their
 *	  number.  An entry is a member of what is to be looked at.
 */
#ifndef TASKCHAT_WHEEL_H
#define TASKCHAT_WHEEL_H

#include <stdint.h>

#define WHEEL_SLOTS 256
#define WHEEL_SLOT 200			/* ms that a slot stands for */

typedef struct WheelEntry
{
	struct WheelEntry *prev;	/* in its slot's ring; NULL: not put */
	struct WheelEntry *next;
	int64_t		due;			/* milliseconds, as wheel_turn() counts them */
} WheelEntry;

typedef struct Wheel
{
	WheelEntry	slots[WHEEL_SLOTS]; /* each the head of a ring */
	int64_t		reached;		/* number of the slot that was looked at last */
} Wheel;

typedef void (*WheelDue) (WheelEntry *entry, void *arg);

extern void wheel_init(Wheel *wheel, int64_t now);
extern void wheel_put(Wheel *wheel, WheelEntry *entry, int64_t due);
extern void wheel_remove(WheelEntry *entry);
extern void wheel_turn(Wheel *wheel, int64_t now, WheelDue due, void *arg);

#endif
