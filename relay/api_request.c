/*
 * api_request.c
 *	  Requests of the HTTP API become client frames: the same fields, checks
 *	  and functions as over the socket.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_internal.h"
#include "request.h"

#define MAX_USERS 100

static const char *const page_numbers[] = {"before_seq", "after_seq", "limit", NULL};
static const char *const event_numbers[] = {"after_seq", "limit", NULL};
static const char *const room_numbers[] = {"limit", "offset", NULL};

static const ApiRoute routes[] = {
	{"messages", true, {"get_messages", page_numbers, false, false}, {0}},
	{"events", true, {"get_events", event_numbers, true, false}, {0}},
	{"send-message", true, {0}, {"send_message", NULL, false, true}},
	{"read", true, {0}, {"mark_read", NULL, false, false}},
	{"rooms", false, {"get_rooms", room_numbers, false, false}, {0}},
	{"user/presence", false, {"user_presence", NULL, false, false}, {"set_presence", NULL, false, false}},
};

/*
 * Whether the path belongs to the API, though there may be no such route.
 */
bool
api_is_path(const char *path)
{
	return strncmp(path, "/api", 4) == 0 && (path[4] == '/' || path[4] == '\0');
}

/* The task and the rest of /api/tasks/{task_id}/rest; false when the path is another. */
static bool
split_task(const char *path, const char **task, size_t *task_len, const char **rest)
{
	static const char prefix[] = "/api/tasks/";
	const char *slash;

	if (strncmp(path, prefix, sizeof(prefix) - 1) != 0)
		return false;
	*task = path + sizeof(prefix) - 1;
	slash = strchr(*task, '/');
	if (slash == NULL || slash == *task)
		return false;
	*task_len = (size_t) (slash - *task);
	*rest = slash + 1;
	return true;
}

/*
 * The route of a path, or NULL.
 */
const ApiRoute *
api_find_route(const char *path)
{
	const char *task;
	const char *rest;
	size_t		task_len;
	bool		of_task = split_task(path, &task, &task_len, &rest);

	if (!of_task && strncmp(path, "/api/", 5) != 0)
		return NULL;
	if (!of_task)
		rest = path + 5;
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (strcmp(routes[i].name, rest) == 0 && (!of_task || routes[i].of_task))
			return &routes[i];
	return NULL;
}

/*
 * What the Allow header says of a route.
 */
const char *
api_allow(const ApiRoute *route)
{
	if (route->get.frame && route->post.frame)
		return "GET, HEAD, POST, OPTIONS";
	return route->get.frame ? "GET, HEAD, OPTIONS" : "POST, OPTIONS";
}

/*
 * Whether a route has this method.
 */
bool
api_has_method(const ApiRoute *route, ApiMethod method)
{
	return (method == API_GET && route->get.frame) || (method == API_POST && route->post.frame) || method == API_OPTIONS;
}

/* The value of a query parameter, or NULL; twice sets *doubled. */
static const char *
find_arg(const ApiRequest *request, const char *name, bool *doubled)
{
	size_t		len = strlen(name);
	const char *value = NULL;

	for (size_t i = 0; i < request->nargs; i++)
	{
		const char *arg = request->args[i];

		if (strncmp(arg, name, len) != 0 || (arg[len] != '=' && arg[len] != '\0'))
			continue;
		if (value && doubled)
			*doubled = true;
		value = arg[len] == '=' ? arg + len + 1 : arg + len;
	}
	return value;
}

/* A whole number within ±(2^53−1), as JSON writes it. */
static bool
read_number(const char *text, int64_t *number)
{
	const char *digits = text[0] == '-' ? text + 1 : text;
	size_t		len = strspn(digits, "0123456789");

	if (len == 0 || len > 16 || digits[len] != '\0')
		return false;
	*number = strtoll(text, NULL, 10);
	return *number <= INT64_C(9007199254740991) && *number >= -INT64_C(9007199254740991);
}

static void
add_name(JsonText *text, const char *name)
{
	if (text->len > 0 && text->data[text->len - 1] != '{')
		json_text_raw(text, ",");
	json_text_string(text, name);
	json_text_raw(text, ":");
}

static void
add_string(JsonText *text, const char *name, const char *value)
{
	add_name(text, name);
	json_text_string(text, value);
}

/* Adds the query's numbers; the name of the first bad one, or NULL. */
static const char *
add_numbers(ApiFrame *frame, const ApiRequest *request, const ApiVerb *verb)
{
	bool		doubled = false;
	const char *value;
	int64_t		number;

	for (const char *const *name = verb->numbers; name && *name; name++)
	{
		value = find_arg(request, *name, &doubled);
		if (value == NULL)
			continue;
		if (doubled || !read_number(value, &number))
			return *name;
		add_name(&frame->text, *name);
		json_text_integer(&frame->text, number);
		if (strcmp(*name, "after_seq") == 0)
			frame->after_seq = number > 0 ? number : 0;
	}
	value = verb->waits ? find_arg(request, "wait", &doubled) : NULL;
	if (value == NULL)
		return NULL;
	if (doubled || !read_number(value, &number) || number < 0)
		return "wait";
	frame->wait = number > MAX_WAIT ? MAX_WAIT : number;
	return NULL;
}

/* Adds the users that are asked about; false: too many. */
static bool
add_users(ApiFrame *frame, const ApiRequest *request)
{
	size_t		n = 0;

	add_name(&frame->text, "user_ids");
	json_text_raw(&frame->text, "[");
	for (size_t i = 0; i < request->nargs; i++)
	{
		if (strncmp(request->args[i], "user_id=", 8) != 0)
			continue;
		if (++n > MAX_USERS)
			return false;
		if (n > 1)
			json_text_raw(&frame->text, ",");
		json_text_string(&frame->text, request->args[i] + 8);
	}
	json_text_raw(&frame->text, "]");
	return true;
}

/*
 * Puts the members of the body's object in front.  What follows in the frame
 * has the same name and wins.
 */
static void
add_body(ApiFrame *frame, const ApiRequest *request)
{
	const char *start = strchr(request->body, '{');
	const char *end = request->body + request->body_len;

	while (end > start && *end != '}')
		end--;
	start++;
	start += strspn(start, " \t\r\n");
	if (start < end)
		json_text_raw_n(&frame->text, start, (size_t) (end - start));
}

/*
 * The id that path or query (outer) and body may both give: NULL when neither
 * does, *good false when they differ.
 */
static const char *
agreed_id(const char *outer, const JsonValue *body, const char *name, bool *good)
{
	const char *inner = body ? json_field_string(body, name) : NULL;
	JsonType	type = body ? json_field_type(body, name) : JSON_MISSING;

	*good = type == JSON_MISSING || type == JSON_NULL || (inner && (outer == NULL || strcmp(inner, outer) == 0));
	return outer ? outer : inner;
}

/* Adds type, task_id and applicant_id; what is wrong, a constant, or NULL. */
static const char *
add_address(ApiFrame *frame, const ApiRequest *request, const ApiRoute *route, const JsonValue *body)
{
	bool		doubled = false;
	bool		good = true;
	const char *task_id;
	const char *applicant_id;

	add_string(&frame->text, "type", frame->type->name);
	if (!route->of_task)
		return NULL;
	task_id = frame->task_id ? frame->task_id : find_arg(request, "task_id", &doubled);
	task_id = agreed_id(task_id, body, "task_id", &good);
	if (!good || doubled)
		return "task_id is given twice, or is no string";
	if (task_id == NULL)
		return "task_id is missing";
	if (frame->task_id == NULL && (frame->task_id = strdup(task_id)) == NULL)
		return "out of memory";
	applicant_id = agreed_id(find_arg(request, "applicant_id", &doubled), body, "applicant_id", &good);
	if (!good || doubled)
		return "applicant_id is given twice, or is no string";
	add_string(&frame->text, "task_id", frame->task_id);
	if (applicant_id)
		add_string(&frame->text, "applicant_id", applicant_id);
	return NULL;
}

/* Writes the frame's text; what is wrong, a constant, or NULL. */
static const char *
write_frame(ApiFrame *frame, const ApiRequest *request, const ApiRoute *route, const ApiVerb *verb,
			char *message, size_t size)
{
	const char *problem = "the body must be a JSON object";
	JsonValue  *body = NULL;

	json_text_raw(&frame->text, "{");
	if (request->method == API_POST)
	{
		if (request->body == NULL || (body = json_parse(request->body, request->body_len, &problem)) == NULL)
			return problem;
		add_body(frame, request);
	}
	problem = add_address(frame, request, route, body);
	json_free(body);
	if (problem)
		return problem;
	problem = add_numbers(frame, request, verb);
	if (problem)
	{
		snprintf(message, size, "%s is not a number that it can be", problem);
		return message;
	}
	if (strcmp(verb->frame, "user_presence") == 0 && !add_users(frame, request))
		return "at most 100 user_id";
	json_text_raw(&frame->text, "}");
	return frame->text.failed ? "out of memory" : NULL;
}

/*
 * Makes the frame of a request whose route has its method.  False with *code
 * and message; either way the frame is to be freed with api_free_frame().
 */
bool
api_make_frame(ApiFrame *frame, const ApiRequest *request, WireCode *code, char *message, size_t size)
{
	const ApiRoute *route = api_find_route(request->path);
	const ApiVerb *verb = request->method == API_POST ? &route->post : &route->get;
	const char *task;
	const char *rest;
	size_t		task_len;
	const char *problem;
	JsonValue  *made;
	bool		good;

	memset(frame, 0, sizeof(*frame));
	*code = WIRE_BAD_REQUEST;
	frame->type = strcmp(verb->frame, "set_presence") == 0 ? &http_set_presence : command_find_type(verb->frame);
	if (split_task(request->path, &task, &task_len, &rest) && route->of_task)
	{
		frame->task_id = strndup(task, task_len);
		if (frame->task_id)
			request_decode_rest(frame->task_id);
	}
	problem = write_frame(frame, request, route, verb, message, size);
	if (problem)
	{
		if (problem != message)
			snprintf(message, size, "%s", problem);
		return false;
	}
	made = json_parse(frame->text.data, frame->text.len, &problem);
	if (made == NULL)
	{
		snprintf(message, size, "%s", problem);
		return false;
	}
	good = command_check_fields(frame->type->fields, made, code, message, size);
	json_free(made);
	return good;
}

/*
 * Frees what a frame holds.
 */
void
api_free_frame(ApiFrame *frame)
{
	free(frame->task_id);
	json_text_reset(&frame->text);
}
