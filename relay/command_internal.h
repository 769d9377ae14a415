/*
 * command_internal.h
 *	  What the files of the command module share: the table of frame types and
 *	  their handlers.
 */
#ifndef TASKCHAT_COMMAND_INTERNAL_H
#define TASKCHAT_COMMAND_INTERNAL_H

#include "command.h"

/* Sets of JSON types that a field may have. */
#define ONE(type) (1u << (type))
#define STRING ONE(JSON_STRING)
#define INTEGER ONE(JSON_INTEGER)
#define BOOL ONE(JSON_BOOL)
#define ARRAY ONE(JSON_ARRAY)
#define OBJECT ONE(JSON_OBJECT)
#define OPTIONAL (ONE(JSON_MISSING) | ONE(JSON_NULL))

/* What a field's value must be besides its type. */
typedef enum FieldKind
{
	FIELD_PLAIN,				/* anything */
	FIELD_ID,					/* a string of 1 to 255 bytes */
	FIELD_COUNT					/* not negative */
} FieldKind;

typedef struct Field
{
	const char *name;			/* NULL ends the list */
	unsigned	types;			/* set of ONE(JsonType) */
	FieldKind	kind;
} Field;

typedef void (*Handler) (Command *command, const JsonValue *frame);

typedef struct CommandType
{
	const char *name;			/* "type" of the frame */
	Handler		handler;		/* consumes the command */
	const Field *fields;		/* what it must and may hold */
	CommandLane lane;			/* where it goes in the database */
	bool		quiet;			/* without a ref answered only on error */
} CommandType;

/* command.c */
extern void command_fail_row(Command *command, const CommandRow *row);
extern bool command_check_fields(const Field *fields, const JsonValue *frame, WireCode *code, char *message, size_t size);
extern void command_query(Command *command, const JsonValue *frame, CommandDone done);

/* command_types.c */
extern const Field join_fields[];
extern const CommandType http_set_presence;
extern const CommandType *command_find_type(const char *name);

/* command_plain.c */
extern void handle_plain(Command *command, const JsonValue *frame);
extern void handle_send_message(Command *command, const JsonValue *frame);
extern void handle_ping(Command *command, const JsonValue *frame);
extern void handle_user_presence(Command *command, const JsonValue *frame);

/* command_room.c */
extern void handle_join(Command *command, const JsonValue *frame);
extern void handle_join_many(Command *command, const JsonValue *frame);
extern void handle_leave(Command *command, const JsonValue *frame);
extern void handle_typing(Command *command, const JsonValue *frame);
extern void handle_ack(Command *command, const JsonValue *frame);

#endif
