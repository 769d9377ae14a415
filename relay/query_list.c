/*
 * query_list.c
 *	  Commands on their way to the database, in lists.
 */
#include <stdlib.h>
#include <string.h>

#include "query_internal.h"

/* Makes an empty list.  A list is not to be moved. */
void
list_init(CommandList *list)
{
	list->first = NULL;
	list->last = &list->first;
	list->count = 0;
}

/* Adds at the end. */
void
list_append(CommandList *list, QueryCommand *command)
{
	command->next = NULL;
	*list->last = command;
	list->last = &command->next;
	list->count++;
}

/* Takes out the command that *place points to. */
QueryCommand *
list_take(CommandList *list, QueryCommand **place)
{
	QueryCommand *command = *place;

	*place = command->next;
	if (list->last == &command->next)
		list->last = place;
	list->count--;
	return command;
}

/* Takes the oldest, or NULL. */
QueryCommand *
list_pop(CommandList *list)
{
	return list->first ? list_take(list, &list->first) : NULL;
}

/* Before its task's first command: the lists are short and come nearly sorted. */
void
list_insert_sorted(CommandList *list, QueryCommand *command)
{
	QueryCommand **place = &list->first;
	const char *task_id = command->task_id ? command->task_id : "";

	while (*place && strcmp((*place)->task_id ? (*place)->task_id : "", task_id) <= 0)
		place = &(*place)->next;
	command->next = *place;
	*place = command;
	if (command->next == NULL)
		list->last = &command->next;
	list->count++;
}

/* Frees a command that needs no answer. */
void
query_command_free(QueryCommand *command)
{
	free(command->user_id);
	free(command->task_id);
	free(command->frame);
	free(command);
}

/* Answers a command and frees it. */
void
query_command_answer(QueryCommand *command, const CommandRow *rows, int nrows)
{
	if (command->done)
		command->done(command->arg, rows, nrows);
	query_command_free(command);
}

/* Answers with an error. */
void
query_command_fail(QueryCommand *command, const char *sqlstate, const char *message)
{
	CommandRow	row = {0};

	row.sqlstate = sqlstate;
	row.message = message;
	query_command_answer(command, &row, 1);
}

/* Answers all with an error. */
void
list_fail(CommandList *list, const char *sqlstate, const char *message)
{
	CommandList failed;
	QueryCommand *command;

	/* A callback may add to the list: what is there now goes first. */
	failed.first = list->first;
	list_init(list);
	while ((command = failed.first) != NULL)
	{
		failed.first = command->next;
		query_command_fail(command, sqlstate, message);
	}
}

/* Frees all, unanswered. */
void
list_free(CommandList *list)
{
	QueryCommand *command;

	while (list->first && (command = list_pop(list)) != NULL)
		query_command_free(command);
}

/* Forgets the callbacks with this arg. */
void
list_forget(CommandList *list, const void *arg)
{
	QueryCommand *command;

	for (command = list->first; command; command = command->next)
		if (command->arg == arg)
			command->done = NULL;
}
