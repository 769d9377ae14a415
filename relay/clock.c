/*
 * clock.c
 *	  The clock that durations are measured by.  It only goes forward: the wall
 *	  clock may be set to any time while we run.  What o'clock it is, for tokens
 *	  and for the log, is their modules' matter.
 */
#include "clock.h"

#include <time.h>

/*
 * Microseconds since some moment.
 */
int64_t
clock_monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/*
 * The same in seconds.
 */
double
clock_seconds(void)
{
	return (double) clock_monotonic() / 1e6;
}
