/*
 * roster.ts: who is in one room: the members with their roles, read and
 * delivery marks and presence, and who is typing just now.
 *
 * It takes the events of members; the order of the line's events is kept by
 * line.ts before they come here.
 */

import type { DurableEvent, Member, StateEvent } from './protocol.js';
import type { Timer } from './pace.js';

/* The server ends typing after 6 s; this is for an end that got lost. */
const TYPING_EXPIRES_MS = 7_000;

export class Roster {
	#members = new Map<string, Member>();
	#typists = new Map<string, Timer>();
	readonly #changed: () => void;
	/** How many there are where the server told the first 200 only. */
	_total = 0;

	constructor(changed: () => void) {
		this.#changed = changed;
	}

	/** The members of a snapshot, in place of the held ones. */
	_replace(members: Member[], total: number = members.length): void {
		this.#members = new Map(members.map((member) => [member.user_id, member]));
		this._total = total;
	}

	list(): Member[] {
		return [...this.#members.values()];
	}

	get(userId: string | null): Member | undefined {
		return this.#members.get(userId ?? '');
	}

	/** How far anybody but this user has received, and read. */
	_reach(userId: string | null): { deliveredSeq: number; readSeq: number } {
		let deliveredSeq = 0;
		let readSeq = 0;
		for (const { user_id, last_delivered_seq, last_read_seq } of this.#members.values())
			if (user_id !== userId) {
				readSeq = Math.max(readSeq, last_read_seq);
				deliveredSeq = Math.max(deliveredSeq, last_delivered_seq, last_read_seq);
			}
		return { deliveredSeq, readSeq };
	}

	/** The ids of those who type, in the order in which they began. */
	_typing(): string[] {
		return [...this.#typists.keys()];
	}

	/** Nobody types any more (the connection is gone, or the room is left). */
	_stopTyping(userId?: string | null): void {
		for (const [typist, timer] of [...this.#typists])
			if (userId === undefined || typist === userId) {
				clearTimeout(timer);
				this.#typists.delete(typist);
			}
	}

	/** What is new of a member, as an event or a reply tells it; marks (the numbers) only go forward. */
	_update(news: Partial<Member> & { user_id: string }): void {
		const member = this.#members.get(news.user_id);
		if (!member)
			return;
		const next: { [field: string]: unknown } = { ...member };
		for (const field of Object.keys(member) as (keyof Member)[]) {
			const value = news[field];
			if (value !== undefined)
				next[field] = typeof value === 'number' ? Math.max(value, member[field] as number) : value;
		}
		/* With the fields of a member and no others. */
		this.#members.set(news.user_id, next as unknown as Member);
	}

	/** A live event of the line; gives the id of a new member, of whom more is to be asked. */
	_line(event: DurableEvent): string | null {
		if (event.type === 'message_received')
			this._stopTyping(event.message.sender_id);
		if (!('user_id' in event))
			return null;
		const { type, user_id, role } = event;
		if (type === 'member_left') {
			this._stopTyping(user_id);
			this._total -= Number(this.#members.delete(user_id));
		} else if (this.#members.has(user_id))
			this._update(event);
		else {
			this._total++;
			this.#members.set(user_id, {
				user_id, role, last_read_seq: 0, last_delivered_seq: 0, is_online: false, last_seen: null, current_task_id: null,
			});
			return user_id;
		}
		return null;
	}

	/** A state event; those that aren't about members are passed over. */
	_state(event: StateEvent): void {
		if (event.type === 'room_state')
			this._replace(event.members, Math.max(this._total, event.members.length));
		else if (event.type === 'typing_indicator') {
			this._stopTyping(event.user_id);
			if (event.is_typing)
				this.#typists.set(event.user_id, setTimeout(() => {
					this.#typists.delete(event.user_id);
					this.#changed();
				}, TYPING_EXPIRES_MS));
		} else if ('user_id' in event)
			this._update(event);
	}
}
