/*
 * hooks.ts: the client in React: hooks that render again when the connection,
 * a room, the list of rooms or the notifications change.
 *
 * On a server, and while a page is hydrated, they show what is so before
 * anything was connected.
 */

'use client';

import { createContext, useCallback, useContext, useEffect, useMemo, useRef, useSyncExternalStore } from 'react';
import { NotificationList, RoomList } from '../client/index.js';
import type {
	ClientState, Notification, NotificationListState, Room, RoomListState, RoomState, TaskChatClient,
} from '../client/index.js';

export const ClientContext = createContext<TaskChatClient | null>(null);

const SERVER_CONNECTION: ClientState = {
	status: 'idle', transport: null, closeCode: null, retryAt: null, userId: null, wasOpen: false, catchingUp: false,
	queued: 0, pausedUntil: null, maxContentBytes: 16_384,
};
const SERVER_ROOMS: RoomListState = { rooms: [], hasMore: false, loaded: false, unread: 0, error: null };
const SERVER_NOTIFICATIONS: NotificationListState = { notifications: [], hasMore: false, loaded: false, unread: 0, error: null };

function serverConnection(): ClientState {
	return SERVER_CONNECTION;
}

/** The client of the nearest TaskChatProvider. */
export function useClient(): TaskChatClient {
	const client = useContext(ClientContext);
	if (!client)
		throw new Error('taskchat: there is no <TaskChatProvider> above this component');
	return client;
}

/** The state of the connection. */
export function useConnection(): ClientState {
	const client = useClient();
	return useSyncExternalStore(client.subscribe, client.getState, serverConnection);
}

/** The client, and the state of its connection. */
export function useTaskChat(): { client: TaskChatClient; connection: ClientState } {
	return { client: useClient(), connection: useConnection() };
}

/* How a room looks that nobody has joined. */
function serverRoom(taskId: string, applicantId: string | null): RoomState {
	return {
		taskId, applicantId, phase: 'idle', error: null, role: null, status: 'open', members: [], membersTotal: 0,
		entries: [], pending: [], typing: [], hasOlder: false, loadingOlder: false, lastSeq: 0, myReadSeq: 0,
		deliveredSeq: 0, readSeq: 0, unread: 0,
	};
}

/** The state of a room; it isn't joined by this. */
export function useRoomState(room: Room): RoomState {
	const onServer = useMemo(() => {
		const { taskId, applicantId } = room.getState();
		const state = serverRoom(taskId, applicantId);
		return () => state;
	}, [room]);
	return useSyncExternalStore(room.subscribe, room.getState, onServer);
}

/** Joins a room for as long as the component is there; gives it and its state. */
export function useRoom(taskId: string, applicantId: string | null = null): { room: Room; state: RoomState } {
	const client = useClient();
	const room = useMemo(() => client.room(taskId, applicantId), [client, taskId, applicantId]);
	useEffect(() => {
		room.join();
		return () => room.leave();
	}, [room]);
	return { room, state: useRoomState(room) };
}

/** The user's rooms, latest first, with unread counts and last messages. */
export function useRooms(): RoomListState & { loadMore(): void } {
	const client = useClient();
	const list = useMemo(() => new RoomList(client), [client]);
	useEffect(() => {
		list.start();
		return () => list.stop();
	}, [list]);
	const state = useSyncExternalStore(list.subscribe, list.getState, () => SERVER_ROOMS);
	return { ...state, loadMore: () => list.loadMore() };
}

/** The user's notifications, newest first; `onNew` is called once with each new one. */
export function useNotifications(onNew?: (notification: Notification) => void): NotificationListState & {
	markRead(id: string): Promise<void>;
	loadMore(): Promise<void>;
} {
	const client = useClient();
	const handler = useRef(onNew);
	useEffect(() => {
		handler.current = onNew;
	}, [onNew]);
	const list = useMemo(() => new NotificationList(client, (one) => handler.current?.(one)), [client]);
	useEffect(() => {
		list.start();
		return () => list.stop();
	}, [list]);
	const state = useSyncExternalStore(list.subscribe, list.getState, () => SERVER_NOTIFICATIONS);
	const markRead = useCallback((id: string) => list.markRead(id), [list]);
	const loadMore = useCallback(() => list.loadMore(), [list]);
	return { ...state, markRead, loadMore };
}
