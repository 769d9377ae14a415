/*
 * line.c
 *	  A room's line: relay_fetch(), asked at every doorbell, and the events of
 *	  a join.  Read by index scans instead of queries: 6 µs for one new message
 *	  in one room, where PL/pgSQL with its four plans took 125.
 *
 * Only the relay's role may call relay_fetch(), and who joins has been asked
 * for membership, so that no rights are asked here.  All is
 * read with the statement's snapshot: a room and its line belong together.
 */
#include "taskchat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(taskchat_relay_fetch);

/* Columns in the order of the install script. */
#define ROOM_ID 1
#define ROOM_FIRST_SEQ 4
#define ROOM_LAST_SEQ 5
#define MESSAGE_ID 1
#define MESSAGE_ROOM 2
#define MESSAGE_SEQ 5
#define MESSAGE_SENDER 6
#define EVENT_ROOM 1
#define EVENT_SEQ 4
#define EVENT_KIND 5
#define EVENT_PAYLOAD 7

/* Columns of the result. */
enum FetchColumn
{
	FETCH_ROOM, FETCH_SEQ, FETCH_KIND, FETCH_USER, FETCH_ROLE, FETCH_EVENT, FETCH_COLUMNS
};

/* One call of relay_fetch() or line_texts(). */
typedef struct Fetch
{
	ReturnSetInfo *result;		/* where the rows go; NULL: their events go to texts */
	List	   *texts;
	Source		rooms;
	Source		messages;
	Source		messages_by_id; /* opened when it is needed first */
	Source		events;
} Fetch;

static void
put_row(Fetch *fetch, Datum *values, bool *nulls)
{
	if (fetch->result)
		tuplestore_putvalues(fetch->result->setResult, fetch->result->setDesc, values, nulls);
	else
		fetch->texts = lappend(fetch->texts, DatumGetPointer(values[FETCH_EVENT]));
}

/* A row that says something about a room as a whole. */
static void
put_remark(Fetch *fetch, int64 room_id, const char *kind)
{
	Datum		values[FETCH_COLUMNS] = {0};
	bool		nulls[FETCH_COLUMNS] = {false, true, false, true, true, true};

	values[FETCH_ROOM] = Int64GetDatum(room_id);
	values[FETCH_KIND] = CStringGetTextDatum(kind);
	put_row(fetch, values, nulls);
}

static void
put_message(Fetch *fetch, int64 room_id, HeapTuple message)
{
	TupleDesc	desc = RelationGetDescr(fetch->messages.relation);
	Datum		values[FETCH_COLUMNS] = {0};
	bool		nulls[FETCH_COLUMNS] = {false, false, false, false, true, false};

	values[FETCH_ROOM] = Int64GetDatum(room_id);
	values[FETCH_SEQ] = heap_getattr(message, MESSAGE_SEQ, desc, &nulls[FETCH_SEQ]);
	values[FETCH_KIND] = CStringGetTextDatum("message_received");
	values[FETCH_USER] = heap_getattr(message, MESSAGE_SENDER, desc, &nulls[FETCH_USER]);
	values[FETCH_EVENT] = PointerGetDatum(json_message_event(message, desc));
	put_row(fetch, values, nulls);
}

/* The message that an edit or deletion is about, a copy; NULL when it is gone. */
static HeapTuple
find_message(Fetch *fetch, Jsonb *payload)
{
	char	   *id = json_string(payload, "id");
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	message;

	if (id == NULL)
		return NULL;
	if (fetch->messages_by_id.relation == NULL)
		fetch->messages_by_id = source_open("task_messages", "task_messages_id_key");
	ScanKeyInit(&key, MESSAGE_ID, BTEqualStrategyNumber, F_UUID_EQ, DirectFunctionCall1(uuid_in, CStringGetDatum(id)));
	scan = source_scan(&fetch->messages_by_id, 1, &key);
	message = source_next(scan);
	if (HeapTupleIsValid(message))
		message = heap_copytuple(message);
	source_end(scan);
	return message;
}

static void
put_payload_text(Jsonb *payload, const char *name, Datum *value, bool *isnull)
{
	char	   *text = json_string(payload, name);

	*isnull = text == NULL;
	if (text)
		*value = CStringGetTextDatum(text);
}

static void
put_event(Fetch *fetch, int64 room_id, HeapTuple event)
{
	TupleDesc	desc = RelationGetDescr(fetch->events.relation);
	Datum		values[FETCH_COLUMNS] = {0};
	bool		nulls[FETCH_COLUMNS] = {0};
	char	   *kind = column_text(event, EVENT_KIND, desc);
	Jsonb	   *payload = DatumGetJsonbP(heap_getattr(event, EVENT_PAYLOAD, desc, &nulls[FETCH_EVENT]));
	HeapTuple	message = NULL;

	if (strcmp(kind, "message_edited") == 0 || strcmp(kind, "message_deleted") == 0)
		message = find_message(fetch, payload);
	values[FETCH_ROOM] = Int64GetDatum(room_id);
	values[FETCH_SEQ] = heap_getattr(event, EVENT_SEQ, desc, &nulls[FETCH_SEQ]);
	values[FETCH_KIND] = CStringGetTextDatum(kind);
	put_payload_text(payload, "user_id", &values[FETCH_USER], &nulls[FETCH_USER]);
	put_payload_text(payload, "role", &values[FETCH_ROLE], &nulls[FETCH_ROLE]);
	values[FETCH_EVENT] = PointerGetDatum(json_room_event(event, desc, message, RelationGetDescr(fetch->messages.relation)));
	put_row(fetch, values, nulls);
}

/* One of the two relations that the line stands in, read from a seq on. */
typedef struct Reader
{
	const Source *source;
	AttrNumber	seq_column;
	SysScanDesc scan;			/* NULL: not begun */
	HeapTuple	row;			/* invalid: there are no more */
	int64		seq;			/* of the row */
} Reader;

static void
reader_next(Reader *reader)
{
	reader->row = source_next(reader->scan);
	if (HeapTupleIsValid(reader->row))
		reader->seq = column_int64(reader->row, reader->seq_column, RelationGetDescr(reader->source->relation));
}

/* Begin with the room's line in (after, up_to]. */
static void
reader_begin(Reader *reader, AttrNumber room_column, int64 room_id, int64 after, int64 up_to)
{
	ScanKeyData keys[3];

	key_int64(&keys[0], room_column, room_id);
	ScanKeyInit(&keys[1], reader->seq_column, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(after));
	ScanKeyInit(&keys[2], reader->seq_column, BTLessEqualStrategyNumber, F_INT8LE, Int64GetDatum(up_to));
	reader->scan = source_scan(reader->source, lengthof(keys), keys);
	reader_next(reader);
}

static bool
reader_at(const Reader *reader, int64 seq)
{
	return HeapTupleIsValid(reader->row) && reader->seq == seq;
}

static void
reader_end(Reader *reader)
{
	if (reader->scan)
		source_end(reader->scan);
}

/* A number that is no message's is an event's: most often there is none to be looked for. */
static void
put_line(Fetch *fetch, int64 room_id, int64 after, int64 up_to)
{
	Reader		messages = {&fetch->messages, MESSAGE_SEQ};
	Reader		events = {&fetch->events, EVENT_SEQ};
	int64		seq;

	reader_begin(&messages, MESSAGE_ROOM, room_id, after, up_to);
	for (seq = after + 1; seq <= up_to; seq++)
	{
		CHECK_FOR_INTERRUPTS();
		if (reader_at(&messages, seq))
		{
			put_message(fetch, room_id, messages.row);
			reader_next(&messages);
			continue;
		}
		if (events.scan == NULL)
			reader_begin(&events, EVENT_ROOM, room_id, seq - 1, up_to);
		if (reader_at(&events, seq))
		{
			put_event(fetch, room_id, events.row);
			reader_next(&events);
		}
	}
	reader_end(&events);
	reader_end(&messages);
}

static void
fetch_room(Fetch *fetch, int64 room_id, int64 after, int max_rows)
{
	TupleDesc	desc = RelationGetDescr(fetch->rooms.relation);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	room;
	int64		first_seq = 0;
	int64		last_seq = 0;
	bool		found;

	key_int64(&key, ROOM_ID, room_id);
	scan = source_scan(&fetch->rooms, 1, &key);
	room = source_next(scan);
	found = HeapTupleIsValid(room);
	if (found)
	{
		first_seq = column_int64(room, ROOM_FIRST_SEQ, desc);
		last_seq = column_int64(room, ROOM_LAST_SEQ, desc);
	}
	source_end(scan);
	if (!found)
		put_remark(fetch, room_id, "room_deleted");
	else if (first_seq - 1 > after || last_seq < after)
		put_remark(fetch, room_id, "reset");
	else if (last_seq > after)
		/* The line has no gaps, so max_rows rows are max_rows numbers. */
		put_line(fetch, room_id, after, Min(last_seq, after + max_rows));
}

static void
open_line(Fetch *fetch)
{
	fetch->messages = source_open("task_messages", "task_messages_pkey");
	fetch->events = source_open("task_events", "task_events_pkey");
}

static void
close_line(Fetch *fetch)
{
	source_close(&fetch->messages_by_id);
	source_close(&fetch->events);
	source_close(&fetch->messages);
}

/* The frames of the room's line in (after, up_to], a List of text, oldest first. */
List *
line_texts(int64 room_id, int64 after, int64 up_to)
{
	Fetch		fetch = {0};

	open_line(&fetch);
	put_line(&fetch, room_id, after, up_to);
	close_line(&fetch);
	return fetch.texts;
}

/* The elements of a bigint[] without NULLs, in place. */
static const int64 *
int64_elements(ArrayType *array, int *count)
{
	if (ARR_NDIM(array) > 1 || ARR_HASNULL(array))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("relay_fetch() takes plain arrays without NULLs"),
				 errhint("The relay's interface is described in sql/relay.sql.")));
	*count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	return (const int64 *) ARR_DATA_PTR(array);
}

/* relay_fetch(rooms bigint[], after bigint[], max_rows int): see sql/relay.sql. */
Datum
taskchat_relay_fetch(PG_FUNCTION_ARGS)
{
	Fetch		fetch = {0};
	int			count;
	int			n_after;
	int			i;
	const int64 *rooms = int64_elements(PG_GETARG_ARRAYTYPE_P(0), &count);
	const int64 *after = int64_elements(PG_GETARG_ARRAYTYPE_P(1), &n_after);
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext per_room;

	if (count != n_after)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("relay_fetch() takes as many positions as rooms"),
				 errhint("The relay's interface is described in sql/relay.sql.")));
	InitMaterializedSRF(fcinfo, 0);
	fetch.result = (ReturnSetInfo *) fcinfo->resultinfo;
	fetch.rooms = source_open("task_rooms", "task_rooms_pkey");
	open_line(&fetch);
	per_room = AllocSetContextCreate(caller, "taskchat fetch", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(per_room);
	for (i = 0; i < count; i++)
	{
		fetch_room(&fetch, rooms[i], after[i], PG_GETARG_INT32(2));
		MemoryContextReset(per_room);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(per_room);
	close_line(&fetch);
	source_close(&fetch.rooms);
	return (Datum) 0;
}
