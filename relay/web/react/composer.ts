/*
 * composer.ts: the state of the place where a message is written: its text,
 * kept as the room's draft; a message being edited in its place; what is wrong
 * with it. What it looks like is MessageInput.tsx's matter.
 */

'use client';

import { useCallback, useEffect, useRef, useState } from 'react';
import type { RefObject } from 'react';
import type { Message, MessageDraft } from '../client/index.js';
import { safeUrl } from './format.js';
import { useUi } from './settings.js';
import type { Uploads } from './uploads.js';

/** Where an unsent text is kept. */
export interface DraftStore {
	load(): string;
	save(text: string): void;
}

export interface ComposerOptions {
	onSend: (draft: MessageDraft) => void;
	onTyping?: (isTyping: boolean) => void;
	/** The longest text, in bytes of UTF-8 [16384]. */
	maxBytes?: number;
	draft?: DraftStore;
	/** The message that is edited now, or null. */
	editing?: Message | null;
	/** Editing begins (with ↑) or ends (null). */
	onEditing?: (message: Message | null) => void;
	/** The message that ↑ edits, or null. */
	lastOwn?: () => Message | null;
	/** The message that is answered, or null. */
	replyingTo?: Message | null;
	/** The answer is given up, or sent. */
	onReplyEnd?: () => void;
	/** Stores the changed text; rejects when it could not. */
	onEdit?: (messageId: string, content: string) => Promise<unknown>;
}

const DEFAULT_MAX_BYTES = 16_384;
/* From this part of the longest text on its length is shown. */
const NEARLY_FULL = 0.8;
const encoder = new TextEncoder();

function byteLength(text: string): number {
	return encoder.encode(text).length;
}

/** The text being written, which follows the draft of the room. */
function useText(draft: DraftStore | undefined): [string, (text: string) => void] {
	const [text, setText] = useState('');
	const before = useRef<DraftStore | undefined>(undefined);
	/* After hydration, for a server knows no drafts. What was written before there was a store stays. */
	useEffect(() => {
		const first = before.current === undefined;
		before.current = draft;
		setText((written) => (first ? draft?.load() || written : draft?.load() ?? ''));
	}, [draft]);
	return [text, setText];
}

export interface Composer {
	text: string;
	imageUrl: string;
	error: string;
	/** Bytes left, where it is worth saying; below 0 it is too long. */
	left: number | null;
	editing: Message | null;
	replyingTo: Message | null;
	write(text: string): void;
	writeImageUrl(url: string): void;
	submit(): void;
	/** Begins to edit the last own message; gives false when there is none. */
	editLast(): boolean;
	stopEditing(): void;
	stopReplying(): void;
	stopTyping(): void;
}

function useEditing(options: ComposerOptions, text: string, setText: (text: string) => void, field: RefObject<HTMLTextAreaElement | null>) {
	const { editing = null, draft } = options;
	const before = useRef<Message | null>(null);
	useEffect(() => {
		if (before.current?.id === editing?.id)
			return;
		const was = before.current;
		before.current = editing;
		setText(editing ? editing.content : draft?.load() ?? '');
		if (editing || was)
			field.current?.focus();
	}, [editing, draft, setText, field]);
	return { editing, unchanged: editing !== null && text.trim() === editing.content };
}

/** Keeps what is written in one input. */
export function useComposer(options: ComposerOptions, uploads: Uploads, field: RefObject<HTMLTextAreaElement | null>): Composer {
	const { onSend, onTyping, onEdit, onEditing, lastOwn, draft, replyingTo = null, onReplyEnd, maxBytes = DEFAULT_MAX_BYTES } = options;
	const { labels } = useUi();
	const [text, setText] = useText(draft);
	const [imageUrl, setImageUrl] = useState('');
	const [error, setError] = useState('');
	const { editing, unchanged } = useEditing(options, text, setText, field);
	const content = text.trim();
	/* A character has at most three bytes for each unit of its length. */
	const bytes = content.length * 3 > maxBytes * NEARLY_FULL ? byteLength(content) : 0;

	const stopEditing = useCallback(() => {
		setError('');
		onEditing?.(null);
	}, [onEditing]);

	const stopReplying = useCallback(() => onReplyEnd?.(), [onReplyEnd]);
	useEffect(() => {
		if (replyingTo)
			field.current?.focus();
	}, [replyingTo, field]);

	function write(value: string): void {
		setText(value);
		setError('');
		if (!editing)
			draft?.save(value);
		onTyping?.(value.trim() !== '');
	}

	async function saveEdit(message: Message): Promise<void> {
		if (content === '' || unchanged) {
			stopEditing();
			return;
		}
		try {
			await onEdit?.(message.id, content);
			stopEditing();
		} catch {
			setError(labels.editFailed);
		}
	}

	/* The messages that text, image address and files make; a text says what is wrong. */
	function toDrafts(): MessageDraft[] | string {
		const address = imageUrl.trim();
		const url = safeUrl(address);
		if (address !== '' && !url)
			return labels.badImageAddress;
		const files: MessageDraft[] = url ? [{ content: '', message_type: 'image', file_url: url }] : uploads.take();
		const [first, ...rest] = files;
		if (first)
			return [{ ...first, content }, ...rest];
		return content === '' ? [] : [{ content }];
	}

	function submit(): void {
		if (bytes > maxBytes)
			setError(labels.tooLong(bytes - maxBytes));
		else if (editing)
			void saveEdit(editing);
		else if (uploads.busy)
			setError(labels.uploadPending);
		else
			sendAll(toDrafts());
	}

	function sendAll(drafts: MessageDraft[] | string): void {
		if (typeof drafts === 'string') {
			setError(drafts);
			return;
		}
		const [first, ...rest] = drafts;
		if (!first)
			return;
		onSend(replyingTo ? { ...first, reply_to: replyingTo.id } : first);
		for (const one of rest)
			onSend(one);
		stopReplying();
		setText('');
		setImageUrl('');
		setError('');
		draft?.save('');
	}

	function editLast(): boolean {
		const message = text === '' && uploads.uploads.length === 0 ? lastOwn?.() ?? null : null;
		if (message)
			onEditing?.(message);
		return message !== null;
	}

	return {
		text, imageUrl, error, editing, replyingTo, write, writeImageUrl: setImageUrl, submit, editLast, stopEditing, stopReplying,
		left: bytes > maxBytes * NEARLY_FULL ? maxBytes - bytes : null,
		stopTyping: () => onTyping?.(false),
	};
}
