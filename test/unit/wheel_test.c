/*
 * wheel_test.c
 *	  Entries of the timer wheel come when they are due, once, and no earlier.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "wheel.h"

#define TIMERS 1000

typedef struct Timer
{
	WheelEntry	entry;			/* first: the callback is handed it */
	int			came;			/* how often */
} Timer;

static Wheel wheel;
static int64_t now;

static void
comes(WheelEntry *entry, void *arg)
{
	(void) arg;
	assert_true(entry->due <= now);
	((Timer *) entry)->came++;
}

static void
turn_to(int64_t to)
{
	now = to;
	wheel_turn(&wheel, now, comes, NULL);
}

static void
to_the_millisecond(void **state)
{
	Timer		timer = {0};

	(void) state;
	wheel_init(&wheel, 1000);
	wheel_put(&wheel, &timer.entry, 1234);
	turn_to(1233);
	assert_int_equal(timer.came, 0);
	turn_to(1234);
	assert_int_equal(timer.came, 1);
	turn_to(100000);
	assert_int_equal(timer.came, 1);
}

/* As far off as the wheel goes round several times, and after pauses that are as long. */
static void
whatever_the_steps(void **state)
{
	static Timer timers[TIMERS];

	(void) state;
	srand(7);
	memset(timers, 0, sizeof(timers));
	wheel_init(&wheel, now = 5000);
	for (int i = 0; i < TIMERS; i++)
		wheel_put(&wheel, &timers[i].entry, 4000 + rand() % (4 * WHEEL_SLOTS * WHEEL_SLOT));
	while (now < 5000 + 5 * WHEEL_SLOTS * WHEEL_SLOT)
	{
		turn_to(now + (rand() % 20 == 0 ? WHEEL_SLOTS * WHEEL_SLOT + 17 : rand() % 900));
		for (int i = 0; i < TIMERS; i++)
			assert_int_equal(timers[i].came, timers[i].entry.due <= now);
	}
}

static void
put_again_and_removed(void **state)
{
	Timer		a = {0};
	Timer		b = {0};

	(void) state;
	wheel_init(&wheel, 0);
	wheel_put(&wheel, &a.entry, 1000);
	wheel_put(&wheel, &a.entry, 3000);
	wheel_put(&wheel, &b.entry, 1000);
	wheel_remove(&b.entry);
	wheel_remove(&b.entry);
	turn_to(2999);
	assert_int_equal(a.came + b.came, 0);
	turn_to(3000);
	assert_int_equal(a.came, 1);
	assert_int_equal(b.came, 0);
}

static Timer *victim;

static void
removes_the_victim(WheelEntry *entry, void *arg)
{
	comes(entry, arg);
	wheel_remove(&victim->entry);
	if (((Timer *) entry)->came < 3)
		wheel_put(&wheel, entry, now);
}

/* One that is due may remove another that is due too, and put itself anew. */
static void
from_within(void **state)
{
	Timer		a = {0};
	Timer		b = {0};

	(void) state;
	victim = &b;
	wheel_init(&wheel, 0);
	wheel_put(&wheel, &a.entry, 10);
	wheel_put(&wheel, &b.entry, 10);
	for (int i = 1; i <= 4; i++)
	{
		now = 10 * i;
		wheel_turn(&wheel, now, removes_the_victim, NULL);
		assert_int_equal(a.came, i < 3 ? i : 3);
	}
	assert_int_equal(b.came, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(to_the_millisecond),
		cmocka_unit_test(whatever_the_steps),
		cmocka_unit_test(put_again_and_removed),
		cmocka_unit_test(from_within),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
