/*
 * pending.c
 *	  What a commit had to tell and could not, since somebody held the lock:
 *	  rows of taskchat.pending, written in the same transaction, done later
 *	  exactly once and in order.
 *
 * A row's place names the lock that it waits for.  Only who has that lock takes
 * rows out, in the transaction that does what they say.  Later ones come by
 * when they have a room's lock anyway: who held it when we gave up looks as the
 * last thing before its commit.  Drains take some along, and a relay all of
 * them every few seconds.  None of these waits for anybody.
 *
 * Nobody but the extension reads the table, and it never does so with a
 * transaction's snapshot: a row there is no read/write dependency of anything
 * at SERIALIZABLE.
 */
#include "taskchat.h"

#include <limits.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "commands/sequence.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

/* Columns of pending, in the order of the install script. */
enum PendingColumn
{
	PENDING_PLACE = 1, PENDING_ID, PENDING_WHAT, PENDING_KIND, PENDING_USER, PENDING_TASK, PENDING_APPLICANT, PENDING_PAYLOAD, PENDING_NOTIFICATION
};

/* The first letter of a place. */
#define PLACE_ROOM 'r'			/* and its room_id */
#define PLACE_TASK 't'			/* and its task_id */
#define PLACE_USER 'n'			/* and its user_id */

#define MOST_NOTED 1000			/* rooms; who was in more looks everywhere */

/* Where this transaction looks before it commits.  In TopTransactionContext. */
static bool everywhere = false;
static List *touched = NIL;		/* int64 *: rooms whose lock it has taken */
static List *places = NIL;		/* char *: where it has left something, and of users whose lock it has taken */

PG_FUNCTION_INFO_V1(taskchat_deliver_pending);

static char *
place_of(const Errand *errand)
{
	if (errand->room_id != 0)
		return psprintf("%c" INT64_FORMAT, PLACE_ROOM, errand->room_id);
	if (errand->what == ERRAND_NOTIFY)
		return psprintf("%c%s", PLACE_USER, errand->user_id);
	return psprintf("%c%s", PLACE_TASK, errand->task_id);
}

/* An errand of that place, to do others like. */
static Errand
errand_at(const char *place)
{
	Errand		errand = {0};

	if (place[0] == PLACE_ROOM)
		errand.room_id = strtoll(place + 1, NULL, 10);
	errand.what = place[0] == PLACE_USER ? ERRAND_NOTIFY : ERRAND_OPEN;
	errand.task_id = errand.user_id = place + 1;
	return errand;
}

/* This transaction has the room's lock: it looks for what waits for it. */
void
pending_note_room(int64 room_id)
{
	MemoryContext old;
	int64	   *room;

	if (everywhere || (touched != NIL && *(int64 *) llast(touched) == room_id))
		return;
	everywhere = list_length(touched) >= MOST_NOTED;
	old = MemoryContextSwitchTo(TopTransactionContext);
	room = palloc(sizeof(int64));
	*room = room_id;
	touched = lappend(touched, room);
	MemoryContextSwitchTo(old);
}

/* The same of the lock of a user's counter of notifications. */
void
pending_note_user(const char *user_id)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	places = lappend(places, psprintf("%c%s", PLACE_USER, user_id));
	MemoryContextSwitchTo(old);
}

void
pending_forget(void)
{
	everywhere = false;
	touched = NIL;
	places = NIL;
}

static void
keep(Relation pending, const Errand *errand)
{
	const char	what[2] = {(char) errand->what, '\0'};
	RowValue	values[9];
	ItemPointerData tid;

	values[0] = row_text("place", place_of(errand));
	values[1] = row_int64("id", nextval_internal(relation_oid("pending_numbers"), false));
	values[2] = row_text("what", what);
	values[3] = row_text("kind", errand->kind);
	values[4] = row_text("user_id", errand->user_id);
	values[5] = row_text("task_id", errand->task_id);
	values[6] = row_text("applicant_id", errand->applicant_id);
	values[7] = row_text("payload", errand->payload);
	values[8] = row_text("notification", errand->notification);
	if (errand->notification)
		values[8].value = DirectFunctionCall1(uuid_in, CStringGetDatum(errand->notification));
	if (!rows_insert(pending, lengthof(values), values, &tid))
		elog(ERROR, "the number of a pending row was given twice");
}

/* Leave errands of one lock to a later transaction.  With the rights of the owner. */
void
pending_keep(const Errands *errands)
{
	Relation	pending = table_open(relation_oid("pending"), RowExclusiveLock);
	MemoryContext old;
	int			i;

	for (i = 0; i < errands->count; i++)
		keep(pending, &errands->list[i]);
	table_close(pending, NoLock);
	old = MemoryContextSwitchTo(TopTransactionContext);
	places = lappend(places, place_of(&errands->list[0]));
	MemoryContextSwitchTo(old);
}

/*
 * A scan of what waits as committed now, at one place (or NULL: everywhere,
 * place by place), in order.  NULL: the table has never been used, which is
 * the usual case and cheap to see.
 */
static SysScanDesc
scan_place(Relation pending, const char *place)
{
	ScanKeyData key;

	if (RelationGetNumberOfBlocks(pending) == 0)
		return NULL;
	if (place)
		key_text(&key, PENDING_PLACE, place);
	return systable_beginscan(pending, relation_oid("pending_pkey"), true, SnapshotSelf, place ? 1 : 0, &key);
}

static bool
waits_at(const char *place)
{
	Relation	pending = table_open(relation_oid("pending"), AccessShareLock);
	SysScanDesc scan = scan_place(pending, place);
	bool		found = false;

	if (scan)
	{
		found = HeapTupleIsValid(systable_getnext(scan));
		systable_endscan(scan);
	}
	table_close(pending, NoLock);
	return found;
}

/* Does anything wait? */
bool
pending_exists(void)
{
	return waits_at(NULL);
}

/* Does anything wait for a room of that task? */
bool
pending_waits_for_task(const char *task_id)
{
	Errand		errand = {.what = ERRAND_OPEN,.task_id = task_id};

	return waits_at(place_of(&errand));
}

/* Is that room about to go? */
bool
pending_erases(int64 room_id)
{
	Relation	pending = table_open(relation_oid("pending"), AccessShareLock);
	Errand		errand = {.room_id = room_id};
	SysScanDesc scan = scan_place(pending, place_of(&errand));
	HeapTuple	row;
	bool		erases = false;

	while (scan && HeapTupleIsValid(row = systable_getnext(scan)))
		erases |= column_text(row, PENDING_WHAT, RelationGetDescr(pending))[0] == ERRAND_ERASE;
	if (scan)
		systable_endscan(scan);
	table_close(pending, AccessShareLock);
	return erases;
}

static Errand
read_errand(HeapTuple row, TupleDesc desc)
{
	Errand		errand;
	bool		isnull;
	Datum		notification = heap_getattr(row, PENDING_NOTIFICATION, desc, &isnull);

	errand = errand_at(column_text(row, PENDING_PLACE, desc));
	errand.what = column_text(row, PENDING_WHAT, desc)[0];
	errand.kind = column_text(row, PENDING_KIND, desc);
	errand.user_id = column_text(row, PENDING_USER, desc);
	errand.task_id = column_text(row, PENDING_TASK, desc);
	errand.applicant_id = column_text(row, PENDING_APPLICANT, desc);
	errand.payload = column_text(row, PENDING_PAYLOAD, desc);
	if (!isnull)
		errand.notification = DatumGetCString(DirectFunctionCall1(uuid_out, notification));
	return errand;
}

/*
 * Take out what waits for the same lock, in order.  The caller has that lock,
 * and does it.  Of a task, which has no lock, each row is waited for.
 */
Errand *
pending_take(const Errand *like, int *count)
{
	Relation	pending = table_open(relation_oid("pending"), RowExclusiveLock);
	SysScanDesc scan = scan_place(pending, place_of(like));
	Errand	   *errands = palloc(sizeof(Errand));
	int			size = 1;
	HeapTuple	row;

	*count = 0;
	while (scan && HeapTupleIsValid(row = systable_getnext(scan)))
	{
		if (rows_lock(pending, &row->t_self) == NULL)
			continue;
		if (*count == size)
			errands = repalloc(errands, sizeof(Errand) * (size *= 2));
		errands[(*count)++] = read_errand(row, RelationGetDescr(pending));
		(void) rows_delete(pending, &row->t_self);
	}
	if (scan)
		systable_endscan(scan);
	table_close(pending, NoLock);
	if (*count > 0)
		CommandCounterIncrement();
	return errands;
}

/* Do what waits at that place, unless somebody is in the way. */
static void
deliver(const char *place)
{
	Errand		like = errand_at(place);
	Errands		errands = {&like, 0};
	int			patience = 1;
	ErrorData  *error;

	if (errand_hindered(&like))
		return;
	error = patient_try(errands_run, &errands, &patience);
	if (error == NULL || error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE || error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED)
		return;
	ereport(WARNING,
			(errmsg("taskchat could not do what waits for a later transaction"),
			 errdetail("%s", error->message),
			 errhint("It is in taskchat.pending, and is tried again.")));
}

/* The first so many places where something waits. */
static List *
some_places(int limit)
{
	Relation	pending = table_open(relation_oid("pending"), AccessShareLock);
	SysScanDesc scan = scan_place(pending, NULL);
	List	   *places = NIL;
	HeapTuple	row;

	while (scan && list_length(places) < limit && HeapTupleIsValid(row = systable_getnext(scan)))
	{
		char	   *place = column_text(row, PENDING_PLACE, RelationGetDescr(pending));

		if (places == NIL || strcmp(llast(places), place) != 0)
			places = lappend(places, place);
	}
	if (scan)
		systable_endscan(scan);
	table_close(pending, AccessShareLock);
	return places;
}

/* Do what waits at so many places and can be done now.  With the rights of the owner. */
void
pending_deliver_some(int limit)
{
	ListCell   *cell;

	foreach(cell, some_places(limit))
		deliver(lfirst(cell));
}

static void
deliver_where_we_were(void)
{
	List	   *all = list_copy(places);	/* a delivery adds to them */
	ListCell   *cell;

	if (everywhere)
	{
		pending_deliver_some(INT_MAX);
		return;
	}
	foreach(cell, touched)
	{
		Errand		room = {.room_id = *(int64 *) lfirst(cell)};
		Errand		task = {.what = ERRAND_OPEN,.task_id = roster_task(room.room_id)};

		all = lappend(all, place_of(&room));
		if (task.task_id)
			all = lappend(all, place_of(&task));
	}
	foreach(cell, all)
		if (waits_at(lfirst(cell)))
			deliver(lfirst(cell));
}

/* At the commit: the transaction may have dropped the extension. */
bool
is_installed(void)
{
	return OidIsValid(relation_find("pending"));
}

/*
 * As the last thing before a commit: who gave up waiting for a lock of ours has
 * left here what it wanted it for.
 */
void
pending_at_commit(void)
{
	MemoryContext context;
	MemoryContext old;
	Rights		saved;

	if ((touched == NIL && places == NIL) || !is_installed() || !pending_exists())
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "taskchat pending", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	PushActiveSnapshot(GetTransactionSnapshot());
	rights_become_owner(&saved);
	serializable_leave();
	PG_TRY();
	{
		deliver_where_we_were();
	}
	PG_FINALLY();
	{
		serializable_rejoin();
	}
	PG_END_TRY();
	rights_restore(&saved);
	PopActiveSnapshot();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* deliver_pending() → void */
Datum
taskchat_deliver_pending(PG_FUNCTION_ARGS)
{
	Rights		saved;

	require_writable();
	rights_become_owner(&saved);
	serializable_leave();
	PG_TRY();
	{
		pending_deliver_some(INT_MAX);
	}
	PG_FINALLY();
	{
		serializable_rejoin();
	}
	PG_END_TRY();
	rights_restore(&saved);
	PG_RETURN_VOID();
}
