/*
 * history.ts: fetches the page of a room's line that comes before what is
 * loaded.
 */

import { PAGE } from './line.js';
import type { Line } from './line.js';
import type { DurableEvent, RoomAddress } from './protocol.js';
import type { TaskChatSocket } from './socket.js';

/**
 * Puts the page before the line's head in front of it: the line has no gaps, so
 * its bounds are known. Does nothing where the line went on elsewhere meanwhile;
 * rejects with a TaskChatError.
 */
export async function fetchOlder(socket: TaskChatSocket, address: RoomAddress, line: Line): Promise<void> {
	const { _head: head, epoch } = line;
	const from = Math.max(line._firstSeq - 1, head - 1 - PAGE, 0);
	const events: DurableEvent[] = [];
	/* A page may come in pieces, as replies are cut by bytes. */
	for (let after = from; after < head - 1;) {
		const page = await socket.request('get_events', { ...address, after_seq: after, limit: head - 1 - after });
		if (page.epoch !== epoch || line.epoch !== epoch || line._head !== head)
			return;
		line._firstSeq = Math.max(line._firstSeq, page.first_seq);
		const last = page.events.at(-1);
		if (!last)
			break;
		events.push(...page.events);
		after = last.seq;
	}
	line._prepend(events, from);
}
