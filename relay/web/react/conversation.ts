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
	/** Connected over HTTP: nobody is seen typing, and nothing can be edited. */
	limited: boolean;
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

/* A message that something is done with in the field: of this room, and no more once another one is shown. */
interface InHand {
	room: Room;
	editing: Message | null;
	replyingTo: Message | null;
}

function useList(room: Room, state: RoomState, connection: ClientState, hold: (hand: Partial<InHand>) => void): MessageListProps {
	const { userId, transport } = connection;
	const actions = useMemo(() => ({
		onLoadOlder: () => room.loadOlder(),
		onRead: (seq: number) => room.markRead(seq),
		onRetry: (clientMsgId: string) => room.retry(clientMsgId),
		onDiscard: (clientMsgId: string) => room.discard(clientMsgId),
	}), [room]);
	const reply = useMemo(() => ({ onReply: (replyingTo: Message) => hold({ replyingTo }) }), [hold]);
	const changes = useMemo(
		() => ({ onEdit: (editing: Message) => hold({ editing }), onDelete: (message: Message) => room.delete(message.id) }), [room, hold],
	);
	const writable = state.role !== 'observer' && state.status === 'open' && state.phase !== 'removed';
	return {
		/* Over HTTP nothing can be changed. */
		...actions, ...(writable && reply), ...(writable && transport !== 'http' && changes), userId,
		entries: state.entries, pending: state.pending, members: state.members,
		live: state.phase === 'joined', lastSeq: state.lastSeq, readSeq: state.myReadSeq, unread: state.unread,
		hasOlder: state.hasOlder, loadingOlder: state.loadingOlder,
	};
}

function useInput(
	room: Room, state: RoomState, connection: ClientState, { editing, replyingTo }: InHand, hold: (hand: Partial<InHand>) => void,
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
		lastOwn: () => (connection.transport === 'http' ? null : lastOwn(state, userId)),
		maxBytes: connection.maxContentBytes, disabledBecause: disabledBecause(state, labels),
		slowUntil: connection.pausedUntil, ...(draft && { draft }),
		editing, onEditing: useCallback((message: Message | null) => hold({ editing: message }), [hold]),
		replyingTo, onReplyEnd: useCallback(() => hold({}), [hold]),
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
	const empty = useMemo<InHand>(() => ({ room, editing: null, replyingTo: null }), [room]);
	const [held, setHeld] = useState(empty);
	const hold = useCallback((hand: Partial<InHand>) => setHeld({ ...empty, ...hand }), [empty]);
	const { userId } = connection;
	const list = useList(room, state, connection, hold);
	const input = useInput(room, state, connection, held.room === room ? held : empty, hold);
	const banner = bannerOf(client, connection, state, labels);
	return {
		room, state, condition: banner.condition, limited: connection.transport === 'http', list, input, banner,
		typing: { userIds: state.typing },
		people: { members: state.members, total: state.membersTotal, taskId, userId },
	};
}
