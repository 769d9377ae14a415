/*
 * room_test.c
 *	  Rooms: each event once and in order, joins without a race, removal,
 *	  typing, cursors.
 */
#include "live.h"

static void
join(Wire *wire, int64_t seq)
{
	say(wire, "{\"type\":\"join_task_room\",\"task_id\":\"t\",\"ref\":0}");
	answer_join(seq);
	expect(wire, "\"ref\":0,\"ok\":true");
}

static void
each_event_once_and_in_order(void **state)
{
	Wire		wire;

	login(&wire, "a");
	join(&wire, 4);
	event(4, "message_received", "b", NULL);
	event(5, "message_received", "b", NULL);
	event(5, "message_received", "b", NULL);
	nfetches = 0;
	event(7, "message_received", "b", NULL);
	assert_int_equal(nfetches, 1);
	event(6, "message_received", "b", NULL);
	event(7, "message_received", "b", NULL);
	expect(&wire, "\"seq\":5");
	expect(&wire, "\"seq\":6");
	expect(&wire, "\"seq\":7");
	expect_nothing(&wire);
}

static void
older_snapshot_is_caught_up(void **state)
{
	Wire		a;
	Wire		b;

	login(&a, "a");
	login(&b, "b");
	join(&a, 0);
	say(&b, "{\"type\":\"join_task_room\",\"task_id\":\"t\",\"ref\":0}");
	event(1, "message_received", "a", NULL);
	event(2, "message_received", "a", NULL);
	answer_join(1);
	expect(&b, "\"ref\":0,\"ok\":true");
	expect(&b, "\"seq\":2");
	expect_nothing(&b);
}

static void
newer_snapshot_is_not_repeated(void **state)
{
	Wire		a;
	Wire		b;

	login(&a, "a");
	login(&b, "b");
	join(&a, 0);
	join(&b, 2);
	for (int seq = 1; seq <= 3; seq++)
		event(seq, "message_received", "a", NULL);
	expect(&b, "\"seq\":3");
	expect(&a, "\"seq\":1");
}

static void
much_older_snapshot_is_taken_again(void **state)
{
	Wire		a;
	Wire		b;

	login(&a, "a");
	login(&b, "b");
	join(&a, 0);
	say(&b, "{\"type\":\"join_task_room\",\"task_id\":\"t\",\"ref\":0}");
	for (int seq = 1; seq <= 100; seq++)
		event(seq, "message_received", "a", NULL);
	answer_join(1);
	expect_nothing(&b);
	answer_join(99);
	expect(&b, "\"ref\":0,\"ok\":true");
	expect(&b, "\"seq\":100");
}

/* The last 64 events are kept, however few there were before. */
static void
recent_events_are_kept(void **state)
{
	Wire		a;
	Wire		b;
	char		number[32];

	for (int events = 1; events <= 200; events++)
	{
		login(&a, "a");
		login(&b, "b");
		join(&a, 0);
		say(&b, "{\"type\":\"join_task_room\",\"task_id\":\"t\",\"ref\":0}");
		for (int seq = 1; seq <= events; seq++)
			event(seq, "message_received", "a", NULL);
		if (events > 64)
		{
			answer_join(events - 65);
			expect_nothing(&b);
		}
		answer_join(events < 64 ? 0 : events - 64);
		expect(&b, "\"ref\":0,\"ok\":true");
		for (int seq = events < 64 ? 1 : events - 63; seq <= events; seq++)
		{
			snprintf(number, sizeof(number), "\"seq\":%d}", seq);
			expect(&b, number);
		}
		expect_nothing(&b);
		session_free(a.session);
		session_free(b.session);
	}
}

/* What a quiet room has let go of is in the newer snapshot. */
static void
quiet_rooms_forget(void **state)
{
	Wire		a;
	Wire		b;

	login(&a, "a");
	login(&b, "b");
	join(&a, 0);
	event(1, "message_received", "a", NULL);
	event(2, "message_received", "a", NULL);
	relay.now += 15000;
	room_poll(&relay);
	join(&b, 1);
	expect(&b, "\"seq\":2");
	session_free(b.session);
	relay.now += 1;
	room_poll(&relay);
	login(&b, "b");
	say(&b, "{\"type\":\"join_task_room\",\"task_id\":\"t\",\"ref\":0}");
	answer_join(1);
	expect_nothing(&b);
	answer_join(2);
	expect(&b, "\"ref\":0,\"ok\":true");
	event(3, "message_received", "a", NULL);
	expect(&b, "\"seq\":3");
}

static void
poll_goes_round(void **state)
{
	Wire		wire;
	PolledRoom	rooms[2];

	login(&wire, "a");
	join(&wire, 4);
	event(5, "message_received", "b", NULL);
	assert_int_equal(room_poll_next(&relay, rooms, 2), 0);
	room_poll(&relay);
	assert_int_equal(room_poll_next(&relay, rooms, 2), 1);
	assert_int_equal(rooms[0].room_id, 7);
	assert_int_equal(rooms[0].position, 5);
	assert_int_equal(room_poll_next(&relay, rooms, 2), 0);
	room_poll(&relay);
	session_free(wire.session);
	assert_int_equal(room_poll_next(&relay, rooms, 2), 0);
}

static void
leave_waits_for_the_join(void **state)
{
	Wire		wire;

	login(&wire, "a");
	say(&wire, "{\"type\":\"join_task_room\",\"task_id\":\"t\",\"ref\":1}");
	say(&wire, "{\"type\":\"leave_task_room\",\"task_id\":\"t\",\"ref\":2}");
	expect_nothing(&wire);
	answer_join(0);
	expect(&wire, "\"ref\":1");
	expect(&wire, "\"ref\":2");
	assert_null(relay.rooms);
}

static void
removed_gets_nothing_after(void **state)
{
	Wire		a;
	Wire		b;

	login(&a, "a");
	login(&b, "b");
	join(&a, 0);
	join(&b, 0);
	event(1, "member_left", "b", "worker");
	event(2, "message_received", "a", NULL);
	expect(&b, "member_left");
	expect(&b, "removed_from_room");
	expect_nothing(&b);
	expect(&a, "member_left");
	expect(&a, "message_received");
}

static void
removed_while_joining(void **state)
{
	Wire		a;
	Wire		b;

	login(&a, "a");
	login(&b, "b");
	join(&a, 0);
	say(&b, "{\"type\":\"join_task_room\",\"task_id\":\"t\",\"ref\":0}");
	event(1, "member_left", "b", "worker");
	event(2, "message_received", "a", NULL);
	answer_join(0);
	expect(&b, "\"ref\":0,\"ok\":true");
	expect(&b, "member_left");
	expect(&b, "removed_from_room");
	expect_nothing(&b);
}

static void
deleted_room_goes(void **state)
{
	Wire		a;

	login(&a, "a");
	join(&a, 0);
	event(0, "room_deleted", NULL, NULL);
	expect(&a, "\"reason\":\"room_deleted\"");
	assert_null(relay.rooms);
}

static void
typing_begins_and_ends(void **state)
{
	Wire		a;
	Wire		b;

	login(&a, "a");
	login(&b, "b");
	join(&a, 0);
	join(&b, 0);
	say(&b, "{\"type\":\"typing_indicator\",\"task_id\":\"t\",\"is_typing\":true}");
	say(&b, "{\"type\":\"typing_indicator\",\"task_id\":\"t\",\"is_typing\":true}");
	assert_int_equal(ntyping, 1);
	expect(&a, "\"is_typing\":true");
	expect_nothing(&a);
	expect_nothing(&b);
	relay.now += 6000;
	relay_tick(&relay);
	expect(&a, "\"is_typing\":false");
	say(&b, "{\"type\":\"typing_indicator\",\"task_id\":\"t\",\"is_typing\":true}");
	expect(&a, "\"is_typing\":true");
	event(1, "message_received", "b", NULL);
	expect(&a, "message_received");
	expect(&a, "\"is_typing\":false");
}

/* The typist's other connection stays: what counts is where was typed. */
static void
typing_ends_with_leaving(void **state)
{
	Wire		a;
	Wire		b;
	Wire		other;

	login(&a, "a");
	login(&b, "b");
	login(&other, "b");
	join(&a, 0);
	join(&b, 0);
	join(&other, 0);
	say(&b, "{\"type\":\"typing_indicator\",\"task_id\":\"t\",\"is_typing\":true}");
	expect(&a, "\"is_typing\":true");
	say(&other, "{\"type\":\"leave_task_room\",\"task_id\":\"t\"}");
	expect(&other, "\"ok\":true");
	expect_nothing(&a);
	join(&other, 0);
	say(&b, "{\"type\":\"leave_task_room\",\"task_id\":\"t\"}");
	expect(&a, "\"is_typing\":false");
}

static void
who_may_not_type(void **state)
{
	Wire		a;
	Wire		o;

	login(&a, "a");
	login(&o, "o");
	join(&a, 0);
	join(&o, 0);
	say(&o, "{\"type\":\"typing_indicator\",\"task_id\":\"t\",\"is_typing\":true}");
	expect(&o, "\"forbidden\"");
	bell("t7 1 stranger");
	bell("t7 1 o");
	bell("tnonsense");
	expect_nothing(&a);
	bell("t7 1 b");
	expect(&a, "\"user_id\":\"b\",\"is_typing\":true");
}

static void
cursors_are_merged(void **state)
{
	CursorRow	row = {.room_id = 7, .user_id = "b", .role = "worker"};
	Wire		a;

	login(&a, "a");
	join(&a, 9);
	for (row.last_read_seq = 1; row.last_read_seq <= 5; row.last_read_seq++)
		relay_query_events()->cursor_row(&relay, &row);
	expect(&a, "\"last_read_seq\":1");
	expect_nothing(&a);
	relay.now += 1000;
	relay_tick(&relay);
	expect(&a, "\"last_read_seq\":5");
	expect_nothing(&a);
}

static void
another_epoch_ends_joined_sessions(void **state)
{
	Wire		a;
	Wire		b;

	login(&a, "a");
	login(&b, "b");
	join(&a, 0);
	relay_query_events()->up(&relay, "new", true);
	expect(&a, "going_away");
	assert_int_equal(a.close_code, CLOSE_GOING_AWAY);
	assert_int_equal(b.close_code, 0);
}

static void
deep_events_do_not_keep_out(void **state)
{
	static const char data[] = "{\"events\" : [{\"a\":\"]\\\"\",\"m\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1e999]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}], "
		"\"task_id\":\"t \\\" x\",\"members\":[{\"user_id\":\"a\",\"role\":\"creator\"}]}";
	CommandRow	row = {.room_id = 7, .seq = 1, .data = data, .data_len = sizeof(data) - 1};
	Wire		a;

	login(&a, "a");
	say(&a, "{\"type\":\"join_task_room\",\"task_id\":\"t\",\"ref\":0}");
	answer(&row, 1);
	expect(&a, "\"ok\":true");
	assert_non_null(room_find_seat(a.session, "t \" x", NULL));
}

/* From 64 seats on events may wait for each other. */
static void
crowds_are_patient(void **state)
{
	static Wire wires[64];
	char		user_id[8];

	for (int i = 0; i < 64; i++)
	{
		snprintf(user_id, sizeof(user_id), "u%d", i);
		login(&wires[i], user_id);
		join(&wires[i], 0);
		wires[i].wakes = 0;
		if (i < 62)
			continue;
		event(i - 61, "message_received", "b", NULL);
		assert_int_equal(wires[0].wakes, 1);
		assert_int_equal(wires[0].patience, i == 63 ? PATIENCE_ROUND : PATIENCE_NONE);
		expect(&wires[0], "message_received");
		wires[0].wakes = 0;
	}
	say(&wires[1], "{\"type\":\"leave_task_room\",\"task_id\":\"t\"}");
	event(3, "message_received", "b", NULL);
	assert_int_equal(wires[0].patience, PATIENCE_NONE);
}

/* An event so many milliseconds after the last: how it is to be sent to that one. */
static Patience
event_after(Wire *wire, int64_t seq, int distance)
{
	relay.now += distance;
	event(seq, "message_received", "b", NULL);
	expect(wire, "message_received");
	return wire->patience;
}

/* Events of a crowd wait for those that their pace lets expect within a display frame, and for no others. */
static void
crowds_wait_for_what_is_expected(void **state)
{
	static Wire wires[64];
	char		user_id[8];
	int64_t		seq = 0;

	for (int i = 0; i < 64; i++)
	{
		snprintf(user_id, sizeof(user_id), "u%d", i);
		login(&wires[i], user_id);
		join(&wires[i], 0);
	}
	/* So slow that nobody comes in time. */
	for (int i = 0; i < 30; i++)
		assert_int_equal(event_after(&wires[0], ++seq, 17), PATIENCE_ROUND);
	/* 10 ms apart: two of them, once that is known. */
	for (int i = 0; i < 30; i++)
		event_after(&wires[0], ++seq, 10);
	while (event_after(&wires[0], ++seq, 10) != PATIENCE_ROUND)
		assert_true(seq < 100);
	for (int i = 0; i < 10; i++)
		assert_int_equal(event_after(&wires[0], ++seq, 10), i % 2 ? PATIENCE_ROUND : PATIENCE_COMPANY);
	/* 1 ms apart: four. */
	for (int i = 0; i < 40; i++)
		event_after(&wires[0], ++seq, 1);
	while (event_after(&wires[0], ++seq, 1) != PATIENCE_ROUND)
		assert_true(seq < 150);
	for (int i = 1; i <= 12; i++)
		assert_int_equal(event_after(&wires[0], ++seq, 1), i % 4 ? PATIENCE_COMPANY : PATIENCE_ROUND);
	/* A wait in vain is not tried again at once. */
	assert_int_equal(event_after(&wires[0], ++seq, 1), PATIENCE_COMPANY);
	for (int i = 0; i < 10; i++)
		assert_int_equal(event_after(&wires[0], ++seq, i == 0 ? 16 : 2), PATIENCE_ROUND);
	/* Nor does a pause let expect anything. */
	for (int i = 0; i < 40; i++)
		event_after(&wires[0], ++seq, 1);
	assert_int_equal(event_after(&wires[0], ++seq, 64), PATIENCE_ROUND);
}

/* ---- messages that come with their bell ---- */

static void
carried_message_is_not_fetched(void **state)
{
	Wire		wire;

	login(&wire, "a");
	join(&wire, 4);
	nfetches = 0;
	bell("e7 5");
	bell("e7 6 s");
	expect(&wire, "\"seq\":5,\"carried\":true");
	expect(&wire, "\"seq\":6,\"carried\":true");
	assert_int_equal(nfetches, 0);
	assert_int_equal(relay.metrics.carried, 2);
	/* A fetch that was under way brings the same, and more. */
	event(5, "message_received", "b", NULL);
	event(6, "message_received", NULL, NULL);
	event(7, "message_received", "b", NULL);
	expect(&wire, "\"seq\":7}");
	expect_nothing(&wire);
}

static void
carried_message_comes_once_and_in_order(void **state)
{
	Wire		wire;

	login(&wire, "a");
	join(&wire, 4);
	nfetches = 0;
	bell("e7 3");
	bell("e7 4");
	assert_int_equal(nfetches, 0);
	bell("e7 6");
	assert_int_equal(nfetches, 1);
	expect_nothing(&wire);
	event(5, "message_received", "b", NULL);
	bell("e7 6");
	bell("e7 6");
	bell("e7 5");
	expect(&wire, "\"seq\":5}");
	expect(&wire, "\"seq\":6,\"carried\":true");
	expect_nothing(&wire);
	assert_int_equal(nfetches, 1);
	assert_int_equal(relay.metrics.carried, 1);
}

static void
what_does_not_open_is_a_plain_bell(void **state)
{
	Wire		wire;

	login(&wire, "a");
	join(&wire, 4);
	nfetches = 0;
	bell("e7 no");
	assert_int_equal(nfetches, 1);
	assert_int_equal(relay.metrics.unopened, 1);
	expect_nothing(&wire);
	nopened = 0;
	bell("e8 5");
	assert_int_equal(nopened, 0);
	assert_int_equal(nfetches, 1);
}

/* Who joins meanwhile finds it in the snapshot, or gets it behind the reply. */
static void
carried_message_while_joining(void **state)
{
	Wire		a;
	Wire		b;

	login(&a, "a");
	login(&b, "b");
	join(&a, 4);
	say(&b, "{\"type\":\"join_task_room\",\"task_id\":\"t\",\"ref\":0}");
	bell("e7 5");
	answer_join(4);
	expect(&b, "\"ref\":0,\"ok\":true");
	expect(&b, "\"seq\":5,\"carried\":true");
	say(&b, "{\"type\":\"join_task_room\",\"task_id\":\"t\",\"ref\":1}");
	answer_join(7);
	expect(&b, "\"ref\":1,\"ok\":true");
	bell("e7 6");
	bell("e7 7");
	bell("e7 8");
	expect(&b, "\"seq\":8,\"carried\":true");
	for (int seq = 5; seq <= 8; seq++)
		expect(&a, "carried");
	expect_nothing(&a);
	expect_nothing(&b);
}

/* The sender's reply may be behind it; typing ends with the message, whoever brings it. */
static void
carried_message_before_its_reply(void **state)
{
	CommandRow	row = {.room_id = 7, .data = "{\"message\":{},\"duplicate\":false}"};
	Wire		a;
	Wire		b;

	row.data_len = strlen(row.data);
	login(&a, "a");
	login(&b, "b");
	join(&a, 4);
	join(&b, 4);
	say(&b, "{\"type\":\"typing_indicator\",\"task_id\":\"t\",\"is_typing\":true}");
	expect(&a, "\"is_typing\":true");
	say(&b, "{\"type\":\"send_message\",\"task_id\":\"t\",\"content\":\"x\",\"ref\":1}");
	bell("e7 5");
	say(&b, "{\"type\":\"ack\",\"task_id\":\"t\",\"seq\":5}");
	assert_int_equal(delivered, 5);
	answer(&row, 1);
	expect(&b, "\"seq\":5,\"carried\":true");
	expect(&b, "\"ref\":1,\"ok\":true");
	expect(&a, "\"seq\":5,\"carried\":true");
	expect(&a, "\"is_typing\":false");
	expect_nothing(&a);
	expect_nothing(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LIVE_TEST(each_event_once_and_in_order),
		LIVE_TEST(older_snapshot_is_caught_up),
		LIVE_TEST(newer_snapshot_is_not_repeated),
		LIVE_TEST(much_older_snapshot_is_taken_again),
		LIVE_TEST(recent_events_are_kept),
		LIVE_TEST(quiet_rooms_forget),
		LIVE_TEST(poll_goes_round),
		LIVE_TEST(leave_waits_for_the_join),
		LIVE_TEST(removed_gets_nothing_after),
		LIVE_TEST(removed_while_joining),
		LIVE_TEST(deleted_room_goes),
		LIVE_TEST(typing_begins_and_ends),
		LIVE_TEST(typing_ends_with_leaving),
		LIVE_TEST(who_may_not_type),
		LIVE_TEST(cursors_are_merged),
		LIVE_TEST(another_epoch_ends_joined_sessions),
		LIVE_TEST(deep_events_do_not_keep_out),
		LIVE_TEST(crowds_are_patient),
		LIVE_TEST(crowds_wait_for_what_is_expected),
		LIVE_TEST(carried_message_is_not_fetched),
		LIVE_TEST(carried_message_comes_once_and_in_order),
		LIVE_TEST(what_does_not_open_is_a_plain_bell),
		LIVE_TEST(carried_message_while_joining),
		LIVE_TEST(carried_message_before_its_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
