/*
 * server_handshake.c
 *	  What a request says of itself: headers, who sent it, from which page, and
 *	  whether it may become a WebSocket.
 */
#include "server_internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/*
 * Copies one header, "" when it is absent; false when it does not fit.
 */
bool
server_header(struct lws *wsi, enum lws_token_indexes token, char *out, size_t size)
{
	out[0] = '\0';
	if (lws_hdr_total_length(wsi, token) == 0)
		return true;
	return lws_hdr_copy(wsi, out, (int) size, token) >= 0;
}

/* One header that the library has no number for; name: in small letters, with its colon. */
static bool
server_custom_header(struct lws *wsi, const char *name, char *out, size_t size)
{
	int			name_len = (int) strlen(name);
	int			len = lws_hdr_custom_length(wsi, name, name_len);

	out[0] = '\0';
	return len <= 0 || lws_hdr_custom_copy(wsi, out, (int) size, name, name_len) >= 0;
}

/* Whether the other end of the socket is a proxy that we believe. */
static bool
server_is_proxied(struct lws *wsi)
{
	const Socket *socket = lws_get_opaque_user_data(wsi);

	return network_list_has(&socket->server->proxies, &socket->peer);
}

/*
 * Who is asking: the other end, or whom trusted proxies name.  Only while the
 * request's headers are there.
 */
void
server_client_address(struct lws *wsi, Address *address)
{
	const Socket *socket = lws_get_opaque_user_data(wsi);
	char		forwarded[2048];

	*address = socket->peer;
	if (server_is_proxied(wsi) && server_header(wsi, WSI_TOKEN_X_FORWARDED_FOR, forwarded, sizeof(forwarded)))
		address_behind_proxies(&socket->server->proxies, forwarded, address);
}

/* Whether a comma list holds the word. */
static bool
list_has(const char *list, const char *word)
{
	size_t		len = strlen(word);

	while (*list)
	{
		size_t		n;

		list += strspn(list, ", \t");
		n = strcspn(list, ", \t");
		if (n == len && n > 0 && strncasecmp(list, word, n) == 0)
			return true;
		list += n;
	}
	return false;
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
static bool
server_host(struct lws *wsi, char *host, size_t size)
{
	if (server_is_proxied(wsi))
	{
		if (!server_custom_header(wsi, "x-forwarded-host:", host, size))
			return false;
		if (host[0])
			return true;
	}
	return server_header(wsi, WSI_TOKEN_HOST, host, size);
}

/*
 * Whether pages of the request's origin may connect; programs send none.  Only
 * while the request's headers are there.
 */
bool
server_origin_allowed(struct lws *wsi)
{
	const Socket *socket = lws_get_opaque_user_data(wsi);
	const char *allowed = socket->server->relay->config->allowed_origins;
	char		origin[512];
	char		host[512];
	const char *authority;

	if (!server_header(wsi, WSI_TOKEN_ORIGIN, origin, sizeof(origin)))
		return false;
	if (origin[0] == '\0' || list_has(allowed, "*"))
		return true;
	authority = strstr(origin, "://");
	if (authority == NULL)
		return list_has(allowed, origin);	/* "null" */
	authority += 3;
	if (allowed[0])
		return origin_is_listed(allowed, origin, authority);
	return server_host(wsi, host, sizeof(host))
		&& same_authority(origin, authority, strlen(authority), host, strlen(host));
}

/* Whether the URL holds what is not to be logged by anybody on the way. */
static bool
server_url_has_token(struct lws *wsi)
{
	static const char *const names[] = {"token=", "access_token=", "id_token=", "ticket=", "jwt=", "authorization="};
	char		part[16384];		/* longer than all headers may be: nothing passes unseen */

	for (int i = 0; lws_hdr_copy_fragment(wsi, part, sizeof(part), WSI_TOKEN_HTTP_URI_ARGS, i) != -1; i++)
	{
		if (i > 100)
			return true;
		for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++)
			if (strncasecmp(part, names[n], strlen(names[n])) == 0)
				return true;
	}
	return false;
}

/* Whether the request is HTTP/1.1 with one key of 16 bytes in base64 (RFC 6455 section 4.2.1). */
static bool
server_handshake_is_whole(struct lws *wsi)
{
	static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char		version[16];
	char		key[32];

	return server_header(wsi, WSI_TOKEN_HTTP, version, sizeof(version)) && strcmp(version, "HTTP/1.1") == 0
		&& server_header(wsi, WSI_TOKEN_KEY, key, sizeof(key))
		&& strspn(key, base64) == 22 && strcmp(key + 22, "==") == 0;
}

/*
 * Judges an upgrade: 0 to go on, otherwise as the library's callback returns.
 */
int
server_confirm_upgrade(struct lws *wsi, const char *upgrade)
{
	const Socket *socket = lws_get_opaque_user_data(wsi);
	char		path[64];
	char		version[16];
	char		protocols[256];

	if (upgrade == NULL || strcasecmp(upgrade, "websocket") != 0)
		return -1;
	if (socket->admin || !server_header(wsi, WSI_TOKEN_GET_URI, path, sizeof(path)) || strcmp(path, "/ws") != 0)
		return http_error(wsi, 404, "not_found", "no such route");
	if (!server_header(wsi, WSI_TOKEN_VERSION, version, sizeof(version)) || strcmp(version, "13") != 0)
		return http_error(wsi, 426, "bad_request", "Sec-WebSocket-Version must be 13");
	if (!server_handshake_is_whole(wsi))
		return http_error(wsi, 400, "bad_request", "not a handshake of RFC 6455");
	if (!server_header(wsi, WSI_TOKEN_PROTOCOL, protocols, sizeof(protocols))
		|| (protocols[0] && !list_has(protocols, "taskchat.v1")))
		return http_error(wsi, 400, "bad_request", "the sub-protocol is taskchat.v1");
	if (!server_origin_allowed(wsi))
		return http_error(wsi, 403, "forbidden", "this origin is not allowed");
	if (server_url_has_token(wsi))
		return http_error(wsi, 400, "bad_request", "a token does not belong in the URL");
	return 0;
}
