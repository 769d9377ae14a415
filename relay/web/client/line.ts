/*
 * line.ts: the loaded part of one room's line: a stretch of seqs without a
 * gap, from the oldest that was loaded up to the newest that was seen, and the
 * entries that a reader of it sees.
 *
 * It judges each event (next, known, or after a gap); fetching what is missing
 * is room.ts's matter.
 */

import type { DurableEvent, MemberChanged, Message, RoomStatusChanged, TaskUpdate } from './protocol.js';

/** So many events are shown first, and fetched at a time. */
export const PAGE = 50;

export type NoticeEvent = MemberChanged | TaskUpdate | RoomStatusChanged;

/** One thing to show: a message, or a line that says what happened. */
export type LineEntry =
	| { kind: 'message'; seq: number; message: Message }
	| { kind: 'notice'; seq: number; event: NoticeEvent };

/* The newer of two states of one message: editing, deleting and reading only go forward. */
function newer(held: Message, came: Message): Message {
	const rank = ({ deleted_at, edited_at }: Message): string => (deleted_at ? 1 : 0) + (edited_at ?? '');
	const winner = rank(came) >= rank(held) ? came : held;
	return { ...winner, read_at: winner.read_at ?? held.read_at ?? came.read_at };
}

export class Line {
	/** The epoch that the seqs belong to; null before the first snapshot. */
	epoch: string | null = null;
	/** The lowest seq that the server still keeps. */
	_firstSeq = 1;
	/** The newest seq that was applied. */
	_tail = 0;
	/** The oldest seq that is loaded; tail + 1 while nothing is. */
	_head = 1;
	/* Never changed, only replaced. */
	#entries: readonly LineEntry[] = [];

	/** Drops everything; the next event to apply is after + 1. */
	_restart(epoch: string, firstSeq: number, after: number): void {
		this.epoch = epoch;
		this._firstSeq = firstSeq;
		this._tail = after;
		this._head = after + 1;
		this.#entries = [];
	}

	/** True when older events exist that are not loaded. */
	_hasOlder(): boolean {
		return this.epoch !== null && this._head > this._firstSeq;
	}

	/** The entries in order of seq: the same array until something of it changes. */
	list(): readonly LineEntry[] {
		return this.#entries;
	}

	/** Applies an event if it is the next one (0); gives how many are missing before it, or below 0 for a known one. */
	_append(event: DurableEvent): number {
		const missing = event.seq - this._tail - 1;
		if (missing === 0) {
			this._tail = event.seq;
			const came = this.#take(event);
			if (came.length > 0)
				this.#entries = this.#entries.concat(came);
		}
		return missing;
	}

	/**
	 * Puts a page of older events before what is loaded. Takes them oldest
	 * first, from `from` + 1 up to the one before the present head.
	 */
	_prepend(events: DurableEvent[], from: number): void {
		const page = events.flatMap((event) => (event.seq < this._head ? this.#take(event) : []));
		this.#entries = page.concat(this.#entries);
		this._head = Math.min(this._head, Math.max(from + 1, this._firstSeq));
	}

	/** Puts a newer state of a message in the place of the held one. */
	_update(message: Message): void {
		this.#entries = this.#entries.map((entry) => (entry.kind === 'message' && entry.message.id === message.id
			? { ...entry, message: newer(entry.message, message) }
			: entry));
	}

	/* The entry that an event makes, if it makes one. */
	#take(event: DurableEvent): LineEntry[] {
		if (!('message' in event))
			return [{ kind: 'notice', seq: event.seq, event }];
		if (event.type === 'message_received')
			return [{ kind: 'message', seq: event.seq, message: event.message }];
		if ('seq' in event.message)
			this._update(event.message);
		return [];
	}
}
