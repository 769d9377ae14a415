/*
 * signals.ts: what a room tells the server about its own user beside messages:
 * delivered up to here (ack), read up to here, typing. Each is merged, so that
 * acks and read marks go out at most once a second and typing starts once in
 * two. It asks after the presence of newcomers, too.
 *
 * room.ts loads this when the room is live for the first time: nothing that
 * shows the conversation needs it.
 */

import { isTransient } from './protocol.js';
import { Pace } from './pace.js';
import type { Timer } from './pace.js';
import type { Member, TaskChatError } from './protocol.js';
import type { Room, RoomLink } from './room.js';

const MARKS_EVERY_MS = 1_000;
const TYPING_EVERY_MS = 2_000;
const TYPING_IDLE_MS = 4_000;

export class Signals {
	readonly #room: Room;
	readonly #link: RoomLink;
	#acked = 0;
	#typing = false;
	#typingTold = false;
	#typingTimer: Timer;
	readonly #acks = new Pace(MARKS_EVERY_MS, () => this.#sendAck());
	readonly #reads = new Pace(MARKS_EVERY_MS, () => void this.#sendRead());
	readonly #starts = new Pace(TYPING_EVERY_MS, () => this.#sendStart());

	/** `typedAt`: as for _setTyping(). */
	constructor(room: Room, link: RoomLink, typedAt: number) {
		this.#room = room;
		this.#link = link;
		this._setTyping(typedAt);
	}

	/** The room is live (again). */
	_resume(): void {
		this.#acked = this.#me()?.last_delivered_seq ?? 0;
		/* Where nothing is to be told, the next message is not kept waiting. */
		if (this.#acked < this.#room.getState().lastSeq)
			this.#acks._ask();
		if (this.#readSeq() < this.#room.getState().myReadSeq)
			this._read();
		if (this.#typing)
			this.#starts._ask();
	}

	/** The room is live no more: nothing waits to go out. */
	_pause(): void {
		this.#acks._cancel();
		this.#reads._cancel();
		this.#starts._cancel();
		this.#typingTold = false;
	}

	/** Something new has arrived. */
	_delivered(): void {
		this.#acks._ask();
	}

	/** The user wants another read mark. */
	_read(): void {
		this.#reads._ask();
	}

	/** When the user has typed last, in milliseconds of Date.now(); 0: has stopped. */
	_setTyping(typedAt: number): void {
		const rest = typedAt + TYPING_IDLE_MS - Date.now();
		clearTimeout(this.#typingTimer);
		this.#typing = rest > 0;
		if (this.#typing) {
			/* A clock that was set back must not make it longer. */
			this.#typingTimer = setTimeout(() => this._setTyping(0), Math.min(rest, TYPING_IDLE_MS));
			this.#starts._ask();
			return;
		}
		this.#starts._cancel();
		if (this.#typingTold && this.#live())
			this.#tellTyping(false);
		this.#typingTold = false;
	}

	/** A message goes out, which ends the typing by itself. */
	_sent(): void {
		clearTimeout(this.#typingTimer);
		this.#starts._cancel();
		this.#typing = this.#typingTold = false;
	}

	/** Asks after somebody who has just come. */
	async _ask(userId: string): Promise<void> {
		try {
			const { presence } = await this.#link._socket.request('user_presence', { user_ids: [userId] });
			for (const one of presence)
				this.#room._told(one);
		} catch {
			/* The next presence event tells. */
		}
	}

	#live(): boolean {
		return this.#link._socket._isOpen() && this.#room.getState().phase === 'joined';
	}

	/* The user's own marks, as the server has them. */
	#me(): Member | undefined {
		const userId = this.#link._userId();
		return this.#room.getState().members.find((member) => member.user_id === userId);
	}

	#readSeq(): number {
		return this.#me()?.last_read_seq ?? 0;
	}

	#sendAck(): void {
		const { lastSeq } = this.#room.getState();
		if (!this.#live() || lastSeq <= this.#acked)
			return;
		this.#acked = lastSeq;
		this.#link._socket.tell('ack', { ...this.#room._getAddress(), seq: lastSeq });
	}

	async #sendRead(): Promise<void> {
		const { myReadSeq: seq } = this.#room.getState();
		const userId = this.#link._userId();
		if (!this.#live() || userId === null || seq <= this.#readSeq())
			return;
		try {
			const mark = await this.#link._socket.request('mark_read', { ...this.#room._getAddress(), seq });
			this.#room._told({ user_id: userId, ...mark });
		} catch (error) {
			/* After a lost connection resume() asks again. */
			if (isTransient(error as TaskChatError) && this.#live())
				this.#reads._ask();
		}
	}

	#sendStart(): void {
		const { role, status } = this.#room.getState();
		if (!this.#typing || !this.#live() || role === 'observer' || status !== 'open')
			return;
		this.#typingTold = true;
		this.#tellTyping(true);
	}

	#tellTyping(isTyping: boolean): void {
		this.#link._socket.tell('typing_indicator', { ...this.#room._getAddress(), is_typing: isTyping });
	}
}
