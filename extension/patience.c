/*
 * patience.c
 *	  Waiting for the chat's locks on behalf of a transaction that may not fail
 *	  for them.
 *
 * Who holds a room's lock may hold it for long, and may come to wait for us.
 * So the waiting is done in a subtransaction, and for a short while: shorter
 * than it takes the server to look for deadlocks, so that as a rule neither of
 * the two is ever made the victim of one.
 */
#include "taskchat.h"

#include <limits.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

/* A setting only so that tests need not be quick. */
int			commit_patience = 300;

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

/* So many ms, or half of what statement_timeout leaves: waiting may not use it up. */
int
patience_within(int most)
{
	int			spent = TimestampDifferenceMilliseconds(GetCurrentStatementStartTimestamp(), GetCurrentTimestamp());

	return StatementTimeout > 0 ? Min(most, Max((StatementTimeout - spent) / 2, 0)) : most;
}

/*
 * As try_in_subtransaction(), for what writes rows of the chat: waits for each
 * lock as long as *patience (in ms; the time that it took is taken off),
 * whatever the session's lock_timeout.
 */
ErrorData *
patient_try(Attempt attempt, void *argument, int *patience)
{
	int			lock_timeout = LockTimeout;
	LockWaitPolicy policy = lock_policy;
	TimestampTz began = GetCurrentTimestamp();
	ErrorData  *volatile error = NULL;

	LockTimeout = Max(*patience, 1);
	lock_policy = LockWaitBlock;
	PG_TRY();
	{
		error = try_in_subtransaction(attempt, argument);
	}
	PG_FINALLY();
	{
		LockTimeout = lock_timeout;
		lock_policy = policy;
	}
	PG_END_TRY();
	*patience -= TimestampDifferenceMilliseconds(began, GetCurrentTimestamp());
	return error;
}

/*
 * The same.  False: somebody still holds a lock, or waits for us in turn;
 * nothing is left of the attempt.  Other errors are raised.
 */
bool
patient_attempt(Attempt attempt, void *argument, int *patience)
{
	ErrorData  *error = patient_try(attempt, argument, patience);

	if (error && error->sqlerrcode != ERRCODE_T_R_DEADLOCK_DETECTED && error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
		ReThrowError(error);
	return error == NULL;
}

void
patience_init(void)
{
	DefineCustomIntVariable("taskchat.commit_patience",
							"How long a commit waits for the locks of the chat, in all; for tests.", NULL,
							&commit_patience, 300, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS | GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);
}
