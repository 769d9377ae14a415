/*
 * api_internal.h
 *	  What the files of the API share: routes, and how their frames are made.
 */
#ifndef TASKCHAT_API_INTERNAL_H
#define TASKCHAT_API_INTERNAL_H

#include "api.h"
#include "command_internal.h"

#define MAX_WAIT 30				/* seconds that a request for events may wait */

/* One method of a route. */
typedef struct ApiVerb
{
	const char *frame;			/* the client frame that does it; NULL: no such method */
	const char *const *numbers; /* query parameters that are fields of it */
	bool		waits;			/* "wait" is one too */
	bool		creates;		/* 201 for what is new */
} ApiVerb;

struct ApiRoute
{
	const char *name;			/* after /api/, or after the task */
	bool		of_task;		/* /api/tasks/{task_id}/name, or /api/name?task_id= */
	ApiVerb		get;
	ApiVerb		post;
};

/* A frame made of a request. */
typedef struct ApiFrame
{
	const CommandType *type;	/* what it is */
	char	   *task_id;		/* or NULL; owned */
	JsonText	text;			/* the frame */
	int64_t		after_seq;		/* of get_events */
	int64_t		wait;			/* seconds */
} ApiFrame;

extern bool api_make_frame(ApiFrame *frame, const ApiRequest *request, WireCode *code, char *message, size_t size);
extern void api_free_frame(ApiFrame *frame);

#endif
