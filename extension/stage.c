/*
 * stage.c
 *	  Events that wait for the commit of a long transaction.
 *
 * Bound tables and back-end functions that return no row only stage what
 * happened; the first deferred trigger at commit drains the whole stage, rooms
 * in order of room_id and then notifications in order of user_id, so that a
 * business transaction holds no room's lock while it runs and two of them
 * never deadlock.  The stage lives in memory and follows savepoints: an item
 * remembers the subtransaction that made it and the one that drained it.
 * One row of taskchat.stage, deleted again by the drain, brings the deferred
 * trigger about.
 */
#include "taskchat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

typedef enum StageOp
{
	STAGE_EVENT = 'e',			/* an event in the task's rooms */
	STAGE_DELETE = 'd',			/* the task and its rooms go */
	STAGE_NOTIFY = 'n',			/* a personal notification */
	STAGE_PULL = 'p'			/* the row that brings the deferred trigger */
} StageOp;

typedef struct StageItem
{
	StageOp		op;
	SubTransactionId created;
	SubTransactionId drained;	/* InvalidSubTransactionId: still waiting */
	char	   *task_id;		/* NULL: a notification about no task */
	char	   *applicant_id;	/* NULL: every room of the task */
	char	   *kind;
	char	   *actor_id;		/* of a notification: the user; may be NULL */
	char	   *payload;		/* JSON text */
	char	   *id;				/* of a notification: uuid as text */
} StageItem;

static List *stage = NIL;		/* of StageItem, in TopTransactionContext */

PG_FUNCTION_INFO_V1(taskchat_stage);
PG_FUNCTION_INFO_V1(taskchat_drain_stage);

static void
execute_as_owner(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls)
{
	Rights		saved;
	int			result;

	rights_become_owner(&saved);
	SPI_connect();
	result = SPI_execute_with_args(sql, nargs, types, values, nulls, false, 0);
	if (result < 0)
		elog(ERROR, "staged statement failed: %s", SPI_result_code_string(result));
	SPI_finish();
	rights_restore(&saved);
}

static char *
copy_arg(FunctionCallInfo fcinfo, int i)
{
	char	   *string;

	if (PG_ARGISNULL(i))
		return NULL;
	string = text_to_cstring(PG_GETARG_TEXT_PP(i));
	return MemoryContextStrdup(TopTransactionContext, string);
}

static StageItem *
stage_add(StageOp op)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	StageItem  *item = palloc0(sizeof(StageItem));

	item->op = op;
	item->created = GetCurrentSubTransactionId();
	item->drained = InvalidSubTransactionId;
	stage = lappend(stage, item);
	MemoryContextSwitchTo(old);
	return item;
}

/* Make sure that a deferred trigger will fire: one waiting pull is enough. */
static void
stage_pull(void)
{
	ListCell   *cell;

	foreach(cell, stage)
	{
		StageItem  *item = lfirst(cell);

		if (item->op == STAGE_PULL && item->drained == InvalidSubTransactionId)
			return;
	}
	(void) stage_add(STAGE_PULL);
	execute_as_owner("INSERT INTO taskchat.stage DEFAULT VALUES", 0, NULL, NULL, NULL);
}

/* stage(op "char", task_id, applicant_id, kind, actor_id, payload jsonb, id uuid) */
Datum
taskchat_stage(PG_FUNCTION_ARGS)
{
	StageItem  *item = stage_add((StageOp) PG_GETARG_CHAR(0));
	MemoryContext old;

	item->task_id = copy_arg(fcinfo, 1);
	item->applicant_id = copy_arg(fcinfo, 2);
	item->kind = copy_arg(fcinfo, 3);
	item->actor_id = copy_arg(fcinfo, 4);
	old = MemoryContextSwitchTo(TopTransactionContext);
	if (!PG_ARGISNULL(5))
	{
		Jsonb	   *payload = PG_GETARG_JSONB_P(5);

		item->payload = JsonbToCString(NULL, &payload->root, VARSIZE(payload));
	}
	if (!PG_ARGISNULL(6))
		item->id = DatumGetCString(DirectFunctionCall1(uuid_out, PG_GETARG_DATUM(6)));
	MemoryContextSwitchTo(old);
	stage_pull();
	PG_RETURN_VOID();
}

/* One staged item in one room. */
typedef struct Errand
{
	int64		room_id;
	int			position;		/* in the stage */
	StageItem  *item;
} Errand;

static int
compare_errands(const void *a, const void *b)
{
	const Errand *x = a;
	const Errand *y = b;

	if (x->room_id != y->room_id)
		return x->room_id < y->room_id ? -1 : 1;
	return x->position - y->position;
}

static int
compare_notices(const ListCell *a, const ListCell *b)
{
	const StageItem *x = lfirst(a);
	const StageItem *y = lfirst(b);

	return strcmp(x->actor_id, y->actor_id);
}

/* Add an errand for each room of the task that the item is meant for. */
static void
find_errands(StageItem *item, int position, Errand **errands, int *count, int *size)
{
	Relation	rooms = table_open(relation_oid("task_rooms"), AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, 2, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(item->task_id));
	scan = systable_beginscan(rooms, relation_oid("task_rooms_task_id_applicant_id_key"), true,
							  SnapshotSelf, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		Datum		applicant = heap_getattr(tuple, 3, RelationGetDescr(rooms), &isnull);

		if (item->applicant_id && (isnull || strcmp(TextDatumGetCString(applicant), item->applicant_id) != 0))
			continue;
		if (*count == *size)
		{
			*size *= 2;
			*errands = repalloc_huge(*errands, *size * sizeof(Errand));
		}
		(*errands)[*count].room_id =
			DatumGetInt64(heap_getattr(tuple, 1, RelationGetDescr(rooms), &isnull));
		(*errands)[*count].position = position;
		(*errands)[(*count)++].item = item;
	}
	systable_endscan(scan);
	table_close(rooms, AccessShareLock);
}

static void
run_errand(const Errand *errand)
{
	const StageItem *item = errand->item;
	Room		room;

	if (!room_lock(errand->room_id, &room))
		return;					/* it went in the meantime: nobody is left to tell */
	if (item->op == STAGE_DELETE)
	{
		Oid			type = INT8OID;
		Datum		value = Int64GetDatum(errand->room_id);

		execute_as_owner("SELECT taskchat.erase_room($1)", 1, &type, &value, NULL);
		doorbell_ring_room('r', errand->room_id);
		return;
	}
	if ((strcmp(item->kind, "room_closed") == 0 && room.closed) ||
		(strcmp(item->kind, "room_opened") == 0 && !room.closed))
		return;
	(void) event_append(&room, item->kind, item->actor_id, item->payload ? item->payload : "{}");
}

static void
run_notice(const StageItem *item)
{
	Oid			types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[5];
	char		nulls[5] = {' ', ' ', ' ', ' ', ' '};

	values[0] = CStringGetTextDatum(item->id);
	values[1] = CStringGetTextDatum(item->actor_id);
	values[2] = CStringGetTextDatum(item->kind);
	values[3] = item->task_id ? CStringGetTextDatum(item->task_id) : (Datum) 0;
	nulls[3] = item->task_id ? ' ' : 'n';
	values[4] = CStringGetTextDatum(item->payload ? item->payload : "{}");
	execute_as_owner("SELECT taskchat.store_notification($1::pg_catalog.uuid, $2, $3, $4, $5::pg_catalog.jsonb)",
					 5, types, values, nulls);
	doorbell_ring('n', item->actor_id);
}

/* Number and store everything that waits, and mark it drained by this subtransaction. */
static void
drain(void)
{
	SubTransactionId now = GetCurrentSubTransactionId();
	int			size = 64;
	int			count = 0;
	Errand	   *errands = palloc(size * sizeof(Errand));
	List	   *notices = NIL;
	ListCell   *cell;
	int			i;

	foreach(cell, stage)
	{
		StageItem  *item = lfirst(cell);

		if (item->drained != InvalidSubTransactionId)
			continue;
		item->drained = now;
		if (item->op == STAGE_NOTIFY)
			notices = lappend(notices, item);
		else if (item->op != STAGE_PULL)
			find_errands(item, foreach_current_index(cell), &errands, &count, &size);
	}
	qsort(errands, count, sizeof(Errand), compare_errands);
	for (i = 0; i < count; i++)
		run_errand(&errands[i]);
	list_sort(notices, compare_notices);
	foreach(cell, notices)
		run_notice(lfirst(cell));
	pfree(errands);
}

/* Deferred trigger of taskchat.stage. */
Datum
taskchat_drain_stage(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_AFTER(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ||
		RelationGetRelid(trigger->tg_relation) != relation_oid("stage"))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("this function serves only as trigger of taskchat.stage")));
	simple_heap_delete(trigger->tg_relation, &trigger->tg_trigtuple->t_self);
	drain();
	return PointerGetDatum(NULL);
}

static void
at_transaction_event(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		stage = NIL;
}

/* Items follow their subtransaction: to its parent on commit, away (or back into waiting) on abort. */
static void
at_subtransaction_event(SubXactEvent event, SubTransactionId self, SubTransactionId parent, void *arg)
{
	ListCell   *cell;

	if (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB)
		return;
	foreach(cell, stage)
	{
		StageItem  *item = lfirst(cell);

		if (event == SUBXACT_EVENT_ABORT_SUB && item->created == self)
		{
			stage = foreach_delete_current(stage, cell);
			continue;
		}
		if (event == SUBXACT_EVENT_COMMIT_SUB && item->created == self)
			item->created = parent;
		if (item->drained == self)
			item->drained = event == SUBXACT_EVENT_COMMIT_SUB ? parent : InvalidSubTransactionId;
	}
}

void
stage_init(void)
{
	RegisterXactCallback(at_transaction_event, NULL);
	RegisterSubXactCallback(at_subtransaction_event, NULL);
}
