/*
 * queue.c
 *	  Bells that go through shared memory.
 *
 * NOTIFY holds a lock of the whole database while the log is flushed, so that
 * commits wait for each other.  Where the library is preloaded, bells may go
 * through a ring buffer instead, after the commit.  A session that a relay
 * listens with (a listener) is woken by the signal that NOTIFY would send;
 * PostgreSQL then begins a transaction to look for notifications, and in this
 * one the listener sends its client what is new here.
 *
 * Nobody waits for a listener: who falls behind by more than the ring is told
 * that bells were lost.  Those that a crash of the server loses are lost
 * together with the connections of all relays, which look at everything again.
 *
 * 100 sessions that send, on one processor, fsync on: 2,450 messages a second
 * by NOTIFY, 7,000 so.
 */
#include "taskchat.h"

#include "access/xact.h"
#include "commands/async.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "storage/backendid.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/procsignal.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define RING_BYTES (1024 * 1024)
#define PIECE_BYTES (64 * 1024) /* taken out of the ring at once; far more than a bell has */
#define CALLS 64				/* signals sent at once */
#define PATIENCE 5000			/* ms after a call within which who reads on has looked */

/* Before each payload. */
typedef struct BellHead
{
	Oid			database;
	int32		sender;			/* its process; 0: said by the listener's own */
	uint32		length;			/* of the payload, with the zero at its end */
} BellHead;

/* A session that hears.  Its own session alone writes "read". */
typedef struct Listener
{
	pid_t		pid;			/* 0: the place is free */
	BackendId	backend;
	Oid			database;
	bool		called;			/* it has been sent a signal and has not yet looked */
	TimestampTz called_at;
	uint64		read;			/* of what was written, in bytes */
	uint64		until;			/* what was written for its database ends here */
} Listener;

typedef struct Queue
{
	LWLock	   *lock;			/* exclusive to write; shared is enough for a listener that reads */
	uint64		written;		/* bytes since the server's start */
	int			used;			/* listeners from here on are free */
	char		ring[RING_BYTES];
	Listener	listeners[FLEXIBLE_ARRAY_MEMBER];	/* MaxBackends */
} Queue;

static Queue *queue = NULL;
static Listener *own = NULL;	/* in the queue: this session is a listener */
static char *own_channel = NULL;
static char *piece = NULL;		/* PIECE_BYTES */

PG_FUNCTION_INFO_V1(taskchat_become_listener);

Size
queue_size(void)
{
	return add_size(offsetof(Queue, listeners), mul_size(MaxBackends, sizeof(Listener)));
}

/* Once for the whole server. */
void
queue_create(LWLock *lock)
{
	bool		found;

	queue = ShmemInitStruct("taskchat doorbell", queue_size(), &found);
	if (found)
		return;
	memset(queue, 0, queue_size());
	queue->lock = lock;
}

static void
leave(int code, Datum arg)
{
	LWLockAcquire(queue->lock, LW_EXCLUSIVE);
	own->pid = 0;
	own = NULL;
	while (queue->used > 0 && queue->listeners[queue->used - 1].pid == 0)
		queue->used--;
	LWLockRelease(queue->lock);
}

/*
 * From now on the session's client is told what is put in for this database, as
 * notifications on that channel.
 */
static void
listen_on(const char *channel)
{
	char	   *copy;
	int			place = 0;

	if (piece == NULL)
		piece = MemoryContextAlloc(TopMemoryContext, PIECE_BYTES);
	copy = MemoryContextStrdup(TopMemoryContext, channel);
	if (own_channel)
		pfree(own_channel);
	own_channel = copy;
	if (own)
		return;
	before_shmem_exit(leave, (Datum) 0);
	LWLockAcquire(queue->lock, LW_EXCLUSIVE);
	while (place < queue->used && queue->listeners[place].pid != 0)
		place++;
	queue->used = Max(queue->used, place + 1);
	own = &queue->listeners[place];
	own->backend = MyBackendId;
	own->database = MyDatabaseId;
	own->called = false;
	own->read = queue->written;
	own->until = queue->written;
	own->pid = MyProcPid;
	LWLockRelease(queue->lock);
}

/*
 * become_listener(): the session hears what goes through shared memory, and is
 * let onto the processor early, until its end.
 */
Datum
taskchat_become_listener(PG_FUNCTION_ARGS)
{
	if (queue)
		listen_on(doorbell_channel());
	wake_early();
	PG_RETURN_VOID();
}

static void
write_ring(const void *bytes, Size length)
{
	Size		at = queue->written % RING_BYTES;
	Size		first = Min(length, RING_BYTES - at);

	memcpy(queue->ring + at, bytes, first);
	memcpy(queue->ring, (const char *) bytes + first, length - first);
	queue->written += length;
}

static void
read_ring(uint64 from, void *bytes, Size length)
{
	Size		at = from % RING_BYTES;
	Size		first = Min(length, RING_BYTES - at);

	memcpy(bytes, queue->ring + at, first);
	memcpy((char *) bytes + first, queue->ring, length - first);
}

static uint64
behind(const Listener *listener)
{
	return queue->written - listener->read;
}

/*
 * Would whole events make this one lose bells that it would not lose else?  Not
 * if it has lost some anyway, or no longer looks: a relay that was stopped, or a
 * session that said hello and sits idle without LISTEN.
 */
static bool
is_pressed(const Listener *listener)
{
	return listener->pid != 0 && listener->database == MyDatabaseId &&
		behind(listener) > RING_BYTES / 8 && behind(listener) <= RING_BYTES &&
		!(listener->called &&
		  TimestampDifferenceExceeds(listener->called_at, GetCurrentTransactionStopTimestamp(), PATIENCE));
}

static bool
anybody_is_pressed(void)
{
	int			i;

	for (i = 0; i < queue->used; i++)
		if (is_pressed(&queue->listeners[i]))
			return true;
	return false;
}

/*
 * Who is to be called from *next on: those of this database, and others who
 * would soon have lost all.
 */
static int
take_uncalled(Listener *calls, int *next)
{
	int			n = 0;

	while (*next < queue->used && n < CALLS)
	{
		Listener   *listener = &queue->listeners[(*next)++];

		if (listener->pid == 0 || listener->called ||
			(listener->database != MyDatabaseId && behind(listener) < RING_BYTES / 2))
			continue;
		listener->called = true;
		listener->called_at = GetCurrentTransactionStopTimestamp();
		calls[n++] = *listener;
	}
	return n;
}

static void
put_bell(const char *payload, int32 sender)
{
	BellHead	head = {MyDatabaseId, sender, (uint32) strlen(payload) + 1};

	write_ring(&head, sizeof(head));
	write_ring(payload, head.length);
}

static void
note_end(void)
{
	int			i;

	for (i = 0; i < queue->used; i++)
		if (queue->listeners[i].database == MyDatabaseId)
			queue->listeners[i].until = queue->written;
}

/*
 * Puts in these payloads (char *).  The one that equals plain becomes carried,
 * unless carried is NULL or a listener has fallen behind.  Called after the
 * commit, and raises nothing.
 */
void
queue_put(const List *payloads, const char *plain, const char *carried)
{
	Listener	calls[CALLS];
	ListCell   *cell;
	int			next = 0;
	int			n;
	int			i;

	/* Who comes now looks at everything, and sees what has been committed. */
	if (queue->used == 0)
		return;
	LWLockAcquire(queue->lock, LW_EXCLUSIVE);
	if (carried && anybody_is_pressed())
		carried = NULL;
	foreach(cell, payloads)
	{
		if (carried && strcmp(lfirst(cell), plain) == 0)
			put_bell(carried, 0);
		else
			put_bell(lfirst(cell), MyProcPid);
	}
	note_end();
	do
	{
		n = take_uncalled(calls, &next);
		LWLockRelease(queue->lock);
		for (i = 0; i < n; i++)
			(void) SendProcSignal(calls[i].pid, PROCSIG_NOTIFY_INTERRUPT, calls[i].backend);
		if (n == CALLS)
			LWLockAcquire(queue->lock, LW_EXCLUSIVE);
	} while (n == CALLS);
}

/* The bells that begin in this many bytes of the piece and end in them too, in bytes. */
static Size
whole_bells(Size length)
{
	BellHead	head;
	Size		at = 0;

	while (at + sizeof(head) <= length)
	{
		memcpy(&head, piece + at, sizeof(head));
		if (at + sizeof(head) + head.length > length)
			break;
		at += sizeof(head) + head.length;
	}
	return at;
}

/*
 * Takes what is next into the piece, and gives how many bytes of whole bells
 * that is.  lost: bells were written over before this session has read them.
 */
static Size
take_piece(bool *lost)
{
	Size		length;

	LWLockAcquire(queue->lock, LW_SHARED);
	own->called = false;
	*lost = behind(own) > RING_BYTES && own->until > own->read;
	if (behind(own) > RING_BYTES)
		own->read = queue->written;
	length = Min(behind(own), PIECE_BYTES);
	read_ring(own->read, piece, length);
	length = whole_bells(length);
	own->read += length;
	LWLockRelease(queue->lock);
	return length;
}

static void
tell_client(Size length)
{
	BellHead	head;
	Size		at;

	for (at = 0; at < length; at += sizeof(head) + head.length)
	{
		memcpy(&head, piece + at, sizeof(head));
		if (head.database == MyDatabaseId)
			NotifyMyFrontEnd(own_channel, piece + at + sizeof(head), head.sender ? head.sender : MyProcPid);
	}
}

/*
 * Tells the client what is new; to be called near the end of each transaction.
 * What cannot be put into the client's encoding is an error, and lost together
 * with what was taken along: the next one says so.
 */
void
queue_hear(void)
{
	static bool telling = false;
	Size		length;
	bool		lost;

	if (own == NULL || (!own->called && !telling))
		return;
	if (telling)
		NotifyMyFrontEnd(own_channel, "o", MyProcPid);
	telling = true;
	do
	{
		length = take_piece(&lost);
		if (lost)
			NotifyMyFrontEnd(own_channel, "o", MyProcPid);
		tell_client(length);
	} while (length > PIECE_BYTES / 2);
	telling = false;
}
