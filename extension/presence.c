/*
 * presence.c
 *	  The one question about presence that SQL can't ask.  All else is in
 *	  sql/presence.sql.
 */
#include "taskchat.h"

#include "access/genam.h"
#include "access/table.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(taskchat_has_last_seen);

/* has_last_seen(user_id) → boolean: is there a row of that user, or is somebody just writing it? */
Datum
taskchat_has_last_seen(PG_FUNCTION_ARGS)
{
	Relation	last_seen = table_open(relation_oid("last_seen"), AccessShareLock);
	SnapshotData dirty;
	ScanKeyData key;
	SysScanDesc scan;
	bool		found;

	InitDirtySnapshot(dirty);
	key_text(&key, 1, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	scan = systable_beginscan(last_seen, relation_oid("last_seen_pkey"), true, &dirty, 1, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(last_seen, AccessShareLock);
	PG_RETURN_BOOL(found);
}
