/*
 * bound.c
 *	  The triggers on the application's own tables.
 *
 * They find out what a written row means for its room, open the room of a new
 * row at once, so that the same transaction can use it, and stage the rest for
 * the commit.  They run with the rights of whoever writes the table, and do
 * nothing where the table is not bound.
 *
 * An UPDATE that moves a row to another partition is a DELETE and an INSERT to
 * triggers.  So a deletion is only noted here with what it took away, and the
 * commit decides: if the key is there again, it was a change.
 */
#include "taskchat.h"

#include "access/htup_details.h"
#include "catalog/partition.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(taskchat_bound_task);
PG_FUNCTION_INFO_V1(taskchat_bound_user);

/* What is known about a relation (a bound table or its partition) for its triggers. */
typedef struct Bound
{
	Oid			relid;
	bool		valid;			/* false: look again */
	bool		bound;
	MemoryContext context;		/* of all below */
	Oid			root;			/* the table of the binding */
	char	   *key_name;
	Column		key;
	Column		creator;
	int			watch_count;
	char	  **watch;
	Column	   *columns;		/* the watched ones */
} Bound;

static uint64 invalidations = 0;	/* counts what the system's caches have said */
static HTAB *task_tables = NULL;
static HTAB *user_tables = NULL;

static HTAB *
make_cache(const char *name)
{
	HASHCTL		control;

	memset(&control, 0, sizeof(control));
	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(Bound);
	control.hcxt = CacheMemoryContext;
	return hash_create(name, 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Is the relation this table, or a partition of it? */
static bool
belongs_to(Relation relation, List *ancestors, Oid table)
{
	return RelationGetRelid(relation) == table || list_member_oid(ancestors, table);
}

static void
warn_missing(Relation relation, const char *column)
{
	ereport(WARNING,
			(errmsg("table \"%s\" has no column \"%s\" any more, which taskchat was to follow",
					RelationGetRelationName(relation), column),
			 errhint("Unbind the table and bind it again.")));
}

static void
describe_tasks(Bound *bound, Relation relation, const Binding *binding)
{
	int			i;

	bound->root = binding->tasks;
	bound->key_name = pstrdup(binding->task_key);
	render_prepare(&bound->key, relation, binding->task_key, false);
	render_prepare(&bound->creator, relation, binding->creator_key, false);
	if (bound->key.number == InvalidAttrNumber || bound->creator.number == InvalidAttrNumber)
	{
		warn_missing(relation, bound->key.number == InvalidAttrNumber ? binding->task_key : binding->creator_key);
		return;
	}
	bound->bound = true;
	bound->watch = palloc(sizeof(char *) * Max(binding->watch_count, 1));
	bound->columns = palloc(sizeof(Column) * Max(binding->watch_count, 1));
	for (i = 0; i < binding->watch_count; i++)
	{
		Column	   *column = &bound->columns[bound->watch_count];

		render_prepare(column, relation, binding->watch[i], true);
		if (column->number == InvalidAttrNumber)
			warn_missing(relation, binding->watch[i]);
		else
			bound->watch[bound->watch_count++] = pstrdup(binding->watch[i]);
	}
}

static void
describe_users(Bound *bound, Relation relation, const Binding *binding)
{
	bound->root = binding->users;
	bound->key_name = pstrdup(binding->user_key);
	render_prepare(&bound->key, relation, binding->user_key, false);
	bound->bound = bound->key.number != InvalidAttrNumber;
	if (!bound->bound)
		warn_missing(relation, binding->user_key);
}

static void
describe(Bound *bound, Relation relation, bool users)
{
	List	   *bindings = bindings_read();
	List	   *ancestors = relation->rd_rel->relispartition ?
		get_partition_ancestors(RelationGetRelid(relation)) : NIL;
	ListCell   *cell;

	bound->context = AllocSetContextCreate(CacheMemoryContext, "taskchat bound table", ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(bound->context);
	foreach(cell, bindings)
	{
		Binding    *binding = lfirst(cell);

		if (!users && belongs_to(relation, ancestors, binding->tasks))
			describe_tasks(bound, relation, binding);
		else if (users && OidIsValid(binding->users) && belongs_to(relation, ancestors, binding->users))
			describe_users(bound, relation, binding);
		if (bound->bound)
			break;
	}
}

/*
 * What is known about the relation, as a copy: what the trigger does may make
 * it obsolete.  False: it is not bound (any more).
 */
static bool
find_bound(Relation relation, bool users, Bound *result)
{
	HTAB	  **cache = users ? &user_tables : &task_tables;
	Oid			relid = RelationGetRelid(relation);
	MemoryContext old = CurrentMemoryContext;
	Bound	   *bound;
	bool		found;

	if (*cache == NULL)
		*cache = make_cache(users ? "taskchat users" : "taskchat tasks");
	bound = hash_search(*cache, &relid, HASH_ENTER, &found);
	if (!found)
		memset(bound, 0, sizeof(*bound));
	if (!bound->valid)
	{
		uint64		before = invalidations;

		/* An outer trigger may still use the old description: until the transaction ends. */
		if (bound->context)
			MemoryContextSetParent(bound->context, TopTransactionContext);
		memset(bound, 0, sizeof(*bound));
		bound->relid = relid;
		describe(bound, relation, users);
		MemoryContextSwitchTo(old);
		bound->valid = before == invalidations;
	}
	*result = *bound;
	return bound->bound;
}

static void
invalidate(HTAB *cache, Oid relid)
{
	HASH_SEQ_STATUS status;
	Bound	   *bound;

	if (cache == NULL)
		return;
	hash_seq_init(&status, cache);
	while ((bound = hash_seq_search(&status)) != NULL)
		if (!OidIsValid(relid) || bound->relid == relid)
			bound->valid = false;
}

static void
at_relcache_event(Datum argument, Oid relid)
{
	invalidations++;
	invalidate(task_tables, relid);
	invalidate(user_tables, relid);
}

void
bound_init(void)
{
	CacheRegisterRelcacheCallback(at_relcache_event, (Datum) 0);
}

/* A change of the task, without values yet. */
static StageItem
new_change(const Bound *bound, char *task_id)
{
	StageItem	change = {.op = STAGE_TASK,.id = task_id};

	change.watch = stage_watch(bound->root, bound->watch_count, bound->watch);
	change.old_values = palloc0(sizeof(char *) * Max(bound->watch_count, 1));
	change.new_values = palloc0(sizeof(char *) * Max(bound->watch_count, 1));
	return change;
}

static void
all_values(const Bound *bound, Relation relation, HeapTuple row, char **values)
{
	int			i;

	for (i = 0; i < bound->watch_count; i++)
		values[i] = render_json(&bound->columns[i], relation, row);
}

/*
 * A row is there that wasn't.  It may be one that went before: of another
 * partition, reloaded, or (renamed) one whose key another row has given up or
 * is yet to give up.
 */
static void
task_appears(Bound *bound, Relation relation, HeapTuple row, bool renamed)
{
	char	   *task_id = render_text(&bound->key, relation, row);
	char	   *creator_id = render_text(&bound->creator, relation, row);
	StageItem	change;

	if (!id_usable(task_id))
	{
		ereport(WARNING,
				(errmsg("taskchat opens no room for a task without a usable key"),
				 errhint("It is not null, not empty and at most %d bytes long.", TASKCHAT_MAX_ID)));
		return;
	}
	change = new_change(bound, task_id);
	change.back = true;
	if (renamed || stage_has_task(change.watch, task_id))
	{
		all_values(bound, relation, row, change.new_values);
		change.new_creator = id_usable(creator_id) ? creator_id : NULL;
		stage_task(&change);
	}
	if (id_usable(creator_id))
		roster_open(task_id, creator_id);
	else
		ereport(WARNING,
				(errmsg("taskchat opens no room for task \"%s\" without a usable creator", task_id),
				 errhint("It is not null, not empty and at most %d bytes long.", TASKCHAT_MAX_ID)));
}

/* A row is gone, perhaps to come back. */
static void
task_goes(Bound *bound, Relation relation, HeapTuple row)
{
	char	   *task_id = render_text(&bound->key, relation, row);
	StageItem	change;

	if (!id_usable(task_id))
		return;
	change = new_change(bound, task_id);
	change.gone = true;
	all_values(bound, relation, row, change.old_values);
	change.old_creator = render_text(&bound->creator, relation, row);
	stage_task(&change);
}

/* Another creator: the room's, unless that can be none. */
static bool
creator_changes(Bound *bound, Relation relation, HeapTuple old, HeapTuple new, StageItem *change)
{
	char	   *before = render_text(&bound->creator, relation, old);
	char	   *after = render_text(&bound->creator, relation, new);

	if (before && after && strcmp(before, after) == 0)
		return false;
	if (!id_usable(after))
	{
		ereport(WARNING,
				(errmsg("the room of task \"%s\" keeps its creator", change->id),
				 errdetail("The new one is null, empty or longer than %d bytes.", TASKCHAT_MAX_ID)));
		return false;
	}
	change->old_creator = before;
	change->new_creator = after;
	if (!id_usable(before))
		roster_open(change->id, after);
	return true;
}

static bool
values_change(Bound *bound, Relation relation, HeapTuple old, HeapTuple new, StageItem *change)
{
	bool		changed = false;
	int			i;

	for (i = 0; i < bound->watch_count; i++)
	{
		Column	   *column = &bound->columns[i];

		if (render_same(column, relation, old, new))
			continue;
		change->old_values[i] = render_json(column, relation, old);
		change->new_values[i] = render_json(column, relation, new);
		changed |= strcmp(change->old_values[i], change->new_values[i]) != 0;
	}
	return changed;
}

/* A task with another key is another task. */
static void
task_changes(Bound *bound, Relation relation, HeapTuple old, HeapTuple new)
{
	char	   *task_id = render_text(&bound->key, relation, new);
	StageItem	change;
	bool		changed;

	if (!render_same(&bound->key, relation, old, new))
	{
		char	   *old_id = render_text(&bound->key, relation, old);

		if (old_id == NULL || task_id == NULL || strcmp(old_id, task_id) != 0)
		{
			task_goes(bound, relation, old);
			task_appears(bound, relation, new, true);
			return;
		}
	}
	if (!id_usable(task_id))
		return;
	change = new_change(bound, task_id);
	changed = values_change(bound, relation, old, new, &change);
	if (!render_same(&bound->creator, relation, old, new) &&
		creator_changes(bound, relation, old, new, &change))
		changed = true;
	if (changed)
		stage_task(&change);
}

static void
tasks_truncated(Bound *bound, Relation relation)
{
	int			count;
	char	  **keys = bound_keys(RelationGetRelid(relation), bound->key_name, &count);
	int			i;

	for (i = 0; i < count; i++)
	{
		StageItem	change = new_change(bound, keys[i]);

		change.gone = true;
		stage_task(&change);
		pfree(change.old_values);
		pfree(change.new_values);
	}
}

static void
users_truncated(Bound *bound, Relation relation)
{
	int			count;
	char	  **keys = bound_keys(RelationGetRelid(relation), bound->key_name, &count);
	int			i;

	for (i = 0; i < count; i++)
		stage_user(bound->root, keys[i]);
}

/* After each row, and before TRUNCATE: nothing else. */
static TriggerData *
check_trigger(FunctionCallInfo fcinfo)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		(TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event) ? !TRIGGER_FIRED_BEFORE(trigger->tg_event) :
		 !TRIGGER_FIRED_AFTER(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event)))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("this function serves only as trigger of bound tables"),
				 errhint("bind_tasks() makes these triggers.")));
	return trigger;
}

/* Trigger of a bound table of tasks. */
Datum
taskchat_bound_task(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = check_trigger(fcinfo);
	Relation	relation = trigger->tg_relation;
	Bound		bound;

	if (!find_bound(relation, false, &bound))
		return PointerGetDatum(NULL);
	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		tasks_truncated(&bound, relation);
	else if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		task_appears(&bound, relation, trigger->tg_trigtuple, false);
	else if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		task_changes(&bound, relation, trigger->tg_trigtuple, trigger->tg_newtuple);
	else
		task_goes(&bound, relation, trigger->tg_trigtuple);
	return PointerGetDatum(NULL);
}

/* Trigger of a bound table of users. */
Datum
taskchat_bound_user(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = check_trigger(fcinfo);
	Relation	relation = trigger->tg_relation;
	Bound		bound;
	char	   *user_id;

	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event) || !find_bound(relation, true, &bound))
		return PointerGetDatum(NULL);
	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
	{
		users_truncated(&bound, relation);
		return PointerGetDatum(NULL);
	}
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) &&
		render_same(&bound.key, relation, trigger->tg_trigtuple, trigger->tg_newtuple))
		return PointerGetDatum(NULL);
	user_id = render_text(&bound.key, relation, trigger->tg_trigtuple);
	if (id_usable(user_id))
		stage_user(bound.root, user_id);	/* the commit finds out whether it is gone */
	return PointerGetDatum(NULL);
}
