/*
 * straight.c
 *	  A row goes straight into its table and indexes: what the executor does
 *	  for an INSERT whose row is known to be right, at a third of its cost.
 *
 * That holds only where nobody but the extension wants to see the row: no
 * trigger, rule, policy, key or column that somebody has added or changed.
 * Constraints (NOT NULL, CHECK) and indexes are whatever there is.
 */
#include "taskchat.h"

#include "access/amapi.h"
#include "access/genam.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "nodes/nodeFuncs.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/*
 * What the executor makes up to check rows and to put them into a relation's
 * indexes, kept from one row to the next until the relation or an index changes:
 * it costs a sixth of an insertion.  Relations are opened anew each time.
 * Functions and access methods that aren't PostgreSQL's own may rely on its
 * being gone after the statement: where there are any, nothing is kept.
 */
static struct
{
	MemoryContext context;		/* of the other pointers; NULL: there is nothing */
	Oid			relation;		/* InvalidOid: it is not to be used any more */
	bool		making;			/* not all indexes are known */
	bool		in_use;			/* now, or when an error came */
	bool		for_once;		/* somebody else's functions are in it */
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

/* Nobody has added columns, or made of one a domain, or given it a length. */
static bool
columns_fit(TupleDesc desc, int columns, const Oid *types)
{
	int			i;

	if (desc->natts != columns || desc->constr == NULL || desc->constr->has_generated_stored)
		return false;
	for (i = 0; i < columns; i++)
		if (TupleDescAttr(desc, i)->atttypid != types[i] || TupleDescAttr(desc, i)->atttypmod != -1)
			return false;
	return true;
}

/* There is no foreign key but that of this column to the relation itself. */
static bool
foreign_keys_fit(Relation relation, AttrNumber column)
{
	ListCell   *cell;

	foreach(cell, RelationGetFKeyList(relation))
	{
		const ForeignKeyCacheInfo *key = lfirst(cell);

		if (key->confrelid != RelationGetRelid(relation) || key->nkeys != 1 || key->conkey[0] != column)
			return false;
	}
	return true;
}

/* A unique key that is deferred has a trigger of the system, as a foreign key has. */
static bool
triggers_fit(const TriggerDesc *triggers, const char *own)
{
	bool		own_fires = false;
	int			i;

	for (i = 0; triggers && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (!fires(trigger) || (trigger->tgisinternal && trigger->tgfoid == F_RI_FKEY_CHECK_INS))
			continue;
		if (trigger->tgisinternal || strcmp(trigger->tgname, own) != 0)
			return false;
		own_fires = true;
	}
	return own_fires;
}

/*
 * Do columns, keys and triggers of the relation stand as we have made them?
 * The caller does the work of trigger "own", and of the foreign key of that
 * column.
 */
bool
straight_fits(Relation relation, int columns, const Oid *types, AttrNumber foreign_key, const char *own)
{
	Form_pg_class class = relation->rd_rel;

	return !kept.in_use && SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA &&
		relation->rd_rules == NULL && !class->relispartition && !class->relforcerowsecurity &&
		(!class->relrowsecurity || pg_class_ownercheck(RelationGetRelid(relation), GetUserId())) &&
		columns_fit(RelationGetDescr(relation), columns, types) &&
		triggers_fit(relation->trigdesc, own) && foreign_keys_fit(relation, foreign_key);
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

static bool
is_foreign(Oid object, void *context)
{
	return object >= FirstNormalObjectId;
}

static bool
calls_foreign(Node *node, void *context)
{
	return node != NULL &&
		(check_functions_in_node(node, is_foreign, context) || expression_tree_walker(node, calls_foreign, context));
}

static bool
index_is_foreign(Relation index, const IndexInfo *info)
{
	int			i;

	for (i = 0; i < IndexRelationGetNumberOfKeyAttributes(index) * index->rd_indam->amsupport; i++)
		if (is_foreign(index->rd_support[i], NULL))
			return true;
	return is_foreign(index->rd_rel->relam, NULL) || info->ii_ExclusionOps != NULL ||
		calls_foreign((Node *) info->ii_Expressions, NULL) || calls_foreign((Node *) info->ii_Predicate, NULL);
}

/* Does somebody else's code check the relation's rows, or put them into an index? */
static bool
has_foreign_parts(Relation relation)
{
	const TupleConstr *constraints = RelationGetDescr(relation)->constr;
	int			i;

	for (i = 0; i < constraints->num_check; i++)
		if (calls_foreign(stringToNode(constraints->check[i].ccbin), NULL))
			return true;
	for (i = 0; i < kept.result->ri_NumIndices; i++)
		if (index_is_foreign(kept.result->ri_IndexRelationDescs[i], kept.result->ri_IndexRelationInfo[i]))
			return true;
	return false;
}

static void
make(Relation relation)
{
	MemoryContext old;
	int			i;

	if (kept.context)
		MemoryContextDelete(kept.context);
	kept.context = NULL;
	kept.context = AllocSetContextCreate(TopMemoryContext, "taskchat indexer", ALLOCSET_DEFAULT_SIZES);
	kept.making = true;
	kept.relation = RelationGetRelid(relation);
	old = MemoryContextSwitchTo(kept.context);
	kept.estate = CreateExecutorState();
	MemoryContextSwitchTo(kept.estate->es_query_cxt);
	kept.result = makeNode(ResultRelInfo);
	InitResultRelInfo(kept.result, relation, 0, NULL, 0);
	ExecOpenIndices(kept.result, false);
	kept.indexes = palloc(sizeof(Oid) * kept.result->ri_NumIndices);
	for (i = 0; i < kept.result->ri_NumIndices; i++)
		kept.indexes[i] = RelationGetRelid(kept.result->ri_IndexRelationDescs[i]);
	kept.for_once = has_foreign_parts(relation);
	MemoryContextSwitchTo(old);
	kept.making = false;
}

static void
close_relations(void)
{
	int			i;

	for (i = 0; i < kept.result->ri_NumIndices; i++)
		if (kept.result->ri_IndexRelationDescs[i])
			index_close(kept.result->ri_IndexRelationDescs[i], NoLock);
}

/* Is the row one for this index?  It may be a partial one. */
static bool
is_for(const IndexInfo *info, TupleTableSlot *slot)
{
	ExprContext *context = GetPerTupleExprContext(kept.estate);

	context->ecxt_scantuple = slot;
	return ExecQual(info->ii_PredicateState, context);
}

/*
 * Opens the indexes that the row is for; their locks stay, as the relation's
 * does.  What is kept points into open relations: a change that we hear of in
 * between makes it void.
 */
static void
open_indexes(Relation relation, TupleTableSlot *slot)
{
	int			i;

	if (kept.relation == RelationGetRelid(relation))
	{
		kept.result->ri_RelationDesc = relation;
		for (i = 0; i < kept.result->ri_NumIndices; i++)
			kept.result->ri_IndexRelationDescs[i] = is_for(kept.result->ri_IndexRelationInfo[i], slot) ?
				index_open(kept.indexes[i], RowExclusiveLock) : NULL;
		if (kept.relation == RelationGetRelid(relation))
			return;
		close_relations();
	}
	make(relation);
}

static void
close_indexes(void)
{
	close_relations();
	ResetPerTupleExprContext(kept.estate);
	if (kept.for_once)
		kept.relation = InvalidOid;
}

/*
 * Insert the row; row->t_self then says where it is.  23505 where it breaks a
 * unique key, 23502 or 23514 a constraint.  straight_fits() has said yes, and
 * the relation is open with RowExclusiveLock.
 */
void
straight_insert(Relation relation, HeapTuple row)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(relation), &TTSOpsHeapTuple);

	kept.in_use = true;
	ExecStoreHeapTuple(row, slot, false);
	slot->tts_tableOid = RelationGetRelid(relation);
	open_indexes(relation, slot);
	ExecConstraints(kept.result, slot, kept.estate);
	table_tuple_insert(relation, slot, GetCurrentCommandId(true), 0, NULL);
	ItemPointerCopy(&slot->tts_tid, &row->t_self);
	(void) ExecInsertIndexTuples(kept.result, slot, kept.estate, false, false, NULL, NIL);
	close_indexes();
	kept.in_use = false;
	ExecDropSingleTupleTableSlot(slot);
	CommandCounterIncrement();
}
