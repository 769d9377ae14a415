/*
 * process.c
 *	  CPU time and memory of processes and their children, from the kernel.
 */
#include "load.h"

#include <dirent.h>
#include <time.h>
#include <unistd.h>

/* Reads /proc/PID/stat: the parent, and the ticks of children that have ended. */
static bool
read_stat(int pid, int *parent, double *ended)
{
	char		path[64];
	char		text[1024];
	char	   *end;
	long		user;
	long		system;
	FILE	   *file;
	size_t		length;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (file == NULL)
		return false;
	length = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[length] = '\0';
	end = strrchr(text, ')');
	if (end == NULL || sscanf(end + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %ld %ld", parent, &user, &system) != 3)
		return false;
	*ended = (double) (user + system) / (double) sysconf(_SC_CLK_TCK);
	return true;
}

/* Seconds, to the nanosecond, of all threads; 0 if the process is gone. */
static double
own_cpu(int pid)
{
	clockid_t	clock;
	struct timespec time;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0)
		return 0;
	return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

static long
own_pss(int pid)
{
	char		path[64];
	char		line[256];
	long		pss = 0;
	FILE	   *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	file = fopen(path, "r");
	if (file == NULL)
		return 0;
	while (pss == 0 && fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "Pss: %ld", &pss) != 1)
			pss = 0;
	fclose(file);
	return pss;
}

static void
add_family(int pid, double *cpu, long *pss)
{
	DIR		   *proc = opendir("/proc");
	struct dirent *entry;
	int			parent;
	double		ended;

	if (proc == NULL || !read_stat(pid, &parent, &ended))
		load_fail("/proc", "the server is gone");
	*cpu += own_cpu(pid) + ended;
	*pss += own_pss(pid);
	while ((entry = readdir(proc)) != NULL)
	{
		int			child = atoi(entry->d_name);

		if (child <= 0 || !read_stat(child, &parent, &ended) || parent != pid)
			continue;
		*cpu += own_cpu(child) + ended;
		*pss += own_pss(child);
	}
	closedir(proc);
}

/*
 * Seconds of CPU that the process and its children have had, those that have
 * ended too (these in ticks). Ends the program if the process is gone.
 */
double
process_family_cpu(int pid)
{
	double		cpu = 0;
	long		pss = 0;

	add_family(pid, &cpu, &pss);
	return cpu;
}

/* Proportional set size of the process and its children in KiB. */
long
process_family_pss(int pid)
{
	double		cpu = 0;
	long		pss = 0;

	add_family(pid, &cpu, &pss);
	return pss;
}
