/*
 * binding.c
 *	  Whose tables bind_tasks() binds, and with whose rights they are read.
 *
 * sql/binding.sql does the work with the rights of the extension's owner.
 * Three things must not happen with these rights, and so they happen here: the
 * question whether the caller owns the table; every query of an application's
 * table, because its domains, casts and types bring code along that its owner
 * wrote; and for the same reason the trigger's look into the row, which has
 * the rights of who writes it.
 */
#include "taskchat.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"

#define BIND_ARGS 7
#define ROWS_A_FETCH 1000
#define MAX_WATCHED 2000		/* bytes of a value in a task_update; longer ones are null */

PG_FUNCTION_INFO_V1(taskchat_bind_tasks);
PG_FUNCTION_INFO_V1(taskchat_unbind_tasks);
PG_FUNCTION_INFO_V1(taskchat_rows_of);
PG_FUNCTION_INFO_V1(taskchat_bound_task);

/* The table must be the caller's (42501), and none of ours. */
static void
check_owner(Oid table)
{
	char	   *name = get_rel_name(table);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", table)));
	if (!pg_class_ownercheck(table, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(get_rel_relkind(table)), name);
	if (get_rel_namespace(table) == get_namespace_oid("taskchat", false))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("\"%s\" belongs to taskchat itself", name)));
}

static Datum
call_as_owner(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls)
{
	Rights		saved;
	Datum		result;
	bool		isnull;

	rights_become_owner(&saved);
	SPI_connect();
	if (SPI_execute_with_args(sql, nargs, types, values, nulls, false, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not run \"%s\"", sql);
	/* int8 or void: passed by value */
	result = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	SPI_finish();
	rights_restore(&saved);
	return result;
}

/* bind_tasks(tasks, task_key, creator_key, watch, users, user_key, backfill) → bigint: see sql/binding.sql. */
Datum
taskchat_bind_tasks(PG_FUNCTION_ARGS)
{
	Oid			types[BIND_ARGS] = {REGCLASSOID, NAMEOID, NAMEOID, NAMEARRAYOID, REGCLASSOID, NAMEOID, BOOLOID};
	Datum		values[BIND_ARGS];
	char		nulls[BIND_ARGS];
	int			i;

	for (i = 0; i < BIND_ARGS; i++)
	{
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
		values[i] = PG_ARGISNULL(i) ? (Datum) 0 : PG_GETARG_DATUM(i);
	}
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION), errmsg("tasks must not be null")));
	check_owner(PG_GETARG_OID(0));
	if (!PG_ARGISNULL(4))
		check_owner(PG_GETARG_OID(4));
	PG_RETURN_DATUM(call_as_owner("SELECT taskchat.bind_table($1, $2, $3, $4, $5, $6, $7)",
								  BIND_ARGS, types, values, nulls));
}

/* unbind_tasks(tasks) → void */
Datum
taskchat_unbind_tasks(PG_FUNCTION_ARGS)
{
	Oid			type = REGCLASSOID;
	Datum		value;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION), errmsg("tasks must not be null")));
	value = PG_GETARG_DATUM(0);
	check_owner(PG_GETARG_OID(0));
	(void) call_as_owner("SELECT taskchat.unbind_table($1)", 1, &type, &value, NULL);
	PG_RETURN_VOID();
}

static void
become_owner_of(Oid table, Rights *saved)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", table)));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	GetUserIdAndSecContext(&saved->user_id, &saved->sec_context);
	SetUserIdAndSecContext(owner, saved->sec_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
}

/*
 * rows_of(relation regclass, query text, argument text) → SETOF (key text, value text)
 *
 * The result of a query of two columns of type text, which may use $1, with
 * the rights of the owner of the relation.
 */
Datum
taskchat_rows_of(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *query = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Oid			type = TEXTOID;
	Datum		argument = PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2);
	Portal		portal;
	Rights		saved;

	InitMaterializedSRF(fcinfo, 0);
	become_owner_of(PG_GETARG_OID(0), &saved);
	SPI_connect();
	portal = SPI_cursor_open_with_args(NULL, query, 1, &type, &argument, PG_ARGISNULL(2) ? "n" : " ", false, 0);
	do
	{
		uint64		i;

		SPI_cursor_fetch(portal, true, ROWS_A_FETCH);
		for (i = 0; i < SPI_processed; i++)
		{
			Datum		values[2];
			bool		nulls[2];
			int			c;

			for (c = 0; c < 2; c++)
				values[c] = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, c + 1, &nulls[c]);
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
	SPI_finish();
	rights_restore(&saved);
	return (Datum) 0;
}

/* A column's value in the words of its type's output function, which runs no code of the table's owner; NULL also where there is no such column. */
static char *
row_text(HeapTuple row, TupleDesc desc, const char *column)
{
	int			number = SPI_fnumber(desc, column);

	return number == SPI_ERROR_NOATTRIBUTE ? NULL : SPI_getvalue(row, desc, number);
}

/* What to_jsonb() makes of both values of a column, as text; long ones as null.  False: they are the same. */
static bool
watched_values(HeapTuple old, HeapTuple new, TupleDesc desc, int number, char **old_json, char **new_json)
{
	Oid			types[2] = {SPI_gettypeid(desc, number), SPI_gettypeid(desc, number)};
	Datum		values[2];
	bool		isnull[2];
	char		nulls[2];
	char	   *json[2];
	int			i;
	bool		changed;

	values[0] = SPI_getbinval(old, desc, number, &isnull[0]);
	values[1] = SPI_getbinval(new, desc, number, &isnull[1]);
	nulls[0] = isnull[0] ? 'n' : ' ';
	nulls[1] = isnull[1] ? 'n' : ' ';
	if (SPI_execute_with_args("SELECT pg_catalog.to_jsonb($1), pg_catalog.to_jsonb($2)", 2, types, values, nulls, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look at a watched column");
	for (i = 0; i < 2; i++)
		json[i] = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 1);
	changed = (json[0] == NULL) != (json[1] == NULL) || (json[0] && strcmp(json[0], json[1]) != 0);
	*old_json = json[0] && strlen(json[0]) <= MAX_WATCHED ? json[0] : "null";
	*new_json = json[1] && strlen(json[1]) <= MAX_WATCHED ? json[1] : "null";
	return changed;
}

/* {"column": {"old": …, "new": …}} of the watched columns that changed; NULL if none did. */
static char *
watched_changes(HeapTuple old, HeapTuple new, TupleDesc desc, const char *columns)
{
	ArrayType  *watch = DatumGetArrayTypeP(OidInputFunctionCall(F_ARRAY_IN, pstrdup(columns), TEXTOID, -1));
	StringInfoData changes;
	Datum	   *names;
	int			count,
				i;

	initStringInfo(&changes);
	deconstruct_array(watch, TEXTOID, -1, false, TYPALIGN_INT, &names, NULL, &count);
	for (i = 0; i < count; i++)
	{
		char	   *name = TextDatumGetCString(names[i]);
		int			number = SPI_fnumber(desc, name);
		char	   *old_json;
		char	   *new_json;

		if (number == SPI_ERROR_NOATTRIBUTE ||
			!watched_values(old, new, desc, number, &old_json, &new_json))
			continue;
		appendStringInfoString(&changes, changes.len ? ", " : "{");
		escape_json(&changes, name);
		appendStringInfo(&changes, ": {\"old\": %s, \"new\": %s}", old_json, new_json);
	}
	if (changes.len == 0)
		return NULL;
	appendStringInfoChar(&changes, '}');
	return changes.data;
}

/*
 * Trigger of bound tables, AFTER … FOR EACH ROW; its arguments are the names
 * of task_key and creator_key and the array of watched columns.
 */
Datum
taskchat_bound_task(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Oid			types[4] = {CHAROID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[4];
	char		nulls[4] = {' ', ' ', ' ', ' '};
	char	   *texts[4] = {NULL};
	HeapTuple	row;
	TupleDesc	desc;
	int			i;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_AFTER(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		trigger->tg_trigger->tgnargs != 3)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("this function serves only as trigger of bound tables")));
	desc = RelationGetDescr(trigger->tg_relation);
	row = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple;
	SPI_connect();
	texts[1] = row_text(row, desc, trigger->tg_trigger->tgargs[0]);
	texts[2] = row_text(row, desc, trigger->tg_trigger->tgargs[1]);
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		texts[3] = watched_changes(trigger->tg_trigtuple, row, desc, trigger->tg_trigger->tgargs[2]);
	values[0] = CharGetDatum(TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ? 'i' :
							 TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? 'u' : 'd');
	for (i = 1; i < 4; i++)
	{
		nulls[i] = texts[i] ? ' ' : 'n';
		values[i] = texts[i] ? CStringGetTextDatum(texts[i]) : (Datum) 0;
	}
	(void) call_as_owner("SELECT taskchat.bound_change($1, $2, $3, $4::pg_catalog.jsonb)", 4, types, values, nulls);
	SPI_finish();
	return PointerGetDatum(NULL);
}
