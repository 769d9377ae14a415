/*
 * client.ts: TaskChatClient, the front door: one user's connection, the rooms
 * on it, and the commands that belong to no room.
 *
 * The connection itself is socket.ts's, a room's state room.ts's. What is done
 * here is between the two: events go to their rooms, and after every log-in
 * all rooms are joined again with one command.
 */

import { CloseCode, TaskChatError, closeRule, roomKey } from './protocol.js';
import type {
	AnyRoomEvent, Commands, JoinRequest, Notification, NotificationEvent, Presence, RoomListItem,
	RoomRefusal, RoomSnapshot, ServerEvent, SessionEvent, StateEvent,
} from './protocol.js';
import { Room } from './room.js';
import type { RoomLink } from './room.js';
import { TaskChatSocket } from './socket.js';
import type { SocketOptions, SocketState, SocketStatus } from './socket.js';
import { Store } from './store.js';

export type ClientOptions = SocketOptions;

export interface ClientState {
	status: SocketStatus;
	/** Known after the first log-in. */
	userId: string | null;
	/** Why the last connection ended, or null. */
	closeCode: number | null;
	/** When the next try is due (milliseconds since 1970), while waiting. */
	retryAt: number | null;
	/** True once a connection was open: a loss is then a reconnect. */
	wasOpen: boolean;
	/** The longest content that the server takes, in bytes. */
	maxContentBytes: number;
}

/** What on() tells of: the events that are not (only) a room's. */
export interface ClientEvents {
	notification: NotificationEvent;
	room_activity: Extract<StateEvent, { type: 'room_activity' }>;
	removed_from_room: Extract<StateEvent, { type: 'removed_from_room' }>;
}

type Handler = (event: ClientEvents[keyof ClientEvents]) => void;

interface Join {
	room: Room;
	request: JoinRequest;
}

const encoder = new TextEncoder();

function isRefusal(outcome: RoomSnapshot | RoomRefusal): outcome is RoomRefusal {
	return 'error' in outcome;
}

export class TaskChatClient extends Store<ClientState> {
	private readonly socket: TaskChatSocket;
	private readonly rooms = new Map<string, Room>();
	private readonly handlers = new Map<string, Set<Handler>>();
	private readonly joins = new Set<Room>();
	private joinsAsked = false;
	private userId: string | null = null;
	private wasOpen = false;
	private maxContentBytes = 16_384;
	private currentTask: string | null = null;
	private readonly link: RoomLink;

	constructor(options: ClientOptions) {
		super();
		this.socket = new TaskChatSocket(options, {
			onState: (state) => this.onState(state),
			onEvent: (event) => this.onEvent(event),
		});
		this.link = {
			request: (type, fields) => this.socket.request(type, fields),
			tell: (type, fields) => this.socket.tell(type, fields),
			isOpen: () => this.socket.isOpen(),
			userId: () => this.userId,
			requestJoin: (room) => this.requestJoin(room),
			leave: (room) => this.leaveRoom(room),
		};
	}

	/** Connects, and keeps the connection until close(). */
	connect(): void {
		this.socket.connect();
		globalThis.addEventListener?.('online', this.onOnline);
	}

	/** Closes the connection. Rooms keep their state; connect() resumes them. */
	close(): void {
		globalThis.removeEventListener?.('online', this.onOnline);
		this.socket.close();
	}

	/** The room of this address: always the same object. Join it to see anything. */
	room(taskId: string, applicantId: string | null = null): Room {
		const address = { task_id: taskId, applicant_id: applicantId };
		const key = roomKey(address);
		const known = this.rooms.get(key);
		if (known)
			return known;
		const room = new Room(this.link, address);
		this.rooms.set(key, room);
		return room;
	}

	/** Calls `handler` for events of this type; gives the function that ends it. */
	on<Type extends keyof ClientEvents>(type: Type, handler: (event: ClientEvents[Type]) => void): () => void {
		const handlers = this.handlers.get(type) ?? new Set<Handler>();
		this.handlers.set(type, handlers);
		handlers.add(handler as Handler);
		return () => {
			handlers.delete(handler as Handler);
		};
	}

	/** Says which task the user looks at (null: none); told again after every log-in. */
	setCurrentTask(taskId: string | null): void {
		if (this.currentTask === taskId)
			return;
		this.currentTask = taskId;
		this.tellCurrentTask();
	}

	/** The user's rooms, latest first. */
	getRooms(page: { limit?: number; offset?: number } = {}): Promise<{ rooms: RoomListItem[]; has_more: boolean }> {
		return this.socket.request('get_rooms', page);
	}

	/** The presence of people who share a room with the user (at most 100 at once). */
	async getPresence(userIds: string[]): Promise<Presence[]> {
		return (await this.socket.request('user_presence', { user_ids: userIds })).presence;
	}

	/** The user's notifications; after a loss ask for those after the last seq seen. */
	getNotifications(
		page: Commands['get_notifications']['fields'] = {},
	): Promise<{ notifications: Notification[]; has_more: boolean }> {
		return this.socket.request('get_notifications', page);
	}

	async markNotificationRead(id: string): Promise<Notification> {
		return (await this.socket.request('mark_notification_read', { id })).notification;
	}

	/* ---- the connection ---- */

	/* The network is back: no need to wait longer, unless the relay asked for it. */
	private readonly onOnline = (): void => {
		const { status, closeCode } = this.socket.getState();
		if (status === 'waiting' && closeCode !== CloseCode.goingAway && closeRule(closeCode ?? 0) === 'backoff')
			this.socket.connect();
	};

	private onState(state: SocketState): void {
		if (state.welcome) {
			this.userId = state.welcome.user_id;
			this.maxContentBytes = state.welcome.limits?.max_content_bytes ?? this.maxContentBytes;
			this.wasOpen = true;
			for (const room of this.rooms.values())
				room.connected();
			if (this.currentTask !== null)
				this.tellCurrentTask();
		} else if (state.status !== 'connecting') {
			for (const room of this.rooms.values())
				room.disconnected();
		}
		this.changed();
	}

	private onEvent(event: Exclude<ServerEvent, SessionEvent>): void {
		if (event.type !== 'notification')
			this.toRooms(event);
		if (event.type === 'notification' || event.type === 'room_activity' || event.type === 'removed_from_room')
			for (const handler of this.handlers.get(event.type) ?? [])
				handler(event);
	}

	private toRooms(event: AnyRoomEvent): void {
		for (const room of this.rooms.values())
			if (room.matches(event))
				room.event(event);
	}

	private tellCurrentTask(): void {
		if (!this.socket.isOpen())
			return;
		this.socket.request('user_presence', { current_task_id: this.currentTask }).catch(() => {
			/* Told again with the next log-in; presence is no promise. */
		});
	}

	/* ---- joining ---- */

	private requestJoin(room: Room): void {
		this.joins.add(room);
		if (this.joinsAsked)
			return;
		this.joinsAsked = true;
		queueMicrotask(() => {
			this.joinsAsked = false;
			const rooms = [...this.joins];
			this.joins.clear();
			this.sendJoins(rooms);
		});
	}

	/* One command for all; more only where a frame can't hold them. */
	private sendJoins(rooms: Room[]): void {
		const room = this.socket.maxFrameBytes() - 256;
		let batch: Join[] = [];
		let bytes = 0;
		for (const one of rooms) {
			const request = one.joinRequest();
			const size = encoder.encode(JSON.stringify(request)).length + 1;
			if (batch.length > 0 && bytes + size > room) {
				void this.joinMany(batch);
				batch = [];
				bytes = 0;
			}
			batch.push({ room: one, request });
			bytes += size;
		}
		const [first] = batch;
		if (first && batch.length === 1)
			void this.joinOne(first);
		else if (first)
			void this.joinMany(batch);
	}

	private async joinOne({ room, request }: Join): Promise<void> {
		try {
			this.outcome({ room, request }, await this.socket.request('join_task_room', request));
		} catch (error) {
			this.failed([{ room, request }], error);
		}
	}

	private async joinMany(batch: Join[]): Promise<void> {
		try {
			const { rooms } = await this.socket.request('join_task_rooms', { rooms: batch.map((join) => join.request) });
			const someJoined = rooms.some((outcome) => !isRefusal(outcome));
			batch.forEach((join, index) => {
				const outcome = rooms[index];
				if (!outcome)
					join.room.refused(new TaskChatError('unavailable', 'no outcome for this room'));
				else if (isRefusal(outcome) && outcome.error.code === 'limit_exceeded' && someJoined)
					/* It didn't fit into the reply: ask again. */
					this.requestJoin(join.room);
				else
					this.outcome(join, outcome);
			});
		} catch (error) {
			this.failed(batch, error);
		}
	}

	private outcome({ room, request }: Join, outcome: RoomSnapshot | RoomRefusal): void {
		if (isRefusal(outcome))
			room.refused(new TaskChatError(outcome.error.code, outcome.error.message));
		else if (room.wanted())
			void room.joined(outcome, request);
		else
			this.leaveRoom(room);
	}

	/* With the connection gone, the next log-in joins again. */
	private failed(batch: Join[], error: unknown): void {
		if (error instanceof TaskChatError && error.code === 'disconnected')
			return;
		for (const { room } of batch)
			room.refused(error);
	}

	private leaveRoom(room: Room): void {
		this.joins.delete(room);
		const address = room.getAddress();
		const shared = [...this.rooms.values()].some(
			(other) => other !== room && other.wanted() && roomKey(other.getAddress()) === roomKey(address),
		);
		if (!shared)
			this.socket.request('leave_task_room', address).catch(() => {});
	}

	protected override build(): ClientState {
		const { status, closeCode, retryAt } = this.socket.getState();
		return {
			status, closeCode, retryAt,
			userId: this.userId, wasOpen: this.wasOpen, maxContentBytes: this.maxContentBytes,
		};
	}
}
