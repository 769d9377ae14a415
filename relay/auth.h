/*
 * auth.h
 *	  JSON Web Tokens: who the bearer of one is, and for how long.
 */
#ifndef TASKCHAT_AUTH_H
#define TASKCHAT_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct Config;
typedef struct Auth Auth;

typedef struct Claims
{
	char		user_id[256];	/* ≤ 255 bytes */
	int64_t		expires_at;		/* Unix seconds */
} Claims;

extern Auth *auth_new(const struct Config *config, char **error);
extern void auth_free(Auth *auth);
extern bool auth_verify(const Auth *auth, const char *token, size_t len, int64_t now, Claims *claims, const char **reason);

#endif
