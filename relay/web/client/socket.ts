/*
 * socket.ts: one logged-in WebSocket, kept alive. It fetches a credential,
 * connects, logs in by the first frame, matches replies to commands by ref,
 * watches the heartbeat, renews the log-in, and comes back after a loss as the
 * close code says.
 *
 * It knows no rooms: events go to the owner, who resumes what it needs when
 * the state turns 'open'. A command that was under way when the connection
 * broke is rejected with 'disconnected'; whether to send it again is the
 * owner's decision.
 */

import {
	CloseCode, PROTOCOL, TaskChatError, closeRule, isSessionEvent, parseFrame,
} from './protocol.js';
import type { CommandName, Commands, Credential, Reply, ServerEvent, SessionEvent, Welcome } from './protocol.js';
import { jitter } from './pace.js';

/* A method's parameters are compared both ways, so that handlers of browsers and of `ws` fit. */
type Handler<Event> = { call(event: Event): void }['call'] | null;

/** As much of the WebSocket interface as is used; browsers and `ws` have it. */
export interface WebSocketLike {
	readonly readyState: number;
	onopen: Handler<unknown>;
	onmessage: Handler<{ data: unknown }>;
	onclose: Handler<{ code: number; reason: string }>;
	onerror: Handler<unknown>;
	send(data: string): void;
	close(code?: number, reason?: string): void;
}

export type WebSocketConstructor = new (url: string, protocols?: string | string[]) => WebSocketLike;

/** `fresh`: the last credential was refused or runs out; give a new one. */
export type CredentialSource = (request: { fresh: boolean }) => Promise<string> | string;

export interface SocketOptions {
	/** ws:// or wss:// address of the relay, path included. */
	url: string;
	/** Gives a JWT; this or getTicket is needed. */
	getToken?: CredentialSource;
	/** Gives a single-use ticket. */
	getTicket?: CredentialSource;
	/** Where there is no global WebSocket (Node 20). */
	WebSocket?: WebSocketConstructor;
	/** Back-off after losses, in milliseconds [500, 30000]. */
	backoffBase?: number;
	backoffCap?: number;
	/** How long a command waits for its reply [30000]. */
	replyTimeout?: number;
	/** How long connecting and logging in may take [15000]. */
	connectTimeout?: number;
	/** For tests: a number from 0 up to 1. */
	random?: () => number;
}

/**
 * idle: not asked to connect; connecting: up to the welcome; open: logged in;
 * waiting: lost, will try again at `retryAt`; closed: the relay said to stay
 * away (`closeCode`).
 */
export type SocketStatus = 'idle' | 'connecting' | 'open' | 'waiting' | 'closed';

export interface SocketState {
	status: SocketStatus;
	closeCode: number | null;
	closeReason: string;
	/** Milliseconds since 1970, or null. */
	retryAt: number | null;
	welcome: Welcome | null;
}

export interface SocketOwner {
	onState(state: SocketState): void;
	onEvent(event: Exclude<ServerEvent, SessionEvent>): void;
}

interface Waiting {
	resolve(data: unknown): void;
	reject(error: TaskChatError): void;
	timer: ReturnType<typeof setTimeout>;
}

const SLOW_FROM_MS = 30_000;
const SLOW_CAP_MS = 300_000;
const STABLE_AFTER_MS = 5_000;
const PONG_DUE_MS = 8_000;
const RENEW_AGAIN_MS = 10_000;
const DEFAULT_MAX_FRAME = 65_536;

const encoder = new TextEncoder();

export class TaskChatSocket {
	private readonly options: SocketOptions;
	private readonly owner: SocketOwner;
	private readonly random: () => number;
	private state: SocketState = { status: 'idle', closeCode: null, closeReason: '', retryAt: null, welcome: null };
	private socket: WebSocketLike | null = null;
	private readonly waiting = new Map<number, Waiting>();
	private nextRef = 1;
	/* Counts connections: what an older one still reports is passed over. */
	private generation = 0;
	/* Losses in a row, for the back-off. */
	private attempt = 0;
	private openedAt = 0;
	private lastHeard = 0;
	private goingAwayMs: number | null = null;
	/* A 4401 was answered with a new token, and no welcome came since. */
	private reloggedIn = false;
	private fresh = false;
	private retryTimer: ReturnType<typeof setTimeout> | null = null;
	private connectTimer: ReturnType<typeof setTimeout> | null = null;
	private heartTimer: ReturnType<typeof setTimeout> | null = null;
	private renewTimer: ReturnType<typeof setTimeout> | null = null;

	constructor(options: SocketOptions, owner: SocketOwner) {
		if (!options.getToken && !options.getTicket)
			throw new TypeError('taskchat: getToken or getTicket is needed');
		this.options = options;
		this.owner = owner;
		this.random = options.random ?? Math.random;
	}

	getState(): SocketState {
		return this.state;
	}

	isOpen(): boolean {
		return this.state.status === 'open';
	}

	/** The largest frame that may be sent, in bytes. */
	maxFrameBytes(): number {
		return this.state.welcome?.limits?.max_frame_bytes ?? DEFAULT_MAX_FRAME;
	}

	/** Connects, unless that is under way; from 'waiting' it tries at once. */
	connect(): void {
		if (this.state.status === 'open' || this.state.status === 'connecting')
			return;
		if (this.state.status !== 'waiting') {
			this.attempt = 0;
			this.reloggedIn = false;
		}
		void this.open();
	}

	/** Ends the connection for good (until connect). */
	close(): void {
		const socket = this.detach('closed by this client');
		this.setState({ status: 'idle', closeCode: CloseCode.normal, closeReason: '', retryAt: null, welcome: null });
		socket?.close(CloseCode.normal);
	}

	/**
	 * Sends a command; gives the data of its reply. Rejects with a
	 * TaskChatError: the relay's code, or 'disconnected', 'timeout',
	 * 'too_large' (a frame the relay would close the connection for).
	 */
	request<Name extends CommandName>(type: Name, fields: Commands[Name]['fields']): Promise<Commands[Name]['data']> {
		if (!this.isOpen())
			return Promise.reject(new TaskChatError('disconnected', 'not connected'));
		return this.transmit(type, fields);
	}

	/** Sends a command that has no reply; nothing happens while not connected. */
	tell<Name extends 'ack' | 'typing_indicator'>(type: Name, fields: Commands[Name]['fields']): void {
		if (this.isOpen())
			this.socket?.send(JSON.stringify({ type, ...fields }));
	}

	/* ---- connecting ---- */

	private async open(): Promise<void> {
		this.clearTimers();
		const generation = ++this.generation;
		this.goingAwayMs = null;
		this.setState({ ...this.state, status: 'connecting', retryAt: null, welcome: null });
		this.connectTimer = setTimeout(
			() => this.lost(generation, CloseCode.lost, 'connecting took too long'),
			this.options.connectTimeout ?? 15_000,
		);
		try {
			/* First the credential, then the socket: a slow source must not run into the log-in's time limit. */
			const credential = await this.credential(this.fresh);
			if (generation === this.generation)
				this.dial(generation, credential);
		} catch (error) {
			this.lost(generation, CloseCode.lost, `no credential: ${String(error)}`);
		}
	}

	private async credential(fresh: boolean): Promise<Credential> {
		if (this.options.getToken)
			return { token: await this.options.getToken({ fresh }) };
		if (this.options.getTicket)
			return { ticket: await this.options.getTicket({ fresh }) };
		throw new TypeError('taskchat: getToken or getTicket is needed');
	}

	private dial(generation: number, credential: Credential): void {
		const Socket = this.options.WebSocket ?? (globalThis.WebSocket as WebSocketConstructor | undefined);
		if (!Socket)
			throw new TypeError('taskchat: no WebSocket here; pass one in the options');
		const socket = new Socket(this.options.url, PROTOCOL);
		this.socket = socket;
		socket.onopen = () => {
			if (generation === this.generation)
				void this.logIn(generation, credential);
		};
		socket.onmessage = (event) => {
			if (generation === this.generation)
				this.receive(event.data);
		};
		socket.onclose = (event) => this.lost(generation, event.code, event.reason);
		/* A close event follows every error; this keeps `ws` from throwing. */
		socket.onerror = () => {};
	}

	private async logIn(generation: number, credential: Credential): Promise<void> {
		try {
			await this.transmit('authenticate', credential);
		} catch (error) {
			const refused = error instanceof TaskChatError
				&& (error.code === 'unauthenticated' || error.code === 'forbidden' || error.code === 'bad_request');
			this.lost(generation, refused ? CloseCode.notLoggedIn : CloseCode.lost, String(error));
		}
	}

	/* ---- losing ---- */

	/* Takes everything off the present connection; gives its socket, which the caller may still close. */
	private detach(why: string): WebSocketLike | null {
		this.clearTimers();
		this.generation++;
		const socket = this.socket;
		this.socket = null;
		const waiting = [...this.waiting.values()];
		this.waiting.clear();
		for (const one of waiting) {
			clearTimeout(one.timer);
			one.reject(new TaskChatError('disconnected', why));
		}
		return socket;
	}

	/* The connection is gone, or given up: decides what comes next. */
	private lost(generation: number, code: number, reason: string): void {
		if (generation !== this.generation)
			return;
		if (this.state.status === 'open' && Date.now() - this.openedAt >= STABLE_AFTER_MS)
			this.attempt = 0;
		const goingAwayMs = this.goingAwayMs;
		const socket = this.detach(reason || `connection closed (${code})`);
		if (socket && socket.readyState <= 1)
			socket.close(code >= 4000 ? code : CloseCode.normal);

		const delay = this.delayAfter(code, goingAwayMs);
		const told = { closeCode: code, closeReason: reason, welcome: null };
		if (delay === null) {
			this.setState({ ...told, status: 'closed', retryAt: null });
			return;
		}
		this.retryTimer = setTimeout(() => void this.open(), delay);
		this.setState({ ...told, status: 'waiting', retryAt: Date.now() + delay });
	}

	/* Milliseconds to the next try, or null: never. */
	private delayAfter(code: number, goingAwayMs: number | null): number | null {
		const rule = closeRule(code);
		if (rule === 'never')
			return null;
		if (rule === 'relogin') {
			if (this.reloggedIn)
				return null;
			this.reloggedIn = true;
			this.fresh = true;
			return 0;
		}
		const attempt = this.attempt++;
		if (rule === 'slow')
			return SLOW_FROM_MS + jitter(SLOW_FROM_MS, SLOW_CAP_MS - SLOW_FROM_MS, attempt, this.random);
		if (code === CloseCode.goingAway && goingAwayMs !== null)
			return this.random() * goingAwayMs;
		return jitter(this.options.backoffBase ?? 500, this.options.backoffCap ?? 30_000, attempt, this.random);
	}

	private clearTimers(): void {
		for (const timer of [this.retryTimer, this.connectTimer, this.heartTimer, this.renewTimer])
			if (timer !== null)
				clearTimeout(timer);
		this.retryTimer = this.connectTimer = this.heartTimer = this.renewTimer = null;
	}

	private setState(state: SocketState): void {
		this.state = state;
		this.owner.onState(state);
	}

	/* ---- frames ---- */

	private transmit<Name extends CommandName>(
		type: Name, fields: Commands[Name]['fields'],
	): Promise<Commands[Name]['data']> {
		const ref = this.nextRef++;
		const text = JSON.stringify({ ...fields, type, ref });
		if (encoder.encode(text).length > this.maxFrameBytes())
			return Promise.reject(new TaskChatError('too_large', 'the frame is larger than the server takes'));
		return new Promise((resolve, reject) => {
			const timer = setTimeout(() => {
				this.waiting.delete(ref);
				reject(new TaskChatError('timeout', `no reply to ${type}`));
			}, this.options.replyTimeout ?? 30_000);
			/* The reply's shape is the protocol's promise for this command. */
			this.waiting.set(ref, { resolve: resolve as (data: unknown) => void, reject, timer });
			this.socket?.send(text);
		});
	}

	private receive(data: unknown): void {
		this.lastHeard = Date.now();
		const frame = typeof data === 'string' ? parseFrame(data) : null;
		if (frame === null)
			return;
		if (frame.type === 'reply')
			this.settle(frame);
		else if (isSessionEvent(frame))
			this.session(frame);
		else
			this.owner.onEvent(frame);
	}

	private settle(reply: Reply): void {
		const waiting = typeof reply.ref === 'number' ? this.waiting.get(reply.ref) : undefined;
		if (!waiting)
			return;
		this.waiting.delete(reply.ref as number);
		clearTimeout(waiting.timer);
		if (reply.ok)
			waiting.resolve(reply.data);
		else
			waiting.reject(reply.error);
	}

	private session(event: SessionEvent): void {
		switch (event.type) {
			case 'welcome':
				this.welcomed(event);
				break;
			case 'token_expiring':
				void this.renew(this.generation);
				break;
			case 'going_away':
				this.goingAwayMs = event.retry_ms;
				break;
		}
	}

	private welcomed(welcome: Welcome): void {
		if (this.connectTimer !== null)
			clearTimeout(this.connectTimer);
		this.connectTimer = null;
		this.reloggedIn = false;
		this.fresh = false;
		this.openedAt = Date.now();
		this.setState({ status: 'open', closeCode: null, closeReason: '', retryAt: null, welcome });
		this.listenToHeart(this.generation, welcome.heartbeat * 1000);
	}

	/* ---- staying ---- */

	/*
	 * The relay's own pings are answered by the browser and never seen here,
	 * so a silence of one heartbeat is asked about, and then given up.
	 */
	private listenToHeart(generation: number, interval: number): void {
		this.heartTimer = setTimeout(() => {
			const silence = Date.now() - this.lastHeard;
			if (silence < interval) {
				this.listenToHeart(generation, interval);
				return;
			}
			this.transmit('ping', {}).catch(() => {});
			const asked = Date.now();
			this.heartTimer = setTimeout(() => {
				if (this.lastHeard < asked)
					this.lost(generation, CloseCode.heartbeatLost, 'no answer from the server');
				else
					this.listenToHeart(generation, interval);
			}, PONG_DUE_MS);
		}, Math.max(50, this.lastHeard + interval - Date.now()));
	}

	/* While this fails the old log-in stays, until the relay ends it with 4401. */
	private async renew(generation: number): Promise<void> {
		try {
			const credential = await this.credential(true);
			if (generation === this.generation)
				await this.transmit('authenticate', credential);
		} catch {
			if (generation === this.generation)
				this.renewTimer = setTimeout(() => void this.renew(generation), RENEW_AGAIN_MS);
		}
	}
}
