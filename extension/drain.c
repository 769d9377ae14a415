/*
 * drain.c
 *	  What becomes of the stage at commit.
 *
 * Everything is sorted first: rooms in order of room_id, what happened in one
 * in the order in which it was staged, then notifications in order of user_id.
 * So two drains never deadlock.  Others may take rooms in another order, or a
 * room first and our rows second, or keep one for long: so each lock is waited
 * for a little only (see patience.c), and what could not be done then waits for
 * a later transaction (see pending.c).  Nothing here reads the identity or the
 * current user: both are whatever was set last.
 */
#include "taskchat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#define PLACES_ALONG 10			/* of others that waited, done along with our own */

typedef struct Drain
{
	Errand	   *errands;
	int			count;
	int			size;
	bool		something_waits;	/* in pending, as of now */
	List	   *unsettled;		/* char *: tasks whose errands go to the task */
	Snapshot	now;			/* rooms and members as committed: none escapes by moving to another page (see LOOKS) */
} Drain;

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

/*
 * Is it yet to be seen which rooms the task has?  Somebody is just opening (or
 * removing) its main room, or something waits for that.  has_main: as of now.
 */
static bool
is_unsettled(Drain *drain, const char *task_id, bool has_main)
{
	TransactionId doubt;
	int64		main_room;
	ListCell   *cell;

	foreach(cell, drain->unsettled)
		if (strcmp(lfirst(cell), task_id) == 0)
			return true;
	if (has_main && !drain->something_waits)
		return false;
	main_room = roster_find(task_id, &doubt);
	if (!TransactionIdIsValid(doubt) && (has_main || main_room == 0) &&
		!(drain->something_waits && pending_waits_for_task(task_id)))
		return false;
	drain->unsettled = lappend(drain->unsettled, unconstify(char *, task_id));
	return true;
}

/* The errand for each room of the task, or for the one of that applicant. */
static void
add_for_task(Drain *drain, const Errand *errand, const char *task_id, const char *applicant_id)
{
	int64	   *ids;
	bool		has_main;
	int			count = roster_rooms(task_id, applicant_id, drain->now, &ids, &has_main);
	int			i;

	if (is_unsettled(drain, task_id, has_main || applicant_id))
	{
		Errand		later = *errand;

		later.task_id = task_id;
		later.applicant_id = applicant_id;
		add_errand(drain, &later, 0);
	}
	else
		for (i = 0; i < count; i++)
			add_errand(drain, errand, ids[i]);
	pfree(ids);
}

/* The user leaves each room that has this member. */
static void
add_for_user(Drain *drain, const StageItem *item)
{
	Relation	members = table_open(relation_oid("task_members"), AccessShareLock);
	Errand		errand = {.position = item->position,.what = ERRAND_LEAVE,.user_id = item->id};
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		isnull;

	ScanKeyInit(&key, 2, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(item->id));
	scan = systable_beginscan(members, relation_oid("task_members_user_task"), true, drain->now, 1, &key);
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
	Errand		errand = {.position = task->position,.what = ERRAND_EVENT,.kind = "task_update",.user_id = task->actor_id};

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
		errand.user_id = task->new_creator;
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
add_item(Drain *drain, const StageItem *item)
{
	Errand		errand = {.position = item->position,.what = ERRAND_EVENT,.kind = item->kind,
	.user_id = item->actor_id,.payload = item->payload,.notification = item->notification};

	if (item->op == STAGE_NOTIFY)
	{
		errand.what = ERRAND_NOTIFY;
		errand.task_id = item->id;
		add_errand(drain, &errand, 0);
	}
	else
		add_for_task(drain, &errand, item->id, item->applicant_id);
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
	drain->now = RegisterSnapshot(GetLatestSnapshot());
	for (i = 0; i < count; i++)
	{
		StageItem  *item = items[i];

		if (item == NULL)
			continue;
		switch (item->op)
		{
			case STAGE_EVENT:
			case STAGE_NOTIFY:
				add_item(drain, item);
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
	UnregisterSnapshot(drain->now);
	if (drain->count > 0)
		qsort(drain->errands, drain->count, sizeof(Errand), errand_compare);
}

/* What is done with the errands of one lock. */
typedef void (*RunErrands) (Errands *errands, int *patience);

/* Call it for each lock, in order. */
static void
for_each_lock(const Drain *drain, RunErrands run, int *patience)
{
	MemoryContext each = AllocSetContextCreate(CurrentMemoryContext, "taskchat room", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(each);
	Errands		errands = {.nothing_waits = !drain->something_waits};
	int			first;
	int			end;

	for (first = 0; first < drain->count; first = end)
	{
		for (end = first + 1; end < drain->count; end++)
			if (!errand_same_lock(&drain->errands[first], &drain->errands[end]))
				break;
		errands.list = &drain->errands[first];
		errands.count = end - first;
		run(&errands, patience);
		MemoryContextReset(each);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(each);
}

/*
 * Where somebody holds the lock, we wait a little, and then leave it to a later
 * transaction; not a word is said in the meantime.
 */
static void
run_or_keep(Errands *errands, int *patience)
{
	if (!errands_run_if_free(errands) && !patient_attempt(errands_run, errands, patience))
		pending_keep(errands);
}

static void
run_now(Errands *errands, int *patience)
{
	errands_run(errands);
}

/* An Attempt of a Drain. */
static void
run_all_now(void *drain)
{
	for_each_lock(drain, run_now, NULL);
}

/* Is there more than one lock of a room whose members change, or that goes? */
static bool
changes_many_rooms(const Drain *drain)
{
	int64		first = 0;
	int			i;

	for (i = 0; i < drain->count; i++)
	{
		const Errand *errand = &drain->errands[i];

		if (errand->room_id == 0 || errand->what == ERRAND_EVENT)
			continue;
		if (first != 0 && first != errand->room_id)
			return true;
		first = errand->room_id;
	}
	return false;
}

/* Many subtransactions are a burden on the server: what may need one is first tried all in one. */
static void
run_all(const Drain *drain)
{
	int			patience = patience_within(commit_patience);

	if (!changes_many_rooms(drain) || !patient_attempt(run_all_now, unconstify(Drain *, drain), &patience))
		for_each_lock(drain, run_or_keep, &patience);
}

/* Number and store what waits in the stage. */
void
drain(StageItem **items, int count)
{
	Drain		work = {0};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "taskchat drain", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	StageItem **copy = MemoryContextAllocHuge(context, sizeof(StageItem *) * count);
	Rights		saved;

	memcpy(copy, items, sizeof(StageItem *) * count);
	serializable_leave();
	PG_TRY();
	{
		work.something_waits = pending_exists();
		plan_drain(&work, copy, count);
		rights_become_owner(&saved);
		run_all(&work);
		if (work.something_waits)
			pending_deliver_some(PLACES_ALONG);
		rights_restore(&saved);
	}
	PG_FINALLY();
	{
		serializable_rejoin();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
