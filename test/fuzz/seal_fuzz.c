/*
 * seal_fuzz.c
 *	  Any text as what a doorbell brings along, and any text under the right
 *	  seal: the first may only open where it says that it is in clear, and both
 *	  as what was said.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "seal.h"

#define KEY "01080f161d242b323940474e555c636a71787f868d949ba2a9b0b7bec5ccd3da"
#define MOST 5900				/* bytes that fit into a notification */

static void
want(bool holds)
{
	if (!holds)
		abort();
}

/* "e7 BASE64" of the text under seal. */
static void
seal_text(const uint8_t *text, int len, char *payload)
{
	unsigned char key[32];
	unsigned char sealed[MOST + 28] = "twelve bytes";
	size_t		key_len;
	int			n;
	EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();

	want(OPENSSL_hexstr2buf_ex(key, sizeof(key), &key_len, KEY, '\0') == 1
		 && EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key, sealed) == 1
		 && EVP_EncryptUpdate(cipher, NULL, &n, (const unsigned char *) "e7", 2) == 1
		 && EVP_EncryptUpdate(cipher, sealed + 12, &n, text, len) == 1
		 && EVP_EncryptFinal_ex(cipher, sealed + 12 + len, &n) == 1
		 && EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, 16, sealed + 12 + len) == 1);
	EVP_CIPHER_CTX_free(cipher);
	memcpy(payload, "e7 ", 3);
	EVP_EncodeBlock((unsigned char *) payload + 3, sealed, len + 28);
}

/* What was opened is a part of what was said. */
static void
check(const SealedEvent *event, const char *said, size_t size)
{
	want(event->seq > 0 && event->len > 0 && event->len < size && memchr(event->text, '\n', event->len) == NULL
		 && memcmp(event->text, said + size - event->len, event->len) == 0
		 && (event->sender_id == NULL || strlen(event->sender_id) < size));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Seal *seal;
	char		payload[MOST * 2];
	SealedEvent event;

	if (seal == NULL)
		seal = seal_new(KEY);
	if (seal == NULL || size > MOST)
		return 0;
	memcpy(payload, data, size);
	payload[size] = '\0';
	if (seal_open(seal, payload, &event))
	{
		want(payload[0] == 'E');
		check(&event, payload, strlen(payload));
	}
	seal_text(data, (int) size, payload);
	if (seal_open(seal, payload, &event))
		check(&event, (const char *) data, size);
	return 0;
}
