/*
 * auth_key.c
 *	  Keys in memory, and one signature held against them.  A key fits the
 *	  algorithms of its own kind and no others, so a public key is never taken
 *	  for a secret.
 */
#include "auth_key.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include "auth_source.h"

#define HMAC_BYTES 32
#define ES256_BYTES 64

/* The algorithm of this name; 0 when it is none that we take ("none" included). */
AuthAlgorithm
auth_algorithm(const char *name)
{
	if (strcmp(name, "HS256") == 0)
		return AUTH_HS256;
	if (strcmp(name, "RS256") == 0)
		return AUTH_RS256;
	if (strcmp(name, "PS256") == 0)
		return AUTH_PS256;
	if (strcmp(name, "ES256") == 0)
		return AUTH_ES256;
	return 0;
}

/*
 * Decodes base64url as RFC 7515 has it: no padding, no space, no bits left
 * over.  out has room for len * 3 / 4 bytes.
 */
bool
auth_base64url(const char *text, size_t len, uint8_t *out, size_t *out_len)
{
	uint32_t	bits = 0;
	int			nbits = 0;
	size_t		n = 0;

	for (size_t i = 0; i < len; i++)
	{
		char		c = text[i];
		int			value = c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26 :
			c >= '0' && c <= '9' ? c - '0' + 52 : c == '-' ? 62 : c == '_' ? 63 : -1;

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t) value;
		nbits += 6;
		if (nbits >= 8)
		{
			nbits -= 8;
			out[n++] = (uint8_t) (bits >> nbits);
		}
	}
	*out_len = n;
	return nbits < 6 && (bits & ((1U << nbits) - 1)) == 0;
}

static bool
verify_hmac(const AuthKey *key, const char *text, size_t len, const uint8_t *signature, size_t signature_len)
{
	uint8_t		own[EVP_MAX_MD_SIZE];
	unsigned	own_len = 0;

	return signature_len == HMAC_BYTES
		&& HMAC(EVP_sha256(), key->secret, (int) key->secret_len, (const uint8_t *) text, len, own, &own_len)
		&& own_len == HMAC_BYTES && CRYPTO_memcmp(own, signature, HMAC_BYTES) == 0;
}

/* The two numbers of an ES256 signature as OpenSSL wants them; to be freed. */
static uint8_t *
ecdsa_der(const uint8_t *signature, int *len)
{
	ECDSA_SIG  *pair = ECDSA_SIG_new();
	BIGNUM	   *r = BN_bin2bn(signature, ES256_BYTES / 2, NULL);
	BIGNUM	   *s = BN_bin2bn(signature + ES256_BYTES / 2, ES256_BYTES / 2, NULL);
	uint8_t    *der = NULL;

	if (pair && r && s && ECDSA_SIG_set0(pair, r, s))
	{
		r = s = NULL;
		*len = i2d_ECDSA_SIG(pair, &der);
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(pair);
	return der;
}

static bool
verify_public(const AuthKey *key, AuthAlgorithm algorithm, const char *text, size_t len,
			  const uint8_t *signature, size_t signature_len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;
	bool		ok = ctx && EVP_DigestVerifyInit(ctx, &pctx, EVP_sha256(), NULL, key->public_key) == 1;

	if (ok && algorithm == AUTH_RS256)
		ok = EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PADDING) == 1;
	if (ok && algorithm == AUTH_PS256)
		ok = EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1
			&& EVP_PKEY_CTX_set_rsa_mgf1_md(pctx, EVP_sha256()) == 1
			&& EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1;
	ok = ok && EVP_DigestVerify(ctx, signature, signature_len, (const uint8_t *) text, len) == 1;
	EVP_MD_CTX_free(ctx);
	return ok;
}

static bool
verify_ecdsa(const AuthKey *key, const char *text, size_t len, const uint8_t *signature, size_t signature_len)
{
	int			der_len = 0;
	uint8_t    *der;
	bool		ok;

	if (signature_len != ES256_BYTES)
		return false;
	der = ecdsa_der(signature, &der_len);
	ok = der && der_len > 0 && verify_public(key, AUTH_ES256, text, len, der, (size_t) der_len);
	OPENSSL_free(der);
	return ok;
}

static bool
verify(const AuthKey *key, AuthAlgorithm algorithm, const char *text, size_t len,
	   const uint8_t *signature, size_t signature_len)
{
	if (algorithm == AUTH_HS256)
		return verify_hmac(key, text, len, signature, signature_len);
	if (algorithm == AUTH_ES256)
		return verify_ecdsa(key, text, len, signature, signature_len);
	return verify_public(key, algorithm, text, len, signature, signature_len);
}

/*
 * Whether one of the keys made the signature of text.  kid: the token's, or
 * NULL.  A key with another id is not tried; one without an id (a secret, a
 * PEM file) always is.  *found says whether any was tried.
 */
bool
auth_keys_verify(const AuthKeys *keys, AuthAlgorithm algorithm, const char *kid,
				 const char *text, size_t len, const uint8_t *signature, size_t signature_len, bool *found)
{
	bool		ok = false;

	*found = false;
	for (size_t i = 0; i < keys->count && !ok; i++)
	{
		const AuthKey *key = &keys->items[i];

		if ((key->algorithms & algorithm) == 0 || (kid && key->kid && strcmp(kid, key->kid) != 0))
			continue;
		*found = true;
		ok = verify(key, algorithm, text, len, signature, signature_len);
	}
	return ok;
}

/*
 * Frees what keys holds, and empties it; secrets are wiped.
 */
void
auth_keys_reset(AuthKeys *keys)
{
	for (size_t i = 0; i < keys->count; i++)
	{
		free(keys->items[i].kid);
		OPENSSL_clear_free(keys->items[i].secret, keys->items[i].secret_len);
		EVP_PKEY_free(keys->items[i].public_key);
	}
	free(keys->items);
	memset(keys, 0, sizeof(*keys));
}
