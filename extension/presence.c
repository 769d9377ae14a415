/*
 * presence.c
 *	  Who is online, as sessions and leases tell, and what SQL can't ask about
 *	  it.  All else is in sql/presence.sql.
 */
#include "taskchat.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xlog.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(taskchat_has_last_seen);
PG_FUNCTION_INFO_V1(taskchat_presence_of);

/* Columns in the order of the install script. */
#define SESSION_HOLDER 1
#define SESSION_USER 2
#define SESSION_TASK 3
#define SESSION_SINCE 4
#define LEASE_HOLDER 1
#define LEASE_EXPIRES 2
#define SEEN_USER 1
#define SEEN_AT 2
#define MEMBER_USER 2
#define MEMBER_TASK 3

/*
 * Open what presence is read from.  Sessions are unlogged, and no standby may
 * touch them: there everybody is offline.
 */
void
presence_begin(PresenceReader *reader)
{
	memset(reader, 0, sizeof(*reader));
	reader->seen = source_open("last_seen", "last_seen_pkey");
	if (RecoveryInProgress())
		return;
	reader->sessions = source_open("sessions", "sessions_user");
	reader->leases = source_open("leases", "leases_pkey");
}

void
presence_end(PresenceReader *reader)
{
	source_close(&reader->members);
	source_close(&reader->leases);
	source_close(&reader->sessions);
	source_close(&reader->seen);
}

static int64
column_time(HeapTuple row, int column, const Source *source)
{
	return column_int64(row, column, RelationGetDescr(source->relation));
}

/* When the holder's lease ends or has ended; false: it has none.  Holders are few: the last one is remembered. */
static bool
lease_of(PresenceReader *reader, char *holder, TimestampTz *expires)
{
	if (reader->holder == NULL || strcmp(reader->holder, holder) != 0)
	{
		ScanKeyData key;
		SysScanDesc scan;
		HeapTuple	row;

		key_text(&key, LEASE_HOLDER, holder);
		scan = source_scan(&reader->leases, 1, &key);
		row = source_next(scan);
		reader->holder = holder;
		reader->has_lease = HeapTupleIsValid(row);
		if (reader->has_lease)
			reader->expires = column_time(row, LEASE_EXPIRES, &reader->leases);
		source_end(scan);
	}
	*expires = reader->expires;
	return reader->has_lease;
}

/*
 * Look through the user's sessions.  The newest live one that looks at a task
 * tells which; a lease that has run out is itself the trace of when the user
 * was seen last, until somebody clears it away.
 */
static void
read_sessions(PresenceReader *reader, const char *user_id, TimestampTz now, Presence *presence)
{
	TupleDesc	desc = RelationGetDescr(reader->sessions.relation);
	TimestampTz newest = DT_NOBEGIN;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	row;

	key_text(&key, SESSION_USER, user_id);
	scan = source_scan(&reader->sessions, 1, &key);
	while (HeapTupleIsValid(row = source_next(scan)))
	{
		TimestampTz expires;
		TimestampTz since = column_time(row, SESSION_SINCE, &reader->sessions);
		char	   *task_id;

		if (!lease_of(reader, column_text(row, SESSION_HOLDER, desc), &expires))
			continue;
		presence->last_seen = Max(presence->last_seen, expires);
		if (expires <= now)
			continue;
		presence->is_online = true;
		task_id = column_text(row, SESSION_TASK, desc);
		if (task_id == NULL || since <= newest)
			continue;
		newest = since;
		presence->current_task_id = task_id;
	}
	source_end(scan);
}

static bool
is_member(PresenceReader *reader, const char *user_id, const char *task_id)
{
	ScanKeyData keys[2];
	SysScanDesc scan;
	bool		found;

	if (reader->members.relation == NULL)
		reader->members = source_open("task_members", "task_members_user_task");
	key_text(&keys[0], MEMBER_USER, user_id);
	key_text(&keys[1], MEMBER_TASK, task_id);
	scan = source_scan(&reader->members, lengthof(keys), keys);
	found = HeapTupleIsValid(source_next(scan));
	source_end(scan);
	return found;
}

static void
read_last_seen(PresenceReader *reader, const char *user_id, Presence *presence)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	row;

	key_text(&key, SEEN_USER, user_id);
	scan = source_scan(&reader->seen, 1, &key);
	row = source_next(scan);
	if (HeapTupleIsValid(row))
		presence->last_seen = Max(presence->last_seen, column_time(row, SEEN_AT, &reader->seen));
	source_end(scan);
}

/* Presence of a user as the viewer may see it: a task only by who is in it. */
void
presence_read(PresenceReader *reader, const char *user_id, const char *viewer, Presence *presence)
{
	TimestampTz now = GetCurrentTimestamp();

	presence->is_online = false;
	presence->last_seen = DT_NOBEGIN;
	presence->current_task_id = NULL;
	if (reader->sessions.relation)
		read_sessions(reader, user_id, now, presence);
	if (presence->is_online)
		presence->last_seen = now;
	else
		read_last_seen(reader, user_id, presence);
	if (presence->current_task_id && !is_member(reader, viewer, presence->current_task_id))
		presence->current_task_id = NULL;
}

/* presence_of(user_id text, viewer text) → (is_online, last_seen, current_task_id): one row. */
Datum
taskchat_presence_of(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	PresenceReader reader;
	Presence	presence;
	Datum		values[3] = {0};
	bool		nulls[3] = {0};

	InitMaterializedSRF(fcinfo, 0);
	presence_begin(&reader);
	presence_read(&reader, text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)), &presence);
	presence_end(&reader);
	values[0] = BoolGetDatum(presence.is_online);
	values[1] = TimestampTzGetDatum(presence.last_seen);
	nulls[1] = presence.last_seen == DT_NOBEGIN;
	nulls[2] = presence.current_task_id == NULL;
	if (!nulls[2])
		values[2] = CStringGetTextDatum(presence.current_task_id);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	return (Datum) 0;
}

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
