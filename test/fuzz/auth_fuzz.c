/*
 * auth_fuzz.c
 *	  Any bytes as a token, and any bytes as the header and claims of a token
 *	  that is signed here: the first must never be taken, the second only with a
 *	  user and a time.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "auth.h"
#include "config.h"

#define NOW 1000
#define SECRET "0123456789abcdef0123456789abcdef"
#define MOST 8192

static Auth *
the_auth(void)
{
	static Auth *auth;
	static Config *config;

	if (auth == NULL)
	{
		static char *argv[] = {"fuzz", NULL};
		static char *env[] = {"TASKCHAT_JWT_SECRET=" SECRET, NULL};
		ConfigRequest request;
		char	   *error;

		config = config_load(1, argv, env, &request, &error);

		auth = config ? auth_new(config, &error) : NULL;
		if (auth == NULL)
			abort();
	}
	return auth;
}

/* base64url without padding; gives the end. */
static char *
write_base64url(char *to, const uint8_t *data, size_t len)
{
	size_t		n = (size_t) EVP_EncodeBlock((unsigned char *) to, data, (int) len);

	while (n > 0 && to[n - 1] == '=')
		n--;
	for (size_t i = 0; i < n; i++)
		to[i] = to[i] == '+' ? '-' : to[i] == '/' ? '_' : to[i];
	return to + n;
}

/* A token of these bytes, 0x1e between header and claims, with a good signature. */
static size_t
write_token(char *token, const uint8_t *data, size_t size)
{
	const uint8_t *stop = memchr(data, 0x1e, size);
	size_t		head = stop ? (size_t) (stop - data) : size;
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned	mac_len;
	char	   *p = write_base64url(token, data, head);

	*p++ = '.';
	p = write_base64url(p, stop ? stop + 1 : data, stop ? size - head - 1 : 0);
	HMAC(EVP_sha256(), SECRET, (int) strlen(SECRET), (unsigned char *) token, (size_t) (p - token), mac, &mac_len);
	*p++ = '.';
	return (size_t) (write_base64url(p, mac, mac_len) - token);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Claims		claims;
	const char *reason = NULL;
	char	   *token;
	size_t		len = size;
	bool		is_signed = size > 0 && data[0] == '{';
	bool		good;

	if (size > MOST)
		return 0;
	token = malloc(4 * size + 256);
	if (is_signed)
		len = write_token(token, data, size);
	else if (size > 0)
		memcpy(token, data, size);
	good = auth_verify(the_auth(), token, len, NOW, &claims, &reason);
	if (good && (!is_signed || claims.user_id[0] == '\0' || strlen(claims.user_id) > 255 || claims.expires_at <= 0))
		abort();
	if (!good && reason == NULL)
		abort();
	free(token);
	return 0;
}
