/*
 * log.c
 *	  Lines to stderr, as text or JSON, one write each.
 */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LONGEST_LINE 2048

static LogLevel least_level = LOG_LEVEL_INFO;
static LogFormat line_format = LOG_FORMAT_TEXT;

static const char *const level_names[] = {"error", "warning", "info", "debug"};

/* What is said from now on, and how. */
void
log_configure(LogLevel level, LogFormat format)
{
	least_level = level;
	line_format = format;
}

/* Copies text with control characters, quotes and backslashes escaped as in JSON. */
static void
escape(char *to, size_t size, const char *from)
{
	size_t		n = 0;

	for (; *from && n + 7 < size; from++)
	{
		unsigned char c = (unsigned char) *from;

		if (c < 0x20 || c == 0x7f)
			n += (size_t) snprintf(to + n, size - n, "\\u%04x", c);
		else
		{
			if (line_format == LOG_FORMAT_JSON && (c == '"' || c == '\\'))
				to[n++] = '\\';
			to[n++] = (char) c;
		}
	}
	to[n] = '\0';
}

/* One line; session 0: of none in particular. */
void
log_write(LogLevel level, const char *module, uint64_t session, const char *format, ...)
{
	char		text[LONGEST_LINE];
	char		escaped[LONGEST_LINE];
	char		line[2 * LONGEST_LINE];
	char		when[32];
	struct timespec now;
	struct tm	utc;
	va_list		args;
	int			len;

	if (level > least_level)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	escape(escaped, sizeof(escaped), text);
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &utc);
	if (line_format == LOG_FORMAT_JSON)
		len = snprintf(line, sizeof(line),
					   "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"module\":\"%s\",\"session\":%llu,\"message\":\"%s\"}\n",
					   when, now.tv_nsec / 1000000, level_names[level], module, (unsigned long long) session, escaped);
	else if (session != 0)
		len = snprintf(line, sizeof(line), "%s.%03ldZ %s %s[%llu]: %s\n",
					   when, now.tv_nsec / 1000000, level_names[level], module, (unsigned long long) session, escaped);
	else
		len = snprintf(line, sizeof(line), "%s.%03ldZ %s %s: %s\n",
					   when, now.tv_nsec / 1000000, level_names[level], module, escaped);
	/* A log that cannot be written to leaves nothing that could be done. */
	if (len > 0 && write(STDERR_FILENO, line, (size_t) len) < 0)
		return;
}
