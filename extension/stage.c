/*
 * stage.c
 *	  What waits for the commit of a long transaction.
 *
 * Bound tables and back-end functions that return no row only stage what
 * happened; the first deferred trigger at commit drains the whole stage (see
 * drain.c), so that a business transaction holds no room's lock while it runs.
 *
 * The stage lives in memory and follows savepoints.  It is a stack: what a
 * subtransaction added lies on top when it ends, and what has been drained
 * lies at the bottom.  So no end of a subtransaction looks at more than what
 * is the subtransaction's own.  The changes of one row of a bound table fold
 * into one item as soon as they belong to the same subtransaction.
 *
 * One row of taskchat.stage, deleted again by the drain, brings the deferred
 * trigger about.
 */
#include "taskchat.h"

#include "access/heapam.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/uuid.h"

/* Items of the same key are a chain, the latest first. */
typedef struct StageKey
{
	StageOp		op;
	const void *table;			/* Watch of a task */
	Oid			users;
	const char *id;				/* borrowed from the chain's first item */
} StageKey;

typedef struct StageChain
{
	StageKey	key;
	StageItem  *last;
} StageChain;

/* Up to where the stage was drained before a subtransaction drained it. */
typedef struct DrainMark
{
	SubTransactionId by;
	int			before;
} DrainMark;

/* All of it is in TopTransactionContext. */
static struct
{
	StageItem **items;
	int			count;
	int			size;
	int			drained;		/* items below this one are */
	List	   *marks;			/* of DrainMark, the innermost subtransaction last */
	List	   *watches;		/* of Watch */
	HTAB	   *chains;
} stage;

PG_FUNCTION_INFO_V1(taskchat_stage);
PG_FUNCTION_INFO_V1(taskchat_drain_stage);

static uint32
hash_key(const void *key, Size size)
{
	const StageKey *k = key;

	return string_hash(k->id, strlen(k->id) + 1) ^ (uint32) k->op;
}

static int
compare_keys(const void *a, const void *b, Size size)
{
	const StageKey *x = a;
	const StageKey *y = b;

	return x->op == y->op && x->table == y->table && x->users == y->users && strcmp(x->id, y->id) == 0 ? 0 : 1;
}

/* Only what folds has a key; of the others there may be any number. */
static bool
key_of(const StageItem *item, StageKey *key)
{
	memset(key, 0, sizeof(*key));
	key->op = item->op;
	key->table = item->watch;
	key->users = item->users;
	key->id = item->op == STAGE_PULL ? "" : item->id;
	return item->op == STAGE_TASK || item->op == STAGE_USER || item->op == STAGE_PULL;
}

static StageChain *
find_chain(const StageItem *item, HASHACTION action)
{
	StageKey	key;
	bool		found;
	StageChain *chain;

	if (!key_of(item, &key))
		return NULL;
	if (stage.chains == NULL)
	{
		HASHCTL		control;

		memset(&control, 0, sizeof(control));
		control.keysize = sizeof(StageKey);
		control.entrysize = sizeof(StageChain);
		control.hash = hash_key;
		control.match = compare_keys;
		control.hcxt = TopTransactionContext;
		stage.chains = hash_create("taskchat stage", 64, &control,
								   HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	}
	chain = hash_search(stage.chains, &key, action, &found);
	if (action == HASH_ENTER && !found)
		chain->last = NULL;
	return chain;
}

/* The latest item of the same key that still waits; NULL: none. */
static StageItem *
find_waiting(const StageItem *like)
{
	StageChain *chain = find_chain(like, HASH_FIND);

	return chain && chain->last && chain->last->position >= stage.drained ? chain->last : NULL;
}

/* The chain ends in this item now; its key is borrowed from it. */
static void
end_chain(StageChain *chain, StageItem *last)
{
	chain->last = last;
	chain->key.id = last->op == STAGE_PULL ? "" : last->id;
}

static void
free_string(char *string)
{
	if (string)
		pfree(string);
}

static void
free_item(StageItem *item)
{
	int			i;

	for (i = 0; item->old_values && i < item->watch->count; i++)
	{
		free_string(item->old_values[i]);
		free_string(item->new_values[i]);
	}
	if (item->old_values)
	{
		pfree(item->old_values);
		pfree(item->new_values);
	}
	free_string(item->id);
	free_string(item->applicant_id);
	free_string(item->kind);
	free_string(item->actor_id);
	free_string(item->payload);
	free_string(item->notification);
	free_string(item->old_creator);
	free_string(item->new_creator);
	pfree(item);
}

/* Put an item on top; the stage owns it. */
static void
push(StageItem *item)
{
	StageChain *chain = find_chain(item, HASH_ENTER);

	if (stage.count == stage.size)
	{
		stage.size = stage.size ? stage.size * 2 : 64;
		stage.items = stage.items ?
			repalloc_huge(stage.items, stage.size * sizeof(StageItem *)) :
			MemoryContextAllocHuge(TopTransactionContext, stage.size * sizeof(StageItem *));
	}
	item->created = GetCurrentSubTransactionId();
	item->position = stage.count;
	item->previous = chain ? chain->last : NULL;
	stage.items[stage.count++] = item;
	if (chain)
		end_chain(chain, item);
}

static void
pop(void)
{
	StageItem  *item = stage.items[--stage.count];
	StageChain *chain = find_chain(item, HASH_FIND);

	if (chain && item->previous)
		end_chain(chain, item->previous);
	else if (chain)
		(void) find_chain(item, HASH_REMOVE);
	free_item(item);
}

static StageItem *
new_item(StageOp op)
{
	StageItem  *item = MemoryContextAllocZero(TopTransactionContext, sizeof(StageItem));

	item->op = op;
	return item;
}

static char *
keep(const char *string)
{
	return string ? MemoryContextStrdup(TopTransactionContext, string) : NULL;
}

/* Make sure that a deferred trigger will fire: one waiting pull is enough. */
static void
pull(void)
{
	static SPIPlanPtr plan = NULL;
	StageItem	like = {.op = STAGE_PULL};
	Rights		saved;

	if (find_waiting(&like))
		return;
	push(new_item(STAGE_PULL));
	rights_become_owner(&saved);
	SPI_connect();
	if (plan == NULL)
	{
		plan = SPI_prepare("INSERT INTO taskchat.stage DEFAULT VALUES", 0, NULL);
		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare to stage: %s", SPI_result_code_string(SPI_result));
	}
	if (SPI_execute_plan(plan, NULL, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not stage");
	SPI_finish();
	rights_restore(&saved);
}

/* The transaction's own description of a bound table and its watched columns. */
const Watch *
stage_watch(Oid tasks, int count, char **names)
{
	MemoryContext old;
	ListCell   *cell;
	Watch	   *watch;
	int			i;

	foreach(cell, stage.watches)
	{
		watch = lfirst(cell);
		if (watch->tasks != tasks || watch->count != count)
			continue;
		for (i = 0; i < count && strcmp(watch->names[i], names[i]) == 0; i++)
			;
		if (i == count)
			return watch;
	}
	old = MemoryContextSwitchTo(TopTransactionContext);
	watch = palloc(sizeof(Watch));
	watch->tasks = tasks;
	watch->count = count;
	watch->names = palloc(sizeof(char *) * Max(count, 1));
	for (i = 0; i < count; i++)
		watch->names[i] = pstrdup(names[i]);
	stage.watches = lappend(stage.watches, watch);
	MemoryContextSwitchTo(old);
	return watch;
}

/* Does a change of this task's row wait? */
bool
stage_has_task(const Watch *watch, const char *task_id)
{
	StageItem	like = {.op = STAGE_TASK,.watch = watch,.id = unconstify(char *, task_id)};

	return find_waiting(&like) != NULL;
}

/* Copy a string into a field of an item, in place of what is there. */
static void
replace(char **field, const char *value)
{
	char	   *copy = keep(value);

	free_string(*field);
	*field = copy;
}

/*
 * What happened to a task's row in "into", and then in "later", as one change:
 * the first old values and the last new ones.
 */
void
stage_fold(StageItem *into, const StageItem *later)
{
	int			i;

	into->back |= later->back;
	into->gone |= later->gone;
	replace(&into->actor_id, later->actor_id);
	if (into->old_creator == NULL)
		into->old_creator = keep(later->old_creator);
	if (later->new_creator)
		replace(&into->new_creator, later->new_creator);
	for (i = 0; i < later->watch->count; i++)
	{
		if (into->old_values[i] == NULL)
			into->old_values[i] = keep(later->old_values[i]);
		if (later->new_values[i])
			replace(&into->new_values[i], later->new_values[i]);
	}
}

static char **
new_values(int count)
{
	return MemoryContextAllocZero(TopTransactionContext, sizeof(char *) * Max(count, 1));
}

/* A change of a task's row; everything is copied.  The actor is who acts now. */
void
stage_task(const StageItem *change)
{
	StageItem  *item = find_waiting(change);

	if (item == NULL || item->created != GetCurrentSubTransactionId())
	{
		item = new_item(STAGE_TASK);
		item->watch = change->watch;
		item->id = keep(change->id);
		item->old_values = new_values(change->watch->count);
		item->new_values = new_values(change->watch->count);
		push(item);
	}
	stage_fold(item, change);
	replace(&item->actor_id, identity_get());
	pull();
}

/*
 * A change of a task that turned out to be half of one, as of a row on its way
 * to another partition where constraints are immediate: it waits for the rest.
 */
void
stage_again(const StageItem *task)
{
	StageItem  *item = new_item(STAGE_TASK);

	item->watch = task->watch;
	item->id = keep(task->id);
	item->old_values = new_values(task->watch->count);
	item->new_values = new_values(task->watch->count);
	stage_fold(item, task);
	push(item);
}

/* A user is gone, unless the commit finds that it isn't. */
void
stage_user(Oid users, const char *user_id)
{
	StageItem	like = {.op = STAGE_USER,.users = users,.id = unconstify(char *, user_id)};
	StageItem  *item;

	if (find_waiting(&like))
		return;
	item = new_item(STAGE_USER);
	item->users = users;
	item->id = keep(user_id);
	push(item);
	pull();
}

static char *
keep_arg(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL : keep(text_to_cstring(PG_GETARG_TEXT_PP(i)));
}

/* stage(op "char", task_id, applicant_id, kind, actor_id, payload jsonb, id uuid): events and notifications. */
Datum
taskchat_stage(PG_FUNCTION_ARGS)
{
	StageItem  *item = new_item((StageOp) PG_GETARG_CHAR(0));

	item->id = keep_arg(fcinfo, 1);
	item->applicant_id = keep_arg(fcinfo, 2);
	item->kind = keep_arg(fcinfo, 3);
	item->actor_id = keep_arg(fcinfo, 4);
	if (!PG_ARGISNULL(5))
	{
		Jsonb	   *payload = PG_GETARG_JSONB_P(5);

		item->payload = keep(JsonbToCString(NULL, &payload->root, VARSIZE(payload)));
	}
	if (!PG_ARGISNULL(6))
		item->notification = keep(DatumGetCString(DirectFunctionCall1(uuid_out, PG_GETARG_DATUM(6))));
	push(item);
	pull();
	PG_RETURN_VOID();
}

/* Deferred trigger of taskchat.stage. */
Datum
taskchat_drain_stage(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	SubTransactionId now = GetCurrentSubTransactionId();
	int			from = stage.drained;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_AFTER(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ||
		RelationGetRelid(trigger->tg_relation) != relation_oid("stage"))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("this function serves only as trigger of taskchat.stage")));
	CommandCounterIncrement();	/* made immediate, it fires in the command that has put the row in */
	simple_heap_delete(trigger->tg_relation, &trigger->tg_trigtuple->t_self);
	if (stage.marks == NIL || ((DrainMark *) llast(stage.marks))->by != now)
	{
		MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
		DrainMark  *mark = palloc(sizeof(DrainMark));

		mark->by = now;
		mark->before = from;
		stage.marks = lappend(stage.marks, mark);
		MemoryContextSwitchTo(old);
	}
	stage.drained = stage.count;
	drain(stage.items + from, stage.count - from);
	return PointerGetDatum(NULL);
}

static void
at_transaction_event(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		memset(&stage, 0, sizeof(stage));
}

/* What it added goes, and what it drained waits again. */
static void
abort_subtransaction(SubTransactionId self)
{
	while (stage.count > 0 && stage.items[stage.count - 1]->created == self)
		pop();
	while (stage.marks != NIL && ((DrainMark *) llast(stage.marks))->by == self)
	{
		stage.drained = ((DrainMark *) llast(stage.marks))->before;
		stage.marks = list_delete_last(stage.marks);
	}
}

/* What it added and drained is its parent's now; changes of a row fold into the parent's. */
static void
commit_subtransaction(SubTransactionId self, SubTransactionId parent)
{
	int			first = stage.count;
	int			i;

	while (first > 0 && stage.items[first - 1]->created == self)
		first--;
	for (i = first; i < stage.count; i++)
	{
		StageItem  *item = stage.items[i];
		StageItem  *previous = item->previous;

		item->created = parent;
		if (item->op == STAGE_TASK && previous && previous->created == parent &&
			previous->position >= stage.drained)
		{
			StageChain *chain = find_chain(item, HASH_FIND);

			stage_fold(previous, item);
			end_chain(chain, previous);
			free_item(item);
			continue;
		}
		item->position = first;
		stage.items[first++] = item;
	}
	stage.count = first;
	if (stage.marks != NIL && ((DrainMark *) llast(stage.marks))->by == self)
	{
		((DrainMark *) llast(stage.marks))->by = parent;
		if (list_length(stage.marks) > 1 &&
			((DrainMark *) list_nth(stage.marks, list_length(stage.marks) - 2))->by == parent)
			stage.marks = list_delete_last(stage.marks);
	}
}

static void
at_subtransaction_event(SubXactEvent event, SubTransactionId self, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		abort_subtransaction(self);
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		commit_subtransaction(self, parent);
}

void
stage_init(void)
{
	RegisterXactCallback(at_transaction_event, NULL);
	RegisterSubXactCallback(at_subtransaction_event, NULL);
}
