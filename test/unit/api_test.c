/*
 * api_test.c
 *	  The HTTP API without sockets: routes, requests that become frames, their
 *	  answers, and requests that wait for an event.
 */
#include "live.h"

#include "api.h"

static int	nanswers;
static int	status;
static char body[1024];
static int64_t retry_after;
static bool challenge;

static void
answered(void *arg, const ApiAnswer *answer)
{
	nanswers++;
	status = answer->status;
	retry_after = answer->retry_after;
	challenge = answer->challenge;
	snprintf(body, sizeof(body), "%.*s", (int) answer->len, answer->body);
}

static const ApiPort port = {answered, NULL};

/* A request as user a; args end with NULL. */
static ApiCall *
request(ApiMethod method, const char *path, const char *text, const char *const *args)
{
	ApiRequest	one = {.method = method, .path = path, .args = args, .token = "user:a", .body = text};

	while (args && args[one.nargs])
		one.nargs++;
	one.body_len = text ? strlen(text) : 0;
	nanswers = 0;
	return api_call(&relay, &one, &port, NULL);
}

static void
routes(void **state)
{
	assert_true(api_is_path("/api/x"));
	assert_false(api_is_path("/apiary"));
	assert_null(api_find_route("/api"));
	assert_null(api_find_route("/api/tasks/t/rooms"));
	assert_null(api_find_route("/api/tasks/t/messages/x"));
	assert_null(api_find_route("/api/tasks//messages"));
	assert_non_null(api_find_route("/api/tasks/t/messages"));
	assert_non_null(api_find_route("/api/messages"));
	assert_true(api_has_method(api_find_route("/api/rooms"), API_GET));
	assert_false(api_has_method(api_find_route("/api/rooms"), API_POST));
	assert_string_equal(api_allow(api_find_route("/api/tasks/t/read")), "POST, OPTIONS");
	assert_string_equal(api_allow(api_find_route("/api/user/presence")), "GET, HEAD, POST, OPTIONS");
}

static void
requests_become_frames(void **state)
{
	static const struct
	{
		ApiMethod	method;
		const char *path;
		const char *body;
		const char *args[4];
		const char *frame;
	}			cases[] = {
		{API_GET, "/api/tasks/t/messages", NULL, {"before_seq=9", "limit=2", "other=x"},
		"{\"type\":\"get_messages\",\"task_id\":\"t\",\"before_seq\":9,\"limit\":2}"},
		{API_GET, "/api/messages", NULL, {"task_id=a/b", "applicant_id=z"},
		"{\"type\":\"get_messages\",\"task_id\":\"a/b\",\"applicant_id\":\"z\"}"},
		{API_GET, "/api/tasks/a%2Fb%25/messages", NULL, {0}, "{\"type\":\"get_messages\",\"task_id\":\"a/b%\"}"},
		{API_GET, "/api/rooms", NULL, {"offset=3"}, "{\"type\":\"get_rooms\",\"offset\":3}"},
		{API_GET, "/api/user/presence", NULL, {"user_id=u", "user_id=v\"w"}, "{\"type\":\"user_presence\",\"user_ids\":[\"u\",\"v\\\"w\"]}"},
		{API_POST, "/api/tasks/t/read", "{\"seq\":4}", {0}, "{\"seq\":4,\"type\":\"mark_read\",\"task_id\":\"t\"}"},
		{API_POST, "/api/tasks/t/send-message", " { \"content\":\"x\", \"type\":\"ping\"} ", {"applicant_id=z"},
		"{\"content\":\"x\", \"type\":\"ping\",\"type\":\"send_message\",\"task_id\":\"t\",\"applicant_id\":\"z\"}"},
		{API_POST, "/api/user/presence", "{\"is_online\":true}", {0}, "{\"is_online\":true,\"type\":\"set_presence\"}"},
	};
	CommandRow	row = {.data = "{}", .data_len = 2};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		assert_non_null(request(cases[i].method, cases[i].path, cases[i].body, cases[i].args));
		assert_string_equal(asked[0].frame, cases[i].frame);
		assert_string_equal(asked[0].user_id, "a");
		answer(&row, 1);
		assert_int_equal(nanswers, 1);
	}
}

static void
bad_requests_ask_nobody(void **state)
{
	static const struct
	{
		ApiMethod	method;
		const char *path;
		const char *body;
		const char *args[3];
		int			status;
	}			cases[] = {
		{API_GET, "/api/tasks/t/messages", NULL, {"limit=abc"}, 400},
		{API_GET, "/api/tasks/t/messages", NULL, {"limit="}, 400},
		{API_GET, "/api/tasks/t/messages", NULL, {"limit=1.5"}, 400},
		{API_GET, "/api/tasks/t/messages", NULL, {"limit=1", "limit=2"}, 400},
		{API_GET, "/api/tasks/t/messages", NULL, {"after_seq=9007199254740992"}, 400},
		{API_GET, "/api/tasks/t/events", NULL, {"wait=-1"}, 400},
		{API_GET, "/api/tasks/t/events", NULL, {"after_seq=-1"}, 400},
		{API_GET, "/api/messages", NULL, {0}, 400},
		{API_GET, "/api/tasks/t/messages", NULL, {"applicant_id="}, 400},
		{API_GET, "/api/rooms", NULL, {"token=x"}, 400},
		{API_POST, "/api/tasks/t/read", NULL, {0}, 400},
		{API_POST, "/api/tasks/t/read", "[]", {0}, 400},
		{API_POST, "/api/tasks/t/read", "{\"seq\":\"1\"}", {0}, 400},
		{API_POST, "/api/tasks/t/read", "{\"seq\":1,\"task_id\":\"u\"}", {0}, 400},
		{API_POST, "/api/tasks/t/read", "{\"seq\":1,\"applicant_id\":\"y\"}", {"applicant_id=z"}, 400},
		{API_POST, "/api/user/presence", "{}", {0}, 400},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		assert_null(request(cases[i].method, cases[i].path, cases[i].body, cases[i].args));
		assert_int_equal(nanswers, 1);
		assert_int_equal(status, cases[i].status);
	}
	assert_int_equal(nasked, 0);
}

static void
statuses(void **state)
{
	static const char fresh[] = "{\"message\":{},\"duplicate\":false}";
	static const char old[] = "{\"message\":{},\"duplicate\":true}";
	CommandRow	rows[] = {
		{.data = fresh, .data_len = sizeof(fresh) - 1}, {.data = old, .data_len = sizeof(old) - 1},
		{.sqlstate = "42501", .message = "no"}, {.sqlstate = "08006", .message = "gone"},
	};
	const int	expected[] = {201, 200, 403, 503};

	config.rate_messages_burst = 4;
	for (int i = 0; i < 4; i++)
	{
		assert_non_null(request(API_POST, "/api/tasks/t/send-message", "{\"content\":\"x\"}", NULL));
		answer(&rows[i], 1);
		assert_int_equal(status, expected[i]);
	}
	assert_int_equal(retry_after, 1);
	assert_null(request(API_POST, "/api/tasks/t/send-message", "{\"content\":\"x\"}", NULL));
	assert_int_equal(status, 429);
	assert_int_equal(retry_after, 1);
	/* Whom nothing holds is remembered until the bucket is full again. */
	assert_non_null(relay.users);
	relay.now += 5000;
	relay_tick(&relay);
	assert_null(relay.users);
}

static void
no_token_no_answer(void **state)
{
	ApiRequest	one = {.method = API_GET, .path = "/api/rooms"};

	assert_null(api_call(&relay, &one, &port, NULL));
	assert_int_equal(status, 401);
	assert_true(challenge);
	one.token = "forged";
	assert_null(api_call(&relay, &one, &port, NULL));
	assert_int_equal(status, 401);
}

/* Answers a question for events with none, or with one. */
static void
answer_events(bool some)
{
	CommandRow	row = {.room_id = 7, .seq = some ? 4 : 3, .data = some ? "{\"events\":[1]}" : "{\"events\":[]}"};

	row.data_len = strlen(row.data);
	answer(&row, 1);
}

static void
waiting_ends_with_the_bell(void **state)
{
	const char *const args[] = {"after_seq=3", "wait=30", NULL};

	assert_non_null(request(API_GET, "/api/tasks/t/events", NULL, args));
	answer_events(false);
	assert_int_equal(nasked, 1);	/* once more, as a bell may have been missed */
	answer_events(false);
	assert_int_equal(nasked, 0);
	bell("r8");
	bell("e8 4");
	assert_int_equal(nasked, 0);
	bell("e7 4");
	assert_int_equal(nasked, 1);
	assert_int_equal(nopened, 0);	/* nobody has joined it */
	assert_int_equal(nanswers, 0);
	answer_events(true);
	assert_int_equal(nanswers, 1);
	assert_string_equal(body, "{\"events\":[1]}");
	assert_null(relay.parked);
}

static void
waiting_ends_with_time(void **state)
{
	const char *const args[] = {"after_seq=3", "wait=2", NULL};

	assert_non_null(request(API_GET, "/api/tasks/t/events", NULL, args));
	answer_events(false);
	answer_events(false);
	relay.now += 1999;
	relay_tick(&relay);
	assert_int_equal(nanswers, 0);
	relay.now += 1;
	relay_tick(&relay);
	assert_int_equal(nanswers, 1);
	assert_int_equal(status, 200);
	assert_string_equal(body, "{\"events\":[]}");
}

static void
waiting_outlives_the_database(void **state)
{
	const char *const args[] = {"after_seq=3", "wait=30", NULL};
	CommandRow	gone = {.sqlstate = "08006", .message = "gone"};

	assert_non_null(request(API_GET, "/api/tasks/t/events", NULL, args));
	answer_events(false);
	answer(&gone, 1);
	assert_int_equal(nanswers, 0);
	relay_query_events()->up(&relay, "e", false);
	assert_int_equal(nasked, 1);
	answer_events(true);
	assert_int_equal(nanswers, 1);
}

static void
waiting_ends_with_the_epoch(void **state)
{
	const char *const args[] = {"after_seq=3", "wait=30", NULL};

	assert_non_null(request(API_GET, "/api/tasks/t/events", NULL, args));
	answer_events(false);
	answer_events(false);
	assert_int_equal(nanswers, 0);
	relay_query_events()->up(&relay, "f", true);
	assert_int_equal(nasked, 1);
	answer_events(false);
	assert_int_equal(nanswers, 1);
	assert_int_equal(status, 200);
}

static void
a_client_that_went(void **state)
{
	const char *const args[] = {"after_seq=3", "wait=30", NULL};
	ApiCall    *call = request(API_GET, "/api/tasks/t/events", NULL, args);

	api_cancel(call);
	answer_events(true);
	call = request(API_GET, "/api/tasks/t/events", NULL, args);
	answer_events(false);
	answer_events(false);
	api_cancel(call);
	assert_null(relay.calls);
	assert_null(relay.parked);
	assert_int_equal(nanswers, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LIVE_TEST(routes),
		LIVE_TEST(requests_become_frames),
		LIVE_TEST(bad_requests_ask_nobody),
		LIVE_TEST(statuses),
		LIVE_TEST(no_token_no_answer),
		LIVE_TEST(waiting_ends_with_the_bell),
		LIVE_TEST(waiting_ends_with_time),
		LIVE_TEST(waiting_outlives_the_database),
		LIVE_TEST(waiting_ends_with_the_epoch),
		LIVE_TEST(a_client_that_went),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
