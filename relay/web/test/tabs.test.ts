/*
 * What outlives the page: the outbox over reloads and between tabs, drafts, and
 * what sign-out and another user leave of them.
 */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CloseCode } from '../client/index.js';
import type { ClientOptions, TaskChatClient } from '../client/index.js';
import { FakeBrowser } from './fakeBrowser.js';
import type { FakeTab } from './fakeBrowser.js';
import { FakeServer, member } from './fakeServer.js';
import type { FakeRoom } from './fakeServer.js';
import { makeClient, pass, settle, texts } from './setup.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

interface World {
	server: FakeServer;
	fake: FakeRoom;
	browser: FakeBrowser;
}

function makeWorld(): World {
	const server = new FakeServer();
	const fake = server.addRoom('t1', [member('ann', 'creator'), member('bo')]);
	return { server, fake, browser: new FakeBrowser() };
}

/* A page in a tab, with the room joined. */
async function openPage({ server }: World, tab: FakeTab, options: Partial<ClientOptions> = {}): Promise<TaskChatClient> {
	const client = makeClient(server, { storage: tab.storage, locks: tab.locks, ...options });
	client.room('t1').join();
	tab.connect(client);
	await settle();
	return client;
}

const said = (fake: FakeRoom): string[] =>
	fake.events.flatMap((event) => (event.type === 'message_received' ? [event.message.content] : []));
const pending = (client: TaskChatClient): string[] =>
	client.room('t1').getState().pending.map((one) => `${one.draft.content} ${one.status}`);

describe('a reload', () => {
	it('loses no message, sends in order and each once', async () => {
		const world = makeWorld();
		const first = world.browser.tab();
		const before = await openPage(world, first);
		world.server.up = false;
		world.server.socket.end(CloseCode.lost);
		for (const content of ['one', 'two', 'three'])
			before.room('t1').send({ content });
		expect(before.getState().queued).toBe(3);
		before.close();
		first.close();
		world.server.up = true;
		const after = await openPage(world, world.browser.tab());
		expect(texts(after.room('t1'))).toEqual(['one', 'two', 'three']);
		expect(world.server.frames('send_message')).toHaveLength(3);
		expect(pending(after)).toEqual([]);
		expect(world.browser.names(':out:')).toEqual([]);
	});

	it('sends nothing again that was committed while its reply got lost', async () => {
		const world = makeWorld();
		const first = world.browser.tab();
		const before = await openPage(world, first);
		world.server.override('send_message', (frame) => {
			world.server.say(world.fake, 'ann', String(frame.content), { client_msg_id: String(frame.client_msg_id) }, true);
			return 'silent';
		});
		before.room('t1').send({ content: 'once' });
		await settle();
		before.close();
		first.close();
		world.server.override('send_message', () => null);
		const after = await openPage(world, world.browser.tab());
		expect(said(world.fake)).toEqual(['once']);
		expect(texts(after.room('t1'))).toEqual(['once']);
		expect(world.server.frames('send_message')).toHaveLength(1);
		expect(world.browser.names(':out:')).toEqual([]);
	});

	it('keeps failed messages for a retry', async () => {
		const world = makeWorld();
		const first = world.browser.tab();
		const before = await openPage(world, first);
		world.server.override('send_message', () => ({ error: { code: 'room_closed', message: 'closed' } }));
		const { clientMsgId } = before.room('t1').send({ content: 'late' });
		await settle();
		before.close();
		first.close();
		const after = await openPage(world, world.browser.tab());
		await pass(60_000);
		expect(pending(after)).toEqual(['late failed']);
		world.server.override('send_message', () => null);
		after.room('t1').retry(clientMsgId);
		await settle();
		expect(said(world.fake)).toEqual(['late']);
	});

	it('shows what waits before the log-in where the user is told', async () => {
		const world = makeWorld();
		const first = world.browser.tab();
		const before = await openPage(world, first);
		world.server.up = false;
		world.server.socket.end(CloseCode.lost);
		before.room('t1').send({ content: 'waits' });
		before.close();
		first.close();
		const after = await openPage(world, world.browser.tab(), { userId: 'ann' });
		expect(after.getState()).toMatchObject({ userId: 'ann', queued: 1 });
		expect(pending(after)).toEqual(['waits sending']);
	});

	it('passes over what it cannot read', async () => {
		const world = makeWorld();
		world.browser.items.set('taskchat:"ann":out:x', '{"at":1,"shown"');
		world.browser.items.set('taskchat:"ann":out:y', '{"at":1,"shown":{"draft":{}}}');
		const client = await openPage(world, world.browser.tab());
		expect(pending(client)).toEqual([]);
		expect(world.browser.names(':out:')).toEqual([]);
	});

	it('what was written before the log-in is kept for the user', async () => {
		const world = makeWorld();
		const tab = world.browser.tab();
		world.server.up = false;
		const client = await openPage(world, tab);
		client.room('t1').send({ content: 'early' });
		client.room('t1').setDraft('half a sentence');
		expect(world.browser.names()).toEqual([]);
		world.server.up = true;
		world.server.override('send_message', () => 'silent');
		await pass(20_000);
		expect(world.browser.names('taskchat:"ann":out:')).toHaveLength(1);
		expect(world.browser.names('taskchat:"ann":draft:')).toHaveLength(1);
	});
});

describe('bounds', () => {
	it('takes 200 messages, and says of more that they failed', async () => {
		const world = makeWorld();
		const client = await openPage(world, world.browser.tab());
		world.server.up = false;
		world.server.socket.end(CloseCode.lost);
		for (let count = 0; count < 201; count++)
			client.room('t1').send({ content: String(count) });
		expect(client.getState().queued).toBe(200);
		expect(client.room('t1').getState().pending.at(-1)).toMatchObject({ status: 'failed', error: { code: 'limit_exceeded' } });
		expect(world.browser.names(':out:')).toHaveLength(200);
	});

	it('sends where the storage is full or refused', async () => {
		const world = makeWorld();
		world.browser.full = true;
		const client = await openPage(world, world.browser.tab());
		client.room('t1').send({ content: 'unkept' });
		await pass(5000);
		expect(said(world.fake)).toEqual(['unkept']);
		expect(pending(client)).toEqual([]);
	});
});

describe('two tabs', () => {
	it('show one outbox, and send each message once', async () => {
		const world = makeWorld();
		const one = await openPage(world, world.browser.tab());
		const other = await openPage(world, world.browser.tab());
		world.server.up = false;
		for (const socket of world.server.sockets)
			socket.end(CloseCode.lost);
		one.room('t1').send({ content: 'of one' });
		await pass(1);
		other.room('t1').send({ content: 'of the other' });
		await pass(1);
		expect(pending(one)).toEqual(['of one sending', 'of the other sending']);
		expect(pending(other)).toEqual(pending(one));
		world.server.up = true;
		await pass(60_000);
		expect(said(world.fake)).toEqual(['of one', 'of the other']);
		expect(world.server.frames('send_message')).toHaveLength(2);
		expect([...pending(one), ...pending(other)]).toEqual([]);
		expect(texts(one.room('t1'))).toEqual(texts(other.room('t1')));
	});

	it('never send the same message at a time', async () => {
		const world = makeWorld();
		const one = await openPage(world, world.browser.tab());
		await openPage(world, world.browser.tab());
		world.server.override('send_message', () => 'silent');
		one.room('t1').send({ content: 'slow' });
		await pass(20_000);
		expect(world.server.frames('send_message')).toHaveLength(1);
	});

	it('what a closed tab left is sent by the other', async () => {
		const world = makeWorld();
		const closing = world.browser.tab();
		const one = await openPage(world, closing);
		const other = await openPage(world, world.browser.tab());
		/* The socket of the first tab swallows the message; then the tab is killed, with the lock in its hands. */
		const [socket] = world.server.sockets;
		world.server.override('send_message', (_, from) => (from === socket ? 'silent' : null));
		one.room('t1').send({ content: 'left behind' });
		await pass(10);
		expect(said(world.fake)).toEqual([]);
		closing.close();
		await pass(10);
		expect(said(world.fake)).toEqual(['left behind']);
		expect(texts(other.room('t1'))).toEqual(['left behind']);
		expect(pending(other)).toEqual([]);
	});

	it('a tab without a connection leaves the sending to the other, and learns of it', async () => {
		const world = makeWorld();
		const one = await openPage(world, world.browser.tab());
		await openPage(world, world.browser.tab());
		const { committed } = (world.server.sockets[0]?.end(CloseCode.full), one.room('t1').send({ content: 'by the other' }));
		await pass(10);
		expect(await committed).toMatchObject({ content: 'by the other', seq: 1 });
		expect(world.server.frames('send_message')).toHaveLength(1);
		expect(one.getState().queued).toBe(0);
	});

	it('what one discards is gone in the other', async () => {
		const world = makeWorld();
		const one = await openPage(world, world.browser.tab());
		const other = await openPage(world, world.browser.tab());
		world.server.override('send_message', () => ({ error: { code: 'forbidden', message: 'no' } }));
		const { clientMsgId } = one.room('t1').send({ content: 'bad' });
		await pass(1);
		expect(pending(other)).toEqual(['bad failed']);
		other.room('t1').discard(clientMsgId);
		await pass(1);
		expect([...pending(one), ...pending(other)]).toEqual([]);
	});

	it('clients without a storage wait for no lock', async () => {
		const world = makeWorld();
		const client = await openPage(world, world.browser.tab(), { storage: null, locks: { request: () => new Promise(() => {}) } });
		client.room('t1').send({ content: 'a' });
		await pass(1);
		expect(said(world.fake)).toEqual(['a']);
	});

	it('goes on where locks are refused', async () => {
		const world = makeWorld();
		const tab = world.browser.tab();
		const client = await openPage(world, tab, { locks: { request: () => Promise.reject(new Error('not here')) } });
		client.room('t1').send({ content: 'a' });
		await pass(1);
		expect(said(world.fake)).toEqual(['a']);
	});
});

describe('users', () => {
	it('sign-out removes outbox, drafts and cursors of the user, and nothing else', async () => {
		const world = makeWorld();
		const client = await openPage(world, world.browser.tab());
		world.browser.items.set('taskchat:"bo":out:1', 'of another');
		world.browser.items.set('app', 'setting');
		world.server.override('send_message', () => 'silent');
		const { committed } = client.room('t1').send({ content: 'unsent' });
		client.room('t1').setDraft('draft');
		client._vault.set('notified', '7');
		await settle();
		client.signOut();
		await expect(committed).rejects.toMatchObject({ code: 'cancelled' });
		expect(world.browser.names('"ann"')).toEqual([]);
		expect(world.browser.names().sort()).toEqual(['app', 'taskchat:"bo":out:1']);
		expect(client.getState()).toMatchObject({ status: 'idle', userId: null, queued: 0, wasOpen: false });
		expect(client.room('t1').getState()).toMatchObject({ entries: [], pending: [], members: [], role: null });
		expect(world.server.socket.closedWith).toBe(CloseCode.normal);
		await pass(60_000);
		expect(world.server.sockets).toHaveLength(1);
	});

	it('sign-out before any log-in removes what the last user left', async () => {
		const world = makeWorld();
		const tab = world.browser.tab();
		const before = await openPage(world, tab);
		before.room('t1').setDraft('draft');
		before.close();
		makeClient(world.server, { storage: tab.storage, locks: tab.locks }).signOut();
		expect(world.browser.names()).toEqual([]);
	});

	it('another user sees and sends nothing of the first one', async () => {
		const world = makeWorld();
		world.server.say(world.fake, 'bo', 'for ann');
		let token = 'ann:1';
		const client = await openPage(world, world.browser.tab(), { getToken: () => token });
		world.server.override('send_message', () => 'silent');
		client.room('t1').send({ content: 'of ann' });
		client.room('t1').setDraft('of ann');
		await settle();
		token = 'bo:1';
		world.server.override('send_message', () => null);
		world.server.socket.end(CloseCode.lost);
		await pass(30_000);
		expect(client.getState()).toMatchObject({ userId: 'bo', queued: 0 });
		expect(client.room('t1').getDraft()).toBe('');
		expect(said(world.fake)).toEqual(['for ann']);
		expect(world.server.socket.frames.find((frame) => frame.type === 'join_task_room')).not.toHaveProperty('after_seq');
		token = 'ann:2';
		world.server.socket.end(CloseCode.lost);
		await pass(30_000);
		expect(said(world.fake)).toEqual(['for ann', 'of ann']);
		expect(client.room('t1').getDraft()).toBe('of ann');
	});
});
