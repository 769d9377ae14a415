/*
 * taskchat.h
 *	  What the extension's C files share, in sections by source file.
 *
 * All memory is palloc'd in the caller's context unless a comment says
 * otherwise; errors are raised with ereport and never returned.
 */
#ifndef TASKCHAT_H
#define TASKCHAT_H

#include "postgres.h"

#include "access/htup.h"
#include "access/skey.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "executor/tuptable.h"
#include "nodes/pg_list.h"
#include "nodes/lockoptions.h"
#include "storage/itemptr.h"
#include "storage/lwlock.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define TASKCHAT_MAX_ID 255
#define TASKCHAT_MAX_CLIENT_MSG_ID 128
#define TASKCHAT_MAX_URL 2048
#define TASKCHAT_MAX_JSON 8192

/* taskchat.c: settings */
extern int	max_content_bytes;
extern char *allowed_file_schemes;

/* identity.c: who asks, and with whose rights we act */
typedef struct Rights
{
	Oid			user_id;
	int			sec_context;
} Rights;

extern void identity_init(void);
extern const char *identity_get(void);
extern const char *identity_require(void);
extern void identity_set(const char *user_id);
extern void rights_become_owner(Rights *saved);
extern void rights_become_user(Rights *saved);
extern void rights_restore(const Rights *saved);

/* validate.c: what a value may look like */
extern void refuse_null(const char *what) pg_attribute_noreturn();
extern void check_id(const char *what, const char *value, int max_bytes);
extern void check_text(const char *type, const char *content);
extern bool check_schemes(char **value, void **extra, GucSource source);
extern void check_url(const char *url);
extern void check_content(const char *type, const char *content, const char *url);
extern void check_json(const char *what, Jsonb *json);

/* room.c: the counter and its lock */
typedef struct Room
{
	int64		room_id;
	char	   *task_id;
	char	   *applicant_id;	/* NULL: the main room */
	int64		first_seq;
	int64		last_seq;
	bool		closed;
	HeapTuple	row;			/* the version that is locked */
} Room;

typedef enum RoomLock
{
	ROOM_LOCKED, ROOM_GONE, ROOM_BUSY
} RoomLock;

typedef enum RoomRole
{
	ROLE_NONE, ROLE_CREATOR, ROLE_WORKER, ROLE_APPLICANT, ROLE_OBSERVER
} RoomRole;

/*
 * A row that moves to another page while it is looked for with SnapshotSelf can
 * escape: the index had no entry of its new place yet, and the old place is
 * void already.  Who has found void places only looks again, so many times in all.
 */
#define LOOKS 3

extern LockWaitPolicy lock_policy;	/* what writers do about somebody else's lock */

extern void room_init(void);
extern Oid	relation_find(const char *name);
extern Oid	relation_oid(const char *name);
extern void require_writable(void);
extern Relation open_writable(const char *name);
extern bool room_lock(int64 room_id, Room *room);
extern RoomLock room_try_lock(int64 room_id, Room *room);
extern void room_advance(Room *room, int closed);
extern bool room_next(int64 room_id, Room *room);
extern void room_enter(int64 room_id, const char *user_id, ItemPointer member_tid, Room *room);
extern void room_enter_next(int64 room_id, const char *user_id, ItemPointer member_tid, Room *room);
extern bool row_lock(Relation relation, ItemPointer tid, LockTupleMode mode, TupleTableSlot *slot);
extern void forbid_room(void) pg_attribute_noreturn();

extern char *column_text(HeapTuple tuple, int column, TupleDesc desc);
extern int64 column_int64(HeapTuple tuple, int column, TupleDesc desc);
extern void key_text(ScanKey key, AttrNumber column, const char *value);

/* source.c: relations read by index scans */
typedef struct SysScanDescData *SysScanDesc;
typedef struct IndexScanDescData *IndexScanDesc;

typedef struct Source
{
	Relation	relation;		/* NULL: not open */
	Relation	index;
} Source;

extern Source source_open(const char *name, const char *index);
extern void source_close(Source *source);
extern SysScanDesc source_scan(const Source *source, int nkeys, ScanKey keys);
extern HeapTuple source_next(SysScanDesc scan);
extern void source_end(SysScanDesc scan);
extern IndexScanDesc look_begin(Relation relation, Relation index, int nkeys, const ScanKeyData *keys);
extern bool look_next(IndexScanDesc look, TupleTableSlot *slot, ItemPointer root, bool *missed);
extern void look_end(IndexScanDesc look);
extern bool row_find(Relation relation, const char *index_name, int nkeys, const ScanKeyData *keys, TupleTableSlot *slot,
					 ItemPointer root);
extern bool row_at(Relation relation, ItemPointerData root, TupleTableSlot *slot);
extern char *slot_text(TupleTableSlot *slot, AttrNumber column);
extern int64 slot_int64(TupleTableSlot *slot, AttrNumber column);
extern void key_int64(ScanKey key, AttrNumber column, int64 value);

/* member.c: who is where */
/* What an address means to a user. */
typedef struct Membership
{
	int64		room_id;		/* 0: no member */
	RoomRole	role;
	ItemPointerData tid;		/* of the member row */
	int64		lowest_id;		/* of the rooms of that task that the user is in; 0: not asked for */
	ItemPointerData lowest_tid; /* of the member row there */
} Membership;

extern void membership_find(const char *user_id, const char *task_id, const char *applicant_id, bool lowest,
							Membership *membership);
extern RoomRole member_role(int64 room_id, const char *user_id, ItemPointer tid);
extern void member_lock_first(const char *user_id, const char *task_id, const char *applicant_id,
							  Membership *membership);

/* presence.c: who is online */
typedef struct Presence
{
	bool		is_online;
	TimestampTz last_seen;		/* DT_NOBEGIN: never */
	char	   *current_task_id;	/* NULL: none, or none that the viewer may know */
} Presence;

typedef struct PresenceReader
{
	Source		sessions;
	Source		leases;
	Source		seen;
	Source		members;		/* opened when it is needed first */
	char	   *holder;			/* whose lease was looked up last, or NULL */
	bool		has_lease;
	TimestampTz expires;
} PresenceReader;

extern void presence_begin(PresenceReader *reader);
extern void presence_read(PresenceReader *reader, const char *user_id, const char *viewer, Presence *presence);
extern void presence_end(PresenceReader *reader);

/* epoch.c: how long what a client holds of a room is true */
extern char *epoch_of_room(int64 room_id);

/* line.c: a room's messages and events, by seq */
extern List *line_texts(int64 room_id, int64 after, int64 up_to);

/* join.c: frames that join rooms */
typedef struct FrameLimits
{
	int			max_bytes;		/* of the reply's data */
	int			max_events;		/* of a room */
	int			max_rooms;
} FrameLimits;

/* A row of relay_run(). */
typedef struct FrameAnswer
{
	int64		room_id;		/* 0: none */
	int64		seq;			/* of the snapshot */
	const char *role;			/* of who asks */
	const char *sqlstate;		/* NULL: done */
	const char *constraint_name;
	const char *message;
	const char *data;
	int64		length;			/* of data */
	bool		complete;		/* nothing after the snapshot's events is left out */
} FrameAnswer;

extern List *frame_join(Jsonb *frame, const FrameLimits *limits);
extern List *frame_join_many(Jsonb *frame, const FrameLimits *limits);

/* event.c: the durable events that are not messages */
extern int64 event_append(Room *room, const char *kind, const char *actor_id, const char *payload);

/* json.c: texts of the wire */
extern void json_append_int64(StringInfo out, int64 value);
extern void json_append_time(StringInfo out, TimestampTz time);
extern text *json_message_event(HeapTuple message, TupleDesc desc);
extern text *json_room_event(HeapTuple event, TupleDesc event_desc, HeapTuple message, TupleDesc message_desc);
extern char *json_string(Jsonb *object, const char *name);
extern Datum taskchat_message_json(PG_FUNCTION_ARGS);

/* uuid.c */
extern void take_random(unsigned char *out, int count);
extern pg_uuid_t *uuid_v7(void);

/* message.c */
extern Datum message_datum(HeapTuple row);
extern HeapTuple message_send(Datum *values, bool *nulls, bool system, bool *duplicate);

#define SEND_ARGS 9				/* task_id content message_type file_url client_msg_id reply_to metadata applicant_id sender_id */

/* doorbell.c */
extern void doorbell_init(void);
extern void doorbell_forget(Oid relation);
extern const char *doorbell_channel(void);
extern void doorbell_ring(char kind, const char *rest);
extern void doorbell_ring_room(char kind, int64 room_id);

/* shared.c */
extern void shared_init(void);
extern bool shared_exists(void);

/* places.c: where rows were seen last */
extern Size places_size(void);
extern void places_create(void);
extern ItemPointerData place_get(uint64 key);
extern void place_set(uint64 key, const ItemPointerData *tid);

/* queue.c: bells through shared memory */
extern Size queue_size(void);
extern void queue_create(LWLock *lock);
extern void queue_put(const List *payloads, const char *plain, const char *carried);
extern void queue_hear(void);

/* wake.c */
extern void wake_early(void);

/* carry.c: an event that goes along with its bell */
#define CARRY_KEY_BYTES 32
extern void carry_note(int64 room_id, int64 seq);
extern void carry_place(Relation messages, ItemPointer tid);
extern char *carry_payload(const unsigned char *key, bool sealed, int64 *room_id);
extern void carry_forget(void);

/* rows.c: rows written below the executor */
typedef struct RowValue
{
	const char *column;
	Datum		value;
	bool		isnull;
} RowValue;

extern RowValue row_text(const char *column, const char *value);
extern RowValue row_int64(const char *column, int64 value);
extern bool rows_insert(Relation relation, int count, const RowValue *values, ItemPointer tid);
extern bool rows_try_insert(Relation relation, int count, const RowValue *values, ItemPointer tid);
extern bool rows_try_lock(Relation relation, ItemPointer tid);
extern HeapTuple rows_lock(Relation relation, ItemPointer tid);
extern void rows_update(Relation relation, HeapTuple row, RowValue value);
extern bool rows_find(Relation relation, const char *index, const char *value, ItemPointer tid);
extern bool rows_delete(Relation relation, ItemPointer tid);

/* straight.c: rows that nobody else wants to see */
extern bool straight_fits(Relation relation, int columns, const Oid *types, AttrNumber foreign_key, const char *own);
extern void straight_insert(Relation relation, HeapTuple row);
extern void straight_forget(Oid relation);
extern void straight_end(void);

/* stage.c: what a transaction leaves for its commit */
typedef struct Watch
{
	Oid			tasks;			/* the bound table */
	int			count;
	char	  **names;			/* of the watched columns */
} Watch;

typedef enum StageOp
{
	STAGE_EVENT = 'e',			/* an event in the task's rooms */
	STAGE_NOTIFY = 'n',			/* a personal notification */
	STAGE_TASK = 't',			/* a row of a bound table changed or went */
	STAGE_USER = 'u',			/* a row of a bound table of users went */
	STAGE_PULL = 'p'			/* the row that brings the deferred trigger about */
} StageOp;

/* One thing that waits.  All of it is in TopTransactionContext. */
typedef struct StageItem
{
	StageOp		op;
	SubTransactionId created;
	int			position;		/* in the stage */
	struct StageItem *previous; /* the one before it of the same key, or NULL */
	char	   *id;				/* task; of a user: the user; NULL: a notification about no task */
	char	   *applicant_id;	/* of an event; NULL: in every room of the task */
	char	   *kind;			/* of an event or notification */
	char	   *actor_id;		/* of a notification: the user; may be NULL */
	char	   *payload;		/* of an event or notification: JSON text */
	char	   *notification;	/* its uuid as text */
	Oid			users;			/* of a user: the bound table */
	const Watch *watch;			/* of a task */
	char	  **old_values;		/* of a task, by watched column: JSON text; NULL: untouched */
	char	  **new_values;
	char	   *old_creator;	/* of a task; NULL: untouched */
	char	   *new_creator;
	bool		gone;			/* of a task: its row went, and may have come back */
	bool		back;			/* of a task: a row with its key was seen to come */
} StageItem;

extern void stage_init(void);
extern const Watch *stage_watch(Oid tasks, int count, char **names);
extern bool stage_has_task(const Watch *watch, const char *task_id);
extern void stage_task(const StageItem *change);
extern void stage_user(Oid users, const char *user_id);
extern void stage_again(const StageItem *task);
extern void stage_fold(StageItem *into, const StageItem *later);

/* errand.c: what is to be done under one lock */
typedef enum ErrandKind
{
	ERRAND_EVENT = 'e',			/* an event in the room */
	ERRAND_ERASE = 'd',			/* the room goes */
	ERRAND_CREATOR = 'c',		/* the room's creator is that user */
	ERRAND_LEAVE = 'l',			/* that user leaves the room */
	ERRAND_OPEN = 'o',			/* the task's main room opens, by that creator */
	ERRAND_NOTIFY = 'n'			/* a personal notification */
} ErrandKind;

typedef struct Errand
{
	int64		room_id;		/* whose lock it takes; 0: the task's or the user's */
	int			position;		/* among the errands of one lock */
	ErrandKind	what;
	const char *kind;			/* of an event or notification */
	const char *user_id;		/* of an event who caused it, or NULL; else whom it concerns */
	const char *task_id;		/* of what concerns a task; of a notification, or NULL */
	const char *applicant_id;	/* of what concerns a task: in that private room only; or NULL */
	const char *payload;		/* of an event or notification: JSON text; NULL: {} */
	const char *notification;	/* its uuid as text */
} Errand;

/* Errands of one lock. */
typedef struct Errands
{
	const Errand *list;
	int			count;
	bool		nothing_waits;	/* a look at what waits for the lock can be spared */
} Errands;

extern int	errand_compare(const void *a, const void *b);
extern bool errand_same_lock(const Errand *a, const Errand *b);
extern bool errand_hindered(const Errand *errand);
extern bool errands_run_if_free(const Errands *errands);
extern void errands_run(void *errands);

/* pending.c: errands that wait for a later transaction */
extern void pending_note_room(int64 room_id);
extern void pending_note_user(const char *user_id);
extern void pending_keep(const Errands *errands);
extern bool pending_exists(void);
extern bool pending_waits_for_task(const char *task_id);
extern Errand *pending_take(const Errand *like, int *count);
extern bool pending_erases(int64 room_id);
extern void pending_deliver_some(int places);
extern bool is_installed(void);
extern void pending_at_commit(void);
extern void pending_forget(void);

/* drain.c: what becomes of the stage at commit */
extern void drain(StageItem **items, int count);

/* patience.c: waiting for others' locks without failing the transaction */
typedef void (*Attempt) (void *argument);

extern int	commit_patience;

extern void patience_init(void);
extern int	patience_within(int most);
extern ErrorData *try_in_subtransaction(Attempt attempt, void *argument);
extern ErrorData *patient_try(Attempt attempt, void *argument, int *patience);
extern bool patient_attempt(Attempt attempt, void *argument, int *patience);

/* serializable.c: apart from the watch over SERIALIZABLE transactions */
extern void serializable_leave(void);
extern void serializable_rejoin(void);

/* roster.c: rooms and members as bound tables want them */
extern void roster_open(const char *task_id, const char *creator_id);
extern int64 roster_find(const char *task_id, TransactionId *doubt);
extern void roster_settle(const char *task_id);
extern int	roster_rooms(const char *task_id, const char *applicant_id, Snapshot snapshot, int64 **ids, bool *has_main);
extern char *roster_task(int64 room_id);
extern int64 roster_open_now(const char *task_id, const char *creator_id);
extern void roster_hold(int64 room_id);
extern void roster_leave(Room *room, const char *user_id);
extern void roster_set_creator(Room *room, const char *user_id);
extern void roster_erase(Room *room);

/* binding.c: which of the application's tables are bound, asked with their owners' rights */
typedef struct Binding
{
	Oid			tasks;
	char	   *task_key;
	char	   *creator_key;
	int			watch_count;
	char	  **watch;
	Oid			users;			/* InvalidOid: none */
	char	   *user_key;
} Binding;

extern List *bindings_read(void);
extern bool *bound_rows_missing(StageItem **items, int count);
extern bool bound_task_missing(const char *task_id);
extern bool id_usable(const char *id);
extern char **bound_keys(Oid relid, const char *key, int *count);

/* render.c: values of the application's columns as text */
#define UNTOLD '!'				/* begins what stands for a value that is sent as null */

typedef struct Column
{
	AttrNumber	number;			/* 0: the table has it no more */
	Oid			type;
	FmgrInfo	to_text;		/* of a key: its cast or output function */
	bool		is_text;		/* a key that is text already */
	bool		has_cast;		/* to_text is a cast */
	FmgrInfo	to_jsonb;		/* of a watched column */
	bool		plain;			/* of a type whose to_jsonb() never fails */
} Column;

extern void render_prepare(Column *column, Relation relation, const char *name, bool watched);
extern char *render_text(Column *column, Relation relation, HeapTuple row);
extern char *render_json(Column *column, Relation relation, HeapTuple row);
extern bool render_same(const Column *column, Relation relation, HeapTuple a, HeapTuple b);

/* bound.c: their triggers */
extern void bound_init(void);

#endif
