/*
 * joins.ts: joining and leaving rooms on one connection. All rooms that ask in
 * one turn (after a log-in: all) go into one command, or a few where they are
 * many or the reply can't hold them.
 */

import { asError, roomKey, toError } from './protocol.js';
import type { JoinRequest, RoomRefusal, RoomSnapshot } from './protocol.js';
import type { Room } from './room.js';
import type { TaskChatSocket } from './socket.js';

interface Join {
	room: Room;
	request: JoinRequest;
}

/* With the longest ids so many requests stay well below the smallest frame that servers take. */
const AT_ONCE = 50;

export class Joins {
	readonly #socket: TaskChatSocket;
	readonly #rooms: () => Room[];
	readonly #asking = new Set<Room>();

	constructor(socket: TaskChatSocket, rooms: () => Room[]) {
		this.#socket = socket;
		this.#rooms = rooms;
	}

	/** Joins the room with the next command; the outcome is told to the room. */
	_ask(room: Room): void {
		if (this.#asking.size === 0)
			queueMicrotask(() => this.#send());
		this.#asking.add(room);
	}

	/** Leaves the room, unless another Room of the same address is in use. */
	_leave(room: Room): void {
		this.#asking.delete(room);
		const address = room._getAddress();
		const key = roomKey(address);
		if (this.#rooms().some((other) => other !== room && other._wanted() && roomKey(other._getAddress()) === key))
			return;
		/* Events of a room that nobody wants are passed over. */
		this.#socket.request('leave_task_room', address).catch(() => {});
	}

	#send(): void {
		const joins = [...this.#asking].map((room) => ({ room, request: room._joinRequest() }));
		this.#asking.clear();
		while (joins.length > 0)
			void this.#join(joins.splice(0, AT_ONCE));
	}

	async #join(batch: Join[]): Promise<void> {
		const [first, second] = batch;
		try {
			const outcomes = first && !second
				? [await this.#socket.request('join_task_room', first.request)]
				: (await this.#socket.request('join_task_rooms', { rooms: batch.map((join) => join.request) })).rooms;
			const someJoined = outcomes.some((outcome) => !('error' in outcome));
			batch.forEach((join, index) => this.#outcome(join, outcomes[index], someJoined));
		} catch (error) {
			/* With the connection gone, the next log-in joins again. */
			if (asError(error).code !== 'disconnected')
				for (const { room } of batch)
					room._refused(error);
		}
	}

	#outcome({ room, request }: Join, outcome: RoomSnapshot | RoomRefusal | undefined, someJoined: boolean): void {
		const error = outcome && 'error' in outcome ? outcome.error : undefined;
		if (error?.code === 'limit_exceeded' && someJoined)
			/* It didn't fit into the reply: ask again. */
			this._ask(room);
		else if (!outcome || 'error' in outcome)
			room._refused(toError(error));
		else if (room._wanted())
			void room._joined(outcome, request);
		else
			this._leave(room);
	}
}
