/*
 * polling.ts: the connection where no WebSocket can be opened: commands go to
 * the HTTP API, and each joined room is asked for its next events by requests
 * that wait. Loaded by socket.ts only when it is needed.
 *
 * What the HTTP API doesn't have fails with 'unavailable': editing, deleting,
 * typing, notifications. The members are those that the line tells of, without
 * their marks; what happens in other rooms is seen by asking now and then.
 */

import { GOING_AWAY, LOST, NORMAL, NOT_LOGGED_IN, roomKey } from './protocol.js';
import type {
	AnyRoomEvent, CommandName, Commands, DurableEvent, ErrorCode, JoinRequest, Member, MemberRole, Presence, RoomListItem, RoomRefusal,
	RoomSnapshot, TaskChatError, Welcome,
} from './protocol.js';
import type { Timer } from './pace.js';
import type { WebSocketLike } from './socket.js';

export interface PollingOwner {
	/** The class of errors: the client's own, of which this part, loaded later, must not bring another. */
	readonly _Failure: typeof TaskChatError;
	_newSocket(): WebSocketLike;
	/** The HTTP API has taken the token: what a socket would have been told. */
	_welcome(welcome: Welcome): void;
	_event(event: AnyRoomEvent): void;
	/** The server is out of reach, or (4401) wants another token. */
	_lost(code: number, reason: string): void;
	/** A socket could be opened: no need to poll. */
	_socketWorks(): void;
}

interface Followed {
	address: { task_id: string; applicant_id: string | null };
	after: number;
	epoch: string;
	/* Whose presence is asked for. */
	people: string[];
}

type EventPage = Commands['get_events']['data'];

const PAGE = 50;
const BIG_PAGE = 200;
const WAIT_S = 25;
/* Browsers open six connections to a host; some must be left for commands. */
const WAITING_ROOMS = 3;
const ROUND_MS = 2_000;
/* One lease of presence lasts 60 s. */
const PRESENCE_MS = 40_000;
const OTHER_ROOMS_MS = 10_000;
/* How long the ids may be, in an address, of those who are asked after in one request. */
const PEOPLE_BYTES = 3_000;
const SOCKET_AGAIN_MS = 1_000;
const SOCKET_CAP_MS = 300_000;

type Query = { [name: string]: string | number | string[] | null | undefined };

interface Answer {
	ok: boolean;
	status: number;
	data: unknown;
	retryAfterMs: number | null;
}

/* The user's own mark: so many messages of others come after it as are unread. */
function readSeq({ last_seq, unread }: RoomListItem, line: DurableEvent[], userId: string): number {
	let seq = last_seq;
	for (let at = line.length - 1, left = unread; at >= 0 && left > 0; at--) {
		const event = line[at] as DurableEvent;
		seq = event.seq - 1;
		if (event.type === 'message_received' && event.message.sender_id !== userId && event.message.deleted_at === null)
			left--;
	}
	return seq;
}

function pause(ms: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, ms));
}

export class Polling {
	readonly #base: string;
	readonly #token: string;
	readonly #owner: PollingOwner;
	readonly #ended = new AbortController();
	readonly #rooms = new Map<string, Followed>();
	/* How each room was when it was asked for last; null before that. */
	#known: Map<string, string> | null = null;
	#userId = '';
	#presenceTimer: Timer;
	#socketTimer: Timer;
	#roomsTimer: Timer;
	#currentTask: string | null = null;

	/** Takes the HTTP API's address (without a path) and a JWT; the owner is told what comes of it. */
	constructor(base: string, token: string, owner: PollingOwner) {
		this.#base = base;
		this.#token = token;
		this.#owner = owner;
		void this.#open();
	}

	/** Ends everything that is under way. */
	close(): void {
		this.#ended.abort();
		clearTimeout(this.#presenceTimer);
		clearTimeout(this.#socketTimer);
		clearTimeout(this.#roomsTimer);
	}

	/** As TaskChatSocket.request(); commands that HTTP doesn't have are 'unavailable'. */
	request<Name extends CommandName>(type: Name, fields: Commands[Name]['fields']): Promise<Commands[Name]['data']> {
		const command = this.#commands[type] as ((fields: Commands[Name]['fields']) => Promise<Commands[Name]['data']>) | undefined;
		return command?.(fields) ?? Promise.reject(new this.#owner._Failure('unavailable', `${type} needs a WebSocket`));
	}

	readonly #commands: { [Name in CommandName]?: (fields: Commands[Name]['fields']) => Promise<Commands[Name]['data']> } = {
		join_task_room: async (request) => this.#join(request, await this.#myRooms()),
		join_task_rooms: async ({ rooms }) => {
			const mine = await this.#myRooms();
			return { rooms: await Promise.all(rooms.map((request) => this.#joinOrRefuse(request, mine))) };
		},
		leave_task_room: async (address) => {
			this.#rooms.delete(roomKey(address));
			return {};
		},
		send_message: ({ task_id, ...body }) => this.#call('send-message', { task_id }, body),
		mark_read: ({ task_id, ...body }) => this.#call('read', { task_id }, body),
		get_messages: (fields) => this.#call('messages', { ...fields }),
		get_events: (fields) => this.#events(fields),
		get_rooms: (fields) => this.#call('rooms', { ...fields }),
		user_presence: async ({ user_ids, current_task_id }) => {
			if (user_ids)
				return this.#call('user/presence', { user_id: user_ids });
			this.#currentTask = current_task_id ?? null;
			return { presence: [await this.#beat()] };
		},
	};

	async #open(): Promise<void> {
		try {
			const { user_id } = await this.#beat();
			if (this.#ended.signal.aborted)
				return;
			this.#userId = user_id;
			this.#owner._welcome({
				type: 'welcome', user_id, session_id: '', protocol: 'http', heartbeat: 0, expires_at: '',
				limits: { max_frame_bytes: 65_536, max_content_bytes: 16_384, rate_messages: 10, max_rooms: 200 },
			});
			this.#trySocket(SOCKET_AGAIN_MS);
			this.#lookAround();
		} catch (error) {
			this.#owner._lost(LOST, String(error));
		}
	}

	/* Looks now and then whether sockets can be opened by now. */
	#trySocket(delay: number): void {
		this.#socketTimer = setTimeout(() => {
			const socket = this.#owner._newSocket();
			socket.onopen = () => {
				socket.close(NORMAL);
				if (!this.#ended.signal.aborted)
					this.#owner._socketWorks();
			};
			socket.onerror = () => {};
			this.#trySocket(Math.min(2 * delay, SOCKET_CAP_MS));
		}, delay);
	}

	/* ---- rooms ---- */

	async #myRooms(): Promise<RoomListItem[]> {
		const rooms: RoomListItem[] = [];
		let more = true;
		while (more) {
			const page: Commands['get_rooms']['data'] = await this.#call('rooms', { limit: BIG_PAGE, offset: rooms.length });
			rooms.push(...page.rooms);
			more = page.has_more && page.rooms.length > 0;
		}
		return rooms;
	}

	#events({ task_id, applicant_id, after_seq, limit }: Commands['get_events']['fields'], wait?: number): Promise<EventPage> {
		return this.#call('events', { task_id, applicant_id, after_seq, limit, wait });
	}

	async #joinOrRefuse(request: JoinRequest, mine: RoomListItem[]): Promise<RoomSnapshot | RoomRefusal> {
		try {
			return await this.#join(request, mine);
		} catch (error) {
			const { code, message } = error as TaskChatError;
			return { task_id: request.task_id, applicant_id: request.applicant_id ?? null, error: { code, message } };
		}
	}

	/* What join_task_room would have answered, of what HTTP tells. */
	async #join(request: JoinRequest, mine: RoomListItem[]): Promise<RoomSnapshot> {
		const { task_id, after_seq } = request;
		const found = mine.filter((room) => room.task_id === task_id);
		const wanted = request.applicant_id ?? null;
		const item = found.find((one) => one.applicant_id === wanted)
			?? found.find((one) => wanted === null && one.role === 'applicant');
		if (!item)
			throw new this.#owner._Failure('forbidden', 'no such room');
		const { applicant_id, role, status } = item;
		const address = { task_id, applicant_id };
		const start = await this.#events({ ...address, after_seq: 0, limit: BIG_PAGE });
		let page = after_seq === undefined ? start : await this.#events({ ...address, after_seq, limit: BIG_PAGE });
		const reset = after_seq !== undefined
			&& (page.epoch !== request.epoch || after_seq > page.last_seq || after_seq < page.first_seq - 1);
		if (reset || (after_seq === undefined && start.last_seq > PAGE))
			page = await this.#events({ ...address, after_seq: Math.max(page.first_seq - 1, page.last_seq - PAGE), limit: PAGE });
		const { events, first_seq, last_seq, epoch, has_more } = page;
		const members = await this.#members(item, [...start.events.filter((event) => event.seq < (events[0]?.seq ?? 0)), ...events]);
		const room: Followed = {
			address, after: events.at(-1)?.seq ?? last_seq, epoch, people: members.map((member) => member.user_id),
		};
		this.#rooms.set(roomKey(address), room);
		void this.#follow(room);
		return {
			...address, first_seq, last_seq, epoch, role, status, events, complete: !has_more, reset,
			/* Who resumes knows more of them. */
			members: reset || after_seq === undefined ? members : [],
		};
	}

	/* The members, as far as the first and the newest events of the line tell. */
	async #members(room: RoomListItem, line: DurableEvent[]): Promise<Member[]> {
		const roles = new Map<string, MemberRole>();
		for (const event of line)
			if (event.type === 'member_left')
				roles.delete(event.user_id);
			else if (event.type === 'member_joined' || event.type === 'member_role_changed')
				roles.set(event.user_id, event.role);
		roles.set(this.#userId, room.role);
		/* Where that fails nobody seems to be there, until it is asked again. */
		const present = await this.#presence([...roles.keys()]).catch(() => []);
		const found = new Map(present.map((one) => [one.user_id, one]));
		return [...roles].map(([user_id, role]) => ({
			...found.get(user_id) ?? { user_id, is_online: false, last_seen: null, current_task_id: null },
			role, last_delivered_seq: 0, last_read_seq: user_id === this.#userId ? readSeq(room, line, user_id) : 0,
		}));
	}

	async #presence(userIds: string[]): Promise<Presence[]> {
		const found: Presence[] = [];
		for (let asked: string[] = [], at = 0, bytes = 0; at < userIds.length; at++) {
			asked.push(userIds[at] as string);
			bytes += encodeURIComponent(userIds[at] as string).length + '&user_id='.length;
			if (bytes < PEOPLE_BYTES && at < userIds.length - 1)
				continue;
			const { presence } = await this.#call<{ presence: Presence[] }>('user/presence', { user_id: asked });
			found.push(...presence);
			asked = [];
			bytes = 0;
		}
		return found;
	}

	/* What happens in the rooms that nobody has joined here. */
	#lookAround(): void {
		this.#roomsTimer = setTimeout(() => {
			/* What keeps this from working is told by #call; the rest passes until the next time. */
			this.#myRooms().then((rooms) => this.#activity(rooms)).catch(() => {}).finally(() => {
				if (!this.#ended.signal.aborted)
					this.#lookAround();
			});
		}, OTHER_ROOMS_MS);
	}

	#activity(rooms: RoomListItem[]): void {
		const known = this.#known;
		this.#known = new Map(rooms.map((room) => [roomKey(room), `${room.last_seq} ${room.unread}`]));
		for (const { task_id, applicant_id, last_seq, unread } of rooms) {
			const key = roomKey({ task_id, applicant_id });
			const reason = known?.has(key) ? 'message' : 'added';
			if (known && known.get(key) !== this.#known.get(key) && !this.#rooms.has(key) && !this.#ended.signal.aborted)
				this.#owner._event({ type: 'room_activity', task_id, applicant_id, last_seq, unread, reason });
		}
	}

	/* Asks for what is new for as long as the room is joined. */
	async #follow(room: Followed): Promise<void> {
		const key = roomKey(room.address);
		while (this.#rooms.get(key) === room && !this.#ended.signal.aborted)
			try {
				const few = this.#rooms.size <= WAITING_ROOMS;
				const asked = Date.now();
				this.#take(room, await this.#events({ ...room.address, after_seq: room.after, limit: BIG_PAGE }, few ? WAIT_S : 0));
				if (!few || Date.now() - asked < ROUND_MS)
					await pause(few ? ROUND_MS / 10 : ROUND_MS * this.#rooms.size / WAITING_ROOMS);
			} catch (error) {
				await this.#trouble(room, error as TaskChatError);
			}
	}

	#take(room: Followed, { events, epoch }: EventPage): void {
		if (epoch !== room.epoch)
			this.#owner._lost(GOING_AWAY, 'the room begins anew');
		for (const event of events) {
			if (this.#rooms.get(roomKey(room.address)) !== room || this.#ended.signal.aborted)
				return;
			room.after = event.seq;
			this.#owner._event(event);
		}
	}

	async #trouble(room: Followed, { code, retryAfterMs }: TaskChatError): Promise<void> {
		if (code === 'forbidden' || code === 'not_found') {
			this.#rooms.delete(roomKey(room.address));
			this.#owner._event({ ...room.address, type: 'removed_from_room', reason: 'removed' });
		} else
			await pause(retryAfterMs ?? ROUND_MS);
	}

	/* ---- requests: what fails here fails with a TaskChatError ---- */

	/* Says that the user is there, again and again: the lease of one time is 60 s. */
	async #beat(): Promise<Presence> {
		clearTimeout(this.#presenceTimer);
		this.#presenceTimer = setTimeout(() => {
			/* What keeps this from working is told by #call; the rest passes until the next time. */
			this.#beat().then(() => this.#lookAtPeople()).catch(() => {});
		}, PRESENCE_MS);
		const body = { is_online: true, current_task_id: this.#currentTask };
		const { presence } = await this.#call<{ presence: Presence }>('user/presence', {}, body);
		return presence;
	}

	async #lookAtPeople(): Promise<void> {
		for (const { address, people } of [...this.#rooms.values()])
			for (const one of await this.#presence(people))
				if (!this.#ended.signal.aborted)
					this.#owner._event({ ...address, ...one, type: 'user_presence' });
	}

	async #call<Data>(what: string, query: Query, body?: object): Promise<Data> {
		const url = new URL(`/api/${what}`, this.#base);
		for (const [name, values] of Object.entries(query))
			for (const value of [values].flat())
				if (value !== undefined && value !== null)
					url.searchParams.append(name, String(value));
		const { ok, status, data, retryAfterMs } = await this.#fetch(url, body);
		if (ok)
			return data as Data;
		const { code = 'internal', message = code } = (data as { error?: { code?: ErrorCode; message?: string } }).error ?? {};
		if (status === 401)
			this.#owner._lost(NOT_LOGGED_IN, message);
		throw new this.#owner._Failure(code, message, retryAfterMs);
	}

	async #fetch(url: URL, body: object | undefined): Promise<Answer> {
		try {
			const answer = await fetch(url, {
				method: body ? 'POST' : 'GET', body: body ? JSON.stringify(body) : null, cache: 'no-store',
				headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
				signal: this.#ended.signal,
			});
			const seconds = Number(answer.headers.get('retry-after'));
			return { ok: answer.ok, status: answer.status, data: await answer.json(), retryAfterMs: seconds ? seconds * 1000 : null };
		} catch (error) {
			this.#owner._lost(LOST, String(error));
			throw new this.#owner._Failure('disconnected', String(error));
		}
	}
}
