/*
 * TaskMessaging.tsx: the whole chat of one task: heading, people, the
 * conversation, who types, and the place to write.
 */

import { useEffect } from 'react';
import type { ReactElement, ReactNode } from 'react';
import type { ClientState, RoomState } from '../client/index.js';
import { useRoom, useTaskChat } from './hooks.js';
import { MessageInput } from './MessageInput.js';
import { MessageList } from './MessageList.js';
import { plainName } from './names.js';
import type { NameOf } from './names.js';
import { OnlineStatus } from './OnlineStatus.js';
import { TypingIndicator } from './TypingIndicator.js';

export interface TaskMessagingProps {
	taskId: string;
	/** The applicant whose private room it is; without it the main room. */
	applicantId?: string | null;
	title?: ReactNode;
	nameOf?: NameOf;
	/** Offers images by URL [true]. */
	images?: boolean;
}

interface Condition {
	state: 'connected' | 'connecting' | 'reconnecting' | 'offline' | 'refused';
	words: string;
}

/* What to say of connection and room together. */
function condition(connection: ClientState, room: RoomState): Condition {
	if (room.phase === 'failed' || room.phase === 'removed')
		return {
			state: 'refused',
			words: room.phase === 'removed' ? 'You are no longer in this conversation' : 'This conversation is not open to you',
		};
	if (connection.status === 'closed')
		return { state: 'refused', words: 'Signed out' };
	if (connection.status === 'idle')
		return { state: 'offline', words: 'Not connected' };
	if (connection.status === 'open' && room.phase === 'joined')
		return { state: 'connected', words: 'Connected' };
	return connection.wasOpen && room.lastSeq > 0
		? { state: 'reconnecting', words: 'Reconnecting…' }
		: { state: 'connecting', words: 'Connecting…' };
}

export function TaskMessaging(props: TaskMessagingProps): ReactElement {
	const { taskId, applicantId = null, title = 'Messages', nameOf = plainName, images = true } = props;
	const { client, connection } = useTaskChat();
	const { room, state } = useRoom(taskId, applicantId);
	const { state: now, words } = condition(connection, state);

	useEffect(() => {
		client.setCurrentTask(taskId);
		return () => client.setCurrentTask(null);
	}, [client, taskId]);

	return (
		<section className="tc-chat" aria-label={typeof title === 'string' ? title : 'Messages'}>
			<header className="tc-header">
				<div className="tc-heading">
					<h2>{title}</h2>
					<span className="tc-connection" data-testid="connection-state" data-state={now} role="status">{words}</span>
				</div>
				<OnlineStatus room={room} nameOf={nameOf} />
			</header>
			<MessageList room={room} nameOf={nameOf} />
			<TypingIndicator room={room} nameOf={nameOf} />
			<MessageInput room={room} images={images} />
		</section>
	);
}
