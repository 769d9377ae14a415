/*
 * command.h
 *	  The client frames: which there are, what they must hold, who does them.
 */
#ifndef TASKCHAT_COMMAND_H
#define TASKCHAT_COMMAND_H

#include "codec.h"
#include "protocol.h"
#include "query.h"
#include "session.h"

struct CommandType;

/* One client frame from its arrival to its reply. */
typedef struct Command
{
	Relay	   *relay;			/* where it lives */
	Session    *session;		/* who sent it; NULL once that is gone */
	const struct CommandType *type; /* its row in the table */
	char	   *ref;			/* its ref as JSON text, or NULL */
	char	   *text;			/* the frame itself, where it may be sent again */
	size_t		text_len;		/* its bytes */
	int64_t		seq;			/* of an ack */
	int64_t		started;		/* microseconds, for the metrics */
	int			tries;			/* how often it went to the database */
	bool		waiting;		/* in the session's list */
	bool		leaving;		/* a leave that waits for joins */
	struct Command *prev;		/* in session->commands or relay->orphans */
	struct Command *next;
} Command;

extern void command_receive(Session *session, const char *text, size_t len);
extern void command_wait(Command *command);
extern bool command_orphaned(Command *command);
extern bool command_is_abandoned(const Command *command);
extern void command_ok(Command *command, const char *data, size_t len);
extern void command_fail(Command *command, WireCode code, const char *message, int64_t retry_ms);
extern WireCode command_describe_failure(const CommandRow *row, const char *what, uint64_t session, char *message, size_t size);
extern void command_free(Command *command);
extern void command_forget_session(Session *session);
extern void command_refuse(Session *session, const char *ref, WireCode code, const char *message, int64_t retry_ms);

#endif
