/*
 * message.c
 *	  Messages: the trigger that every INSERT into task_messages passes, and
 *	  send_message(), which does without the INSERT where nobody would notice.
 *
 * complete_draft() is the one place of a message's rules.  It validates what the
 * row brings, takes the room's lock and next seq, and fills the rest.  What a
 * function of ours knows beforehand (a system message; a client_msg_id that
 * has been looked up) it tells it, by way of "sending" where there is an INSERT.
 */
#include "taskchat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/fmgroids.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Columns of task_messages, in the order of the install script. */
enum MessageColumn
{
	COL_ID = 1, COL_ROOM, COL_TASK, COL_APPLICANT, COL_SEQ, COL_SENDER, COL_TYPE, COL_CONTENT, COL_URL,
	COL_CREATED, COL_READ, COL_SYSTEM, COL_CLIENT_ID, COL_REPLY, COL_EDITED, COL_DELETED, COL_METADATA,
	COLUMNS = COL_METADATA
};

static const Oid column_types[COLUMNS] = {
	UUIDOID, INT8OID, TEXTOID, TEXTOID, INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
	TIMESTAMPTZOID, TIMESTAMPTZOID, BOOLOID, TEXTOID, UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, JSONBOID
};

/* What send_message() and send_system_message() tell the trigger of their one row. */
typedef struct Sending
{
	bool		system;			/* the rights were the caller's matter */
	bool		looked_up;		/* there is no message with that client_msg_id */
	const char *task_id;		/* whose membership this is; NULL: not found yet */
	Membership	membership;
	int			depth;			/* of triggers where the row comes: another's trigger may write too */
} Sending;

static Sending *sending = NULL; /* taken by that row */

PG_FUNCTION_INFO_V1(taskchat_message_before_insert);
PG_FUNCTION_INFO_V1(taskchat_lock_message);
PG_FUNCTION_INFO_V1(taskchat_send_message);
PG_FUNCTION_INFO_V1(taskchat_send_system_message);

/* A row under construction; somebody may have added columns to ours. */
typedef struct Draft
{
	Datum	   *values;
	bool	   *nulls;
} Draft;

static Draft
draft_new(TupleDesc desc)
{
	Draft		draft;

	Assert(desc->natts >= COLUMNS);
	draft.values = palloc0(desc->natts * sizeof(Datum));
	draft.nulls = palloc(desc->natts * sizeof(bool));
	memset(draft.nulls, true, desc->natts * sizeof(bool));
	return draft;
}

static char *
draft_text(const Draft *draft, int column)
{
	return draft->nulls[column - 1] ? NULL : TextDatumGetCString(draft->values[column - 1]);
}

static void
draft_set(Draft *draft, int column, Datum value)
{
	draft->values[column - 1] = value;
	draft->nulls[column - 1] = false;
}

/* Columns that only the extension fills. */
static void
refuse_forged(const Draft *draft, const char *user_id)
{
	static const int own[] = {COL_ID, COL_ROOM, COL_SEQ, COL_CREATED, COL_READ, COL_EDITED, COL_DELETED};
	char	   *sender = draft_text(draft, COL_SENDER);
	bool		forged = false;
	int			i;

	for (i = 0; i < lengthof(own); i++)
		forged |= !draft->nulls[own[i] - 1];
	forged |= sender && strcmp(sender, user_id) != 0;
	forged |= !draft->nulls[COL_SYSTEM - 1] && DatumGetBool(draft->values[COL_SYSTEM - 1]);
	if (forged)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a message brings a column that is not its sender's to set"),
				 errhint("Leave out id, room_id, seq, created_at, read_at, edited_at, deleted_at and is_system_message; sender_id is the identity.")));
}

/* Keep the message where it is until we commit; false: it is gone. */
static bool
keep_message(Relation messages, ItemPointer tid)
{
	TupleTableSlot *slot = table_slot_create(messages, NULL);
	bool		kept = row_lock(messages, tid, LockTupleKeyShare, slot);

	ExecDropSingleTupleTableSlot(slot);
	return kept;
}

/* The foreign key looks with the transaction's snapshot: what that doesn't see is to be tried again. */
static bool
too_new(HeapTuple tuple)
{
	TransactionId xmin = HeapTupleHeaderGetXmin(tuple->t_data);

	return IsolationUsesXactSnapshot() && !TransactionIdIsCurrentTransactionId(xmin) &&
		XidInMVCCSnapshot(xmin, GetTransactionSnapshot());
}

/* The message that these keys name, as committed now: a copy, or NULL. */
static HeapTuple
find_message(Relation messages, const char *index, int nkeys, const ScanKeyData *keys)
{
	TupleTableSlot *slot = table_slot_create(messages, NULL);
	ItemPointerData root;
	HeapTuple	found = NULL;

	if (row_find(messages, index, nkeys, keys, slot, &root))
		found = ExecCopySlotHeapTuple(slot);
	ExecDropSingleTupleTableSlot(slot);
	return found;
}

static HeapTuple
find_by_id(Relation messages, Datum id)
{
	ScanKeyData key;

	ScanKeyInit(&key, COL_ID, BTEqualStrategyNumber, F_UUID_EQ, id);
	return find_message(messages, "task_messages_id_key", 1, &key);
}

/* reply_to is a message of the same room; one error for unknown and elsewhere. */
static void
check_reply(const Draft *draft, int64 room_id)
{
	Relation	messages;
	HeapTuple	message;
	bool		same;

	if (draft->nulls[COL_REPLY - 1])
		return;
	messages = table_open(relation_oid("task_messages"), RowShareLock);
	message = find_by_id(messages, draft->values[COL_REPLY - 1]);
	same = message && column_int64(message, COL_ROOM, RelationGetDescr(messages)) == room_id;
	if (same && too_new(message))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the message that reply_to names is newer than this transaction"),
				 errhint("Try the transaction again.")));
	same = same && keep_message(messages, &message->t_self);
	table_close(messages, NoLock);
	if (!same)
		forbid_room();
}

/* lock_message(id, sender) → boolean: locks that sender's message; false when there is none. */
Datum
taskchat_lock_message(PG_FUNCTION_ARGS)
{
	Relation	messages = open_writable("task_messages");
	TupleTableSlot *slot = table_slot_create(messages, NULL);
	HeapTuple	message = find_by_id(messages, PG_GETARG_DATUM(0));
	bool		found = false;

	if (message)
	{
		char	   *sender = column_text(message, COL_SENDER, RelationGetDescr(messages));

		found = sender && strcmp(sender, text_to_cstring(PG_GETARG_TEXT_PP(1))) == 0 &&
			row_lock(messages, &message->t_self, LockTupleNoKeyExclusive, slot);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_close(messages, NoLock);
	PG_RETURN_BOOL(found);
}

/* The message that this sender sent with this id in the task; NULL if none.  A copy. */
static HeapTuple
find_duplicate(const char *task_id, const char *sender_id, const char *client_msg_id)
{
	Relation	messages = table_open(relation_oid("task_messages"), AccessShareLock);
	ScanKeyData keys[3];
	HeapTuple	message;

	ScanKeyInit(&keys[0], COL_TASK, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(task_id));
	ScanKeyInit(&keys[1], COL_SENDER, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(sender_id));
	ScanKeyInit(&keys[2], COL_CLIENT_ID, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(client_msg_id));
	message = find_message(messages, "task_messages_client_msg_id_key", lengthof(keys), keys);
	table_close(messages, NoLock);
	return message;
}

/*
 * NEW takes all keys of the row that exists: a conflict then finds it, whatever
 * ON CONFLICT names, and no seq is spent.  False: the row is just being purged.
 */
static bool
take_key(Draft *draft, HeapTuple existing)
{
	static const int key[] = {COL_ID, COL_ROOM, COL_APPLICANT, COL_SEQ, COL_CREATED};
	Relation	messages = table_open(relation_oid("task_messages"), RowShareLock);
	TupleDesc	desc = RelationGetDescr(messages);
	ItemPointerData tid = existing->t_self;
	bool		kept = keep_message(messages, &tid);
	int			i;

	for (i = 0; kept && i < lengthof(key); i++)
		draft->values[key[i] - 1] = heap_getattr(existing, key[i], desc, &draft->nulls[key[i] - 1]);
	if (kept)
		draft_set(draft, COL_SYSTEM, BoolGetDatum(false));
	table_close(messages, NoLock);
	return kept;
}

/* A complete row from the owner or a superuser with no identity is one being restored. */
static bool
is_restore(const Draft *draft, Relation messages)
{
	static const int complete[] = {COL_ID, COL_ROOM, COL_SEQ, COL_CREATED};
	Oid			user_id;
	int			sec_context;
	int			i;

	for (i = 0; i < lengthof(complete); i++)
		if (draft->nulls[complete[i] - 1])
			return false;
	GetUserIdAndSecContext(&user_id, &sec_context);
	return identity_get() == NULL && sec_context == 0 && user_id == GetOuterUserId() &&
		(superuser() || pg_class_ownercheck(RelationGetRelid(messages), user_id));
}

/* What the draft's address means to its sender, unless send_message() has found that already. */
static void
find_membership(const Draft *draft, const char *user_id, Sending *told)
{
	char	   *task_id = draft_text(draft, COL_TASK);

	if (task_id == NULL)
		refuse_null("task_id");
	if (told->task_id == NULL || strcmp(told->task_id, task_id) != 0)
		membership_find(user_id, task_id, draft_text(draft, COL_APPLICANT), !draft->nulls[COL_CLIENT_ID - 1],
						&told->membership);
	if (told->membership.room_id == 0 || told->membership.role == ROLE_OBSERVER)
		forbid_room();
}

/* A client_msg_id that was used makes NEW the row that is there: true. */
static bool
is_used(Draft *draft, const char *user_id, Sending *told)
{
	char	   *client_id = draft_text(draft, COL_CLIENT_ID);
	char	   *task_id = draft_text(draft, COL_TASK);
	HeapTuple	existing;

	if (client_id == NULL || told->looked_up)
		return false;
	check_id("client_msg_id", client_id, TASKCHAT_MAX_CLIENT_MSG_ID);
	member_lock_first(user_id, task_id, draft_text(draft, COL_APPLICANT), &told->membership);
	existing = find_duplicate(task_id, user_id, client_id);
	return existing && take_key(draft, existing);
}

/* Object-relational mappers write JSON's null where there is none. */
static void
check_metadata(Draft *draft)
{
	Jsonb	   *metadata;
	JsonbValue	scalar;

	if (draft->nulls[COL_METADATA - 1])
		return;
	metadata = DatumGetJsonbP(draft->values[COL_METADATA - 1]);
	if (JsonbExtractScalar(&metadata->root, &scalar) && scalar.type == jbvNull)
		draft->nulls[COL_METADATA - 1] = true;
	else
		check_json("metadata", metadata);
}

static void
check_draft(Draft *draft, int64 room_id)
{
	check_content(draft_text(draft, COL_TYPE), draft_text(draft, COL_CONTENT), draft_text(draft, COL_URL));
	check_metadata(draft);
	check_reply(draft, room_id);
}

/* Fill the columns that are ours; the room has just been given its next seq. */
static void
number_draft(Draft *draft, Room *room, bool system)
{
	draft_set(draft, COL_ID, UUIDPGetDatum(uuid_v7()));
	draft_set(draft, COL_ROOM, Int64GetDatum(room->room_id));
	draft_set(draft, COL_TASK, CStringGetTextDatum(room->task_id));
	draft->nulls[COL_APPLICANT - 1] = room->applicant_id == NULL;
	if (room->applicant_id)
		draft_set(draft, COL_APPLICANT, CStringGetTextDatum(room->applicant_id));
	draft_set(draft, COL_SEQ, Int64GetDatum(room->last_seq));
	draft_set(draft, COL_CREATED, TimestampTzGetDatum(GetCurrentTimestamp()));
	draft_set(draft, COL_SYSTEM, BoolGetDatum(system));
}

static void
complete_system_draft(Draft *draft)
{
	int64		room_id = DatumGetInt64(draft->values[COL_ROOM - 1]);
	Room		room;

	check_draft(draft, room_id);
	if (!room_next(room_id, &room))
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("no such room"),
				 errhint("The room has just been deleted.")));
	number_draft(draft, &room, true);
}

static void
complete_user_draft(Draft *draft, Sending *told)
{
	const char *user_id = identity_require();
	Room		room;

	refuse_forged(draft, user_id);
	find_membership(draft, user_id, told);
	draft_set(draft, COL_SENDER, CStringGetTextDatum(user_id));
	if (is_used(draft, user_id, told))
		return;
	check_draft(draft, told->membership.room_id);
	room_enter_next(told->membership.room_id, user_id, &told->membership.tid, &room);
	number_draft(draft, &room, false);
}

/* The rules of a row that comes new. */
static void
complete_draft(Draft *draft, Sending *told)
{
	if (draft->nulls[COL_TYPE - 1])
		draft_set(draft, COL_TYPE, CStringGetTextDatum("text"));
	if (told->system)
		complete_system_draft(draft);
	else
		complete_user_draft(draft, told);
}

/* How many triggers are under way. */
static int
trigger_depth(void)
{
	return DatumGetInt32(pg_trigger_depth(NULL));
}

/* BEFORE INSERT ON task_messages FOR EACH ROW; its name sorts after any other. */
Datum
taskchat_message_before_insert(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Draft		draft;
	TupleDesc	desc;
	Sending		told = {0};

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ||
		RelationGetRelid(trigger->tg_relation) != relation_oid("task_messages"))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("this function serves only as trigger of taskchat.task_messages")));
	desc = RelationGetDescr(trigger->tg_relation);
	draft = draft_new(desc);
	heap_deform_tuple(trigger->tg_trigtuple, desc, draft.values, draft.nulls);
	if (is_restore(&draft, trigger->tg_relation))
		return PointerGetDatum(trigger->tg_trigtuple);
	if (sending && sending->depth == trigger_depth())
	{
		told = *sending;
		sending = NULL;
	}
	complete_draft(&draft, &told);
	return PointerGetDatum(heap_form_tuple(desc, draft.values, draft.nulls));
}

static SPIPlanPtr
insert_plan(void)
{
	static SPIPlanPtr plan = NULL;

	if (plan == NULL)
	{
		Oid			types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, UUIDOID, JSONBOID, TEXTOID, INT8OID};

		plan = SPI_prepare("INSERT INTO taskchat.task_messages"
						   " (task_id, content, message_type, file_url, client_msg_id, reply_to, metadata, applicant_id, room_id)"
						   " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING *",
						   lengthof(types), types);
		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare the insertion of a message: %s", SPI_result_code_string(SPI_result));
	}
	return plan;
}

/* Insert by a statement, as others do; the trigger does the rest. */
static HeapTuple
insert_by_statement(Datum *values, const bool *nulls, Sending *told)
{
	MemoryContext caller = CurrentMemoryContext;
	Sending    *outer = sending;
	char		spi_nulls[SEND_ARGS];
	HeapTuple	row;
	int			i;

	for (i = 0; i < SEND_ARGS; i++)
		spi_nulls[i] = nulls[i] ? 'n' : ' ';
	SPI_connect();
	told->depth = trigger_depth() + 1;
	sending = told;
	PG_TRY();
	{
		if (SPI_execute_plan(insert_plan(), values, spi_nulls, false, 0) != SPI_OK_INSERT_RETURNING || SPI_processed != 1)
			elog(ERROR, "could not insert a message");
	}
	PG_FINALLY();
	{
		sending = outer;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	row = heap_copytuple(SPI_tuptable->vals[0]);
	SPI_finish();
	return row;
}

/* The same without one: check_reply() has done the work of the foreign key. */
static HeapTuple
insert_straight(Relation messages, const Datum *values, const bool *nulls, Sending *told)
{
	static const int columns[SEND_ARGS] = {
		COL_TASK, COL_CONTENT, COL_TYPE, COL_URL, COL_CLIENT_ID, COL_REPLY, COL_METADATA, COL_APPLICANT, COL_ROOM
	};
	Draft		draft = draft_new(RelationGetDescr(messages));
	HeapTuple	row;
	int			i;

	for (i = 0; i < SEND_ARGS; i++)
		if (!nulls[i])
			draft_set(&draft, columns[i], values[i]);
	complete_draft(&draft, told);
	row = heap_form_tuple(RelationGetDescr(messages), draft.values, draft.nulls);
	straight_insert(messages, row);
	carry_place(messages, &row->t_self);
	return row;
}

/* Insert as owner.  The tuple is a copy in the caller's context. */
static HeapTuple
insert_message(Datum *values, const bool *nulls, Sending *told)
{
	Rights		saved;
	Relation	messages;
	HeapTuple	row;

	rights_become_owner(&saved);
	messages = open_writable("task_messages");
	if (straight_fits(messages, COLUMNS, column_types, COL_REPLY, "zz_taskchat_message"))
		row = insert_straight(messages, values, nulls, told);
	else
		row = insert_by_statement(values, nulls, told);
	table_close(messages, NoLock);
	rights_restore(&saved);
	return row;
}

/* The message that was sent with this client_msg_id, for who is still in a room of the task; NULL if none. */
static HeapTuple
find_sent(const Datum *values, const bool *nulls, Sending *told)
{
	const char *user_id = identity_require();
	char	   *client_id = TextDatumGetCString(values[4]);

	check_id("client_msg_id", client_id, TASKCHAT_MAX_CLIENT_MSG_ID);
	member_lock_first(user_id, told->task_id, nulls[7] ? NULL : TextDatumGetCString(values[7]), &told->membership);
	if (told->membership.room_id == 0)
		forbid_room();
	told->looked_up = true;
	return find_duplicate(told->task_id, user_id, client_id);
}

/*
 * Send a message as the identity.  values and nulls hold the first eight
 * arguments of send_message() and, for system messages, room_id as the ninth.
 * Returns a row of task_messages; *duplicate says that it was there before.
 */
HeapTuple
message_send(Datum *values, bool *nulls, bool system, bool *duplicate)
{
	Sending		told = {0};
	HeapTuple	sent = NULL;

	told.system = system;
	if (!system && !nulls[0])
	{
		told.task_id = TextDatumGetCString(values[0]);
		membership_find(identity_require(), told.task_id,
						nulls[7] ? NULL : TextDatumGetCString(values[7]), !nulls[4], &told.membership);
		if (!nulls[4])
			sent = find_sent(values, nulls, &told);
	}
	*duplicate = sent != NULL;
	return sent ? sent : insert_message(values, nulls, &told);
}

/* A row that message_send() has given, as a composite value. */
Datum
message_datum(HeapTuple row)
{
	Relation	messages = table_open(relation_oid("task_messages"), NoLock);
	Datum		datum = heap_copy_tuple_as_datum(row, RelationGetDescr(messages));

	table_close(messages, NoLock);
	return datum;
}

/* send_message(task_id, content, message_type, file_url, client_msg_id, reply_to, metadata, applicant_id) → task_messages */
Datum
taskchat_send_message(PG_FUNCTION_ARGS)
{
	Datum		values[SEND_ARGS] = {0};
	bool		nulls[SEND_ARGS];
	bool		duplicate;
	int			i;

	for (i = 0; i < SEND_ARGS; i++)
	{
		nulls[i] = i >= PG_NARGS() || PG_ARGISNULL(i);
		if (!nulls[i])
			values[i] = PG_GETARG_DATUM(i);
	}
	(void) identity_require();
	PG_RETURN_DATUM(message_datum(message_send(values, nulls, false, &duplicate)));
}

/* system_message(room_id, content, metadata) → task_messages: the rights are the caller's matter. */
Datum
taskchat_send_system_message(PG_FUNCTION_ARGS)
{
	Datum		values[SEND_ARGS] = {0};
	bool		nulls[SEND_ARGS] = {true, true, true, true, true, true, true, true, true};
	bool		duplicate;

	values[8] = PG_GETARG_DATUM(0);
	nulls[8] = false;
	values[1] = PG_GETARG_DATUM(1);
	nulls[1] = PG_ARGISNULL(1);
	values[2] = CStringGetTextDatum("text");
	nulls[2] = false;
	values[6] = PG_GETARG_DATUM(2);
	nulls[6] = PG_ARGISNULL(2);
	PG_RETURN_DATUM(message_datum(message_send(values, nulls, true, &duplicate)));
}
