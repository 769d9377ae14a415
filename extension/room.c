/*
 * room.c
 *	  Rooms: the counter row whose lock orders everything that happens in a
 *	  room, and who may take it.  Members and addresses stand in member.c.
 *
 * The counter is taken below the executor, with the row's latest version: a
 * snapshot's age (REPEATABLE READ) then never makes a writer fail.  Scans for
 * writers use SnapshotSelf, which sees what is committed now; it takes no
 * predicate locks, so SERIALIZABLE transactions don't conflict over counters.
 *
 * Who takes several locks takes them in one order: a task's members by room,
 * then messages, then rooms by room_id, then counters of notifications.
 */
#include "taskchat.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* Columns of task_rooms, in the order of the install script. */
enum RoomColumn
{
	ROOM_ID = 1, ROOM_TASK, ROOM_APPLICANT, ROOM_FIRST_SEQ, ROOM_LAST_SEQ, ROOM_STATUS, ROOM_CREATED, ROOM_CLOSED
};

LockWaitPolicy lock_policy = LockWaitBlock;

PG_FUNCTION_INFO_V1(taskchat_require_writable);
PG_FUNCTION_INFO_V1(taskchat_refuse_room);
PG_FUNCTION_INFO_V1(taskchat_refuse_closed);
PG_FUNCTION_INFO_V1(taskchat_enter_room);
PG_FUNCTION_INFO_V1(taskchat_waits);
PG_FUNCTION_INFO_V1(taskchat_lock_room);

/*
 * What a session remembers until a catalog change makes it doubtful: the oids
 * of our relations, by the literal that names them.
 */
static struct
{
	const char *name;
	Oid			oid;
}			known_relations[80];
static int	known_count = 0;

static void
at_relation_change(Datum arg, Oid relation)
{
	int			i;

	straight_forget(relation);
	doorbell_forget(relation);
	if (!OidIsValid(relation))
		known_count = 0;
	for (i = 0; i < known_count; i++)
		if (known_relations[i].oid == relation)
			known_count = 0;
}

static void
at_schema_change(Datum arg, int cache, uint32 hash)
{
	known_count = 0;
}

void
room_init(void)
{
	CacheRegisterRelcacheCallback(at_relation_change, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, at_schema_change, (Datum) 0);
}

/* Oid of a relation of schema taskchat; InvalidOid where it is missing. */
Oid
relation_find(const char *name)
{
	Oid			oid;
	int			i;

	for (i = 0; i < known_count; i++)
		if (known_relations[i].name == name)
			return known_relations[i].oid;
	oid = get_relname_relid(name, get_namespace_oid("taskchat", true));
	if (OidIsValid(oid) && known_count < lengthof(known_relations))
	{
		known_relations[known_count].name = name;
		known_relations[known_count++].oid = oid;
	}
	return oid;
}

/* The same; an error where it is missing. */
Oid
relation_oid(const char *name)
{
	Oid			oid = relation_find(name);

	if (!OidIsValid(oid))
		elog(ERROR, "relation taskchat.%s is missing", name);
	return oid;
}

/*
 * What works below the executor must ask itself what the executor would: in a
 * read-only transaction, as all are on a standby, writing is refused (25006).
 */
void
require_writable(void)
{
	PreventCommandIfReadOnly("a function of taskchat that writes");
}

/* Open one of our relations in order to lock rows of it; 25006 as require_writable(). */
Relation
open_writable(const char *name)
{
	require_writable();
	return table_open(relation_oid(name), RowExclusiveLock);
}

/* require_writable() → void: for the functions in SQL that would otherwise look at unlogged relations first. */
Datum
taskchat_require_writable(PG_FUNCTION_ARGS)
{
	require_writable();
	PG_RETURN_VOID();
}

/* One error for what doesn't exist and what isn't the caller's. */
void
forbid_room(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("no such room, or you may not do that in it"),
			 errhint("Members read a room; creator, worker and applicant write in it.")));
}

/* A column of a row as a C string; NULL where it is null. */
char *
column_text(HeapTuple tuple, int column, TupleDesc desc)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column, desc, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

int64
column_int64(HeapTuple tuple, int column, TupleDesc desc)
{
	bool		isnull;

	return DatumGetInt64(heap_getattr(tuple, column, desc, &isnull));
}

/* "column = value" for a scan. */
void
key_text(ScanKey key, AttrNumber column, const char *value)
{
	ScanKeyInit(key, column, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(value));
}

static TM_Result
lock_latest(Relation relation, ItemPointer tid, LockTupleMode mode, LockWaitPolicy policy, TupleTableSlot *slot)
{
	TM_FailureData failure;
	TM_Result	result;

	result = table_tuple_lock(relation, tid, SnapshotSelf, slot, GetCurrentCommandId(true),
							  mode, policy, TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);
	if (result != TM_Ok && result != TM_Deleted && result != TM_WouldBlock)
		elog(ERROR, "could not lock a row of \"%s\": result %d",
			 RelationGetRelationName(relation), (int) result);
	return result;
}

static void
refuse_busy(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 errmsg("another transaction is writing in this room"),
			 errhint("Try again.")));
}

/*
 * Lock the latest version of the row at *tid as lock_policy says; it is then
 * in slot.  False: the row is gone.
 * 55P03 when somebody holds it and we are not to wait.
 */
bool
row_lock(Relation relation, ItemPointer tid, LockTupleMode mode, TupleTableSlot *slot)
{
	TM_Result	result = lock_latest(relation, tid, mode, lock_policy, slot);

	if (result == TM_WouldBlock)
		refuse_busy();
	return result == TM_Ok;
}

/* Find the room's row as committed now; it is then in slot.  False: there is none. */
static bool
find_room(Relation rooms, int64 room_id, TupleTableSlot *slot)
{
	ItemPointerData root;
	ScanKeyData key;

	if (row_at(rooms, place_get(room_id), slot) && slot_int64(slot, ROOM_ID) == room_id)
		return true;
	key_int64(&key, ROOM_ID, room_id);
	if (!row_find(rooms, "task_rooms_pkey", 1, &key, slot, &root))
		return false;
	place_set(room_id, &root);
	return true;
}

static void
read_room(Room *room, int64 room_id, TupleTableSlot *slot)
{
	room->row = ExecCopySlotHeapTuple(slot);
	room->room_id = room_id;
	room->task_id = slot_text(slot, ROOM_TASK);
	room->applicant_id = slot_text(slot, ROOM_APPLICANT);
	room->first_seq = slot_int64(slot, ROOM_FIRST_SEQ);
	room->last_seq = slot_int64(slot, ROOM_LAST_SEQ);
	room->closed = strcmp(slot_text(slot, ROOM_STATUS), "closed") == 0;
	pending_note_room(room_id);
}

/* A row version that is not heap-only needs entries in every index. */
static void
insert_index_entries(Relation relation, HeapTuple tuple)
{
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *result = makeNode(ResultRelInfo);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(relation), &TTSOpsHeapTuple);

	InitResultRelInfo(result, relation, 1, NULL, 0);
	ExecOpenIndices(result, false);
	ExecStoreHeapTuple(tuple, slot, false);
	slot->tts_tableOid = RelationGetRelid(relation);
	ItemPointerCopy(&tuple->t_self, &slot->tts_tid);
	/* Said to be no UPDATE: that would ask for the columns of a query that there is not. */
	(void) ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL);
	ExecCloseIndices(result);
	ExecDropSingleTupleTableSlot(slot);
	FreeExecutorState(estate);
}

/* The row with the next seq; closed as in room_advance(). */
static HeapTuple
next_row(Relation rooms, const Room *room, int closed)
{
	int			columns[3] = {ROOM_LAST_SEQ, ROOM_STATUS, ROOM_CLOSED};
	Datum		values[3] = {Int64GetDatum(room->last_seq + 1)};
	bool		nulls[3] = {false, false, closed == 0};

	if (closed >= 0)
	{
		values[1] = CStringGetTextDatum(closed ? "closed" : "open");
		values[2] = TimestampTzGetDatum(GetCurrentTimestamp());
	}
	return heap_modify_tuple_by_cols(room->row, RelationGetDescr(rooms), closed >= 0 ? 3 : 1, columns, values, nulls);
}

/* That row is written. */
static void
become_next(Relation rooms, Room *room, HeapTuple new)
{
	if (!HeapTupleIsHeapOnly(new))
		insert_index_entries(rooms, new);
	heap_freetuple(room->row);
	room->row = new;
	room->last_seq++;
	CommandCounterIncrement();
}

/*
 * Write the next seq of an open room, which has just been read, without locking
 * its row first: that would be a second change of the page and a second record
 * of WAL.  False: somebody has been there before, or holds it.
 */
static bool
move_row(Relation rooms, Room *room)
{
	HeapTuple	new;
	TM_FailureData failure;
	LockTupleMode mode;

	if (room->closed || !(room->row->t_data->t_infomask & HEAP_XMAX_INVALID))
		return false;
	new = next_row(rooms, room, -1);
	if (heap_update(rooms, &room->row->t_self, new, GetCurrentCommandId(true), InvalidSnapshot, true, &failure, &mode) != TM_Ok)
		return false;
	become_next(rooms, room, new);
	return true;
}

/* Lock the room's row, which is in slot; or move it at once, where moved is given and says so then. */
static TM_Result
lock_or_move(Relation rooms, int64 room_id, LockWaitPolicy policy, TupleTableSlot *slot, Room *room, bool *moved)
{
	ItemPointerData tid = slot->tts_tid;
	TM_Result	result;

	if (moved && policy == LockWaitBlock)
	{
		read_room(room, room_id, slot);
		*moved = move_row(rooms, room);
		if (*moved)
			return TM_Ok;
	}
	result = lock_latest(rooms, &tid, LockTupleNoKeyExclusive, policy, slot);
	if (result == TM_Ok)
		read_room(room, room_id, slot);
	return result;
}

static RoomLock
lock_room(int64 room_id, LockWaitPolicy policy, Room *room, bool *moved)
{
	Relation	rooms = table_open(relation_oid("task_rooms"), RowExclusiveLock);
	TupleTableSlot *slot = table_slot_create(rooms, NULL);
	TM_Result	result = TM_Deleted;

	if (find_room(rooms, room_id, slot))
		result = lock_or_move(rooms, room_id, policy, slot, room, moved);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rooms, NoLock);
	return result == TM_Ok ? ROOM_LOCKED : result == TM_Deleted ? ROOM_GONE : ROOM_BUSY;
}

/* Take the room's lock if that needs no waiting, until the end of the transaction, and read its row. */
RoomLock
room_try_lock(int64 room_id, Room *room)
{
	return lock_room(room_id, LockWaitSkip, room, NULL);
}

static bool
take_room(int64 room_id, Room *room, bool *moved)
{
	RoomLock	lock = lock_room(room_id, lock_policy, room, moved);

	if (lock == ROOM_BUSY)
		refuse_busy();
	return lock == ROOM_LOCKED;
}

/*
 * Take the room's lock until the end of the transaction and read its row.
 * False: there is no such room.  55P03 as row_lock().
 */
bool
room_lock(int64 room_id, Room *room)
{
	return take_room(room_id, room, NULL);
}

static void
refuse_closed(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the room is closed"),
			 errhint("A back end opens it again with reopen_room()."),
			 err_generic_string(PG_DIAG_CONSTRAINT_NAME, "room_closed")));
}

static void
enter_room(int64 room_id, const char *user_id, ItemPointer member_tid, Room *room, bool *moved)
{
	RoomRole	role;

	if (!take_room(room_id, room, moved))
		forbid_room();
	/* Who waited for the lock may have been removed meanwhile. */
	role = member_role(room_id, user_id, member_tid);
	if (role == ROLE_NONE || role == ROLE_OBSERVER)
		forbid_room();
	if (room->closed)
		refuse_closed();
}

/*
 * Take the room's lock to write in it as that user; member_tid as in
 * member_role().  42501 for who may not, 55000 when it is closed.
 */
void
room_enter(int64 room_id, const char *user_id, ItemPointer member_tid, Room *room)
{
	enter_room(room_id, user_id, member_tid, room, NULL);
}

/* The room's line has moved: this transaction has something to tell. */
static void
tell_move(const Room *room)
{
	ForceSyncCommit();
	carry_note(room->room_id, room->last_seq);
	doorbell_ring_room('r', room->room_id);
}

/*
 * Give the room its next seq (in room->last_seq).  The room must be locked by
 * room_lock().  closed: 1 closes it, 0 opens it, -1 leaves that alone.
 */
void
room_advance(Room *room, int closed)
{
	Relation	rooms = table_open(relation_oid("task_rooms"), RowExclusiveLock);
	HeapTuple	new = next_row(rooms, room, closed);

	simple_heap_update(rooms, &room->row->t_self, new);
	become_next(rooms, room, new);
	if (closed >= 0)
		room->closed = closed;
	table_close(rooms, NoLock);
	tell_move(room);
}

/* The room's next seq is to be given to what this transaction writes, and told. */
static void
finish_move(Room *room, bool moved)
{
	if (moved)
		tell_move(room);
	else
		room_advance(room, -1);
}

/* room_lock() and room_advance(room, -1). */
bool
room_next(int64 room_id, Room *room)
{
	bool		moved = false;

	if (!take_room(room_id, room, &moved))
		return false;
	finish_move(room, moved);
	return true;
}

/* room_enter() and room_advance(room, -1). */
void
room_enter_next(int64 room_id, const char *user_id, ItemPointer member_tid, Room *room)
{
	bool		moved = false;

	enter_room(room_id, user_id, member_tid, room, &moved);
	finish_move(room, moved);
}

/* refuse_room(): the error of room_find(), for functions in SQL. */
Datum
taskchat_refuse_room(PG_FUNCTION_ARGS)
{
	forbid_room();
}

/* refuse_closed(): the error of writing in a closed room. */
Datum
taskchat_refuse_closed(PG_FUNCTION_ARGS)
{
	refuse_closed();
	PG_RETURN_VOID();
}

/* enter_room(room_id): takes the room's lock to write in it as the identity. */
Datum
taskchat_enter_room(PG_FUNCTION_ARGS)
{
	Room		room;

	room_enter(PG_GETARG_INT64(0), identity_require(), NULL, &room);
	PG_RETURN_VOID();
}

/* waits() → boolean: for statements that must not wait where we don't. */
Datum
taskchat_waits(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(lock_policy == LockWaitBlock);
}

/* lock_room(room_id) → boolean: take the room's lock; false when it is gone. */
Datum
taskchat_lock_room(PG_FUNCTION_ARGS)
{
	Room		room;

	require_writable();
	PG_RETURN_BOOL(room_lock(PG_GETARG_INT64(0), &room));
}
