/*
 * seal.c
 *	  Opens what doorbells bring along (the contract is in
 *	  extension/sql/relay.sql).  Any role of the database may ring and listen:
 *	  what does not open with the relays' key was not said by the extension.
 *	  What an event is good for is its reader's matter.
 */
#include "seal.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#define KEY_BYTES 32
#define NONCE_BYTES 12
#define TAG_BYTES 16
#define MOST_BASE64 8000		/* a notification is shorter */

struct Seal
{
	EVP_CIPHER_CTX *cipher;		/* keeps the key; to set one up costs more than to open an event */
	unsigned char bytes[MOST_BASE64 / 4 * 3 + 1];	/* the last event opened, and a NUL */
};

/*
 * key: 64 hexadecimal digits.  NULL when it is none, or out of memory.
 */
Seal *
seal_new(const char *key)
{
	unsigned char bytes[KEY_BYTES];
	size_t		len = 0;
	Seal	   *seal = calloc(1, sizeof(*seal));

	if (seal && strlen(key) == 2 * KEY_BYTES
		&& OPENSSL_hexstr2buf_ex(bytes, sizeof(bytes), &len, key, '\0') == 1 && len == KEY_BYTES
		&& (seal->cipher = EVP_CIPHER_CTX_new()) != NULL
		&& EVP_DecryptInit_ex(seal->cipher, EVP_aes_256_gcm(), NULL, bytes, NULL) == 1)
	{
		explicit_bzero(bytes, sizeof(bytes));
		return seal;
	}
	explicit_bzero(bytes, sizeof(bytes));
	ERR_clear_error();
	seal_free(seal);
	return NULL;
}

/*
 * Forgets the key.  NULL is allowed.
 */
void
seal_free(Seal *seal)
{
	if (seal == NULL)
		return;
	EVP_CIPHER_CTX_free(seal->cipher);	/* wipes it */
	explicit_bzero(seal->bytes, sizeof(seal->bytes));
	free(seal);
}

/* Decodes base64 to seal->bytes; how many they are, -1: it is none. */
static int
decode(Seal *seal, const char *text)
{
	size_t		len = strlen(text);
	int			padding = len < 2 || text[len - 1] != '=' ? 0 : text[len - 2] != '=' ? 1 : 2;

	if (len == 0 || len % 4 != 0 || len > MOST_BASE64
		|| EVP_DecodeBlock(seal->bytes, (const unsigned char *) text, (int) len) != (int) (len / 4 * 3))
		return -1;
	return (int) (len / 4 * 3) - padding;
}

/* Decrypts seal->bytes where they are; what was sealed then begins behind the nonce.  Its bytes, -1: the seal is broken. */
static int
decrypt(Seal *seal, const char *head, size_t head_len, int len)
{
	unsigned char *nonce = seal->bytes;
	unsigned char *text = nonce + NONCE_BYTES;
	int			text_len = len - NONCE_BYTES - TAG_BYTES;
	int			n;

	if (text_len > 0
		&& EVP_DecryptInit_ex(seal->cipher, NULL, NULL, NULL, nonce) == 1
		&& EVP_DecryptUpdate(seal->cipher, NULL, &n, (const unsigned char *) head, (int) head_len) == 1
		&& EVP_DecryptUpdate(seal->cipher, text, &n, text, text_len) == 1 && n == text_len
		&& EVP_CIPHER_CTX_ctrl(seal->cipher, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, text + text_len) == 1
		&& EVP_DecryptFinal_ex(seal->cipher, text + text_len, &n) == 1)
		return text_len;
	return -1;
}

/* Parts "<seq>\n<sender>\n<event>".  The sender may have newlines in it, the event has none. */
static bool
read_event(char *text, size_t len, SealedEvent *event)
{
	char	   *sender = memchr(text, '\n', len);
	char	   *rest = memrchr(text, '\n', len);
	char	   *end;

	if (sender == NULL || sender == rest || *text < '0' || *text > '9')
		return false;
	text[len] = '\0';
	*rest++ = '\0';
	event->seq = strtoll(text, &end, 10);
	event->sender_id = sender[1] ? sender + 1 : NULL;
	event->text = rest;
	event->len = len - (size_t) (rest - text);
	return end == sender && event->seq > 0 && event->len > 0;
}

/* Copies text in clear to where what was decrypted would be; its bytes, -1: too long. */
static int
copy_clear(Seal *seal, const char *text)
{
	size_t		len = strlen(text);

	if (len >= sizeof(seal->bytes) - NONCE_BYTES)
		return -1;
	memcpy(seal->bytes + NONCE_BYTES, text, len);
	return (int) len;
}

/*
 * Opens "e<room_id> <base64>".  False: nothing of it is true, or nothing is
 * under seal.  Reads "E<room_id> <text>", too, which the caller believes.
 */
bool
seal_open(Seal *seal, const char *payload, SealedEvent *event)
{
	const char *space = strchr(payload, ' ');
	int			len;

	if (payload[0] == 'E')
	{
		len = space ? copy_clear(seal, space + 1) : -1;
		return len >= 0 && read_event((char *) seal->bytes + NONCE_BYTES, (size_t) len, event);
	}
	len = space ? decode(seal, space + 1) : -1;
	if (len >= 0)
		len = decrypt(seal, payload, (size_t) (space - payload), len);
	if (len >= 0)
		return read_event((char *) seal->bytes + NONCE_BYTES, (size_t) len, event);
	ERR_clear_error();			/* of a failure; TLS looks at the same list */
	return false;
}
