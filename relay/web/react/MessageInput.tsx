/*
 * MessageInput.tsx: where a message is written: text, and an image by its URL.
 * Enter sends, Shift+Enter begins a new line.
 *
 * What it sends shows in the list at once; errors of sending are shown there.
 * Only what can be seen to be wrong before sending is said here.
 */

import { useId, useState } from 'react';
import type { FormEvent, KeyboardEvent, ReactElement } from 'react';
import type { MessageDraft, Room } from '../client/index.js';
import { useRoomState, useTaskChat } from './hooks.js';
import { safeUrl } from './names.js';

export interface MessageInputProps {
	room: Room;
	placeholder?: string;
	/** Offers images by URL [true]. */
	images?: boolean;
}

const encoder = new TextEncoder();

/** Why nothing can be written, or null. */
function closedBecause(phase: string, role: string | null, status: string): string | null {
	if (phase === 'removed' || phase === 'failed')
		return 'You are not in this conversation.';
	if (role === 'observer')
		return 'You can read this conversation, but not write.';
	return status === 'closed' ? 'This conversation is closed.' : null;
}

/* The draft that the fields make: a draft, an error to show, or null for nothing. */
function toDraft(text: string, imageUrl: string, maxBytes: number): MessageDraft | string | null {
	const content = text.trim();
	if (encoder.encode(content).length > maxBytes)
		return 'This message is too long.';
	if (imageUrl.trim() === '')
		return content === '' ? null : { content };
	const url = safeUrl(imageUrl.trim());
	if (!url)
		return 'An image needs an address that begins with https:// or http://.';
	return { content, message_type: 'image', file_url: url };
}

export function MessageInput({ room, placeholder = 'Write a message', images = true }: MessageInputProps): ReactElement {
	const { connection } = useTaskChat();
	const { phase, role, status } = useRoomState(room);
	const [text, setText] = useState('');
	const [imageUrl, setImageUrl] = useState('');
	const [error, setError] = useState('');
	const id = useId();
	const closed = closedBecause(phase, role, status);

	if (closed)
		return <p className="tc-closed">{closed}</p>;

	function submit(event?: FormEvent): void {
		event?.preventDefault();
		const draft = toDraft(text, imageUrl, connection.maxContentBytes);
		if (typeof draft === 'string')
			setError(draft);
		if (draft === null || typeof draft === 'string')
			return;
		room.send(draft);
		setText('');
		setImageUrl('');
		setError('');
	}

	function onKeyDown(event: KeyboardEvent): void {
		/* While an input method composes a word, Enter belongs to it. */
		if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing)
			submit(event);
	}

	function onText(value: string): void {
		setText(value);
		setError('');
		room.setTyping(value.trim() !== '');
	}

	return (
		<form className="tc-input" onSubmit={submit} noValidate>
			<div className="tc-input-row">
				<label className="tc-hidden" htmlFor={`${id}text`}>Message</label>
				<textarea
					id={`${id}text`} data-testid="message-input" rows={1} value={text} placeholder={placeholder}
					aria-describedby={error ? `${id}error` : undefined}
					onChange={(event) => onText(event.target.value)} onKeyDown={onKeyDown}
					onBlur={() => room.setTyping(false)}
				/>
				<button type="submit" className="tc-send" data-testid="send-button" aria-label="Send">
					<svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
						<path d="M3.4 20.4 21 12 3.4 3.6 3.4 10.2 15 12 3.4 13.8z" fill="currentColor" />
					</svg>
				</button>
			</div>
			{images && (
				<div className="tc-input-image">
					<svg viewBox="0 0 24 24" width="16" height="16" aria-hidden="true">
						<path
							d="M4 5h16v14H4zM4 16l4.5-5 3.5 4 2.5-2.5L20 18M15.5 9.5h.01"
							fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinejoin="round" strokeLinecap="round"
						/>
					</svg>
					<label className="tc-hidden" htmlFor={`${id}image`}>Image address</label>
					<input
						id={`${id}image`} data-testid="image-url-input" type="url" inputMode="url" value={imageUrl}
						placeholder="Image address (https://…)" autoComplete="off"
						onChange={(event) => setImageUrl(event.target.value)} onKeyDown={onKeyDown}
					/>
				</div>
			)}
			{error && <p className="tc-error" id={`${id}error`} role="alert">{error}</p>}
		</form>
	);
}
