/*
 * protocol.ts: the wire protocol taskchat.v1 as types: commands and their
 * replies, server events, error codes, close codes, and the one function that
 * turns a received text into a frame.
 *
 * It knows no socket and keeps no state. What a client does about a close
 * code is decided here (closeRule), when it does it is socket.ts's matter.
 */

export const PROTOCOL = 'taskchat.v1';

/* ---- rows and snapshots ---- */

export type MessageType = 'text' | 'image' | 'file';
export type MemberRole = 'creator' | 'worker' | 'applicant' | 'observer';
export type RoomOpenness = 'open' | 'closed';
export type JsonObject = { [key: string]: unknown };

/** Names a room: the main one of a task, or (applicant_id set) a private one. */
export interface RoomAddress {
	task_id: string;
	applicant_id?: string | null;
}

export interface Message {
	id: string;
	task_id: string;
	applicant_id: string | null;
	seq: number;
	sender_id: string | null;
	message_type: MessageType;
	content: string;
	file_url: string | null;
	created_at: string;
	read_at: string | null;
	edited_at: string | null;
	deleted_at: string | null;
	is_system_message: boolean;
	client_msg_id: string | null;
	reply_to: string | null;
	metadata: JsonObject | null;
}

/** sending: waits or is under way; sent: committed; delivered, read: by another member; failed: see its error. */
export type MessageStatus = 'sending' | 'sent' | 'delivered' | 'read' | 'failed';

export interface Presence {
	user_id: string;
	is_online: boolean;
	last_seen: string | null;
	current_task_id: string | null;
}

export interface Member extends Presence {
	role: MemberRole;
	last_read_seq: number;
	last_delivered_seq: number;
}

export interface RoomSnapshot {
	task_id: string;
	applicant_id: string | null;
	first_seq: number;
	last_seq: number;
	epoch: string;
	role: MemberRole;
	status: RoomOpenness;
	members: Member[];
	members_total?: number;
	events: DurableEvent[];
	complete: boolean;
	reset: boolean;
}

export interface RoomRefusal {
	task_id: string;
	applicant_id: string | null;
	error: { code: ErrorCode; message: string };
}

export interface RoomListItem {
	task_id: string;
	applicant_id: string | null;
	role: MemberRole;
	status: RoomOpenness;
	last_seq: number;
	unread: number;
	muted: boolean;
	last_message: Message | null;
}

export interface Notification {
	id: string;
	seq: number;
	kind: string;
	task_id: string | null;
	payload: JsonObject;
	created_at: string;
	read_at: string | null;
}

/* ---- server events ---- */

interface RoomEvent {
	task_id: string;
	applicant_id: string | null;
}

interface LineEvent extends RoomEvent {
	seq: number;
}

export interface MessageReceived extends LineEvent {
	type: 'message_received';
	message: Message;
}

/** `message` is `{id}` alone when the message itself was purged. */
export interface MessageChanged extends LineEvent {
	type: 'message_edited' | 'message_deleted';
	message: Message | { id: string };
}

export interface MemberChanged extends LineEvent {
	type: 'member_joined' | 'member_left' | 'member_role_changed';
	user_id: string;
	role: MemberRole;
}

export interface TaskUpdate extends LineEvent {
	type: 'task_update';
	changes: JsonObject;
}

export interface RoomStatusChanged extends LineEvent {
	type: 'room_closed' | 'room_opened';
}

/** The events of a room's line: numbered 1, 2, 3 … without gaps. */
export type DurableEvent = MessageReceived | MessageChanged | MemberChanged | TaskUpdate | RoomStatusChanged;

export type StateEvent =
	| (RoomEvent & { type: 'message_read'; user_id: string; last_read_seq: number })
	| (RoomEvent & { type: 'message_delivered'; user_id: string; last_delivered_seq: number })
	| (RoomEvent & Presence & { type: 'user_presence' })
	| (RoomEvent & { type: 'room_state'; members: Member[] })
	| (RoomEvent & { type: 'typing_indicator'; user_id: string; is_typing: boolean })
	| (RoomEvent & { type: 'removed_from_room'; reason: 'removed' | 'room_deleted' })
	| (RoomEvent & { type: 'room_activity'; last_seq: number; unread: number; reason: 'message' | 'added' });

export type NotificationEvent = Notification & { type: 'notification' };

export interface Welcome {
	type: 'welcome';
	user_id: string;
	session_id: string;
	protocol: string;
	heartbeat: number;
	expires_at: string;
	limits: { max_frame_bytes: number; max_content_bytes: number; rate_messages: number; max_rooms: number };
}

export type SessionEvent =
	| Welcome
	| { type: 'token_expiring'; expires_at: string }
	| { type: 'going_away'; retry_ms: number };

export type ServerEvent = DurableEvent | StateEvent | NotificationEvent | SessionEvent;
export type AnyRoomEvent = DurableEvent | StateEvent;

/** True for the events that carry a seq of the room's line. */
export function isDurable(event: ServerEvent): event is DurableEvent {
	return 'seq' in event && event.type !== 'notification';
}

/* ---- commands ---- */

interface Paging {
	before_seq?: number;
	after_seq?: number;
	limit?: number;
}

export interface JoinRequest extends RoomAddress {
	after_seq?: number;
	epoch?: string;
}

export interface MessageDraft {
	content: string;
	message_type?: MessageType;
	file_url?: string;
	reply_to?: string;
	metadata?: JsonObject;
}

export type Credential = { token: string } | { ticket: string };

/** Every command: its fields, and the data of its reply. */
export interface Commands {
	authenticate: { fields: Credential; data: { expires_at: string } };
	ping: { fields: object; data: object };
	join_task_room: { fields: JoinRequest; data: RoomSnapshot };
	join_task_rooms: { fields: { rooms: JoinRequest[] }; data: { rooms: (RoomSnapshot | RoomRefusal)[] } };
	leave_task_room: { fields: RoomAddress; data: object };
	send_message: {
		fields: RoomAddress & MessageDraft & { client_msg_id?: string };
		data: { message: Message; duplicate: boolean };
	};
	edit_message: { fields: { message_id: string; content: string }; data: { message: Message } };
	delete_message: { fields: { message_id: string }; data: { message: Message } };
	get_messages: { fields: RoomAddress & Paging; data: { messages: Message[]; has_more: boolean } };
	get_events: {
		fields: RoomAddress & { after_seq?: number; limit?: number };
		data: { events: DurableEvent[]; first_seq: number; last_seq: number; epoch: string; has_more: boolean };
	};
	get_rooms: { fields: { limit?: number; offset?: number }; data: { rooms: RoomListItem[]; has_more: boolean } };
	mark_read: { fields: RoomAddress & { seq: number }; data: { last_read_seq: number } };
	ack: { fields: RoomAddress & { seq: number }; data: object };
	typing_indicator: { fields: RoomAddress & { is_typing: boolean }; data: object };
	user_presence: { fields: { current_task_id?: string | null; user_ids?: string[] }; data: { presence: Presence[] } };
	get_notifications: { fields: Paging; data: { notifications: Notification[]; has_more: boolean } };
	mark_notification_read: { fields: { id: string }; data: { notification: Notification } };
}

export type CommandName = keyof Commands;

/* ---- errors ---- */

/** Codes that the relay sends. */
export type ServerErrorCode =
	| 'unauthenticated' | 'forbidden' | 'not_found' | 'bad_request' | 'too_large' | 'room_closed' | 'conflict'
	| 'rate_limited' | 'limit_exceeded' | 'unavailable' | 'internal' | 'unknown_type' | 'not_joined';

/** Codes that the client itself gives: the command may or may not have been carried out. */
export type LocalErrorCode = 'disconnected' | 'timeout' | 'cancelled';
export type ErrorCode = ServerErrorCode | LocalErrorCode;

/** What a failed command rejects with. */
export class TaskChatError extends Error {
	override readonly name = 'TaskChatError';
	readonly code: ErrorCode;
	readonly retryAfterMs: number | null;

	constructor(code: ErrorCode, message: string, retryAfterMs: number | null = null) {
		super(message);
		this.code = code;
		this.retryAfterMs = retryAfterMs;
	}
}

/** Anything that was thrown, as the error that it is or stands for. */
export function asError(thrown: unknown): TaskChatError {
	return thrown instanceof TaskChatError ? thrown : new TaskChatError('internal', String(thrown));
}

/** True when the same command may well succeed later. */
export function isTransient({ code }: TaskChatError): boolean {
	return /^(disconnected|timeout|unavailable|rate_limited|limit_exceeded|unauthenticated)$/.test(code);
}

/* ---- close codes ---- */

/* Those that the client itself gives or looks for. */
export const NORMAL = 1000;
export const GOING_AWAY = 1001;
export const LOST = 1006;
export const NOT_LOGGED_IN = 4401;
export const HEARTBEAT_LOST = 4408;

/** All close codes by name. */
export const CloseCode = {
	normal: NORMAL,
	goingAway: GOING_AWAY,
	protocolError: 1002,
	binaryFrame: 1003,
	lost: LOST,
	badUtf8: 1007,
	tooLarge: 1009,
	internal: 1011,
	full: 1013,
	notLoggedIn: NOT_LOGGED_IN,
	notAllowed: 4403,
	heartbeatLost: HEARTBEAT_LOST,
	tooSlow: 4409,
	flooding: 4429,
	tooManyConnections: 4430,
} as const;

/** never: stay away; relogin: once, with a new token; slow: back-off from 30 s; backoff: all else. */
export type CloseRule = 'never' | 'relogin' | 'slow' | 'backoff';

/** What a client does after a connection was closed with `code`. */
export function closeRule(code: number): CloseRule {
	if (/^(1000|1002|1003|1007|4403)$/.test(`${code}`))
		return 'never';
	if (/^(1013|4429|4430)$/.test(`${code}`))
		return 'slow';
	return code === NOT_LOGGED_IN ? 'relogin' : 'backoff';
}

/* ---- frames ---- */

export type Reply =
	| { type: 'reply'; ref: string | number | null; ok: true; data: unknown }
	| { type: 'reply'; ref: string | number | null; ok: false; error: ErrorFields };

interface ErrorFields {
	code?: ErrorCode;
	message?: string;
	retry_after_ms?: number;
}

/** The error that the relay wrote as `{code, message, retry_after_ms}`, in a frame or over HTTP. */
export function toError(fields: ErrorFields | undefined): TaskChatError {
	const { code = 'internal', message = code, retry_after_ms = null } = fields ?? {};
	return new TaskChatError(code, message, retry_after_ms);
}

/**
 * Takes the text of one frame; gives the reply or event, or null for what is
 * no frame of this protocol (such a thing is passed over, as are types that a
 * later version may add).
 */
export function parseFrame(text: string): Reply | ServerEvent | null {
	try {
		const frame = JSON.parse(text) as { type?: unknown; seq?: unknown } | null;
		/* The relay is trusted for the shape of the frames that it sends. */
		return typeof frame?.type === 'string' && Number.isSafeInteger(frame.seq ?? 0) ? frame as Reply | ServerEvent : null;
	} catch {
		return null;
	}
}

/** A room's key in maps; two addresses of one room have the same. */
export function roomKey(address: RoomAddress): string {
	return JSON.stringify([address.task_id, address.applicant_id ?? null]);
}
