/*
 * websocket_fuzz.c
 *	  Any bytes as the frames of a client: what is read must not depend on how
 *	  the bytes are cut, and must be what the rest of the relay relies on.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "websocket.h"

#define LIMIT 1000
#define MAX_NOTES 1024

/* One thing that was read. */
typedef struct Note
{
	WebSocketEvent event;
	int			code;
	size_t		len;
	uint32_t	hash;
} Note;

static uint32_t
hash_of(const void *bytes, size_t len)
{
	uint32_t	hash = 2166136261u;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ ((const uint8_t *) bytes)[i]) * 16777619u;
	return hash;
}

static void
want(bool holds)
{
	if (!holds)
		abort();
}

static Note
note_of(const WebSocketReader *reader, WebSocketEvent event)
{
	Note		note = {event, 0, 0, 0};

	if (event == WEBSOCKET_IS_TEXT)
	{
		want(reader->text_len <= LIMIT && reader->text[reader->text_len] == '\0' && json_is_utf8(reader->text, reader->text_len));
		note.len = reader->text_len;
		note.hash = hash_of(reader->text, reader->text_len);
	}
	else if (event == WEBSOCKET_IS_PING || event == WEBSOCKET_IS_PONG)
	{
		want(reader->control_len <= WEBSOCKET_CONTROL_BYTES);
		note.len = reader->control_len;
		note.hash = hash_of(reader->control, reader->control_len);
	}
	else
		note.code = reader->code;
	if (event == WEBSOCKET_FAILED)
		want(reader->reason && (reader->code == 1002 || reader->code == 1003 || reader->code == 1007 || reader->code == 1009));
	return note;
}

/* Reads all in pieces whose sizes follow from the seed; 0: in one. */
static size_t
read_all(const uint8_t *data, size_t size, uint32_t seed, Note *notes)
{
	WebSocketReader reader = {0};
	size_t		n = 0;
	bool		over = false;

	while (size > 0 && !over)
	{
		size_t		piece = seed ? 1 + (seed = seed * 1664525u + 1013904223u) % 7 : size;
		const unsigned char *at = data;
		size_t		left = piece = piece < size ? piece : size;
		WebSocketEvent event;

		while (!over && (event = websocket_read(&reader, &at, &left, LIMIT)) != WEBSOCKET_MORE)
		{
			if (n < MAX_NOTES)
				notes[n++] = note_of(&reader, event);
			over = event == WEBSOCKET_IS_CLOSE || event == WEBSOCKET_FAILED;
		}
		want(over || left == 0);
		data += piece;
		size -= piece;
	}
	websocket_reset(&reader);
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Note whole[MAX_NOTES];
	static Note pieces[MAX_NOTES];
	size_t		n = read_all(data, size, 0, whole);

	for (uint32_t seed = 1; seed < 4; seed++)
	{
		want(read_all(data, size, seed, pieces) == n);
		for (size_t i = 0; i < n; i++)
			want(whole[i].event == pieces[i].event && whole[i].code == pieces[i].code
				 && whole[i].len == pieces[i].len && whole[i].hash == pieces[i].hash);
	}
	return 0;
}
