/*
 * joins.ts: joining and leaving rooms on one connection. All rooms that ask in
 * one turn (after a log-in: all) go into one command, more only where a frame
 * or the reply can't hold them.
 */

import { TaskChatError, roomKey } from './protocol.js';
import type { JoinRequest, RoomRefusal, RoomSnapshot } from './protocol.js';
import type { Room } from './room.js';
import { byteLength } from './socket.js';
import type { TaskChatSocket } from './socket.js';

interface Join {
	room: Room;
	request: JoinRequest;
}

function toError({ error: { code, message } }: RoomRefusal): TaskChatError {
	return new TaskChatError(code, message);
}

export class Joins {
	readonly #socket: TaskChatSocket;
	readonly #rooms: () => Room[];
	readonly #asking = new Set<Room>();

	constructor(socket: TaskChatSocket, rooms: () => Room[]) {
		this.#socket = socket;
		this.#rooms = rooms;
	}

	/** Joins the room with the next command; the outcome is told to the room. */
	ask(room: Room): void {
		if (this.#asking.size === 0)
			queueMicrotask(() => this.#send());
		this.#asking.add(room);
	}

	/** Leaves the room, unless another Room of the same address is in use. */
	leave(room: Room): void {
		this.#asking.delete(room);
		const address = room.getAddress();
		const key = roomKey(address);
		if (this.#rooms().some((other) => other !== room && other.wanted() && roomKey(other.getAddress()) === key))
			return;
		/* Events of a room that nobody wants are passed over. */
		this.#socket.request('leave_task_room', address).catch(() => {});
	}

	#send(): void {
		const space = this.#socket.maxFrameBytes() - 256;
		let batch: Join[] = [];
		let bytes = 0;
		for (const room of this.#asking) {
			const request = room.joinRequest();
			const size = byteLength(JSON.stringify(request)) + 1;
			if (bytes + size > space) {
				void this.#join(batch);
				batch = [];
				bytes = 0;
			}
			batch.push({ room, request });
			bytes += size;
		}
		this.#asking.clear();
		void this.#join(batch);
	}

	async #join(batch: Join[]): Promise<void> {
		const [first] = batch;
		if (!first)
			return;
		try {
			const outcomes = batch.length === 1
				? [await this.#socket.request('join_task_room', first.request)]
				: (await this.#socket.request('join_task_rooms', { rooms: batch.map((join) => join.request) })).rooms;
			const someJoined = outcomes.some((outcome) => !('error' in outcome));
			batch.forEach((join, index) => this.#outcome(join, outcomes[index], someJoined));
		} catch (error) {
			/* With the connection gone, the next log-in joins again. */
			if (!(error instanceof TaskChatError && error.code === 'disconnected'))
				for (const { room } of batch)
					room.refused(error);
		}
	}

	#outcome({ room, request }: Join, outcome: RoomSnapshot | RoomRefusal | undefined, someJoined: boolean): void {
		if (!outcome)
			room.refused(new TaskChatError('unavailable', 'no outcome for this room'));
		else if (!('error' in outcome))
			if (room.wanted())
				void room.joined(outcome, request);
			else
				this.leave(room);
		else if (outcome.error.code === 'limit_exceeded' && someJoined)
			/* It didn't fit into the reply: ask again. */
			this.ask(room);
		else
			room.refused(toError(outcome));
	}
}
