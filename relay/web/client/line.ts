/*
 * line.ts: the loaded part of one room's line: a stretch of seqs without a
 * gap, from the oldest that was loaded up to the newest that was seen, and the
 * entries that a reader of it sees.
 *
 * It judges each event (next, known, or after a gap); fetching what is missing
 * is room.ts's matter.
 */

import type { DurableEvent, MemberChanged, Message, RoomStatusChanged, TaskUpdate } from './protocol.js';

export type NoticeEvent = MemberChanged | TaskUpdate | RoomStatusChanged;

/** One thing to show: a message, or a line that says what happened. */
export type LineEntry =
	| { kind: 'message'; seq: number; message: Message }
	| { kind: 'notice'; seq: number; event: NoticeEvent };

export type Verdict = 'applied' | 'known' | 'gap';

/* The newer of two states of one message: editing, deleting and reading only go forward. */
function newer(held: Message, came: Message): Message {
	const rank = (message: Message): string => message.deleted_at ? `2${message.deleted_at}` : `1${message.edited_at ?? ''}`;
	const winner = rank(came) >= rank(held) ? came : held;
	return { ...winner, read_at: winner.read_at ?? held.read_at ?? came.read_at };
}

export class Line {
	/** The epoch that the seqs belong to; null before the first snapshot. */
	epoch: string | null = null;
	/** The lowest seq that the server still keeps. */
	firstSeq = 1;
	/** The newest seq that was applied. */
	tail = 0;
	/** The oldest seq that is loaded; tail + 1 while nothing is. */
	head = 1;
	#entries: LineEntry[] = [];

	/** Drops everything; the next event to apply is after + 1. */
	restart(epoch: string, firstSeq: number, after: number): void {
		this.epoch = epoch;
		this.firstSeq = firstSeq;
		this.tail = after;
		this.head = after + 1;
		this.#entries = [];
	}

	/** True when older events exist that are not loaded. */
	hasOlder(): boolean {
		return this.epoch !== null && this.head > this.firstSeq;
	}

	/** The entries in order of seq: a copy that will not change. */
	list(): LineEntry[] {
		return this.#entries.slice();
	}

	/** Applies an event if it is the next one. */
	append(event: DurableEvent): Verdict {
		if (event.seq <= this.tail)
			return 'known';
		if (event.seq !== this.tail + 1)
			return 'gap';
		this.tail = event.seq;
		const entry = this.#take(event);
		if (entry)
			this.#entries.push(entry);
		return 'applied';
	}

	/**
	 * Puts a page of older events before what is loaded. Takes them oldest
	 * first, from `from` + 1 up to the one before the present head.
	 */
	prepend(events: DurableEvent[], from: number): void {
		const page: LineEntry[] = [];
		for (const event of events) {
			if (event.seq >= this.head)
				continue;
			const entry = this.#take(event);
			if (entry)
				page.push(entry);
		}
		this.#entries = [...page, ...this.#entries];
		this.head = Math.min(this.head, Math.max(from + 1, this.firstSeq));
	}

	/** Puts a newer state of a message in the place of the held one. */
	update(message: Message): void {
		const index = this.#entries.findLastIndex((entry) => entry.kind === 'message' && entry.message.id === message.id);
		const held = this.#entries[index];
		if (held?.kind === 'message')
			this.#entries[index] = { ...held, message: newer(held.message, message) };
	}

	/* The entry that an event makes, if it makes one. */
	#take(event: DurableEvent): LineEntry | null {
		switch (event.type) {
			case 'message_received':
				return { kind: 'message', seq: event.seq, message: event.message };
			case 'message_edited':
			case 'message_deleted':
				if ('seq' in event.message)
					this.update(event.message);
				return null;
			default:
				return { kind: 'notice', seq: event.seq, event };
		}
	}
}
