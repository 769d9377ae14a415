/*
 * api.h
 *	  The HTTP API without its sockets: routes, requests, answers.
 */
#ifndef TASKCHAT_API_H
#define TASKCHAT_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec.h"
#include "protocol.h"
#include "query.h"
#include "relay.h"

typedef struct ApiCall ApiCall;
typedef struct ApiRoute ApiRoute;

typedef enum ApiMethod
{
	API_GET, API_POST, API_OPTIONS, API_OTHER
} ApiMethod;

/* A request as it came; all borrowed for the time of the call. */
typedef struct ApiRequest
{
	ApiMethod	method;			/* HEAD counts as GET */
	const char *path;			/* without the query; decoded, but for escapes of '/' and '%' */
	const char *const *args;	/* "name=value", decoded */
	size_t		nargs;			/* how many */
	const char *token;			/* of Authorization: Bearer; NULL: none */
	const char *body;			/* JSON text; NULL: none */
	size_t		body_len;		/* its bytes */
} ApiRequest;

/* What is to be answered; the body is borrowed for the time of the call. */
typedef struct ApiAnswer
{
	int			status;			/* of HTTP */
	const char *body;			/* JSON text */
	size_t		len;			/* its bytes */
	int64_t		retry_after;	/* seconds; 0: no such header */
	bool		challenge;		/* WWW-Authenticate is due */
} ApiAnswer;

/* Whom a call is for. */
typedef struct ApiPort
{
	void		(*done) (void *arg, const ApiAnswer *answer);	/* once a call, perhaps before api_call() returns; not after api_cancel() */
	void		(*look) (void *arg);	/* now and then, while the call waits for an event: is the client still there? */
} ApiPort;

extern bool api_is_path(const char *path);
extern const ApiRoute *api_find_route(const char *path);
extern const char *api_allow(const ApiRoute *route);
extern bool api_has_method(const ApiRoute *route, ApiMethod method);
extern void api_error_text(Relay *relay, JsonText *text, WireCode code, const char *message);
extern ApiCall *api_call(Relay *relay, const ApiRequest *request, const ApiPort *port, void *arg);
extern void api_cancel(ApiCall *call);
extern bool api_is_call(CommandDone done);
extern bool api_is_abandoned(const ApiCall *call);
extern void api_bell(Relay *relay, int64_t room_id);
extern void api_poll(Relay *relay);
extern void api_forget_epoch(Relay *relay);
extern void api_tick(Relay *relay);
extern void api_free_all(Relay *relay);

#endif
