/*
 * command_test.c
 *	  Client frames: their shapes, their replies, their limits.
 */
#include "live.h"

static void
bad_frames_get_clear_errors(void **state)
{
	static const struct
	{
		const char *frame;
		const char *part;
	}			cases[] = {
		{"{broken", "\"bad_request\""},
		{"[]", "\"bad_request\""},
		{"{}", "\"bad_request\""},
		{"{\"type\":\"nonsense\",\"ref\":5}", "\"ref\":5,\"ok\":false,\"error\":{\"code\":\"unknown_type\""},
		{"{\"type\":\"ping\",\"ref\":{}}", "\"bad_request\""},
		{"{\"type\":\"ping\",\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]],\"ref\":6}", "\"ref\":6,\"ok\":false,\"error\":{\"code\":\"bad_request\""},
		{"{\"type\":\"ping\",\"ref\":7,\"x\":\"\\u0000\"}", "\"ref\":7,\"ok\":false,\"error\":{\"code\":\"bad_request\""},
		{"{\"type\":\"ping\",\"ref\":8,\"x\":-123456789012345678901234567890}", "\"ref\":8,\"ok\":true"},
		{"{\"type\":\"mark_read\",\"task_id\":\"t\",\"seq\":123456789012345678901234567890,\"ref\":9}", "\"ref\":9,\"ok\":false,\"error\":{\"code\":\"bad_request\""},
		{"{\"type\":\"send_message\",\"content\":\"x\"}", "task_id"},
		{"{\"type\":\"send_message\",\"task_id\":1,\"content\":\"x\"}", "task_id"},
		{"{\"type\":\"mark_read\",\"task_id\":\"t\",\"seq\":\"1\"}", "seq"},
		{"{\"type\":\"join_task_rooms\",\"rooms\":[1]}", "\"bad_request\""},
		{"{\"type\":\"typing_indicator\",\"task_id\":\"t\",\"is_typing\":true}", "\"not_joined\""},
	};
	Wire		wire;

	login(&wire, "a");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		say(&wire, cases[i].frame);
		expect(&wire, cases[i].part);
	}
	assert_int_equal(nasked, 0);
	assert_int_equal(wire.close_code, 0);
}

static void
frame_goes_as_it_is(void **state)
{
	static const char frame[] = "{\"type\":\"send_message\",\"task_id\":\"t\",\"content\":\"x\",\"more\":1,\"ref\":1}";
	CommandRow	row = {.data = "{\"message\":{}}", .data_len = 14};
	Wire		wire;

	login(&wire, "a");
	say(&wire, frame);
	assert_int_equal(nasked, 1);
	assert_string_equal(asked[0].frame, frame);
	assert_string_equal(asked[0].user_id, "a");
	assert_int_equal(asked[0].lane, LANE_WRITE);
	expect_nothing(&wire);
	answer(&row, 1);
	expect(&wire, "{\"type\":\"reply\",\"ref\":1,\"ok\":true,\"data\":{\"message\":{}}}");
}

static void
database_out_of_reach(void **state)
{
	CommandRow	row = {.sqlstate = "08006", .message = "gone"};
	Wire		wire;

	login(&wire, "a");
	say(&wire, "{\"type\":\"get_messages\",\"task_id\":\"t\"}");
	answer(&row, 1);
	expect(&wire, "\"unavailable\"");
	assert_non_null(strstr(wire.last, "\"retry_after_ms\":1000"));
	assert_int_equal(wire.close_code, 0);
}

/* Each error that is answered counts once, whatever became of the frame before. */
static void
errors_are_counted(void **state)
{
	CommandRow	row = {.sqlstate = "42501", .message = "no"};
	const uint64_t *refused = relay.metrics.refused;
	Wire		wire;

	connect_wire(&wire);
	say(&wire, "{\"type\":\"ping\"}");
	say(&wire, "{\"type\":\"authenticate\",\"token\":\"user:a\"}");
	say(&wire, "{");
	say(&wire, "{}");
	say(&wire, "{\"type\":\"nonsense\"}");
	say(&wire, "{\"type\":\"mark_read\",\"task_id\":\"t\"}");
	say(&wire, "{\"type\":\"get_messages\",\"task_id\":\"t\"}");
	answer(&row, 1);
	assert_int_equal(refused[WIRE_UNAUTHENTICATED], 1);
	assert_int_equal(refused[WIRE_BAD_REQUEST], 3);
	assert_int_equal(refused[WIRE_UNKNOWN_TYPE], 1);
	assert_int_equal(refused[WIRE_FORBIDDEN], 1);
}

static void
messages_are_limited(void **state)
{
	Wire		wire;

	login(&wire, "a");
	for (int i = 0; i < 4; i++)
		say(&wire, "{\"type\":\"send_message\",\"task_id\":\"t\",\"content\":\"x\"}");
	assert_int_equal(nasked, 3);
	expect(&wire, "\"retry_after_ms\":100");
	relay.now += 100;
	say(&wire, "{\"type\":\"send_message\",\"task_id\":\"t\",\"content\":\"x\"}");
	assert_int_equal(nasked, 4);
}

static void
flooding_ends(void **state)
{
	Wire		wire;

	login(&wire, "a");
	for (int i = 0; i < 99; i++)
		say(&wire, "{");
	assert_int_equal(wire.close_code, 0);
	say(&wire, "{");
	assert_int_equal(wire.close_code, CLOSE_FLOODING);
}

static void
ack_is_quiet(void **state)
{
	CommandRow	row = {.room_id = 7, .data = "{}", .data_len = 2};
	Wire		wire;

	login(&wire, "a");
	say(&wire, "{\"type\":\"ack\",\"task_id\":\"t\",\"seq\":4}");
	assert_non_null(strstr(asked[0].frame, "find_room"));
	answer(&row, 1);
	assert_int_equal(delivered, 4);
	expect_nothing(&wire);
}

static void
answer_to_a_gone_session(void **state)
{
	Wire		wire;

	login(&wire, "a");
	say(&wire, "{\"type\":\"join_task_room\",\"task_id\":\"t\"}");
	session_free(wire.session);
	answer_join(1);
	assert_null(relay.orphans);
	assert_null(relay.rooms);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LIVE_TEST(bad_frames_get_clear_errors),
		LIVE_TEST(frame_goes_as_it_is),
		LIVE_TEST(database_out_of_reach),
		LIVE_TEST(errors_are_counted),
		LIVE_TEST(messages_are_limited),
		LIVE_TEST(flooding_ends),
		LIVE_TEST(ack_is_quiet),
		LIVE_TEST(answer_to_a_gone_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
