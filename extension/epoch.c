/*
 * epoch.c
 *	  A room's epoch: while it stays the same, what a client holds of the room
 *	  is still true.  It is a hash over the database's own epoch, the
 *	  timeline that the server is on at this moment, the database and the room.
 *	  So a restored copy, a promoted standby, a copied database and a task that
 *	  was deleted and made again each begin a new one.
 */
#include "taskchat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(taskchat_room_epoch);

/*
 * The timeline that is written now or, on a standby, replayed now.  The last
 * checkpoint's, which pg_control_checkpoint() shows, lags behind a promotion.
 */
static TimeLineID
live_timeline(void)
{
	TimeLineID	timeline;

	if (!RecoveryInProgress())
		return GetWALInsertionTimeLine();
	(void) GetXLogReplayRecPtr(&timeline);
	return timeline;
}

/* The single row of taskchat.database_epoch. */
static char *
database_epoch(void)
{
	Relation	relation = table_open(relation_oid("database_epoch"), AccessShareLock);
	SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, GetActiveSnapshot(), 0, NULL);
	HeapTuple	tuple = systable_getnext(scan);
	char	   *epoch = NULL;

	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;

		epoch = TextDatumGetCString(heap_getattr(tuple, 1, RelationGetDescr(relation), &isnull));
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	if (epoch == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the database has no taskchat epoch"),
				 errhint("new_epoch() begins one.")));
	return epoch;
}

/* 16 hexadecimal digits. */
char *
epoch_of_room(int64 room_id)
{
	char	   *all = psprintf("%s/%u/%u/" INT64_FORMAT, database_epoch(), live_timeline(),
							   MyDatabaseId, room_id);
	uint64		hash = DatumGetUInt64(hash_any_extended((const unsigned char *) all, strlen(all), 0));

	return psprintf("%016llx", (unsigned long long) hash);
}

/* room_epoch(room_id) → text */
Datum
taskchat_room_epoch(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(epoch_of_room(PG_GETARG_INT64(0))));
}
