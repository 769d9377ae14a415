/*
 * command_fuzz.c
 *	  Any bytes as the frames of one client (0x1e between two), and any answers
 *	  of the database: whatever is sent back must be JSON, and nothing may stay
 *	  behind when the client has gone.
 */
#include "../unit/live.h"

#define MAX_FRAMES 64

/* What waits for the client: each frame must be a JSON object. */
static void
read_all(Wire *wire)
{
	Frame	   *frame;

	while ((frame = session_next(wire->session)) != NULL)
	{
		size_t		len;
		const char *error;
		const char *text = frame_payload(frame, &len);
		JsonValue  *object = json_parse(text, len, &error);

		if (object == NULL)
		{
			fprintf(stderr, "%s: %.*s\n", error, (int) len, text);
			abort();
		}
		json_free(object);
		frame_unref(frame);
	}
}

/* One answer of the database, chosen by a byte of the input. */
static void
answer_by(uint8_t choice)
{
	CommandRow	refused = {.sqlstate = "42501", .message = "no such \"room\""};
	CommandRow	lost = {.sqlstate = "08006", .message = "gone"};
	CommandRow	odd = {.sqlstate = "XX000"};
	CommandRow	data = {.room_id = 7, .seq = 1, .role = "worker", .data = "{}", .data_len = 2};

	switch (choice % 5)
	{
		case 0:
			answer_join(choice);
			break;
		case 1:
			answer(&refused, 1);
			break;
		case 2:
			answer(&lost, 1);
			break;
		case 3:
			answer(&odd, 1);
			break;
		default:
			answer(&data, 1);
	}
}

static void
say_bytes(Wire *wire, const uint8_t *data, size_t len)
{
	char	   *text = malloc(len + 1);

	memcpy(text, data, len);
	text[len] = '\0';
	session_receive(wire->session, text, len);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size;
	uint8_t		turn = size ? data[size / 2] : 0;
	Wire		wire;

	live_setup(NULL);
	if (turn & 1)
		login(&wire, "a");
	else
		connect_wire(&wire);
	for (int i = 0; i < MAX_FRAMES && data < end; i++)
	{
		const uint8_t *stop = memchr(data, 0x1e, (size_t) (end - data));

		stop = stop ? stop : end;
		say_bytes(&wire, data, (size_t) (stop - data));
		while (nasked > 4)
			answer_by(turn++);
		relay.now += 100;
		relay_tick(&relay);
		read_all(&wire);
		data = stop + 1;
	}
	if (turn & 2)
		session_free(wire.session);
	while (nasked > 0)
		answer_by(turn++);
	if (!(turn & 2) && relay.sessions)
		read_all(&wire);
	live_teardown(NULL);
	return 0;
}
