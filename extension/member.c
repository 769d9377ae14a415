/*
 * member.c
 *	  Members: which room an address means to a user, in which rooms somebody
 *	  is, and the member row that orders what one user sends in a task.
 */
#include "taskchat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Columns of task_members, in the order of the install script. */
enum MemberColumn
{
	MEMBER_ROOM = 1, MEMBER_USER, MEMBER_TASK, MEMBER_APPLICANT, MEMBER_ROLE
};

PG_FUNCTION_INFO_V1(taskchat_my_rooms);
PG_FUNCTION_INFO_V1(taskchat_find_room);
PG_FUNCTION_INFO_V1(taskchat_lock_member);

static RoomRole
role_of_text(const char *role)
{
	switch (role[0])
	{
		case 'c':
			return ROLE_CREATOR;
		case 'w':
			return ROLE_WORKER;
		case 'a':
			return ROLE_APPLICANT;
		default:
			return ROLE_OBSERVER;
	}
}

/* For places.c: rows of members of main rooms. */
static uint64
place_key(const char *user_id, const char *task_id)
{
	return (uint64) string_hash(user_id, TASKCHAT_MAX_ID + 1) * 31 + string_hash(task_id, TASKCHAT_MAX_ID + 1);
}

static void
set_membership(Membership *membership, TupleTableSlot *slot)
{
	membership->room_id = slot_int64(slot, MEMBER_ROOM);
	membership->role = role_of_text(slot_text(slot, MEMBER_ROLE));
	membership->tid = slot->tts_tid;
}

/* Is the user's row of the main room where one was seen?  There is no better answer then. */
static bool
is_where_seen(Relation members, const char *user_id, const char *task_id, TupleTableSlot *slot)
{
	return row_at(members, place_get(place_key(user_id, task_id)), slot) && slot_text(slot, MEMBER_APPLICANT) == NULL &&
		strcmp(slot_text(slot, MEMBER_USER), user_id) == 0 && strcmp(slot_text(slot, MEMBER_TASK), task_id) == 0;
}

/* One look for that room; true: there can be no better answer. */
static bool
look_for_room(Relation members, Relation index, const char *user_id, const char *task_id, const char *applicant_id,
			  TupleTableSlot *slot, Membership *membership)
{
	ScanKeyData keys[2];
	IndexScanDesc look;
	ItemPointerData root;
	bool		missed = false;
	bool		found_main = false;

	memset(membership, 0, sizeof(*membership));
	key_text(&keys[0], MEMBER_USER, user_id);
	key_text(&keys[1], MEMBER_TASK, task_id);
	look = look_begin(members, index, lengthof(keys), keys);
	while (look_next(look, slot, &root, &missed))
	{
		char	   *applicant = slot_text(slot, MEMBER_APPLICANT);
		int64		room_id = slot_int64(slot, MEMBER_ROOM);
		bool		matches;

		if (membership->lowest_id == 0 || room_id < membership->lowest_id)
		{
			membership->lowest_id = room_id;
			membership->lowest_tid = slot->tts_tid;
		}
		if (applicant == NULL)
			place_set(place_key(user_id, task_id), &root);
		if (applicant_id)
			matches = applicant && strcmp(applicant, applicant_id) == 0;
		else
			matches = applicant == NULL || (!found_main && strcmp(applicant, user_id) == 0);
		if (!matches)
			continue;
		set_membership(membership, slot);
		found_main = applicant == NULL;
	}
	look_end(look);
	return !missed || (applicant_id ? membership->room_id != 0 : found_main);
}

static void
look_for_membership(Relation members, const char *user_id, const char *task_id, const char *applicant_id,
					TupleTableSlot *slot, Membership *membership)
{
	Relation	index = index_open(relation_oid("task_members_user_task"), AccessShareLock);
	int			looks = 0;

	while (!look_for_room(members, index, user_id, task_id, applicant_id, slot, membership) && ++looks < LOOKS)
		continue;
	index_close(index, AccessShareLock);
}

/*
 * What (task_id, applicant_id) means for this user: the main room where
 * applicant_id is NULL, or the user's own private room for somebody who is an
 * applicant only.  room_id 0 and ROLE_NONE: no member of any such.  lowest:
 * lowest_id is asked for.  22023 and 54000 for what can be no address.
 */
void
membership_find(const char *user_id, const char *task_id, const char *applicant_id, bool lowest, Membership *membership)
{
	Relation	members = table_open(relation_oid("task_members"), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(members, NULL);

	check_id("task_id", task_id, TASKCHAT_MAX_ID);
	if (applicant_id)
		check_id("applicant_id", applicant_id, TASKCHAT_MAX_ID);
	if (applicant_id == NULL && !lowest && is_where_seen(members, user_id, task_id, slot))
	{
		memset(membership, 0, sizeof(*membership));
		set_membership(membership, slot);
	}
	else
		look_for_membership(members, user_id, task_id, applicant_id, slot, membership);
	ExecDropSingleTupleTableSlot(slot);
	table_close(members, NoLock);	/* as member_role() relies on it */
}

/* The role of the member row in slot, if it is the user's in that room. */
static RoomRole
role_in_slot(TupleTableSlot *slot, int64 room_id, const char *user_id)
{
	if (slot_int64(slot, MEMBER_ROOM) != room_id || strcmp(slot_text(slot, MEMBER_USER), user_id) != 0)
		return ROLE_NONE;
	return role_of_text(slot_text(slot, MEMBER_ROLE));
}

static RoomRole
find_role(Relation members, int64 room_id, const char *user_id, TupleTableSlot *slot)
{
	ScanKeyData keys[2];
	ItemPointerData root;

	key_int64(&keys[0], MEMBER_ROOM, room_id);
	key_text(&keys[1], MEMBER_USER, user_id);
	if (!row_find(members, "task_members_pkey", lengthof(keys), keys, slot, &root))
		return ROLE_NONE;
	return role_in_slot(slot, room_id, user_id);
}

/*
 * The user's role in the room as committed now; ROLE_NONE: no member.  tid is
 * where membership_find() has seen the member row in this transaction, or NULL.
 */
RoomRole
member_role(int64 room_id, const char *user_id, ItemPointer tid)
{
	Relation	members = table_open(relation_oid("task_members"), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(members, NULL);
	RoomRole	role = ROLE_NONE;

	/* It may have moved, or be another row by now; but the table hasn't become shorter, as its lock was kept. */
	if (tid && table_tuple_fetch_row_version(members, tid, SnapshotSelf, slot))
		role = role_in_slot(slot, room_id, user_id);
	if (role == ROLE_NONE)
		role = find_role(members, room_id, user_id, slot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(members, NoLock);
	return role;
}

/*
 * Lock the user's member row of the lowest room_id in the task: who sends the
 * same client_msg_id in two rooms of a task at once meets here.  membership is
 * what membership_find() gave, and is found again where it changed meanwhile.
 */
void
member_lock_first(const char *user_id, const char *task_id, const char *applicant_id, Membership *membership)
{
	Relation	members = open_writable("task_members");
	TupleTableSlot *slot = table_slot_create(members, NULL);
	int64		locked_id = 0;

	if (membership->room_id != 0 && membership->lowest_id == 0)
		membership_find(user_id, task_id, applicant_id, true, membership);
	while (membership->lowest_id != 0 && membership->lowest_id != locked_id)
	{
		ItemPointerData tid = membership->lowest_tid;

		if (row_lock(members, &tid, LockTupleNoKeyExclusive, slot))
			locked_id = membership->lowest_id;
		if (!ItemPointerEquals(&slot->tts_tid, &membership->lowest_tid))
			membership_find(user_id, task_id, applicant_id, true, membership);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_close(members, NoLock);
}

/* my_rooms() → bigint[]: the rooms that the caller is a member of; the policies' condition. */
Datum
taskchat_my_rooms(PG_FUNCTION_ARGS)
{
	const char *user_id = identity_get();
	ArrayBuildState *rooms = initArrayResult(INT8OID, CurrentMemoryContext, false);

	if (user_id != NULL)
	{
		Relation	members = table_open(relation_oid("task_members"), AccessShareLock);
		ScanKeyData key;
		SysScanDesc scan;
		HeapTuple	tuple;

		key_text(&key, MEMBER_USER, user_id);
		scan = systable_beginscan(members, relation_oid("task_members_user_task"), true,
								  GetActiveSnapshot(), 1, &key);
		while (HeapTupleIsValid(tuple = systable_getnext(scan)))
			rooms = accumArrayResult(rooms,
									 Int64GetDatum(column_int64(tuple, MEMBER_ROOM, RelationGetDescr(members))),
									 false, INT8OID, CurrentMemoryContext);
		systable_endscan(scan);
		table_close(members, AccessShareLock);
	}
	PG_RETURN_DATUM(makeArrayResult(rooms, CurrentMemoryContext));
}

/*
 * find_room(task_id, applicant_id, writing) → room_id: the caller's room.
 * 28000 without identity, 42501 for who is no member or, writing, may not write.
 */
Datum
taskchat_find_room(PG_FUNCTION_ARGS)
{
	const char *user_id = identity_require();
	char	   *task_id;
	char	   *applicant_id = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	Membership	membership;

	if (PG_ARGISNULL(0))
		refuse_null("task_id");
	task_id = text_to_cstring(PG_GETARG_TEXT_PP(0));
	membership_find(user_id, task_id, applicant_id, false, &membership);
	if (membership.room_id == 0 || (PG_GETARG_BOOL(2) && membership.role == ROLE_OBSERVER))
		forbid_room();
	PG_RETURN_INT64(membership.room_id);
}

/* lock_member(room_id, user_id) → boolean: lock one member row as lock_policy says. */
Datum
taskchat_lock_member(PG_FUNCTION_ARGS)
{
	Relation	members = open_writable("task_members");
	TupleTableSlot *slot = table_slot_create(members, NULL);
	ScanKeyData keys[2];
	ItemPointerData root;
	bool		locked;

	ScanKeyInit(&keys[0], MEMBER_ROOM, BTEqualStrategyNumber, F_INT8EQ, PG_GETARG_DATUM(0));
	key_text(&keys[1], MEMBER_USER, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	locked = row_find(members, "task_members_pkey", lengthof(keys), keys, slot, &root);
	if (locked)
	{
		ItemPointerData tid = slot->tts_tid;

		locked = row_lock(members, &tid, LockTupleNoKeyExclusive, slot);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_close(members, NoLock);
	PG_RETURN_BOOL(locked);
}
