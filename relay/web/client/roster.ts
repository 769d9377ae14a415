/*
 * roster.ts: who is in one room: the members with their roles, read and
 * delivery marks and presence, and who is typing just now.
 *
 * It takes the events of members; the order of the line's events is kept by
 * line.ts before they come here.
 */

import type { DurableEvent, Member, Presence, StateEvent } from './protocol.js';
import type { Timer } from './pace.js';

/* The server ends typing after 6 s; this is for an end that got lost. */
const TYPING_EXPIRES_MS = 7_000;

export class Roster {
	#members = new Map<string, Member>();
	#typists = new Map<string, Timer>();
	readonly #changed: () => void;
	/** How many there are where the server told the first 200 only. */
	total = 0;

	constructor(changed: () => void) {
		this.#changed = changed;
	}

	/** The members of a snapshot, in place of the held ones. */
	replace(members: Member[], total: number = members.length): void {
		this.#members = new Map(members.map((member) => [member.user_id, member]));
		this.total = total;
	}

	list(): Member[] {
		return [...this.#members.values()];
	}

	get(userId: string): Member | undefined {
		return this.#members.get(userId);
	}

	/** How far anybody but this user has received, and read. */
	reach(userId: string | null): { deliveredSeq: number; readSeq: number } {
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
	typing(): string[] {
		return [...this.#typists.keys()];
	}

	/** Nobody types any more (the connection is gone, or the room is left). */
	stopTyping(userId?: string | null): void {
		for (const [typist, timer] of [...this.#typists])
			if (userId === undefined || typist === userId) {
				clearTimeout(timer);
				this.#typists.delete(typist);
			}
	}

	/** A mark of a member; marks only go forward. */
	mark(userId: string, read: number, delivered = read): void {
		const member = this.#members.get(userId);
		if (member)
			this.#members.set(userId, {
				...member,
				last_read_seq: Math.max(member.last_read_seq, read),
				last_delivered_seq: Math.max(member.last_delivered_seq, delivered),
			});
	}

	presence({ user_id, is_online, last_seen, current_task_id }: Presence): void {
		const member = this.#members.get(user_id);
		if (member)
			this.#members.set(user_id, { ...member, is_online, last_seen, current_task_id });
	}

	/** A live event of the line; gives the id of a new member, of whom more is to be asked. */
	line(event: DurableEvent): string | null {
		if (event.type === 'message_received')
			this.stopTyping(event.message.sender_id);
		if (!('user_id' in event))
			return null;
		const { type, user_id, role } = event;
		const member = this.#members.get(user_id);
		if (type === 'member_left') {
			this.stopTyping(user_id);
			this.total -= Number(this.#members.delete(user_id));
			return null;
		}
		this.#members.set(user_id, member ? { ...member, role } : {
			user_id, role, last_read_seq: 0, last_delivered_seq: 0, is_online: false, last_seen: null, current_task_id: null,
		});
		if (member)
			return null;
		this.total++;
		return user_id;
	}

	/** A state event; those that aren't about members are passed over. */
	state(event: StateEvent): void {
		switch (event.type) {
			case 'message_read':
				this.mark(event.user_id, event.last_read_seq);
				break;
			case 'message_delivered':
				this.mark(event.user_id, 0, event.last_delivered_seq);
				break;
			case 'user_presence':
				this.presence(event);
				break;
			case 'room_state':
				this.replace(event.members, Math.max(this.total, event.members.length));
				break;
			case 'typing_indicator':
				this.stopTyping(event.user_id);
				if (event.is_typing)
					this.#typists.set(event.user_id, setTimeout(() => {
						this.#typists.delete(event.user_id);
						this.#changed();
					}, TYPING_EXPIRES_MS));
				break;
		}
	}
}
