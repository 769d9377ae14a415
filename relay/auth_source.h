/*
 * auth_source.h
 *	  What a key is made of, between auth_key.c, which uses keys, and
 *	  auth_source.c, which reads them.
 */
#ifndef TASKCHAT_AUTH_SOURCE_H
#define TASKCHAT_AUTH_SOURCE_H

#include <openssl/types.h>

#include "auth_key.h"

struct AuthKey
{
	char	   *kid;			/* NULL: it has none */
	unsigned	algorithms;		/* that it may be used with */
	uint8_t    *secret;			/* of HS256, OpenSSL's memory */
	size_t		secret_len;
	EVP_PKEY   *public_key;		/* of the others */
};

#endif
