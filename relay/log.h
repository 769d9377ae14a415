/*
 * log.h
 *	  Log lines to stderr: level, module, session, reason; never a token,
 *	  never message content.
 */
#ifndef TASKCHAT_LOG_H
#define TASKCHAT_LOG_H

#include <stdint.h>

typedef enum LogLevel
{
	LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG
} LogLevel;

typedef enum LogFormat
{
	LOG_FORMAT_TEXT, LOG_FORMAT_JSON
} LogFormat;

extern void log_configure(LogLevel level, LogFormat format);
/* session: 0 when none.  Control characters of the text are escaped. */
extern void log_write(LogLevel level, const char *module, uint64_t session, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
