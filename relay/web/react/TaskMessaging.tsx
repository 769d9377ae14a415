/*
 * TaskMessaging.tsx: the whole chat of one task: heading, people, the private
 * conversations beside it, the messages, who types, and the place to write.
 * Each part can be replaced by one of the application's own.
 */

'use client';

import { useEffect, useMemo, useState } from 'react';
import type { ComponentType, ReactElement, ReactNode } from 'react';
import type { Condition } from './connection.js';
import { ConnectionBanner } from './ConnectionBanner.js';
import type { ConnectionBannerProps } from './ConnectionBanner.js';
import { useConversation } from './conversation.js';
import type { Conversation } from './conversation.js';
import { ConversationList } from './ConversationList.js';
import type { ConversationListProps } from './ConversationList.js';
import { useClient, useRooms } from './hooks.js';
import type { RoomListItem } from '../client/index.js';
import type { Labels } from './labels.js';
import { MessageInput } from './MessageInput.js';
import type { MessageInputProps } from './MessageInput.js';
import { MessageList } from './MessageList.js';
import type { MessageListProps } from './MessageList.js';
import { OnlineStatus } from './OnlineStatus.js';
import type { OnlineStatusProps } from './OnlineStatus.js';
import { useUi } from './settings.js';
import { TypingIndicator } from './TypingIndicator.js';
import type { TypingIndicatorProps } from './TypingIndicator.js';

/** The parts of TaskMessaging; each can be given in place of the built-in one. */
export interface TaskMessagingParts {
	MessageList: ComponentType<MessageListProps>;
	MessageInput: ComponentType<MessageInputProps>;
	TypingIndicator: ComponentType<TypingIndicatorProps>;
	OnlineStatus: ComponentType<OnlineStatusProps>;
	ConnectionBanner: ComponentType<ConnectionBannerProps>;
	ConversationList: ComponentType<ConversationListProps>;
}

const PARTS: TaskMessagingParts = {
	MessageList, MessageInput, TypingIndicator, OnlineStatus, ConnectionBanner, ConversationList,
};

/** onUpload, pickFiles, accept and images are for MessageInput. */
export interface TaskMessagingProps extends Pick<MessageInputProps, 'onUpload' | 'pickFiles' | 'accept' | 'images'> {
	taskId: string;
	/** The applicant whose private room is open; without it the main room. */
	applicantId?: string | null;
	/** The reader chose another conversation of the task; without it the component keeps the choice itself. */
	onSelect?: (applicantId: string | null) => void;
	title?: ReactNode;
	/** Stands at the end of the heading: buttons of the application. */
	actions?: ReactNode;
	/** Shows the task's other conversations, if there are any [true]. */
	conversations?: boolean;
	/** Parts to use instead of the built-in ones. */
	components?: Partial<TaskMessagingParts>;
}

function stateWords({ condition, limited, banner }: Conversation, labels: Labels): string {
	const words: Record<Condition, string> = {
		online: limited ? labels.limited : labels.connected, connecting: labels.connecting, 'catching-up': labels.catchingUp,
		offline: labels.disconnected, refused: banner.refusal ?? labels.signedOut,
	};
	return words[condition];
}

/* The condition is told by the banner; here it is a dot with words. */
function ConnectionState({ condition, words }: { condition: Condition; words: string }): ReactElement {
	return <span className="tc-connection" data-testid="connection-state" data-state={condition}>{words}</span>;
}

function Heading({ chat, title, actions, parts }: {
	chat: Conversation; title: ReactNode; actions: ReactNode; parts: TaskMessagingParts;
}): ReactElement {
	const { labels } = useUi();
	const { condition } = chat;
	return (
		<header className="tc-header">
			<div className="tc-heading">
				<h2>{title}</h2>
				<ConnectionState condition={condition} words={stateWords(chat, labels)} />
				{actions}
			</div>
			<parts.OnlineStatus {...chat.people} />
		</header>
	);
}

function Open({ props, parts, chat }: {
	props: TaskMessagingProps; parts: TaskMessagingParts; chat: Conversation;
}): ReactElement {
	const { onUpload, pickFiles, accept, images } = props;
	return (
		<div className="tc-main">
			<parts.ConnectionBanner {...chat.banner} />
			<parts.MessageList {...chat.list} />
			<parts.TypingIndicator {...chat.typing} />
			<parts.MessageInput
				{...chat.input} {...(onUpload && { onUpload })} {...(pickFiles && { pickFiles })} {...(accept !== undefined && { accept })}
				{...(images !== undefined && { images })}
			/>
		</div>
	);
}

/* Presence says which task is looked at. */
function useCurrentTask(taskId: string): void {
	const client = useClient();
	useEffect(() => {
		client.setCurrentTask(taskId);
		return () => client.setCurrentTask(null);
	}, [client, taskId]);
}

/* The task's main room first, then the private ones, latest first. */
function useTaskRooms(taskId: string): readonly RoomListItem[] {
	const { rooms } = useRooms();
	return useMemo(() => {
		const here = rooms.filter((room) => room.task_id === taskId);
		return [...here.filter((room) => room.applicant_id === null), ...here.filter((room) => room.applicant_id !== null)];
	}, [rooms, taskId]);
}

export function TaskMessaging(props: TaskMessagingProps): ReactElement {
	const { taskId, applicantId = null, onSelect, title, actions = null, conversations = true } = props;
	const { labels } = useUi();
	const [chosen, setChosen] = useState({ taskId, applicantId: props.applicantId, now: applicantId });
	/* Another choice from outside counts at once. */
	if (chosen.taskId !== taskId || chosen.applicantId !== props.applicantId)
		setChosen({ taskId, applicantId: props.applicantId, now: applicantId });
	const selected = onSelect ? applicantId : chosen.now;
	const parts = { ...PARTS, ...props.components };
	const chat = useConversation(taskId, selected);
	const rooms = useTaskRooms(taskId);
	useCurrentTask(taskId);

	return (
		<section className="tc-chat" aria-label={typeof title === 'string' ? title : labels.messages}>
			<Heading chat={chat} title={title ?? labels.messages} actions={actions} parts={parts} />
			<div className="tc-body">
				{conversations && rooms.length > 1 && (
					<parts.ConversationList
						rooms={rooms} selected={chat.state.applicantId} userId={chat.list.userId}
						onSelect={onSelect ?? ((next) => setChosen({ ...chosen, now: next }))}
					/>
				)}
				<Open key={`${taskId} ${selected ?? ''}`} props={props} parts={parts} chat={chat} />
			</div>
		</section>
	);
}
