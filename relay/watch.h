/*
 * watch.h
 *	  The rooms that connected users are members of, joined or not.
 */
#ifndef TASKCHAT_WATCH_H
#define TASKCHAT_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "query.h"
#include "relay.h"

struct User;

extern void watch_attach(struct User *user);
extern void watch_ended(struct User *user);
extern void watch_detach(struct User *user);
extern void watch_row(Relay *relay, const AttachRow *row);
extern void watch_done(Relay *relay, const char *user_id, bool ok);
extern void watch_bell(Relay *relay, int64_t room_id);
extern void watch_seen(struct User *user, int64_t room_id, int64_t seq);
extern void watch_activity(Relay *relay, const ActivityRow *row);
extern size_t watch_count(const Relay *relay);
extern void watch_tick(Relay *relay);
extern void watch_forget_epoch(Relay *relay);

#endif
