/*
 * fakeServer.ts: a relay that lives in the test: it gives a WebSocket
 * constructor to clients, keeps rooms with a line of events, answers the
 * commands that the client uses, and can be told to misbehave (drop
 * connections, stay silent, lose or repeat events, refuse commands).
 *
 * It stores no more than the tests look at, and checks no rights.
 */

import { CloseCode, roomKey } from '../client/index.js';
import type {
	DurableEvent, JoinRequest, JsonObject, Member, Message, RoomAddress, WebSocketConstructor, WebSocketLike,
} from '../client/index.js';

export interface ClientFrame extends JsonObject {
	type: string;
	ref?: number;
}

export interface FakeRoom {
	task_id: string;
	applicant_id: string | null;
	epoch: string;
	first_seq: number;
	events: DurableEvent[];
	members: Member[];
}

type Answer = { data: unknown } | { error: { code: string; message: string; retry_after_ms?: number } } | 'silent';
type Override = (frame: ClientFrame, socket: FakeSocket) => Answer | null;

export function member(userId: string, role: Member['role'] = 'worker'): Member {
	return {
		user_id: userId, role, last_read_seq: 0, last_delivered_seq: 0,
		is_online: true, last_seen: null, current_task_id: null,
	};
}

export class FakeSocket implements WebSocketLike {
	readyState = 0;
	onopen: WebSocketLike['onopen'] = null;
	onmessage: WebSocketLike['onmessage'] = null;
	onclose: WebSocketLike['onclose'] = null;
	onerror: WebSocketLike['onerror'] = null;
	readonly frames: ClientFrame[] = [];
	readonly joined = new Set<string>();
	userId: string | null = null;
	closedWith: number | null = null;

	constructor(readonly server: FakeServer, readonly url: string) {
		queueMicrotask(() => {
			if (!server.up) {
				this.end(CloseCode.lost);
				return;
			}
			this.readyState = 1;
			this.onopen?.({});
		});
	}

	send(text: string): void {
		const frame = JSON.parse(text) as ClientFrame;
		this.frames.push(frame);
		queueMicrotask(() => this.server.receive(this, frame));
	}

	close(code: number = CloseCode.normal): void {
		this.closedWith = code;
		this.end(code);
	}

	/* The connection ends from the server's side. */
	end(code: number, reason = ''): void {
		if (this.readyState === 3)
			return;
		this.readyState = 3;
		this.onclose?.({ code, reason });
	}

	push(frame: object): void {
		if (this.readyState === 1)
			this.onmessage?.({ data: JSON.stringify(frame) });
	}
}

export class FakeServer {
	/** False: connections are refused. */
	up = true;
	/** True: nothing is answered. */
	silent = false;
	heartbeat = 25;
	pageSize = 500;
	readonly sockets: FakeSocket[] = [];
	readonly rooms = new Map<string, FakeRoom>();
	readonly WebSocket: WebSocketConstructor;
	private readonly overrides = new Map<string, Override>();

	constructor() {
		const server = this;
		this.WebSocket = class extends FakeSocket {
			constructor(url: string) {
				super(server, url);
				server.sockets.push(this);
			}
		};
	}

	/** The newest connection. */
	get socket(): FakeSocket {
		const socket = this.sockets.at(-1);
		if (!socket)
			throw new Error('no connection yet');
		return socket;
	}

	/** All frames of a type over all connections, in order. */
	frames(type: string): ClientFrame[] {
		return this.sockets.flatMap((socket) => socket.frames.filter((frame) => frame.type === type));
	}

	/** Answers a command otherwise; null from the function means as usual. */
	override(type: string, override: Override): void {
		this.overrides.set(type, override);
	}

	addRoom(taskId: string, members: Member[], applicantId: string | null = null): FakeRoom {
		const room = { task_id: taskId, applicant_id: applicantId, epoch: 'e1', first_seq: 1, events: [], members };
		this.rooms.set(roomKey(room), room);
		return room;
	}

	/** Adds an event to the line, and pushes it unless `lost`. */
	append(room: FakeRoom, event: { type: string } & JsonObject, lost = false): DurableEvent {
		const { task_id, applicant_id } = room;
		const seq = room.first_seq + room.events.length;
		const whole = { ...event, task_id, applicant_id, seq } as unknown as DurableEvent;
		room.events.push(whole);
		if (!lost)
			this.broadcast(room, whole);
		return whole;
	}

	say(room: FakeRoom, sender: string | null, content: string, more: Partial<Message> = {}, lost = false): Message {
		const seq = room.first_seq + room.events.length;
		const message: Message = {
			id: `m${seq}`, task_id: room.task_id, applicant_id: room.applicant_id, seq, sender_id: sender,
			message_type: 'text', content, file_url: null, created_at: '2026-01-01T10:00:00.000000Z', read_at: null,
			edited_at: null, deleted_at: null, is_system_message: sender === null, client_msg_id: null, reply_to: null,
			metadata: null, ...more,
		};
		this.append(room, { type: 'message_received', message }, lost);
		return message;
	}

	/** Sends an event to all connections in the room. */
	broadcast(room: RoomAddress, event: object): void {
		for (const socket of this.sockets)
			if (socket.joined.has(roomKey(room)))
				socket.push(event);
	}

	/** Sends an ephemeral or state event of a room. */
	tell(room: FakeRoom, event: JsonObject): void {
		this.broadcast(room, { ...event, task_id: room.task_id, applicant_id: room.applicant_id });
	}

	receive(socket: FakeSocket, frame: ClientFrame): void {
		if (this.silent || socket.readyState !== 1)
			return;
		const answer = this.overrides.get(frame.type)?.(frame, socket) ?? this.answer(socket, frame);
		if (answer === 'silent' || frame.ref === undefined)
			return;
		socket.push({ type: 'reply', ref: frame.ref, ok: 'data' in answer, ...answer });
		if (frame.type === 'authenticate' && 'data' in answer && socket.userId === null)
			this.welcome(socket, frame);
	}

	private welcome(socket: FakeSocket, frame: ClientFrame): void {
		socket.userId = String(frame.token ?? frame.ticket).split(':')[0] ?? null;
		socket.push({
			type: 'welcome', user_id: socket.userId, session_id: `s${this.sockets.length}`, protocol: 'taskchat.v1',
			heartbeat: this.heartbeat, expires_at: '2030-01-01T00:00:00.000000Z',
			limits: { max_frame_bytes: 65536, max_content_bytes: 16384, rate_messages: 10, max_rooms: 200 },
		});
	}

	private find(address: RoomAddress): FakeRoom | undefined {
		return this.rooms.get(roomKey(address));
	}

	/** As `override` has it by now, else as usual. */
	answerOf(frame: ClientFrame): Answer {
		return this.overrides.get(frame.type)?.(frame, this.socket) ?? this.answer(this.socket, frame);
	}

	private answer(socket: FakeSocket, frame: ClientFrame): Answer {
		const address = frame as unknown as RoomAddress;
		switch (frame.type) {
			case 'authenticate':
				return { data: { expires_at: '2030-01-01T00:00:00.000000Z' } };
			case 'join_task_room':
				return this.join(socket, frame as unknown as JoinRequest);
			case 'join_task_rooms':
				return { data: { rooms: (frame.rooms as JoinRequest[]).map((one) => this.joinOneOf(socket, one)) } };
			case 'leave_task_room':
				socket.joined.delete(roomKey(address));
				return { data: {} };
			case 'send_message':
				return this.send(socket, frame);
			case 'get_events':
				return this.events(frame);
			case 'mark_read':
				return { data: { last_read_seq: frame.seq } };
			case 'user_presence':
				return { data: { presence: [] } };
			default:
				return { data: {} };
		}
	}

	private joinOneOf(socket: FakeSocket, request: JoinRequest): unknown {
		const answer = this.join(socket, request);
		return 'data' in answer ? answer.data : { ...request, ...answer };
	}

	private join(socket: FakeSocket, request: JoinRequest): { data: unknown } | { error: { code: string; message: string } } {
		const room = this.find(request);
		if (!room)
			return { error: { code: 'forbidden', message: 'no such room' } };
		const last = room.first_seq + room.events.length - 1;
		const after = request.after_seq;
		const reset = after !== undefined && (request.epoch !== room.epoch || after > last || after < room.first_seq - 1);
		const wanted = after === undefined || reset
			? room.events.slice(-50)
			: room.events.filter((event) => event.seq > after);
		socket.joined.add(roomKey(room));
		return {
			data: {
				task_id: room.task_id, applicant_id: room.applicant_id, first_seq: room.first_seq, last_seq: last,
				epoch: room.epoch, status: 'open', members: room.members,
				role: room.members.find((one) => one.user_id === socket.userId)?.role ?? 'worker',
				events: wanted.slice(0, this.pageSize), complete: wanted.length <= this.pageSize, reset,
			},
		};
	}

	private send(socket: FakeSocket, frame: ClientFrame): Answer {
		const room = this.find(frame as unknown as RoomAddress);
		if (!room)
			return { error: { code: 'forbidden', message: 'no such room' } };
		for (const event of room.events)
			if (event.type === 'message_received' && event.message.client_msg_id === frame.client_msg_id)
				return { data: { message: event.message, duplicate: true } };
		const message = this.say(room, socket.userId, String(frame.content), {
			client_msg_id: String(frame.client_msg_id),
			message_type: (frame.message_type as Message['message_type'] | undefined) ?? 'text',
			file_url: (frame.file_url as string | undefined) ?? null,
			reply_to: (frame.reply_to as string | undefined) ?? null,
		});
		return { data: { message, duplicate: false } };
	}

	private events(frame: ClientFrame): Answer {
		const room = this.find(frame as unknown as RoomAddress);
		if (!room)
			return { error: { code: 'forbidden', message: 'no such room' } };
		const after = Number(frame.after_seq ?? 0);
		const wanted = room.events.filter((event) => event.seq > after);
		const page = wanted.slice(0, Math.min(Number(frame.limit ?? 200), this.pageSize));
		return {
			data: {
				events: page, first_seq: room.first_seq, last_seq: room.first_seq + room.events.length - 1,
				epoch: room.epoch, has_more: page.length < wanted.length,
			},
		};
	}
}
