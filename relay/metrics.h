/*
 * metrics.h
 *	  What the relay counts of itself, and its text for Prometheus.
 */
#ifndef TASKCHAT_METRICS_H
#define TASKCHAT_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec.h"
#include "protocol.h"

#define METRICS_TYPES 24		/* kinds of commands told apart */
#define METRICS_BUCKETS 12		/* of a histogram */
#define METRICS_CODES 16		/* error codes */
#define METRICS_CLOSES 16		/* close codes */

struct Relay;

/* How long commands of one kind took. */
typedef struct MetricsTimes
{
	const char *type;			/* a constant; NULL: not used yet */
	uint64_t	buckets[METRICS_BUCKETS];	/* how many took that long, not more */
	uint64_t	count;			/* all */
	double		sum;			/* seconds */
} MetricsTimes;

typedef struct Metrics
{
	uint64_t	sessions;		/* connections that were opened */
	uint64_t	events;			/* events that were fetched */
	uint64_t	carried;		/* events that came with their bell */
	uint64_t	unopened;		/* bells whose event could not be opened */
	uint64_t	frames;			/* frames queued for clients */
	uint64_t	dropped;		/* fleeting frames that slow clients did not get */
	uint64_t	received;		/* frames from clients */
	uint64_t	sent;			/* messages that were stored */
	uint64_t	requests;		/* requests over HTTP that were answered */
	uint64_t	lost;			/* how often the database went out of reach */
	uint64_t	refused[METRICS_CODES]; /* errors answered, by WireCode */
	int			close_codes[METRICS_CLOSES];	/* 0: not used yet */
	uint64_t	closed[METRICS_CLOSES]; /* connections closed by us, by code */
	MetricsTimes times[METRICS_TYPES];
} Metrics;

extern void metrics_command(struct Relay *relay, const char *type, int64_t started, bool done);
extern void metrics_error(struct Relay *relay, WireCode code);
extern void metrics_closed(struct Relay *relay, int code);
extern void metrics_write(const struct Relay *relay, JsonText *text);

#endif
