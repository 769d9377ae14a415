/*
 * server_handshake.c
 *	  What a request says of itself: headers, who sent it, from which page, and
 *	  whether it may become a WebSocket.
 */
#include "server_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

/* Whether the other end of the socket is a proxy that we believe. */
static bool
server_is_proxied(const Socket *socket)
{
	return network_list_has(&socket->server->proxies, &socket->peer);
}

/*
 * Who is asking: the other end, or whom trusted proxies name.
 */
void
server_client_address(const Socket *socket, const RequestHead *head, Address *address)
{
	char		forwarded[2048];

	*address = socket->peer;
	if (server_is_proxied(socket) && request_join(head, "x-forwarded-for", forwarded, sizeof(forwarded)))
		address_behind_proxies(&socket->server->proxies, forwarded, address);
}

/* Takes the port that a browser leaves out off the end of host:port. */
static size_t
without_default_port(const char *scheme, const char *authority, size_t len)
{
	bool		secure = strncasecmp(scheme, "https:", 6) == 0;
	const char *port = secure ? ":443" : ":80";
	size_t		n = strlen(port);

	return len > n && memcmp(authority + len - n, port, n) == 0 ? len - n : len;
}

/* Whether two texts name the same host and port for this scheme. */
static bool
same_authority(const char *scheme, const char *a, size_t a_len, const char *b, size_t b_len)
{
	a_len = without_default_port(scheme, a, a_len);
	b_len = without_default_port(scheme, b, b_len);
	return a_len == b_len && a_len > 0 && strncasecmp(a, b, a_len) == 0;
}

/* Whether the list of allowed origins holds this one. */
static bool
origin_is_listed(const char *list, const char *origin, const char *authority)
{
	size_t		scheme = (size_t) (authority - origin);

	while (*list)
	{
		size_t		n;

		list += strspn(list, ", \t");
		n = strcspn(list, ", \t");
		if (n > scheme && strncasecmp(list, origin, scheme) == 0
			&& same_authority(origin, authority, strlen(authority), list + scheme, n - scheme))
			return true;
		list += n;
	}
	return false;
}

/* The host that the client addressed: a trusted proxy may have been told another than we are. */
static const char *
server_host(const Socket *socket, const RequestHead *head)
{
	const char *host = server_is_proxied(socket) ? request_header(head, "x-forwarded-host") : NULL;

	return host && host[0] ? host : request_header(head, "host");
}

/*
 * Whether pages of the request's origin may connect; programs send none.
 */
bool
server_origin_allowed(const Socket *socket, const RequestHead *head)
{
	const char *allowed = socket->server->relay->config->allowed_origins;
	const char *origin = request_header(head, "origin");
	const char *host;
	const char *authority;

	if (origin == NULL || request_word_listed(allowed, "*"))
		return true;
	authority = strstr(origin, "://");
	if (authority == NULL)
		return request_word_listed(allowed, origin);	/* "null" */
	authority += 3;
	if (allowed[0])
		return origin_is_listed(allowed, origin, authority);
	host = server_host(socket, head);
	return host && same_authority(origin, authority, strlen(authority), host, strlen(host));
}

/* Whether the URL holds what is not to be logged by anybody on the way. */
static bool
server_url_has_token(const RequestHead *head)
{
	static const char *const names[] = {"token=", "access_token=", "id_token=", "ticket=", "jwt=", "authorization="};
	char	  **args;
	size_t		nargs;
	bool		has = !request_split_query(head->query, REQUEST_HEAD_BYTES, &args, &nargs);	/* what cannot be read may hold one */

	for (size_t i = 0; i < nargs; i++)
	{
		for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++)
			if (strncasecmp(args[i], names[n], strlen(names[n])) == 0)
				has = true;
		free(args[i]);
	}
	free(args);
	return has;
}

/* Whether the key are 16 bytes in base64. */
static bool
key_is_good(const char *key)
{
	static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	return key && strspn(key, base64) == 22 && strcmp(key + 22, "==") == 0;
}

/*
 * What is wrong with a handshake (RFC 6455 section 4.2.1), a constant, and
 * with which status to say so; NULL when nothing is.
 */
const char *
server_upgrade_problem(const Socket *socket, const RequestHead *head, int *status)
{
	const char *version = request_header(head, "sec-websocket-version");

	*status = 426;
	if (!request_list_has(head, "upgrade", "websocket"))
		return "this is a WebSocket";
	if (version == NULL || strcmp(version, "13") != 0)
		return "Sec-WebSocket-Version must be 13";
	*status = 400;
	if (head->http_1_0 || !request_list_has(head, "connection", "upgrade") || !key_is_good(request_header(head, "sec-websocket-key"))
		|| head->length > 0 || head->encoded)
		return "not a handshake of RFC 6455";
	if (server_url_has_token(head))
		return "a token does not belong in the URL";
	*status = 403;
	return server_origin_allowed(socket, head) ? NULL : "this origin is not allowed";
}

/*
 * Accepts a handshake without problem: the socket is a WebSocket then.  Who
 * offers other sub-protocols alone is let in without one, and may then leave
 * (RFC 6455 section 4.2.2).  False: drop it.
 */
bool
server_upgrade(Socket *socket, const RequestHead *head)
{
	unsigned char digest[SHA_DIGEST_LENGTH];
	unsigned char accept[2 * SHA_DIGEST_LENGTH];
	char		text[512];
	int			len;

	snprintf(text, sizeof(text), "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", request_header(head, "sec-websocket-key"));
	SHA1((unsigned char *) text, strlen(text), digest);
	EVP_EncodeBlock(accept, digest, sizeof(digest));
	len = snprintf(text, sizeof(text), "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
				   "sec-websocket-accept: %s\r\n%s\r\n", (char *) accept,
				   request_list_has(head, "sec-websocket-protocol", "taskchat.v1") ? "sec-websocket-protocol: taskchat.v1\r\n" : "");
	return socket_write(socket, text, (size_t) len) && connection_open(socket, head);
}
