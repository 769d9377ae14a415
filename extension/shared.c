/*
 * shared.c
 *	  The library's share of the server's memory, where it is preloaded: bells
 *	  (queue.c), and where rows were seen last (places.c).
 */
#include "taskchat.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

static bool reserved = false;	/* inherited from the postmaster */
static shmem_request_hook_type previous_request = NULL;
static shmem_startup_hook_type previous_startup = NULL;

static void
request_memory(void)
{
	if (previous_request)
		previous_request();
	RequestAddinShmemSpace(add_size(queue_size(), places_size()));
	RequestNamedLWLockTranche("taskchat", 1);
}

static void
create_all(void)
{
	if (previous_startup)
		previous_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	queue_create(&GetNamedLWLockTranche("taskchat")->lock);
	places_create();
	LWLockRelease(AddinShmemInitLock);
}

void
shared_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	reserved = true;
	previous_request = shmem_request_hook;
	shmem_request_hook = request_memory;
	previous_startup = shmem_startup_hook;
	shmem_startup_hook = create_all;
}

/* Is there a share, or will there be one once the server has started? */
bool
shared_exists(void)
{
	return reserved;
}
