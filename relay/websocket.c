/*
 * websocket.c
 *	  Reads the frames of a client (RFC 6455 section 5), bytes as they come:
 *	  checks every bit that a client must set or leave, unmasks, joins the
 *	  fragments of a message, holds its text against UTF-8 as it grows.
 *
 * No extension is negotiated, so all reserved bits and opcodes are errors.
 * What is too large is refused by its announcement, before it is waited for.
 */
#include "websocket.h"

#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "protocol.h"

#define CONTINUATION 0
#define TEXT 1
#define BINARY 2

static WebSocketEvent
fail(WebSocketReader *reader, int code, const char *reason)
{
	reader->code = code;
	reader->reason = reason;
	return WEBSOCKET_FAILED;
}

/* How long the head of this frame is, as far as its first two bytes tell. */
static size_t
head_size(const WebSocketReader *reader)
{
	int			length = reader->head_len < 2 ? 0 : reader->head[1] & 0x7f;

	return 2 + (length == 126 ? 2 : length == 127 ? 8 : 0) + 4;
}

static uint64_t
read_big_endian(const unsigned char *bytes, size_t n)
{
	uint64_t	value = 0;

	for (size_t i = 0; i < n; i++)
		value = value << 8 | bytes[i];
	return value;
}

/* What is wrong with the first two bytes of a frame; a constant, or NULL. */
static const char *
first_bytes_problem(const WebSocketReader *reader)
{
	int			opcode = reader->head[0] & 0x0f;
	bool		fin = (reader->head[0] & 0x80) != 0;

	if (reader->head[0] & 0x70)
		return "reserved bits";
	if ((reader->head[1] & 0x80) == 0)
		return "a frame without a mask";
	if (opcode > WEBSOCKET_PONG || (opcode > BINARY && opcode < WEBSOCKET_CLOSE))
		return "reserved opcode";
	if (opcode >= WEBSOCKET_CLOSE && (!fin || (reader->head[1] & 0x7f) > WEBSOCKET_CONTROL_BYTES))
		return "a control frame that is long or in pieces";
	if (opcode == CONTINUATION && !reader->in_message)
		return "a continuation of nothing";
	if (opcode > CONTINUATION && opcode < WEBSOCKET_CLOSE && reader->in_message)
		return "a message within a message";
	return NULL;
}

/* The head is whole: the frame begins. */
static WebSocketEvent
begin_frame(WebSocketReader *reader, size_t limit)
{
	int			length = reader->head[1] & 0x7f;

	reader->opcode = (unsigned char) (reader->head[0] & 0x0f);
	reader->fin = (reader->head[0] & 0x80) != 0;
	reader->left = length < 126 ? (uint64_t) length : read_big_endian(reader->head + 2, length == 126 ? 2 : 8);
	if ((length == 126 && reader->left < 126) || (length == 127 && (reader->left < 65536 || reader->left >> 63)))
		return fail(reader, CLOSE_PROTOCOL, "a length in the wrong form");
	reader->in_payload = true;
	reader->masked = 0;
	if (reader->opcode >= WEBSOCKET_CLOSE)
	{
		if (reader->left > 0 && (reader->control = malloc((size_t) reader->left)) == NULL)
			return fail(reader, CLOSE_INTERNAL, "out of memory");
		return WEBSOCKET_MORE;
	}
	if (reader->opcode == BINARY)
		return fail(reader, CLOSE_UNSUPPORTED, "text frames only");
	if (reader->left > limit || reader->text_len + reader->left > limit || ++reader->fragments > limit)
		return fail(reader, CLOSE_TOO_LARGE, "frame too large");
	reader->in_message = true;
	return WEBSOCKET_MORE;
}

/* Adds bytes to the head of a frame. */
static WebSocketEvent
read_frame_head(WebSocketReader *reader, const unsigned char **bytes, size_t *len, size_t limit)
{
	const char *problem;

	while (*len > 0 && reader->head_len < head_size(reader))
	{
		reader->head[reader->head_len++] = *(*bytes)++;
		(*len)--;
		if (reader->head_len == 2 && (problem = first_bytes_problem(reader)) != NULL)
			return fail(reader, CLOSE_PROTOCOL, problem);
	}
	if (reader->head_len < 2 || reader->head_len < head_size(reader))
		return WEBSOCKET_MORE;
	return begin_frame(reader, limit);
}

/* Whether the bytes may go on the text so far: shortest forms, no surrogates (RFC 3629). */
static bool
utf8_goes_on(WebSocketReader *reader, const unsigned char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = bytes[i];

		if (reader->utf8_more > 0)
		{
			if (c < reader->utf8_low || c > reader->utf8_high)
				return false;
			reader->utf8_more--;
			reader->utf8_low = 0x80;
			reader->utf8_high = 0xbf;
			continue;
		}
		if (c < 0x80)
			continue;
		if (c < 0xc2 || c > 0xf4)
			return false;
		reader->utf8_more = (unsigned char) (c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3);
		reader->utf8_low = (unsigned char) (c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80);
		reader->utf8_high = (unsigned char) (c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf);
	}
	return true;
}

/* Makes room for more text and its end; only as much as has come is kept. */
static bool
reserve_text(WebSocketReader *reader, size_t more)
{
	size_t		size = reader->text_len + more + 1;
	char	   *text;

	if (size <= reader->text_size)
		return true;
	if (reader->text && size < reader->text_size * 2)
		size = reader->text_size * 2;
	text = realloc(reader->text, size);
	if (text == NULL)
		return false;
	reader->text = text;
	reader->text_size = size;
	return true;
}

/* Copies a piece of payload without its mask. */
static void
unmask(WebSocketReader *reader, unsigned char *out, const unsigned char *in, size_t len)
{
	const unsigned char *mask = reader->head + reader->head_len - 4;

	for (size_t i = 0; i < len; i++)
		out[i] = (unsigned char) (in[i] ^ mask[(reader->masked + i) & 3]);
	reader->masked = (unsigned char) ((reader->masked + len) & 3);
}

/* Takes what there is of the payload. */
static WebSocketEvent
read_payload(WebSocketReader *reader, const unsigned char **bytes, size_t *len)
{
	size_t		n = *len < reader->left ? *len : (size_t) reader->left;

	if (reader->opcode >= WEBSOCKET_CLOSE)
	{
		unmask(reader, reader->control + reader->control_len, *bytes, n);
		reader->control_len += n;
	}
	else
	{
		unsigned char *end;

		if (!reserve_text(reader, n))
			return fail(reader, CLOSE_INTERNAL, "out of memory");
		end = (unsigned char *) reader->text + reader->text_len;
		unmask(reader, end, *bytes, n);
		if (!utf8_goes_on(reader, end, n))
			return fail(reader, CLOSE_BAD_UTF8, "bad UTF-8");
		reader->text_len += n;
	}
	*bytes += n;
	*len -= n;
	reader->left -= n;
	return WEBSOCKET_MORE;
}

/* Codes that may stand in a close frame (RFC 6455 section 7.4, and the registry). */
static bool
code_is_good(int code)
{
	return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) || (code >= 3000 && code <= 4999);
}

static WebSocketEvent
end_close(WebSocketReader *reader)
{
	const unsigned char *payload = reader->control;
	size_t		len = reader->control_len;

	reader->code = len < 2 ? WEBSOCKET_NO_CODE : payload[0] << 8 | payload[1];
	if (len == 1 || (len > 1 && !code_is_good(reader->code)))
		return fail(reader, CLOSE_PROTOCOL, "bad close frame");
	if (len > 2 && !json_is_utf8((const char *) payload + 2, len - 2))
		return fail(reader, CLOSE_BAD_UTF8, "bad UTF-8");
	return WEBSOCKET_IS_CLOSE;
}

/* A frame is whole. */
static WebSocketEvent
end_frame(WebSocketReader *reader)
{
	reader->head_len = 0;
	reader->in_payload = false;
	switch (reader->opcode)
	{
		case WEBSOCKET_CLOSE:
			return end_close(reader);
		case WEBSOCKET_PING:
			return WEBSOCKET_IS_PING;
		case WEBSOCKET_PONG:
			return WEBSOCKET_IS_PONG;
		default:
			break;
	}
	if (!reader->fin)
		return WEBSOCKET_MORE;
	if (reader->utf8_more > 0)
		return fail(reader, CLOSE_BAD_UTF8, "bad UTF-8");
	if (!reserve_text(reader, 0))
		return fail(reader, CLOSE_INTERNAL, "out of memory");
	reader->text[reader->text_len] = '\0';
	reader->in_message = false;
	reader->delivered = true;
	return WEBSOCKET_IS_TEXT;
}

static void
forget_control(WebSocketReader *reader)
{
	free(reader->control);
	reader->control = NULL;
	reader->control_len = 0;
}

/*
 * Reads on; *bytes and *len move behind what was used.  limit: the bytes that
 * a message may have.  What it gives is good until the next call; after
 * WEBSOCKET_FAILED and WEBSOCKET_IS_CLOSE there is none.
 */
WebSocketEvent
websocket_read(WebSocketReader *reader, const unsigned char **bytes, size_t *len, size_t limit)
{
	WebSocketEvent event = WEBSOCKET_MORE;

	if (reader->delivered)
		websocket_reset(reader);
	else if (!reader->in_payload)
		forget_control(reader);
	while (event == WEBSOCKET_MORE)
	{
		if (reader->in_payload && reader->left == 0)
			event = end_frame(reader);
		else if (*len == 0)
			break;
		else if (reader->in_payload)
			event = read_payload(reader, bytes, len);
		else
			event = read_frame_head(reader, bytes, len, limit);
	}
	return event;
}

/*
 * Forgets what was read, whole or not.
 */
void
websocket_reset(WebSocketReader *reader)
{
	forget_control(reader);
	free(reader->text);
	reader->text = NULL;
	reader->text_len = reader->text_size = reader->fragments = 0;
	reader->delivered = false;
}

/*
 * Writes a control frame with a payload of at most WEBSOCKET_CONTROL_BYTES to
 * out, two bytes more than that; returns its bytes.
 */
size_t
websocket_control(unsigned char *out, int opcode, const void *payload, size_t len)
{
	out[0] = (unsigned char) (0x80 | opcode);
	out[1] = (unsigned char) len;
	if (len > 0)
		memcpy(out + 2, payload, len);
	return len + 2;
}

/*
 * Writes a close frame, as websocket_control() does; the reason is cut where
 * it does not fit.
 */
size_t
websocket_close_frame(unsigned char *out, int code, const char *reason)
{
	unsigned char payload[WEBSOCKET_CONTROL_BYTES];
	size_t		len = strlen(reason);

	if (code == WEBSOCKET_NO_CODE)
		return websocket_control(out, WEBSOCKET_CLOSE, NULL, 0);
	payload[0] = (unsigned char) (code >> 8);
	payload[1] = (unsigned char) code;
	len = len > sizeof(payload) - 2 ? sizeof(payload) - 2 : len;
	memcpy(payload + 2, reason, len);
	return websocket_control(out, WEBSOCKET_CLOSE, payload, len + 2);
}
