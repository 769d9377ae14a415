/*
 * presence.h
 *	  The people whom this relay knows: who has a session here, who is a
 *	  member of a room that is live here, and what is known of each.
 */
#ifndef TASKCHAT_PRESENCE_H
#define TASKCHAT_PRESENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uthash.h>

#include "query.h"
#include "relay.h"
#include "session.h"

struct Member;
struct Watch;

typedef struct User
{
	Relay	   *relay;			/* where it lives */
	char	   *id;				/* user_id */
	Session    *sessions;		/* logged in here */
	size_t		nsessions;		/* how many */
	struct Member *memberships; /* in rooms that are live here */
	bool		registered;		/* the database was told: online here */
	int64_t		offline_at;		/* end of the grace, monotonic; 0: none runs */
	char	   *task;			/* current_task_id that was told, or NULL */
	int64_t		notified;		/* last notification sent; -1: not known yet */
	struct Watch *watches;		/* rooms of which the connected user is a member */
	bool		attached;		/* these were read */
	bool		attaching;		/* they are being read */
	bool		attach_again;	/* and are to be read once more */
	bool		end_heard;		/* a bell said that the sessions were ended */
	int64_t		ended;			/* how often that was; -1: not known yet */
	Bucket		messages;		/* messages a second */
	Bucket		requests;		/* requests over HTTP a second */
	size_t		calls;			/* requests over HTTP under way */
	bool		lingering;		/* in relay->lingering */
	bool		known;			/* the next three are */
	bool		is_online;		/* anywhere */
	char	   *last_seen;		/* RFC 3339 or NULL */
	char	   *current_task_id;	/* or NULL */
	struct User *leaving_prev;	/* in relay->leaving */
	struct User *leaving_next;
	struct User *linger_prev;	/* in relay->lingering */
	struct User *linger_next;
	UT_hash_handle hh;			/* in relay->users */
} User;

extern User *presence_user(Relay *relay, const char *user_id);
extern User *presence_find(Relay *relay, const char *user_id);
extern size_t presence_count(const Relay *relay);
extern void presence_release(User *user);
extern void presence_enter(User *user, Session *session);
extern void presence_exit(User *user, Session *session);
extern bool presence_tell_task(User *user, Session *session, const char *task_id);
extern void presence_row(Relay *relay, const PresenceRow *row);
extern void presence_notification(Relay *relay, const NotificationRow *row);
extern void presence_register_all(Relay *relay);
extern void presence_look_again_all(Relay *relay);
extern void presence_poll(Relay *relay);
extern void presence_tick(Relay *relay);
extern void presence_free_all(Relay *relay);

#endif
