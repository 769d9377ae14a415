/*
 * errand.c
 *	  What commits (and later deliveries) have to do under one lock: a room's,
 *	  or that of a user's counter of notifications.  Whatever waited for that
 *	  lock in pending goes first, so nothing overtakes what happened before.
 *	  What happens to a task whose room is just being opened takes no lock: it
 *	  comes after what waited for that task, when the room is there.
 *
 * The callers act with the rights of the owner.
 */
#include "taskchat.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

static bool
is_notice(const Errand *errand)
{
	return errand->what == ERRAND_NOTIFY;
}

/* Rooms first, by room_id; then tasks; then users; under one lock by position. */
int
errand_compare(const void *a, const void *b)
{
	const Errand *x = a;
	const Errand *y = b;
	int			order = 0;

	if (x->room_id != y->room_id)
		return x->room_id == 0 || (y->room_id != 0 && x->room_id > y->room_id) ? 1 : -1;
	if (x->room_id == 0 && is_notice(x) != is_notice(y))
		return is_notice(y) ? -1 : 1;
	if (x->room_id == 0)
		order = is_notice(x) ? strcmp(x->user_id, y->user_id) : strcmp(x->task_id, y->task_id);
	return order != 0 ? order : x->position - y->position;
}

bool
errand_same_lock(const Errand *a, const Errand *b)
{
	if (a->room_id != 0 || b->room_id != 0)
		return a->room_id == b->room_id;
	if (is_notice(a) != is_notice(b))
		return false;
	return strcmp(is_notice(a) ? a->user_id : a->task_id, is_notice(b) ? b->user_id : b->task_id) == 0;
}

static void
tell(Room *room, const Errand *errand)
{
	if ((strcmp(errand->kind, "room_closed") == 0 && room->closed) ||
		(strcmp(errand->kind, "room_opened") == 0 && !room->closed))
		return;
	(void) event_append(room, errand->kind, errand->user_id, errand->payload ? errand->payload : "{}");
}

/* A task that is there (again) gets a room (again).  Returns its id; 0: there is no task. */
static int64
open_task(const Errand *errand)
{
	return bound_task_missing(errand->task_id) ? 0 : roster_open_now(errand->task_id, errand->user_id);
}

/*
 * *there: is the room still?  Where it is not, nobody is left to tell, until
 * the task has another one.
 */
static void
run_in_room(Room *room, bool *there, const Errand *errand)
{
	int64		opened;

	if (errand->what == ERRAND_OPEN)
	{
		opened = open_task(errand);
		*there = opened != 0 && room_lock(opened, room);
	}
	if (!*there)
		return;
	switch (errand->what)
	{
		case ERRAND_ERASE:
			roster_erase(room);
			*there = false;
			break;
		case ERRAND_CREATOR:
			roster_set_creator(room, errand->user_id);
			break;
		case ERRAND_LEAVE:
			roster_leave(room, errand->user_id);
			break;
		case ERRAND_EVENT:
			tell(room, errand);
			break;
		default:
			break;
	}
}

/* In a room that is locked, or gone. */
static void
run_locked(Room *room, bool there, const Errands *errands)
{
	Errand	   *before = NULL;
	int			count = 0;
	int			i;

	if (!errands->nothing_waits)
		before = pending_take(&errands->list[0], &count);
	for (i = 0; i < count; i++)
		run_in_room(room, &there, &before[i]);
	for (i = 0; i < errands->count; i++)
		run_in_room(room, &there, &errands->list[i]);
}

static bool
only_events(const Errands *errands)
{
	int			i;

	for (i = 0; i < errands->count; i++)
		if (errands->list[i].what != ERRAND_EVENT)
			return false;
	return true;
}

static void
run_room(const Errands *errands)
{
	int64		room_id = errands->list[0].room_id;
	bool		there;
	Room		room;

	if (!errands->nothing_waits || !only_events(errands))
		roster_hold(room_id);
	there = room_lock(room_id, &room);
	run_locked(&room, there, errands);
}

/* Add to the user's counter of notifications; returns what it was. */
static int64
advance_counter(const char *user_id, int by)
{
	Relation	counters = table_open(relation_oid("notification_counters"), RowExclusiveLock);
	RowValue	values[] = {row_text("user_id", user_id), row_int64("last_seq", by)};
	int64		before = 0;
	bool		done = false;

	while (!done)
	{
		ItemPointerData tid;
		HeapTuple	counter;

		if (!rows_find(counters, "notification_counters_pkey", user_id, &tid))
			done = rows_insert(counters, lengthof(values), values, &tid);
		else if ((counter = rows_lock(counters, &tid)) != NULL)
		{
			before = column_int64(counter, 2, RelationGetDescr(counters));
			values[1].value = Int64GetDatum(before + by);
			rows_update(counters, counter, values[1]);
			done = true;
		}
	}
	table_close(counters, NoLock);
	return before;
}

static void
store_notice(const Errand *notice, int64 seq)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {TEXTOID, TEXTOID, INT8OID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[6];
	char		nulls[6] = {' ', ' ', ' ', ' ', ' ', ' '};

	values[0] = CStringGetTextDatum(notice->notification);
	values[1] = CStringGetTextDatum(notice->user_id);
	values[2] = Int64GetDatum(seq);
	values[3] = CStringGetTextDatum(notice->kind);
	values[4] = notice->task_id ? CStringGetTextDatum(notice->task_id) : (Datum) 0;
	nulls[4] = notice->task_id ? ' ' : 'n';
	values[5] = CStringGetTextDatum(notice->payload ? notice->payload : "{}");
	SPI_connect();
	if (plan == NULL)
	{
		plan = SPI_prepare("INSERT INTO taskchat.notifications (id, user_id, seq, kind, task_id, payload)"
						   " VALUES ($1::pg_catalog.uuid, $2, $3, $4, $5, $6::pg_catalog.jsonb)",
						   lengthof(types), types);
		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare the insertion of a notification: %s", SPI_result_code_string(SPI_result));
	}
	if (SPI_execute_plan(plan, values, nulls, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not insert a notification");
	SPI_finish();
}

/* The counter's lock comes before the look at what waited for it. */
static void
run_user(const Errands *errands)
{
	const char *user_id = errands->list[0].user_id;
	int64		seq = advance_counter(user_id, errands->count);
	Errand	   *before = NULL;
	int			count = 0;
	int			i;

	pending_note_user(user_id);
	if (!errands->nothing_waits)
		before = pending_take(&errands->list[0], &count);
	if (count > 0)
		(void) advance_counter(user_id, count);
	for (i = 0; i < count; i++)
		store_notice(&before[i], ++seq);
	for (i = 0; i < errands->count; i++)
		store_notice(&errands->list[i], ++seq);
	ForceSyncCommit();
	doorbell_ring('n', user_id);
}

/* In each of the task's rooms as they are now: in none where none has come to be opened. */
static void
run_in_rooms(const Errand *errand)
{
	Snapshot	now = RegisterSnapshot(GetLatestSnapshot());
	int64	   *ids;
	bool		has_main;
	int			count = roster_rooms(errand->task_id, errand->applicant_id, now, &ids, &has_main);
	int			i;

	UnregisterSnapshot(now);
	for (i = 0; i < count; i++)
	{
		Errand		one = *errand;
		Errands		errands = {&one, 1};

		one.room_id = ids[i];
		run_room(&errands);
	}
}

/* What concerns a task whose rooms were not there to be told. */
static void
run_in_task(const Errand *errand)
{
	if (errand->what == ERRAND_OPEN)
		(void) open_task(errand);
	else if (errand->what != ERRAND_ERASE || bound_task_missing(errand->task_id))
		run_in_rooms(errand);
}

/*
 * Where the task went in between, what was before that concerns nobody any more:
 * it may have a namesake, which has rooms of its own.
 */
static void
run_task(const Errands *errands)
{
	int			waiting;
	Errand	   *all = pending_take(&errands->list[0], &waiting);
	int			count = waiting + errands->count;
	int			first = 0;
	int			i;

	all = repalloc(all, sizeof(Errand) * (count + 1));
	memcpy(all + waiting, errands->list, sizeof(Errand) * errands->count);
	for (i = 0; i < count; i++)
		if (all[i].what == ERRAND_ERASE)
			first = i;
	roster_settle(errands->list[0].task_id);
	for (i = first; i < count; i++)
		run_in_task(&all[i]);
}

/* Do it all (an Attempt of Errands), and first what waited for the same lock.  Waits for the lock. */
void
errands_run(void *argument)
{
	const Errands *errands = argument;

	if (errands->list[0].room_id != 0)
		run_room(errands);
	else if (is_notice(&errands->list[0]))
		run_user(errands);
	else
		run_task(errands);
}

/* Has somebody the counter?  If not, it is ours from now on; if it is not there, *missing. */
static bool
counter_is_held(const char *user_id, bool *missing)
{
	Relation	counters = table_open(relation_oid("notification_counters"), RowExclusiveLock);
	ItemPointerData tid;
	bool		held = false;

	*missing = !rows_find(counters, "notification_counters_pkey", user_id, &tid);
	if (!*missing)
		held = !rows_try_lock(counters, &tid);
	table_close(counters, NoLock);
	return held;
}

/* Is it known at once that somebody is in the way of an errand? */
bool
errand_hindered(const Errand *errand)
{
	TransactionId doubt;
	bool		missing;
	Room		room;

	if (errand->room_id != 0)
		return room_try_lock(errand->room_id, &room) == ROOM_BUSY;
	if (is_notice(errand))
		return counter_is_held(errand->user_id, &missing);
	(void) roster_find(errand->task_id, &doubt);
	return TransactionIdIsValid(doubt);
}

/*
 * Do it all where there is surely nobody to wait for; else false, and nothing
 * is done.  (Where members change, that is hard to tell, as it is of what waits;
 * and a counter may be in the making.)
 */
bool
errands_run_if_free(const Errands *errands)
{
	bool		missing;
	RoomLock	lock;
	Room		room;

	if (!errands->nothing_waits)
		return false;
	if (errands->list[0].room_id == 0)
	{
		if (!is_notice(&errands->list[0]))
			return false;
		if (counter_is_held(errands->list[0].user_id, &missing) || missing)
			return false;
		run_user(errands);
		return true;
	}
	if (!only_events(errands) || (lock = room_try_lock(errands->list[0].room_id, &room)) == ROOM_BUSY)
		return false;
	run_locked(&room, lock == ROOM_LOCKED, errands);
	return true;
}
