/*
 * binding.c
 *	  Which of the application's own tables are bound, and what they are asked.
 *
 * Whoever owns such a table decides what runs when it is read: operators and
 * casts of its column types are code.  So every question is put with the
 * rights of the table's owner, restricted as a maintenance command's and with
 * a search_path of our own, never with ours.  That holds at commit too, where
 * an answer that cannot be had is no error: nothing is deleted then.
 */
#include "taskchat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#define BACKFILL_BATCH 10000
#define BACKFILL_NOTICE 100000

PG_FUNCTION_INFO_V1(taskchat_require_task);
PG_FUNCTION_INFO_V1(taskchat_missing_tasks);
PG_FUNCTION_INFO_V1(taskchat_check_key);
PG_FUNCTION_INFO_V1(taskchat_bind_tasks);
PG_FUNCTION_INFO_V1(taskchat_unbind_tasks);
PG_FUNCTION_INFO_V1(taskchat_backfill_rooms);

/* The rights of a table's owner, to be given back. */
typedef struct Ownership
{
	Rights		saved;
	int			guc_level;
} Ownership;

/* May this be the id of a task or a user? */
bool
id_usable(const char *id)
{
	return id != NULL && id[0] != '\0' && strlen(id) <= TASKCHAT_MAX_ID;
}

static Form_pg_class
class_form(Oid relid, HeapTuple *tuple)
{
	*tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	if (!HeapTupleIsValid(*tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE), errmsg("table with OID %u does not exist", relid),
				 errhint("Name the table, such as 'public.tasks'.")));
	return (Form_pg_class) GETSTRUCT(*tuple);
}

static void
become_table_owner(Oid relid, Ownership *ownership)
{
	HeapTuple	tuple;
	Oid			owner = class_form(relid, &tuple)->relowner;

	ReleaseSysCache(tuple);
	GetUserIdAndSecContext(&ownership->saved.user_id, &ownership->saved.sec_context);
	SetUserIdAndSecContext(owner, ownership->saved.sec_context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION | SECURITY_NOFORCE_RLS);
	ownership->guc_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

static void
give_back(const Ownership *ownership)
{
	AtEOXact_GUC(false, ownership->guc_level);
	rights_restore(&ownership->saved);
}

static char *
qualified_name(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid));
}

static Datum
column_datum(HeapTuple row, TupleDesc desc, const char *name, bool *isnull)
{
	int			i;

	for (i = 0; i < desc->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(desc, i)->attname), name) == 0)
			return heap_getattr(row, i + 1, desc, isnull);
	elog(ERROR, "column %s of taskchat.bindings is missing", name);
}

static Binding *
read_binding(HeapTuple row, TupleDesc desc)
{
	Binding    *binding = palloc0(sizeof(Binding));
	bool		isnull;
	Datum		users;
	Datum	   *names;
	int			i;

	binding->tasks = DatumGetObjectId(column_datum(row, desc, "tasks", &isnull));
	binding->task_key = pstrdup(NameStr(*DatumGetName(column_datum(row, desc, "task_key", &isnull))));
	binding->creator_key = pstrdup(NameStr(*DatumGetName(column_datum(row, desc, "creator_key", &isnull))));
	deconstruct_array(DatumGetArrayTypeP(column_datum(row, desc, "watch", &isnull)), NAMEOID, NAMEDATALEN, false,
					  TYPALIGN_CHAR, &names, NULL, &binding->watch_count);
	binding->watch = palloc(sizeof(char *) * Max(binding->watch_count, 1));
	for (i = 0; i < binding->watch_count; i++)
		binding->watch[i] = pstrdup(NameStr(*DatumGetName(names[i])));
	users = column_datum(row, desc, "users", &isnull);
	if (!isnull && SearchSysCacheExists1(RELOID, users))
	{
		binding->users = DatumGetObjectId(users);
		binding->user_key = pstrdup(NameStr(*DatumGetName(column_datum(row, desc, "user_key", &isnull))));
	}
	return binding;
}

/* All bindings (of Binding) whose table still exists, as committed now. */
List *
bindings_read(void)
{
	Relation	bindings = table_open(relation_oid("bindings"), AccessShareLock);
	SysScanDesc scan = systable_beginscan(bindings, InvalidOid, false, SnapshotSelf, 0, NULL);
	List	   *result = NIL;
	HeapTuple	row;

	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		Binding    *binding = read_binding(row, RelationGetDescr(bindings));

		if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(binding->tasks)))
			result = lappend(result, binding);
	}
	systable_endscan(scan);
	table_close(bindings, AccessShareLock);
	return result;
}

/* SQL that is true where column key of t is the value that the text is the canonical form of. */
static char *
key_condition(Oid relid, const char *key, const char *text)
{
	AttrNumber	column = get_attnum(relid, key);
	Oid			type;
	int32		typmod;
	Oid			collation;
	Oid			equals;
	HeapTuple	tuple;
	Form_pg_operator operator;
	char	   *result;

	if (column == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist", key, get_rel_name(relid)),
				 errhint("Bind the table again after renaming its key.")));
	get_atttypetypmodcoll(relid, column, &type, &typmod, &collation);
	equals = lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr;
	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(equals));
	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("type %s of column \"%s\" has no equality operator", format_type_be(type), key),
				 errhint("A key is of type text, varchar, uuid, bigint or int, or of another type that can be compared.")));
	operator = (Form_pg_operator) GETSTRUCT(tuple);
	result = psprintf("t.%s OPERATOR(%s.%s) (%s)::%s AND (t.%s)::pg_catalog.text OPERATOR(pg_catalog.=) (%s COLLATE pg_catalog.\"C\")",
					  quote_identifier(key),
					  quote_identifier(get_namespace_name(operator->oprnamespace)), NameStr(operator->oprname),
					  text, format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY),
					  quote_identifier(key), text);
	ReleaseSysCache(tuple);
	return result;
}

/* A question to a table. */
typedef struct Question
{
	Oid			relid;
	const char *key;			/* its column */
	int			count;
	const char **values;
	bool	   *present;		/* the answer, by value */
	bool		lock;			/* FOR KEY SHARE; of one value only */
} Question;

static Datum
text_array(int count, const char **values)
{
	Datum	   *texts = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Datum) * Max(count, 1));
	int			i;

	for (i = 0; i < count; i++)
		texts[i] = CStringGetTextDatum(values[i]);
	return PointerGetDatum(construct_array(texts, count, TEXTOID, -1, false, TYPALIGN_INT));
}

static void
ask(void *argument)
{
	Question   *question = argument;
	Oid			type = question->lock ? TEXTOID : TEXTARRAYOID;
	Datum		value = question->lock ? CStringGetTextDatum(question->values[0]) :
		text_array(question->count, question->values);
	Ownership	ownership;
	char	   *sql;
	uint64		i;

	if (question->lock)
		sql = psprintf("SELECT 1::pg_catalog.int8 FROM %s t WHERE %s FOR KEY SHARE", qualified_name(question->relid),
					   key_condition(question->relid, question->key, "$1"));
	else
		sql = psprintf("SELECT k.i FROM pg_catalog.unnest($1) WITH ORDINALITY AS k (v, i)"
					   " WHERE EXISTS (SELECT FROM %s t WHERE %s)", qualified_name(question->relid),
					   key_condition(question->relid, question->key, "k.v"));
	CommandCounterIncrement();	/* the statement that is under way counts too */
	become_table_owner(question->relid, &ownership);
	SPI_connect();
	PushActiveSnapshot(GetLatestSnapshot());
	if (SPI_execute_with_args(sql, 1, &type, &value, NULL, !question->lock, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look for rows of \"%s\"", get_rel_name(question->relid));
	PopActiveSnapshot();
	for (i = 0; i < SPI_processed; i++)
	{
		bool		isnull;

		question->present[DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull)) - 1] = true;
	}
	SPI_finish();
	give_back(&ownership);
}

/* Says the error that the column's type, or its domain, has no such value? */
static bool
is_no_value(const ErrorData *error)
{
	int			category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	return category == ERRCODE_DATA_EXCEPTION || category == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION;
}

/*
 * Ask at commit.  A value that the column's type does not have is not there;
 * after any other error it is taken to be there.
 */
static void
ask_carefully(Question *question)
{
	ErrorData  *error = try_in_subtransaction(ask, question);
	int			i;

	if (error == NULL)
		return;
	if (!is_no_value(error))
	{
		ereport(WARNING,
				(errmsg("taskchat could not look for rows of table \"%s\"", get_rel_name(question->relid)),
				 errdetail("%s", error->message),
				 errhint("taskchat.orphaned_rooms() lists the rooms that stay behind.")));
		memset(question->present, true, question->count);
		return;
	}
	/* One of several spoils the answer for all, so each is asked for alone. */
	for (i = 0; question->count > 1 && i < question->count; i++)
	{
		Question	one = *question;

		one.count = 1;
		one.values += i;
		one.present += i;
		ask_carefully(&one);
	}
}

/* Ask for those of the values that have not been found yet. */
static void
ask_for_rest(Oid relid, const char *key, int count, const char **values, bool *present)
{
	Question	question = {relid, key, 0, palloc_extended(sizeof(char *) * Max(count, 1), MCXT_ALLOC_HUGE), NULL, false};
	int		   *places = palloc_extended(sizeof(int) * Max(count, 1), MCXT_ALLOC_HUGE);
	int			i;

	for (i = 0; i < count; i++)
		if (!present[i])
		{
			places[question.count] = i;
			question.values[question.count++] = values[i];
		}
	question.present = palloc_extended(Max(question.count, 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	if (question.count > 0)
		ask_carefully(&question);
	for (i = 0; i < question.count; i++)
		present[places[i]] = question.present[i];
}

/*
 * Which tasks (or users) of staged items, all of one kind, are in none of the
 * bound tables any more.  What came from a table that is not bound (any more)
 * counts as there.
 */
bool *
bound_rows_missing(StageItem **items, int count)
{
	List	   *bindings = bindings_read();
	const char **values = palloc_extended(sizeof(char *) * count, MCXT_ALLOC_HUGE);
	bool	   *present = palloc_extended(count, MCXT_ALLOC_HUGE);
	bool		users = items[0]->op == STAGE_USER;
	ListCell   *cell;
	int			i;

	for (i = 0; i < count; i++)
	{
		values[i] = items[i]->id;
		present[i] = true;
		foreach(cell, bindings)
		{
			Binding    *binding = lfirst(cell);

			if (users ? binding->users == items[i]->users : binding->tasks == items[i]->watch->tasks)
				present[i] = false;
		}
	}
	foreach(cell, bindings)
	{
		Binding    *binding = lfirst(cell);

		if (!users)
			ask_for_rest(binding->tasks, binding->task_key, count, values, present);
		else if (OidIsValid(binding->users))
			ask_for_rest(binding->users, binding->user_key, count, values, present);
	}
	for (i = 0; i < count; i++)
		present[i] = !present[i];
	return present;
}

/* Is this task in none of the bound tables?  False where none is bound. */
bool
bound_task_missing(const char *task_id)
{
	List	   *bindings = bindings_read();
	bool		present = false;
	ListCell   *cell;

	foreach(cell, bindings)
		ask_for_rest(((Binding *) lfirst(cell))->tasks, ((Binding *) lfirst(cell))->task_key, 1, &task_id, &present);
	return bindings != NIL && !present;
}

/* The keys of a table that is to be listed. */
typedef struct Listing
{
	Oid			relid;
	const char *key;
	char	  **keys;			/* in context */
	int			count;
	MemoryContext context;
} Listing;

static void
list_keys(void *argument)
{
	Listing    *listing = argument;
	char	   *sql = psprintf("SELECT (t.%s)::pg_catalog.text FROM ONLY %s t",
							   quote_identifier(listing->key), qualified_name(listing->relid));
	Ownership	ownership;
	uint64		i;

	CommandCounterIncrement();
	become_table_owner(listing->relid, &ownership);
	SPI_connect();
	PushActiveSnapshot(GetLatestSnapshot());
	if (SPI_execute(sql, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not list the keys of \"%s\"", get_rel_name(listing->relid));
	PopActiveSnapshot();
	listing->keys = MemoryContextAllocHuge(listing->context, sizeof(char *) * Max(SPI_processed, 1));
	for (i = 0; i < SPI_processed; i++)
	{
		char	   *key = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);

		if (id_usable(key))
			listing->keys[listing->count++] = MemoryContextStrdup(listing->context, key);
	}
	SPI_finish();
	give_back(&ownership);
}

/* The usable keys of a table about to be truncated, as of now; none, with a warning, where they can't be read. */
char **
bound_keys(Oid relid, const char *key, int *count)
{
	Listing		listing = {relid, key, NULL, 0, CurrentMemoryContext};
	ErrorData  *error = try_in_subtransaction(list_keys, &listing);

	if (error)
		ereport(WARNING,
				(errmsg("taskchat could not read the keys of table \"%s\"", get_rel_name(relid)),
				 errdetail("%s", error->message),
				 errhint("taskchat.orphaned_rooms() lists the rooms that stay behind.")));
	*count = error ? 0 : listing.count;
	return listing.keys;
}

/* require_task(task_id): P0002 when tables are bound and none of them has it; its row is locked FOR KEY SHARE. */
Datum
taskchat_require_task(PG_FUNCTION_ARGS)
{
	const char *task_id = text_to_cstring(PG_GETARG_TEXT_PP(0));
	List	   *bindings = bindings_read();
	ListCell   *cell;

	if (bindings == NIL)
		PG_RETURN_VOID();
	foreach(cell, bindings)
	{
		Binding    *binding = lfirst(cell);
		bool		present = false;
		Question	question = {binding->tasks, binding->task_key, 1, &task_id, &present, true};
		ErrorData  *error = try_in_subtransaction(ask, &question);

		if (error && !is_no_value(error))
			ReThrowError(error);
		if (present)
			PG_RETURN_VOID();
	}
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 errmsg("no such task"),
			 errhint("No bound table has a row with that key, written as the database writes it.")));
}

/* missing_tasks(task_ids text[]) → text[]: those that no bound table has; empty when none is bound. */
Datum
taskchat_missing_tasks(PG_FUNCTION_ARGS)
{
	List	   *bindings = bindings_read();
	Datum	   *texts;
	const char **values;
	bool	   *present;
	int			count;
	int			n = 0;
	int			i;
	ListCell   *cell;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &texts, NULL, &count);
	values = palloc(sizeof(char *) * Max(count, 1));
	present = palloc0(Max(count, 1));
	for (i = 0; i < count; i++)
		values[i] = TextDatumGetCString(texts[i]);
	foreach(cell, bindings)
		ask_for_rest(((Binding *) lfirst(cell))->tasks, ((Binding *) lfirst(cell))->task_key, count, values, present);
	for (i = 0; i < count; i++)
		if (!present[i] && bindings != NIL)
			values[n++] = values[i];
	PG_RETURN_DATUM(text_array(n, values));
}

/* check_key(relation regclass, key name): 42883 for a column whose values can't be looked for. */
Datum
taskchat_check_key(PG_FUNCTION_ARGS)
{
	(void) key_condition(PG_GETARG_OID(0), NameStr(*PG_GETARG_NAME(1)), "$1");
	PG_RETURN_VOID();
}

/* Owner's rights are those of the caller, also where a definer function or SET ROLE has changed them. */
static void
check_owner(Oid relid)
{
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE), errmsg("table with OID %u does not exist", relid),
				 errhint("Name the table, such as 'public.tasks'.")));
	if (!pg_class_ownercheck(relid, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of table %s", get_rel_name(relid)),
				 errhint("Whoever owns a table may bind it.")));
}

/* Call a function of ours with the arguments of this one, as the owner of the extension. */
static int64
call_as_owner(FunctionCallInfo fcinfo, const char *sql, const Oid *types)
{
	Datum		values[FUNC_MAX_ARGS];
	char		nulls[FUNC_MAX_ARGS];
	int64		result = 0;
	bool		isnull;
	Rights		saved;
	int			i;

	for (i = 0; i < PG_NARGS(); i++)
	{
		values[i] = PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	rights_become_owner(&saved);
	SPI_connect();
	if (SPI_execute_with_args(sql, PG_NARGS(), unconstify(Oid *, types), values, nulls, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not change bindings");
	result = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	rights_restore(&saved);
	return result;
}

/* bind_tasks(): the check of who calls; the rest is bind_owned_tasks(). */
Datum
taskchat_bind_tasks(PG_FUNCTION_ARGS)
{
	static const Oid types[] = {REGCLASSOID, NAMEOID, NAMEOID, NAMEARRAYOID, REGCLASSOID, NAMEOID, BOOLOID};
	static const int tables[] = {0, 4};
	int			i;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION), errmsg("tasks must not be null"),
				 errhint("Name the table, such as 'public.tasks'.")));
	for (i = 0; i < lengthof(tables); i++)
	{
		Oid			relid = PG_GETARG_OID(tables[i]);

		if (PG_ARGISNULL(tables[i]))
			continue;
		check_owner(relid);
		LockRelationOid(relid, ShareRowExclusiveLock);
		check_owner(relid);		/* it may have changed hands while we waited */
	}
	PG_RETURN_INT64(call_as_owner(fcinfo, "SELECT taskchat.bind_owned_tasks($1, $2, $3, $4, $5, $6, $7)", types));
}

/* unbind_tasks(tasks regclass) */
Datum
taskchat_unbind_tasks(PG_FUNCTION_ARGS)
{
	static const Oid types[] = {REGCLASSOID};

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION), errmsg("tasks must not be null"),
				 errhint("Name the table, such as 'public.tasks'.")));
	check_owner(PG_GETARG_OID(0));
	(void) call_as_owner(fcinfo, "SELECT taskchat.unbind_owned_tasks($1)", types);
	PG_RETURN_VOID();
}

/* What a backfill has come to. */
typedef struct Backfill
{
	int64		read;
	int64		opened;
	int64		unusable;
} Backfill;

/* Open the rooms of one batch of (key, creator), which SPI has just fetched. */
static void
backfill_batch(SPITupleTable *table, uint64 rows, Backfill *backfill)
{
	Oid			types[] = {TEXTARRAYOID, TEXTARRAYOID};
	const char **keys = palloc(sizeof(char *) * rows);
	const char **creators = palloc(sizeof(char *) * rows);
	Datum		values[2];
	bool		isnull;
	int			n = 0;
	uint64		i;

	for (i = 0; i < rows; i++)
	{
		char	   *key = SPI_getvalue(table->vals[i], table->tupdesc, 1);
		char	   *creator = SPI_getvalue(table->vals[i], table->tupdesc, 2);

		if (!id_usable(key) || !id_usable(creator))
		{
			backfill->unusable++;
			continue;
		}
		keys[n] = key;
		creators[n++] = creator;
	}
	values[0] = text_array(n, keys);
	values[1] = text_array(n, creators);
	if (SPI_execute_with_args("SELECT taskchat.open_rooms($1, $2)", 2, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not open rooms");
	backfill->read += rows;
	backfill->opened += DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

static Portal
open_task_cursor(Oid relid, const char *key, const char *creator)
{
	char	   *sql = psprintf("SELECT (t.%s)::pg_catalog.text, (t.%s)::pg_catalog.text FROM %s t",
							   quote_identifier(key), quote_identifier(creator), qualified_name(relid));
	Ownership	ownership;
	Portal		portal;

	CommandCounterIncrement();
	become_table_owner(relid, &ownership);
	PushActiveSnapshot(GetLatestSnapshot());
	portal = SPI_cursor_open_with_args(NULL, sql, 0, NULL, NULL, NULL, true, 0);
	PopActiveSnapshot();
	give_back(&ownership);
	return portal;
}

/* backfill_rooms(tasks regclass, task_key name, creator_key name) → rooms opened. */
Datum
taskchat_backfill_rooms(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Backfill	backfill = {0};
	MemoryContext batch;
	Portal		portal;

	SPI_connect();
	batch = AllocSetContextCreate(CurrentMemoryContext, "taskchat backfill", ALLOCSET_DEFAULT_SIZES);
	portal = open_task_cursor(relid, NameStr(*PG_GETARG_NAME(1)), NameStr(*PG_GETARG_NAME(2)));
	for (;;)
	{
		SPITupleTable *table;
		uint64		rows;
		Ownership	ownership;
		MemoryContext old;

		become_table_owner(relid, &ownership);
		SPI_cursor_fetch(portal, true, BACKFILL_BATCH);
		give_back(&ownership);
		table = SPI_tuptable;
		rows = SPI_processed;
		if (rows == 0)
			break;
		old = MemoryContextSwitchTo(batch);
		backfill_batch(table, rows, &backfill);
		MemoryContextSwitchTo(old);
		MemoryContextReset(batch);
		SPI_freetuptable(SPI_tuptable);
		SPI_freetuptable(table);
		if (backfill.read % BACKFILL_NOTICE == 0)
			ereport(NOTICE,
					(errmsg("taskchat: " INT64_FORMAT " tasks read, " INT64_FORMAT " rooms opened",
							backfill.read, backfill.opened)));
	}
	SPI_cursor_close(portal);
	SPI_finish();
	if (backfill.unusable > 0)
		ereport(WARNING,
				(errmsg("taskchat opens no room for " INT64_FORMAT " tasks without a usable key and creator", backfill.unusable),
				 errhint("Ids are not null, not empty and at most %d bytes long.", TASKCHAT_MAX_ID)));
	PG_RETURN_INT64(backfill.opened);
}
