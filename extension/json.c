/*
 * json.c
 *	  The wire's texts, built where the rows are: a message, and the event of
 *	  each row of a room's line.  The relay sends them as they are.
 */
#include "taskchat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(taskchat_message_json);
PG_FUNCTION_INFO_V1(taskchat_message_event);
PG_FUNCTION_INFO_V1(taskchat_room_event);
PG_FUNCTION_INFO_V1(taskchat_json_time);

/* Append a time as RFC 3339 in UTC with microseconds, in quotes. */
void
json_append_time(StringInfo out, TimestampTz time)
{
	struct pg_tm tm;
	fsec_t		fsec;

	if (TIMESTAMP_NOT_FINITE(time) || timestamp2tm(time, NULL, &tm, &fsec, NULL, NULL) != 0)
	{
		appendStringInfoString(out, "null");
		return;
	}
	appendStringInfo(out, "\"%04d-%02d-%02dT%02d:%02d:%02d.%06dZ\"",
					 tm.tm_year, tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int) fsec);
}

static void
append_value(StringInfo out, Oid type, Datum value)
{
	switch (type)
	{
		case INT8OID:
			appendStringInfo(out, INT64_FORMAT, DatumGetInt64(value));
			break;
		case BOOLOID:
			appendStringInfoString(out, DatumGetBool(value) ? "true" : "false");
			break;
		case TIMESTAMPTZOID:
			json_append_time(out, DatumGetTimestampTz(value));
			break;
		case UUIDOID:
			appendStringInfo(out, "\"%s\"", DatumGetCString(DirectFunctionCall1(uuid_out, value)));
			break;
		case JSONBOID:
			{
				Jsonb	   *json = DatumGetJsonbP(value);

				(void) JsonbToCString(out, &json->root, VARSIZE(json));
				break;
			}
		case TEXTOID:
			escape_json(out, TextDatumGetCString(value));
			break;
		default:
			elog(ERROR, "unexpected column type %u", type);
	}
}

/* A row's columns by name, as far as the wire shows them. */
typedef struct Row
{
	TupleDesc	desc;
	Datum	   *values;
	bool	   *nulls;
} Row;

static void
row_open(Row *row, HeapTupleHeader header)
{
	HeapTupleData tuple;

	row->desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
	row->values = palloc(row->desc->natts * sizeof(Datum));
	row->nulls = palloc(row->desc->natts * sizeof(bool));
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	heap_deform_tuple(&tuple, row->desc, row->values, row->nulls);
}

static void
append_column(StringInfo out, const Row *row, int column)
{
	Form_pg_attribute attribute = TupleDescAttr(row->desc, column - 1);

	if (row->nulls[column - 1])
		appendStringInfoString(out, "null");
	else
		append_value(out, attribute->atttypid, row->values[column - 1]);
}

/* task_messages: every column but room_id, under its own name. */
static void
append_message(StringInfo out, const Row *row)
{
	int			column;
	bool		first = true;

	appendStringInfoChar(out, '{');
	for (column = 1; column <= row->desc->natts; column++)
	{
		Form_pg_attribute attribute = TupleDescAttr(row->desc, column - 1);

		if (attribute->attisdropped || column == 2)
			continue;
		appendStringInfo(out, "%s\"%s\":", first ? "" : ",", NameStr(attribute->attname));
		append_column(out, row, column);
		first = false;
	}
	appendStringInfoChar(out, '}');
}

static void
append_head(StringInfo out, const char *type, const Row *row, int task, int applicant, int seq)
{
	appendStringInfo(out, "{\"type\":\"%s\",\"task_id\":", type);
	append_column(out, row, task);
	appendStringInfoString(out, ",\"applicant_id\":");
	append_column(out, row, applicant);
	appendStringInfoString(out, ",\"seq\":");
	append_column(out, row, seq);
}

/* message_json(task_messages) → text */
Datum
taskchat_message_json(PG_FUNCTION_ARGS)
{
	Row			row;
	StringInfoData out;

	row_open(&row, PG_GETARG_HEAPTUPLEHEADER(0));
	initStringInfo(&out);
	append_message(&out, &row);
	ReleaseTupleDesc(row.desc);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}

/* message_event(task_messages) → text: its message_received frame. */
Datum
taskchat_message_event(PG_FUNCTION_ARGS)
{
	Row			row;
	StringInfoData out;

	row_open(&row, PG_GETARG_HEAPTUPLEHEADER(0));
	initStringInfo(&out);
	append_head(&out, "message_received", &row, 3, 4, 5);
	appendStringInfoString(&out, ",\"message\":");
	append_message(&out, &row);
	appendStringInfoChar(&out, '}');
	ReleaseTupleDesc(row.desc);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}

/* The fields that an event has besides its head; message may be NULL. */
static void
append_fields(StringInfo out, const char *kind, const Row *event, HeapTupleHeader message)
{
	StringInfoData payload;

	initStringInfo(&payload);
	append_column(&payload, event, 7);
	if (strcmp(kind, "task_update") == 0)
		appendStringInfo(out, ",\"changes\":%s", payload.data);
	else if (strncmp(kind, "message_", 8) == 0)
	{
		appendStringInfoString(out, ",\"message\":");
		if (message)
		{
			Row			row;

			row_open(&row, message);
			append_message(out, &row);
			ReleaseTupleDesc(row.desc);
		}
		else
			appendStringInfoString(out, payload.data);
	}
	else if (payload.len > 2 && payload.data[0] == '{')
		/* The members of the payload's object become the event's own. */
		appendStringInfo(out, ",%.*s", payload.len - 2, payload.data + 1);
}

/* room_event(task_events, task_messages) → text: its frame; the message that it is about may be NULL. */
Datum
taskchat_room_event(PG_FUNCTION_ARGS)
{
	Row			row;
	StringInfoData out;
	char	   *kind;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	row_open(&row, PG_GETARG_HEAPTUPLEHEADER(0));
	/* Users may make such a row up; in the table neither is NULL. */
	if (row.nulls[4] || row.nulls[6])
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION), errmsg("an event has a kind and a payload"),
				 errhint("Rows of taskchat.task_events do.")));
	initStringInfo(&out);
	kind = TextDatumGetCString(row.values[4]);
	append_head(&out, kind, &row, 2, 3, 4);
	append_fields(&out, kind, &row, PG_ARGISNULL(1) ? NULL : PG_GETARG_HEAPTUPLEHEADER(1));
	appendStringInfoChar(&out, '}');
	ReleaseTupleDesc(row.desc);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}

/* json_time(timestamptz) → text: RFC 3339 in UTC with microseconds, without quotes. */
Datum
taskchat_json_time(PG_FUNCTION_ARGS)
{
	StringInfoData out;

	initStringInfo(&out);
	json_append_time(&out, PG_GETARG_TIMESTAMPTZ(0));
	if (out.data[0] != '"')
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data + 1, out.len - 2));
}
