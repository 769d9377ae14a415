/*
 * source.c
 *	  Reading relations by index scans, below the executor, where a query's
 *	  start costs more than its rows: with the statement's snapshot, and without
 *	  asking for rights, which is the callers' matter.
 */
#include "taskchat.h"

#include "access/genam.h"
#include "access/table.h"
#include "fmgr.h"
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

/* Begin to read the rows that the keys name, in the index's order. */
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

/* "column = value", as key_text(). */
void
key_int64(ScanKey key, AttrNumber column, int64 value)
{
	ScanKeyInit(key, column, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(value));
}
