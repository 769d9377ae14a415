/*
 * shim.c
 *	  Loaded before the C library (LD_PRELOAD) into a server under test, it
 *	  plays what one machine can't easily stage.  The directory TASKCHAT_SHIM
 *	  says what goes wrong:
 *
 *	  clock	seconds that the wall clock is wrong by
 *	  full	while it exists no file grows: the disk is full
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define LOOK_PAUSE 50			/* ms between two looks at the file "clock" */

#define NEXT(name) ((__typeof__(&name)) next(&cached_##name, #name))
#define CACHE(name) static void *cached_##name

/* The function that this one stands in front of. */
static void *
next(void **cached, const char *name)
{
	if (*cached == NULL)
		*cached = dlsym(RTLD_NEXT, name);
	return *cached;
}

CACHE(clock_gettime);
CACHE(syscall);
CACHE(pwrite);
CACHE(pwritev);
CACHE(fallocate);

/* Path of a file that says what goes wrong; false where nothing does. */
static int
told(const char *name, char *path, size_t size)
{
	const char *directory = getenv("TASKCHAT_SHIM");

	if (directory == NULL)
		return 0;
	snprintf(path, size, "%s/%s", directory, name);
	return 1;
}

/* ---- the clock ---- */

static long
clock_offset(void)
{
	static long offset = 0;
	static long looked_at = 0;
	struct timespec now;
	char		path[4096];
	char		digits[32] = {0};
	int			fd;

	NEXT(clock_gettime) (CLOCK_MONOTONIC, &now);
	if (looked_at != 0 && now.tv_sec * 1000 + now.tv_nsec / 1000000 - looked_at < LOOK_PAUSE)
		return offset;
	looked_at = now.tv_sec * 1000 + now.tv_nsec / 1000000;
	offset = 0;
	if (told("clock", path, sizeof(path)) && (fd = open(path, O_RDONLY | O_CLOEXEC)) >= 0)
	{
		if (read(fd, digits, sizeof(digits) - 1) > 0)
			offset = atol(digits);
		close(fd);
	}
	return offset;
}

int
clock_gettime(clockid_t id, struct timespec *time)
{
	int			result = NEXT(clock_gettime) (id, time);

	if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
		time->tv_sec += clock_offset();
	return result;
}

int
gettimeofday(struct timeval *restrict time, void *restrict zone)
{
	struct timespec now;

	(void) zone;
	clock_gettime(CLOCK_REALTIME, &now);
	time->tv_sec = now.tv_sec;
	time->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t *where)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (where)
		*where = now.tv_sec;
	return now.tv_sec;
}

/* libev asks the kernel itself. */
long
syscall(long number, ...)
{
	long		arguments[6];
	va_list		list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		arguments[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_clock_gettime)
		return clock_gettime((clockid_t) arguments[0], (struct timespec *) arguments[1]);
	return NEXT(syscall) (number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
}

/* ---- the disk ---- */

/* Whether a file may not grow to this size. */
static int
is_full(int fd, off_t size)
{
	char		path[4096];
	struct stat found;
	int			saved = errno;
	int			full = told("full", path, sizeof(path)) && access(path, F_OK) == 0
		&& fstat(fd, &found) == 0 && S_ISREG(found.st_mode) && size > found.st_size;

	errno = full ? ENOSPC : saved;
	return full;
}

ssize_t
pwrite(int fd, const void *data, size_t len, off_t offset)
{
	return is_full(fd, offset + (off_t) len) ? -1 : NEXT(pwrite) (fd, data, len, offset);
}

ssize_t
pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
	return pwrite(fd, data, len, offset);
}

ssize_t
pwritev(int fd, const struct iovec *pieces, int count, off_t offset)
{
	off_t		size = offset;

	for (int i = 0; i < count; i++)
		size += (off_t) pieces[i].iov_len;
	return is_full(fd, size) ? -1 : NEXT(pwritev) (fd, pieces, count, offset);
}

ssize_t
pwritev64(int fd, const struct iovec *pieces, int count, off64_t offset)
{
	return pwritev(fd, pieces, count, offset);
}

int
fallocate(int fd, int mode, off_t offset, off_t len)
{
	return is_full(fd, offset + len) ? -1 : NEXT(fallocate) (fd, mode, offset, len);
}

int
fallocate64(int fd, int mode, off64_t offset, off64_t len)
{
	return fallocate(fd, mode, offset, len);
}

int
posix_fallocate(int fd, off_t offset, off_t len)
{
	return fallocate(fd, 0, offset, len) == 0 ? 0 : errno;
}

int
posix_fallocate64(int fd, off64_t offset, off64_t len)
{
	return posix_fallocate(fd, offset, len);
}
