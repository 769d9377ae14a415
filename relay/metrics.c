/*
 * metrics.c
 *	  Counts, and their text in Prometheus' exposition format (version 0.0.4).
 */
#include "metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <utlist.h>

#include "clock.h"
#include "codec.h"
#include "presence.h"
#include "relay.h"
#include "room.h"
#include "session.h"

static const double bounds[METRICS_BUCKETS] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10};

/* The times of this kind of commands; NULL: there are too many kinds. */
static MetricsTimes *
metrics_times(Metrics *metrics, const char *type)
{
	for (int i = 0; i < METRICS_TYPES; i++)
	{
		MetricsTimes *times = &metrics->times[i];

		if (times->type == NULL)
			times->type = type;
		if (strcmp(times->type, type) == 0)
			return times;
	}
	return NULL;
}

/*
 * A command has ended.  type: a constant; started: of clock_monotonic(), 0: not
 * known; done: without an error.
 */
void
metrics_command(Relay *relay, const char *type, int64_t started, bool done)
{
	MetricsTimes *times = started ? metrics_times(&relay->metrics, type) : NULL;
	double		seconds = (double) (clock_monotonic() - started) / 1e6;

	if (done && strcmp(type, "send_message") == 0)
		relay->metrics.sent++;
	if (times == NULL)
		return;
	times->count++;
	times->sum += seconds;
	for (int i = 0; i < METRICS_BUCKETS; i++)
		if (seconds <= bounds[i])
			times->buckets[i]++;
}

/*
 * An error is answered, over the socket or HTTP.
 */
void
metrics_error(Relay *relay, WireCode code)
{
	relay->metrics.refused[code]++;
}

/*
 * We have closed a connection with this code.
 */
void
metrics_closed(Relay *relay, int code)
{
	for (int i = 0; i < METRICS_CLOSES; i++)
	{
		if (relay->metrics.close_codes[i] == 0)
			relay->metrics.close_codes[i] = code;
		if (relay->metrics.close_codes[i] == code)
		{
			relay->metrics.closed[i]++;
			return;
		}
	}
}

static void
add(JsonText *text, const char *format, ...)
{
	char		line[256];
	va_list		args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	json_text_raw(text, line);
}

static void
add_head(JsonText *text, const char *name, const char *type, const char *help)
{
	add(text, "# HELP taskchat_%s %s\n# TYPE taskchat_%s %s\n", name, help, name, type);
}

static void
add_one(JsonText *text, const char *name, const char *type, const char *help, uint64_t value)
{
	add_head(text, name, type, help);
	add(text, "taskchat_%s %" PRIu64 "\n", name, value);
}

static void
add_times(JsonText *text, const Metrics *metrics)
{
	add_head(text, "command_duration_seconds", "histogram", "Time from a command's arrival to its answer.");
	for (int i = 0; i < METRICS_TYPES && metrics->times[i].type; i++)
	{
		const MetricsTimes *times = &metrics->times[i];

		for (int b = 0; b < METRICS_BUCKETS; b++)
			add(text, "taskchat_command_duration_seconds_bucket{type=\"%s\",le=\"%g\"} %" PRIu64 "\n",
				times->type, bounds[b], times->buckets[b]);
		add(text, "taskchat_command_duration_seconds_bucket{type=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", times->type, times->count);
		add(text, "taskchat_command_duration_seconds_sum{type=\"%s\"} %.6f\n", times->type, times->sum);
		add(text, "taskchat_command_duration_seconds_count{type=\"%s\"} %" PRIu64 "\n", times->type, times->count);
	}
}

static uint64_t
queue_bytes(const Relay *relay)
{
	const Session *session;
	uint64_t	bytes = 0;

	DL_FOREACH(relay->sessions, session)
		bytes += session->queue_bytes;
	return bytes;
}

/*
 * Writes all of it.
 */
void
metrics_write(const Relay *relay, JsonText *text)
{
	const Metrics *metrics = &relay->metrics;

	add_head(text, "build_info", "gauge", "The relay's version.");
	add(text, "taskchat_build_info{version=\"%s\"} 1\n", TASKCHAT_VERSION);
	add_one(text, "connections", "gauge", "WebSocket connections.", relay->nsessions);
	add_one(text, "connections_opened_total", "counter", "WebSocket connections opened.", metrics->sessions);
	add_one(text, "users", "gauge", "Users known here: connected, or members of joined rooms.", presence_count(relay));
	add_one(text, "rooms", "gauge", "Rooms that a connection has joined.", room_count(relay));
	add_one(text, "requests", "gauge", "HTTP API requests under way.", relay->ncalls);
	add_one(text, "requests_total", "counter", "HTTP API requests answered.", metrics->requests);
	add_one(text, "frames_received_total", "counter", "Frames from clients.", metrics->received);
	add_one(text, "frames_queued_total", "counter", "Frames queued for clients.", metrics->frames);
	add_one(text, "frames_dropped_total", "counter", "State and typing frames that slow clients did not get.", metrics->dropped);
	add_one(text, "queue_bytes", "gauge", "Bytes that wait to be sent to clients.", queue_bytes(relay));
	add_one(text, "messages_total", "counter", "Messages sent through this relay.", metrics->sent);
	add_one(text, "events_total", "counter", "Events fetched from the database.", metrics->events);
	add_one(text, "events_carried_total", "counter", "Events that came with their notification, and were not fetched.", metrics->carried);
	add_one(text, "events_unopened_total", "counter", "Notifications with an event that could not be opened.", metrics->unopened);
	add_one(text, "database_up", "gauge", "1 while commands and events flow.", query_flows(relay->query) ? 1 : 0);
	add_one(text, "database_lost_total", "counter", "How often the database went out of reach.", metrics->lost);
	add_one(text, "draining", "gauge", "1 while the relay stops.", relay->draining ? 1 : 0);
	add_head(text, "errors_total", "counter", "Errors answered, by wire code.");
	for (int i = 0; i <= WIRE_NOT_JOINED; i++)
		add(text, "taskchat_errors_total{code=\"%s\"} %" PRIu64 "\n", wire_code_name((WireCode) i), metrics->refused[i]);
	add_head(text, "closed_total", "counter", "Connections closed by the relay, by close code.");
	for (int i = 0; i < METRICS_CLOSES && metrics->close_codes[i]; i++)
		add(text, "taskchat_closed_total{code=\"%d\"} %" PRIu64 "\n", metrics->close_codes[i], metrics->closed[i]);
	add_times(text, metrics);
}
