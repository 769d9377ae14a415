/*
 * ConversationList.tsx: the rooms of one task: its main room and the private
 * conversations with applicants, each with its newest message and a badge for
 * what is unread.
 */

'use client';

import type { ReactElement } from 'react';
import type { RoomListItem } from '../client/index.js';
import { Avatar } from './Avatar.js';
import { excerpt } from './Quote.js';
import { usePeople, useUi } from './settings.js';

export interface ConversationListProps {
	rooms: readonly RoomListItem[];
	/** The open one: an applicant's id, or null for the main room. */
	selected: string | null;
	/** The reader: an applicant sees the creator's side of the own room. */
	userId?: string | null;
	onSelect: (applicantId: string | null) => void;
}

function preview(room: RoomListItem, labels: ReturnType<typeof useUi>['labels']): string {
	const message = room.last_message;
	if (!message)
		return labels.empty;
	return excerpt(message, labels);
}

function Conversation({ room, current, userId, onSelect }: {
	room: RoomListItem; current: boolean; userId: string | null; onSelect: ConversationListProps['onSelect'];
}): ReactElement {
	const { labels, formats } = useUi();
	const person = usePeople();
	const { applicant_id: applicant, unread, last_message: message } = room;
	const other = applicant !== null && applicant !== userId ? applicant : null;
	const name = other !== null ? person(other).name : applicant === null ? labels.mainRoom : labels.privateRoom;
	return (
		<li>
			<button type="button" aria-current={current ? 'true' : undefined} data-applicant-id={applicant ?? undefined} onClick={() => onSelect(applicant)}>
				{other !== null
					? <Avatar userId={other} />
					: <span className="tc-avatar" data-tint="main" aria-hidden="true">#</span>}
				<span className="tc-conversation-text">
					<span className="tc-conversation-top">
						<span className="tc-conversation-name">{name}</span>
						{message && <time dateTime={message.created_at}>{formats.clock(message.created_at)}</time>}
					</span>
					<span className="tc-conversation-bottom">
						<span className="tc-conversation-preview">{preview(room, labels)}</span>
						{unread > 0 && (
							<span className="tc-badge" data-testid="unread-badge">
								<span aria-hidden="true">{unread > 99 ? '99+' : unread}</span>
								<span className="tc-hidden">{labels.unreadCount(unread)}</span>
							</span>
						)}
					</span>
				</span>
			</button>
		</li>
	);
}

export function ConversationList({ rooms, selected, userId = null, onSelect }: ConversationListProps): ReactElement {
	const { labels } = useUi();
	return (
		<div className="tc-conversations" data-testid="conversation-list">
			<ul aria-label={labels.conversations}>
				{rooms.map((room) => (
					<Conversation
						key={room.applicant_id ?? ''} room={room} current={room.applicant_id === selected} userId={userId} onSelect={onSelect}
					/>
				))}
			</ul>
		</div>
	);
}
