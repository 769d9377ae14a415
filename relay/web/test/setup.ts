/*
 * setup.ts: a client on a fake server, under a clock that the test moves.
 */

import { vi } from 'vitest';
import { TaskChatClient } from '../client/index.js';
import type { ClientOptions, Room } from '../client/index.js';
import { FakeServer, member } from './fakeServer.js';
import type { FakeRoom } from './fakeServer.js';
/* Loaded here, so that the client's own import() of them takes no time. */
import '../client/history.js';
import '../client/signals.js';

/** Lets everything happen that is due at once. */
export async function settle(): Promise<void> {
	await vi.advanceTimersByTimeAsync(0);
}

/** Moves the clock. */
export async function pass(ms: number): Promise<void> {
	await vi.advanceTimersByTimeAsync(ms);
}

export function makeClient(server: FakeServer, options: Partial<ClientOptions> = {}): TaskChatClient {
	vi.spyOn(Math, 'random').mockReturnValue(0.5);
	return new TaskChatClient({
		url: 'ws://test/ws', getToken: () => 'ann:1', WebSocket: server.WebSocket, httpUrl: null, ...options,
	});
}

export interface Scene {
	server: FakeServer;
	client: TaskChatClient;
	/** Task t1 with ann (the client's user) and bo. */
	fake: FakeRoom;
	room: Room;
}

/** A connected client that joined a room of two with `messages` in it. */
export async function joinedScene(messages = 0, options: Partial<ClientOptions> = {}): Promise<Scene> {
	const server = new FakeServer();
	const fake = server.addRoom('t1', [member('ann', 'creator'), member('bo')]);
	for (let count = 1; count <= messages; count++)
		server.say(fake, 'bo', `message ${count}`);
	const client = makeClient(server, options);
	const room = client.room('t1');
	client.connect();
	room.join();
	await settle();
	return { server, client, fake, room };
}

/** The texts of the messages in a room's line. */
export function texts(room: Room): string[] {
	return room.getState().entries.flatMap((entry) => (entry.kind === 'message' ? [entry.message.content] : []));
}

/** The seqs of the entries in a room's line. */
export function seqs(room: Room): number[] {
	return room.getState().entries.map((entry) => entry.seq);
}
