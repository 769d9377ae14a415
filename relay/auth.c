/*
 * auth.c
 *	  JSON Web Tokens (RFC 7519) signed with HS256.  The library checks the
 *	  signature; the claims are checked here after RFC 8725: the algorithm is
 *	  pinned by the key, exp is required, crit is refused.
 */
#include "auth.h"

#include <cjose/cjose.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "config.h"

#define LEAST_SECRET 32
#define LONGEST_TOKEN 16384

struct Auth
{
	cjose_jwk_t *key;			/* the HMAC key */
	char	   *issuer;			/* "" when any */
	char	   *audience;		/* "" when any */
	char	   *user_claim;		/* names the user */
	int64_t		leeway;			/* seconds */
};

static char *
problem(const char *what, const char *why)
{
	char	   *text = NULL;

	if (asprintf(&text, "%s: %s", what, why) < 0)
		return NULL;
	return text;
}

/* The secret's bytes, to be freed; a newline at the end of the file is not part of it. */
static char *
read_secret(const char *path, size_t *len, char **error)
{
	FILE	   *file = fopen(path, "r");
	char	   *secret = malloc(4097);

	if (file == NULL || secret == NULL)
	{
		*error = problem(path, strerror(errno));
		if (file)
			fclose(file);
		free(secret);
		return NULL;
	}
	*len = fread(secret, 1, 4096, file);
	fclose(file);
	while (*len > 0 && (secret[*len - 1] == '\n' || secret[*len - 1] == '\r'))
		--*len;
	secret[*len] = '\0';
	return secret;
}

static bool
load_secret(Auth *auth, const Config *config, char **error)
{
	size_t		len = strlen(config->jwt_secret);
	char	   *secret;
	cjose_err	err;

	secret = len > 0 ? strdup(config->jwt_secret) : read_secret(config->jwt_secret_file, &len, error);
	if (secret == NULL)
		return false;
	if (len < LEAST_SECRET)
		*error = problem("jwt secret", "it must have at least 32 bytes (RFC 7518 section 3.2)");
	else
	{
		auth->key = cjose_jwk_create_oct_spec((const uint8_t *) secret, len, &err);
		if (auth->key == NULL)
			*error = problem("jwt secret", err.message);
	}
	free(secret);
	return auth->key != NULL;
}

/* Only HS256 is served by this version: anything else asked for is an error. */
static bool
check_algorithms(const Config *config, char **error)
{
	if (config->jwt_public_key_file[0] || config->jwks_file[0])
		*error = problem("jwt_public_key_file", "public keys are not supported by this version");
	else if (config->jwt_algorithms[0] && strcmp(config->jwt_algorithms, "HS256") != 0)
		*error = problem("jwt_algorithms", "only HS256 is supported by this version");
	return *error == NULL;
}

/*
 * Reads the keys that the configuration names.  NULL with *error, to be freed.
 * Without any key every token is refused; tickets still work.
 */
Auth *
auth_new(const Config *config, char **error)
{
	Auth	   *auth = calloc(1, sizeof(Auth));

	*error = NULL;
	if (auth == NULL)
		return NULL;
	auth->issuer = strdup(config->jwt_issuer);
	auth->audience = strdup(config->jwt_audience);
	auth->user_claim = strdup(config->jwt_user_claim);
	auth->leeway = config->jwt_leeway / 1000;
	if (!auth->issuer || !auth->audience || !auth->user_claim)
		*error = problem("memory", "out of memory");
	if (*error == NULL && check_algorithms(config, error) &&
		(config->jwt_secret[0] || config->jwt_secret_file[0]) &&
		!load_secret(auth, config, error) && *error == NULL)
		*error = problem("jwt secret", "out of memory");
	if (*error == NULL)
		return auth;
	auth_free(auth);
	return NULL;
}

void
auth_free(Auth *auth)
{
	if (auth == NULL)
		return;
	if (auth->key)
		cjose_jwk_release(auth->key);
	free(auth->issuer);
	free(auth->audience);
	free(auth->user_claim);
	free(auth);
}

static bool
check_audience(const Auth *auth, const JsonValue *claims)
{
	const char *aud = json_field_string(claims, "aud");
	size_t		n = json_field_array_length(claims, "aud");
	size_t		i;

	if (auth->audience[0] == '\0')
		return true;
	if (aud)
		return strcmp(aud, auth->audience) == 0;
	for (i = 0; i < n; i++)
	{
		aud = json_field_array_string(claims, "aud", i);
		if (aud && strcmp(aud, auth->audience) == 0)
			return true;
	}
	return false;
}

/* A time claim in whole seconds: -1 wrong, 0 missing, 1 there. */
static int
time_claim(const JsonValue *claims, const char *name, int64_t *out)
{
	if (json_field_type(claims, name) == JSON_MISSING)
		return 0;
	return json_field_integer(claims, name, out) ? 1 : -1;
}

/* NULL, or why the claims are not good (RFC 8725 section 3). */
static const char *
check_claims(const Auth *auth, const JsonValue *json, int64_t now, Claims *claims)
{
	const char *user = json_field_string(json, auth->user_claim);
	const char *iss = json_field_string(json, "iss");
	int64_t		nbf = 0;
	int			has_nbf = time_claim(json, "nbf", &nbf);

	if (user == NULL || user[0] == '\0' || strlen(user) >= sizeof(claims->user_id))
		return "the token names no usable user";
	if (time_claim(json, "exp", &claims->expires_at) != 1)
		return "the token has no usable exp";
	if (now >= claims->expires_at + auth->leeway)
		return "the token has expired";
	if (has_nbf < 0 || (has_nbf > 0 && now + auth->leeway < nbf))
		return "the token is not valid yet";
	if (auth->issuer[0] && (iss == NULL || strcmp(iss, auth->issuer) != 0))
		return "the token has another issuer";
	if (!check_audience(auth, json))
		return "the token is for another audience";
	strcpy(claims->user_id, user);
	return NULL;
}

static const char *
check_header(cjose_jws_t *jws)
{
	cjose_err	err;
	cjose_header_t *header = cjose_jws_get_protected(jws);
	const char *alg = cjose_header_get(header, CJOSE_HDR_ALG, &err);
	char	   *crit = cjose_header_get_raw(header, "crit", &err);
	bool		has_crit = crit != NULL;

	free(crit);
	if (alg == NULL || strcmp(alg, CJOSE_HDR_ALG_HS256) != 0)
		return "the token is signed with another algorithm";
	return has_crit ? "the token has a critical header" : NULL;
}

/* Checks a token; false with *reason, a constant fit for a client. */
bool
auth_verify(const Auth *auth, const char *token, size_t len, int64_t now, Claims *claims, const char **reason)
{
	cjose_err	err;
	cjose_jws_t *jws = NULL;
	uint8_t    *text;
	size_t		text_len;
	const char *json_error;
	JsonValue  *json;

	memset(claims, 0, sizeof(*claims));
	*reason = "the token cannot be read";
	if (auth->key == NULL)
		*reason = "this server takes no tokens";
	else if (len > 0 && len <= LONGEST_TOKEN && memchr(token, '\0', len) == NULL)
		jws = cjose_jws_import(token, len, &err);
	if (jws == NULL)
		return false;
	*reason = check_header(jws);
	if (*reason == NULL && !cjose_jws_verify(jws, auth->key, &err))
		*reason = "the token's signature is wrong";
	if (*reason == NULL && !cjose_jws_get_plaintext(jws, &text, &text_len, &err))
		*reason = "the token cannot be read";
	if (*reason == NULL)
	{
		json = json_parse((const char *) text, text_len, &json_error);
		*reason = json ? check_claims(auth, json, now, claims) : "the token's claims are not a JSON object";
		json_free(json);
	}
	cjose_jws_release(jws);
	return *reason == NULL;
}
