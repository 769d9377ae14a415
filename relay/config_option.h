/*
 * config_option.h
 *	  The option table, for config.c alone: what keys there are, what values
 *	  they take, and how a value is written down.
 */
#ifndef TASKCHAT_CONFIG_OPTION_H
#define TASKCHAT_CONFIG_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

typedef enum OptionKind
{
	OPTION_STRING,				/* char * */
	OPTION_SECRET,				/* char *, from the environment alone, never printed */
	OPTION_NUMBER,				/* int64_t */
	OPTION_DURATION,			/* int64_t milliseconds */
	OPTION_CHOICE				/* int: index into choices */
} OptionKind;

typedef struct Option
{
	const char *key;			/* as in the file */
	OptionKind	kind;
	size_t		offset;			/* in Config */
	const char *standard;		/* the default, as text */
	const char *help;			/* a few words */
	const char *const *choices; /* of OPTION_CHOICE, NULL-ended */
	int64_t		least;			/* of numbers and durations */
	int64_t		most;
	const char *(*check) (const char *value);	/* of strings: the problem with it, a constant, or NULL */
} Option;

extern const Option config_options[];
extern const size_t config_option_count;

extern const Option *option_find(const char *key);
extern const char *option_set(Config *config, const Option *option, const char *value);
extern void option_release(Config *config, const Option *option);
extern void option_print(const Config *config, const Option *option);

#endif
