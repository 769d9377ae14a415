/*
 * statement_test.c
 *	  What a database connection remembers of the statements that it has prepared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "pgconn_statement.h"

static void
found_by_their_text(void **state)
{
	PgStatements statements = {0};
	const char *params[] = {"one", NULL};
	char		text[] = "SELECT $1, $2";

	(void) state;
	assert_int_equal(pgstatements_find(&statements, text), -1);
	assert_int_equal(pgstatements_add(&statements, text, 2, params), 0);
	assert_int_equal(statements.nparams, 2);
	assert_string_equal(statements.params[0], "one");
	assert_ptr_not_equal(statements.params[0], params[0]);
	assert_null(statements.params[1]);
	pgstatements_drop_params(&statements);
	text[7] = '2';
	assert_int_equal(pgstatements_find(&statements, text), -1);
	assert_int_equal(pgstatements_find(&statements, "SELECT $1, $2"), 0);
	assert_int_equal(pgstatements_add(&statements, text, 1, params), 1);
	pgstatements_take_back(&statements);
	assert_int_equal(pgstatements_find(&statements, text), -1);
	assert_int_equal(statements.nparams, 0);
	pgstatements_reset(&statements);
	assert_int_equal(pgstatements_find(&statements, "SELECT $1, $2"), -1);
}

static void
no_more_than_there_is_room_for(void **state)
{
	PgStatements statements = {0};
	const char *params[PGSTATEMENT_PARAMS + 1] = {NULL};
	char		text[32];

	(void) state;
	assert_int_equal(pgstatements_add(&statements, "SELECT", PGSTATEMENT_PARAMS + 1, params), -1);
	for (int i = 0; i < PGSTATEMENTS; i++)
	{
		snprintf(text, sizeof(text), "SELECT %d", i);
		assert_int_equal(pgstatements_add(&statements, text, 0, params), i);
	}
	assert_int_equal(pgstatements_add(&statements, "SELECT", 0, params), -1);
	pgstatements_reset(&statements);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_by_their_text),
		cmocka_unit_test(no_more_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
