/*
 * Where no WebSocket can be opened: the HTTP API in its place, and back.
 */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CloseCode } from '../client/index.js';
import type { ClientOptions, TaskChatClient } from '../client/index.js';
/* Loaded here, so that the client's own import() of it takes no time. */
import '../client/polling.js';
import { FakeServer, member } from './fakeServer.js';
import type { ClientFrame, FakeRoom } from './fakeServer.js';
import { makeClient, pass, texts } from './setup.js';

interface Request {
	method: string;
	path: string;
	query: URLSearchParams;
	body: ClientFrame | null;
	token: string;
}

type Answer = { status: number; data: object; retryAfter?: number };

/* The HTTP API over the rooms of a fake server, whose sockets are blocked. */
class FakeHttp {
	readonly requests: Request[] = [];
	up = true;
	readonly online = new Set<string>();
	unread = 0;
	override: (request: Request) => Answer | null = () => null;

	constructor(readonly server: FakeServer) {
		server.up = false;
		vi.stubGlobal('fetch', (url: URL, init: RequestInit) => this.fetch(url, init));
	}

	private async fetch(url: URL, init: RequestInit): Promise<Response> {
		const request: Request = {
			method: init.method ?? 'GET', path: url.pathname, query: url.searchParams,
			body: init.body ? JSON.parse(String(init.body)) as ClientFrame : null,
			token: new Headers(init.headers).get('authorization') ?? '',
		};
		this.requests.push(request);
		if (!this.up)
			throw new TypeError('fetch failed');
		const { status, data, retryAfter } = this.override(request) ?? await this.answer(request, init.signal);
		return new Response(JSON.stringify(data), {
			status, headers: retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) },
		});
	}

	private async answer({ path, query, body, token }: Request, signal: AbortSignal | null | undefined): Promise<Answer> {
		const user = token.replace(/^Bearer (\w+):.*/, '$1');
		if (path === '/api/user/presence' && !body)
			return { status: 200, data: { presence: query.getAll('user_id').map((user_id) => this.presenceOf(user_id)) } };
		if (path === '/api/user/presence')
			return { status: 200, data: { presence: { user_id: user, is_online: true, last_seen: null, current_task_id: null } } };
		if (path === '/api/rooms')
			return { status: 200, data: { has_more: false, rooms: [...this.server.rooms.values()].map((room) => ({
				task_id: room.task_id, applicant_id: room.applicant_id, role: 'creator', status: 'open', unread: this.unread, muted: false,
				last_seq: room.events.length, last_message: null,
			})) } };
		const room = [...this.server.rooms.values()].find((one) => one.task_id === query.get('task_id')
			&& one.applicant_id === query.get('applicant_id'));
		if (!room)
			return { status: 403, data: { error: { code: 'forbidden', message: 'no such room' } } };
		if (path === '/api/events')
			return { status: 200, data: await this.events(room, query, signal) };
		if (path === '/api/send-message') {
			const message = this.server.say(room, user, String(body?.content), { client_msg_id: String(body?.client_msg_id) });
			return { status: 201, data: { message, duplicate: false } };
		}
		return { status: 200, data: { last_read_seq: body?.seq } };
	}

	private presenceOf(user_id: string): object {
		return { user_id, is_online: this.online.has(user_id), last_seen: null, current_task_id: null };
	}

	private async events(room: FakeRoom, query: URLSearchParams, signal: AbortSignal | null | undefined): Promise<object> {
		const after = Number(query.get('after_seq'));
		const fresh = (): typeof room.events => room.events.filter((event) => event.seq > after);
		for (let left = Number(query.get('wait') ?? 0) * 20; left > 0 && fresh().length === 0 && !signal?.aborted; left--)
			await new Promise((resolve) => setTimeout(resolve, 50));
		signal?.throwIfAborted();
		const events = fresh().slice(0, Number(query.get('limit') ?? 200));
		return {
			events, first_seq: room.first_seq, last_seq: room.events.length, epoch: room.epoch,
			has_more: events.length < fresh().length,
		};
	}

	of(path: string): Request[] {
		return this.requests.filter((request) => request.path === path);
	}
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] }));
afterEach(() => {
	vi.useRealTimers();
	vi.unstubAllGlobals();
});

interface Scene {
	server: FakeServer;
	http: FakeHttp;
	fake: FakeRoom;
	client: TaskChatClient;
}

/* An import() settles in real turns of the loop, which no fake clock moves. */
async function until(client: TaskChatClient, status: string): Promise<void> {
	for (let turn = 0; turn < 200 && client.getState().status !== status; turn++) {
		await pass(100);
		await new Promise((resolve) => setImmediate(resolve));
	}
	expect(client.getState().status).toBe(status);
}

async function open(messages = 0, options: Partial<ClientOptions> = {}): Promise<Scene> {
	const server = new FakeServer();
	const http = new FakeHttp(server);
	const fake = server.addRoom('t1', [member('ann', 'creator'), member('bo')]);
	for (let count = 1; count <= messages; count++)
		server.say(fake, 'bo', `message ${count}`);
	const client = makeClient(server, { url: 'ws://relay.test:81/ws', httpUrl: 'http://relay.test:81', ...options });
	client.room('t1').join();
	client.connect();
	await until(client, 'open');
	await pass(10);
	return { server, http, fake, client };
}

describe('long polling', () => {
	it('takes the place of sockets that cannot be opened', async () => {
		const { server, http, fake, client } = await open(120);
		expect(client.getState()).toMatchObject({ transport: 'http', userId: 'ann' });
		expect(client.room('t1').getState()).toMatchObject({ phase: 'joined', role: 'creator', lastSeq: 120 });
		expect(texts(client.room('t1'))).toHaveLength(50);
		server.say(fake, 'bo', 'live');
		await pass(60);
		expect(texts(client.room('t1')).at(-1)).toBe('live');
		expect(http.requests.every((request) => request.token === 'Bearer ann:1')).toBe(true);
		await client.room('t1').loadOlder();
		expect(texts(client.room('t1'))).toHaveLength(101);
	});


	it('sends, marks as read, and waits between empty answers', async () => {
		const { http, fake, client } = await open(1);
		const { committed } = client.room('t1').send({ content: 'by HTTP' });
		expect(await committed).toMatchObject({ seq: 2 });
		client.room('t1').markRead(2);
		await pass(60_000);
		expect(http.of('/api/read').at(-1)?.body).toMatchObject({ seq: 2 });
		expect(fake.events).toHaveLength(2);
		expect(texts(client.room('t1'))).toEqual(['message 1', 'by HTTP']);
		expect(http.of('/api/events').length).toBeLessThan(20);
		expect(http.of('/api/user/presence').length).toBeGreaterThan(1);
	});

	it.each([
		['edit_message', { message_id: 'm1', content: 'x' }], ['delete_message', { message_id: 'm1' }],
		['typing_indicator', { task_id: 't1', is_typing: true }], ['ack', { task_id: 't1', seq: 1 }],
		['get_notifications', {}], ['mark_notification_read', { id: 'n1' }],
	] as const)('says of %s that it needs a WebSocket', async (type, fields) => {
		const { client } = await open();
		await expect(client.request(type, fields as never)).rejects.toMatchObject({
			name: 'TaskChatError', code: 'unavailable', message: `${type} needs a WebSocket`,
		});
	});

	it('knows the members that the line tells of, their presence, and where the user stopped reading', async () => {
		const server = new FakeServer();
		const http = new FakeHttp(server);
		const fake = server.addRoom('t1', []);
		for (const [type, user_id, role] of [
			['member_joined', 'ann', 'creator'], ['member_joined', 'bo', 'applicant'], ['member_joined', 'cy', 'worker'],
			['member_role_changed', 'bo', 'worker'], ['member_left', 'cy', 'worker'],
		])
			server.append(fake, { type: type as string, user_id, role });
		for (const [sender, text] of [['bo', 'read'], ['ann', 'own'], ['bo', 'new'], ['bo', 'newer']])
			server.say(fake, sender as string, text as string);
		http.unread = 2;
		http.online.add('bo');
		const client = makeClient(server, { httpUrl: 'http://relay.test' });
		const room = client.room('t1');
		room.join();
		client.connect();
		await until(client, 'open');
		await pass(10);
		expect(room.getState()).toMatchObject({ myReadSeq: 7, unread: 2, members: [
			{ user_id: 'ann', role: 'creator', last_read_seq: 7 }, { user_id: 'bo', role: 'worker', is_online: true },
		] });
		http.online.clear();
		await pass(41_000);
		expect(room.getState().members[1]).toMatchObject({ user_id: 'bo', is_online: false });
	});

	it('asks after many people with long ids in several requests', async () => {
		const server = new FakeServer();
		const http = new FakeHttp(server);
		const fake = server.addRoom('t1', []);
		const ids = Array.from({ length: 40 }, (_, count) => `${'ü'.repeat(120)}${count}`);
		for (const user_id of ids)
			server.append(fake, { type: 'member_joined', user_id, role: 'worker' });
		http.online.add(ids[39] as string);
		const client = makeClient(server, { httpUrl: 'http://relay.test' });
		client.room('t1').join();
		client.connect();
		await until(client, 'open');
		await pass(100);
		expect(client.room('t1').getState().members).toHaveLength(41);
		expect(client.room('t1').getState().members.find((one) => one.user_id === ids[39])).toMatchObject({ is_online: true });
		for (const { query } of http.of('/api/user/presence'))
			expect(query.toString().length).toBeLessThan(4000);
	});

	it('tells of what happens in other rooms', async () => {
		const { server, client } = await open(1);
		const other = server.addRoom('t2', [member('ann')]);
		const told: unknown[] = [];
		client.on('room_activity', ({ task_id, last_seq, reason }) => told.push([task_id, last_seq, reason]));
		await pass(11_000);
		expect(told).toEqual([]);
		server.say(other, 'bo', 'over here');
		server.addRoom('t3', [member('ann')]);
		await pass(11_000);
		expect(told).toEqual([['t2', 1, 'message'], ['t3', 0, 'added']]);
	});

	it('resumes by seq after the server was away', async () => {
		const { server, http, fake, client } = await open(2);
		http.up = false;
		server.say(fake, 'bo', 'wakes the waiting request');
		await until(client, 'waiting');
		server.say(fake, 'bo', 'missed');
		http.up = true;
		await until(client, 'open');
		await pass(100);
		expect(texts(client.room('t1'))).toEqual(['message 1', 'message 2', 'wakes the waiting request', 'missed']);
	});

	it('asks for a new token when one is refused', async () => {
		const getToken = vi.fn(({ fresh }: { fresh: boolean }) => (fresh ? 'ann:2' : 'ann:1'));
		const { server, http, fake, client } = await open(0, { getToken });
		http.override = ({ token }) => (token.endsWith('ann:1')
			? { status: 401, data: { error: { code: 'unauthenticated', message: 'expired' } } } : null);
		server.say(fake, 'bo', 'next');
		await pass(100);
		server.say(fake, 'bo', 'more');
		await pass(400);
		for (let turn = 0; turn < 100 && !http.requests.at(-1)?.token.endsWith('ann:2'); turn++)
			await pass(100);
		await until(client, 'open');
		await pass(100);
		expect(texts(client.room('t1'))).toEqual(['next', 'more']);
	});

	it('waits as long as a busy server asks', async () => {
		const { http, client } = await open();
		http.override = ({ path }) => (path === '/api/send-message'
			? { status: 429, retryAfter: 7, data: { error: { code: 'rate_limited', message: 'slow' } } } : null);
		client.room('t1').send({ content: 'x' });
		await pass(6900);
		expect(http.of('/api/send-message')).toHaveLength(1);
		http.override = () => null;
		await pass(200);
		expect(http.of('/api/send-message')).toHaveLength(2);
	});

	it('learns that it was put out of the room', async () => {
		const { server, client } = await open(1);
		server.rooms.clear();
		await pass(60_000);
		expect(client.room('t1').getState().phase).toBe('removed');
	});

	it('begins anew in another epoch', async () => {
		const { server, fake, client } = await open(5);
		fake.epoch = 'e2';
		fake.events.length = 0;
		server.say(fake, 'bo', 'other history');
		await pass(40_000);
		await until(client, 'open');
		await pass(1000);
		expect(texts(client.room('t1'))).toEqual(['other history']);
	});

	it('changes over to a socket as soon as one can be opened', async () => {
		const { server, fake, client } = await open(1);
		server.up = true;
		await pass(400_000);
		expect(client.getState()).toMatchObject({ status: 'open', transport: 'socket' });
		server.say(fake, 'bo', 'by socket');
		expect(texts(client.room('t1'))).toEqual(['message 1', 'by socket']);
	});

	it('is not tried after what is no matter of sockets', async () => {
		const server = new FakeServer();
		const http = new FakeHttp(server);
		server.up = true;
		const client = makeClient(server, { httpUrl: 'http://relay.test' });
		client.connect();
		await pass(1);
		server.socket.end(CloseCode.notAllowed);
		await pass(60_000);
		expect(client.getState().status).toBe('closed');
		expect(http.requests).toEqual([]);
	});

	it('and sockets take turns, so that either is found', async () => {
		const server = new FakeServer();
		const http = new FakeHttp(server);
		http.up = false;
		const client = makeClient(server, { httpUrl: 'http://relay.test' });
		client.connect();
		await pass(30_000);
		expect(http.requests.length).toBeGreaterThan(0);
		expect(client.getState().status).not.toBe('open');
		server.up = true;
		await pass(60_000);
		expect(client.getState()).toMatchObject({ status: 'open', transport: 'socket' });
	});

	it('keeps the members that the socket told', async () => {
		const server = new FakeServer();
		const http = new FakeHttp(server);
		server.up = true;
		server.addRoom('t1', [member('ann', 'creator'), member('bo')]);
		const client = makeClient(server, { httpUrl: 'http://relay.test' });
		client.room('t1').join();
		client.connect();
		await pass(1);
		server.up = false;
		server.socket.end(CloseCode.lost);
		await until(client, 'open');
		await pass(10);
		expect(http.of('/api/events').length).toBeGreaterThan(0);
		expect(client.room('t1').getState().members.map((one) => one.user_id)).toEqual(['ann', 'bo']);
	});
});
