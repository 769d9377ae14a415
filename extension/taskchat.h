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
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "executor/tuptable.h"
#include "nodes/lockoptions.h"
#include "storage/itemptr.h"
#include "utils/jsonb.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"

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

extern char *identity_name;		/* the parameter's variable: "" means none */

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
extern void check_url(const char *url);
extern void check_content(const char *type, const char *content, const char *url);
extern void check_json_size(const char *what, Jsonb *json);

/* room.c: addresses, members, the counter */
typedef struct Room
{
	int64		room_id;
	char	   *task_id;
	char	   *applicant_id;	/* NULL: the main room */
	int64		first_seq;
	int64		last_seq;
	bool		closed;
	ItemPointerData tid;		/* of the locked row version */
} Room;

typedef enum RoomRole
{
	ROLE_NONE, ROLE_CREATOR, ROLE_WORKER, ROLE_APPLICANT, ROLE_OBSERVER
} RoomRole;

extern LockWaitPolicy lock_policy;	/* what writers do about somebody else's lock */

extern Oid	relation_oid(const char *name);
extern int64 room_find(const char *user_id, const char *task_id, const char *applicant_id, RoomRole *role);
extern RoomRole room_member_role(int64 room_id, const char *user_id);
extern bool room_lock(int64 room_id, Room *room);
extern void room_advance(Room *room, int closed);
extern void member_lock_first(const char *user_id, const char *task_id);
extern void room_enter(int64 room_id, const char *user_id, Room *room);
extern bool row_lock(Relation relation, ItemPointer tid, LockTupleMode mode, TupleTableSlot *slot);
extern void forbid_room(void) pg_attribute_noreturn();

/* event.c: the durable events that are not messages */
extern int64 event_append(Room *room, const char *kind, const char *actor_id, const char *payload);

/* json.c: texts of the wire */
extern void json_append_time(StringInfo out, TimestampTz time);
extern Datum taskchat_message_json(PG_FUNCTION_ARGS);

/* message.c */
extern Datum message_datum(HeapTuple row);
extern HeapTuple message_send(Datum *values, bool *nulls, bool system, bool *duplicate);

#define SEND_ARGS 9				/* task_id content message_type file_url client_msg_id reply_to metadata applicant_id sender_id */

/* doorbell.c */
extern void doorbell_init(void);
extern void doorbell_ring(char kind, const char *rest);
extern void doorbell_ring_room(char kind, int64 room_id);

/* stage.c: what long transactions leave for their commit */
extern void stage_init(void);

#endif
