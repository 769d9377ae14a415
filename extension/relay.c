/*
 * relay.c
 *	  relay_run(): client frames in one transaction, each as its own user in
 *	  its own subtransaction.  The contract stands in sql/relay.sql; what a
 *	  frame does stands in the wire_* functions there, but for the hot paths,
 *	  which are called directly: send_message and the frames of join.c.
 */
#include "taskchat.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#define RESULT_COLUMNS 8

PG_FUNCTION_INFO_V1(taskchat_relay_run);

/* The frames that functions serve; in SQL $1 is the frame, the others are the call's limits. */
typedef struct FrameKind
{
	const char *type;
	const char *sql;			/* NULL: run */
	bool		read_only;		/* STABLE: the whole answer comes from one snapshot */
	SPIPlanPtr	plan;
	List	   *(*run) (Jsonb *frame, const FrameLimits *limits);	/* a List of FrameAnswer */
} FrameKind;

static FrameKind frame_kinds[] = {
	{"join_task_room", NULL, true, NULL, frame_join},
	{"join_task_rooms", NULL, true, NULL, frame_join_many},
	{"find_room", "SELECT * FROM taskchat.wire_find_room($1)", true, NULL},
	{"get_messages", "SELECT * FROM taskchat.wire_get_messages($1, $2)", true, NULL},
	{"get_events", "SELECT * FROM taskchat.wire_get_events($1, $2)", true, NULL},
	{"get_rooms", "SELECT * FROM taskchat.wire_get_rooms($1, $2)", true, NULL},
	{"get_notifications", "SELECT * FROM taskchat.wire_get_notifications($1, $2)", true, NULL},
	{"user_presence", "SELECT * FROM taskchat.wire_user_presence($1)", true, NULL},
	{"set_presence", "SELECT * FROM taskchat.wire_set_presence($1)", false, NULL},
	{"edit_message", "SELECT * FROM taskchat.wire_edit_message($1)", false, NULL},
	{"delete_message", "SELECT * FROM taskchat.wire_delete_message($1)", false, NULL},
	{"mark_read", "SELECT * FROM taskchat.wire_mark_read($1)", false, NULL},
	{"mark_notification_read", "SELECT * FROM taskchat.wire_mark_notification_read($1)", false, NULL},
};

/* One call of relay_run(). */
typedef struct Call
{
	ReturnSetInfo *result;		/* where the rows go */
	MemoryContext context;		/* lives as long as the call */
	FrameLimits limits;
	const char *task_id;		/* of the frame that runs; may be NULL */
	List	   *busy;			/* char *: tasks of which a room's lock was held */
} Call;

static FrameKind *
kind_of_frame(const char *type)
{
	int			i;

	for (i = 0; type && i < lengthof(frame_kinds); i++)
		if (strcmp(frame_kinds[i].type, type) == 0)
			return &frame_kinds[i];
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("unknown frame type")));
}

static Datum
frame_text(Jsonb *frame, const char *name, bool *isnull)
{
	char	   *string = json_string(frame, name);

	*isnull = string == NULL;
	return string ? CStringGetTextDatum(string) : (Datum) 0;
}

static void
send_values(Jsonb *frame, Datum *values, bool *nulls)
{
	JsonbValue	buffer;
	JsonbValue *metadata = getKeyJsonValueFromContainer(&frame->root, "metadata", 8, &buffer);

	memset(nulls, true, SEND_ARGS);
	values[0] = frame_text(frame, "task_id", &nulls[0]);
	values[1] = frame_text(frame, "content", &nulls[1]);
	values[2] = frame_text(frame, "message_type", &nulls[2]);
	if (nulls[2])
		values[2] = CStringGetTextDatum("text");
	nulls[2] = false;
	values[3] = frame_text(frame, "file_url", &nulls[3]);
	values[4] = frame_text(frame, "client_msg_id", &nulls[4]);
	values[7] = frame_text(frame, "applicant_id", &nulls[7]);
	if (json_string(frame, "reply_to"))
	{
		values[5] = DirectFunctionCall1(uuid_in, CStringGetDatum(json_string(frame, "reply_to")));
		nulls[5] = false;
	}
	if (metadata && metadata->type != jbvNull)
	{
		values[6] = JsonbPGetDatum(JsonbValueToJsonb(metadata));
		nulls[6] = false;
	}
}

/* The reply's data: {"message": …, "duplicate": …}. */
static Datum
sent_data(HeapTuple row, bool duplicate)
{
	Datum		json = DirectFunctionCall1(taskchat_message_json, message_datum(row));

	return CStringGetTextDatum(psprintf("{\"message\":%s,\"duplicate\":%s}",
										TextDatumGetCString(json), duplicate ? "true" : "false"));
}

static void
run_send(Jsonb *frame, int command, Call *call)
{
	Datum		values[SEND_ARGS];
	bool		nulls[SEND_ARGS];
	Datum		columns[RESULT_COLUMNS] = {0};
	bool		column_nulls[RESULT_COLUMNS] = {false, true, true, true, true, true, true, false};
	bool		duplicate;
	HeapTuple	row;

	send_values(frame, values, nulls);
	row = message_send(values, nulls, false, &duplicate);
	columns[0] = Int32GetDatum(command);
	columns[7] = sent_data(row, duplicate);
	tuplestore_putvalues(call->result->setResult, call->result->setDesc, columns, column_nulls);
}

/*
 * A wire_* function's rows are the result's columns but the first.  What
 * writes is committed synchronously: the reply says so.
 */
static void
run_sql(FrameKind *kind, Jsonb *frame, int command, Call *call)
{
	Oid			types[] = {JSONBOID, INT4OID, INT4OID, INT4OID};
	Datum		values[] = {JsonbPGetDatum(frame), Int32GetDatum(call->limits.max_bytes), Int32GetDatum(call->limits.max_events),
	Int32GetDatum(call->limits.max_rooms)};
	uint64		i;

	if (!kind->read_only)
		ForceSyncCommit();
	SPI_connect();
	if (kind->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare(kind->sql, lengthof(types), types);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare \"%s\": %s", kind->sql, SPI_result_code_string(SPI_result));
		kind->plan = plan;
	}
	if (SPI_execute_plan(kind->plan, values, NULL, kind->read_only, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not run \"%s\"", kind->sql);
	for (i = 0; i < SPI_processed; i++)
	{
		Datum		columns[RESULT_COLUMNS];
		bool		nulls[RESULT_COLUMNS];
		int			c;

		columns[0] = Int32GetDatum(command);
		nulls[0] = false;
		for (c = 1; c < RESULT_COLUMNS; c++)
			columns[c] = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, c, &nulls[c]);
		tuplestore_putvalues(call->result->setResult, call->result->setDesc, columns, nulls);
	}
	SPI_finish();
}

static void
put_text(Datum *columns, bool *nulls, int column, const char *value)
{
	nulls[column] = value == NULL;
	if (value)
		columns[column] = CStringGetTextDatum(value);
}

static void
put_answer(const FrameAnswer *answer, int command, Call *call)
{
	Datum		columns[RESULT_COLUMNS] = {Int32GetDatum(command), Int64GetDatum(answer->room_id), Int64GetDatum(answer->seq)};
	bool		nulls[RESULT_COLUMNS] = {false, answer->room_id == 0, answer->room_id == 0};

	put_text(columns, nulls, 3, answer->role);
	put_text(columns, nulls, 4, answer->sqlstate);
	put_text(columns, nulls, 5, answer->constraint_name);
	put_text(columns, nulls, 6, answer->message);
	put_text(columns, nulls, 7, answer->data);
	tuplestore_putvalues(call->result->setResult, call->result->setDesc, columns, nulls);
}

static void
run_direct(FrameKind *kind, Jsonb *frame, int command, Call *call)
{
	ListCell   *cell;

	foreach(cell, kind->run(frame, &call->limits))
		put_answer(lfirst(cell), command, call);
}

/*
 * Frames for one task keep their order: where one came back as busy, the
 * later ones do too, though the lock may be free by now.
 */
static void
refuse_busy(const Call *call)
{
	ListCell   *cell;

	foreach(cell, call->busy)
		if (strcmp(lfirst(cell), call->task_id) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
					 errmsg("an earlier frame waits for this task")));
}

static void
run_frame(const char *user_id, const char *text, int command, Call *call)
{
	Jsonb	   *frame;
	char	   *type;
	FrameKind  *kind = NULL;

	check_id("user_id", user_id, TASKCHAT_MAX_ID);
	identity_set(user_id);
	PushActiveSnapshot(GetTransactionSnapshot());
	frame = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
	if (!JB_ROOT_IS_OBJECT(frame))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a frame is one JSON object")));
	type = json_string(frame, "type");
	if (type == NULL || strcmp(type, "send_message") != 0)
		kind = kind_of_frame(type);
	call->task_id = kind && kind->read_only ? NULL : json_string(frame, "task_id");
	if (call->task_id)
		refuse_busy(call);
	if (kind && kind->run)
		run_direct(kind, frame, command, call);
	else if (kind)
		run_sql(kind, frame, command, call);
	else
		run_send(frame, command, call);
	PopActiveSnapshot();
}

/* Errors that say something about the server, not about this frame. */
static bool
ends_the_call(int sqlerrcode)
{
	int			category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return category == ERRCODE_INSUFFICIENT_RESOURCES ||
		category == ERRCODE_OPERATOR_INTERVENTION ||
		category == ERRCODE_SYSTEM_ERROR ||
		sqlerrcode == ERRCODE_DATA_CORRUPTED || sqlerrcode == ERRCODE_INDEX_CORRUPTED;
}

static void
put_error(const ErrorData *error, int command, Call *call)
{
	Datum		columns[RESULT_COLUMNS] = {0};
	bool		nulls[RESULT_COLUMNS] = {false, true, true, true, false, true, false, true};

	columns[0] = Int32GetDatum(command);
	columns[4] = CStringGetTextDatum(unpack_sql_state(error->sqlerrcode));
	if (error->constraint_name)
	{
		columns[5] = CStringGetTextDatum(error->constraint_name);
		nulls[5] = false;
	}
	columns[6] = CStringGetTextDatum(error->message ? error->message : "");
	tuplestore_putvalues(call->result->setResult, call->result->setDesc, columns, nulls);
}

/*
 * Run one frame in a subtransaction.  Releasing one restores neither user nor
 * identity, so both are put back on success too.
 */
static void
run_guarded(const char *user_id, const char *text, int command, Call *call)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Rights		saved;

	call->task_id = NULL;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	rights_become_user(&saved);
	PG_TRY();
	{
		run_frame(user_id, text, command, call);
		identity_set(NULL);
		rights_restore(&saved);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		/* Before anything is thrown on: who throws out of a subtransaction leaves the session in one. */
		RollbackAndReleaseCurrentSubTransaction();
		rights_restore(&saved);
		if (ends_the_call(error->sqlerrcode))
			ReThrowError(error);
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE && call->task_id)
		{
			MemoryContextSwitchTo(call->context);
			call->busy = lappend(call->busy, pstrdup(call->task_id));
			MemoryContextSwitchTo(context);
		}
		put_error(error, command, call);
		FreeErrorData(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}

static char **
text_elements(ArrayType *array, int *count)
{
	Datum	   *elements;
	bool	   *nulls;
	char	  **strings;
	int			i;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, count);
	strings = palloc(*count * sizeof(char *) + 1);
	for (i = 0; i < *count; i++)
		strings[i] = nulls[i] ? "" : TextDatumGetCString(elements[i]);
	return strings;
}

/* relay_run(users text[], frames text[], wait boolean, max_bytes int, max_events int, max_rooms int): see sql/relay.sql. */
Datum
taskchat_relay_run(PG_FUNCTION_ARGS)
{
	Call		call = {0};
	MemoryContext per_frame;
	int			nusers,
				nframes,
				i;
	char	  **users = text_elements(PG_GETARG_ARRAYTYPE_P(0), &nusers);
	char	  **frames = text_elements(PG_GETARG_ARRAYTYPE_P(1), &nframes);
	LockWaitPolicy policy = PG_GETARG_BOOL(2) ? LockWaitBlock : LockWaitSkip;

	if (nusers != nframes || nframes > 60)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("relay_run() takes as many users as frames, at most 60")));
	InitMaterializedSRF(fcinfo, 0);
	call.result = (ReturnSetInfo *) fcinfo->resultinfo;
	call.context = CurrentMemoryContext;
	call.limits.max_bytes = PG_GETARG_INT32(3);
	call.limits.max_events = PG_GETARG_INT32(4);
	call.limits.max_rooms = PG_GETARG_INT32(5);
	per_frame = AllocSetContextCreate(CurrentMemoryContext, "taskchat frame", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(per_frame);
	PG_TRY();
	{
		lock_policy = policy;
		for (i = 0; i < nframes; i++)
		{
			run_guarded(users[i], frames[i], i + 1, &call);
			MemoryContextReset(per_frame);
		}
	}
	PG_FINALLY();
	{
		lock_policy = LockWaitBlock;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(call.context);
	MemoryContextDelete(per_frame);
	return (Datum) 0;
}
