/*
 * outbox.ts: the messages that the user sent and that are in no line yet, of
 * all rooms. Those of one room go out one by one in the order of sending, each
 * under a client_msg_id, so that sending one again after a broken connection
 * can't store it twice.
 *
 * They are kept in the vault, which all tabs of the browser share. Whoever
 * sends holds a Web Lock and reads the vault first: so no message goes out of
 * two tabs, and those of a closed tab are sent by another. How a message
 * travels and when is told by the owner (client.ts); what cannot succeed stays
 * as 'failed' until it is retried or discarded.
 */

import { TaskChatError, asError, isTransient, roomKey } from './protocol.js';
import type { ErrorCode, Message, MessageDraft, MessageStatus, RoomAddress } from './protocol.js';
import { jitter } from './pace.js';
import type { Timer } from './pace.js';
import type { Vault } from './vault.js';

/** sending: waits or is under way; sent: committed, its event not here yet; failed: see error. */
export type PendingStatus = Extract<MessageStatus, 'sending' | 'sent' | 'failed'>;

/** A message of the user that the room's line doesn't have yet. */
export interface PendingMessage {
	clientMsgId: string;
	address: RoomAddress;
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

/** As much of navigator.locks as is used. */
export interface LocksLike {
	request(name: string, callback: () => Promise<void>): Promise<unknown>;
}

export interface Carrier {
	/** True when messages of this room may go out now. */
	_ready(address: RoomAddress): boolean;
	_post(pending: PendingMessage): Promise<Message>;
	/** The seq up to which the room's line is applied; Infinity where nobody watches the line. */
	_tail(address: RoomAddress): number;
	_changed(): void;
}

/* What stands in the vault: `at` gives the order, `message` says that it is committed. */
interface Stored {
	at: number;
	shown: PendingMessage;
	message?: Message;
}

interface Item extends Stored {
	_attempt: number;
	/* It stands in the vault, so that its absence there would tell something. */
	_saved: boolean;
	committed: Promise<Message>;
	resolve(message: Message): void;
	reject(error: TaskChatError): void;
}

const LIMIT = 200;
const RETRY_BASE_MS = 1_000;
const RETRY_CAP_MS = 20_000;
const NEWS_WITHIN_MS = 2_000;
const KIND = 'out:';

function nothing(): void {}

/** 128 random bits; crypto.randomUUID exists in secure contexts only. */
function newClientMsgId(): string {
	return crypto.getRandomValues(new Uint32Array(4)).join('-');
}

function toItem(stored: Stored): Item {
	const item = { ...stored, _attempt: 0, _saved: false } as Item;
	item.committed = new Promise((resolve, reject) => Object.assign(item, { resolve, reject }));
	/* Whoever doesn't look at the promise sees the state of the message. */
	item.committed.catch(nothing);
	return item;
}

/* What an older version, or somebody else, wrote is as good as nothing. */
function parse(text: string): Stored | null {
	try {
		const stored = JSON.parse(text) as Stored;
		return stored.shown.draft && stored.shown.address.task_id ? stored : null;
	} catch {
		return null;
	}
}

export class Outbox {
	readonly #vault: Vault;
	readonly #locks: LocksLike | undefined;
	readonly #carrier: Carrier;
	#items: Item[] = [];
	#open = false;
	/* Keys of the rooms that have a message under way, or wait after a failure. */
	readonly #busy = new Map<string, Timer>();
	/* The server said how long to wait: this is for all rooms. */
	#pause: Timer;
	/** When messages go out again that the server asked to hold back (milliseconds since 1970), or null. */
	_pausedUntil: number | null = null;
	/* Gives the lock back; set while this tab may send. */
	#release: (() => void) | null = null;
	#asked = false;

	constructor(vault: Vault, locks: LocksLike | undefined, carrier: Carrier) {
		this.#vault = vault;
		this.#locks = locks;
		this.#carrier = carrier;
	}

	/** What is pending in the rooms that `belongs` takes, in the order of sending. */
	_list(belongs: (address: RoomAddress) => boolean): PendingMessage[] {
		return this.#items.map((item) => item.shown).filter((shown) => belongs(shown.address));
	}

	/** How many wait to be sent. */
	_queued(): number {
		return this.#items.filter((item) => item.shown.status === 'sending').length;
	}

	/** Takes a message to send; where too many wait already it has failed at once. */
	_add(address: RoomAddress, draft: MessageDraft): SentMessage {
		const clientMsgId = newClientMsgId();
		const item = toItem({
			at: this.#next(),
			shown: { clientMsgId, address, draft, createdAt: new Date().toISOString(), status: 'sending', error: null },
		});
		this.#items.push(item);
		if (this.#items.length > LIMIT)
			this.#fail(item, new TaskChatError('limit_exceeded', 'too many unsent messages'));
		else
			this.#change(item, {});
		this._pump();
		return { clientMsgId, committed: item.committed };
	}

	/** Sends a failed message again, after those that wait already, under the same id. */
	_retry(clientMsgId: string): void {
		const item = this.#failed(clientMsgId);
		if (!item)
			return;
		item.at = this.#next();
		this.#change(item, { status: 'sending', error: null });
		this.#sort();
		this._pump();
	}

	/** Drops a failed message. */
	_discard(clientMsgId: string): void {
		const item = this.#failed(clientMsgId);
		if (!item)
			return;
		this.#vault.set(KIND + clientMsgId, null);
		this.#drop(item);
	}

	/** The line has this message now: it is pending no more. */
	_arrived(message: Message): void {
		const item = this.#find(message.client_msg_id);
		if (item)
			this.#finish(item, message);
	}

	/** The lines have gone on, or are watched no more: what they show is pending no more. */
	_settled(): void {
		for (const item of this.#items)
			this.#settle(item);
	}

	/* ---- with the vault ---- */

	/** The user is known: keeps what was sent before, takes what was left by an earlier page. */
	_opened(): void {
		for (const item of this.#items)
			this.#change(item, {});
		this.#load();
	}

	/** Another tab wrote or (null) removed `name`. */
	_heard(name: string, value: string | null): void {
		if (!name.startsWith(KIND))
			return;
		const stored = value === null ? null : parse(value);
		const item = this.#find(name.slice(KIND.length));
		if (stored)
			this.#merge(stored);
		else if (item && !item.message)
			this.#drop(item);
		this._pump();
	}

	/** Forgets all; what is in the vault stays there. */
	_clear(): void {
		this._disconnected();
		for (const item of this.#items)
			this.#drop(item);
	}

	#load(): void {
		for (const [name, text] of this.#vault.list(KIND)) {
			const stored = parse(text);
			if (stored && !stored.message)
				this.#merge(stored);
			else
				this.#vault.set(name, null);
		}
		for (const item of this.#items)
			if (item._saved && !item.message && this.#vault.get(KIND + item.shown.clientMsgId) === null) {
				/* Another tab has sent or dropped it, the news of which may be late; without news it is sent. */
				item._saved = false;
				this.#wait(roomKey(item.shown.address), NEWS_WITHIN_MS);
			}
	}

	#merge({ at, shown, message }: Stored): void {
		let item = this.#find(shown.clientMsgId);
		/* What was written before the message was committed may be heard after it. */
		if (item?.message)
			return;
		if (!item) {
			item = toItem({ at, shown });
			this.#items.push(item);
		}
		item._saved = true;
		item.at = at;
		item.shown = shown;
		this.#sort();
		if (message)
			this.#committed(item, message);
		this.#carrier._changed();
	}

	/* ---- sending ---- */

	/** The connection is there: what waited because of the old one need not wait longer. */
	_connected(): void {
		this._disconnected();
		this.#open = true;
		for (const item of this.#items)
			item._attempt = 0;
		this._pump();
	}

	/** The connection is gone: another tab may have one. */
	_disconnected(): void {
		this.#open = false;
		this.#holdBack(0);
		for (const timer of this.#busy.values())
			clearTimeout(timer);
		this.#busy.clear();
		this.#unlock();
	}

	/** Sends what may go out. */
	_pump(): void {
		if (!this.#open || this._pausedUntil !== null)
			return;
		if (!this.#release && this.#items.some((item) => this.#sendable(item)))
			this.#lock();
		if (!this.#release)
			return;
		for (const item of [...this.#items])
			if (this.#sendable(item))
				void this.#post(item);
		if (this.#busy.size === 0)
			this.#unlock();
	}

	#sendable({ shown }: Item): boolean {
		return shown.status === 'sending' && !this.#busy.has(roomKey(shown.address)) && this.#carrier._ready(shown.address);
	}

	#lock(): void {
		if (!this.#locks || !this.#vault._prefix) {
			this.#release = nothing;
			return;
		}
		if (this.#asked)
			return;
		this.#asked = true;
		const granted = (release: () => void): void => {
			this.#asked = false;
			this.#release = release;
			this.#load();
			this._pump();
			if (!this.#open)
				this.#unlock();
		};
		/* A refused lock (a page that is going away) leaves the ids to prevent doubles. */
		this.#locks.request(`${this.#vault._prefix}outbox`, () => new Promise<void>(granted)).catch(() => granted(nothing));
	}

	#unlock(): void {
		this.#release?.();
		this.#release = null;
	}

	async #post(item: Item): Promise<void> {
		const key = roomKey(item.shown.address);
		this.#busy.set(key, undefined);
		try {
			const message = await this.#carrier._post(item.shown);
			this.#busy.delete(key);
			this.#finish(item, message);
		} catch (error) {
			this.#busy.delete(key);
			this.#refused(item, key, asError(error));
		}
		this._pump();
	}

	#refused(item: Item, key: string, error: TaskChatError): void {
		const { retryAfterMs } = error;
		if (!this.#items.includes(item) || item.message)
			return;
		if (!isTransient(error))
			this.#fail(item, error);
		else if (this.#open && retryAfterMs === null)
			this.#wait(key, jitter(RETRY_BASE_MS, RETRY_CAP_MS, item._attempt++) + 250);
		else if (this.#open)
			this.#holdBack(retryAfterMs ?? 0);
	}

	/* All wait so long (milliseconds), or (0) no longer. */
	#holdBack(delay: number): void {
		clearTimeout(this.#pause);
		this._pausedUntil = delay ? Date.now() + delay : null;
		if (delay)
			this.#pause = setTimeout(() => {
				this.#holdBack(0);
				this._pump();
			}, delay);
		this.#carrier._changed();
	}

	/* A message that may pass the first one would break the order, so all of the room wait. */
	#wait(key: string, delay: number): void {
		clearTimeout(this.#busy.get(key));
		this.#busy.set(key, setTimeout(() => {
			this.#busy.delete(key);
			this._pump();
		}, delay));
	}

	/* ---- items ---- */

	/* The server has it: other tabs are told so by what stands in the vault for a moment. */
	#finish(item: Item, message: Message): void {
		if (item.message) {
			this.#settle(item);
			return;
		}
		const name = KIND + item.shown.clientMsgId;
		this.#vault.set(name, JSON.stringify({ at: item.at, shown: item.shown, message }));
		this.#vault.set(name, null);
		this.#committed(item, message);
	}

	#committed(item: Item, message: Message): void {
		item.resolve(message);
		item.message = message;
		item.shown = { ...item.shown, status: 'sent', error: null };
		this.#settle(item);
		this.#carrier._changed();
	}

	#settle(item: Item): void {
		if (item.message && item.message.seq <= this.#carrier._tail(item.shown.address))
			this.#drop(item);
	}

	#fail(item: Item, { code, message }: TaskChatError): void {
		this.#change(item, { status: 'failed', error: { code, message } });
	}

	#change(item: Item, change: Partial<PendingMessage>): void {
		item.shown = { ...item.shown, ...change };
		if (!item.message && this.#items.length <= LIMIT)
			item._saved = this.#vault.set(KIND + item.shown.clientMsgId, JSON.stringify({ at: item.at, shown: item.shown }));
		this.#carrier._changed();
	}

	/* Rejecting does nothing to a promise that was resolved. */
	#drop(item: Item): void {
		item.reject(new TaskChatError('cancelled', 'discarded'));
		this.#items = this.#items.filter((other) => other !== item);
		this.#carrier._changed();
	}

	#find(clientMsgId: string | null): Item | undefined {
		return this.#items.find((item) => item.shown.clientMsgId === clientMsgId);
	}

	#failed(clientMsgId: string): Item | undefined {
		const item = this.#find(clientMsgId);
		return item?.shown.status === 'failed' ? item : undefined;
	}

	#sort(): void {
		this.#items.sort((one, other) => one.at - other.at);
	}

	/* Later than all that is there, also where clicks are faster than the clock. */
	#next(): number {
		return Math.max(Date.now(), (this.#items.at(-1)?.at ?? 0) + 1);
	}
}
