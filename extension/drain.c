/*
 * drain.c
 *	  What becomes of the stage at commit.
 *
 * Everything is sorted first: rooms in order of room_id, what happened in one
 * in the order in which it was staged, then notifications in order of user_id.
 * So two drains never deadlock.  Who talks in several rooms in a transaction
 * may take them in another order; a deadlock with such a one is undone and
 * tried again (see patience.c).  Nothing here reads the identity or the
 * current user: both are whatever was set last.
 */
#include "taskchat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

typedef enum ErrandKind
{
	ERRAND_EVENT, ERRAND_ERASE, ERRAND_CREATOR, ERRAND_LEAVE
} ErrandKind;

/* Something to do in one room. */
typedef struct Errand
{
	int64		room_id;
	int			position;		/* in the stage */
	ErrandKind	what;
	const char *kind;			/* of an event */
	const char *actor_id;		/* of an event; of the others the user concerned */
	const char *payload;		/* of an event */
} Errand;

typedef struct Drain
{
	Errand	   *errands;
	int			count;
	int			size;
	List	   *notices;		/* of StageItem */
	MemoryContext each;			/* reset after each room and user */
} Drain;

/* A part of a drain that is done under one lock. */
typedef struct Part
{
	Drain	   *drain;
	int			first;
	int			end;
} Part;

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
	int			order = strcmp(x->actor_id, y->actor_id);

	return order != 0 ? order : x->position - y->position;
}

static void
add_errand(Drain *drain, const Errand *errand, int64 room_id)
{
	if (drain->count == drain->size)
	{
		drain->size = drain->size ? drain->size * 2 : 64;
		drain->errands = drain->errands ?
			repalloc_huge(drain->errands, drain->size * sizeof(Errand)) :
			palloc(drain->size * sizeof(Errand));
	}
	drain->errands[drain->count] = *errand;
	drain->errands[drain->count++].room_id = room_id;
}

/* The errand for each room of the task, or for the one of that applicant. */
static void
add_for_task(Drain *drain, const Errand *errand, const char *task_id, const char *applicant_id)
{
	Relation	rooms = table_open(relation_oid("task_rooms"), AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		isnull;

	ScanKeyInit(&keys[0], 2, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(task_id));
	if (applicant_id)
		ScanKeyInit(&keys[1], 3, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(applicant_id));
	scan = systable_beginscan(rooms, relation_oid("task_rooms_task_id_applicant_id_key"), true,
							  SnapshotSelf, applicant_id ? 2 : 1, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		add_errand(drain, errand, DatumGetInt64(heap_getattr(tuple, 1, RelationGetDescr(rooms), &isnull)));
	systable_endscan(scan);
	table_close(rooms, AccessShareLock);
}

/* The user leaves each room that has this member. */
static void
add_for_user(Drain *drain, const StageItem *item)
{
	Relation	members = table_open(relation_oid("task_members"), AccessShareLock);
	Errand		errand = {0, item->position, ERRAND_LEAVE, NULL, item->id, NULL};
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		isnull;

	ScanKeyInit(&key, 2, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(item->id));
	scan = systable_beginscan(members, relation_oid("task_members_user_task"), true, SnapshotSelf, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		add_errand(drain, &errand, DatumGetInt64(heap_getattr(tuple, 1, RelationGetDescr(members), &isnull)));
	systable_endscan(scan);
	table_close(members, AccessShareLock);
}

static bool
value_changed(const StageItem *task, int i)
{
	return task->old_values[i] && task->new_values[i] && strcmp(task->old_values[i], task->new_values[i]) != 0;
}

static char *
changes_text(const StageItem *task, const char **old_values, const char **new_values)
{
	StringInfoData text;
	char	   *result;
	int			i;

	initStringInfo(&text);
	for (i = 0; i < task->watch->count; i++)
		if (value_changed(task, i))
		{
			appendStringInfoString(&text, text.len ? ", " : "{");
			escape_json(&text, task->watch->names[i]);
			appendStringInfo(&text, ": {\"new\": %s, \"old\": %s}",
							 new_values[i][0] == UNTOLD ? "null" : new_values[i],
							 old_values[i][0] == UNTOLD ? "null" : old_values[i]);
		}
	if (text.len)
		appendStringInfoChar(&text, '}');
	result = pstrdup(text.data);	/* there may be very many, and the buffer is large */
	pfree(text.data);
	return result;
}

/*
 * The payload of a task_update; "" when nothing changed in the end.  While it
 * is too long, its longest value becomes null.
 */
static char *
task_changes(const StageItem *task)
{
	int			count = task->watch->count;
	const char **values = palloc(sizeof(char *) * 2 * Max(count, 1));
	char	   *text;

	memcpy(values, task->old_values, sizeof(char *) * count);
	memcpy(values + count, task->new_values, sizeof(char *) * count);
	for (text = changes_text(task, values, values + count);
		 strlen(text) > TASKCHAT_MAX_JSON;
		 text = changes_text(task, values, values + count))
	{
		size_t		longest = strlen("null");
		int			at = -1;
		int			i;

		for (i = 0; i < 2 * count; i++)
			if (value_changed(task, i % count) && values[i][0] != UNTOLD && strlen(values[i]) > longest)
			{
				longest = strlen(values[i]);
				at = i;
			}
		if (at < 0)
			break;				/* bind_tasks() has seen to it that names alone fit */
		values[at] = "null";
		pfree(text);
	}
	pfree(values);
	return text;
}

static void
add_task(Drain *drain, const StageItem *task, bool missing)
{
	Errand		errand = {0, task->position, ERRAND_EVENT, "task_update", task->actor_id, NULL};

	if (missing)
		errand.what = ERRAND_ERASE;
	else if (*(errand.payload = task_changes(task)) == '\0')
		errand.kind = NULL;
	if (errand.kind)
		add_for_task(drain, &errand, task->id, NULL);
	if (!missing && task->new_creator &&
		(task->old_creator == NULL || strcmp(task->old_creator, task->new_creator) != 0))
	{
		errand.what = ERRAND_CREATOR;
		errand.actor_id = task->new_creator;
		add_for_task(drain, &errand, task->id, NULL);
	}
}

/* Several items of one task, which subtransactions kept apart, as one. */
static StageItem *
merge(const StageItem *first, const StageItem *later)
{
	StageItem  *merged = MemoryContextAllocZero(TopTransactionContext, sizeof(StageItem));
	Size		size = sizeof(char *) * Max(first->watch->count, 1);

	merged->op = STAGE_TASK;
	merged->position = first->position;
	merged->id = first->id;
	merged->watch = first->watch;
	merged->old_values = MemoryContextAllocZero(TopTransactionContext, size);
	merged->new_values = MemoryContextAllocZero(TopTransactionContext, size);
	stage_fold(merged, first);
	stage_fold(merged, later);
	return merged;
}

/* Leave one item for each task in items[]; the others become NULL. */
static void
merge_tasks(StageItem **items, int count)
{
	int			first = items[0]->position;
	int		   *heads = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int) * count);
	int			i;

	for (i = 0; i < count; i++)
	{
		StageItem  *item = items[i];

		heads[i] = i;
		if (item->op != STAGE_TASK || item->previous == NULL || item->previous->position < first)
			continue;
		heads[i] = heads[item->previous->position - first];
		items[heads[i]] = merge(items[heads[i]], item);
		items[i] = NULL;
	}
	pfree(heads);
}

/* Which of the items' rows are gone; the answer is by position in items[]. */
static bool *
find_missing(StageItem **items, int count, StageOp op)
{
	bool	   *result = MemoryContextAllocExtended(CurrentMemoryContext, count, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	StageItem **asked = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(StageItem *) * count);
	int		   *places = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int) * count);
	bool	   *missing;
	int			n = 0;
	int			i;

	for (i = 0; i < count; i++)
		if (items[i] && items[i]->op == op && (op == STAGE_USER || items[i]->gone))
		{
			asked[n] = items[i];
			places[n++] = i;
		}
	if (n > 0)
	{
		missing = bound_rows_missing(asked, n);
		for (i = 0; i < n; i++)
			result[places[i]] = missing[i];
	}
	return result;
}

static void
plan_drain(Drain *drain, StageItem **items, int count)
{
	bool	   *tasks_missing;
	bool	   *users_missing;
	int			i;

	merge_tasks(items, count);
	tasks_missing = find_missing(items, count, STAGE_TASK);
	users_missing = find_missing(items, count, STAGE_USER);
	for (i = 0; i < count; i++)
	{
		StageItem  *item = items[i];
		Errand		event;

		if (item == NULL)
			continue;
		switch (item->op)
		{
			case STAGE_EVENT:
				event = (Errand){0, item->position, ERRAND_EVENT, item->kind, item->actor_id, item->payload};
				add_for_task(drain, &event, item->id, item->applicant_id);
				break;
			case STAGE_NOTIFY:
				drain->notices = lappend(drain->notices, item);
				break;
			case STAGE_TASK:
				if (item->gone && !item->back && !tasks_missing[i])
					stage_again(item);
				else
					add_task(drain, item, tasks_missing[i]);
				break;
			case STAGE_USER:
				if (users_missing[i])
					add_for_user(drain, item);
				break;
			case STAGE_PULL:
				break;
		}
	}
	qsort(drain->errands, drain->count, sizeof(Errand), compare_errands);
	list_sort(drain->notices, compare_notices);
}

/* The errands of one room, under its lock. */
static void
run_room(void *argument)
{
	Part	   *part = argument;
	const Errand *errands = part->drain->errands;
	Room		room;
	int			i;

	for (i = part->first; i < part->end && errands[i].what == ERRAND_EVENT; i++)
		;
	if (i < part->end)
		roster_hold(errands[part->first].room_id);
	if (!room_lock(errands[part->first].room_id, &room))
		return;					/* it went in the meantime: nobody is left to tell */
	for (i = part->first; i < part->end; i++)
	{
		const Errand *errand = &errands[i];

		switch (errand->what)
		{
			case ERRAND_ERASE:
				roster_erase(&room);
				return;
			case ERRAND_CREATOR:
				roster_set_creator(&room, errand->actor_id);
				break;
			case ERRAND_LEAVE:
				roster_leave(&room, errand->actor_id);
				break;
			case ERRAND_EVENT:
				if ((strcmp(errand->kind, "room_closed") == 0 && room.closed) ||
					(strcmp(errand->kind, "room_opened") == 0 && !room.closed))
					break;
				(void) event_append(&room, errand->kind, errand->actor_id, errand->payload ? errand->payload : "{}");
				break;
		}
	}
}

/* Add to the user's counter of notifications; returns what it was. */
static int64
advance_counter(const char *user_id, int by)
{
	Relation	counters = table_open(relation_oid("notification_counters"), RowExclusiveLock);
	RowValue	values[] = {{"user_id", CStringGetTextDatum(user_id), false}, {"last_seq", Int64GetDatum(by), false}};
	int64		before = 0;
	bool		done = false;

	while (!done)
	{
		ItemPointerData tid;
		HeapTuple	counter;
		bool		isnull;

		if (!rows_find(counters, "notification_counters_pkey", user_id, &tid))
			done = rows_insert(counters, lengthof(values), values, &tid);
		else if ((counter = rows_lock(counters, &tid)) != NULL)
		{
			before = DatumGetInt64(heap_getattr(counter, 2, RelationGetDescr(counters), &isnull));
			values[1].value = Int64GetDatum(before + by);
			rows_update(counters, counter, values[1]);
			done = true;
		}
	}
	table_close(counters, NoLock);
	return before;
}

static void
store_notice(const StageItem *item, int64 seq)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {TEXTOID, TEXTOID, INT8OID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[6];
	char		nulls[6] = {' ', ' ', ' ', ' ', ' ', ' '};

	values[0] = CStringGetTextDatum(item->notification);
	values[1] = CStringGetTextDatum(item->actor_id);
	values[2] = Int64GetDatum(seq);
	values[3] = CStringGetTextDatum(item->kind);
	values[4] = item->id ? CStringGetTextDatum(item->id) : (Datum) 0;
	nulls[4] = item->id ? ' ' : 'n';
	values[5] = CStringGetTextDatum(item->payload ? item->payload : "{}");
	SPI_connect();
	if (plan == NULL)
	{
		plan = SPI_prepare("INSERT INTO taskchat.notifications (id, user_id, seq, kind, task_id, payload)"
						   " VALUES ($1::pg_catalog.uuid, $2, $3, $4, $5, $6::pg_catalog.jsonb)",
						   lengthof(types), types);
		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare the insertion of a notification: %s", SPI_result_code_string(SPI_result));
	}
	if (SPI_execute_plan(plan, values, nulls, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not insert a notification");
	SPI_finish();
}

/* The notifications of one user, under the counter's lock. */
static void
run_user(void *argument)
{
	Part	   *part = argument;
	List	   *notices = part->drain->notices;
	const StageItem *first = list_nth(notices, part->first);
	int64		seq = advance_counter(first->actor_id, part->end - part->first);
	int			i;

	for (i = part->first; i < part->end; i++)
		store_notice(list_nth(notices, i), ++seq);
	ForceSyncCommit();
	doorbell_ring('n', first->actor_id);
}

typedef bool (*RunPart) (Attempt run, Part *part);

static bool
run_now(Attempt run, Part *part)
{
	run(part);
	return true;
}

/* A part for itself; where deadlocks go on, the transaction goes on without it. */
static bool
run_patiently(Attempt run, Part *part)
{
	if (patient_attempt(run, part))
		return true;
	ereport(WARNING,
			(errmsg("taskchat leaves out what this transaction had to tell"),
			 errdetail("Another transaction holds a room of it and waits for this transaction."),
			 errhint("Write the application's rows before the room, in every transaction.")));
	return false;
}

/* Call the runner for each room, then for each user. */
static void
run_parts(Drain *drain, RunPart runner)
{
	Part		part = {drain, 0, 0};
	MemoryContext old = MemoryContextSwitchTo(drain->each);

	for (part.first = 0; part.first < drain->count; part.first = part.end)
	{
		for (part.end = part.first + 1; part.end < drain->count; part.end++)
			if (drain->errands[part.end].room_id != drain->errands[part.first].room_id)
				break;
		(void) runner(run_room, &part);
		MemoryContextReset(drain->each);
	}
	for (part.first = 0; part.first < list_length(drain->notices); part.first = part.end)
	{
		const char *user_id = ((StageItem *) list_nth(drain->notices, part.first))->actor_id;

		for (part.end = part.first + 1; part.end < list_length(drain->notices); part.end++)
			if (strcmp(((StageItem *) list_nth(drain->notices, part.end))->actor_id, user_id) != 0)
				break;
		(void) runner(run_user, &part);
		MemoryContextReset(drain->each);
	}
	MemoryContextSwitchTo(old);
}

static void
run_all(void *argument)
{
	run_parts(argument, run_now);
}

/* Is there but one lock to take, and nobody who holds it? */
static bool
takes_one_free_lock(const Drain *drain)
{
	Relation	rooms;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		free = true;
	int			i;

	if (drain->notices != NIL)
		return false;
	for (i = 0; i < drain->count; i++)
		if (drain->errands[i].room_id != drain->errands[0].room_id || drain->errands[i].what != ERRAND_EVENT)
			return false;
	if (drain->count == 0)
		return true;
	rooms = table_open(relation_oid("task_rooms"), RowExclusiveLock);
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(drain->errands[0].room_id));
	scan = systable_beginscan(rooms, relation_oid("task_rooms_pkey"), true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		free = rows_try_lock(rooms, &tuple->t_self);
	systable_endscan(scan);
	table_close(rooms, NoLock);
	return free;
}

/*
 * Number and store what waits in the stage.  A subtransaction is made only
 * where there may be somebody to wait for.
 */
void
drain(StageItem **items, int count)
{
	Drain		work = {0};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "taskchat drain", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	StageItem **copy = MemoryContextAllocHuge(context, sizeof(StageItem *) * count);
	Rights		saved;

	memcpy(copy, items, sizeof(StageItem *) * count);
	work.each = AllocSetContextCreate(context, "taskchat room", ALLOCSET_DEFAULT_SIZES);
	plan_drain(&work, copy, count);
	rights_become_owner(&saved);
	if (takes_one_free_lock(&work))
		run_all(&work);
	else if (!patient_attempt(run_all, &work))
		run_parts(&work, run_patiently);
	rights_restore(&saved);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
