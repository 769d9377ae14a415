/*
 * address.h
 *	  IP addresses and networks: of clients, and of the proxies before us.
 */
#ifndef TASKCHAT_ADDRESS_H
#define TASKCHAT_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;

#define ADDRESS_TEXT_SIZE 46	/* longest text with its NUL */

/* IPv4 addresses are held as IPv6 ones under ::ffff:0:0/96. */
typedef struct Address
{
	uint8_t		bytes[16];
} Address;

typedef struct Network
{
	Address		base;			/* its first address */
	int			bits;			/* of the prefix, of 128 */
} Network;

typedef struct NetworkList
{
	Network    *items;			/* owned */
	size_t		count;
} NetworkList;

extern bool address_parse(const char *text, size_t len, Address *address);
extern bool address_of_socket(const struct sockaddr *from, Address *address);
extern void address_text(const Address *address, char text[ADDRESS_TEXT_SIZE]);
extern bool network_list_parse(const char *text, NetworkList *list);
extern void network_list_reset(NetworkList *list);
extern bool network_list_has(const NetworkList *list, const Address *address);
extern void address_behind_proxies(const NetworkList *proxies, const char *forwarded, Address *address);

#endif
