/*
 * source.c
 *	  Reading relations by index scans, below the executor, where a query's
 *	  start costs more than its rows; without asking for rights, which is the
 *	  callers' matter.
 *
 * Locks of indexes are released at once.  Kept, they would deadlock with
 * REINDEX TABLE where the transaction locks the table for writing later: that
 * takes the table first and its indexes then.
 */
#include "taskchat.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "fmgr.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Open a relation and the index by which it is read; both names are literals. */
Source
source_open(const char *name, const char *index)
{
	Source		source;

	source.relation = table_open(relation_oid(name), AccessShareLock);
	source.index = index_open(relation_oid(index), AccessShareLock);
	return source;
}

/* Close what was opened; nothing for a Source of zeros. */
void
source_close(Source *source)
{
	if (source->relation == NULL)
		return;
	index_close(source->index, AccessShareLock);
	table_close(source->relation, AccessShareLock);
	source->relation = NULL;
}

/* Begin to read the rows that the keys name, in the index's order, with the statement's snapshot. */
SysScanDesc
source_scan(const Source *source, int nkeys, ScanKey keys)
{
	return systable_beginscan_ordered(source->relation, source->index, GetActiveSnapshot(), nkeys, keys);
}

/* The next row, which lives until the one after it; NULL: no more. */
HeapTuple
source_next(SysScanDesc scan)
{
	return systable_getnext_ordered(scan, ForwardScanDirection);
}

void
source_end(SysScanDesc scan)
{
	systable_endscan_ordered(scan);
}

/* Begin to look for the rows that these keys name, the first columns of the index in its order, as committed now. */
IndexScanDesc
look_begin(Relation relation, Relation index, int nkeys, const ScanKeyData *keys)
{
	IndexScanDesc look = index_beginscan(relation, index, SnapshotSelf, nkeys, 0);
	ScanKeyData copy[INDEX_MAX_KEYS];
	int			i;

	memcpy(copy, keys, nkeys * sizeof(ScanKeyData));
	for (i = 0; i < nkeys; i++)
		copy[i].sk_attno = i + 1;
	index_rescan(look, copy, nkeys, NULL, 0);
	return look;
}

/*
 * The next row is in slot, and *root where the index points to, for row_at().
 * False: no more.  *missed becomes true where an entry leads to no row: that
 * may have moved, while every row that hasn't has an entry that is met.
 */
bool
look_next(IndexScanDesc look, TupleTableSlot *slot, ItemPointer root, bool *missed)
{
	ItemPointer tid;

	while ((tid = index_getnext_tid(look, ForwardScanDirection)) != NULL)
	{
		*root = *tid;
		if (index_fetch_heap(look, slot))
			return true;
		*missed = true;
	}
	return false;
}

void
look_end(IndexScanDesc look)
{
	index_endscan(look);
}

/* Find the one row that these keys name, as look_next() does.  False: there is none. */
bool
row_find(Relation relation, const char *index_name, int nkeys, const ScanKeyData *keys, TupleTableSlot *slot, ItemPointer root)
{
	Relation	index = index_open(relation_oid(index_name), AccessShareLock);
	bool		found = false;
	bool		missed = true;
	int			looks;

	for (looks = 0; looks < LOOKS && !found && missed; looks++)
	{
		IndexScanDesc look = look_begin(relation, index, nkeys, keys);

		missed = false;
		found = look_next(look, slot, root, &missed);
		look_end(look);
	}
	index_close(index, AccessShareLock);
	return found;
}

/*
 * Is there a row where an index has once pointed to?  Then its version as
 * committed now is in slot; it may be any row of the relation by now.
 */
bool
row_at(Relation relation, ItemPointerData root, TupleTableSlot *slot)
{
	IndexFetchTableData *fetch;
	bool		again = false;
	bool		found;

	if (!ItemPointerIsValid(&root) || ItemPointerGetBlockNumber(&root) >= RelationGetNumberOfBlocks(relation))
		return false;
	fetch = table_index_fetch_begin(relation);
	found = table_index_fetch_tuple(fetch, &root, SnapshotSelf, slot, &again, NULL);
	table_index_fetch_end(fetch);
	return found;
}

/* A column of the row in slot as a C string; NULL where it is null. */
char *
slot_text(TupleTableSlot *slot, AttrNumber column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

int64
slot_int64(TupleTableSlot *slot, AttrNumber column)
{
	bool		isnull;

	return DatumGetInt64(slot_getattr(slot, column, &isnull));
}

/* "column = value", as key_text(). */
void
key_int64(ScanKey key, AttrNumber column, int64 value)
{
	ScanKeyInit(key, column, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(value));
}
