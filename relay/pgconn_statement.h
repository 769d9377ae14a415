/*
 * pgconn_statement.h
 *	  The statements that one database connection has prepared.
 */
#ifndef TASKCHAT_PGCONN_STATEMENT_H
#define TASKCHAT_PGCONN_STATEMENT_H

#include <stdbool.h>
#include <stddef.h>

#define PGSTATEMENTS 32			/* more are sent without being prepared */
#define PGSTATEMENT_PARAMS 8	/* so are those of more parameters */

typedef struct PgStatements
{
	char	   *texts[PGSTATEMENTS];	/* owned; the last one may be under way */
	size_t		count;			/* how many */
	char	   *params[PGSTATEMENT_PARAMS]; /* owned: of the statement that is being prepared */
	int			nparams;		/* how many of these */
} PgStatements;

extern int	pgstatements_find(const PgStatements *statements, const char *sql);
extern int	pgstatements_add(PgStatements *statements, const char *sql, int nparams, const char *const *params);
extern void pgstatements_take_back(PgStatements *statements);
extern void pgstatements_drop_params(PgStatements *statements);
extern void pgstatements_reset(PgStatements *statements);

#endif
