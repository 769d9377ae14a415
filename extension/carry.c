/*
 * carry.c
 *	  A bell that brings the event along.
 *
 * Where all that a transaction tells is one message, its notification carries
 * the event's text, and a relay that waits for just this one need not fetch
 * it.  The text is read from the table as the last thing before the commit, so
 * it is what a fetch would give.  Any role may listen to any channel and ring
 * any bell: so what goes by NOTIFY is sealed (AES-256-GCM, NIST SP 800-38D) with
 * a key that only relays are told.  Through shared memory (queue.c) it goes as it
 * is, as only relays' sessions read there.
 */
#include "taskchat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#ifdef USE_OPENSSL
#include <openssl/evp.h>
#endif

#define MESSAGE_ROOM 2
#define MESSAGE_SEQ 5
#define MESSAGE_SENDER 6

#define NONCE_BYTES 12
#define TAG_BYTES 16
#define BASE64_BYTES(bytes) (((bytes) + 2) / 3 * 4)
#define LONGEST_PAYLOAD (Min(8000, BLCKSZ - NAMEDATALEN - 128) - 1)	/* NOTIFY refuses more, or relays do */

/* What the transaction has given numbers to. */
static struct
{
	int			count;
	int64		room_id;		/* of the last one */
	int64		seq;
	Oid			file;			/* the table's file and the row's place in it; InvalidOid: unknown */
	ItemPointerData tid;
}			moved;

/* A line has moved to this number. */
void
carry_note(int64 room_id, int64 seq)
{
	moved.count++;
	moved.room_id = room_id;
	moved.seq = seq;
	moved.file = InvalidOid;
}

/* That number's row is here. */
void
carry_place(Relation messages, ItemPointer tid)
{
	moved.file = messages->rd_rel->relfilenode;
	ItemPointerCopy(tid, &moved.tid);
}

void
carry_forget(void)
{
	moved.count = 0;
}

#ifdef USE_OPENSSL

/*
 * A cipher with that key, or NULL.  Setting one up costs more than sealing
 * does, so the last one is kept.
 */
static EVP_CIPHER_CTX *
cipher_with(const unsigned char *key)
{
	static EVP_CIPHER_CTX *cipher = NULL;
	static unsigned char its_key[CARRY_KEY_BYTES];

	if (cipher && memcmp(key, its_key, CARRY_KEY_BYTES) == 0)
		return cipher;
	EVP_CIPHER_CTX_free(cipher);
	cipher = EVP_CIPHER_CTX_new();
	if (cipher && EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key, NULL) == 1)
	{
		memcpy(its_key, key, CARRY_KEY_BYTES);
		return cipher;
	}
	EVP_CIPHER_CTX_free(cipher);
	cipher = NULL;
	return NULL;
}

/* sealed: nonce, ciphertext, tag.  False: the library refuses. */
static bool
seal(const unsigned char *key, const char *head, const char *text, int len, unsigned char *sealed)
{
	EVP_CIPHER_CTX *cipher = cipher_with(key);
	unsigned char *body = sealed + NONCE_BYTES;
	int			n;

	take_random(sealed, NONCE_BYTES);
	return cipher &&
		EVP_EncryptInit_ex(cipher, NULL, NULL, NULL, sealed) == 1 &&
		EVP_EncryptUpdate(cipher, NULL, &n, (const unsigned char *) head, (int) strlen(head)) == 1 &&
		EVP_EncryptUpdate(cipher, body, &n, (const unsigned char *) text, len) == 1 && n == len &&
		EVP_EncryptFinal_ex(cipher, body + len, &n) == 1 && n == 0 &&
		EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, body + len) == 1;
}

/* "e<room_id> <base64>"; NULL: it cannot be sealed. */
static char *
sealed_payload(const unsigned char *key, int64 room_id, const StringInfo text)
{
	int			bytes = NONCE_BYTES + text->len + TAG_BYTES;
	unsigned char *sealed;
	StringInfoData payload;

	initStringInfo(&payload);
	appendStringInfoChar(&payload, 'e');
	json_append_int64(&payload, room_id);
	sealed = palloc(bytes);
	if (!seal(key, payload.data, text->data, text->len, sealed))
		return NULL;
	appendStringInfoChar(&payload, ' ');
	enlargeStringInfo(&payload, BASE64_BYTES(bytes));
	(void) EVP_EncodeBlock((unsigned char *) payload.data + payload.len, sealed, bytes);
	return payload.data;
}

#else

static char *
sealed_payload(const unsigned char *key, int64 room_id, const StringInfo text)
{
	return NULL;
}

#endif

/* "E<room_id> <text>" */
static char *
clear_payload(int64 room_id, const StringInfo text)
{
	StringInfoData payload;

	initStringInfo(&payload);
	appendStringInfoChar(&payload, 'E');
	json_append_int64(&payload, room_id);
	appendStringInfoChar(&payload, ' ');
	appendBinaryStringInfo(&payload, text->data, text->len);
	return payload.data;
}

/* Would the payload be short enough, sealed or not? */
static bool
is_short(const StringInfo text)
{
	return MAXINT8LEN + 2 + BASE64_BYTES(NONCE_BYTES + text->len + TAG_BYTES) <= LONGEST_PAYLOAD;
}

/*
 * Lock it if that needs no waiting: the locks of what was rolled back are gone,
 * and a commit is not to wait, let alone fail, for what it can do without.
 */
static bool
lock_if_free(const char *name)
{
	Oid			relation = relation_find(name);

	return OidIsValid(relation) && ConditionalLockRelationOid(relation, AccessShareLock);
}

/* Is it of this transaction, and short?  Then out gets "<seq>\n<sender>\n<event>". */
static bool
tell_message(HeapTuple message, TupleDesc desc, StringInfo out)
{
	char	   *sender;
	text	   *event;

	if (HeapTupleHasExternal(message) || !TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(message->t_data)))
		return false;
	sender = column_text(message, MESSAGE_SENDER, desc);
	event = json_message_event(message, desc);
	json_append_int64(out, moved.seq);
	appendStringInfoChar(out, '\n');
	appendStringInfoString(out, sender ? sender : "");
	appendStringInfoChar(out, '\n');
	appendBinaryStringInfo(out, VARDATA(event), VARSIZE(event) - VARHDRSZ);
	return true;
}

static bool
is_it(HeapTuple message, TupleDesc desc)
{
	bool		isnull;

	return DatumGetInt64(heap_getattr(message, MESSAGE_SEQ, desc, &isnull)) == moved.seq &&
		DatumGetInt64(heap_getattr(message, MESSAGE_ROOM, desc, &isnull)) == moved.room_id;
}

/*
 * Read the message where it was put.  False: it is not there (any more), as
 * one that was changed afterwards.
 */
static bool
read_place(Relation messages, StringInfo out)
{
	TupleTableSlot *slot;
	HeapTuple	message;
	bool		copied;
	bool		found = false;

	if (!OidIsValid(moved.file) || moved.file != messages->rd_rel->relfilenode)
		return false;
	slot = table_slot_create(messages, NULL);
	if (table_tuple_fetch_row_version(messages, &moved.tid, SnapshotSelf, slot))
	{
		message = ExecFetchSlotHeapTuple(slot, false, &copied);
		found = is_it(message, RelationGetDescr(messages)) && tell_message(message, RelationGetDescr(messages), out);
	}
	ExecDropSingleTupleTableSlot(slot);
	return found;
}

/* Look the message up by its number. */
static bool
look_up(Relation messages, StringInfo out)
{
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	message;
	bool		found;

	if (!lock_if_free("task_messages_pkey"))
		return false;
	ScanKeyInit(&keys[0], MESSAGE_ROOM, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(moved.room_id));
	ScanKeyInit(&keys[1], MESSAGE_SEQ, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(moved.seq));
	scan = systable_beginscan(messages, relation_oid("task_messages_pkey"), true, SnapshotSelf, lengthof(keys), keys);
	message = systable_getnext(scan);
	found = HeapTupleIsValid(message) && tell_message(message, RelationGetDescr(messages), out);
	systable_endscan(scan);
	return found;
}

/*
 * The payload that takes the place of the bell of *room_id; NULL: nothing goes
 * along.  key: 32 bytes, or NULL.  sealed: anybody may read it on its way.
 * Relays read UTF-8.
 */
char *
carry_payload(const unsigned char *key, bool sealed, int64 *room_id)
{
	Relation	messages;
	StringInfoData text;
	bool		found;

	if (key == NULL || moved.count != 1 || GetDatabaseEncoding() != PG_UTF8 || !lock_if_free("task_messages"))
		return NULL;
	messages = table_open(relation_oid("task_messages"), NoLock);
	*room_id = moved.room_id;
	initStringInfo(&text);
	found = read_place(messages, &text) || look_up(messages, &text);
	table_close(messages, NoLock);
	if (!found || !is_short(&text))
		return NULL;
	return sealed ? sealed_payload(key, moved.room_id, &text) : clear_payload(moved.room_id, &text);
}
