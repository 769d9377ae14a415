/*
 * Sending: order, idempotent resend, failures and retries.
 */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CloseCode } from '../client/index.js';
import { joinedScene, pass, settle, texts } from './setup.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('sending', () => {
	it('shows a message at once, and as part of the line when it is committed', async () => {
		const { room } = await joinedScene();
		const { committed } = room.send({ content: 'hello' });
		expect(room.getState().pending).toMatchObject([{ status: 'sending', draft: { content: 'hello' } }]);
		expect(await committed).toMatchObject({ seq: 1, content: 'hello' });
		await settle();
		expect(room.getState().pending).toEqual([]);
		expect(texts(room)).toEqual(['hello']);
	});

	it('stays visible between the reply and the event', async () => {
		const { server, fake, room } = await joinedScene();
		server.override('send_message', (frame) => {
			const message = server.say(fake, 'ann', 'hello', { client_msg_id: String(frame.client_msg_id) }, true);
			return { data: { message, duplicate: false } };
		});
		room.send({ content: 'hello' });
		await settle();
		expect(room.getState().pending).toMatchObject([{ status: 'sent' }]);
		server.broadcast(fake, fake.events[0] ?? {});
		expect(room.getState().pending).toEqual([]);
		expect(texts(room)).toEqual(['hello']);
	});

	it('goes one by one, in order', async () => {
		const { server, room } = await joinedScene();
		for (const content of ['1', '2', '3', '4'])
			room.send({ content });
		expect(server.frames('send_message')).toHaveLength(1);
		await settle();
		expect(texts(room)).toEqual(['1', '2', '3', '4']);
		expect(new Set(server.frames('send_message').map((frame) => frame.client_msg_id)).size).toBe(4);
	});

	it('waits for the connection, and keeps the order', async () => {
		const { server, fake, room } = await joinedScene();
		server.socket.end(CloseCode.lost);
		room.send({ content: 'a' });
		room.send({ content: 'b' });
		await settle();
		expect(room.getState().pending).toHaveLength(2);
		server.say(fake, 'bo', 'meanwhile');
		await pass(250);
		expect(texts(room)).toEqual(['meanwhile', 'a', 'b']);
		expect(room.getState().pending).toEqual([]);
	});

	it('sends an unanswered message again under its id, and it is stored once', async () => {
		const { server, fake, room } = await joinedScene();
		/* The message is committed, its reply and its event are lost with the connection. */
		server.override('send_message', (frame) => {
			server.say(fake, 'ann', String(frame.content), { client_msg_id: String(frame.client_msg_id) }, true);
			return 'silent';
		});
		const { committed } = room.send({ content: 'once' });
		room.send({ content: 'next' });
		await settle();
		server.override('send_message', () => null);
		server.socket.end(CloseCode.lost);
		await pass(250);
		expect(await committed).toMatchObject({ seq: 1 });
		expect(texts(room)).toEqual(['once', 'next']);
		expect(fake.events).toHaveLength(2);
		expect(room.getState().pending).toEqual([]);
	});

	it('a duplicate of what the line has already is no second line', async () => {
		const { server, fake, room } = await joinedScene();
		server.override('send_message', () => 'silent');
		room.send({ content: 'once' });
		await settle();
		const [frame] = server.frames('send_message');
		server.override('send_message', () => null);
		/* No reply comes in time, so it is sent again; the first one was stored. */
		server.say(fake, 'ann', 'once', { client_msg_id: String(frame?.client_msg_id) });
		expect(room.getState().pending).toEqual([]);
		await pass(60_000);
		expect(texts(room)).toEqual(['once']);
	});

	it('waits as long as the server asks when it is too fast', async () => {
		const { server, room } = await joinedScene();
		let refusals = 1;
		server.override('send_message', () =>
			(refusals-- > 0 ? { error: { code: 'rate_limited', message: 'slow', retry_after_ms: 900 } } : null));
		room.send({ content: 'a' });
		room.send({ content: 'b' });
		await pass(899);
		expect(texts(room)).toEqual([]);
		await pass(1);
		expect(texts(room)).toEqual(['a', 'b']);
	});

	it('tries again while the database is out of reach', async () => {
		const { server, room } = await joinedScene();
		let refusals = 3;
		server.override('send_message', () =>
			(refusals-- > 0 ? { error: { code: 'unavailable', message: 'later' } } : null));
		room.send({ content: 'a' });
		await pass(20_000);
		expect(texts(room)).toEqual(['a']);
	});

	it('keeps a refused message as failed; retry sends it again, discard drops it', async () => {
		const { server, room } = await joinedScene();
		server.override('send_message', (frame) =>
			(frame.content === 'bad' ? { error: { code: 'room_closed', message: 'closed' } } : null));
		const bad = room.send({ content: 'bad' });
		room.send({ content: 'good' });
		await settle();
		expect(texts(room)).toEqual(['good']);
		expect(room.getState().pending).toMatchObject([{ status: 'failed', error: { code: 'room_closed' } }]);
		room.retry(bad.clientMsgId);
		await settle();
		expect(server.frames('send_message').filter((frame) => frame.client_msg_id === bad.clientMsgId)).toHaveLength(2);
		server.override('send_message', () => null);
		room.retry(bad.clientMsgId);
		await settle();
		expect(texts(room)).toEqual(['good', 'bad']);
		expect(room.getState().pending).toEqual([]);
	});

	it('discard drops a failed message', async () => {
		const { server, room } = await joinedScene();
		server.override('send_message', () => ({ error: { code: 'forbidden', message: 'no' } }));
		const { clientMsgId, committed } = room.send({ content: 'x' });
		await settle();
		room.discard(clientMsgId);
		expect(room.getState().pending).toEqual([]);
		await expect(committed).rejects.toMatchObject({ code: 'cancelled' });
	});

	it('goes out from a room that is not joined', async () => {
		const { client, server, fake, room } = await joinedScene();
		room.leave();
		await pass(1);
		const { committed } = client.room('t1').send({ content: 'from outside' });
		expect(await committed).toMatchObject({ content: 'from outside' });
		expect(fake.events).toHaveLength(1);
		expect(room.getState().pending).toEqual([]);
		expect(server.frames('send_message')).toHaveLength(1);
	});
});
