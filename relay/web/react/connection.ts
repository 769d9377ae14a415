/*
 * connection.ts: connection and room together in one word, as the components
 * tell it.
 */

import type { ClientState, RoomState } from '../client/index.js';

/**
 * connecting: for the first time; online: up to date; catching-up: connected,
 * and fetching what was missed; offline: lost, or not asked to connect;
 * refused: signed out, or not let in.
 */
export type Condition = 'connecting' | 'online' | 'catching-up' | 'offline' | 'refused';

export function conditionOf(connection: ClientState, room: RoomState): Condition {
	if (connection.status === 'closed' || room.phase === 'failed' || room.phase === 'removed')
		return 'refused';
	if (connection.status === 'open') {
		if (room.phase === 'joined')
			return 'online';
		return room.lastSeq > 0 ? 'catching-up' : 'connecting';
	}
	return connection.status === 'connecting' && !connection.wasOpen ? 'connecting' : 'offline';
}
