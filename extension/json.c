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

/* Append a number.  (printf's conversions would be half the cost of an event.) */
void
json_append_int64(StringInfo out, int64 value)
{
	enlargeStringInfo(out, MAXINT8LEN);
	out->len += pg_lltoa(value, out->data + out->len);
}

/* Append a number of so many digits at least, and what follows it. */
static void
append_padded(StringInfo out, int value, int width, char next)
{
	enlargeStringInfo(out, MAXINT8LEN);
	out->len = pg_ultostr_zeropad(out->data + out->len, value, width) - out->data;
	appendStringInfoChar(out, next);
}

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
	appendStringInfoChar(out, '"');
	if (tm.tm_year < 0)
		appendStringInfo(out, "%04d-", tm.tm_year);
	else
		append_padded(out, tm.tm_year, 4, '-');
	append_padded(out, tm.tm_mon, 2, '-');
	append_padded(out, tm.tm_mday, 2, 'T');
	append_padded(out, tm.tm_hour, 2, ':');
	append_padded(out, tm.tm_min, 2, ':');
	append_padded(out, tm.tm_sec, 2, '.');
	append_padded(out, (int) fsec, 6, 'Z');
	appendStringInfoChar(out, '"');
}

static void
append_value(StringInfo out, Oid type, Datum value)
{
	switch (type)
	{
		case INT8OID:
			json_append_int64(out, DatumGetInt64(value));
			break;
		case BOOLOID:
			appendStringInfoString(out, DatumGetBool(value) ? "true" : "false");
			break;
		case TIMESTAMPTZOID:
			json_append_time(out, DatumGetTimestampTz(value));
			break;
		case UUIDOID:
			appendStringInfoChar(out, '"');
			appendStringInfoString(out, DatumGetCString(DirectFunctionCall1(uuid_out, value)));
			appendStringInfoChar(out, '"');
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
row_of_tuple(Row *row, HeapTuple tuple, TupleDesc desc)
{
	row->desc = desc;
	row->values = palloc(desc->natts * sizeof(Datum));
	row->nulls = palloc(desc->natts * sizeof(bool));
	heap_deform_tuple(tuple, desc, row->values, row->nulls);
}

/* A composite value's row; its descriptor is to be released. */
static void
row_open(Row *row, HeapTupleHeader header)
{
	HeapTupleData tuple;

	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	row_of_tuple(row, &tuple, lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header)));
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

/* Append {"name": or ,"name": of a column's name. */
static void
append_name(StringInfo out, bool first, const char *name)
{
	int			len = strlen(name);
	char	   *p;

	enlargeStringInfo(out, len + 4);
	p = out->data + out->len;
	*p++ = first ? '{' : ',';
	*p++ = '"';
	memcpy(p, name, len);
	strcpy(p + len, "\":");
	out->len += len + 4;
}

/* task_messages: every column but room_id, under its own name. */
static void
append_message(StringInfo out, const Row *row)
{
	int			column;
	bool		first = true;

	for (column = 1; column <= row->desc->natts; column++)
	{
		Form_pg_attribute attribute = TupleDescAttr(row->desc, column - 1);

		if (attribute->attisdropped || column == 2)
			continue;
		append_name(out, first, NameStr(attribute->attname));
		append_column(out, row, column);
		first = false;
	}
	appendStringInfoChar(out, '}');
}

static void
append_head(StringInfo out, const char *type, const Row *row, int task, int applicant, int seq)
{
	appendStringInfoString(out, "{\"type\":\"");
	appendStringInfoString(out, type);
	appendStringInfoString(out, "\",\"task_id\":");
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

static text *
message_event(const Row *message)
{
	StringInfoData out;

	initStringInfo(&out);
	append_head(&out, "message_received", message, 3, 4, 5);
	appendStringInfoString(&out, ",\"message\":");
	append_message(&out, message);
	appendStringInfoChar(&out, '}');
	return cstring_to_text_with_len(out.data, out.len);
}

/* The message_received frame of a row of task_messages. */
text *
json_message_event(HeapTuple message, TupleDesc desc)
{
	Row			row;

	row_of_tuple(&row, message, desc);
	return message_event(&row);
}

/* message_event(task_messages) → text: its message_received frame. */
Datum
taskchat_message_event(PG_FUNCTION_ARGS)
{
	Row			row;
	text	   *frame;

	row_open(&row, PG_GETARG_HEAPTUPLEHEADER(0));
	frame = message_event(&row);
	ReleaseTupleDesc(row.desc);
	PG_RETURN_TEXT_P(frame);
}

/* The fields that an event has besides its head; message may be NULL. */
static void
append_fields(StringInfo out, const char *kind, const Row *event, const Row *message)
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
			append_message(out, message);
		else
			appendStringInfoString(out, payload.data);
	}
	else if (payload.len > 2 && payload.data[0] == '{')
		/* The members of the payload's object become the event's own. */
		appendStringInfo(out, ",%.*s", payload.len - 2, payload.data + 1);
}

static text *
room_event(const Row *event, const Row *message)
{
	char	   *kind = TextDatumGetCString(event->values[4]);
	StringInfoData out;

	initStringInfo(&out);
	append_head(&out, kind, event, 2, 3, 4);
	append_fields(&out, kind, event, message);
	appendStringInfoChar(&out, '}');
	return cstring_to_text_with_len(out.data, out.len);
}

/* The frame of a row of task_events; the message that it is about may be NULL. */
text *
json_room_event(HeapTuple event, TupleDesc event_desc, HeapTuple message, TupleDesc message_desc)
{
	Row			event_row;
	Row			message_row;

	row_of_tuple(&event_row, event, event_desc);
	if (message)
		row_of_tuple(&message_row, message, message_desc);
	return room_event(&event_row, message ? &message_row : NULL);
}

/* room_event(task_events, task_messages) → text: its frame; the message that it is about may be NULL. */
Datum
taskchat_room_event(PG_FUNCTION_ARGS)
{
	Row			event;
	Row			message;
	text	   *frame;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	row_open(&event, PG_GETARG_HEAPTUPLEHEADER(0));
	/* Users may make such a row up; in the table neither is NULL. */
	if (event.nulls[4] || event.nulls[6])
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION), errmsg("an event has a kind and a payload"),
				 errhint("Rows of taskchat.task_events do.")));
	if (!PG_ARGISNULL(1))
		row_open(&message, PG_GETARG_HEAPTUPLEHEADER(1));
	frame = room_event(&event, PG_ARGISNULL(1) ? NULL : &message);
	ReleaseTupleDesc(event.desc);
	if (!PG_ARGISNULL(1))
		ReleaseTupleDesc(message.desc);
	PG_RETURN_TEXT_P(frame);
}

/* A string member of an object; NULL when it is missing, null or no string. */
char *
json_string(Jsonb *object, const char *name)
{
	JsonbValue	buffer;
	JsonbValue *value = getKeyJsonValueFromContainer(&object->root, name, strlen(name), &buffer);

	if (value == NULL || value->type != jbvString)
		return NULL;
	return pnstrdup(value->val.string.val, value->val.string.len);
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
