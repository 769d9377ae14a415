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
import { PAGE, fetchOlder } from './history.js';
import type { Joins } from './joins.js';
import { Line } from './line.js';
import type { LineEntry } from './line.js';
import type { Outbox, SentMessage } from './outbox.js';
import { jitter } from './pace.js';
import type { Timer } from './pace.js';
import { Roster } from './roster.js';
import type { RoomPhase, RoomState } from './roomState.js';
import { Signals } from './signals.js';
import type { TaskChatSocket } from './socket.js';
import { Store } from './store.js';
import type { Vault } from './vault.js';

/** What a room needs of the connection; client.ts gives it. */
export interface RoomLink {
	readonly outbox: Outbox;
	readonly vault: Vault;
	readonly socket: TaskChatSocket;
	readonly joins: Joins;
	userId(): string | null;
	/** The room has become up to date, or ceased to be. */
	changed(): void;
}

const DRAFT = 'draft:';
const CATCH_UP_PAGE = 200;
const RETRY_BASE_MS = 1_000;
const RETRY_CAP_MS = 30_000;

export class Room extends Store<RoomState> {
	readonly #link: RoomLink;
	#address: { task_id: string; applicant_id: string | null };
	/* The key of the address as it was asked for: what the outbox has from before it was resolved. */
	readonly #asked: string;
	/* The server has told which room the address means. */
	#resolved = false;
	#phase: RoomPhase = 'idle';
	#error: TaskChatError | null = null;
	#role: MemberRole | null = null;
	#status: RoomOpenness = 'open';
	#users = 0;
	#line = new Line();
	readonly #roster = new Roster(() => this.changed());
	/* Live events that came while the line was being caught up. */
	#held: DurableEvent[] = [];
	/* Counts joins: what an earlier one still fetches is passed over. */
	#generation = 0;
	#attempt = 0;
	#retryTimer: Timer;
	#leaveTimer: Timer;
	#loadingOlder = false;
	readonly #signals: Signals;

	/** Rooms are made by TaskChatClient.room(). */
	constructor(link: RoomLink, address: RoomAddress) {
		super();
		this.#link = link;
		this.#address = { task_id: address.task_id, applicant_id: address.applicant_id ?? null };
		this.#asked = roomKey(this.#address);
		this.#signals = new Signals({
			live: () => link.socket.isOpen() && this.#phase === 'joined',
			tail: () => this.#line.tail,
			readSeq: () => this.#myReadSeq(true),
			ack: (seq) => link.socket.tell('ack', { ...this.#address, seq }),
			markRead: (seq) => this.#sendRead(seq),
			typing: (isTyping) => link.socket.tell('typing_indicator', { ...this.#address, is_typing: isTyping }),
		});
	}

	/* ---- for the user of the room ---- */

	/**
	 * Joins the room and keeps it joined over lost connections, until leave()
	 * was called as often as join().
	 */
	join(): void {
		this.#users++;
		clearTimeout(this.#leaveTimer);
		if (this.#phase !== 'joining' && this.#phase !== 'joined')
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
			this.#link.joins.leave(this);
			this.#link.outbox.settled();
		}, 0);
	}

	/** Sends a message. It shows as pending at once, and outlives lost connections and reloads. */
	send(draft: MessageDraft): SentMessage {
		this.#signals.sent();
		return this.#link.outbox.add(this.#address, draft);
	}

	/** Sends a failed message again. */
	retry(clientMsgId: string): void {
		this.#link.outbox.retry(clientMsgId);
	}

	/** Drops a failed message. */
	discard(clientMsgId: string): void {
		this.#link.outbox.discard(clientMsgId);
	}

	/** Changes an own message's text. */
	async edit(messageId: string, content: string): Promise<Message> {
		return this.#update(await this.#link.socket.request('edit_message', { message_id: messageId, content }));
	}

	/** Deletes an own message; an empty place stays. */
	async delete(messageId: string): Promise<Message> {
		return this.#update(await this.#link.socket.request('delete_message', { message_id: messageId }));
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
		return this.#link.vault.get(DRAFT + this.#asked) ?? '';
	}

	setDraft(text: string): void {
		this.#link.vault.set(DRAFT + this.#asked, text || null);
	}

	/** Says that the user types (call it at every key) or has stopped. */
	setTyping(isTyping: boolean): void {
		this.#signals.setTyping(isTyping && this.#role !== 'observer' && this.#status === 'open');
	}

	/** Says that the user has read up to `seq` [the newest]. */
	markRead(seq: number = this.#line.tail): void {
		if (seq <= this.#myReadSeq())
			return;
		this.#signals.read(seq);
		this.changed();
	}

	/**
	 * Loads a page of older events; gives false when there are none. Rejects
	 * with a TaskChatError when it could not be fetched.
	 */
	async loadOlder(): Promise<boolean> {
		if (this.#loadingOlder || !this.#line.hasOlder())
			return false;
		this.#loadingOlder = true;
		this.changed();
		try {
			await fetchOlder(this.#link.socket, this.#address, this.#line);
		} finally {
			this.#loadingOlder = false;
			this.changed();
		}
		return true;
	}

	/* ---- for client.ts ---- */

	/** True for events and replies that belong here. */
	matches(address: RoomAddress): boolean {
		if (this.#resolved || this.#address.applicant_id !== null)
			return roomKey(address) === roomKey(this.#address);
		return address.task_id === this.#address.task_id;
	}

	/** True for messages in the outbox that belong here, also by the address before it was resolved. */
	owns(address: RoomAddress): boolean {
		const key = roomKey(address);
		return key === this.#asked || key === roomKey(this.#address);
	}

	/** True when messages may go out: a resume first tells which ones have gone already. */
	mayPost(): boolean {
		return this.#phase !== 'joining';
	}

	/** The seq up to which the line is applied; Infinity while nobody watches it. */
	tail(): number {
		return this.#users > 0 ? this.#line.tail : Number.POSITIVE_INFINITY;
	}

	/** What the room shows has changed elsewhere (the outbox). */
	refresh(): void {
		this.changed();
	}

	/** Another user, or none: nothing of the former one's may be left. */
	forget(): void {
		this.#stop(this.#users > 0 ? 'joining' : 'idle');
		const [task_id, applicant_id] = JSON.parse(this.#asked) as [string, string | null];
		this.#address = { task_id, applicant_id };
		this.#resolved = false;
		this.#role = null;
		this.#line = new Line();
		this.#roster.replace([]);
		this.#signals.readWanted = 0;
	}

	/** The address as the server resolved it. */
	getAddress(): { task_id: string; applicant_id: string | null } {
		return this.#address;
	}

	wanted(): boolean {
		return this.#users > 0;
	}

	/** What to ask when joining: all after what is held, or the newest page. */
	joinRequest(): JoinRequest {
		const request: JoinRequest = { task_id: this.#address.task_id };
		if (this.#address.applicant_id !== null)
			request.applicant_id = this.#address.applicant_id;
		if (this.#line.epoch !== null) {
			request.after_seq = this.#line.tail;
			request.epoch = this.#line.epoch;
		}
		return request;
	}

	/** The connection is open: joins again. */
	connected(): void {
		if (this.#users > 0 && (this.#phase === 'joining' || this.#phase === 'joined'))
			this.#rejoin();
	}

	/** The connection is gone. */
	disconnected(): void {
		this.#generation++;
		this.#held = [];
		this.#signals.pause();
		this.#roster.stopTyping();
		if (this.#phase === 'joined')
			this.#phase = 'joining';
		this.changed();
	}

	/** The reply to a join. `request` is what was asked. */
	async joined(snapshot: RoomSnapshot, request: JoinRequest): Promise<void> {
		const generation = ++this.#generation;
		this.#address = { task_id: snapshot.task_id, applicant_id: snapshot.applicant_id ?? null };
		this.#resolved = true;
		this.#role = snapshot.role;
		this.#status = snapshot.status;
		/* Over HTTP there is no list of members; what is held is the best guess. */
		if (snapshot.members.length > 0)
			this.#roster.replace(snapshot.members, snapshot.members_total);
		this.#resumeLine(snapshot, request);
		for (const event of snapshot.events)
			this.#apply(event, false);
		this.changed();
		try {
			await this.#catchUp(snapshot.last_seq, generation);
		} catch (error) {
			if (generation === this.#generation)
				this.refused(error);
			return;
		}
		if (generation === this.#generation)
			this.#goLive();
	}

	/** A join, or what belongs to it, failed. */
	refused(error: unknown): void {
		if (this.#users === 0)
			return;
		const why = asError(error);
		if (isTransient(why) || why.code === 'internal') {
			this.#joinLater(why.retryAfterMs);
			return;
		}
		this.#stop(this.#line.epoch !== null ? 'removed' : 'failed', why);
		this.#link.outbox.pump();
	}

	/** An event for which matches() is true. */
	event(event: AnyRoomEvent): void {
		if (!isDurable(event))
			this.#stateEvent(event);
		else if (this.#phase === 'joining')
			this.#held.push(event);
		else if (this.#phase === 'joined' && this.#apply(event, true) === 'gap') {
			/* Something is missing: ask for all after what is held. */
			this.#rejoin();
			this.#held.push(event);
		}
	}

	#update({ message }: { message: Message }): Message {
		this.#line.update(message);
		this.changed();
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
		if (this.#link.socket.isOpen())
			this.#link.joins.ask(this);
	}

	#joinLater(asked: number | null): void {
		this.#phase = 'joining';
		clearTimeout(this.#retryTimer);
		const wait = asked ?? jitter(RETRY_BASE_MS, RETRY_CAP_MS, this.#attempt++, Math.random) + 250;
		this.#retryTimer = setTimeout(() => this.#rejoin(), wait);
		this.changed();
	}

	#stop(phase: RoomPhase, error: TaskChatError | null = null): void {
		this.#generation++;
		clearTimeout(this.#retryTimer);
		this.#held = [];
		this.#phase = phase;
		this.#error = error;
		this.#signals.pause();
		this.#roster.stopTyping();
		this.#phaseChanged();
	}

	#phaseChanged(): void {
		this.changed();
		this.#link.changed();
	}

	/* Keeps the held line if the snapshot continues it, else begins a new one. */
	#resumeLine(snapshot: RoomSnapshot, request: JoinRequest): void {
		if (!snapshot.reset && request.after_seq !== undefined) {
			this.#line.firstSeq = snapshot.first_seq;
			return;
		}
		const first = snapshot.events[0];
		const after = first ? first.seq - 1 : Math.max(snapshot.first_seq - 1, snapshot.last_seq - PAGE, 0);
		this.#line.restart(snapshot.epoch, snapshot.first_seq, after);
		this.#signals.readWanted = 0;
	}

	/* Pages on with get_events until the line has `upTo`. */
	async #catchUp(upTo: number, generation: number): Promise<void> {
		while (this.#line.tail < upTo) {
			const before = this.#line.tail;
			const page = await this.#link.socket.request('get_events', {
				...this.#address, after_seq: before, limit: CATCH_UP_PAGE,
			});
			if (generation !== this.#generation)
				return;
			if (page.epoch === this.#line.epoch)
				for (const event of page.events)
					this.#apply(event, false);
			/* Another epoch, or purged meanwhile: the next join says `reset`. */
			if (this.#line.tail === before)
				throw new TaskChatError('unavailable', 'another epoch');
			this.changed();
		}
	}

	#goLive(): void {
		this.#phase = 'joined';
		this.#error = null;
		this.#attempt = 0;
		const held = this.#held;
		this.#held = [];
		for (const event of held)
			if (this.matches(event))
				this.event(event);
		this.#signals.resume(this.#me()?.last_delivered_seq ?? 0);
		this.#link.outbox.settled();
		this.#link.outbox.pump();
		this.#phaseChanged();
	}

	/* ---- events ---- */

	/* `live`: the event is newer than the members that are held. */
	#apply(event: DurableEvent, live: boolean): 'applied' | 'known' | 'gap' {
		const verdict = this.#line.append(event);
		if (verdict !== 'applied')
			return verdict;
		if (event.type === 'message_received')
			this.#link.outbox.arrived(event.message);
		if (live)
			this.#liveEvent(event);
		if (this.#phase === 'joined')
			this.#signals.delivered();
		this.changed();
		return verdict;
	}

	#liveEvent(event: DurableEvent): void {
		const newcomer = this.#roster.line(event);
		if (newcomer !== null)
			void this.#askPresence(newcomer);
		if (event.type === 'member_role_changed' && event.user_id === this.#link.userId())
			this.#role = event.role;
		if (event.type === 'room_closed' || event.type === 'room_opened')
			this.#status = event.type === 'room_closed' ? 'closed' : 'open';
	}

	#stateEvent(event: StateEvent): void {
		if (event.type === 'removed_from_room')
			this.#stop('removed');
		else if (event.type !== 'room_activity')
			this.#roster.state(event);
		else if (event.reason === 'added' && this.#users > 0 && (this.#phase === 'removed' || this.#phase === 'failed'))
			this.#rejoin();
		this.changed();
	}

	async #askPresence(userId: string): Promise<void> {
		try {
			const { presence } = await this.#link.socket.request('user_presence', { user_ids: [userId] });
			for (const one of presence)
				this.#roster.presence(one);
			this.changed();
		} catch {
			/* The next presence event tells. */
		}
	}

	async #sendRead(seq: number): Promise<void> {
		const data = await this.#link.socket.request('mark_read', { ...this.#address, seq });
		const me = this.#link.userId();
		if (me !== null)
			this.#roster.mark(me, data.last_read_seq);
		this.changed();
	}

	/* ---- state ---- */

	#me(): Member | undefined {
		const userId = this.#link.userId();
		return userId === null ? undefined : this.#roster.get(userId);
	}

	/* `confirmed`: as the server has it, else as the user wants it. */
	#myReadSeq(confirmed = false): number {
		const known = this.#me()?.last_read_seq ?? 0;
		return confirmed ? known : Math.max(known, this.#signals.readWanted);
	}

	protected override build(): RoomState {
		const entries = this.#line.list();
		const myReadSeq = this.#myReadSeq();
		const me = this.#link.userId();
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
			membersTotal: this.#roster.total,
			entries,
			pending: this.#link.outbox.list((address) => this.owns(address)),
			typing: this.#roster.typing(),
			hasOlder: this.#line.hasOlder(),
			loadingOlder: this.#loadingOlder,
			lastSeq: this.#line.tail,
			myReadSeq,
			unread: entries.filter(isUnread).length,
			...this.#roster.reach(me),
		};
	}
}
