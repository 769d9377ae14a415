/*
 * rows.c
 *	  Rows of the extension's own tables, written below the executor.
 *
 * What the commit of somebody else's transaction brings about may not fail for
 * the age of its snapshot.  So these functions always work on the latest
 * version of a row, wait for who is changing it, and fire no triggers.  The
 * callers hold the lock of the room whose rows they write, which stands in for
 * foreign keys.  Who calls acts with the rights of the owner.
 */
#include "taskchat.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "rewrite/rewriteHandler.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* An executor's state for the indexes of one relation. */
typedef struct Indexer
{
	EState	   *estate;
	ResultRelInfo *result;
} Indexer;

/* A column's value; NULL is null. */
RowValue
row_text(const char *column, const char *value)
{
	RowValue	result = {column, value ? CStringGetTextDatum(value) : (Datum) 0, value == NULL};

	return result;
}

RowValue
row_int64(const char *column, int64 value)
{
	RowValue	result = {column, Int64GetDatum(value), false};

	return result;
}

static void
indexer_open(Indexer *indexer, Relation relation)
{
	indexer->estate = CreateExecutorState();
	indexer->result = makeNode(ResultRelInfo);
	InitResultRelInfo(indexer->result, relation, 1, NULL, 0);
	ExecOpenIndices(indexer->result, true);
}

static void
indexer_close(Indexer *indexer)
{
	ExecCloseIndices(indexer->result);
	FreeExecutorState(indexer->estate);
}

/* The slot's columns: those given, of the others their defaults. */
static void
fill_slot(Relation relation, EState *estate, TupleTableSlot *slot, int count, const RowValue *values)
{
	TupleDesc	desc = RelationGetDescr(relation);
	int			i;
	int			j;

	ExecClearTuple(slot);
	for (i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		slot->tts_isnull[i] = true;
		slot->tts_values[i] = (Datum) 0;
		if (column->attisdropped)
			continue;
		for (j = 0; j < count && strcmp(values[j].column, NameStr(column->attname)) != 0; j++)
			;
		if (j < count)
		{
			slot->tts_values[i] = values[j].value;
			slot->tts_isnull[i] = values[j].isnull;
		}
		else if (column->atthasdef)
			slot->tts_values[i] = ExecEvalExpr(ExecPrepareExpr((Expr *) build_column_default(relation, i + 1), estate),
											   GetPerTupleExprContext(estate), &slot->tts_isnull[i]);
	}
	ExecStoreVirtualTuple(slot);
	slot->tts_tableOid = RelationGetRelid(relation);
}

/* False: a row with one of its unique keys is there, or somebody is just making one. */
static bool
insert_if_free(Indexer *indexer, Relation relation, TupleTableSlot *slot)
{
	bool		conflict = false;
	uint32		token = SpeculativeInsertionLockAcquire(GetCurrentTransactionId());

	table_tuple_insert_speculative(relation, slot, GetCurrentCommandId(true), 0, NULL, token);
	(void) ExecInsertIndexTuples(indexer->result, slot, indexer->estate, false, true, &conflict, NIL);
	table_tuple_complete_speculative(relation, slot, token, !conflict);
	SpeculativeInsertionLockRelease(GetCurrentTransactionId());
	return !conflict;
}

static bool
insert_row(Relation relation, int count, const RowValue *values, ItemPointer tid, bool wait)
{
	Indexer		indexer;
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	bool		inserted;

	indexer_open(&indexer, relation);
	fill_slot(relation, indexer.estate, slot, count, values);
	while (!(inserted = insert_if_free(&indexer, relation, slot)) && wait &&
		   ExecCheckIndexConstraints(indexer.result, slot, indexer.estate, tid, NIL))
		;						/* who was in the way is gone */
	if (inserted)
		ItemPointerCopy(&slot->tts_tid, tid);
	indexer_close(&indexer);
	ExecDropSingleTupleTableSlot(slot);
	CommandCounterIncrement();
	return inserted;
}

/*
 * Insert a row of these columns and the defaults of the others; *tid then says
 * where it is.  False: a row with one of its unique keys is there already.
 * Waits for others who are inserting such a row.
 */
bool
rows_insert(Relation relation, int count, const RowValue *values, ItemPointer tid)
{
	return insert_row(relation, count, values, tid, true);
}

/* The same without waiting: false then also where somebody is inserting or deleting such a row. */
bool
rows_try_insert(Relation relation, int count, const RowValue *values, ItemPointer tid)
{
	return insert_row(relation, count, values, tid, false);
}

/* Lock the latest version of the row at tid as the policy says; it is then in slot. */
static TM_Result
lock_latest(Relation relation, ItemPointer tid, LockWaitPolicy policy, TupleTableSlot *slot)
{
	TM_FailureData failure;

	return table_tuple_lock(relation, tid, SnapshotSelf, slot, GetCurrentCommandId(true),
							LockTupleNoKeyExclusive, policy,
							TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);
}

/* Lock the row at tid unless somebody else holds it: then false. */
bool
rows_try_lock(Relation relation, ItemPointer tid)
{
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	TM_Result	result = lock_latest(relation, tid, LockWaitSkip, slot);

	ExecDropSingleTupleTableSlot(slot);
	return result != TM_WouldBlock;
}

/* Lock the row at tid, whoever has changed it since, and return a copy of it.  NULL: it is gone. */
HeapTuple
rows_lock(Relation relation, ItemPointer tid)
{
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	HeapTuple	row = NULL;

	if (lock_latest(relation, tid, LockWaitBlock, slot) == TM_Ok)
		row = ExecCopySlotHeapTuple(slot);
	ExecDropSingleTupleTableSlot(slot);
	return row;
}

static void
index_row(Relation relation, HeapTuple row)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(relation), &TTSOpsHeapTuple);
	Indexer		indexer;

	indexer_open(&indexer, relation);
	ExecStoreHeapTuple(row, slot, false);
	slot->tts_tableOid = RelationGetRelid(relation);
	ItemPointerCopy(&row->t_self, &slot->tts_tid);
	(void) ExecInsertIndexTuples(indexer.result, slot, indexer.estate, false, false, NULL, NIL);
	indexer_close(&indexer);
	ExecDropSingleTupleTableSlot(slot);
}

/* Set one column of a row that rows_lock() has returned; it may not be part of a key. */
void
rows_update(Relation relation, HeapTuple row, RowValue value)
{
	int			column = get_attnum(RelationGetRelid(relation), value.column);
	HeapTuple	new = heap_modify_tuple_by_cols(row, RelationGetDescr(relation), 1, &column,
												&value.value, &value.isnull);

	simple_heap_update(relation, &row->t_self, new);
	if (!HeapTupleIsHeapOnly(new))
		index_row(relation, new);
	CommandCounterIncrement();
}

/* Where the row is that an index of one text column leads to; false: nowhere. */
bool
rows_find(Relation relation, const char *index, const char *value, ItemPointer tid)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	row;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(value));
	scan = systable_beginscan(relation, relation_oid(index), true, SnapshotSelf, 1, &key);
	row = systable_getnext(scan);
	if (HeapTupleIsValid(row))
		ItemPointerCopy(&row->t_self, tid);
	systable_endscan(scan);
	return HeapTupleIsValid(row);
}

/* Delete the row at tid, whoever has changed it since.  False: it is gone already. */
bool
rows_delete(Relation relation, ItemPointer tid)
{
	ItemPointerData at = *tid;
	TM_FailureData failure;
	TM_Result	result;

	while ((result = heap_delete(relation, &at, GetCurrentCommandId(true), InvalidSnapshot,
								 true, &failure, false)) == TM_Updated)
		ItemPointerCopy(&failure.ctid, &at);
	if (result != TM_Ok && result != TM_Deleted)
		elog(ERROR, "could not delete a row of \"%s\": result %d",
			 RelationGetRelationName(relation), (int) result);
	return result == TM_Ok;
}
