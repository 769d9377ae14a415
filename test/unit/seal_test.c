/*
 * seal_test.c
 *	  Events under seal: what opens, and that nothing else does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "seal.h"

#define KEY "01080f161d242b323940474e555c636a71787f868d949ba2a9b0b7bec5ccd3da"
#define NONCE_AND_TAG 28

/* Sealed by another library (node's crypto) with KEY. */
#define EVENT "{\"type\":\"message_received\",\"seq\":5}"
#define GOOD "e7 yMnKy8zNzs/Q0dLTEwUkc2RHt80ijfBu+FRQEjl7V+uzVx/hzklppHbyuoVuAW2lABq87AnVwCYjDohzQN3PP2XcUi3J"

static SealedEvent event;

/* Writes "HEAD BASE64" of the text, sealed with KEY for that head. */
static void
seal_text(const char *head, const char *text, size_t len, char *payload)
{
	unsigned char key[32];
	unsigned char sealed[8000] = "twelve bytes";
	size_t		key_len;
	int			n;
	EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();

	assert_int_equal(OPENSSL_hexstr2buf_ex(key, sizeof(key), &key_len, KEY, '\0'), 1);
	assert_int_equal(EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key, sealed), 1);
	assert_int_equal(EVP_EncryptUpdate(cipher, NULL, &n, (const unsigned char *) head, (int) strlen(head)), 1);
	assert_int_equal(EVP_EncryptUpdate(cipher, sealed + 12, &n, (const unsigned char *) text, (int) len), 1);
	assert_int_equal(EVP_EncryptFinal_ex(cipher, sealed + 12 + len, &n), 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, 16, sealed + 12 + len), 1);
	EVP_CIPHER_CTX_free(cipher);
	n = sprintf(payload, "%s ", head);
	EVP_EncodeBlock((unsigned char *) payload + n, sealed, (int) len + NONCE_AND_TAG);
}

/* Whether this opens; it leaves nothing behind that TLS would take for its own error. */
static bool
opens(Seal *seal, const char *payload)
{
	bool		open = seal_open(seal, payload, &event);

	assert_int_equal(ERR_peek_error(), 0);
	return open;
}

/* Whether this text opens, once sealed. */
static bool
opens_text(Seal *seal, const char *text)
{
	char		payload[12000];

	seal_text("e7", text, strlen(text), payload);
	return opens(seal, payload);
}

static void
what_was_sealed_opens(void **state)
{
	Seal	   *seal = seal_new(KEY);
	char		text[6000];

	assert_non_null(seal);
	for (int i = 0; i < 2; i++)
	{
		assert_true(opens(seal, GOOD));
		assert_int_equal(event.seq, 5);
		assert_string_equal(event.sender_id, "ben");
		assert_string_equal(event.text, EVENT);
		assert_int_equal(event.len, strlen(EVENT));
	}
	assert_true(opens_text(seal, "9007199254740991\n\n{}"));
	assert_int_equal(event.seq, INT64_C(9007199254740991));
	assert_null(event.sender_id);
	assert_string_equal(event.text, "{}");
	assert_true(opens_text(seal, "6\na\nb\n{\"n\":1}"));
	assert_string_equal(event.sender_id, "a\nb");
	assert_string_equal(event.text, "{\"n\":1}");
	/* Every length of base64, and the longest that a notification can have. */
	for (size_t len = 5; len <= 5960; len = len < 12 ? len + 1 : len + 5948)
	{
		memset(text, 'x', sizeof(text));
		memcpy(text, "1\ny\n", 4);
		text[len] = '\0';
		assert_true(opens_text(seal, text));
		assert_int_equal(event.len, len - 4);
		assert_string_equal(event.text, text + 4);
	}
	seal_free(seal);
}

static void
what_comes_in_clear_is_read(void **state)
{
	Seal	   *seal = seal_new(KEY);
	char		text[8000] = "E7 1\ny\n";
	const char *broken[] = {"E", "E7", "E7 ", "E7 5", "E7 5\nben", "E7 5\nben\n", "E7 x\nben\n{}", "E7 0\nben\n{}", "E7 -5\nben\n{}", "E7 5x\nben\n{}"};

	assert_true(opens(seal, "E7 5\nben\n{\"n\":1}"));
	assert_int_equal(event.seq, 5);
	assert_string_equal(event.sender_id, "ben");
	assert_string_equal(event.text, "{\"n\":1}");
	assert_int_equal(event.len, 7);
	assert_true(opens(seal, "E7 9007199254740991\n\n{}"));
	assert_null(event.sender_id);
	memset(text + 7, 'x', 5950);
	assert_true(opens(seal, text));
	assert_int_equal(event.len, 5950);
	memset(text + 7, 'x', sizeof(text) - 8);
	assert_false(opens(seal, text));
	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++)
		assert_false(opens(seal, broken[i]));
	seal_free(seal);
}

static void
what_was_changed_does_not_open(void **state)
{
	Seal	   *seal = seal_new(KEY);
	char		payload[sizeof(GOOD)];
	unsigned char sealed[sizeof(GOOD)];
	int			len = EVP_DecodeBlock(sealed, (const unsigned char *) GOOD + 3, (int) strlen(GOOD) - 3);

	for (int bit = 0; bit < len * 8; bit++)
	{
		sealed[bit / 8] ^= (unsigned char) (1 << bit % 8);
		memcpy(payload, "e7 ", 3);
		EVP_EncodeBlock((unsigned char *) payload + 3, sealed, len);
		assert_false(opens(seal, payload));
		sealed[bit / 8] ^= (unsigned char) (1 << bit % 8);
	}
	for (int cut = 0; cut < len; cut++)
	{
		EVP_EncodeBlock((unsigned char *) payload + 3, sealed, cut);
		assert_false(opens(seal, payload));
	}
	for (size_t cut = 0; cut < strlen(GOOD); cut++)
	{
		memcpy(payload, GOOD, cut);
		payload[cut] = '\0';
		assert_false(opens(seal, payload));
	}
	assert_true(opens(seal, GOOD));
	seal_free(seal);
}

static void
what_was_not_sealed_does_not_open(void **state)
{
	Seal	   *seal = seal_new(KEY);
	char		long_one[9000];
	static const char *const bad[] = {
		"", "e", "e7", "e7 ", "e7 =", "e7 ==", "e7 ====", "e7 A===", "e7 AAAA", "e7 AA=A", "e7 !!!!", "e7 AAAA AAAA", "e7  AAAA", "e7\nAAAA",
		"e7 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", "e7 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "e7 5\nben\n" EVENT
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(opens(seal, bad[i]));
	memset(long_one, 'A', sizeof(long_one));
	memcpy(long_one, "e7 ", 3);
	for (size_t len = 7990; len < sizeof(long_one); len++)
	{
		char		kept = long_one[len];

		long_one[len] = '\0';
		assert_false(opens(seal, long_one));
		long_one[len] = kept;
	}
	seal_free(seal);
}

/* A message of one room is none of another one, nor with another key. */
static void
seal_is_of_one_room_and_key(void **state)
{
	Seal	   *seal = seal_new(KEY);
	Seal	   *other = seal_new("11080f161d242b323940474e555c636a71787f868d949ba2a9b0b7bec5ccd3da");
	char		payload[sizeof(GOOD) + 10];

	for (size_t i = 0; i < 5; i++)
	{
		static const char *const heads[] = {"e8", "r7", "e07", "e7x", "e"};

		snprintf(payload, sizeof(payload), "%s%s", heads[i], GOOD + 2);
		assert_false(opens(seal, payload));
	}
	assert_false(opens(other, GOOD));
	seal_free(seal);
	seal_free(other);
}

static void
sealed_nonsense_is_no_event(void **state)
{
	Seal	   *seal = seal_new(KEY);
	static const char *const bad[] = {
		"x", "\n", "\n\n", "5", "5\n", "5\nben", "5\nben\n", "\nben\n{}", "0\nben\n{}", "-5\nben\n{}", "+5\nben\n{}", " 5\nben\n{}",
		"5x\nben\n{}", "5 \nben\n{}", "0x5\nben\n{}"
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(opens_text(seal, bad[i]));
	seal_free(seal);
}

static void
bad_keys(void **state)
{
	static const char *const bad[] = {
		"", "01", KEY "0", KEY "00", "0108:f161d242b323940474e555c636a71787f868d949ba2a9b0b7bec5ccd3da",
		"x1080f161d242b323940474e555c636a71787f868d949ba2a9b0b7bec5ccd3da", "01080f161d242b323940474e555c636a71787f868d949ba2a9b0b7bec5ccd3d"
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		assert_null(seal_new(bad[i]));
		assert_int_equal(ERR_peek_error(), 0);
	}
	seal_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_sealed_opens),
		cmocka_unit_test(what_comes_in_clear_is_read),
		cmocka_unit_test(what_was_changed_does_not_open),
		cmocka_unit_test(what_was_not_sealed_does_not_open),
		cmocka_unit_test(seal_is_of_one_room_and_key),
		cmocka_unit_test(sealed_nonsense_is_no_event),
		cmocka_unit_test(bad_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
