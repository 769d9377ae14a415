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

/* Bytes of the whole character of RFC 3629 that stands here; 0 when none does. */
static size_t
character_length(const unsigned char *at)
{
	size_t		len = *at < 0x80 ? 1 : *at >= 0xc2 && *at < 0xe0 ? 2 : (*at & 0xf0) == 0xe0 ? 3 : *at >= 0xf0 && *at < 0xf5 ? 4 : 0;

	/* The NUL at the end is no continuation, so nothing is read past it. */
	for (size_t i = 1; i < len; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	if ((*at == 0xe0 && at[1] < 0xa0) || (*at == 0xed && at[1] > 0x9f)
		|| (*at == 0xf0 && at[1] < 0x90) || (*at == 0xf4 && at[1] > 0x8f))
		return 0;
	return len;
}

/*
 * Copies text with control characters, and in JSON quotes and backslashes,
 * escaped.  What is no UTF-8 (a database's message in another encoding, a text
 * cut short) is replaced, so that every line of JSON can be read.
 */
static void
escape(char *to, size_t size, const char *from)
{
	const unsigned char *at = (const unsigned char *) from;
	size_t		n = 0;

	while (*at && n + 7 < size)
	{
		size_t		len = character_length(at);

		if (len == 0)
			n += (size_t) snprintf(to + n, size - n, "\\ufffd");
		else if (*at < 0x20 || *at == 0x7f)
			n += (size_t) snprintf(to + n, size - n, "\\u%04x", *at);
		else
		{
			if (line_format == LOG_FORMAT_JSON && (*at == '"' || *at == '\\'))
				to[n++] = '\\';
			memcpy(to + n, at, len);
			n += len;
		}
		at += len ? len : 1;
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
