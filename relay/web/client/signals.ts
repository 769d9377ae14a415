/*
 * signals.ts: what a room tells the server about its own user beside messages:
 * delivered up to here (ack), read up to here, typing. Each is merged, so that
 * acks and read marks go out at most once a second and typing starts once in
 * two.
 *
 * Whether the room is live, and what is known of the user's marks, is told by
 * the owner (room.ts).
 */

import { asError, isTransient } from './protocol.js';
import { Pace } from './pace.js';
import type { Timer } from './pace.js';

const MARKS_EVERY_MS = 1_000;
const TYPING_EVERY_MS = 2_000;
const TYPING_IDLE_MS = 4_000;

export interface SignalCarrier {
	/** True while the room is joined on an open connection. */
	live(): boolean;
	/** The newest seq that arrived here. */
	tail(): number;
	/** The user's read mark as the server has it. */
	readSeq(): number;
	ack(seq: number): void;
	/** Gives the mark that the server has then; the owner keeps it. */
	markRead(seq: number): Promise<void>;
	typing(isTyping: boolean): void;
}

export class Signals {
	/** The read mark that the user wants; the server may not have it yet. */
	readWanted = 0;
	readonly #carrier: SignalCarrier;
	#acked = 0;
	#typing = false;
	#typingTold = false;
	#typingTimer: Timer;
	readonly #acks = new Pace(MARKS_EVERY_MS, () => this.#sendAck());
	readonly #reads = new Pace(MARKS_EVERY_MS, () => void this.#sendRead());
	readonly #starts = new Pace(TYPING_EVERY_MS, () => this.#sendStart());

	constructor(carrier: SignalCarrier) {
		this.#carrier = carrier;
	}

	/** The room is live (again); `acked` is what the server has as delivered. */
	resume(acked: number): void {
		this.#acked = acked;
		this.#acks.ask();
		if (this.readWanted > this.#carrier.readSeq())
			this.#reads.ask();
	}

	/** The room is live no more: nothing waits to go out. */
	pause(): void {
		this.#acks.cancel();
		this.#reads.cancel();
		this.#starts.cancel();
		this.#typingTold = false;
	}

	/** Something new has arrived. */
	delivered(): void {
		this.#acks.ask();
	}

	/** The user has read up to `seq`. */
	read(seq: number): void {
		this.readWanted = seq;
		this.#reads.ask();
	}

	/** The user types (again), or has stopped. */
	setTyping(isTyping: boolean): void {
		clearTimeout(this.#typingTimer);
		this.#typing = isTyping;
		if (isTyping) {
			this.#typingTimer = setTimeout(() => this.setTyping(false), TYPING_IDLE_MS);
			this.#starts.ask();
			return;
		}
		this.#starts.cancel();
		if (this.#typingTold && this.#carrier.live())
			this.#carrier.typing(false);
		this.#typingTold = false;
	}

	/** A message goes out, which ends the typing by itself. */
	sent(): void {
		clearTimeout(this.#typingTimer);
		this.#starts.cancel();
		this.#typing = this.#typingTold = false;
	}

	#sendAck(): void {
		const tail = this.#carrier.tail();
		if (!this.#carrier.live() || tail <= this.#acked)
			return;
		this.#acked = tail;
		this.#carrier.ack(tail);
	}

	async #sendRead(): Promise<void> {
		if (!this.#carrier.live() || this.readWanted <= this.#carrier.readSeq())
			return;
		try {
			await this.#carrier.markRead(this.readWanted);
		} catch (error) {
			/* After a lost connection resume() asks again. */
			if (isTransient(asError(error)) && this.#carrier.live())
				this.#reads.ask();
		}
	}

	#sendStart(): void {
		if (!this.#typing || !this.#carrier.live())
			return;
		this.#typingTold = true;
		this.#carrier.typing(true);
	}
}
