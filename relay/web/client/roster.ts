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
	stopTyping(userId?: string): void {
		for (const [typist, timer] of [...this.#typists])
			if (userId === undefined || typist === userId) {
				clearTimeout(timer);
				this.#typists.delete(typist);
			}
	}

	/** A mark of a member; marks only go forward. */
	mark(userId: string, marks: { read?: number; delivered?: number }): void {
		const member = this.#members.get(userId);
		if (!member)
			return;
		this.#members.set(userId, {
			...member,
			last_read_seq: Math.max(member.last_read_seq, marks.read ?? 0),
			last_delivered_seq: Math.max(member.last_delivered_seq, marks.delivered ?? 0, marks.read ?? 0),
		});
	}

	presence(presence: Presence): void {
		const member = this.#members.get(presence.user_id);
		if (!member)
			return;
		const { is_online, last_seen, current_task_id } = presence;
		this.#members.set(member.user_id, { ...member, is_online, last_seen, current_task_id });
	}

	/** A live event of the line; gives true when a member is new, of whom more is to be asked. */
	line(event: DurableEvent): boolean {
		switch (event.type) {
			case 'message_received':
				if (event.message.sender_id !== null)
					this.stopTyping(event.message.sender_id);
				return false;
			case 'member_left':
				this.stopTyping(event.user_id);
				if (this.#members.delete(event.user_id))
					this.total--;
				return false;
			case 'member_joined':
			case 'member_role_changed':
				return this.#admit(event.user_id, event.role);
			default:
				return false;
		}
	}

	/** A state event; those that aren't about members are passed over. */
	state(event: StateEvent): void {
		switch (event.type) {
			case 'message_read':
				this.mark(event.user_id, { read: event.last_read_seq });
				break;
			case 'message_delivered':
				this.mark(event.user_id, { delivered: event.last_delivered_seq });
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

	#admit(userId: string, role: Member['role']): boolean {
		const member = this.#members.get(userId);
		if (member) {
			this.#members.set(userId, { ...member, role });
			return false;
		}
		this.#members.set(userId, {
			user_id: userId, role, last_read_seq: 0, last_delivered_seq: 0,
			is_online: false, last_seen: null, current_task_id: null,
		});
		this.total++;
		return true;
	}
}
