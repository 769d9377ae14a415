/*
 * tally.c
 *	  What came of the messages: when each was due, sent, committed and
 *	  delivered, and for every client in every room what is missing, came twice,
 *	  came out of order.
 *
 * Out of order is a message whose number from the server isn't above the last
 * one's, or one that had been committed before another was sent that came
 * first. The second holds for servers that give no numbers too.
 */
#include "load.h"

#include <errno.h>

Tally		tally;
static Message *messages;
static uint64_t n_messages;
static uint64_t n_sent;			/* of all, those before the measured ones too */
static uint32_t *in_room;		/* messages so far in each room's line */
static uint32_t *members;		/* who read, in each room */

/* Makes room for so many messages. Clients that stall are known by now. */
void
tally_prepare(uint64_t count)
{
	n_messages = count;
	messages = load_alloc(count, sizeof(Message));
	in_room = load_alloc((size_t) options.rooms, sizeof(uint32_t));
	members = load_alloc((size_t) options.rooms, sizeof(uint32_t));
	for (long i = 0; i < options.clients - options.stalled; i++)
		for (long k = 0; k < options.rooms_each; k++)
			members[clients[i].first_room + k]++;
}

/* What was counted so far isn't part of the measurement. */
void
tally_restart(void)
{
	Histogram	login = tally.login;

	memset(&tally, 0, sizeof(tally));
	tally.login = login;
}

/* Notes a message that is being sent; returns its number. */
uint64_t
tally_sent(uint32_t room, int64_t due)
{
	Message    *message = &messages[n_sent];

	if (n_sent == n_messages)
		load_fail("messages", "more than there is room for");
	message->due = due;
	message->sent = load_now();
	message->room = room;
	message->place = in_room[room]++;
	message->wanted = members[room];
	tally.sent++;
	tally.expected += message->wanted;
	return n_sent++;
}

/* A message that was sent, or NULL. */
const Message *
tally_message(uint64_t number)
{
	return number < n_sent ? &messages[number] : NULL;
}

static void
count_if_complete(const Message *message)
{
	if (message->committed != 0 && message->wanted == 0)
		tally.complete++;
}

/* The server has told that it is committed. */
void
tally_committed(uint64_t number, int64_t at)
{
	Message    *message = &messages[number];

	if (number >= n_sent || message->committed != 0)
		load_fail("reply", "to what wasn't asked");
	message->committed = at;
	tally.committed++;
	histogram_add(&tally.commit, at - message->due);
	count_if_complete(message);
}

static bool
was_seen(Place *place, uint32_t number)
{
	uint32_t	word = number / 64;
	uint64_t	bit = UINT64_C(1) << number % 64;

	if (word >= place->words)
	{
		uint32_t	words = word * 2 + 2;
		uint64_t   *seen = load_alloc(words, sizeof(uint64_t));

		if (place->words > 0)
			memcpy(seen, place->seen, place->words * sizeof(uint64_t));
		free(place->seen);
		place->seen = seen;
		place->words = words;
	}
	if (place->seen[word] & bit)
		return true;
	place->seen[word] |= bit;
	return false;
}

static void
check_order(Place *place, const Message *message, uint64_t seq)
{
	if ((seq != 0 && seq <= place->seq) || (message->committed != 0 && message->committed < place->latest))
		tally.reordered++;
	if (seq != 0)
		place->seq = seq;
	if (message->sent > place->latest)
		place->latest = message->sent;
}

/* A message came to a client. seq is the server's number of it, or 0. */
void
tally_delivered(Client *client, uint64_t number, uint64_t seq, int64_t at)
{
	Message    *message = &messages[number];
	uint32_t	room = message->room - client->first_room;
	Place	   *place = &places[(client - clients) * options.rooms_each + room];

	tally.deliveries++;
	if (room >= options.rooms_each)
		tally.strange++;
	else if (was_seen(place, message->place))
		tally.duplicate++;
	else
	{
		check_order(place, message, seq);
		histogram_add(&tally.latency, at - message->due);
		if (message->committed == 0)
			tally.early++;
		histogram_add(&tally.after_commit, message->committed == 0 ? 0 : at - message->committed);
		message->wanted--;
		if (message->committed == 0 && dialect.reply == NULL && strcmp(options.publish, "socket") == 0)
			tally_committed(number, at);
		else
			count_if_complete(message);
	}
}

/* Adds a time in nanoseconds; a negative one counts as 0. */
void
histogram_add(Histogram *histogram, int64_t value)
{
	size_t		i = value < 0 ? 0 : (size_t) value;

	if (i >= HISTOGRAM_STEPS)
	{
		int			power = 63 - __builtin_clzll((unsigned long long) i);

		i = (size_t) (power - 5) * HISTOGRAM_STEPS + (i >> (power - 6)) % HISTOGRAM_STEPS;
	}
	histogram->count[i]++;
	histogram->n++;
	if (value > histogram->max)
		histogram->max = value;
}

/* The quantile in milliseconds, to within 1.6 %; 1 is the maximum itself. */
double
histogram_ms(const Histogram *histogram, double quantile)
{
	uint64_t	rank = (uint64_t) ((double) histogram->n * quantile);
	uint64_t	below = 0;

	for (size_t i = 0; i < HISTOGRAM_SIZE && quantile < 1; i++)
	{
		size_t		power = i / HISTOGRAM_STEPS;

		below += histogram->count[i];
		if (below > rank)
			return power == 0 ? (double) i / 1e6 :
				(double) ((HISTOGRAM_STEPS + i % HISTOGRAM_STEPS) << (power - 1)) / 1e6;
	}
	return (double) histogram->max / 1e6;
}
