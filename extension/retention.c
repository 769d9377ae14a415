/*
 * retention.c
 *	  Old rows go.  Row by row below the executor, so that it doesn't matter
 *	  what others have done with them since the transaction's snapshot.
 */
#include "taskchat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(taskchat_purge_line);
PG_FUNCTION_INFO_V1(taskchat_purge_samples);
PG_FUNCTION_INFO_V1(taskchat_move_front);

/*
 * Answers to a message that is gone answer nothing: what its foreign key would
 * see to.  (Those before that seq go too, and the scan must find them as they are.)
 * Whether one look has found any.
 */
static bool
forget_found(Relation messages, Datum id, int64 from_seq)
{
	AttrNumber	column = get_attnum(RelationGetRelid(messages), "reply_to");
	AttrNumber	seq = get_attnum(RelationGetRelid(messages), "seq");
	RowValue	nothing = {"reply_to", (Datum) 0, true};
	bool		found = false;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	row;

	ScanKeyInit(&key, column, BTEqualStrategyNumber, F_UUID_EQ, id);
	scan = systable_beginscan(messages, relation_oid("task_messages_reply_to"), true, SnapshotSelf, 1, &key);
	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		HeapTuple	answer;

		if (column_int64(row, seq, RelationGetDescr(messages)) < from_seq)
			continue;
		answer = rows_lock(messages, &row->t_self);
		if (answer)
			rows_update(messages, answer, nothing);
		found |= answer != NULL;
	}
	systable_endscan(scan);
	return found;
}

/* The same until none is left: one may move while another is waited for (see LOOKS). */
static void
forget_answers(Relation messages, Datum id, int64 from_seq)
{
	while (forget_found(messages, id, from_seq))
		;
}

/* Delete the rows of that part of a room's line which one look finds; how many they were. */
static int64
purge_found(const char *table, const char *index, int64 room_id, int64 from, int64 to)
{
	Relation	relation = table_open(relation_oid(table), RowExclusiveLock);
	bool		messages = strcmp(table, "task_messages") == 0;
	AttrNumber	id = messages ? get_attnum(RelationGetRelid(relation), "id") : InvalidAttrNumber;
	ScanKeyData keys[3];
	SysScanDesc scan;
	HeapTuple	row;
	int64		removed = 0;

	ScanKeyInit(&keys[0], get_attnum(RelationGetRelid(relation), "room_id"), BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(room_id));
	ScanKeyInit(&keys[1], get_attnum(RelationGetRelid(relation), "seq"), BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(from));
	ScanKeyInit(&keys[2], get_attnum(RelationGetRelid(relation), "seq"), BTLessStrategyNumber, F_INT8LT, Int64GetDatum(to));
	scan = systable_beginscan(relation, relation_oid(index), true, SnapshotSelf, lengthof(keys), keys);
	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		if (!rows_delete(relation, &row->t_self))
			continue;
		removed++;
		if (messages)
			forget_answers(relation, heap_getattr(row, id, RelationGetDescr(relation), &isnull), to);
	}
	systable_endscan(scan);
	table_close(relation, NoLock);
	CommandCounterIncrement();
	return removed;
}

/* The same until nothing is left: a message that is just being read may move (see LOOKS). */
static int64
purge_table(const char *table, const char *index, int64 room_id, int64 from, int64 to)
{
	int64		removed = 0;
	int64		found;

	do
		removed += found = purge_found(table, index, room_id, from, to);
	while (found > 0);
	return removed;
}

/* purge_line(room_id, from_seq, to_seq) → how many messages and events went; to_seq itself stays. */
Datum
taskchat_purge_line(PG_FUNCTION_ARGS)
{
	int64		room_id = PG_GETARG_INT64(0);
	int64		from = PG_GETARG_INT64(1);
	int64		to = PG_GETARG_INT64(2);

	require_writable();
	PG_RETURN_INT64(purge_table("task_messages", "task_messages_pkey", room_id, from, to) +
					purge_table("task_events", "task_events_pkey", room_id, from, to));
}

/* purge_samples(before timestamptz): delivery samples that are older. */
Datum
taskchat_purge_samples(PG_FUNCTION_ARGS)
{
	Relation	samples = open_writable("delivery_samples");
	AttrNumber	column = get_attnum(RelationGetRelid(samples), "delivered_at");
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	row;

	ScanKeyInit(&key, column, BTLessStrategyNumber, F_TIMESTAMPTZ_LT, PG_GETARG_DATUM(0));
	scan = systable_beginscan(samples, InvalidOid, false, SnapshotSelf, 1, &key);
	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		CHECK_FOR_INTERRUPTS();
		(void) rows_delete(samples, &row->t_self);
	}
	systable_endscan(scan);
	table_close(samples, NoLock);
	PG_RETURN_VOID();
}

/* move_front(room_id, first_seq): the room keeps what is from there on; takes its lock. */
Datum
taskchat_move_front(PG_FUNCTION_ARGS)
{
	int64		first_seq = PG_GETARG_INT64(1);
	Relation	rooms = open_writable("task_rooms");
	Room		room;

	if (room_lock(PG_GETARG_INT64(0), &room) && room.first_seq < first_seq)
		rows_update(rooms, room.row, row_int64("first_seq", first_seq));
	table_close(rooms, NoLock);
	PG_RETURN_VOID();
}
