/*
 * protocol_test.c
 *	  SQLSTATEs and what they are on the wire and in HTTP.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "protocol.h"

static const struct
{
	const char *sqlstate;
	const char *constraint;
	const char *name;
	int			status;
}			table[] = {
	{"28000", NULL, "unauthenticated", 401}, {"42501", NULL, "forbidden", 403}, {"P0002", NULL, "not_found", 404},
	{"22023", NULL, "bad_request", 400}, {"22P02", NULL, "bad_request", 400}, {"22P05", NULL, "bad_request", 400},
	{"23502", NULL, "bad_request", 400}, {"23514", NULL, "bad_request", 400}, {"54000", NULL, "too_large", 413},
	{"55000", "room_closed", "room_closed", 409}, {"55000", NULL, "conflict", 409}, {"42710", NULL, "conflict", 409},
	{"23505", "room_closed", "conflict", 409}, {"08006", NULL, "unavailable", 503}, {"53300", NULL, "unavailable", 503},
	{"57P01", NULL, "unavailable", 503}, {"25006", NULL, "unavailable", 503}, {"55P03", NULL, "unavailable", 503},
	{"40001", NULL, "unavailable", 503}, {"XX000", NULL, "internal", 500}, {"42P01", NULL, "internal", 500},
	{"22003", NULL, "internal", 500}, {"22021", NULL, "internal", 500}, {"0A000", NULL, "internal", 500}, {"57014", NULL, "internal", 500},
	{"57P03", NULL, "unavailable", 503}
};

static void
maps(void **state)
{
	(void) state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
	{
		WireCode	code = wire_code_of_sqlstate(table[i].sqlstate, table[i].constraint);

		assert_string_equal(wire_code_name(code), table[i].name);
		assert_int_equal(wire_code_http_status(code), table[i].status);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(maps)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
