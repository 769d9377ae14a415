/*
 * auth.c
 *	  JSON Web Tokens (RFC 7519) after RFC 8725: the algorithm is pinned by the
 *	  kind of the key and limited by configuration, exp is required, crit is
 *	  refused, keys and places of keys that a token itself names count for
 *	  nothing, and no name may come twice.
 */
#include "auth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "auth_key.h"
#include "codec.h"
#include "config.h"
#include "log.h"

#define LONGEST_TOKEN 8192
#define LAST_SECOND INT64_C(253402300799)	/* the end of the year 9999 */

struct Auth
{
	AuthKeys	keys;			/* all of them */
	unsigned	algorithms;		/* that count */
	char	   *issuer;			/* "" when any */
	char	   *audience;		/* "" when any */
	char	   *user_claim;		/* names the user */
	int64_t		leeway;			/* seconds */
};

/* A token taken apart; texts are borrowed, bytes owned. */
typedef struct Token
{
	const char *text;			/* of the whole */
	size_t		signed_len;		/* header and claims, with the dot between */
	uint8_t    *header;			/* JSON */
	size_t		header_len;
	uint8_t    *claims;			/* JSON */
	size_t		claims_len;
	uint8_t    *signature;
	size_t		signature_len;
} Token;

/* The set of algorithms that a comma list names; all, when it is empty. */
static unsigned
algorithms_of(const char *list)
{
	unsigned	set = 0;
	char		name[8];

	if (list[0] == '\0')
		return AUTH_HS256 | AUTH_RS256 | AUTH_PS256 | AUTH_ES256;
	while (*list)
	{
		size_t		len;

		list += strspn(list, ", \t");
		len = strcspn(list, ", \t");
		if (len > 0 && len < sizeof(name))
		{
			memcpy(name, list, len);
			name[len] = '\0';
			set |= auth_algorithm(name);
		}
		list += len;
	}
	return set;
}

/*
 * Reads the keys that the configuration names.  NULL with *error, one line to
 * be freed (NULL when out of memory).  Without any key every token is refused;
 * tickets still work.
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
	auth->algorithms = algorithms_of(config->jwt_algorithms);
	if (auth->issuer && auth->audience && auth->user_claim && auth_keys_load(&auth->keys, config, error))
	{
		if (auth->keys.count == 0)
			log_write(LOG_LEVEL_WARNING, "auth", 0, "no key for tokens is configured: only tickets log in");
		else if ((auth->keys.usable & auth->algorithms) == 0)
			*error = config_problem(config, "jwt_algorithms", "no key that is configured is for any of these");
		if (*error == NULL)
			return auth;
	}
	auth_free(auth);
	return NULL;
}

void
auth_free(Auth *auth)
{
	if (auth == NULL)
		return;
	auth_keys_reset(&auth->keys);
	free(auth->issuer);
	free(auth->audience);
	free(auth->user_claim);
	free(auth);
}

/* ---- the token ---- */

static uint8_t *
decode_part(const char *text, size_t len, size_t *out_len)
{
	uint8_t    *bytes = malloc(len + 1);

	if (bytes && len > 0 && auth_base64url(text, len, bytes, out_len))
		return bytes;
	free(bytes);
	return NULL;
}

static void
token_release(Token *token)
{
	free(token->header);
	free(token->claims);
	free(token->signature);
}

/* Takes three parts apart at exactly two dots. */
static bool
token_split(Token *token, const char *text, size_t len)
{
	const char *first = memchr(text, '.', len);
	const char *second = first ? memchr(first + 1, '.', len - (size_t) (first + 1 - text)) : NULL;

	memset(token, 0, sizeof(*token));
	if (second == NULL || memchr(second + 1, '.', len - (size_t) (second + 1 - text)))
		return false;
	token->text = text;
	token->signed_len = (size_t) (second - text);
	token->header = decode_part(text, (size_t) (first - text), &token->header_len);
	token->claims = decode_part(first + 1, (size_t) (second - first - 1), &token->claims_len);
	token->signature = decode_part(second + 1, len - token->signed_len - 1, &token->signature_len);
	return token->header && token->claims && token->signature;
}

/* Holds header and signature against the keys.  NULL, or why the token is not good. */
static const char *
check_signature(const Auth *auth, const Token *token, const JsonValue *header)
{
	const char *alg = json_field_string(header, "alg");
	const char *kid = json_field_string(header, "kid");
	AuthAlgorithm algorithm = alg ? auth_algorithm(alg) & auth->algorithms : 0;
	bool		found;

	if (algorithm == 0)
		return "the token is not signed with an algorithm that is taken here";
	if (json_field_type(header, "crit") != JSON_MISSING)
		return "the token has a critical header";
	if (kid == NULL && json_field_type(header, "kid") != JSON_MISSING)
		return "the token's kid is not a string";
	if (auth_keys_verify(&auth->keys, algorithm, kid, token->text, token->signed_len,
						 token->signature, token->signature_len, &found))
		return NULL;
	return found ? "the token's signature is wrong" : "the token is signed with an unknown key";
}

/* ---- its claims ---- */

static bool
check_audience(const Auth *auth, const JsonValue *claims)
{
	const char *aud = json_field_string(claims, "aud");
	size_t		n = json_field_array_length(claims, "aud");

	if (auth->audience[0] == '\0')
		return true;
	if (aud)
		return strcmp(aud, auth->audience) == 0;
	for (size_t i = 0; i < n; i++)
	{
		aud = json_field_array_string(claims, "aud", i);
		if (aud && strcmp(aud, auth->audience) == 0)
			return true;
	}
	return false;
}

/* A time in seconds, maybe with a fraction: -1 when it is none, 0 when it is missing, 1 when it is there. */
static int
time_claim(const JsonValue *claims, const char *name, double *out)
{
	if (json_field_type(claims, name) == JSON_MISSING)
		return 0;
	return json_field_number(claims, name, out) && isfinite(*out) ? 1 : -1;
}

static const char *
check_times(const Auth *auth, const JsonValue *json, int64_t now, Claims *claims)
{
	double		exp;
	double		nbf = 0;
	double		iat;
	int			has_nbf = time_claim(json, "nbf", &nbf);

	if (time_claim(json, "exp", &exp) != 1)
		return "the token has no usable exp";
	if ((double) now >= exp + (double) auth->leeway)
		return "the token has expired";
	if (has_nbf < 0 || time_claim(json, "iat", &iat) < 0)
		return "the token has an nbf or iat that is no time";
	if (has_nbf > 0 && (double) (now + auth->leeway) < nbf)
		return "the token is not valid yet";
	claims->expires_at = exp < (double) LAST_SECOND ? (int64_t) floor(exp) : LAST_SECOND;
	return NULL;
}

/* NULL, or why the claims are not good (RFC 8725 section 3). */
static const char *
check_claims(const Auth *auth, const JsonValue *json, int64_t now, Claims *claims)
{
	const char *user = json_field_string(json, auth->user_claim);
	const char *iss = json_field_string(json, "iss");
	const char *problem = check_times(auth, json, now, claims);

	if (problem)
		return problem;
	if (user == NULL || user[0] == '\0' || strlen(user) >= sizeof(claims->user_id))
		return "the token names no usable user";
	if (auth->issuer[0] && (iss == NULL || strcmp(iss, auth->issuer) != 0))
		return "the token has another issuer";
	if (!check_audience(auth, json))
		return "the token is for another audience";
	strcpy(claims->user_id, user);
	return NULL;
}

/*
 * Checks a token.  now: Unix seconds.  False with *reason, a constant fit for
 * a client.
 */
bool
auth_verify(const Auth *auth, const char *token, size_t len, int64_t now, Claims *claims, const char **reason)
{
	Token		parts = {0};
	JsonValue  *header = NULL;
	JsonValue  *body = NULL;
	const char *json_error;

	memset(claims, 0, sizeof(*claims));
	if (auth->keys.count == 0)
		*reason = "this server takes no tokens";
	else if (len > LONGEST_TOKEN)
		*reason = "the token is too long";
	else if (!token_split(&parts, token, len))
		*reason = "the token is not three parts in base64url";
	else if ((header = json_parse_unique((const char *) parts.header, parts.header_len, &json_error)) == NULL)
		*reason = "the token's header cannot be read";
	else if ((*reason = check_signature(auth, &parts, header)) != NULL)
		;
	else if ((body = json_parse_unique((const char *) parts.claims, parts.claims_len, &json_error)) == NULL)
		*reason = "the token's claims cannot be read";
	else
		*reason = check_claims(auth, body, now, claims);
	json_free(header);
	json_free(body);
	token_release(&parts);
	return *reason == NULL;
}
