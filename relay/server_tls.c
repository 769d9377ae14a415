/*
 * server_tls.c
 *	  Certificate and key: read and held against each other before they are
 *	  used, and given to each handshake, so that renewed ones count from the
 *	  next connection on and nothing else changes.
 */
#include "server_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

struct ServerTls
{
	X509	   *certificate;	/* our own */
	STACK_OF(X509) *chain;		/* those that vouch for it */
	EVP_PKEY   *key;			/* of the certificate */
};

/* Certificates come without a passphrase: nobody is there to type it. */
static int
no_passphrase(char *buffer, int size, int writing, void *arg)
{
	return -1;
}

static const char *
read_chain(ServerTls *tls, const char *path)
{
	BIO		   *bio = BIO_new_file(path, "r");
	const char *problem = NULL;
	X509	   *next;

	if (bio == NULL)
		return "the file cannot be read";
	tls->certificate = PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL);
	tls->chain = sk_X509_new_null();
	if (tls->certificate == NULL || tls->chain == NULL)
		problem = "it holds no certificate in PEM format";
	while (problem == NULL && (next = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL)
		if (!sk_X509_push(tls->chain, next))
			X509_free(next);
	if (problem == NULL && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		problem = "a certificate of its chain cannot be read";
	BIO_free(bio);
	return problem;
}

static const char *
read_key(ServerTls *tls, const char *path)
{
	BIO		   *bio = BIO_new_file(path, "r");

	if (bio == NULL)
		return "the file cannot be read";
	tls->key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	if (tls->key == NULL)
		return "it holds no private key in PEM format, or one with a passphrase";
	return X509_check_private_key(tls->certificate, tls->key) == 1 ? NULL :
		"the key is not that of tls_certificate";
}

/* Whether OpenSSL would serve with them: it refuses weak ones. */
static const char *
try_out(const ServerTls *tls)
{
	SSL_CTX    *ctx = SSL_CTX_new(TLS_server_method());
	bool		ok = ctx && SSL_CTX_use_cert_and_key(ctx, tls->certificate, tls->key, tls->chain, 1) == 1;

	SSL_CTX_free(ctx);
	return ok ? NULL : "the certificate is too weak or not fit for a server";
}

static char *
tls_problem(const Config *config, const char *key, const char *path, const char *why)
{
	char		text[512];

	snprintf(text, sizeof(text), "%.300s: %.150s", path, why);
	return config_problem(config, key, text);
}

/*
 * Reads the certificate and the key that the configuration names.  NULL when
 * it names none, or with *error, one line to be freed.
 */
ServerTls *
server_tls_load(const Config *config, char **error)
{
	ServerTls  *tls;
	const char *problem;

	*error = NULL;
	if (config->tls_certificate[0] == '\0')
		return NULL;
	tls = calloc(1, sizeof(*tls));
	ERR_clear_error();
	problem = tls ? read_chain(tls, config->tls_certificate) : "out of memory";
	if (problem)
		*error = tls_problem(config, "tls_certificate", config->tls_certificate, problem);
	else if ((problem = read_key(tls, config->tls_key)) != NULL)
		*error = tls_problem(config, "tls_key", config->tls_key, problem);
	else if ((problem = try_out(tls)) != NULL)
		*error = tls_problem(config, "tls_certificate", config->tls_certificate, problem);
	ERR_clear_error();
	if (problem == NULL)
		return tls;
	server_tls_free(tls);
	return NULL;
}

void
server_tls_free(ServerTls *tls)
{
	if (tls == NULL)
		return;
	X509_free(tls->certificate);
	sk_X509_pop_free(tls->chain, X509_free);
	EVP_PKEY_free(tls->key);
	free(tls);
}

/* A handshake begins: it gets what is in force now. */
static int
give_certificate(SSL *ssl, void *arg)
{
	const Server *server = arg;

	SSL_certs_clear(ssl);
	return server->tls
		&& SSL_use_cert_and_key(ssl, server->tls->certificate, server->tls->key, server->tls->chain, 1) == 1;
}

/*
 * Prepares the library's SSL_CTX: TLS 1.2 or later, nothing that lets a client
 * make us work again and again, certificates by give_certificate().
 */
void
server_tls_prepare(Server *server, void *ssl_ctx)
{
	SSL_CTX_set_min_proto_version(ssl_ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ssl_ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_cert_cb(ssl_ctx, give_certificate, server);
}
