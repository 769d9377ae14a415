/*
 * frame.c
 *	  Ready-made WebSocket frames (RFC 6455 section 5.2): FIN, opcode text, no
 *	  mask, the shortest length.  One allocation a frame, counted references;
 *	  one thread only.
 */
#include "frame.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_HEADER 10

struct Frame
{
	size_t		references;		/* freed at 0 */
	size_t		header_len;		/* bytes of the header */
	size_t		len;			/* header and payload */
	unsigned char bytes[];		/* header, payload, one NUL */
};

static size_t
write_header(unsigned char *to, size_t len)
{
	size_t		bytes = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8;
	size_t		i;

	to[0] = 0x81;
	to[1] = bytes == 0 ? (unsigned char) len : bytes == 2 ? 126 : 127;
	for (i = 0; i < bytes; i++)
		to[2 + i] = (unsigned char) ((uint64_t) len >> (8 * (bytes - 1 - i)));
	return 2 + bytes;
}

/* A frame with a copy of the text and one reference; NULL when out of memory. */
Frame *
frame_new(const char *text, size_t len)
{
	Frame	   *frame = malloc(sizeof(Frame) + LONGEST_HEADER + len + 1);

	if (frame == NULL)
		return NULL;
	frame->references = 1;
	frame->header_len = write_header(frame->bytes, len);
	frame->len = frame->header_len + len;
	memcpy(frame->bytes + frame->header_len, text, len);
	frame->bytes[frame->len] = '\0';
	return frame;
}

/* One more reference; gives the frame back. */
Frame *
frame_ref(Frame *frame)
{
	frame->references++;
	return frame;
}

/* Gives a reference back; the last one frees the frame.  NULL is allowed. */
void
frame_unref(Frame *frame)
{
	if (frame != NULL && --frame->references == 0)
		free(frame);
}

/* Header and payload, *len bytes, borrowed. */
const unsigned char *
frame_bytes(const Frame *frame, size_t *len)
{
	*len = frame->len;
	return frame->bytes;
}

/* The text alone, *len bytes and a NUL, borrowed. */
const char *
frame_payload(const Frame *frame, size_t *len)
{
	*len = frame->len - frame->header_len;
	return (const char *) frame->bytes + frame->header_len;
}
