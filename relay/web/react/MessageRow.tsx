/*
 * MessageRow.tsx: one line of the conversation: a message, a message on its
 * way, or a notice; with the day or the unread line before it. MessageList
 * decides which and where.
 */

'use client';

import { memo } from 'react';
import type { ReactElement, ReactNode } from 'react';
import type { Message, MessageDraft, MessageStatus, PendingMessage } from '../client/index.js';
import { Avatar } from './Avatar.js';
import { Actions } from './MessageActions.js';
import type { MessageActions } from './MessageActions.js';
import { MessageBody } from './MessageBody.js';
import { Quote } from './Quote.js';
import type { Row } from './rows.js';
import { usePeople, useUi } from './settings.js';

export interface MessageRowProps {
	row: Row;
	/** How far an own message came. */
	status: MessageStatus | null;
	/** Who has read up to this own message, where that isn't plain. */
	seenBy: readonly string[];
	actions: MessageActions;
	/** Tab stops at the actions of this row: of one row of the list, arrow keys go to the others. */
	tabStop: boolean;
	/** It was looked for, by way of a reply to it. */
	found: boolean;
	/** Brings the row with this seq into view. */
	onFind: (seq: number) => void;
}

const STATUS_PATHS: Record<MessageStatus, string> = {
	sending: 'M8 3.2a4.8 4.8 0 1 0 0 9.6a4.8 4.8 0 1 0 0-9.6M8 5.4V8l1.8 1.2',
	sent: 'M3.5 8.4l3 3l6-6.6',
	delivered: 'M1.5 8.4l3 3l6-6.6M8.2 11l.4.4l6-6.6',
	read: 'M1.5 8.4l3 3l6-6.6M8.2 11l.4.4l6-6.6',
	failed: 'M8 4v4.6M8 11.4v.1',
};

function StatusMark({ status }: { status: MessageStatus }): ReactElement {
	const { labels } = useUi();
	return (
		<span className="tc-status" data-status={status} data-testid={status === 'read' ? 'read-mark' : undefined} title={labels.status(status)}>
			<svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
				<path d={STATUS_PATHS[status]} fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round" strokeLinejoin="round" />
			</svg>
			<span className="tc-hidden">{labels.status(status)}</span>
		</span>
	);
}

function Time({ time }: { time: string }): ReactElement {
	const { formats } = useUi();
	return <time dateTime={time} title={formats.full(time)}>{formats.clock(time)}</time>;
}

function toDraft({ content, message_type, file_url, metadata }: Message): MessageDraft {
	return { content, message_type, ...(file_url && { file_url }), ...(metadata && { metadata }) };
}

function Failure({ pending, actions }: { pending: PendingMessage; actions: MessageActions }): ReactElement {
	const { labels } = useUi();
	const { clientMsgId, error } = pending;
	return (
		<span className="tc-failed">
			<span>{error?.message || labels.notSent}</span>
			<button type="button" data-testid="retry-button" onClick={() => actions.onRetry?.(clientMsgId)}>{labels.retry}</button>
			<button type="button" data-testid="discard-button" onClick={() => actions.onDiscard?.(clientMsgId)}>{labels.discard}</button>
		</span>
	);
}

/* The bubble with its sender before and its state behind it. */
function Bubble({ row, status, seenBy, actions, tabStop, onFind }: MessageRowProps): ReactElement {
	const { labels } = useUi();
	const person = usePeople();
	const { mine, first, last, pending } = row;
	const message = row.entry?.kind === 'message' ? row.entry.message : null;
	const draft = pending?.draft ?? (message ? toDraft(message) : { content: '' });
	const sender = message?.sender_id ?? null;
	const deleted = message !== null && message.deleted_at !== null;
	const time = pending?.createdAt ?? message?.created_at ?? '';
	return (
		<div
			className="tc-message" data-mine={mine} data-first={first} data-last={last} data-status={pending?.status}
			data-testid={pending ? 'pending-message' : undefined}
		>
			{!mine && sender !== null && (last ? <Avatar userId={sender} /> : <span className="tc-avatar-space" />)}
			<div className="tc-stack">
				<span className={first && !mine ? 'tc-name' : 'tc-hidden'}>
					{mine ? labels.you : sender === null ? '' : person(sender).name}
				</span>
				<div className="tc-line">
					<div className="tc-bubble" data-type={draft.message_type ?? 'text'}>
						{row.reply && !deleted && <Quote message={row.reply === true ? null : row.reply} onFind={onFind} />}
						{deleted ? <p className="tc-text tc-deleted">{labels.deleted}</p> : <MessageBody draft={draft} />}
						<span className="tc-meta">
							{message?.edited_at && !deleted && <span>{labels.edited}</span>}
							<Time time={time} />
							{mine && status && !deleted && <StatusMark status={status} />}
						</span>
					</div>
					{message && !deleted && <Actions message={message} mine={mine} actions={actions} tabStop={tabStop} />}
				</div>
				{pending?.status === 'failed' && <Failure pending={pending} actions={actions} />}
				{seenBy.length > 0 && <span className="tc-seen">{labels.seenBy(seenBy.map((userId) => person(userId).name))}</span>}
			</div>
		</div>
	);
}

function Notice({ children, type }: { children: ReactNode; type: string }): ReactElement {
	return <div className="tc-notice" data-type={type}><span>{children}</span></div>;
}

function Content(props: MessageRowProps): ReactElement {
	const { labels } = useUi();
	const person = usePeople();
	const { entry } = props.row;
	if (entry?.kind === 'notice')
		return <Notice type={entry.event.type}>{labels.notice(entry.event, (userId) => person(userId).name)}</Notice>;
	if (entry?.kind === 'message' && entry.message.is_system_message)
		return <Notice type="system">{entry.message.content} <Time time={entry.message.created_at} /></Notice>;
	return <Bubble {...props} />;
}

function sameRow(one: Row, other: Row): boolean {
	return one.entry === other.entry && one.pending === other.pending && one.mine === other.mine && one.day === other.day
		&& one.unread === other.unread && one.first === other.first && one.last === other.last && one.reply === other.reply;
}

/** One row of the list. Renders again only when something of it changed. */
export const MessageRow = memo(function MessageRow(props: MessageRowProps): ReactElement {
	const { labels, formats } = useUi();
	const { row } = props;
	const message = row.entry?.kind === 'message' ? row.entry.message : null;
	return (
		<li
			className="tc-row" data-seq={row.entry?.seq} data-message-id={message?.id}
			data-client-msg-id={row.pending?.clientMsgId ?? message?.client_msg_id}
			data-found={props.found || undefined} data-event={row.entry?.kind === 'notice' ? row.entry.event.type : undefined}
		>
			{row.day !== null && <div className="tc-day"><span>{formats.day(row.day)}</span></div>}
			{row.unread && <div className="tc-unread" data-testid="unread-line"><span>{labels.unread}</span></div>}
			<Content {...props} />
		</li>
	);
}, (one, other) => sameRow(one.row, other.row) && one.status === other.status && one.actions === other.actions
	&& one.tabStop === other.tabStop && one.found === other.found && one.onFind === other.onFind && one.seenBy.join('\n') === other.seenBy.join('\n'));
