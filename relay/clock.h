/*
 * clock.h
 *	  The clock that durations are measured by.
 */
#ifndef TASKCHAT_CLOCK_H
#define TASKCHAT_CLOCK_H

#include <stdint.h>

extern int64_t clock_monotonic(void);
extern double clock_seconds(void);

#endif
