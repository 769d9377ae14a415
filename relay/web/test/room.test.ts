/*
 * A room: joining, resuming, gaps, duplicates, resets, members, marks, typing.
 */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CloseCode } from '../client/index.js';
import type { Room } from '../client/index.js';
import { FakeServer, member } from './fakeServer.js';
import { joinedScene, makeClient, pass, seqs, settle, texts } from './setup.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const oneTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

describe('joining', () => {
	it('shows the newest page, and older ones when asked', async () => {
		const { room } = await joinedScene(120);
		expect(seqs(room)).toEqual(oneTo(120).slice(-50));
		expect(room.getState().hasOlder).toBe(true);
		expect(await room.loadOlder()).toBe(true);
		expect(seqs(room)).toEqual(oneTo(120).slice(-100));
		await room.loadOlder();
		expect(seqs(room)).toEqual(oneTo(120));
		expect(room.getState().hasOlder).toBe(false);
		expect(await room.loadOlder()).toBe(false);
	});

	it('loads older pages that the server cuts', async () => {
		const { server, room } = await joinedScene(80);
		server.pageSize = 7;
		await room.loadOlder();
		expect(seqs(room)).toEqual(oneTo(80));
	});

	it('knows an empty room', async () => {
		const { room } = await joinedScene(0);
		expect(room.getState()).toMatchObject({ phase: 'joined', entries: [], hasOlder: false, role: 'creator' });
	});

	it('shows purged rooms from their first seq on', async () => {
		const server = new FakeServer();
		const fake = server.addRoom('t1', [member('ann')]);
		fake.first_seq = 71;
		for (let count = 0; count < 60; count++)
			server.say(fake, 'bo', 'x');
		const client = makeClient(server);
		const room = client.room('t1');
		room.join();
		client.connect();
		await settle();
		await room.loadOlder();
		expect(seqs(room)[0]).toBe(71);
		expect(room.getState().hasOlder).toBe(false);
	});

	it('says why it was not let in, and does not ask again', async () => {
		const server = new FakeServer();
		const client = makeClient(server);
		const room = client.room('nowhere');
		room.join();
		client.connect();
		await pass(60_000);
		expect(room.getState()).toMatchObject({ phase: 'failed', error: { code: 'forbidden' } });
		expect(server.frames('join_task_room')).toHaveLength(1);
	});

	it('asks again while the database is out of reach', async () => {
		const server = new FakeServer();
		server.addRoom('t1', [member('ann')]);
		let refusals = 2;
		server.override('join_task_room', () =>
			(refusals-- > 0 ? { error: { code: 'unavailable', message: 'later', retry_after_ms: 300 } } : null));
		const client = makeClient(server);
		const room = client.room('t1');
		room.join();
		client.connect();
		await pass(601);
		expect(room.getState().phase).toBe('joined');
	});

	it('uses the address that the server resolved', async () => {
		const server = new FakeServer();
		const fake = server.addRoom('t1', [member('ann', 'applicant')], 'ann');
		server.override('join_task_room', (frame, socket) => {
			if (frame.applicant_id === 'ann')
				return null;
			server.receive(socket, { ...frame, applicant_id: 'ann' });
			return 'silent';
		});
		const client = makeClient(server);
		const room = client.room('t1');
		room.join();
		client.connect();
		await settle();
		expect(room.getState().applicantId).toBe('ann');
		server.say(fake, 'bo', 'private');
		expect(texts(room)).toEqual(['private']);
		server.socket.push({
			type: 'message_received', task_id: 't1', applicant_id: null, seq: 2, message: { id: 'x', seq: 2 },
		});
		expect(texts(room)).toEqual(['private']);
	});

	it('leaves when the last user of the room has left', async () => {
		const { server, fake, room } = await joinedScene(1);
		room.join();
		room.leave();
		await pass(1);
		expect(server.frames('leave_task_room')).toHaveLength(0);
		room.leave();
		room.join();
		await pass(1);
		expect(server.frames('leave_task_room')).toHaveLength(0);
		room.leave();
		await pass(1);
		expect(server.frames('leave_task_room')).toHaveLength(1);
		server.say(fake, 'bo', 'while away');
		room.join();
		await settle();
		expect(server.frames('join_task_room').at(-1)).toMatchObject({ after_seq: 1, epoch: 'e1' });
		expect(texts(room)).toEqual(['message 1', 'while away']);
	});
});

describe('resuming', () => {
	it('asks for what came after the last seq, in the same epoch', async () => {
		const { server, fake, room } = await joinedScene(3);
		await pass(10_000);
		server.socket.end(CloseCode.lost);
		expect(room.getState().phase).toBe('joining');
		server.say(fake, 'bo', 'missed');
		await pass(250);
		expect(server.frames('join_task_room').at(-1)).toMatchObject({ task_id: 't1', after_seq: 3, epoch: 'e1' });
		expect(seqs(room)).toEqual([1, 2, 3, 4]);
		expect(room.getState().phase).toBe('joined');
	});

	it('pages on with get_events when the resume was cut; live events wait for it', async () => {
		const { server, fake, room } = await joinedScene(3);
		server.socket.end(CloseCode.lost);
		for (let count = 0; count < 40; count++)
			server.say(fake, 'bo', 'missed');
		server.pageSize = 9;
		let pages = 0;
		server.override('get_events', () => {
			if (pages++ === 1)
				server.say(fake, 'bo', 'live');
			return null;
		});
		await pass(251);
		expect(seqs(room)).toEqual(oneTo(44));
		expect(texts(room).at(-1)).toBe('live');
		expect(pages).toBe(4);
	});

	it('joins many rooms with one command', async () => {
		const server = new FakeServer();
		const client = makeClient(server);
		const rooms = oneTo(30).map((number) => {
			server.addRoom(`t${number}`, [member('ann')]);
			const room = client.room(`t${number}`);
			room.join();
			return room;
		});
		client.connect();
		await settle();
		server.socket.end(CloseCode.lost);
		await pass(250);
		expect(server.socket.frames.map((frame) => frame.type)).toEqual(['authenticate', 'join_task_rooms']);
		expect(rooms.every((room) => room.getState().phase === 'joined')).toBe(true);
	});

	it('asks again for rooms that did not fit into the reply', async () => {
		const server = new FakeServer();
		const client = makeClient(server);
		for (const task of ['t1', 't2', 't3']) {
			server.addRoom(task, [member('ann')]);
			client.room(task).join();
		}
		let first = true;
		server.override('join_task_rooms', (frame, socket) => {
			if (!first)
				return null;
			first = false;
			const [one, ...others] = frame.rooms as { task_id: string }[];
			server.receive(socket, { ...frame, ref: -1 });
			return {
				data: {
					rooms: [
						{ ...one, applicant_id: null, first_seq: 1, last_seq: 0, epoch: 'e1', role: 'worker', status: 'open',
							members: [], events: [], complete: true, reset: false },
						...others.map((other) => ({ ...other, applicant_id: null, error: { code: 'limit_exceeded', message: '' } })),
					],
				},
			};
		});
		client.connect();
		await settle();
		expect(['t1', 't2', 't3'].map((task) => client.room(task).getState().phase)).toEqual(['joined', 'joined', 'joined']);
	});

	it('starts anew on reset', async () => {
		const { server, fake, room } = await joinedScene(5);
		server.socket.end(CloseCode.goingAway);
		fake.epoch = 'e2';
		fake.events.length = 0;
		server.say(fake, 'bo', 'other history');
		await pass(250);
		expect(texts(room)).toEqual(['other history']);
		expect(seqs(room)).toEqual([1]);
		server.say(fake, 'bo', 'goes on');
		expect(seqs(room)).toEqual([1, 2]);
	});

	it('starts anew when what it missed was purged, in the same epoch', async () => {
		const { server, fake, room } = await joinedScene(3);
		server.socket.end(CloseCode.lost);
		for (let count = 4; count <= 30; count++)
			server.say(fake, 'bo', `message ${count}`);
		fake.events.splice(0, 20);
		fake.first_seq = 21;
		await pass(250);
		expect(seqs(room)).toEqual(oneTo(30).slice(20));
		expect(room.getState()).toMatchObject({ phase: 'joined', hasOlder: false });
	});

	it('comes back to a room that it was put out of only when added again', async () => {
		const { server, fake, room } = await joinedScene(1);
		server.tell(fake, { type: 'removed_from_room', reason: 'removed' });
		expect(room.getState().phase).toBe('removed');
		server.socket.end(CloseCode.lost);
		await pass(250);
		expect(server.socket.frames.map((frame) => frame.type)).toEqual(['authenticate']);
		server.socket.push({
			type: 'room_activity', task_id: 't1', applicant_id: null, last_seq: 1, unread: 0, reason: 'added',
		});
		await settle();
		expect(room.getState().phase).toBe('joined');
	});
});

describe('the line', () => {
	it('ignores what it has already', async () => {
		const { server, fake, room } = await joinedScene(2);
		const event = server.append(fake, { type: 'task_update', changes: { status: { old: 'open', new: 'assigned' } } });
		server.broadcast(fake, event);
		server.broadcast(fake, fake.events[0] ?? {});
		expect(seqs(room)).toEqual([1, 2, 3]);
		expect(server.frames('join_task_room')).toHaveLength(1);
	});

	it('fetches what is missing when a seq is left out', async () => {
		const { server, fake, room } = await joinedScene(2);
		server.say(fake, 'bo', 'lost', {}, true);
		server.say(fake, 'bo', 'after the gap');
		expect(texts(room)).not.toContain('after the gap');
		await settle();
		expect(server.frames('join_task_room').at(-1)).toMatchObject({ after_seq: 2 });
		expect(texts(room).slice(-2)).toEqual(['lost', 'after the gap']);
		expect(room.getState().phase).toBe('joined');
	});

	it('edits and deletions change the message and take no line of their own', async () => {
		const { server, fake, room } = await joinedScene(2);
		const [first] = fake.events;
		const message = first?.type === 'message_received' ? first.message : null;
		server.append(fake, { type: 'message_edited', message: { ...message, content: 'new', edited_at: '2026-01-02T00:00:00Z' } });
		expect(texts(room)).toEqual(['new', 'message 2']);
		server.append(fake, { type: 'message_edited', message: { ...message, content: 'stale', edited_at: '2026-01-01T00:00:00Z' } });
		expect(texts(room)).toEqual(['new', 'message 2']);
		server.append(fake, { type: 'message_deleted', message: { id: 'purged' } });
		server.append(fake, { type: 'message_deleted', message: { ...message, content: '', deleted_at: '2026-01-03T00:00:00Z' } });
		expect(texts(room)).toEqual(['', 'message 2']);
		expect(seqs(room)).toEqual([1, 2]);
		expect(room.getState().lastSeq).toBe(6);
	});

	it('keeps members, roles and the room’s status', async () => {
		const { server, fake, room } = await joinedScene(0);
		server.override('user_presence', () => ({
			data: { presence: [{ user_id: 'cy', is_online: true, last_seen: null, current_task_id: null }] },
		}));
		server.append(fake, { type: 'member_joined', user_id: 'cy', role: 'observer' });
		await settle();
		expect(room.getState().members.find((one) => one.user_id === 'cy')).toMatchObject({ role: 'observer', is_online: true });
		server.append(fake, { type: 'member_role_changed', user_id: 'ann', role: 'observer' });
		server.append(fake, { type: 'member_left', user_id: 'bo', role: 'worker' });
		server.append(fake, { type: 'room_closed' });
		expect(room.getState()).toMatchObject({ role: 'observer', status: 'closed', membersTotal: 2 });
		server.append(fake, { type: 'room_opened' });
		expect(room.getState().status).toBe('open');
		expect(seqs(room)).toEqual([1, 2, 3, 4, 5]);
	});

	it('gives the same state object until something changes, and tells once a turn', async () => {
		const { server, fake, room } = await joinedScene(1);
		expect(room.getState()).toBe(room.getState());
		const listener = vi.fn();
		const unsubscribe = room.subscribe(listener);
		server.say(fake, 'bo', 'a');
		server.say(fake, 'bo', 'b');
		await settle();
		expect(listener).toHaveBeenCalledTimes(1);
		unsubscribe();
		server.say(fake, 'bo', 'c');
		await settle();
		expect(listener).toHaveBeenCalledTimes(1);
	});
});

describe('marks', () => {
	it('acks are merged to one a second', async () => {
		const { server, fake } = await joinedScene(3);
		expect(server.frames('ack').map((frame) => frame.seq)).toEqual([3]);
		for (let count = 0; count < 20; count++) {
			server.say(fake, 'bo', 'x');
			await pass(100);
		}
		await pass(1000);
		const acked = server.frames('ack').map((frame) => frame.seq as number);
		expect(acked.length).toBeLessThanOrEqual(4);
		expect(acked.at(-1)).toBe(23);
		expect(acked).toEqual([...acked].sort((a, b) => a - b));
		expect(server.frames('ack').every((frame) => frame.ref === undefined)).toBe(true);
	});

	it('read marks are merged and only go forward', async () => {
		const { server, room } = await joinedScene(9);
		expect(room.getState().unread).toBe(9);
		room.markRead(2);
		await settle();
		for (const seq of [5, 4, 7, 3])
			room.markRead(seq);
		expect(room.getState()).toMatchObject({ myReadSeq: 7, unread: 2 });
		await pass(1000);
		expect(server.frames('mark_read').map((frame) => frame.seq)).toEqual([2, 7]);
		room.markRead(7);
		await pass(2000);
		expect(server.frames('mark_read')).toHaveLength(2);
	});

	it('a read mark that got lost is sent again after the resume', async () => {
		const { server, room } = await joinedScene(3);
		server.override('mark_read', () => 'silent');
		room.markRead(3);
		await settle();
		server.override('mark_read', () => null);
		server.socket.end(CloseCode.lost);
		await pass(1500);
		expect(server.socket.frames.filter((frame) => frame.type === 'mark_read')).toMatchObject([{ seq: 3 }]);
	});

	it('takes the marks and presence of others', async () => {
		const { server, fake, room } = await joinedScene(3);
		const bo = () => room.getState().members.find((one) => one.user_id === 'bo');
		server.tell(fake, { type: 'message_read', user_id: 'bo', last_read_seq: 2 });
		server.tell(fake, { type: 'message_read', user_id: 'bo', last_read_seq: 1 });
		server.tell(fake, { type: 'message_delivered', user_id: 'bo', last_delivered_seq: 3 });
		server.tell(fake, { type: 'user_presence', user_id: 'bo', is_online: false, last_seen: '2026-01-01T00:00:00Z', current_task_id: null });
		expect(bo()).toMatchObject({ last_read_seq: 2, last_delivered_seq: 3, is_online: false });
		server.tell(fake, { type: 'room_state', members: [member('ann', 'creator'), { ...member('bo'), last_read_seq: 3 }] });
		expect(bo()).toMatchObject({ last_read_seq: 3, is_online: true });
	});
});

describe('typing', () => {
	const sent = (server: FakeServer): unknown[] => server.frames('typing_indicator').map((frame) => frame.is_typing);

	it('starts go out once in two seconds, a stop when it ends', async () => {
		const { server, room } = await joinedScene();
		for (let key = 0; key < 30; key++) {
			room.setTyping(true);
			await pass(100);
		}
		expect(sent(server)).toEqual([true, true]);
		room.setTyping(false);
		await settle();
		expect(sent(server)).toEqual([true, true, false]);
	});

	it('ends by itself when no key comes', async () => {
		const { server, room } = await joinedScene();
		room.setTyping(true);
		await pass(10_000);
		expect(sent(server)).toEqual([true, false]);
	});

	it('a message ends it without a stop', async () => {
		const { server, room } = await joinedScene();
		room.setTyping(true);
		await settle();
		room.send({ content: 'done' });
		await pass(10_000);
		expect(sent(server)).toEqual([true]);
	});

	it('what is typed before the room is live is told when it is, unless it has ended', async () => {
		for (const [end, told] of [
			[() => undefined, [true]],
			[(room) => room.setTyping(false), []],
			[(room) => void room.send({ content: 'done' }), []],
			[() => pass(4000), []],
		] as [(room: Room) => unknown, boolean[]][]) {
			const server = new FakeServer();
			server.addRoom('t1', [member('ann', 'creator'), member('bo')]);
			const client = makeClient(server);
			const room = client.room('t1');
			room.join();
			room.setTyping(true);
			await end(room);
			client.connect();
			await pass(2500);
			expect(room.getState().phase).toBe('joined');
			expect(sent(server)).toEqual(told);
			client.close();
		}
	});

	it('who types on over a lost connection is told of again', async () => {
		const { server, room } = await joinedScene();
		const type = setInterval(() => room.setTyping(true), 500);
		await pass(600);
		server.socket.end(CloseCode.lost);
		await pass(200);
		clearInterval(type);
		await pass(2000);
		expect(sent(server)).toEqual([true, true]);
	});

	it('nobody types on for another user', async () => {
		let who = 'ann:1';
		const { server, client, room } = await joinedScene(0, { getToken: () => who });
		room.setTyping(true);
		await settle();
		who = 'bo:1';
		server.socket.end(CloseCode.lost);
		await pass(2500);
		expect(client.getState().userId).toBe('bo');
		expect(room.getState().phase).toBe('joined');
		expect(sent(server)).toEqual([true]);
	});

	it('an observer who types before the room is live sends none', async () => {
		const server = new FakeServer();
		server.addRoom('t1', [member('ann', 'observer'), member('bo')]);
		const client = makeClient(server);
		const room = client.room('t1');
		room.join();
		room.setTyping(true);
		client.connect();
		await pass(2500);
		expect(room.getState()).toMatchObject({ phase: 'joined', role: 'observer' });
		expect(sent(server)).toEqual([]);
	});

	it('observers and closed rooms send none', async () => {
		const { server, fake, room } = await joinedScene();
		server.append(fake, { type: 'room_closed' });
		room.setTyping(true);
		await pass(5000);
		expect(sent(server)).toEqual([]);
	});

	it('of others expires, and ends with their message, their leaving, the connection', async () => {
		const { server, fake, room } = await joinedScene();
		const type = (): void => server.tell(fake, { type: 'typing_indicator', user_id: 'bo', is_typing: true });
		type();
		expect(room.getState().typing).toEqual(['bo']);
		await pass(7000);
		expect(room.getState().typing).toEqual([]);
		type();
		server.tell(fake, { type: 'typing_indicator', user_id: 'bo', is_typing: false });
		expect(room.getState().typing).toEqual([]);
		type();
		server.say(fake, 'bo', 'there');
		expect(room.getState().typing).toEqual([]);
		type();
		server.append(fake, { type: 'member_left', user_id: 'bo', role: 'worker' });
		expect(room.getState().typing).toEqual([]);
		type();
		server.socket.end(CloseCode.lost);
		expect(room.getState().typing).toEqual([]);
	});
});

describe('client', () => {
	it('tells the current task again after a loss, and hands on notifications', async () => {
		const { server, client } = await joinedScene();
		client.setCurrentTask('t1');
		const heard = vi.fn();
		const off = client.on('notification', heard);
		server.socket.end(CloseCode.lost);
		await pass(250);
		expect(server.frames('user_presence').map((frame) => frame.current_task_id)).toEqual(['t1', 't1']);
		server.socket.push({ type: 'notification', id: 'n1', seq: 1, kind: 'payment', task_id: null, payload: {} });
		off();
		server.socket.push({ type: 'notification', id: 'n2', seq: 2, kind: 'payment', task_id: null, payload: {} });
		expect(heard).toHaveBeenCalledTimes(1);
	});
});
