/*
 * Quote.tsx: the message that another one answers, in a few words: over the
 * answer in the list, and over the field while it is written.
 */

'use client';

import type { ReactElement } from 'react';
import type { Message } from '../client/index.js';
import { usePeople, useUi } from './settings.js';
import type { Labels } from './labels.js';

/** A message in words: its text, or what it is. */
export function excerpt(message: Message, labels: Labels): string {
	if (message.deleted_at)
		return labels.deleted;
	return message.content || (message.message_type === 'image' ? labels.image : message.file_url ?? '');
}

/** Who says it and what; `message` null: it isn't here. */
export function QuoteWords({ message }: { message: Message | null }): ReactElement {
	const { labels } = useUi();
	const person = usePeople();
	if (!message)
		return <span className="tc-quote-text">{labels.notLoaded}</span>;
	return (
		<>
			{message.sender_id !== null && <span className="tc-quote-name">{person(message.sender_id).name}</span>}
			{' '}
			<span className="tc-quote-text" dir="auto">{excerpt(message, labels)}</span>
		</>
	);
}

export function Quote({ message, onFind }: { message: Message | null; onFind: (seq: number) => void }): ReactElement {
	const { labels } = useUi();
	const words = <><span className="tc-hidden">{labels.inReplyTo} </span><QuoteWords message={message} /></>;
	if (!message)
		return <span className="tc-quote" data-testid="quote">{words}</span>;
	return (
		<button type="button" className="tc-quote" data-testid="quote" onClick={() => onFind(message.seq)}>{words}</button>
	);
}
