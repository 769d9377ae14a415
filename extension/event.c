/*
 * event.c
 *	  A room's durable events that are not messages: each takes the next seq
 *	  of the room's line and one row of task_events.
 */
#include "taskchat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(taskchat_append_event);

static SPIPlanPtr
insert_plan(void)
{
	static SPIPlanPtr plan = NULL;

	if (plan == NULL)
	{
		Oid			types[] = {INT8OID, TEXTOID, TEXTOID, INT8OID, TEXTOID, TEXTOID, TEXTOID};

		plan = SPI_prepare("INSERT INTO taskchat.task_events"
						   " (room_id, task_id, applicant_id, seq, kind, actor_id, payload, created_at)"
						   " VALUES ($1, $2, $3, $4, $5, $6, $7::pg_catalog.jsonb, pg_catalog.clock_timestamp())",
						   lengthof(types), types);
		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare the insertion of an event: %s", SPI_result_code_string(SPI_result));
	}
	return plan;
}

static Datum
text_or_null(const char *value, char *null)
{
	*null = value ? ' ' : 'n';
	return value ? CStringGetTextDatum(value) : (Datum) 0;
}

/*
 * Append an event to a room that room_lock() has locked; payload is JSON text.
 * Returns its seq.
 */
int64
event_append(Room *room, const char *kind, const char *actor_id, const char *payload)
{
	Datum		values[7];
	char		nulls[7];
	Rights		saved;

	room_advance(room, strcmp(kind, "room_closed") == 0 ? 1 : strcmp(kind, "room_opened") == 0 ? 0 : -1);
	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int64GetDatum(room->room_id);
	values[1] = CStringGetTextDatum(room->task_id);
	values[2] = text_or_null(room->applicant_id, &nulls[2]);
	values[3] = Int64GetDatum(room->last_seq);
	values[4] = CStringGetTextDatum(kind);
	values[5] = text_or_null(actor_id, &nulls[5]);
	values[6] = CStringGetTextDatum(payload);
	rights_become_owner(&saved);
	SPI_connect();
	if (SPI_execute_plan(insert_plan(), values, nulls, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not insert an event");
	SPI_finish();
	rights_restore(&saved);
	return room->last_seq;
}

/* append_event(room_id, kind, actor_id, payload jsonb) → seq; NULL when the room is gone. */
Datum
taskchat_append_event(PG_FUNCTION_ARGS)
{
	Room		room;
	char	   *actor = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	Jsonb	   *payload = PG_GETARG_JSONB_P(3);

	require_writable();
	if (!room_lock(PG_GETARG_INT64(0), &room))
		PG_RETURN_NULL();
	PG_RETURN_INT64(event_append(&room, text_to_cstring(PG_GETARG_TEXT_PP(1)), actor,
								 JsonbToCString(NULL, &payload->root, VARSIZE(payload))));
}
