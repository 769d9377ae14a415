/*
 * query_set.c
 *	  Sets of rooms and users that something is to be asked or told about.
 *	  Putting one in twice is once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query_internal.h"

#define LARGEST_SET 1000

/* Answers who waits for the entry. */
void
entry_answer(Entry *entry, const CommandRow *row)
{
	DeliveryWait *wait;

	while ((wait = entry->waits) != NULL)
	{
		entry->waits = wait->next;
		if (wait->done)
			wait->done(wait->arg, row, 1);
		free(wait);
	}
}

/* Notes an ack.  Of more than there is room for, the later ones count as one. */
void
entry_ack(Entry *entry, Ack ack)
{
	if (entry->ack_count > 0 && ack.seq <= entry->acks[entry->ack_count - 1].seq)
		return;
	if (entry->ack_count < ACKS)
		entry->ack_count++;
	entry->acks[entry->ack_count - 1] = ack;
}

/* The acks of one entry and then those of another, which came later. */
static void
entry_put_acks_before(const Entry *from, Entry *to)
{
	Entry		joined = {.ack_count = 0};
	int			i;

	for (i = 0; i < from->ack_count; i++)
		entry_ack(&joined, from->acks[i]);
	for (i = 0; i < to->ack_count; i++)
		entry_ack(&joined, to->acks[i]);
	memcpy(to->acks, joined.acks, sizeof(to->acks));
	to->ack_count = joined.ack_count;
}

/* Who waits for one entry waits for another from now on. */
static void
entry_pass_waits(Entry *from, Entry *to)
{
	DeliveryWait **last = &to->waits;

	while (*last)
		last = &(*last)->next;
	*last = from->waits;
	from->waits = NULL;
}

static void
entry_free(Entry *entry)
{
	DeliveryWait *wait;

	while ((wait = entry->waits) != NULL)
	{
		entry->waits = wait->next;
		free(wait);
	}
	free(entry->key);
	free(entry->user_id);
	free(entry->task_id);
	free(entry);
}

/* Empties a set. */
void
set_clear(Entry **set)
{
	Entry	   *entry;
	Entry	   *next;

	HASH_ITER(hh, *set, entry, next)
	{
		HASH_DEL(*set, entry);
		entry_free(entry);
	}
}

/* The entry of that room or user (or both), made when it is new; NULL when out of memory. */
Entry *
set_put(Entry **set, int64_t room_id, const char *user_id)
{
	char		key[300];
	Entry	   *entry;

	snprintf(key, sizeof(key), "%lld/%s", (long long) room_id, user_id ? user_id : "");
	HASH_FIND_STR(*set, key, entry);
	if (entry != NULL)
		return entry;
	entry = calloc(1, sizeof(Entry));
	if (entry == NULL)
		return NULL;
	entry->key = strdup(key);
	entry->room_id = room_id;
	entry->user_id = user_id ? strdup(user_id) : NULL;
	if (entry->key == NULL || (user_id && entry->user_id == NULL))
	{
		entry_free(entry);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, *set, entry->key, strlen(entry->key), entry);
	return entry;
}

/* Takes an entry out of its set and frees it. */
void
set_drop(Entry **set, Entry *entry)
{
	HASH_DEL(*set, entry);
	entry_free(entry);
}

/* Moves an entry from one set to another that does not have it. */
void
set_move(Entry **from, Entry **to, Entry *entry)
{
	HASH_DEL(*from, entry);
	HASH_ADD_KEYPTR(hh, *to, entry->key, strlen(entry->key), entry);
}

/*
 * Moves up to LARGEST_SET entries from one set to another; returns how many.
 */
size_t
set_take(Entry **set, Entry **taken)
{
	Entry	   *entry;
	Entry	   *next;
	size_t		count = 0;

	HASH_ITER(hh, *set, entry, next)
	{
		if (count == LARGEST_SET)
			break;
		set_move(set, taken, entry);
		count++;
	}
	return count;
}

/* Moves all entries of taken to a set, but for those of which it has newer ones. */
void
set_put_back(Entry **set, Entry **taken)
{
	Entry	   *entry;
	Entry	   *next;

	HASH_ITER(hh, *taken, entry, next)
	{
		Entry	   *newer;

		HASH_DEL(*taken, entry);
		HASH_FIND_STR(*set, entry->key, newer);
		if (newer)
		{
			if (entry->seq > newer->seq)
				newer->seq = entry->seq;
			entry_put_acks_before(entry, newer);
			newer->tries = entry->tries;
			entry_pass_waits(entry, newer);
			entry_free(entry);
		}
		else
			HASH_ADD_KEYPTR(hh, *set, entry->key, strlen(entry->key), entry);
	}
}
