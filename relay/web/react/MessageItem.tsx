/*
 * MessageItem.tsx: one line of the conversation: a message, a message on its
 * way, or a notice. MessageList decides which and where.
 */

import { memo } from 'react';
import type { ReactElement, ReactNode } from 'react';
import type { Message, MessageDraft, PendingMessage, Room } from '../client/index.js';
import { clock, fileName, safeUrl } from './names.js';

/* The inside of a bubble. An address that is neither http nor https stays text. */
function Body({ draft }: { draft: MessageDraft }): ReactElement {
	const url = safeUrl(draft.file_url);
	const text = draft.content === '' ? null : <p className="tc-text">{draft.content}</p>;
	if (draft.message_type === 'image' && url)
		return (
			<>
				<a href={url} target="_blank" rel="noopener noreferrer" className="tc-image">
					<img src={url} alt={draft.content || 'Image'} loading="lazy" referrerPolicy="no-referrer" />
				</a>
				{text}
			</>
		);
	if (draft.file_url)
		return (
			<>
				{url
					? <a href={url} target="_blank" rel="noopener noreferrer" className="tc-file">{fileName(url)}</a>
					: <p className="tc-text">{draft.file_url}</p>}
				{text}
			</>
		);
	return text ?? <p className="tc-text" />;
}

function toDraft(message: Message): MessageDraft {
	const { content, message_type, file_url } = message;
	return { content, message_type, ...(file_url === null ? {} : { file_url }) };
}

export interface MessageItemProps {
	message: Message;
	mine: boolean;
	/** The sender's name, or null where the line before has it. */
	name: string | null;
	/** "Seen by …", at the newest message that others have read. */
	seen: string | null;
}

/** A message that the server has. */
export const MessageItem = memo(function MessageItem({ message, mine, name, seen }: MessageItemProps): ReactElement {
	const className = message.is_system_message ? 'tc-item tc-notice' : `tc-item tc-message${mine ? ' tc-mine' : ''}`;
	if (message.is_system_message)
		return (
			<li className={className} data-seq={message.seq} data-message-id={message.id}>
				<span>{message.content}</span> <time dateTime={message.created_at}>{clock(message.created_at)}</time>
			</li>
		);
	return (
		<li className={className} data-seq={message.seq} data-message-id={message.id} data-client-msg-id={message.client_msg_id}>
			{name !== null && <span className={mine ? 'tc-hidden' : 'tc-name'}>{name}</span>}
			<div className="tc-bubble">
				{message.deleted_at
					? <p className="tc-text tc-deleted">This message was deleted</p>
					: <Body draft={toDraft(message)} />}
				<span className="tc-meta">
					{message.edited_at && !message.deleted_at && 'edited '}
					<time dateTime={message.created_at}>{clock(message.created_at)}</time>
				</span>
			</div>
			{seen !== null && <span className="tc-seen" data-testid="read-mark">{seen}</span>}
		</li>
	);
});

/** A message on its way, with what can be done when it failed. */
export function PendingItem({ pending, room }: { pending: PendingMessage; room: Room }): ReactElement {
	const { clientMsgId, draft, status, error } = pending;
	return (
		<li
			className="tc-item tc-message tc-mine tc-pending" data-status={status} data-client-msg-id={clientMsgId}
			data-testid="pending-message"
		>
			<div className="tc-bubble">
				<Body draft={draft} />
				<span className="tc-meta">{status === 'failed' ? 'not sent' : 'sending…'}</span>
			</div>
			{status === 'failed' && (
				<span className="tc-failed">
					{error?.message ?? 'Not sent'}
					<button type="button" data-testid="retry-button" onClick={() => room.retry(clientMsgId)}>Try again</button>
					<button type="button" data-testid="discard-button" onClick={() => room.discard(clientMsgId)}>Discard</button>
				</span>
			)}
		</li>
	);
}

/** A line that says what happened. */
export function NoticeItem({ seq, type, children }: { seq: number; type: string; children: ReactNode }): ReactElement {
	return <li className="tc-item tc-notice" data-seq={seq} data-event={type}><span>{children}</span></li>;
}
