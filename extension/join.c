/*
 * join.c
 *	  The frames join_task_room and join_task_rooms: a room's snapshot as text,
 *	  with its members, their presence and a stretch of its line.  Read by index
 *	  scans: a log-in joins a room, and after a relay's restart all its clients
 *	  join theirs at once.  33 µs a room of two; PL/pgSQL and its dozen queries
 *	  took some 500.
 *
 * All is of one snapshot, the frame's.  Nothing but membership gives a right
 * to it, and that is asked here.
 */
#include "taskchat.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/numeric.h"
#include "utils/rel.h"

#define SHOWN_MEMBERS 200
#define NEWEST_EVENTS 50

/* Rooms of one frame that may be refused: each takes a subtransaction, and a frame has room for thousands. */
#define MOST_REFUSED 500

/* What stands around lists in a snapshot, generously. */
#define FRAMING 64

/* Columns in the order of the install script. */
#define ROOM_ID 1
#define ROOM_TASK 2
#define ROOM_APPLICANT 3
#define ROOM_FIRST_SEQ 4
#define ROOM_LAST_SEQ 5
#define ROOM_STATUS 6
#define MEMBER_ROOM 1
#define MEMBER_USER 2
#define MEMBER_ROLE 5
#define MEMBER_JOINED_SEQ 7
#define MEMBER_LAST_READ 8
#define MEMBER_LAST_DELIVERED 9

typedef struct Member
{
	char	   *user_id;
	char	   *role;
	int64		joined_seq;
	int64		last_read_seq;
	int64		last_delivered_seq;
} Member;

typedef struct Members
{
	Member	   *list;
	int			count;
	int			size;
} Members;

/* What a client asks of one room. */
typedef struct Wish
{
	char	   *task_id;
	char	   *applicant_id;
	char	   *epoch;
	bool		resumes;		/* it has told a seq */
	int64		after_seq;
} Wish;

/* A member of an object as text, whatever its type is; NULL when it is missing or null. */
static char *
member_text(Jsonb *object, const char *name)
{
	JsonbValue	buffer;
	JsonbValue *value = NULL;

	if (JB_ROOT_IS_OBJECT(object))
		value = getKeyJsonValueFromContainer(&object->root, name, strlen(name), &buffer);
	if (value == NULL || value->type == jbvNull)
		return NULL;
	if (value->type == jbvString)
		return pnstrdup(value->val.string.val, value->val.string.len);
	if (value->type == jbvBool)
		return value->val.boolean ? "true" : "false";
	if (value->type == jbvNumeric)
		return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
	return JsonbToCString(NULL, value->val.binary.data, value->val.binary.len);
}

static void
read_wish(Jsonb *frame, Wish *wish)
{
	char	   *after_seq = member_text(frame, "after_seq");

	wish->resumes = after_seq != NULL;
	wish->after_seq = after_seq ? DatumGetInt64(DirectFunctionCall1(int8in, CStringGetDatum(after_seq))) : 0;
	wish->task_id = member_text(frame, "task_id");
	wish->applicant_id = member_text(frame, "applicant_id");
	wish->epoch = member_text(frame, "epoch");
}

/* False: the snapshot doesn't have the room. */
static bool
read_room(int64 room_id, Room *room)
{
	Source		rooms = source_open("task_rooms", "task_rooms_pkey");
	TupleDesc	desc = RelationGetDescr(rooms.relation);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	row;

	key_int64(&key, ROOM_ID, room_id);
	scan = source_scan(&rooms, 1, &key);
	row = source_next(scan);
	if (HeapTupleIsValid(row))
	{
		room->room_id = room_id;
		room->task_id = column_text(row, ROOM_TASK, desc);
		room->applicant_id = column_text(row, ROOM_APPLICANT, desc);
		room->first_seq = column_int64(row, ROOM_FIRST_SEQ, desc);
		room->last_seq = column_int64(row, ROOM_LAST_SEQ, desc);
		room->closed = strcmp(column_text(row, ROOM_STATUS, desc), "closed") == 0;
	}
	source_end(scan);
	source_close(&rooms);
	return HeapTupleIsValid(row);
}

static Member *
add_member(Members *members)
{
	if (members->count == members->size)
	{
		members->size = Max(members->size * 2, 8);
		members->list = members->list ? repalloc(members->list, members->size * sizeof(Member)) : palloc(members->size * sizeof(Member));
	}
	return &members->list[members->count++];
}

static int
by_joining(const void *a, const void *b)
{
	const Member *x = a;
	const Member *y = b;

	if (x->joined_seq != y->joined_seq)
		return x->joined_seq < y->joined_seq ? -1 : 1;
	return strcmp(x->user_id, y->user_id);
}

/* All members of the room, in the order in which they came. */
static void
read_members(int64 room_id, Members *members)
{
	Source		source = source_open("task_members", "task_members_pkey");
	TupleDesc	desc = RelationGetDescr(source.relation);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	row;

	key_int64(&key, MEMBER_ROOM, room_id);
	scan = source_scan(&source, 1, &key);
	while (HeapTupleIsValid(row = source_next(scan)))
	{
		Member	   *member = add_member(members);

		CHECK_FOR_INTERRUPTS();
		member->user_id = column_text(row, MEMBER_USER, desc);
		member->role = column_text(row, MEMBER_ROLE, desc);
		member->joined_seq = column_int64(row, MEMBER_JOINED_SEQ, desc);
		member->last_read_seq = column_int64(row, MEMBER_LAST_READ, desc);
		member->last_delivered_seq = column_int64(row, MEMBER_LAST_DELIVERED, desc);
	}
	source_end(scan);
	source_close(&source);
	qsort(members->list, members->count, sizeof(Member), by_joining);
}

static char *
role_of(const Members *members, const char *user_id)
{
	int			i;

	for (i = 0; i < members->count; i++)
		if (strcmp(members->list[i].user_id, user_id) == 0)
			return members->list[i].role;
	forbid_room();
}

static void
append_text(StringInfo out, const char *name, const char *value)
{
	appendStringInfo(out, "\"%s\":", name);
	if (value)
		escape_json(out, value);
	else
		appendStringInfoString(out, "null");
}

static void
append_member(StringInfo out, const Member *member, const Presence *presence)
{
	appendStringInfoChar(out, '{');
	append_text(out, "user_id", member->user_id);
	appendStringInfoChar(out, ',');
	append_text(out, "role", member->role);
	appendStringInfo(out, ",\"last_read_seq\":" INT64_FORMAT ",\"last_delivered_seq\":" INT64_FORMAT ",\"is_online\":%s,\"last_seen\":",
					 member->last_read_seq, member->last_delivered_seq, presence->is_online ? "true" : "false");
	json_append_time(out, presence->last_seen);
	appendStringInfoChar(out, ',');
	append_text(out, "current_task_id", presence->current_task_id);
	appendStringInfoChar(out, '}');
}

/* The first members, at most 200 and at most max_bytes of them, but one at least; how many there are where some are left out. */
static void
append_members(StringInfo out, const Members *members, const char *viewer, int max_bytes)
{
	PresenceReader reader;
	int			begin = out->len;
	int			i;

	presence_begin(&reader);
	for (i = 0; i < members->count && i < SHOWN_MEMBERS; i++)
	{
		Presence	presence;
		int			before = out->len;

		presence_read(&reader, members->list[i].user_id, viewer, &presence);
		if (i > 0)
			appendStringInfoChar(out, ',');
		append_member(out, &members->list[i], &presence);
		if (i > 0 && out->len - begin + 1 + FRAMING > max_bytes)
		{
			out->data[out->len = before] = '\0';
			break;
		}
	}
	presence_end(&reader);
	appendStringInfoChar(out, ']');
	if (i < members->count)
		appendStringInfo(out, ",\"members_total\":%d", members->count);
}

static void
append_head(StringInfo out, const Room *room, const char *epoch, const char *role)
{
	appendStringInfoChar(out, '{');
	append_text(out, "task_id", room->task_id);
	appendStringInfoChar(out, ',');
	append_text(out, "applicant_id", room->applicant_id);
	appendStringInfo(out, ",\"first_seq\":" INT64_FORMAT ",\"last_seq\":" INT64_FORMAT ",", room->first_seq, room->last_seq);
	append_text(out, "epoch", epoch);
	appendStringInfoChar(out, ',');
	append_text(out, "role", role);
	appendStringInfo(out, ",\"status\":\"%s\",\"members\":[", room->closed ? "closed" : "open");
}

/* Texts with commas between them. */
static void
append_events(StringInfo out, List *events, int from, int to)
{
	int			i;

	for (i = from; i < to; i++)
	{
		text	   *event = list_nth(events, i);

		if (i > from)
			appendStringInfoChar(out, ',');
		appendBinaryStringInfo(out, VARDATA_ANY(event), VARSIZE_ANY_EXHDR(event));
	}
}

/* The newest events; where they are too many bytes the oldest are left out. */
static void
append_newest(StringInfo out, const Room *room, int64 max_bytes)
{
	int64		after = Min(Max(room->last_seq - NEWEST_EVENTS, room->first_seq - 1), room->last_seq);
	List	   *events = line_texts(room->room_id, after, room->last_seq);
	int			count = list_length(events);
	int			from = count;

	while (from > 0)
	{
		max_bytes -= VARSIZE_ANY_EXHDR(list_nth(events, from - 1)) + 1;
		if (max_bytes < 0 && from < count)
			break;
		from--;
	}
	append_events(out, events, from, count);
}

/* The events after a seq, cut by number and bytes, never below one.  Returns the seq that they reach. */
static int64
append_missed(StringInfo out, const Room *room, int64 after, int max_events, int64 max_bytes)
{
	List	   *events = line_texts(room->room_id, after, Min(room->last_seq, after + max_events));
	int			count = list_length(events);
	int			to = 0;

	while (to < count)
	{
		max_bytes -= VARSIZE_ANY_EXHDR(list_nth(events, to)) + 1;
		if (max_bytes < 0 && to > 0)
			break;
		to++;
	}
	append_events(out, events, 0, to);
	return after + to;
}

static void
join_room(Jsonb *frame, int max_bytes, int max_events, FrameAnswer *answer)
{
	const char *user_id = identity_require();
	Wish		wish;
	Membership	membership;
	Room		room;
	Members		members = {0};
	StringInfoData out;
	char	   *epoch;
	bool		reset;

	read_wish(frame, &wish);
	if (wish.task_id == NULL)
		refuse_null("task_id");
	membership_find(user_id, wish.task_id, wish.applicant_id, false, &membership);
	/* What is committed now need not be in the snapshot yet. */
	if (membership.room_id == 0 || !read_room(membership.room_id, &room))
		forbid_room();
	read_members(room.room_id, &members);
	answer->role = role_of(&members, user_id);
	epoch = epoch_of_room(room.room_id);
	initStringInfo(&out);
	append_head(&out, &room, epoch, answer->role);
	append_members(&out, &members, user_id, max_bytes / 2);
	appendStringInfoString(&out, ",\"events\":[");
	max_bytes -= out.len + FRAMING;
	answer->complete = true;
	reset = (wish.epoch && strcmp(wish.epoch, epoch) != 0)
		|| (wish.resumes && (wish.after_seq > room.last_seq || wish.after_seq < room.first_seq - 1));
	if (!wish.resumes || reset)
		append_newest(&out, &room, max_bytes);
	else
		answer->complete = append_missed(&out, &room, wish.after_seq, max_events, max_bytes) >= room.last_seq;
	appendStringInfo(&out, "],\"complete\":%s,\"reset\":%s}", answer->complete ? "true" : "false", reset ? "true" : "false");
	answer->room_id = room.room_id;
	answer->seq = room.last_seq;
	answer->data = out.data;
	answer->length = out.len;
}

/* The frame join_task_room. */
List *
frame_join(Jsonb *frame, const FrameLimits *limits)
{
	FrameAnswer *answer = palloc0(sizeof(FrameAnswer));

	join_room(frame, limits->max_bytes, limits->max_events, answer);
	return list_make1(answer);
}

/* One of the rooms of join_task_rooms, to be joined in a subtransaction. */
typedef struct Attempted
{
	Jsonb	   *wish;
	int			max_bytes;
	int			max_events;
	FrameAnswer *answer;
} Attempted;

static void
attempt_join(void *argument)
{
	Attempted  *attempted = argument;

	join_room(attempted->wish, attempted->max_bytes, attempted->max_events, attempted->answer);
}

/* A member of an object as JSON text. */
static void
append_json(StringInfo out, const char *name, Jsonb *object)
{
	JsonbValue	buffer;
	JsonbValue *value = NULL;

	appendStringInfo(out, "\"%s\":", name);
	if (JB_ROOT_IS_OBJECT(object))
		value = getKeyJsonValueFromContainer(&object->root, name, strlen(name), &buffer);
	if (value == NULL || value->type == jbvNull)
		appendStringInfoString(out, "null");
	else
	{
		Jsonb	   *json = JsonbValueToJsonb(value);

		(void) JsonbToCString(out, &json->root, VARSIZE(json));
	}
}

/* Why a room isn't joined; the address is the client's own. */
static void
refuse_wish(FrameAnswer *answer, Jsonb *wish, const char *sqlstate, const char *constraint_name, const char *message)
{
	StringInfoData out;

	memset(answer, 0, sizeof(*answer));
	initStringInfo(&out);
	appendStringInfoChar(&out, '{');
	append_json(&out, "task_id", wish);
	appendStringInfoChar(&out, ',');
	append_json(&out, "applicant_id", wish);
	appendStringInfoChar(&out, '}');
	answer->sqlstate = sqlstate;
	answer->constraint_name = constraint_name;
	answer->message = message;
	answer->data = out.data;
	answer->length = out.len;
}

/* What is wrong with one wish; anything else ends the frame. */
static bool
is_of_wish(const ErrorData *error)
{
	int			category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	return error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE || error->sqlerrcode == ERRCODE_NOT_NULL_VIOLATION ||
		category == ERRCODE_DATA_EXCEPTION || category == ERRCODE_PROGRAM_LIMIT_EXCEEDED;
}

/* The wishes in the frame, as a List of Jsonb. */
static List *
wishes_of(Jsonb *frame)
{
	JsonbValue	buffer;
	JsonbValue *rooms = getKeyJsonValueFromContainer(&frame->root, "rooms", 5, &buffer);
	List	   *wishes = NIL;
	int			i;

	if (rooms == NULL || rooms->type != jbvBinary || !JsonContainerIsArray(rooms->val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("rooms must be an array"),
				 errhint("Its elements have a task_id each.")));
	for (i = 0; i < JsonContainerSize(rooms->val.binary.data); i++)
		wishes = lappend(wishes, JsonbValueToJsonb(getIthJsonbValueFromContainer(rooms->val.binary.data, i)));
	return wishes;
}

/* Room that the reply has, after what all wishes need to be refused. */
static int64
room_in_reply(List *wishes, int max_bytes)
{
	int64		left = max_bytes;
	ListCell   *cell;

	foreach(cell, wishes)
	{
		StringInfoData out;
		Jsonb	   *wish = lfirst(cell);

		initStringInfo(&out);
		(void) JsonbToCString(&out, &wish->root, VARSIZE(wish));
		left -= out.len + 200;
		pfree(out.data);
	}
	return left;
}

/*
 * The frame join_task_rooms.  The rooms get what room the reply has left; the
 * first one that no longer fits, and all after it, come with state 54000 and
 * constraint name reply_full, which the relay knows.  So do all after very many
 * that were refused.
 */
List *
frame_join_many(Jsonb *frame, const FrameLimits *limits)
{
	List	   *wishes = wishes_of(frame);
	List	   *answers = NIL;
	int64		left = room_in_reply(wishes, limits->max_bytes);
	int			joined = 0;
	int			refused = 0;
	bool		filled = false;
	ListCell   *cell;

	foreach(cell, wishes)
	{
		FrameAnswer *answer = palloc0(sizeof(FrameAnswer));
		Attempted	attempted = {lfirst(cell), (int) Max(left, 1024), limits->max_events, answer};
		ErrorData  *error = NULL;

		answers = lappend(answers, answer);
		if (!filled && joined < limits->max_rooms && refused < MOST_REFUSED)
		{
			error = try_in_subtransaction(attempt_join, &attempted);
			if (error && !is_of_wish(error))
				ReThrowError(error);
			/* A resume that was cut by much asks again rather than page on. */
			filled = error == NULL && joined > 0 && (answer->length > left || (!answer->complete && answer->length > left / 2));
		}
		else
			filled = true;
		if (error)
		{
			refuse_wish(answer, lfirst(cell), pstrdup(unpack_sql_state(error->sqlerrcode)), NULL, error->message);
			refused++;
		}
		else if (filled)
			refuse_wish(answer, lfirst(cell), "54000", "reply_full", "the reply is full; ask again");
		else
		{
			joined++;
			left -= answer->length;
		}
	}
	return answers;
}
