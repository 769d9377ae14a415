/*
 * watch_test.c
 *	  room_activity, sessions that are ended, and when welcome comes.
 */
#include "live.h"
#include "watch.h"

/* The rooms of user a: 7 (last seq) and, when wanted, 8; then they are all. */
static void
attach(int64_t seq, bool both, int64_t ended)
{
	AttachRow	rows[] = {{"a", 0, 5, ended}, {"a", 7, seq, 0}, {"a", 8, 1, 0}};

	for (int i = 0; i < (both ? 3 : 2); i++)
		relay_query_events()->attach_row(&relay, &rows[i]);
	relay_query_events()->attach_done(&relay, "a", true);
}

static void
activity(int64_t room_id, int64_t last_seq, bool others)
{
	ActivityRow row = {room_id, "a", "t", NULL, last_seq, 2, others};

	relay_query_events()->activity_row(&relay, &row);
}

/* The slow poll looks at a user of few rooms each time, of many less often, but at least every twelfth time. */
static void
poll_looks_at_many_rooms_by_turns(void **state)
{
	static const struct
	{
		int			rooms;
		int			rounds;
	}			cases[] = {{1, 1}, {1999, 1}, {2000, 2}, {6500, 4}, {21999, 11}, {22000, 12}, {60000, 12}};
	Wire		wire;

	login(&wire, "a");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		watch_attach(presence_find(&relay, "a"));
		relay_query_events()->attach_row(&relay, &(AttachRow) {"a", 0, 5, 0});
		for (int n = 0; n < cases[i].rooms; n++)
			relay_query_events()->attach_row(&relay, &(AttachRow) {"a", 100 + n, 1, 0});
		relay_query_events()->attach_done(&relay, "a", true);
		nattach = 0;
		for (int round = 0; round < 3 * cases[i].rounds; round++)
		{
			int			before = nattach;

			relay_query_events()->poll(&relay);
			if (nattach > before)
				relay_query_events()->attach_done(&relay, "a", false);
		}
		assert_int_equal(nattach, 3);
	}
}

static void
welcome_comes_with_the_rooms(void **state)
{
	Wire		wire;

	ready = true;
	connect_wire(&wire);
	session_bearer(wire.session, "user:a", 6);
	expect_nothing(&wire);
	attach(3, false, 0);
	expect(&wire, "\"welcome\"");
	expect_nothing(&wire);
}

static void
welcome_does_not_wait_for_ever(void **state)
{
	Wire		wire;

	ready = true;
	connect_wire(&wire);
	session_bearer(wire.session, "user:a", 6);
	relay.now += 2000;
	relay_tick(&relay);
	expect(&wire, "\"welcome\"");
	attach(3, false, 0);
	expect_nothing(&wire);
}

static void
activity_is_merged(void **state)
{
	Wire		wire;

	login(&wire, "a");
	attach(3, false, 0);
	bell("r9");
	bell("e9 4");
	assert_int_equal(nactivity, 0);
	bell("e7 4");
	assert_int_equal(nactivity, 1);
	assert_int_equal(activity_after, 3);
	assert_int_equal(nopened, 0);
	activity(7, 4, true);
	expect(&wire, "{\"type\":\"room_activity\",\"task_id\":\"t\",\"applicant_id\":null,\"last_seq\":4,\"unread\":2,\"reason\":\"message\"}");
	for (int i = 0; i < 5; i++)
		bell("r7");
	relay.now += 999;
	relay_tick(&relay);
	assert_int_equal(nactivity, 1);
	relay.now += 1;
	relay_tick(&relay);
	assert_int_equal(nactivity, 2);
	assert_int_equal(activity_after, 4);
	/* Only the user's own messages came. */
	activity(7, 9, false);
	expect_nothing(&wire);
}

static void
who_has_joined_gets_the_events_instead(void **state)
{
	Wire		inside;
	Wire		outside;

	login(&inside, "a");
	login(&outside, "a");
	attach(3, false, 0);
	say(&inside, "{\"type\":\"join_task_room\",\"task_id\":\"t\",\"ref\":0}");
	answer_join(3);
	expect(&inside, "\"ref\":0");
	bell("e7 4");
	expect(&inside, "\"seq\":4,\"carried\":true");
	activity(7, 4, true);
	expect_nothing(&inside);
	expect(&outside, "room_activity");
	session_free(outside.session);
	relay.now += 1000;
	nactivity = 0;
	bell("r7");
	assert_int_equal(nactivity, 0);
}

static void
a_new_room_is_told(void **state)
{
	Wire		wire;

	login(&wire, "a");
	attach(3, false, 0);
	nattach = 0;
	bell("ma");
	bell("mstranger");
	assert_int_equal(nattach, 1);
	attach(3, true, 0);
	assert_int_equal(nactivity, 1);
	activity(8, 1, false);
	expect(&wire, "\"reason\":\"added\"");
	/* And one that the user has left is watched no more. */
	bell("ma");
	attach(3, false, 0);
	nactivity = 0;
	relay.now += 1000;
	bell("r8");
	assert_int_equal(nactivity, 0);
}

static void
a_bell_while_rooms_are_read(void **state)
{
	Wire		wire;

	login(&wire, "a");
	bell("r7");
	bell("r9");
	assert_int_equal(nactivity, 0);
	attach(3, false, 0);
	assert_int_equal(nactivity, 1);
	assert_null(relay.due);
}

static void
a_lost_bell_is_made_up_for(void **state)
{
	Wire		wire;

	login(&wire, "a");
	attach(3, false, 0);
	relay.now += 5000;
	nattach = 0;
	relay_query_events()->poll(&relay);
	assert_int_equal(nattach, 1);
	attach(6, false, 0);
	assert_int_equal(nactivity, 1);
	assert_int_equal(activity_after, 3);
}

static void
ended_sessions_close(void **state)
{
	Wire		one;
	Wire		two;

	login(&one, "a");
	login(&two, "a");
	attach(3, false, 40);
	attach(3, false, 40);
	/* A forged bell only makes us look. */
	bell("xa");
	attach(3, false, 40);
	assert_int_equal(one.close_code, 0);
	bell("xa");
	attach(3, false, 41);
	assert_int_equal(one.close_code, CLOSE_NOT_ALLOWED);
	assert_int_equal(two.close_code, CLOSE_NOT_ALLOWED);
}

static void
ended_while_nobody_listened(void **state)
{
	Wire		wire;

	login(&wire, "a");
	attach(3, false, 0);
	relay_query_events()->down(&relay);
	relay_query_events()->up(&relay, "e", false);
	attach(3, false, 41);
	assert_int_equal(wire.close_code, CLOSE_NOT_ALLOWED);
}

static void
state_is_told_after_a_loss(void **state)
{
	static const char members[] = "[{\"user_id\":\"b\",\"role\":\"worker\",\"last_read_seq\":5,\"last_delivered_seq\":5,\"is_online\":false,\"last_seen\":null,\"current_task_id\":null}]";
	StateRow	row = {7, members, sizeof(members) - 1, 0};
	CursorRow	cursor = {7, "b", "worker", 5, 5};
	Wire		wire;

	login(&wire, "a");
	say(&wire, "{\"type\":\"join_task_room\",\"task_id\":\"t\",\"ref\":0}");
	answer_join(3);
	expect(&wire, "\"ref\":0");
	relay_query_events()->up(&relay, "e", false);
	assert_int_equal(nstate, 0);
	relay_query_events()->up(&relay, "e", false);
	assert_int_equal(nstate, 1);
	relay_query_events()->state_row(&relay, &row);
	expect(&wire, "{\"type\":\"room_state\",\"task_id\":\"t\",\"applicant_id\":null,\"members\":[{\"user_id\":\"b\"");
	/* What it told is not told again. */
	relay_query_events()->cursor_row(&relay, &cursor);
	expect_nothing(&wire);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LIVE_TEST(poll_looks_at_many_rooms_by_turns),
		LIVE_TEST(welcome_comes_with_the_rooms),
		LIVE_TEST(welcome_does_not_wait_for_ever),
		LIVE_TEST(activity_is_merged),
		LIVE_TEST(who_has_joined_gets_the_events_instead),
		LIVE_TEST(a_new_room_is_told),
		LIVE_TEST(a_bell_while_rooms_are_read),
		LIVE_TEST(a_lost_bell_is_made_up_for),
		LIVE_TEST(ended_sessions_close),
		LIVE_TEST(ended_while_nobody_listened),
		LIVE_TEST(state_is_told_after_a_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
