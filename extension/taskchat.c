/*
 * taskchat.c
 *	  The library's front door: settings and start order.  What each part
 *	  does stands in its own file.
 */
#include "taskchat.h"

#include <limits.h>
#include <math.h>

#include "fmgr.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

PG_MODULE_MAGIC;

int			max_content_bytes = 16384;
char	   *allowed_file_schemes = NULL;
static double edit_window = 24 * 60 * 60;
static int	database_number = 0;

PG_FUNCTION_INFO_V1(taskchat_edit_window);

void		_PG_init(void);

void
_PG_init(void)
{
	DefineCustomIntVariable("taskchat.max_content_bytes",
							"Longest content of a message, in bytes.", NULL,
							&max_content_bytes, 16384, 1, 1024 * 1024,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("taskchat.allowed_file_schemes",
							   "Schemes that a file URL may have, separated by commas.", NULL,
							   &allowed_file_schemes, "https",
							   PGC_SUSET, 0, check_schemes, NULL, NULL);
	DefineCustomRealVariable("taskchat.edit_window",
							 "How long after sending a message may be edited.", NULL,
							 &edit_window, 24 * 60 * 60, 0, INT_MAX,
							 PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("taskchat.database_number",
							"Upper 15 bits of the room ids made here; read by CREATE EXTENSION.", NULL,
							&database_number, 0, 0, 32767,
							PGC_SUSET, 0, NULL, NULL, NULL);
	identity_init();
	room_init();
	shared_init();
	doorbell_init();
	patience_init();
	stage_init();
	bound_init();
	MarkGUCPrefixReserved("taskchat");
}

/* edit_window() → interval: as text, PostgreSQL rounds the setting to six digits. */
Datum
taskchat_edit_window(PG_FUNCTION_ARGS)
{
	Interval   *window = palloc0(sizeof(Interval));

	window->time = (TimeOffset) rint(edit_window * USECS_PER_SEC);
	PG_RETURN_INTERVAL_P(window);
}
