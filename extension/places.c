/*
 * places.c
 *	  Where rows of rooms and members were seen last, so that they need not be
 *	  looked for in an index (8,000 instructions).
 *
 * A place is a hint: whoever takes one checks by the row's key that it is still
 * that row (see row_at()), and a look into the index follows where it isn't.
 * Known to all sessions where the library is preloaded, else to each its own.
 */
#include "taskchat.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/shmem.h"

#define SHARED_PLACES (128 * 1024)	/* of 8 bytes; a room needs one, and one a member */
#define OWN_PLACES (8 * 1024)

static uint64 own_places[OWN_PLACES];
static pg_atomic_uint64 *shared_places = NULL;

Size
places_size(void)
{
	return SHARED_PLACES * sizeof(pg_atomic_uint64);
}

/* Once for the whole server. */
void
places_create(void)
{
	bool		found;
	int			i;

	shared_places = ShmemInitStruct("taskchat places", places_size(), &found);
	for (i = 0; !found && i < SHARED_PLACES; i++)
		pg_atomic_init_u64(&shared_places[i], 0);
}

static uint32
shared_number(uint64 key)
{
	return hash_combine64(key, MyDatabaseId) % SHARED_PLACES;
}

/* Where the row of this key, or some other row, was seen; not valid: nowhere. */
ItemPointerData
place_get(uint64 key)
{
	uint64		value = shared_places ? pg_atomic_read_u64(&shared_places[shared_number(key)]) : own_places[key % OWN_PLACES];
	ItemPointerData tid;

	ItemPointerSet(&tid, (BlockNumber) (value >> 16), (OffsetNumber) (value & 0xFFFF));
	return tid;
}

void
place_set(uint64 key, const ItemPointerData *tid)
{
	uint64		value = (uint64) ItemPointerGetBlockNumber(tid) << 16 | ItemPointerGetOffsetNumber(tid);

	if (shared_places)
		pg_atomic_write_u64(&shared_places[shared_number(key)], value);
	else
		own_places[key % OWN_PLACES] = value;
}
