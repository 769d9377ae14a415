/*
 * lane_test.c
 *	  Commands on their way to the database: batches, their order, what goes
 *	  alone, and what is tried again.  The connections only note what they are
 *	  sent; their answers are made here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "query_internal.h"

/* ---- connections ---- */

struct PgConn
{
	const PgConnEvents *events;	/* of its owner */
	void	   *arg;			/* of the events */
	bool		ready;			/* connected */
	bool		busy;			/* something is under way */
	char		frames[4096];	/* what was sent last: the second parameter */
	char		wait[8];		/* and the third */
};

PgConn *
pgconn_new(struct ev_loop *loop, const char *name, const char *database, const char *lock_timeout,
		   const PgConnEvents *events, void *arg)
{
	PgConn	   *conn = calloc(1, sizeof(PgConn));

	conn->events = events;
	conn->arg = arg;
	conn->ready = true;
	return conn;
}

void
pgconn_free(PgConn *conn)
{
	free(conn);
}

bool
pgconn_ready(const PgConn *conn)
{
	return conn && conn->ready;
}

bool
pgconn_idle(const PgConn *conn)
{
	return conn->ready && !conn->busy;
}

bool
pgconn_send(PgConn *conn, const char *sql, int nparams, const char *const *params)
{
	conn->busy = true;
	if (nparams >= 3)
	{
		snprintf(conn->frames, sizeof(conn->frames), "%s", params[1]);
		snprintf(conn->wait, sizeof(conn->wait), "%s", params[2]);
	}
	return true;
}

int
pgconn_backend(const PgConn *conn)
{
	return 1;
}

void
pgconn_drop(PgConn *conn, const char *reason)
{
}

char *
pgconn_quote(PgConn *conn, const char *identifier)
{
	return strdup(identifier);
}

/* ---- the module under test ---- */

static char story[1024];		/* answers in the order in which they came: "name:state " */

static void
down(void *arg)
{
}

static void
limits(void *arg, QueryLimits *limits)
{
	limits->max_bytes = 1000;
}

/* Commands whose names begin with a cross are nobody's any more. */
static bool
abandoned(void *arg, CommandDone done, const void *command)
{
	return ((const char *) command)[0] == '+';
}

static const QueryEvents events = {.down = down, .limits = limits, .abandoned = abandoned};
static Query query;

static void
done(void *arg, const CommandRow *rows, int nrows)
{
	snprintf(story + strlen(story), sizeof(story) - strlen(story), "%s:%s ", (const char *) arg, rows[0].sqlstate ? rows[0].sqlstate : "ok");
}

/* A command of this name about this task. */
static void
command(Lane *lane, const char *name, const char *task_id)
{
	assert_true(lane_add(lane, "user", task_id, name, strlen(name), done, (void *) name));
	lane_go(lane);
}

/* Answers what the connection was sent: one state a command, "" for done. */
static void
answer(Lane *lane, int n, const char *const *states)
{
	PGresAttDesc columns[8] = {0};
	PGresult   *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	char		number[8];

	for (int c = 0; c < 8; c++)
		columns[c].name = "column";
	assert_true(PQsetResultAttrs(result, 8, columns));
	for (int i = 0; i < n; i++)
	{
		snprintf(number, sizeof(number), "%d", i + 1);
		PQsetvalue(result, i, 0, number, (int) strlen(number));
		PQsetvalue(result, i, 7, "{}", 2);
		if (states[i][0])
			PQsetvalue(result, i, 4, (char *) states[i], (int) strlen(states[i]));
		for (int c = 1; c < 7; c++)
			if (c != 4 || states[i][0] == '\0')
				PQsetvalue(result, i, c, NULL, -1);
	}
	lane->conn->busy = false;
	lane->conn->events->answer(lane->conn->arg, result);
	PQclear(result);
}

static int
setup(void **state)
{
	memset(&query, 0, sizeof(query));
	query.loop = ev_default_loop(0);
	query.events = &events;
	story[0] = '\0';
	assert_true(lane_open(&query.read, &query, "read", "", LANE_BATCHES));
	assert_true(lane_open(&query.write, &query, "write", "", LANE_BATCHES_IN_ORDER));
	for (int i = 0; i < WAIT_LANES; i++)
		assert_true(lane_open(&query.wait[i], &query, "wait", "", LANE_SPARE));
	return 0;
}

static int
teardown(void **state)
{
	lane_close(&query.read);
	lane_close(&query.write);
	for (int i = 0; i < WAIT_LANES; i++)
		lane_close(&query.wait[i]);
	lane_free_alone(&query);
	return 0;
}

/* ---- tests ---- */

static void
next_batch_fills_meanwhile(void **state)
{
	command(&query.write, "a1", "a");
	assert_string_equal(query.write.conn->frames, "{\"a1\"}");
	assert_string_equal(query.write.conn->wait, "false");
	command(&query.write, "b1", "b");
	command(&query.write, "a2", "a");
	command(&query.write, "b2", "b");
	command(&query.write, "a3", "a");
	assert_string_equal(query.write.conn->frames, "{\"a1\"}");
	answer(&query.write, 1, (const char *[]) {""});
	assert_string_equal(query.write.conn->frames, "{\"a2\",\"a3\",\"b1\",\"b2\"}");
	answer(&query.write, 4, (const char *[]) {"", "22023", "", ""});
	assert_string_equal(story, "a1:ok a2:ok a3:22023 b1:ok b2:ok ");
}

static void
a_batch_has_sixty_at_most(void **state)
{
	const char *states[60];

	command(&query.read, "first", NULL);
	for (int i = 0; i < 70; i++)
		command(&query.read, "x", NULL);
	answer(&query.read, 1, (const char *[]) {""});
	assert_int_equal(query.read.running.count, 60);
	assert_int_equal(query.read.waiting.count, 10);
	for (int i = 0; i < 60; i++)
		states[i] = "";
	answer(&query.read, 60, states);
	assert_int_equal(query.read.running.count, 10);
}

static void
what_nobody_waits_for_is_not_read_but_written(void **state)
{
	command(&query.read, "first", NULL);
	command(&query.read, "+gone", NULL);
	command(&query.read, "next", NULL);
	command(&query.write, "first", "a");
	command(&query.write, "+gone", "a");
	answer(&query.read, 1, (const char *[]) {""});
	assert_string_equal(query.read.conn->frames, "{\"next\"}");
	answer(&query.write, 1, (const char *[]) {""});
	assert_string_equal(query.write.conn->frames, "{\"+gone\"}");
	assert_string_equal(story, "first:ok +gone:57014 first:ok ");
}

static void
a_busy_task_goes_alone_and_in_order(void **state)
{
	command(&query.write, "a1", "a");
	command(&query.write, "a2", "a");
	command(&query.write, "b1", "b");
	answer(&query.write, 1, (const char *[]) {"55P03"});
	assert_string_equal(query.wait[0].conn->frames, "{\"a1\"}");
	assert_string_equal(query.wait[0].conn->wait, "true");
	/* What comes for the same task waits behind it; others go on. */
	assert_string_equal(query.write.conn->frames, "{\"b1\"}");
	assert_false(query.wait[1].conn->busy);
	answer(&query.write, 1, (const char *[]) {""});
	answer(&query.wait[0], 1, (const char *[]) {""});
	assert_string_equal(query.wait[0].conn->frames, "{\"a2\"}");
	answer(&query.wait[0], 1, (const char *[]) {""});
	assert_null(query.busy);
	command(&query.write, "a3", "a");
	assert_string_equal(query.write.conn->frames, "{\"a3\"}");
	assert_string_equal(story, "b1:ok a1:ok a2:ok ");
}

static void
busy_tasks_do_not_wait_for_each_other(void **state)
{
	command(&query.write, "a1", "a");
	answer(&query.write, 1, (const char *[]) {"55P03"});
	command(&query.write, "b1", "b");
	answer(&query.write, 1, (const char *[]) {"55P03"});
	assert_string_equal(query.wait[0].conn->frames, "{\"a1\"}");
	assert_string_equal(query.wait[1].conn->frames, "{\"b1\"}");
	answer(&query.wait[1], 1, (const char *[]) {""});
	assert_string_equal(story, "b1:ok ");
}

static void
who_waited_in_vain_waits_no_longer(void **state)
{
	command(&query.write, "a1", "a");
	answer(&query.write, 1, (const char *[]) {"55P03"});
	query.wait[0].started_at += 10;		/* the lock was waited for until then */
	command(&query.write, "a2", "a");
	command(&query.write, "a3", "a");
	answer(&query.wait[0], 1, (const char *[]) {"55P03"});
	assert_string_equal(story, "a2:55P03 a3:55P03 a1:55P03 ");
	assert_null(query.busy);
}

static void
conflicts_are_tried_three_times(void **state)
{
	command(&query.write, "a1", "a");
	answer(&query.write, 1, (const char *[]) {"40001"});
	for (int i = 0; i < 2; i++)
	{
		assert_string_equal(story, "");
		assert_true(query.wait[0].conn->busy);
		answer(&query.wait[0], 1, (const char *[]) {"40P01"});
	}
	answer(&query.wait[0], 1, (const char *[]) {"40001"});
	assert_string_equal(story, "a1:40001 ");
	assert_null(query.busy);
}

static void
without_a_spare_connection_nothing_waits(void **state)
{
	for (int i = 0; i < WAIT_LANES; i++)
		query.wait[i].conn->ready = false;
	command(&query.write, "a1", "a");
	answer(&query.write, 1, (const char *[]) {"55P03"});
	assert_string_equal(story, "a1:55P03 ");
}

static void
a_lost_connection_answers(void **state)
{
	command(&query.write, "a1", "a");
	command(&query.write, "a2", "a");
	query.write.conn->ready = false;
	query.write.conn->events->lost(query.write.conn->arg, "gone");
	assert_string_equal(story, "a1:08006 a2:08006 ");
}

static void
what_the_database_refuses_to_all_is_remembered(void **state)
{
	static const char *const general[] = {"53100", "25006", "58030", "57P03"};
	static const char *const own[] = {"42501", "55000", "22023"};

	for (size_t i = 0; i < 4; i++)
	{
		command(&query.write, "a1", "a");
		answer(&query.write, 1, &general[i]);
		assert_true(query.refused_at > 0);
		for (size_t k = 0; k < 3; k++)
		{
			command(&query.write, "a1", "a");
			answer(&query.write, 1, &own[k]);
			command(&query.read, "r1", "a");
			answer(&query.read, 1, (const char *[]) {""});
			assert_true(query.refused_at > 0);
		}
		command(&query.write, "a1", "a");
		answer(&query.write, 1, (const char *[]) {""});
		assert_true(query.refused_at == 0);
	}
	command(&query.write, "a1", "a");
	answer(&query.write, 1, &own[0]);
	assert_true(query.refused_at == 0);
}

static void
forgotten_commands_tell_nobody(void **state)
{
	static const char name[] = "a1";

	command(&query.write, name, "a");
	lane_forget(&query.write, name);
	answer(&query.write, 1, (const char *[]) {""});
	assert_string_equal(story, "");
}

#define LANE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LANE_TEST(next_batch_fills_meanwhile),
		LANE_TEST(a_batch_has_sixty_at_most),
		LANE_TEST(what_nobody_waits_for_is_not_read_but_written),
		LANE_TEST(a_busy_task_goes_alone_and_in_order),
		LANE_TEST(busy_tasks_do_not_wait_for_each_other),
		LANE_TEST(who_waited_in_vain_waits_no_longer),
		LANE_TEST(conflicts_are_tried_three_times),
		LANE_TEST(without_a_spare_connection_nothing_waits),
		LANE_TEST(a_lost_connection_answers),
		LANE_TEST(what_the_database_refuses_to_all_is_remembered),
		LANE_TEST(forgotten_commands_tell_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
