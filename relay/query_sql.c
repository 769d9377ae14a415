/*
 * query_sql.c
 *	  Parameters and results as text: arrays to be sent, cells to be read.
 */
#include <stdlib.h>

#include "query_internal.h"

/* Text of an SQL array: {"…","…"}; NULL elements are NULL. */
void
sql_array_add(JsonText *text, const char *element)
{
	const char *p;

	json_text_raw(text, text->len == 0 ? "{" : ",");
	if (element == NULL)
	{
		json_text_raw(text, "NULL");
		return;
	}
	json_text_raw(text, "\"");
	for (p = element; *p; p++)
	{
		if (*p == '"' || *p == '\\')
			json_text_raw_n(text, "\\", 1);
		json_text_raw_n(text, p, 1);
	}
	json_text_raw(text, "\"");
}

/* The same of an integer. */
void
sql_array_add_integer(JsonText *text, int64_t n)
{
	json_text_raw(text, text->len == 0 ? "{" : ",");
	json_text_integer(text, n);
}

/* Closes the array; its text, or NULL when out of memory.  To be freed by json_text_reset(). */
const char *
sql_array_end(JsonText *text)
{
	json_text_raw(text, text->len == 0 ? "{}" : "}");
	return text->failed ? NULL : text->data;
}

/* A cell, borrowed from the result; NULL for SQL NULL. */
const char *
sql_cell(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
}

/* A cell that holds an integer; 0 for SQL NULL. */
int64_t
sql_cell_integer(const PGresult *result, int row, int column)
{
	const char *text = sql_cell(result, row, column);

	return text ? strtoll(text, NULL, 10) : 0;
}
