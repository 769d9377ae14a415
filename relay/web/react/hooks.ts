/*
 * hooks.ts: the client in React: a provider, and hooks that re-render when the
 * connection or a room changes.
 *
 * The client is made and connected by the application; a hook never closes it.
 */

import { createContext, createElement, useContext, useEffect, useMemo, useSyncExternalStore } from 'react';
import type { ReactElement, ReactNode } from 'react';
import type { ClientState, Room, RoomState, TaskChatClient } from '../client/index.js';

const ClientContext = createContext<TaskChatClient | null>(null);

/** Gives a client to everything below it. */
export function TaskChatProvider(props: { client: TaskChatClient; children?: ReactNode }): ReactElement {
	return createElement(ClientContext.Provider, { value: props.client }, props.children);
}

/** The client of the nearest provider, and the state of its connection. */
export function useTaskChat(): { client: TaskChatClient; connection: ClientState } {
	const client = useContext(ClientContext);
	if (!client)
		throw new Error('taskchat: there is no <TaskChatProvider> above this component');
	const connection = useSyncExternalStore(client.subscribe, client.getState, client.getState);
	return { client, connection };
}

/** The state of a room; it isn't joined by this. */
export function useRoomState(room: Room): RoomState {
	return useSyncExternalStore(room.subscribe, room.getState, room.getState);
}

/** Joins a room for as long as the component is there; gives it and its state. */
export function useRoom(taskId: string, applicantId: string | null = null): { room: Room; state: RoomState } {
	const { client } = useTaskChat();
	const room = useMemo(() => client.room(taskId, applicantId), [client, taskId, applicantId]);
	useEffect(() => {
		room.join();
		return () => room.leave();
	}, [room]);
	return { room, state: useRoomState(room) };
}
