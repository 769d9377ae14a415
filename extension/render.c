/*
 * render.c
 *	  Values of the application's columns as texts: keys by their cast to text,
 *	  watched values as JSON.
 *
 * This runs in triggers, with the rights of whoever writes the table.  Casts
 * and output functions of the application's own types may fail; a watched
 * value that can't be told is sent as null, and so is one that is too long.
 */
#include "taskchat.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* A stored value of more bytes than this is longer than TASKCHAT_MAX_JSON as JSON, whatever its type. */
#define HOPELESS_BYTES (8 * TASKCHAT_MAX_JSON)

/* Types of the system whose to_jsonb() has no way to fail. */
static bool
is_plain(Oid type)
{
	switch (getBaseType(type))
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case NAMEOID:
		case UUIDOID:
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case JSONBOID:
			return true;
		default:
			return type_is_enum(type);
	}
}

/* to_jsonb(anyelement) learns the type from the call's expression. */
static void
prepare_json(Column *column, int32 typmod, Oid collation)
{
	CaseTestExpr *placeholder = makeNode(CaseTestExpr);

	placeholder->typeId = column->type;
	placeholder->typeMod = typmod;
	placeholder->collation = collation;
	fmgr_info(F_TO_JSONB, &column->to_jsonb);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(placeholder),
											 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL),
					   &column->to_jsonb);
	column->plain = is_plain(column->type);
}

static void
prepare_text(Column *column)
{
	Oid			function;
	bool		is_varlena;

	switch (find_coercion_pathway(TEXTOID, getBaseType(column->type), COERCION_EXPLICIT, &function))
	{
		case COERCION_PATH_RELABELTYPE:
			column->is_text = true;
			return;
		case COERCION_PATH_FUNC:
			column->has_cast = true;
			break;
		default:
			getTypeOutputInfo(column->type, &function, &is_varlena);
			break;
	}
	fmgr_info(function, &column->to_text);
}

/*
 * Find out about a column of the relation.  The current memory context must
 * live as long as *column.
 */
void
render_prepare(Column *column, Relation relation, const char *name, bool watched)
{
	int32		typmod;
	Oid			collation;

	memset(column, 0, sizeof(*column));
	column->number = get_attnum(RelationGetRelid(relation), name);
	if (column->number <= 0)
	{
		column->number = InvalidAttrNumber;
		return;
	}
	get_atttypetypmodcoll(RelationGetRelid(relation), column->number, &column->type, &typmod, &collation);
	if (watched)
		prepare_json(column, typmod, collation);
	else
		prepare_text(column);
}

/* The value of a key as text; NULL for NULL. */
char *
render_text(Column *column, Relation relation, HeapTuple row)
{
	bool		isnull;
	Datum		value = heap_getattr(row, column->number, RelationGetDescr(relation), &isnull);

	if (isnull)
		return NULL;
	if (column->is_text)
		return TextDatumGetCString(value);
	if (!column->has_cast)
		return OutputFunctionCall(&column->to_text, value);
	return TextDatumGetCString(FunctionCall1(&column->to_text, value));
}

/* Does the column have the same bytes in both rows? */
bool
render_same(const Column *column, Relation relation, HeapTuple a, HeapTuple b)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(relation), column->number - 1);
	bool		a_null;
	bool		b_null;
	Datum		x = heap_getattr(a, column->number, RelationGetDescr(relation), &a_null);
	Datum		y = heap_getattr(b, column->number, RelationGetDescr(relation), &b_null);

	if (a_null || b_null)
		return a_null && b_null;
	return datumIsEqual(x, y, attribute->attbyval, attribute->attlen);
}

/* A value on its way to JSON. */
typedef struct Rendering
{
	Column	   *column;
	Datum		value;
	char	   *text;			/* in context */
	MemoryContext context;
} Rendering;

static void
render(void *argument)
{
	Rendering  *rendering = argument;
	Jsonb	   *json = DatumGetJsonbP(FunctionCall1(&rendering->column->to_jsonb, rendering->value));

	rendering->text = MemoryContextStrdup(rendering->context, JsonbToCString(NULL, &json->root, VARSIZE(json)));
}

/*
 * The value of a watched column as JSON.  What is too long or can't be told is
 * UNTOLD and something that tells it from other values.
 */
char *
render_json(Column *column, Relation relation, HeapTuple row)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(relation), column->number - 1);
	bool		isnull;
	Datum		value = heap_getattr(row, column->number, RelationGetDescr(relation), &isnull);
	Rendering	rendering = {column, value, NULL, CurrentMemoryContext};

	if (isnull)
		return pstrdup("null");
	if (attribute->attlen != -1 || toast_raw_datum_size(value) <= HOPELESS_BYTES)
	{
		if (column->plain)
			render(&rendering);
		else if (try_in_subtransaction(render, &rendering) != NULL)
			rendering.text = NULL;
	}
	if (rendering.text && strlen(rendering.text) <= TASKCHAT_MAX_JSON)
		return rendering.text;
	return psprintf("%c%08x", UNTOLD, datum_image_hash(value, attribute->attbyval, attribute->attlen));
}
