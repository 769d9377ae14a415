/*
 * process.c
 *	  CPU time and memory of processes, from /proc.
 */
#include "load.h"

#include <dirent.h>
#include <unistd.h>

/* Reads /proc/PID/stat: the parent, and user and system time in seconds. */
static bool
read_stat(int pid, int *parent, double *cpu)
{
	char		path[64];
	char		text[1024];
	char	   *end;
	unsigned long user;
	unsigned long system;
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
	if (end == NULL || sscanf(end + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", parent, &user, &system) != 3)
		return false;
	*cpu = (double) (user + system) / (double) sysconf(_SC_CLK_TCK);
	return true;
}

/* Seconds of CPU that the process has had; ends the program if there is none. */
double
process_cpu(int pid)
{
	int			parent;
	double		cpu;

	if (!read_stat(pid, &parent, &cpu))
		load_fail("/proc", "the server is gone");
	return cpu;
}

/* The same for a process and its living children together. */
double
process_family_cpu(int pid)
{
	double		sum = process_cpu(pid);
	DIR		   *proc = opendir("/proc");
	struct dirent *entry;

	if (proc == NULL)
		load_fail("/proc", "can't be read");
	while ((entry = readdir(proc)) != NULL)
	{
		int			parent;
		double		cpu;

		if (atoi(entry->d_name) > 0 && read_stat(atoi(entry->d_name), &parent, &cpu) && parent == pid)
			sum += cpu;
	}
	closedir(proc);
	return sum;
}

/* Proportional set size in KiB. */
long
process_pss(int pid)
{
	char		path[64];
	char		line[256];
	long		pss = -1;
	FILE	   *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	file = fopen(path, "r");
	if (file == NULL)
		load_fail(path, "can't be read");
	while (pss < 0 && fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "Pss: %ld", &pss) != 1)
			pss = -1;
	fclose(file);
	return pss;
}
