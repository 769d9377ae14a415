/*
 * room.ts: one room as its user sees it: joined and resumed so that nothing of
 * its line is missing or twice, with the members' marks and the user's own
 * draft.
 *
 * The parts: line.ts keeps the loaded line, roster.ts the members, signals.ts
 * sends marks and typing. The connection and the outbox are shared by all rooms.
 */

import { TaskChatError, asError, isDurable, isTransient, roomKey } from './protocol.js';
import type {
	AnyRoomEvent, DurableEvent, JoinRequest, Member, MemberRole, Message, MessageDraft, MessageStatus, RoomAddress,
	RoomOpenness, RoomSnapshot, StateEvent,
} from './protocol.js';
import type { Joins } from './joins.js';
import { Line, PAGE } from './line.js';
import type { LineEntry } from './line.js';
import type { Outbox, SentMessage } from './outbox.js';
import { jitter } from './pace.js';
import type { Timer } from './pace.js';
import { Roster } from './roster.js';
import type { RoomPhase, RoomState } from './roomState.js';
import type { Signals } from './signals.js';
import type { TaskChatSocket } from './socket.js';
import { Store } from './store.js';
import type { Vault } from './vault.js';

/** What a room needs of the connection; client.ts gives it. */
export interface RoomLink {
	/** @internal */
	readonly _outbox: Outbox;
	/** @internal */
	readonly _vault: Vault;
	/** @internal */
	readonly _socket: TaskChatSocket;
	/** @internal */
	readonly _joins: Joins;
	/** @internal */
	_userId(): string | null;
	/** @internal The room has become up to date, or ceased to be. */
	_changed(): void;
}

const DRAFT = 'draft:';
const CATCH_UP_PAGE = 200;
const RETRY_BASE_MS = 1_000;
const RETRY_CAP_MS = 30_000;

export class Room extends Store<RoomState> {
	readonly #link: RoomLink;
	/* As the server has resolved it; the one below until then. */
	#address: { task_id: string; applicant_id: string | null };
	/* The address as it was asked for: what the outbox has from before it was resolved. */
	readonly #asked: { task_id: string; applicant_id: string | null };
	#phase: RoomPhase = 'idle';
	#error: TaskChatError | null = null;
	#role: MemberRole | null = null;
	#status: RoomOpenness = 'open';
	#users = 0;
	#line = new Line();
	readonly #roster = new Roster(() => this._changed());
	/* Live events that came while the line was being caught up. */
	#held: DurableEvent[] = [];
	/* Counts joins: what an earlier one still fetches is passed over. */
	#generation = 0;
	#attempt = 0;
	#retryTimer: Timer;
	#leaveTimer: Timer;
	#loadingOlder = false;
	/* The read mark that the user wants; the server may not have it yet. */
	#readWanted = 0;
	/* When the user has typed last; 0: nothing since the last message. */
	#typedAt = 0;
	#signals: Signals | null = null;

	/** Rooms are made by TaskChatClient.room(). */
	constructor(link: RoomLink, address: RoomAddress) {
		super();
		this.#link = link;
		this.#address = this.#asked = { task_id: address.task_id, applicant_id: address.applicant_id ?? null };
	}

	/* ---- for the user of the room ---- */

	/**
	 * Joins the room and keeps it joined over lost connections, until leave()
	 * was called as often as join().
	 */
	join(): void {
		this.#users++;
		clearTimeout(this.#leaveTimer);
		if (!this.#isIn())
			this.#rejoin();
	}

	/** Takes one join() back. What was loaded stays, for coming back. */
	leave(): void {
		if (this.#users === 0 || --this.#users > 0)
			return;
		/* A turn later: components that come and go in one turn don't leave. */
		this.#leaveTimer = setTimeout(() => {
			this.setTyping(false);
			this.#stop('idle');
			this.#link._joins._leave(this);
			this.#link._outbox._settled();
		}, 0);
	}

	/** Sends a message. It shows as pending at once, and outlives lost connections and reloads. */
	send(draft: MessageDraft): SentMessage {
		this.#typedAt = 0;
		this.#signals?._sent();
		return this.#link._outbox._add(this.#address, draft);
	}

	/** Sends a failed message again. */
	retry(clientMsgId: string): void {
		this.#link._outbox._retry(clientMsgId);
	}

	/** Drops a failed message. */
	discard(clientMsgId: string): void {
		this.#link._outbox._discard(clientMsgId);
	}

	/** Changes an own message's text. */
	async edit(messageId: string, content: string): Promise<Message> {
		return this.#update(await this.#link._socket.request('edit_message', { message_id: messageId, content }));
	}

	/** Deletes an own message; an empty place stays. */
	async delete(messageId: string): Promise<Message> {
		return this.#update(await this.#link._socket.request('delete_message', { message_id: messageId }));
	}

	/** How far a message of the line has come: 'sent', 'delivered' to or 'read' by some other member. */
	statusOf(message: Message): MessageStatus {
		const { readSeq, deliveredSeq } = this.getState();
		if (message.read_at !== null || message.seq <= readSeq)
			return 'read';
		return message.seq <= deliveredSeq ? 'delivered' : 'sent';
	}

	/** What the user has written here and not sent; kept over reloads once the user is known. */
	getDraft(): string {
		return this.#link._vault.get(DRAFT + roomKey(this.#asked)) ?? '';
	}

	setDraft(text: string): void {
		this.#link._vault.set(DRAFT + roomKey(this.#asked), text || null);
	}

	/** Says that the user types (call it at every key) or has stopped. */
	setTyping(isTyping: boolean): void {
		this.#typedAt = isTyping ? Date.now() : 0;
		this.#signals?._setTyping(this.#typedAt);
	}

	/** Says that the user has read up to `seq` [the newest]. */
	markRead(seq: number = this.#line._tail): void {
		if (seq <= this.getState().myReadSeq)
			return;
		this.#readWanted = seq;
		this.#signals?._read();
		this._changed();
	}

	/**
	 * Loads a page of older events; gives false when there are none. Rejects
	 * with a TaskChatError when it could not be fetched.
	 */
	async loadOlder(): Promise<boolean> {
		if (this.#loadingOlder || !this.#line._hasOlder())
			return false;
		this.#loadingOlder = true;
		this._changed();
		try {
			const { fetchOlder } = await import('./history.js');
			await fetchOlder(this.#link._socket, this.#address, this.#line);
		} catch (error) {
			throw asError(error);
		} finally {
			this.#loadingOlder = false;
			this._changed();
		}
		return true;
	}

	/* ---- for client.ts ---- */

	/** @internal True for events and replies that belong here. */
	_matches(address: RoomAddress): boolean {
		return this.#address !== this.#asked || this.#address.applicant_id !== null
			? roomKey(address) === roomKey(this.#address)
			: address.task_id === this.#address.task_id;
	}

	/** @internal True for messages in the outbox that belong here, also by the address before it was resolved. */
	_owns(address: RoomAddress): boolean {
		return [this.#asked, this.#address].some((own) => roomKey(own) === roomKey(address));
	}

	/** @internal True when messages may go out: a resume first tells which ones have gone already. */
	_mayPost(): boolean {
		return this.#phase !== 'joining';
	}

	/** @internal The seq up to which the line is applied; Infinity while nobody watches it. */
	_tail(): number {
		return this.#users > 0 ? this.#line._tail : Number.POSITIVE_INFINITY;
	}

	/** @internal The server has told this of a member. */
	_told(news: Partial<Member> & { user_id: string }): void {
		this.#roster._update(news);
		this._changed();
	}

	/** @internal Another user, or none: nothing of the former one's may be left. */
	_forget(): void {
		this.setTyping(false);
		this.#stop(this.#users > 0 ? 'joining' : 'idle');
		this.#address = this.#asked;
		this.#role = null;
		this.#line = new Line();
		this.#roster._replace([]);
		this.#readWanted = 0;
	}

	/** @internal The address as the server resolved it. */
	_getAddress(): { task_id: string; applicant_id: string | null } {
		return this.#address;
	}

	/** @internal */
	_wanted(): boolean {
		return this.#users > 0;
	}

	/** @internal What to ask when joining: all after what is held, or the newest page. */
	_joinRequest(): JoinRequest {
		const { _tail: tail, epoch } = this.#line;
		return { ...this.#address, ...(epoch !== null && { after_seq: tail, epoch }) };
	}

	/** @internal The connection is open: joins again. */
	_connected(): void {
		if (this.#users > 0 && this.#isIn())
			this.#rejoin();
	}

	/** @internal The connection is gone. */
	_disconnected(): void {
		this.#generation++;
		this.#held = [];
		this.#signals?._pause();
		this.#roster._stopTyping();
		if (this.#phase === 'joined')
			this.#phase = 'joining';
		this._changed();
	}

	/** @internal The reply to a join. `request` is what was asked. */
	async _joined(snapshot: RoomSnapshot, request: JoinRequest): Promise<void> {
		const generation = ++this.#generation;
		const { task_id, applicant_id, role, status } = snapshot;
		this.#address = { task_id, applicant_id };
		this.#role = role;
		this.#status = status;
		/* Over HTTP there is no list of members; what is held is the best guess. */
		if (snapshot.members.length > 0)
			this.#roster._replace(snapshot.members, snapshot.members_total);
		this.#resumeLine(snapshot, request);
		for (const event of snapshot.events)
			this.#apply(event, false);
		this._changed();
		try {
			await this.#catchUp(snapshot.last_seq, generation);
		} catch (error) {
			if (generation === this.#generation)
				this._refused(error);
			return;
		}
		if (generation === this.#generation)
			this.#goLive();
	}

	/** @internal A join, or what belongs to it, failed. */
	_refused(error: unknown): void {
		if (this.#users === 0)
			return;
		const why = asError(error);
		if (isTransient(why) || why.code === 'internal')
			this.#joinLater(why.retryAfterMs);
		else {
			this.#stop(this.#line.epoch !== null ? 'removed' : 'failed', why);
			this.#link._outbox._pump();
		}
	}

	/** @internal An event for which matches() is true. */
	_event(event: AnyRoomEvent): void {
		if (!isDurable(event))
			this.#stateEvent(event);
		else if (this.#phase === 'joining')
			this.#held.push(event);
		else if (this.#phase === 'joined' && this.#apply(event, true) > 0) {
			/* Something is missing: ask for all after what is held. */
			this.#rejoin();
			this.#held.push(event);
		}
	}

	#isIn(): boolean {
		return this.#phase === 'joining' || this.#phase === 'joined';
	}

	#update({ message }: { message: Message }): Message {
		this.#line._update(message);
		this._changed();
		return message;
	}

	/* ---- joining ---- */

	#rejoin(): void {
		this.#generation++;
		this.#held = [];
		this.#phase = 'joining';
		this.#error = null;
		clearTimeout(this.#retryTimer);
		this.#phaseChanged();
		if (this.#link._socket._isOpen())
			this.#link._joins._ask(this);
	}

	#joinLater(asked: number | null): void {
		this.#phase = 'joining';
		clearTimeout(this.#retryTimer);
		const wait = asked ?? jitter(RETRY_BASE_MS, RETRY_CAP_MS, this.#attempt++) + 250;
		this.#retryTimer = setTimeout(() => this.#rejoin(), wait);
		this._changed();
	}

	#stop(phase: RoomPhase, error: TaskChatError | null = null): void {
		this.#generation++;
		clearTimeout(this.#retryTimer);
		this.#held = [];
		this.#phase = phase;
		this.#error = error;
		this.#signals?._pause();
		this.#roster._stopTyping();
		this.#phaseChanged();
	}

	#phaseChanged(): void {
		this._changed();
		this.#link._changed();
	}

	/* Keeps the held line if the snapshot continues it, else begins a new one. */
	#resumeLine(snapshot: RoomSnapshot, request: JoinRequest): void {
		if (!snapshot.reset && request.after_seq !== undefined) {
			this.#line._firstSeq = snapshot.first_seq;
			return;
		}
		const first = snapshot.events[0];
		const after = first ? first.seq - 1 : Math.max(snapshot.first_seq - 1, snapshot.last_seq - PAGE, 0);
		this.#line._restart(snapshot.epoch, snapshot.first_seq, after);
		this.#readWanted = 0;
	}

	/* Pages on with get_events until the line has `upTo`. */
	async #catchUp(upTo: number, generation: number): Promise<void> {
		while (this.#line._tail < upTo) {
			const before = this.#line._tail;
			const page = await this.#link._socket.request('get_events', {
				...this.#address, after_seq: before, limit: CATCH_UP_PAGE,
			});
			if (generation !== this.#generation)
				return;
			if (page.epoch === this.#line.epoch)
				for (const event of page.events)
					this.#apply(event, false);
			/* Another epoch, or purged meanwhile: the next join says `reset`. */
			if (this.#line._tail === before)
				throw new TaskChatError('unavailable', 'another epoch');
			this._changed();
		}
	}

	#goLive(): void {
		this.#phase = 'joined';
		this.#error = null;
		this.#attempt = 0;
		const held = this.#held;
		this.#held = [];
		for (const event of held)
			if (this._matches(event))
				this._event(event);
		void this.#signal();
		this.#link._outbox._settled();
		this.#link._outbox._pump();
		this.#phaseChanged();
	}

	/*
	 * Acks, read marks and typing go out from now on. Where what sends them
	 * can't be loaded, the room works without, and the next join tries again.
	 */
	async #signal(): Promise<void> {
		try {
			const { Signals } = await import('./signals.js');
			this.#signals ??= new Signals(this, this.#link, this.#typedAt);
			this.#signals._resume();
		} catch {
			this.#signals = null;
		}
	}

	/* ---- events ---- */

	/* `live`: the event is newer than the members that are held. */
	#apply(event: DurableEvent, live: boolean): number {
		const missing = this.#line._append(event);
		if (missing === 0) {
			if (event.type === 'message_received')
				this.#link._outbox._arrived(event.message);
			if (live)
				this.#liveEvent(event);
			if (this.#phase === 'joined')
				this.#signals?._delivered();
			this._changed();
		}
		return missing;
	}

	#liveEvent(event: DurableEvent): void {
		const newcomer = this.#roster._line(event);
		if (newcomer !== null)
			void this.#signals?._ask(newcomer);
		if (event.type === 'member_role_changed' && event.user_id === this.#link._userId())
			this.#role = event.role;
		if (event.type === 'room_closed' || event.type === 'room_opened')
			this.#status = event.type === 'room_closed' ? 'closed' : 'open';
	}

	#stateEvent(event: StateEvent): void {
		if (event.type === 'removed_from_room')
			this.#stop('removed');
		else if (event.type !== 'room_activity')
			this.#roster._state(event);
		else if (event.reason === 'added' && this.#users > 0 && (this.#phase === 'removed' || this.#phase === 'failed'))
			this.#rejoin();
		this._changed();
	}

	/* ---- state ---- */

	/** @internal */
	protected override _build(): RoomState {
		const entries = this.#line.list();
		const me = this.#link._userId();
		const myReadSeq = Math.max(this.#roster.get(me)?.last_read_seq ?? 0, this.#readWanted);
		const isUnread = (entry: LineEntry): boolean =>
			entry.kind === 'message' && entry.seq > myReadSeq && entry.message.sender_id !== me;
		return {
			taskId: this.#address.task_id,
			applicantId: this.#address.applicant_id,
			phase: this.#phase,
			error: this.#error,
			role: this.#role,
			status: this.#status,
			members: this.#roster.list(),
			membersTotal: this.#roster._total,
			entries,
			pending: this.#link._outbox._list((address) => this._owns(address)),
			typing: this.#roster._typing(),
			hasOlder: this.#line._hasOlder(),
			loadingOlder: this.#loadingOlder,
			lastSeq: this.#line._tail,
			myReadSeq,
			unread: entries.filter(isUnread).length,
			...this.#roster._reach(me),
		};
	}
}
