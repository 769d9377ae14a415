/*
 * outbox.ts: the messages of one room that the user sent and that are not in
 * the line yet. They go out one by one in the order of sending, each under a
 * client_msg_id, so that sending one again after a broken connection can't
 * store it twice.
 *
 * How a message travels and when the connection is ready is told by the owner
 * (room.ts); what cannot succeed stays as 'failed' until it is retried or
 * discarded.
 */

import { TaskChatError, isTransient } from './protocol.js';
import type { ErrorCode, Message, MessageDraft } from './protocol.js';
import { jitter } from './pace.js';

/** sending: waits or is under way; sent: committed, its event not here yet; failed: see error. */
export type PendingStatus = 'sending' | 'sent' | 'failed';

export interface PendingMessage {
	clientMsgId: string;
	draft: MessageDraft;
	/** When the user sent it, by this machine's clock (RFC 3339). */
	createdAt: string;
	status: PendingStatus;
	error: { code: ErrorCode; message: string } | null;
}

export interface SentMessage {
	clientMsgId: string;
	/** Settles when the server has committed the message, or it is discarded. */
	committed: Promise<Message>;
}

export interface Carrier {
	/** True when messages may go out now. */
	ready(): boolean;
	post(draft: MessageDraft, clientMsgId: string): Promise<Message>;
	/** The seq up to which the line is applied; Infinity where nobody watches the line. */
	tail(): number;
	changed(): void;
}

interface Item {
	shown: PendingMessage;
	/* Given at commit. */
	seq: number | null;
	resolve(message: Message): void;
	reject(error: TaskChatError): void;
}

/** A random id; crypto.randomUUID exists in secure contexts only. */
export function newClientMsgId(): string {
	const bytes = crypto.getRandomValues(new Uint8Array(16));
	return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export class Outbox {
	private readonly carrier: Carrier;
	private items: Item[] = [];
	private busy = false;
	private attempt = 0;
	private timer: ReturnType<typeof setTimeout> | null = null;

	constructor(carrier: Carrier) {
		this.carrier = carrier;
	}

	/** What is pending, in the order of sending. */
	list(): PendingMessage[] {
		return this.items.map((item) => item.shown);
	}

	/** Takes a message to send. */
	add(draft: MessageDraft): SentMessage {
		let resolve!: (message: Message) => void;
		let reject!: (error: TaskChatError) => void;
		const committed = new Promise<Message>((yes, no) => {
			resolve = yes;
			reject = no;
		});
		/* Whoever doesn't look at the promise sees the state of the message. */
		committed.catch(() => {});
		const clientMsgId = newClientMsgId();
		const shown: PendingMessage = {
			clientMsgId, draft, createdAt: new Date().toISOString(), status: 'sending', error: null,
		};
		this.items.push({ shown, seq: null, resolve, reject });
		this.carrier.changed();
		this.pump();
		return { clientMsgId, committed };
	}

	/** Sends a failed message again, after those that wait already, under the same id. */
	retry(clientMsgId: string): void {
		const item = this.find(clientMsgId);
		if (!item || item.shown.status !== 'failed')
			return;
		this.items = [...this.items.filter((other) => other !== item), item];
		this.show(item, { status: 'sending', error: null });
		this.pump();
	}

	/** Drops a failed message. */
	discard(clientMsgId: string): void {
		const item = this.find(clientMsgId);
		if (!item || item.shown.status !== 'failed')
			return;
		item.reject(new TaskChatError('cancelled', 'discarded'));
		this.remove(item);
	}

	/** The line has this message now: it is pending no more. */
	arrived(message: Message): void {
		const item = message.client_msg_id === null ? undefined : this.find(message.client_msg_id);
		if (!item)
			return;
		item.resolve(message);
		this.remove(item);
	}

	/** The line has everything up to its tail: what was committed there is shown by it. */
	settled(): void {
		const tail = this.carrier.tail();
		for (const item of this.items.filter((one) => one.seq !== null && one.seq <= tail))
			this.remove(item);
	}

	/** Sends the next message, if it may. */
	pump(): void {
		if (this.busy || this.timer !== null || !this.carrier.ready())
			return;
		const item = this.items.find((one) => one.shown.status === 'sending');
		if (item)
			void this.post(item);
	}

	/** A new connection: what waited because of the old one need not wait longer. */
	wake(): void {
		if (this.timer !== null)
			clearTimeout(this.timer);
		this.timer = null;
		this.attempt = 0;
		this.pump();
	}

	private async post(item: Item): Promise<void> {
		this.busy = true;
		try {
			const message = await this.carrier.post(item.shown.draft, item.shown.clientMsgId);
			this.attempt = 0;
			this.committed(item, message);
		} catch (error) {
			this.refused(item, error);
		} finally {
			this.busy = false;
		}
		this.pump();
	}

	private committed(item: Item, message: Message): void {
		item.resolve(message);
		item.seq = message.seq;
		if (message.seq <= this.carrier.tail())
			this.remove(item);
		else
			this.show(item, { status: 'sent', error: null });
	}

	private refused(item: Item, error: unknown): void {
		if (!this.items.includes(item))
			return;
		if (isTransient(error)) {
			const asked = error instanceof TaskChatError ? error.retryAfterMs : null;
			this.later(asked ?? jitter(1000, 30_000, this.attempt, Math.random) + 250);
			this.attempt++;
			return;
		}
		const why = error instanceof TaskChatError ? error : new TaskChatError('internal', String(error));
		this.show(item, { status: 'failed', error: { code: why.code, message: why.message } });
	}

	/* Waits; a message that may pass it would break the order, so all wait. */
	private later(delay: number): void {
		this.timer = setTimeout(() => {
			this.timer = null;
			this.pump();
		}, delay);
	}

	private find(clientMsgId: string): Item | undefined {
		return this.items.find((item) => item.shown.clientMsgId === clientMsgId);
	}

	private show(item: Item, change: Pick<PendingMessage, 'status' | 'error'>): void {
		item.shown = { ...item.shown, ...change };
		this.carrier.changed();
	}

	private remove(item: Item): void {
		this.items = this.items.filter((other) => other !== item);
		this.carrier.changed();
	}
}
