/*
 * What belongs to no single room: the list of rooms, notifications, names,
 * events by type; and how far own messages have come.
 */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CloseCode, NotificationList, RoomList } from '../client/index.js';
import type { Notification, RoomListItem } from '../client/index.js';
import { FakeBrowser } from './fakeBrowser.js';
import { joinedScene, pass, settle } from './setup.js';
import type { FakeServer } from './fakeServer.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function item(taskId: string, more: Partial<RoomListItem> = {}): RoomListItem {
	return {
		task_id: taskId, applicant_id: null, role: 'creator', status: 'open', last_seq: 1, unread: 0, muted: false,
		last_message: null, ...more,
	};
}

function serveRooms(server: FakeServer, rooms: RoomListItem[]): void {
	server.override('get_rooms', ({ limit, offset }) => {
		const from = Number(offset ?? 0);
		const page = rooms.slice(from, from + Number(limit));
		return { data: { rooms: page, has_more: from + page.length < rooms.length } };
	});
}

describe('the list of rooms', () => {
	it('is fetched when connected, page by page', async () => {
		const { server, client } = await joinedScene();
		serveRooms(server, Array.from({ length: 70 }, (_, index) => item(`t${index}`)));
		const list = new RoomList(client);
		expect(list.getState()).toMatchObject({ rooms: [], loaded: false });
		list.start();
		await settle();
		expect(list.getState()).toMatchObject({ loaded: true, hasMore: true });
		expect(list.getState().rooms).toHaveLength(50);
		list.loadMore();
		await pass(1000);
		expect(list.getState().rooms).toHaveLength(70);
		expect(list.getState().hasMore).toBe(false);
	});

	it('shows activity at once, and asks again at most once a second', async () => {
		const { server, client } = await joinedScene();
		const rooms = [item('t1'), item('t1', { applicant_id: 'bo' }), item('t2', { muted: true, unread: 9 })];
		serveRooms(server, rooms);
		const list = new RoomList(client);
		list.start();
		await pass(2000);
		const asked = server.frames('get_rooms').length;
		for (const unread of [1, 2, 3])
			server.socket.push({
				type: 'room_activity', task_id: 't1', applicant_id: 'bo', last_seq: 1 + unread, unread, reason: 'message',
			});
		expect(list.getState().rooms[0]).toMatchObject({ task_id: 't1', applicant_id: 'bo', unread: 3 });
		expect(list.getState().unread).toBe(3);
		rooms.unshift(item('t3'));
		await pass(1100);
		expect(list.getState().rooms[0]?.task_id).toBe('t3');
		expect(server.frames('get_rooms').length - asked).toBeLessThanOrEqual(2);
	});

	it('follows joined rooms, own reading and removals', async () => {
		const { server, fake, client } = await joinedScene(1);
		serveRooms(server, [item('t2'), item('t1', { unread: 1 })]);
		const list = new RoomList(client);
		list.start();
		await settle();
		server.tell(fake, { type: 'message_read', user_id: 'bo', last_read_seq: 1 });
		expect(list.getState().unread).toBe(1);
		server.tell(fake, { type: 'message_read', user_id: 'ann', last_read_seq: 1 });
		expect(list.getState().unread).toBe(0);
		server.say(fake, 'bo', 'news');
		expect(list.getState().rooms[0]).toMatchObject({ task_id: 't1', last_message: { content: 'news' } });
		server.tell(fake, { type: 'removed_from_room', reason: 'removed' });
		expect(list.getState().rooms.map((room) => room.task_id)).toEqual(['t2']);
	});

	it('says why it could not be fetched, comes back with the connection, and ends', async () => {
		const { server, client } = await joinedScene();
		server.override('get_rooms', () => ({ error: { code: 'unavailable', message: 'later' } }));
		const list = new RoomList(client);
		list.start();
		await settle();
		expect(list.getState()).toMatchObject({ loaded: false, error: { code: 'unavailable' } });
		serveRooms(server, [item('t1')]);
		server.socket.end(CloseCode.lost);
		await pass(2000);
		expect(list.getState()).toMatchObject({ loaded: true, error: null });
		list.stop();
		const asked = server.frames('get_rooms').length;
		server.socket.push({ type: 'room_activity', task_id: 't1', applicant_id: null, last_seq: 2, unread: 1, reason: 'message' });
		await pass(5000);
		expect(server.frames('get_rooms')).toHaveLength(asked);
	});
});

describe('notifications', () => {
	function note(seq: number): Notification {
		return { id: `n${seq}`, seq, kind: 'payment', task_id: null, payload: {}, created_at: '2026-01-01T00:00:00Z', read_at: null };
	}

	function serve(server: FakeServer, notes: Notification[]): void {
		server.override('get_notifications', ({ after_seq, before_seq, limit }) => {
			const after = Number(after_seq ?? 0);
			const found = notes.filter((one) => one.seq > after && one.seq < Number(before_seq ?? Infinity));
			const ordered = after_seq === undefined ? [...found].reverse() : found;
			return { data: { notifications: ordered.slice(0, Number(limit)), has_more: ordered.length > Number(limit) } };
		});
	}

	it('live ones are told, history is not', async () => {
		const { server, client } = await joinedScene();
		serve(server, [note(1), note(2)]);
		const told = vi.fn();
		const list = new NotificationList(client, told);
		list.start();
		await settle();
		expect(list.getState()).toMatchObject({ loaded: true, unread: 2, hasMore: false });
		expect(told).not.toHaveBeenCalled();
		server.socket.push({ type: 'notification', ...note(3) });
		server.socket.push({ type: 'notification', ...note(3) });
		expect(told.mock.calls.map(([one]) => (one as Notification).seq)).toEqual([3]);
		expect(list.getState().notifications.map((one) => one.seq)).toEqual([3, 2, 1]);
	});

	it('missed ones are told once, in order, before live ones, and after a reload too', async () => {
		const tab = new FakeBrowser().tab();
		const { server, client } = await joinedScene(0, { storage: tab.storage, locks: tab.locks });
		const notes = [note(1)];
		serve(server, notes);
		const told: number[] = [];
		const list = new NotificationList(client, (one) => told.push(one.seq));
		list.start();
		await settle();
		server.socket.end(CloseCode.lost);
		notes.push(note(2), note(3));
		server.override('get_notifications', (frame) => {
			server.socket.push({ type: 'notification', ...note(4) });
			serve(server, [...notes, note(4)]);
			return server.answerOf(frame);
		});
		await pass(1000);
		expect(told).toEqual([2, 3, 4]);
		list.stop();
		client.close();

		const again = await joinedScene(0, { storage: tab.storage, locks: tab.locks });
		serve(again.server, [...notes, note(4), note(5)]);
		new NotificationList(again.client, (one) => told.push(one.seq)).start();
		await settle();
		expect(told).toEqual([2, 3, 4, 5]);
	});

	it('older ones come by pages, and reading is told', async () => {
		const { server, client } = await joinedScene();
		serve(server, Array.from({ length: 60 }, (_, index) => note(index + 1)));
		server.override('mark_notification_read', (frame) => ({
			data: { notification: { ...note(Number(String(frame.id).slice(1))), read_at: '2026-01-02T00:00:00Z' } },
		}));
		const list = new NotificationList(client);
		list.start();
		await settle();
		expect(list.getState()).toMatchObject({ unread: 50, hasMore: true });
		await list.loadMore();
		expect(list.getState()).toMatchObject({ unread: 60, hasMore: false });
		await list.markRead('n60');
		expect(list.getState().unread).toBe(59);
	});
});

describe('the client', () => {
	it('tells every event by its type and as "event"', async () => {
		const { server, fake, client } = await joinedScene();
		const types: string[] = [];
		client.on('message_received', (event) => types.push(event.message.content));
		client.on('event', (event) => types.push(event.type));
		const off = client.on('room_closed', (event) => types.push(String(event.seq)));
		server.say(fake, 'bo', 'hi');
		server.append(fake, { type: 'room_closed' });
		off();
		server.append(fake, { type: 'room_closed' });
		expect(types).toEqual(['hi', 'message_received', '2', 'room_closed', 'room_closed']);
	});

	it('asks for each user once, shows ids without a resolver, and asks again after a failure', async () => {
		const resolveUser = vi.fn(async (id: string) => ({ name: id.toUpperCase(), avatarUrl: null }));
		const { client } = await joinedScene(0, { resolveUser });
		expect(await client.resolveUser('bo')).toEqual({ name: 'BO', avatarUrl: null });
		await client.resolveUser('bo');
		expect(resolveUser).toHaveBeenCalledTimes(1);
		resolveUser.mockRejectedValueOnce(new Error('down'));
		await expect(client.resolveUser('cy')).rejects.toThrow('down');
		expect(await client.resolveUser('cy')).toMatchObject({ name: 'CY' });
		resolveUser.mockImplementationOnce(() => {
			throw new Error('broken');
		});
		await expect(client.resolveUser('di')).rejects.toThrow('broken');
		const plain = await joinedScene();
		expect(await plain.client.resolveUser('bo')).toEqual({ name: 'bo', avatarUrl: null });
	});

	it('says how far an own message has come', async () => {
		const { server, fake, room } = await joinedScene();
		const message = server.say(fake, 'ann', 'mine');
		expect(room.statusOf(message)).toBe('sent');
		server.tell(fake, { type: 'message_delivered', user_id: 'ann', last_delivered_seq: 1 });
		expect(room.statusOf(message)).toBe('sent');
		server.tell(fake, { type: 'message_delivered', user_id: 'bo', last_delivered_seq: 1 });
		expect(room.statusOf(message)).toBe('delivered');
		server.tell(fake, { type: 'message_read', user_id: 'bo', last_read_seq: 1 });
		expect(room.statusOf(message)).toBe('read');
	});

	it('says that it catches up', async () => {
		const { server, client } = await joinedScene(1);
		expect(client.getState()).toMatchObject({ catchingUp: false, transport: 'socket' });
		server.override('join_task_room', () => 'silent');
		server.socket.end(CloseCode.lost);
		await pass(1000);
		expect(client.getState()).toMatchObject({ status: 'open', catchingUp: true });
	});
});
