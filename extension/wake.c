/*
 * wake.c
 *	  The session that a relay listens with is let onto the processor early.
 *
 * Every event waits for it, and its work is a few microseconds a wake-up.
 * Where it has to queue, behind the writer's own session and the client that
 * reads the writer's reply, that is a good part of what an event takes.  Linux
 * lets a task ask for short turns (sched_setattr(2), sched-eevdf in the
 * kernel's documentation; before 6.12 it makes no difference): it then comes
 * sooner, and gets no more processor time than before.  With PostgreSQL on one
 * processor and 1,000 messages a second, that took the median from the commit to
 * the reader from 115 to 70 us, and the whole way of a message from 480 to 445.
 */
#include "taskchat.h"

#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#define TURN 100000				/* nanoseconds: the shortest that Linux grants */

#if defined(SYS_sched_getattr) && defined(SYS_sched_setattr)

/* The first version of the kernel's struct sched_attr; its own header and that of the C library exclude each other. */
typedef struct Scheduling
{
	uint32		size;
	uint32		policy;
	uint64		flags;
	int32		nice;
	uint32		priority;
	uint64		runtime;		/* length of a turn, where the policy is the usual one */
	uint64		deadline;
	uint64		period;
} Scheduling;

#define POLICY_USUAL 0

/* Are system calls filtered?  One that isn't wanted may then be the end of the process, and so of all sessions. */
static bool
is_filtered(void)
{
	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) > 0;
}

/* Asks for short turns; all else stays as the administrator has set it. */
static bool
take_short_turns(void)
{
	Scheduling	own = {0};

	if (is_filtered())
		return true;
	if (syscall(SYS_sched_getattr, 0, &own, sizeof(own), 0) != 0)
		return false;
	if (own.policy != POLICY_USUAL)
		return true;
	own.runtime = TURN;
	return syscall(SYS_sched_setattr, 0, &own, 0) == 0;
}

#else

static bool
take_short_turns(void)
{
	return true;
}

#endif

/* Until the session's end.  Events come without it too, only later. */
void
wake_early(void)
{
	if (!take_short_turns())
		ereport(DEBUG1, (errmsg("could not ask for short turns on the processor: %m")));
}
