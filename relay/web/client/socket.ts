/*
 * socket.ts: one logged-in WebSocket, kept alive. It fetches a credential,
 * connects, logs in by the first frame, matches replies to commands by ref,
 * watches the heartbeat, renews the log-in, and comes back after a loss as the
 * close code says. Where no socket can be opened it takes polling.ts for it.
 *
 * It knows no rooms: events go to the owner, who resumes what it needs when
 * the state turns 'open'. A command that was under way when the connection
 * broke is rejected with 'disconnected'; whether to send it again is the
 * owner's decision.
 */

import {
	GOING_AWAY, HEARTBEAT_LOST, LOST, NORMAL, NOT_LOGGED_IN, PROTOCOL, TaskChatError, closeRule, parseFrame, toError,
} from './protocol.js';
import type { CommandName, Commands, Credential, Reply, ServerEvent, SessionEvent, Welcome } from './protocol.js';
import { jitter } from './pace.js';
import type { Timer } from './pace.js';
import type { Polling } from './polling.js';

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
	/** Gives a JWT, asked at each connect and before it expires; this or getTicket is needed. */
	getToken?: CredentialSource;
	/** Gives a single-use ticket. */
	getTicket?: CredentialSource;
	/** Where there is no global WebSocket (Node 20). */
	WebSocket?: WebSocketConstructor;
	/**
	 * Where the HTTP API is, for networks that block WebSockets [the origin of
	 * `url`]; null: never use it. It needs getToken, as tickets are for sockets.
	 */
	httpUrl?: string | null;
	/** Back-off after losses, in milliseconds [500, 20000]. */
	backoffBase?: number;
	backoffCap?: number;
	/** How long a command waits for its reply [30000]. */
	replyTimeout?: number;
	/** How long connecting and logging in may take [15000]. */
	connectTimeout?: number;
}

/**
 * idle: not asked to connect; connecting: up to the welcome; open: logged in;
 * waiting: lost, will try again at `retryAt`; closed: the relay said to stay
 * away (`closeCode`).
 */
export type SocketStatus = 'idle' | 'connecting' | 'open' | 'waiting' | 'closed';

export interface SocketState {
	status: SocketStatus;
	/** Over what the connection goes, while it is open. */
	transport: 'socket' | 'http' | null;
	closeCode: number | null;
	/** Milliseconds since 1970, or null. */
	retryAt: number | null;
	welcome: Welcome | null;
}

export interface SocketOwner {
	_onState(state: SocketState): void;
	_onEvent(event: Exclude<ServerEvent, SessionEvent>): void;
}

interface Waiting {
	resolve(data: unknown): void;
	reject(error: TaskChatError): void;
	timer: Timer;
}

const SLOW_FROM_MS = 30_000;
const SLOW_CAP_MS = 300_000;
const STABLE_AFTER_MS = 5_000;
const PONG_DUE_MS = 8_000;
const RENEW_AGAIN_MS = 10_000;
const DEFAULT_MAX_FRAME = 65_536;
/* So many sockets in a row that couldn't be opened, and HTTP has its turn. */
const SOCKETS_BEFORE_HTTP = 2;

const NOTHING = { transport: null, closeCode: null, retryAt: null, welcome: null } as const;

export class TaskChatSocket {
	readonly #options: SocketOptions;
	readonly #owner: SocketOwner;
	#state: SocketState = { ...NOTHING, status: 'idle' };
	#socket: WebSocketLike | null = null;
	#polling: Polling | null = null;
	readonly #waiting = new Map<unknown, Waiting>();
	#nextRef = 1;
	/* Counts connections: what an older one still reports is passed over. */
	#generation = 0;
	/* Losses in a row, for the back-off. */
	#attempt = 0;
	/* Connections in a row that never got open. */
	#unopened = 0;
	#openedAt = 0;
	#lastHeard = 0;
	/* Nothing came since a ping. */
	#silent = false;
	#goingAwayMs: number | null = null;
	/* A 4401 was answered with a new token, and no welcome came since. */
	#reloggedIn = false;
	#retryTimer: Timer;
	#connectTimer: Timer;
	#heartTimer: Timer;
	#renewTimer: Timer;

	constructor(options: SocketOptions, owner: SocketOwner) {
		if (!options.getToken && !options.getTicket)
			throw new TypeError('getToken or getTicket is needed');
		this.#options = options;
		this.#owner = owner;
	}

	getState(): SocketState {
		return this.#state;
	}

	_isOpen(): boolean {
		return this.#state.status === 'open';
	}

	/** Connects, unless that is under way; from 'waiting' it tries at once. */
	connect(): void {
		const { status } = this.#state;
		if (status === 'open' || status === 'connecting')
			return;
		if (status !== 'waiting') {
			this.#attempt = this.#unopened = 0;
			this.#reloggedIn = false;
		}
		void this.#open();
	}

	/** The network or the page is back: no need to wait longer, unless the relay asked for it. */
	_wake(): void {
		const { status, closeCode } = this.#state;
		if (status === 'waiting' && closeCode !== GOING_AWAY && closeRule(closeCode ?? 0) === 'backoff')
			void this.#open();
		else if (this.#socket && status === 'open')
			this.#askHeart();
	}

	/** Ends the connection for good (until connect). */
	close(): void {
		const socket = this.#detach('closed');
		this.#setState({ status: 'idle', closeCode: NORMAL });
		socket?.close(NORMAL);
	}

	/**
	 * Sends a command; gives the data of its reply. Rejects with a
	 * TaskChatError: the relay's code, or 'disconnected', 'timeout',
	 * 'too_large' (a frame the relay would close the connection for).
	 */
	request<Name extends CommandName>(type: Name, fields: Commands[Name]['fields']): Promise<Commands[Name]['data']> {
		if (!this._isOpen())
			return Promise.reject(new TaskChatError('disconnected', 'not connected'));
		return this.#polling?.request(type, fields) ?? this.#transmit(type, fields);
	}

	/** Sends a command that has no reply; nothing happens while not connected. */
	tell<Name extends 'ack' | 'typing_indicator'>(type: Name, fields: Commands[Name]['fields']): void {
		if (this._isOpen())
			this.#socket?.send(JSON.stringify({ type, ...fields }));
	}

	/* ---- connecting ---- */

	async #open(): Promise<void> {
		this.#clearTimers();
		const generation = ++this.#generation;
		this.#goingAwayMs = null;
		this.#setState({ ...this.#state, status: 'connecting', transport: null, retryAt: null, welcome: null });
		this.#connectTimer = setTimeout(
			() => this.#lost(generation, LOST, 'timeout'),
			this.#options.connectTimeout ?? 15_000,
		);
		try {
			/* First the credential, then the socket: a slow source must not run into the log-in's time limit. */
			const credential = await this.#credential(this.#reloggedIn);
			if (generation !== this.#generation)
				return;
			const base = this.#httpBase();
			/* Sockets and HTTP take turns, so that neither keeps the other from being found. */
			if (base && 'token' in credential && this.#unopened >= SOCKETS_BEFORE_HTTP && this.#unopened % 2 === 0)
				await this.#poll(generation, base, credential.token);
			else
				this.#dial(generation, credential);
		} catch (error) {
			this.#lost(generation, LOST, String(error));
		}
	}

	async #credential(fresh: boolean): Promise<Credential> {
		const { getToken, getTicket } = this.#options;
		return getToken ? { token: await getToken({ fresh }) } : { ticket: (await getTicket?.({ fresh })) ?? '' };
	}

	#newSocket(): WebSocketLike {
		const Socket = this.#options.WebSocket ?? (globalThis.WebSocket as WebSocketConstructor | undefined);
		if (!Socket)
			throw new TypeError('WebSocket is needed');
		return new Socket(this.#options.url, PROTOCOL);
	}

	#dial(generation: number, credential: Credential): void {
		const socket = this.#newSocket();
		this.#socket = socket;
		socket.onopen = () => {
			if (generation === this.#generation)
				void this.#logIn(generation, credential);
		};
		socket.onmessage = (event) => {
			if (generation === this.#generation)
				this.#receive(event.data);
		};
		socket.onclose = (event) => this.#lost(generation, event.code, event.reason);
		/* A close event follows every error; this keeps `ws` from throwing. */
		socket.onerror = () => {};
	}

	async #logIn(generation: number, credential: Credential): Promise<void> {
		try {
			await this.#transmit('authenticate', credential);
		} catch (error) {
			const refused = error instanceof TaskChatError && /^(unauthenticated|forbidden|bad_request)$/.test(error.code);
			this.#lost(generation, refused ? NOT_LOGGED_IN : LOST, String(error));
		}
	}

	/* ---- without a socket ---- */

	#httpBase(): string | null {
		const { httpUrl, url } = this.#options;
		return httpUrl === undefined ? new URL(url).origin.replace(/^ws/, 'http') : httpUrl;
	}

	async #poll(generation: number, base: string, token: string): Promise<void> {
		const { Polling } = await import('./polling.js');
		if (generation !== this.#generation)
			return;
		this.#polling = new Polling(base, token, {
			_Failure: TaskChatError,
			_newSocket: () => this.#newSocket(),
			_welcome: (welcome) => this.#welcomed(welcome, 'http'),
			_event: (event) => this.#owner._onEvent(event),
			_lost: (code, reason) => this.#lost(generation, code, reason),
			_socketWorks: () => {
				this.#unopened = 0;
				this.#detach('closed');
				void this.#open();
			},
		});
	}

	/* ---- losing ---- */

	/* Takes everything off the present connection; gives its socket, which the caller may still close. */
	#detach(why: string): WebSocketLike | null {
		this.#clearTimers();
		this.#generation++;
		const socket = this.#socket;
		this.#socket = null;
		this.#polling?.close();
		this.#polling = null;
		const waiting = [...this.#waiting.values()];
		this.#waiting.clear();
		for (const one of waiting) {
			clearTimeout(one.timer);
			one.reject(new TaskChatError('disconnected', why));
		}
		return socket;
	}

	/* The connection is gone, or given up: decides what comes next. */
	#lost(generation: number, code: number, reason: string): void {
		if (generation !== this.#generation)
			return;
		if (!this._isOpen())
			this.#unopened++;
		else if (Date.now() - this.#openedAt >= STABLE_AFTER_MS)
			this.#attempt = 0;
		const socket = this.#detach(reason || `${code}`);
		if (socket && socket.readyState <= 1)
			socket.close(code >= 4000 ? code : NORMAL);

		const told = { closeCode: code };
		const delay = this.#delayAfter(code);
		if (delay === null) {
			this.#setState({ ...told, status: 'closed' });
			return;
		}
		this.#retryTimer = setTimeout(() => void this.#open(), delay);
		this.#setState({ ...told, status: 'waiting', retryAt: Date.now() + delay });
	}

	/* Milliseconds to the next try, or null: never. */
	#delayAfter(code: number): number | null {
		const rule = closeRule(code);
		if (rule === 'never' || (rule === 'relogin' && this.#reloggedIn))
			return null;
		if (rule === 'relogin') {
			this.#reloggedIn = true;
			return 0;
		}
		const attempt = this.#attempt++;
		if (rule === 'slow')
			return SLOW_FROM_MS + jitter(SLOW_FROM_MS, SLOW_CAP_MS - SLOW_FROM_MS, attempt);
		if (code === GOING_AWAY && this.#goingAwayMs !== null)
			return Math.random() * this.#goingAwayMs;
		return jitter(this.#options.backoffBase ?? 500, this.#options.backoffCap ?? 20_000, attempt);
	}

	#clearTimers(): void {
		for (const timer of [this.#retryTimer, this.#connectTimer, this.#heartTimer, this.#renewTimer])
			clearTimeout(timer);
	}

	#setState(state: Partial<SocketState> & Pick<SocketState, 'status'>): void {
		this.#state = { ...NOTHING, ...state };
		this.#owner._onState(this.#state);
	}

	/* ---- frames ---- */

	#transmit<Name extends CommandName>(type: Name, fields: Commands[Name]['fields']): Promise<Commands[Name]['data']> {
		const ref = this.#nextRef++;
		const text = JSON.stringify({ ...fields, type, ref });
		if (new TextEncoder().encode(text).length > (this.#state.welcome?.limits.max_frame_bytes ?? DEFAULT_MAX_FRAME))
			return Promise.reject(new TaskChatError('too_large', 'frame too large'));
		return new Promise((resolve, reject) => {
			const timer = setTimeout(() => {
				this.#waiting.delete(ref);
				reject(new TaskChatError('timeout', `no reply to ${type}`));
			}, this.#options.replyTimeout ?? 30_000);
			/* The reply's shape is the protocol's promise for this command. */
			this.#waiting.set(ref, { resolve: resolve as (data: unknown) => void, reject, timer });
			this.#socket?.send(text);
		});
	}

	#receive(data: unknown): void {
		this.#lastHeard = Date.now();
		this.#silent = false;
		const frame = typeof data === 'string' ? parseFrame(data) : null;
		if (frame === null)
			return;
		switch (frame.type) {
			case 'reply':
				this.#settle(frame);
				break;
			case 'welcome':
				this.#welcomed(frame, 'socket');
				this.#listenToHeart();
				break;
			case 'token_expiring':
				void this.#renew(this.#generation);
				break;
			case 'going_away':
				this.#goingAwayMs = frame.retry_ms;
				break;
			default:
				this.#owner._onEvent(frame);
		}
	}

	#settle(reply: Reply): void {
		const waiting = this.#waiting.get(reply.ref);
		this.#waiting.delete(reply.ref);
		clearTimeout(waiting?.timer);
		if (reply.ok)
			waiting?.resolve(reply.data);
		else
			waiting?.reject(toError(reply.error));
	}

	#welcomed(welcome: Welcome, transport: SocketState['transport']): void {
		clearTimeout(this.#connectTimer);
		this.#reloggedIn = false;
		if (transport === 'socket')
			this.#unopened = 0;
		this.#openedAt = Date.now();
		this.#setState({ status: 'open', transport, welcome });
	}

	/* ---- staying ---- */

	/*
	 * The relay's own pings are answered by the browser and never seen here,
	 * so a silence of one heartbeat is asked about, and then given up.
	 */
	#listenToHeart(): void {
		const due = this.#lastHeard + (this.#state.welcome?.heartbeat ?? 25) * 1000 - Date.now();
		if (due > 0)
			this.#heartTimer = setTimeout(() => this.#listenToHeart(), due);
		else
			this.#askHeart();
	}

	#askHeart(): void {
		const generation = this.#generation;
		this.#silent = true;
		clearTimeout(this.#heartTimer);
		this.#heartTimer = setTimeout(() => {
			if (this.#silent)
				this.#lost(generation, HEARTBEAT_LOST, 'silent');
			else
				this.#listenToHeart();
		}, PONG_DUE_MS);
		/* Any frame is an answer; a refusal too. */
		this.#transmit('ping', {}).catch(() => {});
	}

	/* While this fails the old log-in stays, until the relay ends it with 4401. */
	async #renew(generation: number): Promise<void> {
		try {
			const credential = await this.#credential(true);
			if (generation === this.#generation)
				await this.#transmit('authenticate', credential);
		} catch {
			if (generation === this.#generation)
				this.#renewTimer = setTimeout(() => void this.#renew(generation), RENEW_AGAIN_MS);
		}
	}
}
