/*
 * patience.c
 *	  Waiting for the chat's locks on behalf of a transaction that may not fail
 *	  for them.
 *
 * Who holds a room's lock may hold it for long, and may come to wait for us.
 * So the waiting is done in a subtransaction without lock_timeout: a deadlock
 * undoes the subtransaction, which lets the other one go on, and is tried
 * again.
 */
#include "taskchat.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#define ATTEMPTS 3
#define PAUSE_US 100000L		/* before trying again */

/* Errors that end more than what was tried. */
static bool
is_fatal(const ErrorData *error)
{
	int			category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	return category == ERRCODE_INSUFFICIENT_RESOURCES || category == ERRCODE_OPERATOR_INTERVENTION ||
		category == ERRCODE_SYSTEM_ERROR || category == ERRCODE_INTERNAL_ERROR;
}

/*
 * Run attempt(argument) in a subtransaction.  NULL: done; otherwise the error
 * that has undone it.  Cancel, shutdown, lack of memory or disk and the like
 * are raised.
 */
ErrorData *
try_in_subtransaction(Attempt attempt, void *argument)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		attempt(argument);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if (is_fatal(error))
			ReThrowError(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}

/*
 * Run attempt(argument), which writes rows of the chat, with as many tries as
 * deadlocks make necessary.  False: they go on; nothing is left of it.  Other
 * errors are raised.
 */
bool
patient_attempt(Attempt attempt, void *argument)
{
	int			lock_timeout = LockTimeout;
	LockWaitPolicy policy = lock_policy;
	ErrorData  *volatile deadlock = NULL;
	int			i;

	LockTimeout = 0;
	lock_policy = LockWaitBlock;
	PG_TRY();
	{
		for (i = 0; i < ATTEMPTS; i++)
		{
			deadlock = try_in_subtransaction(attempt, argument);
			if (deadlock == NULL)
				break;
			if (deadlock->sqlerrcode != ERRCODE_T_R_DEADLOCK_DETECTED)
				ReThrowError(deadlock);
			/* Let the other one take what it waited for, lest we take it again first. */
			pg_usleep(PAUSE_US);
			CHECK_FOR_INTERRUPTS();
		}
	}
	PG_FINALLY();
	{
		LockTimeout = lock_timeout;
		lock_policy = policy;
	}
	PG_END_TRY();
	return deadlock == NULL;
}
