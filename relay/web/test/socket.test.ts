/*
 * The connection: log-in, close codes, back-off, heartbeat, renewal.
 */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CloseCode, TaskChatClient, closeRule, parseFrame } from '../client/index.js';
import { FakeServer } from './fakeServer.js';
import { joinedScene, makeClient, pass, settle } from './setup.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/* Milliseconds until a client whose connection was closed with `code` dials again; null: it doesn't. */
async function delayAfter(code: number, random = 0.5): Promise<number | null> {
	const { server, client } = await joinedScene();
	vi.spyOn(Math, 'random').mockReturnValue(random);
	await pass(10_000);
	server.socket.end(code);
	await settle();
	const { status, retryAt } = client.getState();
	if (status === 'closed')
		return null;
	return status === 'waiting' && retryAt !== null ? retryAt - Date.now() : 0;
}

describe('log-in', () => {
	it('sends the token in the first frame, and never in the URL', async () => {
		const { server } = await joinedScene();
		expect(server.socket.frames[0]).toMatchObject({ type: 'authenticate', token: 'ann:1' });
		expect(server.socket.url).toBe('ws://test/ws');
	});

	it('takes tickets', async () => {
		const server = new FakeServer();
		const client = new TaskChatClient({
			url: 'ws://test/ws', getTicket: () => 'ann:ticket', WebSocket: server.WebSocket,
		});
		client.connect();
		await settle();
		expect(server.socket.frames[0]).toMatchObject({ type: 'authenticate', ticket: 'ann:ticket' });
		expect(client.getState()).toMatchObject({ status: 'open', userId: 'ann' });
	});

	it('tries again when no token could be had', async () => {
		const server = new FakeServer();
		const getToken = vi.fn().mockRejectedValueOnce(new Error('offline')).mockResolvedValue('ann:1');
		const client = makeClient(server, { getToken });
		client.connect();
		await settle();
		expect(client.getState().status).toBe('waiting');
		await pass(250);
		expect(client.getState().status).toBe('open');
	});

	it('asks for a fresh token once when the log-in is refused', async () => {
		const server = new FakeServer();
		server.override('authenticate', (frame, socket) => {
			if (frame.token === 'good')
				return null;
			queueMicrotask(() => socket.end(CloseCode.notLoggedIn));
			return { error: { code: 'unauthenticated', message: 'expired' } };
		});
		const getToken = vi.fn(({ fresh }: { fresh: boolean }) => (fresh ? 'good' : 'stale'));
		const client = makeClient(server, { getToken });
		client.connect();
		await pass(1);
		expect(client.getState().status).toBe('open');
		expect(getToken.mock.calls).toEqual([[{ fresh: false }], [{ fresh: true }]]);
	});

	it('stays away when the fresh token is refused too', async () => {
		const server = new FakeServer();
		server.override('authenticate', () => ({ error: { code: 'unauthenticated', message: 'no' } }));
		const client = makeClient(server);
		client.connect();
		await pass(120_000);
		expect(client.getState()).toMatchObject({ status: 'closed', closeCode: CloseCode.notLoggedIn });
		expect(server.sockets).toHaveLength(2);
	});

	it('gives up a log-in that hangs, and tries again', async () => {
		const server = new FakeServer();
		server.silent = true;
		const client = makeClient(server);
		client.connect();
		await pass(15_000);
		expect(client.getState().status).toBe('waiting');
		server.silent = false;
		await pass(500);
		expect(client.getState().status).toBe('open');
	});
});

describe('close codes', () => {
	it.each([1000, 1002, 1003, 1007, 4403])('%i: never again', async (code) => {
		expect(await delayAfter(code)).toBeNull();
		await pass(600_000);
	});

	it.each([1006, 1009, 1011, 4408, 4409, 1001, 4999])('%i: back-off', async (code) => {
		expect(closeRule(code)).toBe('backoff');
		expect(await delayAfter(code)).toBe(250);
	});

	it.each([1013, 4429, 4430])('%i: from 30 s on', async (code) => {
		expect(await delayAfter(code, 0)).toBe(30_000);
		expect(await delayAfter(code, 0.5)).toBe(45_000);
	});

	it('4401 on a running session: at once, with a fresh token', async () => {
		const getToken = vi.fn(() => 'ann:1');
		const { server, client } = await joinedScene(0, { getToken });
		server.socket.end(CloseCode.notLoggedIn);
		await pass(1);
		expect(client.getState().status).toBe('open');
		expect(getToken).toHaveBeenLastCalledWith({ fresh: true });
	});

	it('1001 after going_away: a random part of retry_ms', async () => {
		const { server, client } = await joinedScene();
		server.socket.push({ type: 'going_away', retry_ms: 8000 });
		server.socket.end(CloseCode.goingAway);
		expect((client.getState().retryAt ?? 0) - Date.now()).toBe(4000);
		await pass(4000);
		expect(client.getState().status).toBe('open');
	});

	it('close() ends it, and connect() begins again', async () => {
		const { server, client } = await joinedScene();
		client.close();
		await pass(60_000);
		expect(server.socket.closedWith).toBe(1000);
		expect(client.getState().status).toBe('idle');
		expect(server.sockets).toHaveLength(1);
		client.connect();
		await settle();
		expect(client.getState().status).toBe('open');
	});
});

describe('back-off', () => {
	it('grows with full jitter up to its cap', async () => {
		const server = new FakeServer();
		server.up = false;
		const client = makeClient(server);
		client.connect();
		await settle();
		const waits: number[] = [];
		for (let attempt = 0; attempt < 9; attempt++) {
			const wait = (client.getState().retryAt ?? 0) - Date.now();
			waits.push(wait);
			await pass(wait);
		}
		expect(waits).toEqual([250, 500, 1000, 2000, 4000, 8000, 10000, 10000, 10000]);
	});

	it('goes on growing when connections break at once', async () => {
		const { server, client } = await joinedScene();
		server.socket.end(CloseCode.internal);
		await pass(250);
		expect(client.getState().status).toBe('open');
		server.socket.end(CloseCode.internal);
		expect((client.getState().retryAt ?? 0) - Date.now()).toBe(500);
	});
});

describe('heartbeat', () => {
	it('asks after a silence, and stays when there is an answer', async () => {
		const { server, client } = await joinedScene();
		await pass(60_000);
		expect(server.frames('ping').length).toBeGreaterThanOrEqual(2);
		expect(server.sockets).toHaveLength(1);
		expect(client.getState().status).toBe('open');
	});

	it('gives a dead connection up and comes back', async () => {
		const { server, client } = await joinedScene();
		server.silent = true;
		await pass(25_000 + 8_000);
		expect(server.sockets[0]?.closedWith).toBe(CloseCode.heartbeatLost);
		server.silent = false;
		await pass(250);
		expect(client.getState().status).toBe('open');
		expect(server.sockets).toHaveLength(2);
	});
});

describe('renewal', () => {
	it('renews the log-in when the token runs out', async () => {
		const getToken = vi.fn(({ fresh }: { fresh: boolean }) => (fresh ? 'ann:2' : 'ann:1'));
		const { server, client } = await joinedScene(0, { getToken });
		server.socket.push({ type: 'token_expiring', expires_at: '2026-01-01T00:00:00Z' });
		await settle();
		expect(server.frames('authenticate').map((frame) => frame.token)).toEqual(['ann:1', 'ann:2']);
		expect(server.sockets).toHaveLength(1);
		expect(client.getState().status).toBe('open');
	});

	it('tries again while the renewal fails, and keeps the connection', async () => {
		const getToken = vi.fn(({ fresh }: { fresh: boolean }) => (fresh ? 'ann:2' : 'ann:1'));
		const { server, client } = await joinedScene(0, { getToken });
		let refusals = 1;
		server.override('authenticate', () =>
			(refusals-- > 0 ? { error: { code: 'unavailable', message: 'later' } } : null));
		server.socket.push({ type: 'token_expiring', expires_at: '2026-01-01T00:00:00Z' });
		await pass(10_000);
		expect(server.frames('authenticate')).toHaveLength(3);
		expect(client.getState().status).toBe('open');
	});
});

describe('commands', () => {
	it('reject with the code of the server', async () => {
		const { server, client } = await joinedScene();
		server.override('get_rooms', () => ({ error: { code: 'rate_limited', message: 'slow down', retry_after_ms: 700 } }));
		await expect(client.getRooms()).rejects.toMatchObject({ code: 'rate_limited', retryAfterMs: 700 });
	});

	it('reject when the connection breaks under them', async () => {
		const { server, client } = await joinedScene();
		server.override('get_rooms', () => 'silent');
		const asked = client.getRooms().catch((error: unknown) => error);
		await settle();
		server.socket.end(CloseCode.lost);
		expect(await asked).toMatchObject({ code: 'disconnected' });
	});

	it('reject when no reply comes', async () => {
		const { server, client } = await joinedScene();
		server.override('get_rooms', () => 'silent');
		const asked = client.getRooms().catch((error: unknown) => error);
		await pass(30_000);
		expect(await asked).toMatchObject({ code: 'timeout' });
	});

	it('that are too large are refused here, not by a lost connection', async () => {
		const { server, room } = await joinedScene();
		room.send({ content: 'x'.repeat(70_000) });
		await settle();
		expect(room.getState().pending[0]).toMatchObject({ status: 'failed', error: { code: 'too_large' } });
		expect(server.frames('send_message')).toHaveLength(0);
	});
});

describe('frames', () => {
	it.each(['', 'null', '[]', '1', '{}', '{"type":7}', '{"type":"message_received","seq":"1"}', '{broken'])(
		'passes over %j', (text) => {
			expect(parseFrame(text)).toBeNull();
		});

	it('unknown types and stray replies harm nothing', async () => {
		const { server, client } = await joinedScene();
		server.socket.push({ type: 'something_new', task_id: 't1' });
		server.socket.push({ type: 'reply', ref: 999, ok: true, data: {} });
		server.socket.push({ type: 'reply', ref: null, ok: false, error: { code: 'bad_request', message: '' } });
		expect(client.getState().status).toBe('open');
	});
});
