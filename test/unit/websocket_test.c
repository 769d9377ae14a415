/*
 * websocket_test.c
 *	  Frames of a client, whole and byte by byte: messages, control frames,
 *	  and what breaks RFC 6455. The long list of cases is told end to end; here
 *	  are the places where a byte more or less decides.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "websocket.h"

#define LIMIT 70000

static unsigned char wire[2 * LIMIT];
static size_t wire_len;
static WebSocketReader reader;
static const unsigned char *at;
static size_t left;

/* Begins a new stream. */
static void
begin(void)
{
	websocket_reset(&reader);
	memset(&reader, 0, sizeof(reader));
	wire_len = 0;
}

/* Adds a masked frame in the shortest form. */
static void
say(int first, const void *payload, size_t len)
{
	static const unsigned char mask[4] = {1, 0x80, 0xff, 7};

	wire[wire_len++] = (unsigned char) first;
	wire[wire_len++] = (unsigned char) (0x80 | (len < 126 ? len : len < 65536 ? 126 : 127));
	if (len >= 65536)
	{
		memset(wire + wire_len, 0, 4);
		wire_len += 4;
		wire[wire_len++] = (unsigned char) (len >> 24);
		wire[wire_len++] = (unsigned char) (len >> 16);
	}
	if (len >= 126)
	{
		wire[wire_len++] = (unsigned char) (len >> 8);
		wire[wire_len++] = (unsigned char) len;
	}
	memcpy(wire + wire_len, mask, 4);
	wire_len += 4;
	for (size_t i = 0; i < len; i++)
		wire[wire_len++] = (unsigned char) (((const unsigned char *) payload)[i] ^ mask[i & 3]);
}

/* The next thing that is read from the stream. */
static WebSocketEvent
next(void)
{
	return websocket_read(&reader, &at, &left, LIMIT);
}

static void
listen_from_start(void)
{
	at = wire;
	left = wire_len;
}

static void
texts(void **state)
{
	static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536, LIMIT};
	char	   *text = malloc(LIMIT);

	(void) state;
	memset(text, 'x', LIMIT);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
	{
		begin();
		say(0x81, text, sizes[i]);
		listen_from_start();
		assert_int_equal(next(), WEBSOCKET_IS_TEXT);
		assert_int_equal(reader.text_len, sizes[i]);
		assert_int_equal(strlen(reader.text), sizes[i]);
		assert_int_equal(next(), WEBSOCKET_MORE);
		assert_null(reader.text);
	}
	free(text);
	begin();
}

static void
pieces(void **state)
{
	WebSocketEvent events[64];

	(void) state;
	begin();
	say(0x01, "ab\xe2", 3);
	say(0x89, "ping", 4);
	say(0x00, "", 0);
	say(0x80, "\x82\xac!", 3);
	for (size_t i = 0; i < wire_len; i++)
	{
		at = wire + i;
		left = 1;
		events[i] = next();
		if (events[i] == WEBSOCKET_IS_PING)
			assert_memory_equal(reader.control, "ping", 4);
	}
	for (size_t i = 0; i < wire_len; i++)
		assert_int_equal(events[i], i == wire_len - 1 ? WEBSOCKET_IS_TEXT : i == 18 ? WEBSOCKET_IS_PING : WEBSOCKET_MORE);
	assert_string_equal(reader.text, "ab\xe2\x82\xac!");
	begin();
}

static void
fails(int code)
{
	WebSocketEvent event;

	listen_from_start();
	do
		event = next();
	while (event == WEBSOCKET_IS_TEXT || event == WEBSOCKET_IS_PING);
	assert_int_equal(event, WEBSOCKET_FAILED);
	assert_int_equal(reader.code, code);
	assert_non_null(reader.reason);
	begin();
}

static void
rules(void **state)
{
	char		big[126] = {0};

	(void) state;
	begin();
	say(0xc1, "", 0);
	fails(1002);
	say(0x83, "", 0);
	fails(1002);
	say(0x8b, "", 0);
	fails(1002);
	say(0x80, "", 0);
	fails(1002);
	say(0x09, "", 0);
	fails(1002);
	say(0x89, big, 126);
	fails(1002);
	say(0x01, "", 0);
	say(0x81, "", 0);
	fails(1002);
	memcpy(wire, (unsigned char[]) {0x81, 0x00}, wire_len = 2);
	fails(1002);
	memcpy(wire, (unsigned char[]) {0x81, 0xfe, 0, 125, 0, 0, 0, 0}, wire_len = 8);
	fails(1002);
	memcpy(wire, (unsigned char[]) {0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0}, wire_len = 14);
	fails(1002);
	memcpy(wire, (unsigned char[]) {0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, wire_len = 14);
	fails(1002);
	memcpy(wire, (unsigned char[]) {0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, wire_len = 14);
	fails(1009);
	say(0x82, "", 0);
	fails(1003);
	say(0x01, "\xed", 1);
	say(0x80, "\xa0\x80", 2);
	fails(1007);
	say(0x01, "\xe2\x82", 2);
	say(0x80, "", 0);
	fails(1007);
	say(0x81, "\xf4\x90\x80\x80", 4);
	fails(1007);
}

static void
too_large(void **state)
{
	char	   *text = calloc(1, LIMIT);

	(void) state;
	memset(text, 'x', LIMIT);
	begin();
	say(0x01, text, LIMIT);
	say(0x80, "x", 1);
	fails(1009);
	free(text);
	say(0x01, "", 0);
	listen_from_start();
	assert_int_equal(next(), WEBSOCKET_MORE);
	wire_len = 0;
	say(0x00, "", 0);
	for (int i = 1; i < LIMIT; i++)
	{
		listen_from_start();
		assert_int_equal(next(), WEBSOCKET_MORE);
	}
	fails(1009);
}

static void
closes(int code, const void *payload, size_t len)
{
	begin();
	say(0x88, payload, len);
	listen_from_start();
	assert_int_equal(next(), WEBSOCKET_IS_CLOSE);
	assert_int_equal(reader.code, code);
	begin();
}

static void
closing(void **state)
{
	unsigned char frame[2 + WEBSOCKET_CONTROL_BYTES];
	char		reason[200];

	(void) state;
	closes(WEBSOCKET_NO_CODE, "", 0);
	closes(1000, "\x03\xe8", 2);
	closes(4999, "\x13\x87\xc3\xbc", 4);
	say(0x88, "\x03", 1);
	fails(1002);
	say(0x88, "\x03\xed", 2);
	fails(1002);
	say(0x88, "\x07\xd0", 2);
	fails(1002);
	say(0x88, "\x13\x88", 2);
	fails(1002);
	say(0x88, "\x03\xe8\xff", 3);
	fails(1007);
	assert_int_equal(websocket_close_frame(frame, WEBSOCKET_NO_CODE, ""), 2);
	assert_memory_equal(frame, "\x88\x00", 2);
	assert_int_equal(websocket_close_frame(frame, 4401, "no"), 6);
	assert_memory_equal(frame, "\x88\x04\x11\x31no", 6);
	memset(reason, 'r', sizeof(reason) - 1);
	reason[sizeof(reason) - 1] = '\0';
	assert_int_equal(websocket_close_frame(frame, 1002, reason), sizeof(frame));
	assert_int_equal(websocket_control(frame, WEBSOCKET_PONG, "hi", 2), 4);
	assert_memory_equal(frame, "\x8a\x02hi", 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),
		cmocka_unit_test(pieces),
		cmocka_unit_test(rules),
		cmocka_unit_test(too_large),
		cmocka_unit_test(closing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
