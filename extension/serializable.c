/*
 * serializable.c
 *	  What the extension does on its own account in somebody else's transaction
 *	  takes no part in the server's watch over SERIALIZABLE transactions.
 *
 * A bound table's transaction writes in the chat, and others read that.  Would
 * the server count this as a read/write dependency, who reads the chat could
 * make the application's commit fail.  It need not count: what is written
 * follows from the application's rows, whose own dependencies are all counted,
 * and a room's line is ordered by a lock, not by snapshots.
 *
 * The server has no switch for that, but it lets parallel workers take part in
 * their leader's SERIALIZABLE transaction, and so a transaction can be put
 * aside and taken up again.  What it still sees is somebody reading a row in
 * the moment between its writing and the commit.
 */
#include "taskchat.h"

#include "access/xact.h"
#include "storage/ipc.h"
#include "storage/predicate.h"
#include "utils/memutils.h"

static SerializableXactHandle aside = NULL;
static int	depth = 0;

/*
 * Taking a transaction up makes a new table of the locks that this session has
 * noted (it only saves asking for one twice) and forgets the old one.
 */
static void
free_forgotten_table(void)
{
	MemoryContext context = TopMemoryContext->firstchild;
	bool		newest = true;

	while (context)
	{
		MemoryContext next = context->nextchild;

		if (context->ident && strcmp(context->ident, "Local predicate lock") == 0)
		{
			if (!newest)
				MemoryContextDelete(context);
			newest = false;
		}
		context = next;
	}
}

static void
take_up(void)
{
	depth = 0;
	if (aside == NULL)
		return;
	AttachSerializableXact(aside);
	aside = NULL;
	free_forgotten_table();
}

/* A session that is ended in between has its transaction cleared away as any other. */
static void
at_exit(int code, Datum argument)
{
	take_up();
}

/* From here to serializable_rejoin(), which must follow whatever happens, the transaction counts as not serializable. */
void
serializable_leave(void)
{
	static bool registered = false;

#ifdef USE_ASSERT_CHECKING
	return;						/* such a server insists that only parallel workers do this */
#endif
	if (depth++ > 0 || !IsolationIsSerializable())
		return;
	if (!registered)
		before_shmem_exit(at_exit, (Datum) 0);
	registered = true;
	(void) GetTopTransactionId();	/* is noted for the transaction that is now */
	aside = ShareSerializableXact();
	if (aside)
		AttachSerializableXact(NULL);
}

void
serializable_rejoin(void)
{
	if (depth > 0 && --depth == 0)
		take_up();
}
