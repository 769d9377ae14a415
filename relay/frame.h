/*
 * frame.h
 *	  A text frame of a WebSocket server, ready to be sent as it is: built
 *	  once, referred to by every connection that it waits for.
 */
#ifndef TASKCHAT_FRAME_H
#define TASKCHAT_FRAME_H

#include <stddef.h>

typedef struct Frame Frame;

extern Frame *frame_new(const char *text, size_t len);
extern Frame *frame_ref(Frame *frame);
extern void frame_unref(Frame *frame);
extern const unsigned char *frame_bytes(const Frame *frame, size_t *len);
extern const char *frame_payload(const Frame *frame, size_t *len);

#endif
