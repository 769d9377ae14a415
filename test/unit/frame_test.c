/*
 * frame_test.c
 *	  Frames as RFC 6455 section 5.2 wants them, at every length of header.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "frame.h"

static void
has_header(size_t len, const unsigned char *header, size_t header_len)
{
	char	   *text = malloc(len + 1);
	Frame	   *frame;
	const unsigned char *bytes;
	size_t		got;

	memset(text, 'x', len);
	frame = frame_new(text, len);
	assert_non_null(frame);
	bytes = frame_bytes(frame, &got);
	assert_int_equal(got, header_len + len);
	assert_memory_equal(bytes, header, header_len);
	assert_memory_equal(bytes + header_len, text, len);
	assert_memory_equal(frame_payload(frame, &got), text, len);
	assert_int_equal(got, len);
	frame_unref(frame);
	free(text);
}

static void
headers(void **state)
{
	(void) state;
	has_header(0, (const unsigned char[]) {0x81, 0}, 2);
	has_header(125, (const unsigned char[]) {0x81, 125}, 2);
	has_header(126, (const unsigned char[]) {0x81, 126, 0, 126}, 4);
	has_header(65535, (const unsigned char[]) {0x81, 126, 0xff, 0xff}, 4);
	has_header(65536, (const unsigned char[]) {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}, 10);
}

static void
references(void **state)
{
	Frame	   *frame = frame_new("x", 1);
	size_t		len;

	(void) state;
	assert_ptr_equal(frame_ref(frame), frame);
	frame_unref(frame);
	assert_string_equal(frame_payload(frame, &len), "x");
	frame_unref(frame);
	frame_unref(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(headers), cmocka_unit_test(references)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
