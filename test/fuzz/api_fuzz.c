/*
 * api_fuzz.c
 *	  Any bytes as an HTTP request: method letter and path, query arguments and
 *	  the body, 0x1e between two. Every request gets one answer, of JSON.
 */
#include "../unit/live.h"

#include "api.h"

#define MAX_ARGS 16

static int	nanswers;

static void
answered(void *arg, const ApiAnswer *answer)
{
	const char *error;
	JsonValue  *object = json_parse(answer->body, answer->len, &error);

	if (object == NULL || answer->status < 200 || answer->status > 599)
		abort();
	json_free(object);
	nanswers++;
}

static void
looked(void *arg)
{
}

static const ApiPort api_port = {answered, looked};

/* A NUL-terminated copy of the bytes up to the next 0x1e; *data moves behind it. */
static char *
next_part(const uint8_t **data, const uint8_t *end)
{
	const uint8_t *stop = memchr(*data, 0x1e, (size_t) (end - *data));
	size_t		len;
	char	   *part;

	stop = stop ? stop : end;
	len = (size_t) (stop - *data);
	part = malloc(len + 1);
	memcpy(part, *data, len);
	part[len] = '\0';
	*data = stop < end ? stop + 1 : end;
	return part;
}

/* The answer of a database that has a row or an error. */
static void
answer_command(uint8_t choice)
{
	CommandRow	data = {.room_id = 7, .seq = 1, .role = "worker", .data = "{\"events\":[],\"has_more\":false}", .data_len = 30};
	CommandRow	refused = {.sqlstate = "42501", .message = "no such \"room\""};

	data.data_len = strlen(data.data);
	answer(choice & 1 ? &data : &refused, 1);
}

/* Makes the call that the server makes of a request with a route and a method. */
static void
call_api(const ApiRequest *request, uint8_t turn)
{
	const ApiRoute *route = api_find_route(request->path);

	if (route == NULL || !api_has_method(route, request->method) || request->method > API_POST)
		return;
	nanswers = 0;
	api_call(&relay, request, &api_port, NULL);
	for (int i = 0; i < 400 && nanswers == 0; i++)
	{
		while (nasked > 0)
			answer_command(turn);
		relay.now += 100;
		relay.wall += 100;
		api_tick(&relay);
	}
	if (nanswers != 1)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const ApiMethod methods[] = {API_GET, API_POST, API_OPTIONS, API_OTHER};
	const uint8_t *end = data + size;
	uint8_t		turn = size ? data[size - 1] : 0;
	char	   *path;
	char	   *args[MAX_ARGS];
	ApiRequest	request = {0};

	if (size < 2)
		return 0;
	live_setup(NULL);
	request.method = methods[*data++ & 3];
	path = next_part(&data, end);
	request.path = path;
	while (data < end && request.nargs < MAX_ARGS - 1)
		args[request.nargs++] = next_part(&data, end);
	if (request.method == API_POST && request.nargs > 0)
	{
		request.body = args[--request.nargs];
		request.body_len = strlen(request.body);
	}
	request.args = (const char *const *) args;
	request.token = turn & 2 ? "user:a" : turn & 4 ? NULL : "bad";
	call_api(&request, turn);
	free(path);
	for (size_t i = 0; i < request.nargs + (request.body != NULL); i++)
		free(args[i]);
	api_free_all(&relay);
	live_teardown(NULL);
	return 0;
}
