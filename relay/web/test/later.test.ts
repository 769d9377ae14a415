/*
 * The parts that are loaded when they are needed, on a network where they
 * can't be: what then works, and that they are asked for again.
 */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeServer, member } from './fakeServer.js';
import type { Room, TaskChatClient } from '../client/index.js';

/* The parts that can't be loaded now. */
const missing = new Set<string>();
let server: FakeServer;
let client: TaskChatClient;

function part(name: string): void {
	vi.doMock(`../client/${name}.js`, async (original) => {
		if (missing.has(name))
			throw new TypeError('Failed to fetch dynamically imported module');
		return original();
	});
}

/* A network that fails is tried anew by each import(); the module cache of the tests is not, so it is emptied. */
function networkIsBack(): void {
	missing.clear();
	vi.resetModules();
}

const WITHIN = 30_000; // milliseconds, on a machine that is busy with other things

async function open(messages: number, options: object = {}): Promise<Room> {
	const { TaskChatClient: Client } = await import('../client/index.js');
	server = new FakeServer();
	const fake = server.addRoom('t1', [member('ann', 'creator'), member('bo')]);
	for (let count = 1; count <= messages; count++)
		server.say(fake, 'bo', `message ${count}`);
	client = new Client({ url: 'ws://test/ws', getToken: () => 'ann:1', WebSocket: server.WebSocket, httpUrl: null, backoffBase: 1, ...options });
	const room = client.room('t1');
	room.join();
	client.connect();
	return room;
}

async function openJoined(messages: number): Promise<Room> {
	const room = await open(messages);
	await vi.waitFor(() => expect(room.getState().phase).toBe('joined'), WITHIN);
	return room;
}

beforeEach(() => {
	vi.resetModules();
	for (const name of ['signals', 'history', 'polling'])
		part(name);
});
afterEach(() => {
	client.close();
	missing.clear();
	vi.doUnmock('../client/signals.js');
	vi.doUnmock('../client/history.js');
	vi.doUnmock('../client/polling.js');
});

describe('a part that cannot be loaded', () => {
	it('acks, marks and typing: the room shows, takes and sends without; the next join tries again', async () => {
		missing.add('signals');
		const room = await openJoined(2);
		room.setTyping(true);
		room.markRead();
		await room.send({ content: 'hello' }).committed;
		await vi.waitFor(() => expect(room.getState()).toMatchObject({ lastSeq: 3, myReadSeq: 2, pending: [] }), WITHIN);
		expect(server.frames('ack')).toEqual([]);
		networkIsBack();
		server.socket.end(1006);
		await vi.waitFor(() => expect(server.frames('ack')).toMatchObject([{ seq: 3 }]), WITHIN);
		await vi.waitFor(() => expect(server.frames('mark_read')).toMatchObject([{ seq: 2 }]), WITHIN);
	});

	it('history: the call rejects with an error of the client, and works later', async () => {
		missing.add('history');
		const room = await openJoined(60);
		expect(room.getState()).toMatchObject({ hasOlder: true, loadingOlder: false });
		await expect(room.loadOlder()).rejects.toMatchObject({ name: 'TaskChatError' });
		expect(room.getState().loadingOlder).toBe(false);
		networkIsBack();
		await expect(room.loadOlder()).resolves.toBe(true);
		expect(room.getState().entries).toHaveLength(60);
	});

	it('polling: sockets are tried on', async () => {
		missing.add('polling');
		const sockets = vi.fn();
		const blocked = new FakeServer();
		blocked.up = false;
		class Counted extends blocked.WebSocket {
			constructor(url: string) {
				sockets();
				super(url);
			}
		}
		await open(0, { WebSocket: Counted, httpUrl: 'http://test', backoffCap: 2 });
		await vi.waitFor(() => expect(sockets.mock.calls.length).toBeGreaterThan(4), WITHIN);
		expect(client.getState().status).toMatch(/waiting|connecting/);
	});
});
