/*
 * auth_keys_test.c
 *	  Keys made here, tokens signed with them by OpenSSL, at second 1000: which
 *	  key fits which algorithm, key ids, several keys at once, and what is
 *	  wrong with a key or a token.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "auth.h"
#include "config.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define CLAIMS "{\"sub\":\"ann\",\"exp\":2000}"

static EVP_PKEY *rsa1;
static EVP_PKEY *rsa2;
static EVP_PKEY *weak;
static EVP_PKEY *ec1;
static EVP_PKEY *ec384;
static char directory[] = "/tmp/taskchat-auth.XXXXXX";

static void
append_base64url(char *out, const void *bytes, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const uint8_t *in = bytes;
	char	   *p = out + strlen(out);

	for (size_t i = 0; i < len; i += 3)
	{
		uint32_t	bits = (uint32_t) in[i] << 16 | (i + 1 < len ? in[i + 1] : 0) << 8 | (i + 2 < len ? in[i + 2] : 0);

		*p++ = digits[bits >> 18];
		*p++ = digits[bits >> 12 & 63];
		if (i + 1 < len)
			*p++ = digits[bits >> 6 & 63];
		if (i + 2 < len)
			*p++ = digits[bits & 63];
	}
	*p = '\0';
}

/* Signs with a private key: RS256, PS256, or ES256. */
static void
append_signature(char *token, EVP_PKEY *key, const char *alg)
{
	uint8_t		signature[2048];
	size_t		len = sizeof(signature);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;

	assert_int_equal(EVP_DigestSignInit(ctx, &pctx, EVP_sha256(), NULL, key), 1);
	if (strcmp(alg, "PS256") == 0)
	{
		EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST);
	}
	assert_int_equal(EVP_DigestSign(ctx, signature, &len, (uint8_t *) token, strlen(token)), 1);
	EVP_MD_CTX_free(ctx);
	if (EVP_PKEY_is_a(key, "EC"))
	{
		const uint8_t *der = signature;
		ECDSA_SIG  *pair = d2i_ECDSA_SIG(NULL, &der, (long) len);
		int			half = EVP_PKEY_get_bits(key) / 8;

		assert_non_null(pair);
		assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, half), half);
		assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + half, half), half);
		ECDSA_SIG_free(pair);
		len = (size_t) half * 2;
	}
	strcat(token, ".");
	append_base64url(token, signature, len);
}

static void
append_hmac(char *token, const void *secret, size_t secret_len)
{
	uint8_t		signature[32];
	unsigned	len;

	assert_non_null(HMAC(EVP_sha256(), secret, (int) secret_len, (uint8_t *) token, strlen(token), signature, &len));
	strcat(token, ".");
	append_base64url(token, signature, len);
}

/* A token of these parts; key NULL: signed with SECRET. */
static const char *
make_token(const char *header, const char *claims, EVP_PKEY *key, const char *alg)
{
	static char token[20000];

	token[0] = '\0';
	append_base64url(token, header, strlen(header));
	strcat(token, ".");
	append_base64url(token, claims, strlen(claims));
	if (key)
		append_signature(token, key, alg);
	else
		append_hmac(token, SECRET, strlen(SECRET));
	return token;
}

/* ---- files ---- */

static const char *
write_file(const char *name, const char *text)
{
	static char path[128];
	FILE	   *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	return path;
}

static void
append_pem(char *text, EVP_PKEY *key, bool private)
{
	BIO		   *bio = BIO_new(BIO_s_mem());
	char	   *data;
	long		len;

	if (private)
		PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	else
		PEM_write_bio_PUBKEY(bio, key);
	len = BIO_get_mem_data(bio, &data);
	strncat(text, data, (size_t) len);
	BIO_free(bio);
}

static void
append_number(char *text, const EVP_PKEY *key, const char *name, const char *param, int pad)
{
	BIGNUM	   *n = NULL;
	uint8_t		bytes[1024];
	int			len;

	assert_int_equal(EVP_PKEY_get_bn_param(key, param, &n), 1);
	len = pad ? BN_bn2binpad(n, bytes, pad) : BN_bn2bin(n, bytes);
	sprintf(text + strlen(text), ",\"%s\":\"", name);
	append_base64url(text, bytes, (size_t) len);
	strcat(text, "\"");
	BN_free(n);
}

/* One key of a set, with more members as JSON text. */
static void
append_jwk(char *text, EVP_PKEY *key, const char *more)
{
	int			pad = (EVP_PKEY_get_bits(key) + 7) / 8;

	if (EVP_PKEY_is_a(key, "RSA"))
	{
		strcat(text, "{\"kty\":\"RSA\"");
		append_number(text, key, "n", OSSL_PKEY_PARAM_RSA_N, 0);
		append_number(text, key, "e", OSSL_PKEY_PARAM_RSA_E, 0);
	}
	else
	{
		sprintf(text + strlen(text), "{\"kty\":\"EC\",\"crv\":\"P-%d\"", EVP_PKEY_get_bits(key));
		append_number(text, key, "x", OSSL_PKEY_PARAM_EC_PUB_X, pad);
		append_number(text, key, "y", OSSL_PKEY_PARAM_EC_PUB_Y, pad);
	}
	sprintf(text + strlen(text), "%s}", more);
}

/* ---- checkers ---- */

/* Settings: up to three key=value, and the secret or NULL.  NULL with *error. */
static Auth *
try_auth(const char *a, const char *b, const char *c, const char *secret, char **error)
{
	char		flags[3][300] = {"", "", ""};
	char	   *argv[5] = {"relay"};
	int			argc = 1;
	char		variable[128];
	char	   *environment[2] = {NULL, NULL};
	const char *all[3] = {a, b, c};
	ConfigRequest request;
	Config	   *config;
	Auth	   *auth;

	for (int i = 0; i < 3; i++)
		if (all[i])
		{
			snprintf(flags[i], sizeof(flags[i]), "--%s", all[i]);
			argv[argc++] = flags[i];
		}
	if (secret)
	{
		snprintf(variable, sizeof(variable), "TASKCHAT_JWT_SECRET=%s", secret);
		environment[0] = variable;
	}
	config = config_load(argc, argv, environment, &request, error);
	assert_non_null(config);
	auth = auth_new(config, error);
	config_free(config);
	return auth;
}

static Auth *
make_auth(const char *a, const char *b, const char *secret)
{
	char	   *error;
	Auth	   *auth = try_auth(a, b, NULL, secret, &error);

	if (auth == NULL)
		fail_msg("%s", error);
	return auth;
}

static char *
setting(const char *key, const char *path)
{
	static char texts[2][300];
	static int	next;

	next = 1 - next;
	snprintf(texts[next], sizeof(texts[next]), "%s=%s", key, path);
	return texts[next];
}

static void
judge(const Auth *auth, const char *name, const char *token, const char *expected)
{
	Claims		claims;
	const char *reason = NULL;
	bool		ok = auth_verify(auth, token, strlen(token), 1000, &claims, &reason);

	if (ok != (expected == NULL) || (!ok && strcmp(reason, expected) != 0))
		fail_msg("%s: %s", name, reason ? reason : "taken");
	if (ok)
		assert_string_equal(claims.user_id, "ann");
}

#define SIGNATURE "the token's signature is wrong"
#define ALGORITHM "the token is not signed with an algorithm that is taken here"
#define UNKNOWN_KEY "the token is signed with an unknown key"

static void
pem_keys_fit_their_algorithms(void **state)
{
	char		pem[8000] = "";
	Auth	   *auth;

	append_pem(pem, rsa1, false);
	append_pem(pem, ec1, false);
	auth = make_auth(setting("jwt-public-key-file", write_file("pem", pem)), NULL, NULL);
	judge(auth, "RS256", make_token("{\"alg\":\"RS256\"}", CLAIMS, rsa1, "RS256"), NULL);
	judge(auth, "PS256", make_token("{\"alg\":\"PS256\"}", CLAIMS, rsa1, "PS256"), NULL);
	judge(auth, "ES256", make_token("{\"alg\":\"ES256\"}", CLAIMS, ec1, "ES256"), NULL);
	judge(auth, "any kid", make_token("{\"alg\":\"RS256\",\"kid\":\"x\"}", CLAIMS, rsa1, "RS256"), NULL);
	judge(auth, "PS256 said, RS256 done", make_token("{\"alg\":\"PS256\"}", CLAIMS, rsa1, "RS256"), SIGNATURE);
	judge(auth, "RS256 said, PS256 done", make_token("{\"alg\":\"RS256\"}", CLAIMS, rsa1, "PS256"), SIGNATURE);
	judge(auth, "ES256 said, RS256 done", make_token("{\"alg\":\"ES256\"}", CLAIMS, rsa1, "RS256"), SIGNATURE);
	judge(auth, "another key", make_token("{\"alg\":\"RS256\"}", CLAIMS, rsa2, "RS256"), SIGNATURE);
	judge(auth, "ES256 on P-384", make_token("{\"alg\":\"ES256\"}", CLAIMS, ec384, "ES256"), SIGNATURE);
	judge(auth, "HS256", make_token("{\"alg\":\"HS256\"}", CLAIMS, NULL, NULL), UNKNOWN_KEY);
	judge(auth, "none", make_token("{\"alg\":\"none\"}", CLAIMS, NULL, NULL), ALGORITHM);
	judge(auth, "RS512", make_token("{\"alg\":\"RS512\"}", CLAIMS, rsa1, "RS256"), ALGORITHM);
	judge(auth, "rs256", make_token("{\"alg\":\"rs256\"}", CLAIMS, rsa1, "RS256"), ALGORITHM);
	auth_free(auth);
}

/* The classic: HS256 with the public key's text for a secret. */
static void
a_public_key_is_no_secret(void **state)
{
	char		pem[4000] = "";
	char		token[4000] = "";
	Auth	   *auth;

	append_pem(pem, rsa1, false);
	auth = make_auth(setting("jwt-public-key-file", write_file("pem", pem)), NULL, SECRET);
	append_base64url(token, "{\"alg\":\"HS256\"}", 15);
	strcat(token, ".");
	append_base64url(token, CLAIMS, strlen(CLAIMS));
	append_hmac(token, pem, strlen(pem));
	judge(auth, "confused", token, SIGNATURE);
	judge(auth, "secret beside it", make_token("{\"alg\":\"HS256\"}", CLAIMS, NULL, NULL), NULL);
	judge(auth, "public key beside it", make_token("{\"alg\":\"RS256\"}", CLAIMS, rsa1, "RS256"), NULL);
	auth_free(auth);
}

static void
algorithms_are_limited(void **state)
{
	char		pem[4000] = "";
	Auth	   *auth;

	append_pem(pem, rsa1, false);
	auth = make_auth(setting("jwt-public-key-file", write_file("pem", pem)), "jwt-algorithms=ES256, PS256", SECRET);
	judge(auth, "PS256", make_token("{\"alg\":\"PS256\"}", CLAIMS, rsa1, "PS256"), NULL);
	judge(auth, "RS256", make_token("{\"alg\":\"RS256\"}", CLAIMS, rsa1, "RS256"), ALGORITHM);
	judge(auth, "HS256", make_token("{\"alg\":\"HS256\"}", CLAIMS, NULL, NULL), ALGORITHM);
	auth_free(auth);
}

static void
key_ids_choose_the_key(void **state)
{
	char		set[12000] = "{\"keys\":[";
	Auth	   *auth;

	append_jwk(set, rsa1, ",\"kid\":\"one\",\"use\":\"sig\",\"alg\":\"RS256\"");
	strcat(set, ",");
	append_jwk(set, rsa2, ",\"kid\":\"two\",\"key_ops\":[\"verify\"]");
	strcat(set, ",");
	append_jwk(set, ec1, ",\"kid\":\"three\"");
	strcat(set, ",");
	append_jwk(set, ec384, ",\"kid\":\"another curve\"");
	strcat(set, ",{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}");
	strcat(set, ",{\"kty\":\"oct\",\"kid\":\"four\",\"k\":\"");
	append_base64url(set, SECRET, strlen(SECRET));
	strcat(set, "\"}]}");
	auth = make_auth(setting("jwks-file", write_file("jwks", set)), NULL, NULL);
	judge(auth, "one", make_token("{\"alg\":\"RS256\",\"kid\":\"one\"}", CLAIMS, rsa1, "RS256"), NULL);
	judge(auth, "two", make_token("{\"alg\":\"RS256\",\"kid\":\"two\"}", CLAIMS, rsa2, "RS256"), NULL);
	judge(auth, "two, PS256", make_token("{\"alg\":\"PS256\",\"kid\":\"two\"}", CLAIMS, rsa2, "PS256"), NULL);
	judge(auth, "three", make_token("{\"alg\":\"ES256\",\"kid\":\"three\"}", CLAIMS, ec1, "ES256"), NULL);
	judge(auth, "four", make_token("{\"alg\":\"HS256\",\"kid\":\"four\"}", CLAIMS, NULL, NULL), NULL);
	judge(auth, "no kid", make_token("{\"alg\":\"RS256\"}", CLAIMS, rsa2, "RS256"), NULL);
	judge(auth, "alg of the key", make_token("{\"alg\":\"PS256\",\"kid\":\"one\"}", CLAIMS, rsa1, "PS256"), UNKNOWN_KEY);
	judge(auth, "kid of another", make_token("{\"alg\":\"RS256\",\"kid\":\"two\"}", CLAIMS, rsa1, "RS256"), SIGNATURE);
	judge(auth, "unknown kid", make_token("{\"alg\":\"RS256\",\"kid\":\"five\"}", CLAIMS, rsa1, "RS256"), UNKNOWN_KEY);
	judge(auth, "kid of another kind", make_token("{\"alg\":\"HS256\",\"kid\":\"one\"}", CLAIMS, NULL, NULL), UNKNOWN_KEY);
	judge(auth, "kid no string", make_token("{\"alg\":\"RS256\",\"kid\":1}", CLAIMS, rsa1, "RS256"), "the token's kid is not a string");
	auth_free(auth);
}

static void
keys_for_other_uses_are_passed_over(void **state)
{
	static const char *const others[] = {",\"use\":\"enc\"", ",\"key_ops\":[\"encrypt\"]", ",\"key_ops\":[]",
	",\"alg\":\"RSA-OAEP\"", ",\"alg\":\"RS512\"", ",\"alg\":\"HS256\"", ",\"use\":1"};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
	{
		char		set[4000] = "{\"keys\":[";
		char	   *error;

		append_jwk(set, rsa1, others[i]);
		strcat(set, "]}");
		if (try_auth(setting("jwks-file", write_file("jwks", set)), NULL, NULL, NULL, &error) != NULL)
			fail_msg("taken: %s", others[i]);
		assert_non_null(strstr(error, "it holds no key for"));
		free(error);
	}
}

/* A token may bring no key of its own. */
static void
keys_in_the_token_are_ignored(void **state)
{
	char		pem[4000] = "";
	char		header[4000] = "{\"alg\":\"RS256\",\"jku\":\"https://evil.example/jwks\",\"x5u\":\"https://evil.example/x\",\"jwk\":";
	Auth	   *auth;

	append_pem(pem, rsa1, false);
	append_jwk(header, rsa2, "");
	strcat(header, "}");
	auth = make_auth(setting("jwt-public-key-file", write_file("pem", pem)), NULL, NULL);
	judge(auth, "its own key", make_token(header, CLAIMS, rsa2, "RS256"), SIGNATURE);
	judge(auth, "ours beside it", make_token(header, CLAIMS, rsa1, "RS256"), NULL);
	auth_free(auth);
}

static const struct
{
	const char *header;
	const char *claims;
	const char *reason;			/* NULL: it is good */
}			texts[] = {
	{"{\"alg\":\"HS256\",\"typ\":\"JWT\"}", CLAIMS, NULL},
	{" {\"alg\" : \"HS256\"} ", " {\"sub\":\"ann\",\"exp\":2000.5, \"iat\": 0.5} ", NULL},
	{"{\"alg\":\"HS256\"}", "{\"sub\":\"ann\",\"exp\":2e3}", NULL},
	{"{\"alg\":\"HS256\"}", "{\"sub\":\"ann\",\"exp\":1e18}", NULL},
	{"{\"alg\":\"HS256\"}", "{\"sub\":\"ann\",\"exp\":1e999}", "the token has no usable exp"},
	{"{\"alg\":\"HS256\"}", "{\"sub\":\"ann\",\"exp\":null}", "the token has no usable exp"},
	{"{\"alg\":\"HS256\"}", "{\"sub\":\"ann\",\"exp\":true}", "the token has no usable exp"},
	{"{\"alg\":\"HS256\"}", "{\"sub\":\"ann\",\"exp\":NaN}", "the token's claims cannot be read"},
	{"{\"alg\":\"HS256\"}", "{\"sub\":\"ann\",\"exp\":Infinity}", "the token's claims cannot be read"},
	{"{\"alg\":\"HS256\"}", "{\"sub\":\"ann\",\"exp\":-2000}", "the token has expired"},
	{"{\"alg\":\"HS256\"}", "{\"sub\":\"ann\",\"exp\":970.5}", NULL},
	{"{\"alg\":\"HS256\"}", "{\"sub\":\"ann\",\"exp\":2000,\"nbf\":\"now\"}", "the token has an nbf or iat that is no time"},
	{"{\"alg\":\"HS256\"}", "{\"sub\":\"ann\",\"exp\":2000,\"nbf\":null}", "the token has an nbf or iat that is no time"},
	{"{\"alg\":\"HS256\"}", "{\"sub\":\"ann\",\"exp\":2000,\"iat\":\"now\"}", "the token has an nbf or iat that is no time"},
	{"{\"alg\":\"HS256\"}", "{\"sub\":\"ann\",\"exp\":2000,\"nbf\":1030.5}", "the token is not valid yet"},
	{"{\"alg\":\"HS256\"}", "{\"sub\":\"eve\",\"sub\":\"ann\",\"exp\":2000}", "the token's claims cannot be read"},
	{"{\"alg\":\"HS256\"}", "{\"sub\":\"ann\",\"\\u0073ub\":\"eve\",\"exp\":2000}", "the token's claims cannot be read"},
	{"{\"alg\":\"HS256\"}", "{\"sub\":\"ann\",\"exp\":2000,\"a\":[{\"b\":1,\"b\":2}]}", "the token's claims cannot be read"},
	{"{\"alg\":\"HS256\"}", "{\"sub\":\"ann\",\"exp\":2000}{}", "the token's claims cannot be read"},
	{"{\"alg\":\"HS256\"}", "{\"sub\":[\"ann\"],\"exp\":2000}", "the token names no usable user"},
	{"{\"alg\":\"HS256\"}", "{\"sub\":\"a\xff\",\"exp\":2000}", "the token's claims cannot be read"},
	{"{\"alg\":\"HS256\"}", "{\"sub\":\"\\ud800\",\"exp\":2000}", "the token's claims cannot be read"},
	{"{\"alg\":\"HS256\",\"alg\":\"HS256\"}", CLAIMS, "the token's header cannot be read"},
	{"{\"alg\":\"none\",\"alg\":\"HS256\"}", CLAIMS, "the token's header cannot be read"},
	{"{\"alg\":[\"HS256\"]}", CLAIMS, ALGORITHM},
	{"{}", CLAIMS, ALGORITHM},
	{"[\"HS256\"]", CLAIMS, "the token's header cannot be read"},
	{"{\"alg\":\"HS256\",\"crit\":[]}", CLAIMS, "the token has a critical header"},
	{"{\"alg\":\"HS256\",\"crit\":null}", CLAIMS, "the token has a critical header"},
	{"{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}", CLAIMS, "the token has a critical header"}
};

static void
header_and_claims_are_judged(void **state)
{
	Auth	   *auth = make_auth(NULL, NULL, SECRET);

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		judge(auth, texts[i].claims, make_token(texts[i].header, texts[i].claims, NULL, NULL), texts[i].reason);
	auth_free(auth);
}

static void
texts_are_strict(void **state)
{
	Auth	   *auth = make_auth(NULL, NULL, SECRET);
	const char *good = make_token("{\"alg\":\"HS256\"}", CLAIMS, NULL, NULL);
	const char *shape = "the token is not three parts in base64url";
	char		token[20000];
	char	   *claims;

	sprintf(token, "%s=", good);
	judge(auth, "padding", token, shape);
	sprintf(token, " %s", good);
	judge(auth, "space before", token, shape);
	sprintf(token, "%s\n", good);
	judge(auth, "newline after", token, shape);
	sprintf(token, "%s.", good);
	judge(auth, "four parts", token, shape);
	sprintf(token, ".%s", good);
	judge(auth, "empty header", token, shape);
	strcpy(token, good);
	*strrchr(token, '.') = '\0';
	judge(auth, "two parts", token, shape);
	strcpy(token, good);
	token[strlen(token) - 1]++;
	judge(auth, "bits left over", token, shape);
	strcpy(token, good);
	token[strlen(token) - 2] = '+';
	judge(auth, "plain base64", token, shape);
	strcpy(token, good);
	token[strlen(token) - 1] = '\0';
	judge(auth, "shorter signature", token, shape);
	strcpy(token, good);
	token[strlen(token) - 3] = '\0';
	judge(auth, "shorter signature", token, SIGNATURE);
	strcpy(token, good);
	strcat(token, "AAAA");
	judge(auth, "longer signature", token, SIGNATURE);
	claims = malloc(9000);
	sprintf(claims, "{\"sub\":\"ann\",\"exp\":2000,\"x\":\"%*s\"}", 6200, "");
	judge(auth, "too long", make_token("{\"alg\":\"HS256\"}", claims, NULL, NULL), "the token is too long");
	sprintf(claims, "{\"sub\":\"ann\",\"exp\":2000,\"x\":\"%*s\"}", 6000, "");
	judge(auth, "long", make_token("{\"alg\":\"HS256\"}", claims, NULL, NULL), NULL);
	free(claims);
	auth_free(auth);
}

/* What a file holds, the setting that names it, and what is said of it. */
static void
refuse(const char *key, const char *text, const char *why)
{
	char	   *error = NULL;
	Auth	   *auth = try_auth(setting(key, write_file("bad", text)), NULL, NULL, NULL, &error);

	if (auth)
		fail_msg("taken: %s", text);
	if (strstr(error, why) == NULL || strncmp(error, "command line, --", 16) != 0 || strstr(error, directory) == NULL)
		fail_msg("\"%s\" instead of \"%s\"", error, why);
	free(error);
}

static void
bad_keys_are_refused(void **state)
{
	char		text[8000] = "";

	refuse("jwt-secret-file", "", "32 bytes");
	refuse("jwt-secret-file", "0123456789abcdef0123456789abcde\n\n", "32 bytes");
	append_pem(text, weak, false);
	refuse("jwt-public-key-file", text, "key 1: an RSA key must have 2048");
	text[0] = '\0';
	append_pem(text, rsa1, false);
	append_pem(text, ec384, false);
	refuse("jwt-public-key-file", text, "key 2: a key for ES256 must be on the curve P-256");
	text[0] = '\0';
	append_pem(text, rsa1, true);
	refuse("jwt-public-key-file", text, "key 1: it is a private key");
	refuse("jwt-public-key-file", "nothing\n", "no key in PEM format");
	refuse("jwt-public-key-file", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "key 1: it cannot be read");
	refuse("jwt-public-key-file", "-----BEGIN PUBLIC KEY-----\nAAAA\n", "key 1: it cannot be read");
	refuse("jwks-file", "not json", "not a JSON object");
	refuse("jwks-file", "{\"keys\":{}}", "no array");
	refuse("jwks-file", "{\"keys\":[]}", "it holds no key for");
	refuse("jwks-file", "{\"keys\":[],\"keys\":[]}", "a name comes twice");
	refuse("jwks-file", "{\"keys\":[1]}", "key 1: it is not an object");
	refuse("jwks-file", "{\"keys\":[{}]}", "key 1: it has no kty");
	refuse("jwks-file", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2hvcnQ\"}]}", "key 1: the secret must have at least 32 bytes");
	refuse("jwks-file", "{\"keys\":[{\"kty\":\"oct\"}]}", "key 1: its k cannot be read");
	refuse("jwks-file", "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQ\",\"e\":\"AQAB\"}]}", "key 1: an RSA key must have 2048");
	refuse("jwks-file", "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQ==\",\"e\":\"AQAB\"}]}", "key 1: it cannot be read");
	refuse("jwks-file", "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQ\",\"y\":\"AQ\"}]}", "key 1: it cannot be read");
	strcpy(text, "{\"keys\":[");
	append_jwk(text, weak, "");
	strcat(text, "]}");
	refuse("jwks-file", text, "key 1: an RSA key must have 2048");
	strcpy(text, "{\"keys\":[");
	append_jwk(text, rsa1, ",\"d\":\"AQ\"");
	strcat(text, "]}");
	refuse("jwks-file", text, "key 1: it is a private key");
	strcpy(text, "{\"keys\":[");
	append_jwk(text, rsa1, ",\"kid\":7");
	strcat(text, "]}");
	refuse("jwks-file", text, "key 1: its kid is not a string");
	/* A point that is not on the curve. */
	strcpy(text, "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"");
	append_base64url(text, "0123456789abcdef0123456789abcdef", 32);
	strcat(text, "\",\"y\":\"");
	append_base64url(text, "0123456789abcdef0123456789abcdef", 32);
	strcat(text, "\"}]}");
	refuse("jwks-file", text, "key 1: it cannot be read");
}

static void
missing_files_are_named(void **state)
{
	static const char *const keys[] = {"jwt-secret-file", "jwt-public-key-file", "jwks-file"};

	for (size_t i = 0; i < 3; i++)
	{
		char	   *error;

		assert_null(try_auth(setting(keys[i], "/nonexistent"), NULL, NULL, NULL, &error));
		assert_non_null(strstr(error, "/nonexistent: No such file"));
		free(error);
		assert_null(try_auth(setting(keys[i], "/tmp"), NULL, NULL, NULL, &error));
		assert_non_null(strstr(error, "/tmp: Is a directory"));
		free(error);
	}
}

/* The secret of the environment wins, which makes a bad file no better. */
static void
a_secret_hides_no_bad_file(void **state)
{
	char	   *error;
	Auth	   *auth;

	assert_null(try_auth("jwt-secret-file=/nonexistent", NULL, NULL, SECRET, &error));
	assert_non_null(strstr(error, "jwt_secret_file: /nonexistent: No such file"));
	free(error);
	assert_null(try_auth(setting("jwt-secret-file", write_file("bad", "too short")), NULL, NULL, SECRET, &error));
	assert_non_null(strstr(error, "32 bytes"));
	free(error);
	auth = make_auth(setting("jwt-secret-file", write_file("bad", "another secret of the needed length\n")), NULL, SECRET);
	judge(auth, "the environment's secret", make_token("{\"alg\":\"HS256\"}", CLAIMS, NULL, NULL), NULL);
	auth_free(auth);
}

static void
algorithms_without_a_key_are_an_error(void **state)
{
	char	   *error;

	assert_null(try_auth("jwt-algorithms=RS256", NULL, NULL, SECRET, &error));
	assert_non_null(strstr(error, "jwt_algorithms: no key"));
	free(error);
}

static int
make_keys(void **state)
{
	rsa1 = EVP_RSA_gen(2048);
	rsa2 = EVP_RSA_gen(2048);
	weak = EVP_RSA_gen(1024);
	ec1 = EVP_EC_gen("P-256");
	ec384 = EVP_EC_gen("P-384");
	return rsa1 && rsa2 && weak && ec1 && ec384 && mkdtemp(directory) ? 0 : -1;
}

static int
free_keys(void **state)
{
	static const char *const names[] = {"pem", "jwks", "bad"};
	char		path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		unlink(path);
	}
	EVP_PKEY_free(rsa1);
	EVP_PKEY_free(rsa2);
	EVP_PKEY_free(weak);
	EVP_PKEY_free(ec1);
	EVP_PKEY_free(ec384);
	return rmdir(directory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pem_keys_fit_their_algorithms),
		cmocka_unit_test(a_public_key_is_no_secret),
		cmocka_unit_test(algorithms_are_limited),
		cmocka_unit_test(key_ids_choose_the_key),
		cmocka_unit_test(keys_for_other_uses_are_passed_over),
		cmocka_unit_test(keys_in_the_token_are_ignored),
		cmocka_unit_test(header_and_claims_are_judged),
		cmocka_unit_test(texts_are_strict),
		cmocka_unit_test(bad_keys_are_refused),
		cmocka_unit_test(missing_files_are_named),
		cmocka_unit_test(a_secret_hides_no_bad_file),
		cmocka_unit_test(algorithms_without_a_key_are_an_error)
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
