/*
 * conversation.ts: useConversation() joins a room and gives the properties of
 * each component for it. So an application can arrange the components itself,
 * or replace one of them, without knowing the client.
 */

'use client';

import { useCallback, useMemo, useState } from 'react';
import type { ClientState, Message, MessageDraft, Room, RoomState, TaskChatClient } from '../client/index.js';
import { conditionOf } from './connection.js';
import type { Condition } from './connection.js';
import type { ConnectionBannerProps } from './ConnectionBanner.js';
import { useRoom, useTaskChat } from './hooks.js';
import type { Labels } from './labels.js';
import type { MessageInputProps } from './MessageInput.js';
import type { MessageListProps } from './MessageList.js';
import type { OnlineStatusProps } from './OnlineStatus.js';
import { useUi } from './settings.js';
import type { TypingIndicatorProps } from './TypingIndicator.js';

export interface Conversation {
	room: Room;
	state: RoomState;
	condition: Condition;
	list: MessageListProps;
	input: MessageInputProps;
	typing: TypingIndicatorProps;
	people: OnlineStatusProps;
	banner: ConnectionBannerProps;
}

/** The newest own message that can be edited, or null. */
function lastOwn(state: RoomState, userId: string | null): Message | null {
	const entry = state.entries.findLast((one) => one.kind === 'message' && one.message.sender_id === userId
		&& one.message.message_type === 'text' && one.message.deleted_at === null);
	return entry?.kind === 'message' ? entry.message : null;
}

/* Why nothing can be written, or null. */
function disabledBecause({ phase, role, status }: RoomState, labels: Labels): string | null {
	if (phase === 'removed' || phase === 'failed')
		return labels.notMember;
	if (role === 'observer')
		return labels.readOnly;
	return status === 'closed' ? labels.closed : null;
}

function refusal({ phase }: RoomState, labels: Labels): string {
	if (phase === 'removed')
		return labels.removed;
	return phase === 'failed' ? labels.refused : labels.signedOut;
}

function useList(room: Room, state: RoomState, userId: string | null, edit: (message: Message) => void): MessageListProps {
	const actions = useMemo(() => ({
		onLoadOlder: () => room.loadOlder(),
		onRead: (seq: number) => room.markRead(seq),
		onRetry: (clientMsgId: string) => room.retry(clientMsgId),
		onDiscard: (clientMsgId: string) => room.discard(clientMsgId),
	}), [room]);
	const changes = useMemo(() => ({ onEdit: edit, onDelete: (message: Message) => room.delete(message.id) }), [room, edit]);
	const writable = state.role !== 'observer' && state.status === 'open' && state.phase !== 'removed';
	return {
		...actions, ...(writable && changes), userId,
		entries: state.entries, pending: state.pending, members: state.members,
		live: state.phase === 'joined', lastSeq: state.lastSeq, readSeq: state.myReadSeq, unread: state.unread,
		hasOlder: state.hasOlder, loadingOlder: state.loadingOlder,
	};
}

function useInput(
	room: Room, state: RoomState, connection: ClientState, editing: Message | null, onEditing: (message: Message | null) => void,
): MessageInputProps {
	const { labels } = useUi();
	const { userId } = connection;
	/* Drafts are kept once the user is known. */
	const draft = useMemo(
		() => (userId === null ? undefined : { load: () => room.getDraft(), save: (text: string) => room.setDraft(text) }), [room, userId],
	);
	return {
		onSend: useCallback((message: MessageDraft) => void room.send(message), [room]),
		onTyping: useCallback((isTyping: boolean) => room.setTyping(isTyping), [room]),
		onEdit: useCallback((messageId: string, content: string) => room.edit(messageId, content), [room]),
		lastOwn: () => lastOwn(state, userId),
		maxBytes: connection.maxContentBytes, disabledBecause: disabledBecause(state, labels),
		slowUntil: connection.pausedUntil, editing, onEditing, ...(draft && { draft }),
	};
}

function bannerOf(client: TaskChatClient, connection: ClientState, state: RoomState, labels: Labels): ConnectionBannerProps {
	return {
		condition: conditionOf(connection, state),
		queued: connection.queued,
		retryAt: connection.retryAt,
		refusal: refusal(state, labels),
		onReconnect: () => client.connect(),
	};
}

/** Joins the room, and gives what each component shows of it and does with it. */
export function useConversation(taskId: string, applicantId: string | null = null): Conversation {
	const { labels } = useUi();
	const { client, connection } = useTaskChat();
	const { room, state } = useRoom(taskId, applicantId);
	const [editing, setEditing] = useState<Message | null>(null);
	const { userId } = connection;
	const list = useList(room, state, userId, setEditing);
	const input = useInput(room, state, connection, editing, setEditing);
	const banner = bannerOf(client, connection, state, labels);
	return {
		room, state, condition: banner.condition, list, input, banner,
		typing: { userIds: state.typing },
		people: { members: state.members, total: state.membersTotal, taskId, userId },
	};
}
