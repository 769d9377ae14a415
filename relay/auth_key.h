/*
 * auth_key.h
 *	  Keys that tokens are checked with: where they come from, what they are
 *	  good for, and the check of one signature.
 */
#ifndef TASKCHAT_AUTH_KEY_H
#define TASKCHAT_AUTH_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct Config;

typedef enum AuthAlgorithm
{
	AUTH_HS256 = 1, AUTH_RS256 = 2, AUTH_PS256 = 4, AUTH_ES256 = 8	/* a set of them is their sum */
} AuthAlgorithm;

typedef struct AuthKey AuthKey;

typedef struct AuthKeys
{
	AuthKey    *items;			/* owned */
	size_t		count;
	unsigned	usable;			/* algorithms of all of them */
} AuthKeys;

extern bool auth_keys_load(AuthKeys *keys, const struct Config *config, char **error);
extern void auth_keys_reset(AuthKeys *keys);
extern AuthAlgorithm auth_algorithm(const char *name);
extern bool auth_keys_verify(const AuthKeys *keys, AuthAlgorithm algorithm, const char *kid,
							 const char *text, size_t len, const uint8_t *signature, size_t signature_len, bool *found);
extern bool auth_base64url(const char *text, size_t len, uint8_t *out, size_t *out_len);

#endif
