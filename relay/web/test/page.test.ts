/*
 * The page around the client: network, visibility, back-forward cache, and
 * places without a page (Node, workers).
 */

import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CloseCode } from '../client/index.js';
import type { TaskChatClient } from '../client/index.js';
import { FakeBrowser } from './fakeBrowser.js';
import type { FakeTab } from './fakeBrowser.js';
import { FakeServer, member } from './fakeServer.js';
import type { FakeRoom } from './fakeServer.js';
import { makeClient, pass, settle, texts } from './setup.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

interface Scene {
	server: FakeServer;
	fake: FakeRoom;
	tab: FakeTab;
	client: TaskChatClient;
}

async function open(): Promise<Scene> {
	const server = new FakeServer();
	const fake = server.addRoom('t1', [member('ann'), member('bo')]);
	const tab = new FakeBrowser().tab();
	const client = makeClient(server, { storage: tab.storage, locks: tab.locks });
	vi.spyOn(Math, 'random').mockReturnValue(1);
	client.room('t1').join();
	tab.connect(client);
	await settle();
	return { server, fake, tab, client };
}

describe('while waiting', () => {
	it.each([
		['the network is back', (tab: FakeTab) => tab.window.tell('online')],
		['the page is looked at', (tab: FakeTab) => tab.show(true)],
		['the page is shown', (tab: FakeTab) => tab.window.tell('pageshow')],
	])('tries at once when %s', async (_, happen) => {
		const { server, tab, client } = await open();
		server.up = false;
		server.socket.end(CloseCode.lost);
		await pass(5000);
		expect(client.getState().status).toBe('waiting');
		server.up = true;
		happen(tab);
		await settle();
		expect(client.getState().status).toBe('open');
	});

	it('does not when it is hidden', async () => {
		const { server, tab, client } = await open();
		server.socket.end(CloseCode.lost);
		tab.show(false);
		await settle();
		expect(client.getState().status).toBe('waiting');
	});

	it.each([CloseCode.full, CloseCode.flooding, CloseCode.tooManyConnections, CloseCode.notAllowed])(
		'does not after %i', async (code) => {
			const { server, tab } = await open();
			server.socket.end(code);
			tab.window.tell('online');
			await pass(25_000);
			expect(server.sockets).toHaveLength(1);
		});

	it('does not while the relay drains', async () => {
		const { server, tab } = await open();
		server.socket.push({ type: 'going_away', retry_ms: 9000 });
		server.socket.end(CloseCode.goingAway);
		tab.window.tell('online');
		await pass(8999);
		expect(server.sockets).toHaveLength(1);
		await pass(1);
		expect(server.sockets).toHaveLength(2);
	});
});

describe('while open', () => {
	it.each(['online', 'offline', 'pageshow'])('asks after the connection on %s', async (type) => {
		const { server, tab, client } = await open();
		await pass(1000);
		server.silent = true;
		tab.window.tell(type);
		expect(server.frames('ping')).toHaveLength(1);
		await pass(8000);
		expect(server.sockets[0]?.closedWith).toBe(CloseCode.heartbeatLost);
		server.silent = false;
		await pass(20_000);
		expect(client.getState().status).toBe('open');
	});

	it('keeps a connection that answers', async () => {
		const { server, tab } = await open();
		tab.show(true);
		await pass(20_000);
		expect(server.sockets).toHaveLength(1);
	});
});

describe('going away', () => {
	it.each([
		['the back-forward cache', (tab: FakeTab) => tab.window.tell('pagehide'), (tab: FakeTab) => tab.window.tell('pageshow')],
		['freezing', (tab: FakeTab) => tab.document.tell('freeze'), (tab: FakeTab) => tab.document.tell('resume')],
	])('holds no connection in %s, and resumes after it', async (_, away, back) => {
		const { server, fake, tab, client } = await open();
		server.say(fake, 'bo', 'before');
		away(tab);
		expect(server.socket.closedWith).toBe(CloseCode.normal);
		server.say(fake, 'bo', 'meanwhile');
		await pass(600_000);
		expect(server.sockets).toHaveLength(1);
		back(tab);
		await settle();
		expect(texts(client.room('t1'))).toEqual(['before', 'meanwhile']);
		expect(server.frames('join_task_room').at(-1)).toMatchObject({ after_seq: 1, epoch: 'e1' });
	});

	it('lets the lock go, so that another tab sends', async () => {
		const { server, fake, tab, client } = await open();
		const other = tab.browser.tab();
		const otherClient = makeClient(server, { storage: other.storage, locks: other.locks });
		other.connect(otherClient);
		await settle();
		server.override('send_message', (_, socket) => (socket === server.sockets[0] ? 'silent' : null));
		client.room('t1').send({ content: 'left' });
		await pass(10);
		expect(fake.events).toHaveLength(0);
		tab.window.tell('pagehide');
		await pass(10);
		expect(fake.events).toHaveLength(1);
	});

	it('a page that was not connected stays so', async () => {
		const { server, tab, client } = await open();
		client.close();
		tab.window.tell('pagehide');
		tab.window.tell('pageshow');
		tab.window.tell('online');
		await pass(60_000);
		expect(server.sockets).toHaveLength(1);
		expect(tab.window.count() + tab.document.count()).toBe(0);
	});

	it.each([CloseCode.full, CloseCode.flooding, CloseCode.tooManyConnections])('does not shorten the wait after %i', async (code) => {
		const { server, tab, client } = await open();
		server.socket.end(code);
		const { retryAt } = client.getState();
		await pass(1000);
		tab.window.tell('pagehide');
		tab.window.tell('pageshow');
		await pass(28_000);
		expect(server.sockets).toHaveLength(1);
		expect(client.getState()).toMatchObject({ status: 'waiting', closeCode: code, retryAt });
		await pass(31_000);
		expect(client.getState().status).toBe('open');
	});

	it('a client that was told to stay away stays away', async () => {
		const { server, tab } = await open();
		server.socket.end(CloseCode.notAllowed);
		tab.window.tell('pagehide');
		tab.window.tell('pageshow');
		await pass(60_000);
		expect(server.sockets).toHaveLength(1);
	});
});

describe('without a page', () => {
	it('loads and connects in plain Node, where there is no WebSocket to be had', () => {
		const program = `
			const { TaskChatClient } = await import('./client/index.ts');
			const client = new TaskChatClient({ url: 'ws://127.0.0.1:1/ws', getToken: () => 'x', WebSocket: class {
				constructor() { setTimeout(() => this.onclose({ code: 1006, reason: '' })); } close() {} } });
			client.connect();
			setTimeout(() => { console.log(client.getState().status); process.exit(); }, 50);`;
		const bundle = execFileSync('npx', ['esbuild', '--bundle', '--format=esm', '--platform=neutral', '--loader=ts'], {
			input: program, encoding: 'utf8', cwd: new URL('..', import.meta.url),
		});
		const shown = execFileSync(process.execPath, ['--input-type=module', '-e', bundle], { encoding: 'utf8' });
		expect(shown.trim()).toMatch(/waiting|connecting/);
	});
});
