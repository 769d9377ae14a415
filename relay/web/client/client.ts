/*
 * client.ts: TaskChatClient, the front door: one user's connection, the rooms
 * and the outbox on it, and the commands that belong to no room.
 *
 * The connection itself is socket.ts's, a room's state room.ts's, joining many
 * rooms at once joins.ts's. What is done here is between them: events go to
 * their rooms, a log-in or a loss is told to everybody, and what belongs to one
 * user never comes before another.
 */

import { roomKey } from './protocol.js';
import type {
	AnyRoomEvent, CommandName, Commands, Notification, NotificationEvent, Presence, RoomListItem, ServerEvent, SessionEvent,
} from './protocol.js';
import { Joins } from './joins.js';
import { Outbox } from './outbox.js';
import type { LocksLike } from './outbox.js';
import { watchPage } from './page.js';
import { Room } from './room.js';
import type { RoomLink } from './room.js';
import { TaskChatSocket } from './socket.js';
import type { SocketOptions, SocketState, SocketStatus } from './socket.js';
import { Store } from './store.js';
import { Vault, ownStorage } from './vault.js';
import type { StorageLike } from './vault.js';

/** How a user is shown. */
export interface UserProfile {
	name: string;
	avatarUrl?: string | null;
}

export interface ClientOptions extends SocketOptions {
	/**
	 * The user, if known before the log-in: then what an earlier page left
	 * unsent shows at once, also without a network.
	 */
	userId?: string;
	/** Gives names and pictures of users. */
	resolveUser?: (userId: string) => Promise<UserProfile> | UserProfile;
	/** Where the outbox, drafts and cursors are kept [localStorage, in memory where there is none]; null: in memory. */
	storage?: StorageLike | null;
	/** What lets one tab at a time send [navigator.locks]. */
	locks?: LocksLike;
}

export interface ClientState {
	status: SocketStatus;
	/** Over what the connection goes, while it is open: 'http' where sockets are blocked. */
	transport: 'socket' | 'http' | null;
	/** Known after the first log-in, or from the options. */
	userId: string | null;
	/** Why the last connection ended, or null. */
	closeCode: number | null;
	/** When the next try is due (milliseconds since 1970), while waiting. */
	retryAt: number | null;
	/** True once a connection was open: a loss is then a reconnect. */
	wasOpen: boolean;
	/** Connected, and some joined room isn't up to date yet. */
	catchingUp: boolean;
	/** How many messages wait to be sent. */
	queued: number;
	/** When messages go out again that were too many at once (milliseconds since 1970), or null. */
	pausedUntil: number | null;
	/** The longest content that the server takes, in bytes. */
	maxContentBytes: number;
}

/** What on() tells of: the events of all rooms by their type, and all of them as 'event'; live notifications. */
export type ClientEvents = { [Event in AnyRoomEvent as Event['type']]: Event } & {
	event: AnyRoomEvent;
	notification: NotificationEvent;
};

/**
 * One user's chat. Everything it shows is read by getState() and watched by
 * subscribe(), of the client and of its rooms alike.
 *
 * @example
 * const client = new TaskChatClient({ url: 'wss://chat.example.org/ws', getToken });
 * client.connect();
 * const room = client.room('task-42');
 * room.subscribe(() => render(room.getState()));
 * room.join();
 * await room.send({ content: 'Hello' }).committed;
 */
export class TaskChatClient extends Store<ClientState> {
	readonly #socket: TaskChatSocket;
	readonly #rooms = new Map<string, Room>();
	readonly #handlers = new Map<string, Set<(event: never) => void>>();
	readonly #people = new Map<string, Promise<UserProfile>>();
	readonly #resolver: ClientOptions['resolveUser'];
	readonly #outbox: Outbox;
	readonly #link: RoomLink;
	/** @internal What is kept for this user in this browser; signOut() removes it. */
	readonly _vault: Vault;
	#stopWatching: (() => void) | null = null;
	#asleep = false;
	#userId: string | null = null;
	#wasOpen = false;
	#maxContentBytes = 16_384;
	#currentTask: string | null = null;

	constructor(options: ClientOptions) {
		super();
		const socket = this.#socket = new TaskChatSocket(options, {
			_onState: (state) => this.#onState(state),
			_onEvent: (event) => this.#onEvent(event),
		});
		const storage = options.storage === undefined ? ownStorage() : options.storage;
		const vault = this._vault = new Vault(storage);
		/* Without a shared storage there is nothing to take turns for. */
		const outbox = this.#outbox = new Outbox(vault, storage ? options.locks ?? globalThis.navigator?.locks : undefined, {
			_ready: (address) => socket._isOpen() && this.#owners(address).every((room) => room._mayPost()),
			_post: async ({ address, draft, clientMsgId }) =>
				(await socket.request('send_message', { ...address, ...draft, client_msg_id: clientMsgId })).message,
			_tail: (address) => Math.min(...this.#owners(address).map((room) => room._tail())),
			_changed: () => {
				for (const room of this.#rooms.values())
					room._changed();
				this._changed();
			},
		});
		this.#resolver = options.resolveUser;
		this.#link = {
			_vault: vault, _outbox: outbox, _socket: socket,
			_joins: new Joins(socket, () => [...this.#rooms.values()]),
			_userId: () => this.#userId,
			_changed: () => this._changed(),
		};
		if (options.userId !== undefined)
			this.#setUser(options.userId);
	}

	/** Connects, and keeps the connection until close(). */
	connect(): void {
		this.#asleep = false;
		this.#stopWatching ??= watchPage({
			_wake: () => {
				if (this.#asleep)
					this.connect();
				else
					this.#socket._wake();
			},
			_sleep: () => {
				/* Who waits has no connection, and may have been asked to wait. */
				this.#asleep = /^(connecting|open)$/.test(this.#socket.getState().status);
				if (this.#asleep)
					this.#socket.close();
			},
			_stored: (key, value) => {
				const { _prefix: prefix } = this._vault;
				if (prefix && key.startsWith(prefix))
					this.#outbox._heard(key.slice(prefix.length), value);
			},
		});
		this.#socket.connect();
	}

	/** Closes the connection. Rooms keep their state, the outbox its messages; connect() resumes them. */
	close(): void {
		this.#stopWatching?.();
		this.#stopWatching = null;
		this.#socket.close();
	}

	/**
	 * Closes the connection and removes what this user had in this browser:
	 * unsent messages, drafts, cursors, and what the rooms show.
	 */
	signOut(): void {
		this.close();
		this.#forget();
		this._vault._clear();
		this.#userId = null;
		this.#wasOpen = false;
		this._changed();
	}

	/** The room of this address: always the same object. Join it to see anything. */
	room(taskId: string, applicantId: string | null = null): Room {
		const address = { task_id: taskId, applicant_id: applicantId };
		const key = roomKey(address);
		let room = this.#rooms.get(key);
		if (!room) {
			room = new Room(this.#link, address);
			this.#rooms.set(key, room);
		}
		return room;
	}

	/** Calls `handler` for events of this type; gives the function that ends it. */
	on<Type extends keyof ClientEvents>(type: Type, handler: (event: ClientEvents[Type]) => void): () => void {
		const handlers = this.#handlers.get(type) ?? new Set();
		this.#handlers.set(type, handlers);
		handlers.add(handler);
		return () => {
			handlers.delete(handler);
		};
	}

	/** Says which task the user looks at (null: none); told again after every log-in. */
	setCurrentTask(taskId: string | null): void {
		if (this.#currentTask === taskId)
			return;
		this.#currentTask = taskId;
		this.#tellCurrentTask();
	}

	/** The user's rooms, latest first. */
	getRooms(page: { limit?: number; offset?: number } = {}): Promise<{ rooms: RoomListItem[]; has_more: boolean }> {
		return this.request('get_rooms', page);
	}

	/** The presence of people who share a room with the user (at most 100 at once). */
	async getPresence(userIds: string[]): Promise<Presence[]> {
		return (await this.request('user_presence', { user_ids: userIds })).presence;
	}

	/** A page of the user's notifications, newest first without `after_seq`. */
	getNotifications(
		page: Commands['get_notifications']['fields'] = {},
	): Promise<{ notifications: Notification[]; has_more: boolean }> {
		return this.request('get_notifications', page);
	}

	async markNotificationRead(id: string): Promise<Notification> {
		return (await this.request('mark_notification_read', { id })).notification;
	}

	/** Any command of the protocol; rejects with a TaskChatError. */
	request<Name extends CommandName>(type: Name, fields: Commands[Name]['fields']): Promise<Commands[Name]['data']> {
		return this.#socket.request(type, fields);
	}

	/** A user's name and picture, as the application's resolveUser gives them (else the id): asked once a user. */
	resolveUser(userId: string): Promise<UserProfile> {
		let answer = this.#people.get(userId);
		if (!answer) {
			answer = new Promise((resolve) => resolve(this.#resolver?.(userId) ?? { name: userId, avatarUrl: null }));
			/* What failed may be asked for again. */
			answer.catch(() => this.#people.delete(userId));
			this.#people.set(userId, answer);
		}
		return answer;
	}

	/* ---- the user ---- */

	#setUser(userId: string): void {
		if (userId === this.#userId)
			return;
		if (this.#userId !== null)
			this.#forget();
		this.#userId = userId;
		this._vault._open(userId);
		this.#outbox._opened();
	}

	#forget(): void {
		this.#outbox._clear();
		this.#people.clear();
		for (const room of this.#rooms.values())
			room._forget();
	}

	/* ---- the connection ---- */

	#onState({ welcome, status }: SocketState): void {
		if (welcome) {
			this.#setUser(welcome.user_id);
			this.#maxContentBytes = welcome.limits.max_content_bytes;
			this.#wasOpen = true;
			for (const room of this.#rooms.values())
				room._connected();
			this.#outbox._connected();
			if (this.#currentTask !== null)
				this.#tellCurrentTask();
		} else if (status !== 'connecting') {
			for (const room of this.#rooms.values())
				room._disconnected();
			this.#outbox._disconnected();
		}
		this._changed();
	}

	#onEvent(event: Exclude<ServerEvent, SessionEvent>): void {
		this.#emit(event.type, event);
		if (event.type === 'notification')
			return;
		for (const room of this.#rooms.values())
			if (room._matches(event))
				room._event(event);
		this.#emit('event', event);
	}

	#emit(type: string, event: ServerEvent): void {
		/* on() has put only handlers of this type here. */
		for (const handler of [...this.#handlers.get(type) ?? []])
			(handler as (event: ServerEvent) => void)(event);
	}

	#owners(address: { task_id: string; applicant_id?: string | null }): Room[] {
		return [...this.#rooms.values()].filter((room) => room._owns(address));
	}

	#tellCurrentTask(): void {
		if (this.#socket._isOpen())
			this.request('user_presence', { current_task_id: this.#currentTask }).catch(() => {
				/* Told again with the next log-in; presence is no promise. */
			});
	}

	/** @internal */
	protected override _build(): ClientState {
		const { status, transport, closeCode, retryAt } = this.#socket.getState();
		return {
			status, transport, closeCode, retryAt,
			userId: this.#userId, wasOpen: this.#wasOpen, maxContentBytes: this.#maxContentBytes,
			catchingUp: status === 'open' && [...this.#rooms.values()].some((room) => !room._mayPost()),
			queued: this.#outbox._queued(), pausedUntil: this.#outbox._pausedUntil,
		};
	}
}
