/*
 * doorbell.c
 *	  Bells with ids only, or with an event (see carry.c): by NOTIFY, rung just
 *	  before commit, or through shared memory after it (see queue.c).
 *
 * Bells gather during the transaction and survive ROLLBACK TO: one too many
 * only makes a relay look once more, one too few would leave it waiting for
 * its slow poll.  A nearly full notification queue is left alone, because
 * NOTIFY would then make the commit fail and take the message along.
 */
#include "taskchat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "commands/async.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/*
 * The share of the notification queue above which no bell is rung.  A setting
 * only so that a test need not fill 4 GB.
 */
static double queue_limit = 0.5;

typedef enum DoorbellMode
{
	DOORBELL_INLINE,			/* NOTIFY */
	DOORBELL_SHARED				/* queue.c */
} DoorbellMode;

static const struct config_enum_entry modes[] = {
	{"inline", DOORBELL_INLINE, false},
	{"shared", DOORBELL_SHARED, false},
	{NULL, 0, false}
};

static int	mode = DOORBELL_INLINE;

/* All of it is in TopTransactionContext. */
static List *bells = NIL;		/* char * */
static HTAB *known = NULL;		/* the same, once they are many; of char * */
static char *channel = NULL;
static unsigned char *seal = NULL;	/* the key; NULL: no event goes along */
static char *carried = NULL;	/* the bell that brings an event along; NULL: none does */
static char plain[MAXINT8LEN + 2];	/* without the event it would be this one */
static bool put_aside = false;	/* the bells go into the queue after the commit */

PG_FUNCTION_INFO_V1(taskchat_ring);
PG_FUNCTION_INFO_V1(taskchat_forget_channel);

/*
 * What a session has read of taskchat.doorbell_channel, until a trigger there
 * says that it may have changed: to read it in each transaction takes 6,000
 * instructions.
 */
static struct
{
	Oid			relation;		/* InvalidOid: nothing is kept */
	char	   *channel;		/* in TopMemoryContext */
	unsigned char seal[CARRY_KEY_BYTES];
	bool		has_seal;
}			kept;

/* A relation has changed; InvalidOid: any may have. */
void
doorbell_forget(Oid relation)
{
	if (OidIsValid(kept.relation) && (!OidIsValid(relation) || relation == kept.relation))
		kept.relation = InvalidOid;
}

/* forget_channel(): a statement has changed the channel or the key. */
Datum
taskchat_forget_channel(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED), errmsg("forget_channel() is a trigger")));
	CacheInvalidateRelcache(((TriggerData *) fcinfo->context)->tg_relation);
	PG_RETURN_POINTER(NULL);
}

/* Keep it for later transactions: but not what this one may yet take back. */
static void
keep_channel(Relation relation, HeapTuple tuple)
{
	if (TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)))
		return;
	if (kept.channel)
		pfree(kept.channel);
	kept.channel = NULL;
	kept.channel = MemoryContextStrdup(TopMemoryContext, channel);
	kept.has_seal = seal != NULL;
	if (seal)
		memcpy(kept.seal, seal, sizeof(kept.seal));
	kept.relation = RelationGetRelid(relation);
}

static unsigned char *
key_of(HeapTuple tuple, TupleDesc desc)
{
	bool		isnull;
	Datum		key = heap_getattr(tuple, 2, desc, &isnull);

	return isnull || VARSIZE_ANY_EXHDR(DatumGetByteaPP(key)) != CARRY_KEY_BYTES
		? NULL : (unsigned char *) VARDATA(DatumGetByteaPCopy(key));
}

/* The single row of taskchat.doorbell_channel: the channel's name and the key. */
static void
read_channel(void)
{
	Relation	relation = table_open(relation_oid("doorbell_channel"), AccessShareLock);
	SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, SnapshotSelf, 0, NULL);
	HeapTuple	tuple = systable_getnext(scan);

	if (HeapTupleIsValid(tuple))
	{
		channel = column_text(tuple, 1, RelationGetDescr(relation));
		seal = key_of(tuple, RelationGetDescr(relation));
		keep_channel(relation, tuple);
	}
	systable_endscan(scan);
	table_close(relation, NoLock);
	if (channel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("taskchat.doorbell_channel has no row"),
				 errhint("A superuser gives it one: any channel's name that is hard to guess.")));
}

/* Know the channel and the key for this transaction. */
static void
take_channel(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	if (OidIsValid(kept.relation))
	{
		if (kept.has_seal)
			seal = memcpy(palloc(sizeof(kept.seal)), kept.seal, sizeof(kept.seal));
		channel = pstrdup(kept.channel);
	}
	else
		read_channel();
	MemoryContextSwitchTo(old);
}

#define MANY_BELLS 8
#define LONGEST_BELL 1000		/* far more than an id has, and less than NOTIFY takes */

static uint32
hash_bell(const void *key, Size size)
{
	const char *payload = *(const char *const *) key;

	return string_hash(payload, strlen(payload) + 1);
}

static int
compare_bells(const void *a, const void *b, Size size)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/*
 * Has this been rung?  After many of one transaction only a table can tell; it
 * borrows the payload.
 */
static bool
rung_before(char *payload)
{
	ListCell   *cell;
	bool		found;

	if (known == NULL && list_length(bells) < MANY_BELLS)
	{
		foreach(cell, bells)
			if (strcmp(lfirst(cell), payload) == 0)
				return true;
		return false;
	}
	if (known == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(char *),.entrysize = sizeof(char *),
		.hash = hash_bell,.match = compare_bells,.hcxt = TopTransactionContext};

		known = hash_create("taskchat bells", 64, &control, HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
		foreach(cell, bells)
			(void) hash_search(known, &lfirst(cell), HASH_ENTER, &found);
	}
	(void) hash_search(known, &payload, HASH_ENTER, &found);
	return found;
}

/* Ring at commit: kind is the payload's first letter, rest what follows it. */
void
doorbell_ring(char kind, const char *rest)
{
	MemoryContext old;
	char	   *payload;

	if (strlen(rest) > LONGEST_BELL)
		elog(ERROR, "a doorbell's text is too long");
	(void) doorbell_channel();
	old = MemoryContextSwitchTo(TopTransactionContext);
	payload = psprintf("%c%s", kind, rest);
	if ((bells != NIL && strcmp(llast(bells), payload) == 0) || rung_before(payload))
		pfree(payload);
	else
		bells = lappend(bells, payload);
	MemoryContextSwitchTo(old);
}

void
doorbell_ring_room(char kind, int64 room_id)
{
	char		text[MAXINT8LEN + 1];

	(void) pg_lltoa(room_id, text);
	doorbell_ring(kind, text);
}

/* ring(kind "char", rest text): for the functions in SQL. */
Datum
taskchat_ring(PG_FUNCTION_ARGS)
{
	PreventCommandDuringRecovery("taskchat.ring()");
	doorbell_ring(PG_GETARG_CHAR(0), text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_VOID();
}

/* See whether one of the bells can bring its event along. */
static void
carry_event(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	int64		room_id;

	carried = carry_payload(seal, mode == DOORBELL_INLINE, &room_id);
	if (carried)
	{
		plain[0] = 'r';
		(void) pg_lltoa(room_id, plain + 1);
	}
	MemoryContextSwitchTo(old);
}

/*
 * Notify of what has gathered; Async_Notify leaves out what was already said in
 * this transaction.  Events take ten times a bell's place in the notification
 * queue, and are left out early where somebody doesn't read on.
 */
static void
notify_all(void)
{
	double		usage = DatumGetFloat8(DirectFunctionCall1(pg_notification_queue_usage, (Datum) 0));
	ListCell   *cell;

	if (usage > queue_limit)
		return;
	if (usage <= queue_limit / 8)
		carry_event();
	foreach(cell, bells)
		Async_Notify(channel, carried && strcmp(lfirst(cell), plain) == 0 ? carried : lfirst(cell));
}

static void
ring_all(void)
{
	if (mode == DOORBELL_INLINE)
	{
		notify_all();
		return;
	}
	carry_event();
	put_aside = true;
}

static void
at_transaction_event(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			pending_at_commit();	/* it may ring */
			if (bells != NIL)
				ring_all();
			queue_hear();
			break;
		case XACT_EVENT_COMMIT:
			if (put_aside)
				queue_put(bells, plain, carried);
			/* FALLTHROUGH */
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			bells = NIL;
			known = NULL;
			channel = NULL;
			seal = NULL;
			carried = NULL;
			put_aside = false;
			carry_forget();
			straight_end();
			pending_forget();
			break;
		default:
			break;
	}
}

/* The channel that relays listen on, until the transaction's end. */
const char *
doorbell_channel(void)
{
	if (channel == NULL)
		take_channel();
	return channel;
}

static bool
check_mode(int *value, void **extra, GucSource source)
{
	if (*value != DOORBELL_SHARED || shared_exists())
		return true;
	GUC_check_errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	GUC_check_errmsg("taskchat.doorbell = 'shared' needs the library's share of the server's memory");
	GUC_check_errhint("Add taskchat to shared_preload_libraries, and restart the server.");
	return false;
}

void
doorbell_init(void)
{
	DefineCustomEnumVariable("taskchat.doorbell",
							 "How commits are made known to relays: by NOTIFY (inline), or through shared memory (shared).", NULL,
							 &mode, DOORBELL_INLINE, modes,
							 PGC_SUSET, 0, check_mode, NULL, NULL);
	DefineCustomRealVariable("taskchat.doorbell_queue_limit",
							 "Share of the notification queue above which no bell is rung; for tests.", NULL,
							 &queue_limit, 0.5, 0, 1,
							 PGC_SUSET, GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);
	RegisterXactCallback(at_transaction_event, NULL);
}
