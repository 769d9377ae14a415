/*
 * session_test.c
 *	  Log-in and its end, limits, and the bounded queue.
 */
#include "live.h"

static void
other_frames_wait_for_login(void **state)
{
	Wire		wire;

	connect_wire(&wire);
	say(&wire, "{\"type\":\"ping\",\"ref\":1}");
	expect(&wire, "\"ref\":1,\"ok\":false,\"error\":{\"code\":\"unauthenticated\"");
	assert_int_equal(wire.close_code, 0);
	say(&wire, "{\"type\":\"authenticate\",\"ref\":2,\"token\":\"user:a\"}");
	expect(&wire, "\"expires_at\"");
	expect(&wire, "\"welcome\"");
	say(&wire, "{\"type\":\"ping\",\"ref\":\"x\"}");
	expect(&wire, "{\"type\":\"reply\",\"ref\":\"x\",\"ok\":true,\"data\":{}}");
	session_free(wire.session);
}

static void
bad_first_login_closes(void **state)
{
	Wire		wire;

	connect_wire(&wire);
	say(&wire, "{\"type\":\"authenticate\",\"token\":\"forged\"}");
	expect(&wire, "unauthenticated");
	assert_int_equal(wire.close_code, CLOSE_NOT_LOGGED_IN);
}

static void
bad_renewal_keeps_the_old_one(void **state)
{
	Wire		wire;

	login(&wire, "a");
	say(&wire, "{\"type\":\"authenticate\",\"token\":\"forged\"}");
	expect(&wire, "unauthenticated");
	say(&wire, "{\"type\":\"authenticate\",\"token\":\"user:b\"}");
	expect(&wire, "forbidden");
	assert_int_equal(wire.close_code, 0);
	assert_string_equal(wire.session->user->id, "a");
}

static void
ticket_logs_in(void **state)
{
	Wire		wire;

	connect_wire(&wire);
	say(&wire, "{\"type\":\"authenticate\",\"ticket\":\"t\",\"ref\":1}");
	expect_nothing(&wire);
	ticket_done(ticket_arg, true, "a");
	expect(&wire, "\"ref\":1,\"ok\":true");
	expect(&wire, "\"user_id\":\"a\"");
}

static void
welcome_tells_the_limit_as_it_is(void **state)
{
	Wire		wire;

	relay_query_events()->content_limit(&relay, 77);
	connect_wire(&wire);
	say(&wire, "{\"type\":\"authenticate\",\"token\":\"user:a\"}");
	expect(&wire, "\"ok\":true");
	expect(&wire, "\"max_content_bytes\":77");
}

static void
ticket_without_a_database(void **state)
{
	Wire		wire;

	connect_wire(&wire);
	say(&wire, "{\"type\":\"authenticate\",\"ticket\":\"t\",\"ref\":1}");
	ticket_done(ticket_arg, false, NULL);
	expect(&wire, "\"ref\":1,\"ok\":false,\"error\":{\"code\":\"unavailable\"");
	assert_non_null(strstr(wire.last, "\"retry_after_ms\":1000"));
	assert_int_equal(wire.close_code, 0);
	say(&wire, "{\"type\":\"authenticate\",\"ticket\":\"t\"}");
	ticket_done(ticket_arg, true, "a");
	expect(&wire, "\"ok\":true");
}

static void
ticket_of_a_gone_session(void **state)
{
	Wire		wire;

	connect_wire(&wire);
	say(&wire, "{\"type\":\"authenticate\",\"ticket\":\"t\"}");
	session_free(wire.session);
	ticket_done(ticket_arg, true, "a");
	assert_null(relay.orphans);
	assert_null(relay.users);
}

static void
login_is_due_in_time(void **state)
{
	Wire		wire;

	connect_wire(&wire);
	relay.now += 9999;
	relay_tick(&relay);
	assert_int_equal(wire.close_code, 0);
	relay.now += 1;
	relay_tick(&relay);
	assert_int_equal(wire.close_code, CLOSE_NOT_LOGGED_IN);
}

static void
login_ends(void **state)
{
	Wire		wire;

	login(&wire, "a");
	relay.wall += 3545 * 1000;
	relay_tick(&relay);
	expect(&wire, "token_expiring");
	relay_tick(&relay);
	expect_nothing(&wire);
	relay.wall += 60 * 1000;
	relay_tick(&relay);
	assert_int_equal(wire.close_code, 0);
	relay.wall += 30 * 1000;
	relay_tick(&relay);
	assert_int_equal(wire.close_code, CLOSE_NOT_LOGGED_IN);
}

static void
slow_reader_is_put_out(void **state)
{
	Wire		wire;
	Frame	   *frame = frame_new("0123456789", 10);

	login(&wire, "a");
	config.max_queue_bytes = 100;
	for (int i = 0; i < 8; i++)
		session_send(wire.session, frame, FRAME_FLEETING);
	assert_int_equal(wire.session->queue_count, 4);
	for (int i = 0; i < 4; i++)
		session_send(wire.session, frame, FRAME_DURABLE);
	assert_int_equal(wire.close_code, 0);
	session_send(wire.session, frame, FRAME_DURABLE);
	assert_int_equal(wire.close_code, CLOSE_TOO_SLOW);
	frame_unref(frame);
}

/* Much in one turn of the loop: what goes out at once does not count as waiting. */
static void
fast_reader_stays(void **state)
{
	Wire		wire;
	Frame	   *frame = frame_new("0123456789", 10);

	login(&wire, "a");
	config.max_queue_bytes = 100;
	wire.takes = 20;
	for (int i = 0; i < 28; i++)
		session_send(wire.session, frame, FRAME_DURABLE);
	assert_int_equal(wire.close_code, 0);
	assert_int_equal(wire.takes, 0);
	session_send(wire.session, frame, FRAME_DURABLE);
	assert_int_equal(wire.close_code, CLOSE_TOO_SLOW);
	frame_unref(frame);
}

/* Events of a crowd may wait for each other, until anything else is to go behind them. */
static void
patience_ends_with_the_first_other_frame(void **state)
{
	Wire		wire;
	Frame	   *frame = frame_new("0123456789", 10);

	login(&wire, "a");
	session_send(wire.session, frame, FRAME_CROWD_EARLY);
	assert_int_equal(wire.wakes, 1);
	assert_int_equal(wire.patience, PATIENCE_COMPANY);
	session_send(wire.session, frame, FRAME_CROWD_EARLY);
	assert_int_equal(wire.wakes, 1);
	session_send(wire.session, frame, FRAME_CROWD);
	assert_int_equal(wire.wakes, 2);
	assert_int_equal(wire.patience, PATIENCE_ROUND);
	session_send(wire.session, frame, FRAME_CROWD_EARLY);
	session_send(wire.session, frame, FRAME_CROWD);
	assert_int_equal(wire.wakes, 2);
	session_send(wire.session, frame, FRAME_FLEETING);
	assert_int_equal(wire.wakes, 3);
	assert_int_equal(wire.patience, PATIENCE_NONE);
	session_send(wire.session, frame, FRAME_CROWD);
	session_send(wire.session, frame, FRAME_DURABLE);
	assert_int_equal(wire.wakes, 3);
	for (int i = 0; i < 8; i++)
		expect(&wire, "0123456789");
	session_send(wire.session, frame, FRAME_DURABLE);
	assert_int_equal(wire.wakes, 4);
	assert_int_equal(wire.patience, PATIENCE_NONE);
	expect(&wire, "0123456789");
	session_send(wire.session, frame, FRAME_CROWD);
	assert_int_equal(wire.patience, PATIENCE_ROUND);
	frame_unref(frame);
}

static void
one_user_has_so_many_connections(void **state)
{
	Wire		wires[4];

	for (int i = 0; i < 3; i++)
		login(&wires[i], "a");
	connect_wire(&wires[3]);
	session_bearer(wires[3].session, "user:a", 6);
	assert_int_equal(wires[3].close_code, CLOSE_TOO_MANY);
	assert_int_equal(nonline, 1);
}

static void
offline_after_the_grace(void **state)
{
	Wire		wire;

	login(&wire, "a");
	session_free(wire.session);
	relay.now += 9000;
	relay_tick(&relay);
	login(&wire, "a");
	relay.now += 9000;
	relay_tick(&relay);
	assert_int_equal(noffline, 0);
	session_free(wire.session);
	relay.now += 10000;
	relay_tick(&relay);
	assert_int_equal(noffline, 1);
	assert_null(relay.users);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LIVE_TEST(other_frames_wait_for_login),
		LIVE_TEST(bad_first_login_closes),
		LIVE_TEST(bad_renewal_keeps_the_old_one),
		LIVE_TEST(ticket_logs_in),
		LIVE_TEST(welcome_tells_the_limit_as_it_is),
		LIVE_TEST(ticket_without_a_database),
		LIVE_TEST(ticket_of_a_gone_session),
		LIVE_TEST(login_is_due_in_time),
		LIVE_TEST(login_ends),
		LIVE_TEST(slow_reader_is_put_out),
		LIVE_TEST(fast_reader_stays),
		LIVE_TEST(patience_ends_with_the_first_other_frame),
		LIVE_TEST(one_user_has_so_many_connections),
		LIVE_TEST(offline_after_the_grace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
