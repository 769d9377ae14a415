/*
 * straight.c
 *	  A row goes straight into its table and indexes: what the executor does
 *	  for an INSERT whose row is known to be right, at a third of its cost.
 *
 * That holds only where nobody but the extension wants to see the row: no
 * trigger, rule, policy, check or column that somebody has added.
 */
#include "taskchat.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/*
 * What the executor makes up to put rows into a relation's indexes, kept from
 * one row to the next until the relation or an index changes: it costs a sixth
 * of an insertion.  Relations are opened anew each time.
 */
static struct
{
	MemoryContext context;		/* of the other pointers; NULL: there is nothing */
	Oid			relation;		/* InvalidOid: it is not to be used any more */
	bool		making;			/* not all indexes are known */
	bool		in_use;			/* now, or when an error came */
	EState	   *estate;
	ResultRelInfo *result;
	Oid		   *indexes;
}			kept;

/* Would an INSERT fire that trigger? */
static bool
fires(const Trigger *trigger)
{
	return (trigger->tgtype & TRIGGER_TYPE_INSERT) != 0 && trigger->tgenabled != TRIGGER_DISABLED;
}

/*
 * Do columns, checks, keys and triggers of the relation stand as we have made
 * them?  The caller does the work of trigger "own", and of so many foreign keys;
 * somebody else's key (or one that is deferred) has a trigger of the system too.
 */
bool
straight_fits(Relation relation, int columns, int checks, int foreign_keys, const char *own)
{
	TupleDesc	desc = RelationGetDescr(relation);
	TriggerDesc *triggers = relation->trigdesc;
	bool		own_fires = false;
	int			i;

	if (kept.in_use || SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA ||
		desc->natts != columns || desc->constr == NULL || desc->constr->num_check != checks ||
		desc->constr->has_generated_stored || relation->rd_rules != NULL ||
		relation->rd_rel->relforcerowsecurity || triggers == NULL)
		return false;
	for (i = 0; i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (!fires(trigger))
			continue;
		if (trigger->tgisinternal)
		{
			if (--foreign_keys < 0)
				return false;
			continue;
		}
		if (strcmp(trigger->tgname, own) != 0)
			return false;
		own_fires = true;
	}
	return own_fires;
}

static bool
concerns(Oid relation)
{
	int			i;

	if (!OidIsValid(relation) || relation == kept.relation || kept.making)
		return true;
	for (i = 0; i < kept.result->ri_NumIndices; i++)
		if (kept.indexes[i] == relation)
			return true;
	return false;
}

/* A relation has changed; InvalidOid: any may have. */
void
straight_forget(Oid relation)
{
	if (OidIsValid(kept.relation) && concerns(relation))
		kept.relation = InvalidOid;
}

/* The transaction has ended. */
void
straight_end(void)
{
	if (kept.in_use)
		kept.relation = InvalidOid;
	kept.in_use = kept.making = false;
}

static void
make(Relation relation)
{
	MemoryContext old;
	int			i;

	if (kept.context)
		MemoryContextDelete(kept.context);
	kept.context = AllocSetContextCreate(TopMemoryContext, "taskchat indexer", ALLOCSET_DEFAULT_SIZES);
	kept.making = true;
	kept.relation = RelationGetRelid(relation);
	old = MemoryContextSwitchTo(kept.context);
	kept.estate = CreateExecutorState();
	MemoryContextSwitchTo(kept.estate->es_query_cxt);
	kept.result = makeNode(ResultRelInfo);
	InitResultRelInfo(kept.result, relation, 1, NULL, 0);
	ExecOpenIndices(kept.result, false);
	kept.indexes = palloc(sizeof(Oid) * kept.result->ri_NumIndices);
	for (i = 0; i < kept.result->ri_NumIndices; i++)
		kept.indexes[i] = RelationGetRelid(kept.result->ri_IndexRelationDescs[i]);
	MemoryContextSwitchTo(old);
	kept.making = false;
}

/*
 * Opens the indexes; their locks stay, as the relation's does.  What is kept
 * points into open relations: a change that we hear of in between makes it
 * void.
 */
static void
open_indexes(Relation relation)
{
	int			i;

	if (kept.relation == RelationGetRelid(relation))
	{
		kept.result->ri_RelationDesc = relation;
		for (i = 0; i < kept.result->ri_NumIndices; i++)
			kept.result->ri_IndexRelationDescs[i] = index_open(kept.indexes[i], RowExclusiveLock);
		if (kept.relation == RelationGetRelid(relation))
			return;
		for (i = 0; i < kept.result->ri_NumIndices; i++)
			index_close(kept.result->ri_IndexRelationDescs[i], NoLock);
	}
	make(relation);
}

static void
close_indexes(void)
{
	int			i;

	for (i = 0; i < kept.result->ri_NumIndices; i++)
		index_close(kept.result->ri_IndexRelationDescs[i], NoLock);
	ResetPerTupleExprContext(kept.estate);
}

/*
 * Insert the row; row->t_self then says where it is.  23505 where it breaks a
 * unique key.  straight_fits() has said yes, and the relation is open with
 * RowExclusiveLock.
 */
void
straight_insert(Relation relation, HeapTuple row)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(relation), &TTSOpsHeapTuple);

	kept.in_use = true;
	open_indexes(relation);
	ExecStoreHeapTuple(row, slot, false);
	slot->tts_tableOid = RelationGetRelid(relation);
	table_tuple_insert(relation, slot, GetCurrentCommandId(true), 0, NULL);
	ItemPointerCopy(&slot->tts_tid, &row->t_self);
	(void) ExecInsertIndexTuples(kept.result, slot, kept.estate, false, false, NULL, NIL);
	close_indexes();
	kept.in_use = false;
	ExecDropSingleTupleTableSlot(slot);
	CommandCounterIncrement();
}
