/*
 * roster.c
 *	  Rooms and members as the application's own tables want them: a room
 *	  opens with its creator, gets another creator, loses a member, goes.
 *
 * Everything here works at any isolation level and whatever others have done
 * since the transaction's snapshot (see rows.c).  The functions that take a
 * Room want it locked by room_lock().
 */
#include "taskchat.h"

#include <limits.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* A member event of the room's line; returns its seq. */
static int64
tell_member(Room *room, const char *kind, const char *user_id, const char *role)
{
	StringInfoData payload;

	initStringInfo(&payload);
	appendStringInfoString(&payload, "{\"user_id\": ");
	escape_json(&payload, user_id);
	appendStringInfo(&payload, ", \"role\": \"%s\"}", role);
	return event_append(room, kind, user_id, payload.data);
}

static void
add_creator(Room *room, const char *user_id)
{
	Relation	members = table_open(relation_oid("task_members"), RowExclusiveLock);
	ItemPointerData tid;
	RowValue	values[6];

	values[0] = row_int64("room_id", room->room_id);
	values[1] = row_text("user_id", user_id);
	values[2] = row_text("task_id", room->task_id);
	values[3] = row_text("applicant_id", room->applicant_id);
	values[4] = row_text("role", "creator");
	values[5] = row_int64("joined_seq", tell_member(room, "member_joined", user_id, "creator"));
	if (!rows_insert(members, lengthof(values), values, &tid))
		elog(ERROR, "room " INT64_FORMAT " had the member already", room->room_id);
	table_close(members, NoLock);
}

/* Finds the room's rows by an index that begins with room_id. */
static SysScanDesc
scan_room(Relation relation, const char *index, int64 room_id, Snapshot snapshot)
{
	ScanKeyData key;

	ScanKeyInit(&key, get_attnum(RelationGetRelid(relation), "room_id"), BTEqualStrategyNumber,
				F_INT8EQ, Int64GetDatum(room_id));
	return systable_beginscan(relation, relation_oid(index), true, snapshot, 1, &key);
}

static char *
text_column(Relation relation, HeapTuple tuple, const char *name)
{
	AttrNumber	column = get_attnum(RelationGetRelid(relation), name);
	bool		isnull;
	Datum		value = heap_getattr(tuple, column, RelationGetDescr(relation), &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* Where the room's creator and the given user are among its members. */
typedef struct Seats
{
	bool		has_creator;
	char	   *creator_id;
	ItemPointerData creator;
	bool		has_user;
	char	   *role;			/* of the user */
	ItemPointerData user;
} Seats;

static void
find_seats(Relation members, int64 room_id, const char *user_id, Seats *seats)
{
	SysScanDesc scan = scan_room(members, "task_members_pkey", room_id, SnapshotSelf);
	HeapTuple	tuple;

	memset(seats, 0, sizeof(*seats));
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		char	   *id = text_column(members, tuple, "user_id");
		char	   *role = text_column(members, tuple, "role");

		if (strcmp(role, "creator") == 0)
		{
			seats->has_creator = true;
			seats->creator_id = id;
			seats->creator = tuple->t_self;
		}
		if (strcmp(id, user_id) == 0)
		{
			seats->has_user = true;
			seats->role = role;
			seats->user = tuple->t_self;
		}
	}
	systable_endscan(scan);
}

/*
 * Lock the room's member rows.  Whoever is about to change or delete some of
 * them does so before room_lock(): who sends holds the own one already when
 * taking the room's lock.
 */
void
roster_hold(int64 room_id)
{
	Relation	members = table_open(relation_oid("task_members"), RowExclusiveLock);
	SysScanDesc scan = scan_room(members, "task_members_pkey", room_id, SnapshotSelf);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		(void) rows_lock(members, &tuple->t_self);
	systable_endscan(scan);
	table_close(members, NoLock);
}

/* The user leaves the room; nothing if no member. */
void
roster_leave(Room *room, const char *user_id)
{
	Relation	members = table_open(relation_oid("task_members"), RowExclusiveLock);
	Seats		seats;

	find_seats(members, room->room_id, user_id, &seats);
	if (seats.has_user)
	{
		(void) rows_delete(members, &seats.user);
		CommandCounterIncrement();
		(void) tell_member(room, "member_left", user_id, seats.role);
	}
	table_close(members, NoLock);
}

/* The user is the room's creator from now on; who was it leaves. */
void
roster_set_creator(Room *room, const char *user_id)
{
	Relation	members = table_open(relation_oid("task_members"), RowExclusiveLock);
	Seats		seats;

	find_seats(members, room->room_id, user_id, &seats);
	if (seats.has_creator && strcmp(seats.creator_id, user_id) != 0)
		roster_leave(room, seats.creator_id);
	if (!seats.has_user)
		add_creator(room, user_id);
	else if (strcmp(seats.role, "creator") != 0)
	{
		HeapTuple	member = rows_lock(members, &seats.user);

		if (member)
		{
			rows_update(members, member, row_text("role", "creator"));
			(void) tell_member(room, "member_role_changed", user_id, "creator");
		}
	}
	table_close(members, NoLock);
}

static void
delete_all(const char *table, const char *index, int64 room_id, Snapshot now)
{
	Relation	relation = table_open(relation_oid(table), RowExclusiveLock);
	SysScanDesc scan = scan_room(relation, index, room_id, now);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		CHECK_FOR_INTERRUPTS();
		(void) rows_delete(relation, &tuple->t_self);
	}
	systable_endscan(scan);
	table_close(relation, NoLock);
}

/*
 * The room and all that is in it.  Its lock keeps new rows away, and by a
 * snapshot none escapes that moves while another is waited for (see LOOKS).
 */
void
roster_erase(Room *room)
{
	Relation	rooms = table_open(relation_oid("task_rooms"), RowExclusiveLock);
	Snapshot	now;

	CommandCounterIncrement();
	now = RegisterSnapshot(GetLatestSnapshot());
	delete_all("task_messages", "task_messages_pkey", room->room_id, now);
	delete_all("task_events", "task_events_pkey", room->room_id, now);
	delete_all("delivery_samples", "delivery_samples_pkey", room->room_id, now);
	delete_all("task_members", "task_members_pkey", room->room_id, now);
	UnregisterSnapshot(now);
	(void) rows_delete(rooms, &room->row->t_self);
	table_close(rooms, NoLock);
	CommandCounterIncrement();
	ForceSyncCommit();
	doorbell_ring_room('r', room->room_id);
}

/* A room that is to be opened. */
typedef struct Opening
{
	const char *task_id;
	const char *creator_id;
} Opening;

static void
open_now(void *argument)
{
	Opening    *opening = argument;

	(void) roster_open_now(opening->task_id, opening->creator_id);
}

/* Open the task's main room with its creator in it.  Its id; 0: somebody else has made one, or is making it. */
static int64
try_open(const char *task_id, const char *creator_id, bool wait)
{
	Relation	rooms = table_open(relation_oid("task_rooms"), RowExclusiveLock);
	int64		room_id = nextval_internal(relation_oid("room_numbers"), false);
	RowValue	values[2];
	ItemPointerData tid;
	Rights		saved;
	Room		room;

	values[0] = row_int64("room_id", room_id);
	values[1] = row_text("task_id", task_id);
	rights_become_owner(&saved);
	if (!(wait ? rows_insert : rows_try_insert) (rooms, lengthof(values), values, &tid))
		room_id = 0;
	else if (room_lock(room_id, &room))
		add_creator(&room, creator_id);
	rights_restore(&saved);
	table_close(rooms, NoLock);
	return room_id;
}

/*
 * Open the task's main room with its creator in it, unless it is there.  Waits
 * for who is just opening it.  Returns its id.
 */
int64
roster_open_now(const char *task_id, const char *creator_id)
{
	int64		room_id = try_open(task_id, creator_id, true);
	TransactionId doubt;

	return room_id != 0 ? room_id : roster_find(task_id, &doubt);
}

/* Was the row there before whoever is changing it, and is it not being deleted? */
static bool
is_settled(HeapTuple row, const SnapshotData *dirty)
{
	return !TransactionIdIsValid(dirty->xmin) &&
		(!TransactionIdIsValid(dirty->xmax) || !ItemPointerEquals(&row->t_self, &row->t_data->t_ctid));
}

/*
 * The id of the task's main room; 0: there is none.  *doubt: the transaction of
 * somebody else that is just making or removing it, or InvalidTransactionId.
 */
int64
roster_find(const char *task_id, TransactionId *doubt)
{
	Relation	rooms = table_open(relation_oid("task_rooms"), AccessShareLock);
	SnapshotData dirty;
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	row;
	int64		room_id = 0;
	bool		settled = false;

	*doubt = InvalidTransactionId;
	InitDirtySnapshot(dirty);
	ScanKeyInit(&keys[0], 2, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(task_id));
	ScanKeyEntryInitialize(&keys[1], SK_ISNULL | SK_SEARCHNULL, 3, InvalidStrategy,
						   InvalidOid, InvalidOid, InvalidOid, (Datum) 0);
	scan = systable_beginscan(rooms, relation_oid("task_rooms_task_id_applicant_id_key"), true, &dirty, 2, keys);
	while (!settled && HeapTupleIsValid(row = systable_getnext(scan)))
	{
		room_id = column_int64(row, 1, RelationGetDescr(rooms));
		settled = is_settled(row, &dirty);
		*doubt = settled ? InvalidTransactionId : TransactionIdIsValid(dirty.xmin) ? dirty.xmin : dirty.xmax;
	}
	systable_endscan(scan);
	table_close(rooms, AccessShareLock);
	return room_id;
}

/* Wait until nobody is just making or removing the task's main room. */
void
roster_settle(const char *task_id)
{
	TransactionId doubt;

	while (roster_find(task_id, &doubt), TransactionIdIsValid(doubt))
		XactLockTableWait(doubt, NULL, NULL, XLTW_None);
}

static int
compare_ids(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

/*
 * The rooms of the task, or the one of that applicant, that the snapshot sees:
 * how many; their ids, ascending, are in *ids.  *has_main: one is the main room.
 */
int
roster_rooms(const char *task_id, const char *applicant_id, Snapshot snapshot, int64 **ids, bool *has_main)
{
	Relation	rooms = table_open(relation_oid("task_rooms"), AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rooms);
	int			size = 4;
	int			count = 0;
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	row;

	*ids = palloc(sizeof(int64) * size);
	*has_main = false;
	key_text(&keys[0], 2, task_id);
	if (applicant_id)
		key_text(&keys[1], 3, applicant_id);
	scan = systable_beginscan(rooms, relation_oid("task_rooms_task_id_applicant_id_key"), true,
							  snapshot, applicant_id ? 2 : 1, keys);
	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		if (count == size)
			*ids = repalloc(*ids, sizeof(int64) * (size *= 2));
		(*ids)[count++] = column_int64(row, 1, desc);
		*has_main |= heap_attisnull(row, 3, desc);
	}
	systable_endscan(scan);
	table_close(rooms, AccessShareLock);
	qsort(*ids, count, sizeof(int64), compare_ids);
	return count;
}

/* The task of the room; NULL: the room is gone. */
char *
roster_task(int64 room_id)
{
	Relation	rooms = table_open(relation_oid("task_rooms"), AccessShareLock);
	SysScanDesc scan = scan_room(rooms, "task_rooms_pkey", room_id, SnapshotSelf);
	HeapTuple	row = systable_getnext(scan);
	char	   *task_id = HeapTupleIsValid(row) ? column_text(row, 2, RelationGetDescr(rooms)) : NULL;

	systable_endscan(scan);
	table_close(rooms, AccessShareLock);
	return task_id;
}

/* The opening waits for a later transaction, under the lock of that room or (0) of the task. */
static void
open_later(const Opening *opening, int64 room_id)
{
	Errand		errand = {.room_id = room_id,.what = ERRAND_OPEN,.task_id = opening->task_id,.user_id = opening->creator_id};
	Errands		errands = {&errand, 1};
	Rights		saved;

	rights_become_owner(&saved);
	pending_keep(&errands);
	rights_restore(&saved);
}

/*
 * Open the task's main room with its creator in it, unless it is there.  Waits
 * for who is just opening it, but not for who waits for us in turn: if that one
 * fails, the room is opened later.  So it is where the task's old room is still
 * to go.  Both ids must be usable.
 */
void
roster_open(const char *task_id, const char *creator_id)
{
	Opening		opening = {task_id, creator_id};
	TransactionId doubt;
	int64		room_id = roster_find(task_id, &doubt);
	bool		in_doubt = TransactionIdIsValid(doubt);
	int			patience = patience_within(INT_MAX);

	serializable_leave();
	PG_TRY();
	{
		if (room_id == 0)
			in_doubt = try_open(task_id, creator_id, false) == 0;
		else if (!in_doubt && pending_erases(room_id))
			open_later(&opening, room_id);
		if (in_doubt && !patient_attempt(open_now, &opening, &patience))
			open_later(&opening, 0);
	}
	PG_FINALLY();
	{
		serializable_rejoin();
	}
	PG_END_TRY();
}
