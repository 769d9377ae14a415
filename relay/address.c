/*
 * address.c
 *	  IP addresses and networks as text and as bytes, and who a client is
 *	  behind proxies that are trusted.
 */
#include "address.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool
address_is_ipv4(const Address *address)
{
	return memcmp(address->bytes, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

static void
address_set_ipv4(Address *address, const void *four)
{
	memcpy(address->bytes, mapped_prefix, sizeof(mapped_prefix));
	memcpy(address->bytes + 12, four, 4);
}

/*
 * Reads an IPv4 or IPv6 address, the latter in brackets or not; no port, no
 * zone.  False when text is none.
 */
bool
address_parse(const char *text, size_t len, Address *address)
{
	char		copy[ADDRESS_TEXT_SIZE];
	struct in_addr four;

	if (len >= 2 && text[0] == '[' && text[len - 1] == ']')
	{
		text++;
		len -= 2;
		if (memchr(text, ':', len) == NULL)
			return false;
	}
	if (len == 0 || len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (inet_pton(AF_INET, copy, &four) == 1)
	{
		address_set_ipv4(address, &four);
		return true;
	}
	return inet_pton(AF_INET6, copy, address->bytes) == 1;
}

/*
 * The address of a socket's other end; false when it has none (a Unix socket).
 */
bool
address_of_socket(const struct sockaddr *from, Address *address)
{
	if (from->sa_family == AF_INET)
		address_set_ipv4(address, &((const struct sockaddr_in *) from)->sin_addr);
	else if (from->sa_family == AF_INET6)
		memcpy(address->bytes, &((const struct sockaddr_in6 *) from)->sin6_addr, sizeof(address->bytes));
	else
		return false;
	return true;
}

/*
 * Writes the address as people do.
 */
void
address_text(const Address *address, char text[ADDRESS_TEXT_SIZE])
{
	text[0] = '\0';
	if (address_is_ipv4(address))
		(void) inet_ntop(AF_INET, address->bytes + 12, text, ADDRESS_TEXT_SIZE);
	else
		(void) inet_ntop(AF_INET6, address->bytes, text, ADDRESS_TEXT_SIZE);
}

/* "address" or "address/bits"; bits past the prefix don't matter. */
static bool
network_parse(const char *text, size_t len, Network *network)
{
	const char *slash = memchr(text, '/', len);
	size_t		address_len = slash ? (size_t) (slash - text) : len;
	int			most;
	int			bits = 0;

	if (!address_parse(text, address_len, &network->base))
		return false;
	most = address_is_ipv4(&network->base) && memchr(text, ':', address_len) == NULL ? 32 : 128;
	network->bits = 128;
	if (slash == NULL)
		return true;
	if (slash + 1 == text + len || text + len - slash > 4)
		return false;
	for (const char *p = slash + 1; p < text + len; p++)
	{
		if (*p < '0' || *p > '9')
			return false;
		bits = bits * 10 + (*p - '0');
	}
	network->bits = 128 - most + bits;
	return bits <= most;
}

static bool
network_has(const Network *network, const Address *address)
{
	int			whole = network->bits / 8;
	int			rest = network->bits % 8;

	return memcmp(network->base.bytes, address->bytes, (size_t) whole) == 0
		&& (rest == 0 || ((network->base.bytes[whole] ^ address->bytes[whole]) >> (8 - rest)) == 0);
}

/*
 * Reads a comma list of addresses and networks ("" is an empty one) into
 * *list, to be given to network_list_reset() at the end.  False, and an empty
 * list, when it is not one or memory is short.
 */
bool
network_list_parse(const char *text, NetworkList *list)
{
	size_t		most = 1;

	list->items = NULL;
	list->count = 0;
	if (text[strspn(text, " \t")] == '\0')
		return true;
	for (const char *p = text; *p; p++)
		most += *p == ',';
	list->items = calloc(most, sizeof(Network));
	while (list->items)
	{
		size_t		len;

		text += strspn(text, " \t");
		len = strcspn(text, ", \t");
		if (!network_parse(text, len, &list->items[list->count]))
			break;
		list->count++;
		text += len;
		text += strspn(text, " \t");
		if (*text == '\0')
			return true;
		if (*text++ != ',')
			break;
	}
	network_list_reset(list);
	return false;
}

/*
 * Frees what the list holds, and empties it.
 */
void
network_list_reset(NetworkList *list)
{
	free(list->items);
	list->items = NULL;
	list->count = 0;
}

bool
network_list_has(const NetworkList *list, const Address *address)
{
	for (size_t i = 0; i < list->count; i++)
		if (network_has(&list->items[i], address))
			return true;
	return false;
}

/* One element of X-Forwarded-For: some proxies add the port. */
static bool
forwarded_parse(const char *text, size_t len, Address *address)
{
	const char *colon = memchr(text, ':', len);
	const char *bracket = memchr(text, ']', len);

	if (text[0] == '[' && bracket)
		len = (size_t) (bracket + 1 - text);
	else if (colon && memchr(colon + 1, ':', len - (size_t) (colon + 1 - text)) == NULL)
		len = (size_t) (colon - text);
	return address_parse(text, len, address);
}

/*
 * Replaces *address, the peer's, by the client's as X-Forwarded-For tells it:
 * from the right, each hop is believed only if it comes from a trusted proxy,
 * so what the client itself wrote into the header counts for nothing.
 */
void
address_behind_proxies(const NetworkList *proxies, const char *forwarded, Address *address)
{
	const char *end = forwarded + strlen(forwarded);

	while (end > forwarded && network_list_has(proxies, address))
	{
		const char *start = end;
		const char *stop = end;
		Address		hop;

		while (start > forwarded && start[-1] != ',')
			start--;
		end = start > forwarded ? start - 1 : start;
		start += strspn(start, " \t");
		while (stop > start && (stop[-1] == ' ' || stop[-1] == '\t'))
			stop--;
		if (stop <= start || !forwarded_parse(start, (size_t) (stop - start), &hop))
			return;
		*address = hop;
	}
}
