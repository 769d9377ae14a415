/*
 * auth_source.c
 *	  Reads keys: a secret from a file or the environment, public keys from a
 *	  PEM file, both from a JSON Web Key Set (RFC 7517).
 *
 * What is too weak, private where it should be public, or malformed is an
 * error.  In a key set, which others write, keys for other uses and of other
 * kinds are passed over.
 */
#include "auth_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "codec.h"
#include "config.h"
#include "log.h"

#define LEAST_SECRET 32
#define LEAST_RSA_BITS 2048
#define MOST_RSA_BITS 8192
#define LONGEST_FILE 262144
#define MOST_KEYS 100

#define SECRET_TOO_SHORT "the secret must have at least 32 bytes (RFC 7518, section 3.2)"
#define RSA_WRONG_SIZE "an RSA key must have 2048 to 8192 bits"
#define NOT_P256 "a key for ES256 must be on the curve P-256"
#define NOT_RIGHT_KIND "neither an RSA key nor one on the curve P-256"

/* Reading one file that a setting names. */
typedef struct Source
{
	const Config *config;
	const char *key;			/* the setting */
	const char *path;
	char	  **error;
} Source;

/* Notes the problem with the file; number: of the key in it, or 0. */
static bool
source_fail(const Source *source, int number, const char *why)
{
	char		text[512];

	if (*source->error)
		return false;
	if (number)
		snprintf(text, sizeof(text), "%.300s: key %d: %.150s", source->path, number, why);
	else
		snprintf(text, sizeof(text), "%.300s: %.150s", source->path, why);
	*source->error = config_problem(source->config, source->key, text);
	return false;
}

/* The whole file, NUL-ended, to be given to OPENSSL_clear_free; NULL on an error. */
static char *
source_read(const Source *source, size_t *len)
{
	FILE	   *file = fopen(source->path, "re");
	char	   *text = OPENSSL_zalloc(LONGEST_FILE + 2);
	struct stat st;
	bool		ok = false;

	if (file == NULL || text == NULL)
		(void) source_fail(source, 0, text ? strerror(errno) : "out of memory");
	else
	{
		*len = fread(text, 1, LONGEST_FILE + 1, file);
		if (ferror(file))
			(void) source_fail(source, 0, strerror(errno));
		else if (*len > LONGEST_FILE)
			(void) source_fail(source, 0, "the file is too large");
		else
			ok = true;
		if (ok && strcmp(source->key, "jwt_secret_file") == 0 && fstat(fileno(file), &st) == 0 && (st.st_mode & S_IROTH))
			log_write(LOG_LEVEL_WARNING, "auth", 0, "%s: everybody on this machine may read the secret", source->path);
	}
	if (file)
		fclose(file);
	if (ok)
		return text;
	OPENSSL_clear_free(text, LONGEST_FILE + 2);
	return NULL;
}

/* ---- the list ---- */

static AuthKey *
keys_add(AuthKeys *keys, const char *kid, unsigned algorithms)
{
	AuthKey    *items = keys->count < MOST_KEYS ? realloc(keys->items, (keys->count + 1) * sizeof(AuthKey)) : NULL;
	AuthKey    *key;
	char	   *copy = kid ? strdup(kid) : NULL;

	if (items)
		keys->items = items;
	if (items == NULL || (kid && copy == NULL))
	{
		free(copy);
		return NULL;
	}
	key = &items[keys->count++];
	memset(key, 0, sizeof(*key));
	key->kid = copy;
	key->algorithms = algorithms;
	keys->usable |= algorithms;
	return key;
}

/* NULL, or why the secret cannot be added. */
static const char *
add_secret(AuthKeys *keys, const char *kid, const void *secret, size_t len)
{
	AuthKey    *key;

	if (len < LEAST_SECRET)
		return SECRET_TOO_SHORT;
	key = keys_add(keys, kid, AUTH_HS256);
	if (key == NULL)
		return "too many keys";
	key->secret = OPENSSL_memdup(secret, len);
	key->secret_len = key->secret ? len : 0;
	return key->secret ? NULL : "out of memory";
}

/* What the public key may be used with; 0 with *problem. */
static unsigned
public_algorithms(EVP_PKEY *public_key, const char **problem)
{
	char		group[64] = "";
	int			bits = EVP_PKEY_get_bits(public_key);
	bool		pss = EVP_PKEY_is_a(public_key, "RSA-PSS");

	if (pss || EVP_PKEY_is_a(public_key, "RSA"))
	{
		*problem = RSA_WRONG_SIZE;
		if (bits < LEAST_RSA_BITS || bits > MOST_RSA_BITS)
			return 0;
		return pss ? AUTH_PS256 : AUTH_RS256 | AUTH_PS256;
	}
	*problem = NOT_RIGHT_KIND;
	if (!EVP_PKEY_is_a(public_key, "EC"))
		return 0;
	*problem = NOT_P256;
	if (!EVP_PKEY_get_group_name(public_key, group, sizeof(group), NULL) || strcmp(group, "prime256v1") != 0)
		return 0;
	return AUTH_ES256;
}

/* Takes the public key over, also on failure.  NULL, or why it cannot be added. */
static const char *
add_public(AuthKeys *keys, const char *kid, EVP_PKEY *public_key, unsigned allowed)
{
	const char *problem;
	unsigned	algorithms = public_algorithms(public_key, &problem);
	AuthKey    *key = NULL;

	if (algorithms)
	{
		problem = "too many keys";
		key = keys_add(keys, kid, algorithms & allowed);
	}
	if (key)
		key->public_key = public_key;
	else
		EVP_PKEY_free(public_key);
	return key ? NULL : problem;
}

/* ---- the secret ---- */

/* The secret of the environment: it wins over the file's. */
static bool
load_secret(AuthKeys *keys, const Config *config, char **error)
{
	const char *problem = add_secret(keys, NULL, config->jwt_secret, strlen(config->jwt_secret));

	if (problem)
		*error = config_problem(config, "jwt_secret", problem);
	return problem == NULL;
}

/* The secret in the file, which must be a good one whether it is used or not. */
static bool
load_secret_file(AuthKeys *keys, const Config *config, char **error)
{
	Source		source = {config, "jwt_secret_file", config->jwt_secret_file, error};
	const char *problem;
	size_t		len;
	char	   *text = source_read(&source, &len);

	if (text == NULL)
		return false;
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	if (config->jwt_secret[0])
		problem = len < LEAST_SECRET ? SECRET_TOO_SHORT : NULL;
	else
		problem = add_secret(keys, NULL, text, len);
	OPENSSL_clear_free(text, LONGEST_FILE + 2);
	return problem == NULL || source_fail(&source, 0, problem);
}

/* ---- PEM ---- */

/* One block of a PEM file.  NULL, or what is wrong with it. */
static const char *
add_pem_block(AuthKeys *keys, const char *name, const uint8_t *data, long len)
{
	EVP_PKEY   *public_key;

	if (strstr(name, "PRIVATE KEY"))
		return "it is a private key: only the public one belongs here";
	if (strcmp(name, "PUBLIC KEY") == 0)
		public_key = d2i_PUBKEY(NULL, &data, len);
	else if (strcmp(name, "RSA PUBLIC KEY") == 0)
		public_key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &data, len);
	else
		return "it is not a public key";
	return public_key ? add_public(keys, NULL, public_key, ~0U) : "it cannot be read";
}

static bool
load_pem(AuthKeys *keys, const Config *config, char **error)
{
	Source		source = {config, "jwt_public_key_file", config->jwt_public_key_file, error};
	size_t		len;
	char	   *text = source_read(&source, &len);
	BIO		   *bio = text ? BIO_new_mem_buf(text, (int) len) : NULL;
	char	   *name = NULL;
	char	   *header = NULL;
	uint8_t    *data = NULL;
	long		size;
	int			number = 0;
	const char *problem = NULL;

	while (bio && problem == NULL && PEM_read_bio(bio, &name, &header, &data, &size))
	{
		number++;
		problem = add_pem_block(keys, name, data, size);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(data, (size_t) size);
	}
	if (problem)
		(void) source_fail(&source, number, problem);
	else if (bio && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		(void) source_fail(&source, number + 1, "it cannot be read");
	else if (bio && number == 0)
		(void) source_fail(&source, 0, "it holds no key in PEM format");
	ERR_clear_error();
	BIO_free(bio);
	OPENSSL_clear_free(text, LONGEST_FILE + 2);
	return *error == NULL && bio != NULL;
}

/* ---- JSON Web Key Set ---- */

/* A member in base64url, decoded, to be freed; NULL when there is none or it is none. */
static uint8_t *
jwk_bytes(const JsonValue *jwk, const char *name, size_t *len)
{
	const char *text = json_field_string(jwk, name);
	size_t		text_len = text ? strlen(text) : 0;
	uint8_t    *bytes = text_len > 0 ? malloc(text_len) : NULL;

	if (bytes && auth_base64url(text, text_len, bytes, len) && *len > 0)
		return bytes;
	free(bytes);
	return NULL;
}

static EVP_PKEY *
public_key_from(const char *kind, OSSL_PARAM *params)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
	EVP_PKEY   *key = NULL;

	if (ctx && params && EVP_PKEY_fromdata_init(ctx) == 1
		&& EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static EVP_PKEY *
jwk_rsa(const JsonValue *jwk)
{
	size_t		n_len;
	size_t		e_len;
	uint8_t    *n = jwk_bytes(jwk, "n", &n_len);
	uint8_t    *e = jwk_bytes(jwk, "e", &e_len);
	BIGNUM	   *modulus = n && n_len <= MOST_RSA_BITS / 4 ? BN_bin2bn(n, (int) n_len, NULL) : NULL;
	BIGNUM	   *exponent = e && e_len <= 8 ? BN_bin2bn(e, (int) e_len, NULL) : NULL;
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	EVP_PKEY   *key = NULL;

	/* An exponent of 1 would make every signature right. */
	if (modulus && exponent && build && BN_is_odd(exponent) && !BN_is_one(exponent) && BN_is_odd(modulus)
		&& OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus)
		&& OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent)
		&& (params = OSSL_PARAM_BLD_to_param(build)) != NULL)
		key = public_key_from("RSA", params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	BN_free(modulus);
	BN_free(exponent);
	free(n);
	free(e);
	return key;
}

static EVP_PKEY *
jwk_ec(const JsonValue *jwk)
{
	size_t		x_len;
	size_t		y_len;
	uint8_t    *x = jwk_bytes(jwk, "x", &x_len);
	uint8_t    *y = jwk_bytes(jwk, "y", &y_len);
	uint8_t		point[65] = {POINT_CONVERSION_UNCOMPRESSED};
	EVP_PKEY   *key = NULL;

	if (x && y && x_len == 32 && y_len == 32)
	{
		OSSL_PARAM	params[] = {
			OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0),
			OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
			OSSL_PARAM_construct_end()};

		memcpy(point + 1, x, 32);
		memcpy(point + 33, y, 32);
		key = public_key_from("EC", params);
	}
	free(x);
	free(y);
	return key;
}

/* Whether the set means the key for checking signatures with our algorithms. */
static bool
jwk_is_for_us(const JsonValue *jwk, unsigned *algorithms)
{
	const char *use = json_field_string(jwk, "use");
	const char *alg = json_field_string(jwk, "alg");
	size_t		nops = json_field_array_length(jwk, "key_ops");
	bool		may_verify = json_field_type(jwk, "key_ops") == JSON_MISSING;

	for (size_t i = 0; i < nops; i++)
	{
		const char *op = json_field_array_string(jwk, "key_ops", i);

		may_verify = may_verify || (op && strcmp(op, "verify") == 0);
	}
	*algorithms = alg ? auth_algorithm(alg) : ~0U;
	return may_verify && *algorithms != 0 && (use ? strcmp(use, "sig") == 0 : json_field_type(jwk, "use") == JSON_MISSING);
}

/* NULL, or what is wrong with a key of the set. */
static const char *
add_jwk(AuthKeys *keys, const JsonValue *jwk)
{
	const char *kty = json_field_string(jwk, "kty");
	const char *kid = json_field_string(jwk, "kid");
	const char *crv = json_field_string(jwk, "crv");
	unsigned	algorithms;
	EVP_PKEY   *public_key;

	if (kty == NULL)
		return "it has no kty";
	if (kid == NULL && json_field_type(jwk, "kid") != JSON_MISSING)
		return "its kid is not a string";
	if (!jwk_is_for_us(jwk, &algorithms))
		return NULL;
	if (strcmp(kty, "oct") == 0 && (algorithms & AUTH_HS256))
	{
		size_t		len = 0;
		uint8_t    *secret = jwk_bytes(jwk, "k", &len);
		const char *problem = secret ? add_secret(keys, kid, secret, len) : "its k cannot be read";

		free(secret);
		return problem;
	}
	if (strcmp(kty, "RSA") == 0 && (algorithms & (AUTH_RS256 | AUTH_PS256)))
		public_key = jwk_rsa(jwk);
	else if (strcmp(kty, "EC") == 0 && crv && strcmp(crv, "P-256") == 0 && (algorithms & AUTH_ES256))
		public_key = jwk_ec(jwk);
	else
		return NULL;
	if (json_field_type(jwk, "d") != JSON_MISSING)
	{
		EVP_PKEY_free(public_key);
		return "it is a private key: only the public one belongs here";
	}
	return public_key ? add_public(keys, kid, public_key, algorithms) : "it cannot be read";
}

static bool
load_jwks(AuthKeys *keys, const Config *config, char **error)
{
	Source		source = {config, "jwks_file", config->jwks_file, error};
	size_t		len;
	char	   *text = source_read(&source, &len);
	const char *problem = NULL;
	JsonValue  *set = text ? json_parse_unique(text, len, &problem) : NULL;
	size_t		count = set ? json_field_array_length(set, "keys") : 0;
	size_t		before = keys->count;

	if (text && (set == NULL || json_field_type(set, "keys") != JSON_ARRAY))
		(void) source_fail(&source, 0, set ? "it has no array \"keys\"" : problem);
	for (size_t i = 0; i < count && *error == NULL; i++)
	{
		const JsonValue *jwk = json_field_array_object(set, "keys", i);

		problem = jwk ? add_jwk(keys, jwk) : "it is not an object";
		if (problem)
			(void) source_fail(&source, (int) i + 1, problem);
	}
	if (text && *error == NULL && keys->count == before)
		(void) source_fail(&source, 0, "it holds no key for HS256, RS256, PS256 or ES256");
	json_free(set);
	ERR_clear_error();
	OPENSSL_clear_free(text, LONGEST_FILE + 2);
	return text != NULL && *error == NULL;
}

/*
 * Reads all keys that the configuration names into *keys.  False with *error
 * (one line, to be freed; NULL when out of memory) and no keys.  At the end:
 * auth_keys_reset().
 */
bool
auth_keys_load(AuthKeys *keys, const Config *config, char **error)
{
	bool		ok = true;

	memset(keys, 0, sizeof(*keys));
	*error = NULL;
	if (config->jwt_secret[0])
		ok = load_secret(keys, config, error);
	if (ok && config->jwt_secret_file[0])
		ok = load_secret_file(keys, config, error);
	if (ok && config->jwt_public_key_file[0])
		ok = load_pem(keys, config, error);
	if (ok && config->jwks_file[0])
		ok = load_jwks(keys, config, error);
	if (!ok)
		auth_keys_reset(keys);
	return ok;
}
