/*
 * session.h
 *	  One client connection: log-in, limits, and what waits to be sent.
 *	  Knows nothing of sockets: the server hands it texts and takes frames.
 */
#ifndef TASKCHAT_SESSION_H
#define TASKCHAT_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec.h"
#include "frame.h"
#include "protocol.h"
#include "relay.h"
#include "wheel.h"

struct User;
struct Seat;
struct Command;

#define DISPLAY_FRAME 16			/* ms, at 60 Hz: nobody sees events any sooner */

/* How long what waits to be sent may wait for others to go along with it. */
typedef enum Patience
{
	PATIENCE_NONE,				/* to the end of the loop's turn */
	PATIENCE_ROUND,				/* until the server has leisure for sending to many */
	PATIENCE_COMPANY			/* for a display frame's time, unless the company comes earlier */
} Patience;

/* What a session may ask of the connection under it. */
typedef struct SessionPort
{
	void		(*wake) (void *port, Patience patience);	/* frames wait in session_next() */
	void		(*push) (void *port);	/* take now what waits, as far as it goes out */
	void		(*close) (void *port, int code, const char *reason);	/* once all that waits is sent; reason is a constant */
} SessionPort;

/* What happens to a frame when its reader is slow. */
typedef enum FrameKind
{
	FRAME_DURABLE,				/* never dropped: the connection is closed instead */
	FRAME_CROWD,				/* durable, and to many: PATIENCE_ROUND */
	FRAME_CROWD_EARLY,			/* the same, and others will follow soon: PATIENCE_COMPANY */
	FRAME_FLEETING				/* state and typing: dropped when much waits */
} FrameKind;

typedef struct Session
{
	Relay	   *relay;			/* where it lives */
	uint64_t	id;				/* its number, for the log */
	const SessionPort *port;	/* the connection's functions */
	void	   *port_arg;		/* and their argument */
	struct User *user;			/* who logged in; NULL before */
	char	   *task;			/* current_task_id that it told, or NULL */
	int64_t		opened_at;		/* monotonic milliseconds */
	int64_t		expires_at;		/* end of the log-in, Unix seconds */
	int64_t		ends_at;		/* when it is closed for that, Unix milliseconds */
	bool		told_expiring;	/* token_expiring was sent */
	bool		redeeming;		/* a ticket is being looked at */
	bool		greeted;		/* welcome was sent */
	bool		closing;		/* nothing more goes in or out */
	uint8_t		patience;		/* Patience of all that waits to be sent */
	int64_t		login_at;		/* monotonic milliseconds; 0: not logged in */
	Frame	  **queue;			/* ring of frames to be sent */
	size_t		queue_size;		/* places in the ring, a power of two */
	size_t		queue_first;	/* index of the oldest frame */
	size_t		queue_count;	/* frames in the ring */
	size_t		queue_bytes;	/* bytes of these frames */
	struct Seat *seats;			/* rooms joined */
	size_t		nseats;			/* how many */
	struct Command *commands;	/* frames not yet answered */
	int			joins;			/* how many of these are joins */
	Bucket		bucket;			/* commands a second */
	int			refused;		/* refused frames since refused_since */
	int64_t		refused_since;	/* monotonic milliseconds */
	WheelEntry	due;			/* in relay->wheel */
	struct Session *prev;		/* in relay->sessions */
	struct Session *next;
	struct Session *user_prev;	/* in user->sessions */
	struct Session *user_next;
} Session;

extern Session *session_new(Relay *relay, const SessionPort *port, void *port_arg);
extern void session_free(Session *session);
extern void session_bearer(Session *session, const char *token, size_t len);
extern void session_receive(Session *session, const char *text, size_t len);
extern void session_authenticate(struct Command *command, const JsonValue *frame);
extern void session_send(Session *session, Frame *frame, FrameKind kind);
extern void session_send_text(Session *session, JsonText *text, FrameKind kind);
extern Frame *session_next(Session *session);
extern void session_close(Session *session, int code, const char *reason);
extern void session_refused(Session *session);
extern void session_greet(Session *session);
extern void session_going_away(Session *session);
extern void session_tick(Session *session);
extern void session_due(WheelEntry *entry, void *arg);

#endif
