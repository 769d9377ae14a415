/*
 * MessageInput.tsx: where a message is written. Enter sends, Shift+Enter
 * begins a new line, ↑ in an empty field edits the last own message, Esc ends
 * that, or a reply. Files come by the button, by paste and by drop, where the application
 * gives a function that uploads them; without one, pictures by their address.
 *
 * It shows what it is given and knows no client. What it sends shows in the
 * list at once; errors of sending are shown there.
 */

'use client';

import { useEffect, useId, useLayoutEffect, useRef, useState } from 'react';
import type { ClipboardEvent, FormEvent, KeyboardEvent, ReactElement, RefObject } from 'react';
import { Attachments } from './Attachments.js';
import { useComposer } from './composer.js';
import type { Composer, ComposerOptions } from './composer.js';
import type { Message } from '../client/index.js';
import { QuoteWords } from './Quote.js';
import { useUi } from './settings.js';
import { useUploads } from './uploads.js';
import type { OnUpload, Uploads } from './uploads.js';

export interface MessageInputProps extends ComposerOptions {
	/** Uploads a file and gives its URL; without it no files can be attached. */
	onUpload?: OnUpload;
	/** Lets the user choose files in the application's own way, instead of the system's dialogue. */
	pickFiles?: () => Promise<Iterable<File>>;
	/** The kinds of files to offer, as for an input element. */
	accept?: string;
	/** Offers pictures by their address where there is no onUpload [true]. */
	images?: boolean;
	placeholder?: string;
	/** Why nothing can be written, or null. */
	disabledBecause?: string | null;
	/** When messages go out again that the server found too many (milliseconds since 1970), or null. */
	slowUntil?: number | null;
}

/* Lets the field grow with its text where CSS alone can't. */
function useGrowing(field: RefObject<HTMLTextAreaElement | null>, text: string): void {
	useLayoutEffect(() => {
		const element = field.current;
		if (!element || globalThis.CSS?.supports?.('field-sizing', 'content'))
			return;
		element.style.height = 'auto';
		element.style.height = `${element.scrollHeight}px`;
	}, [field, text]);
}

/* Files may be dropped anywhere on the chat that the form belongs to. Gives true while some are held over it. */
function useDrop(form: RefObject<HTMLFormElement | null>, enabled: boolean, take: (files: FileList) => void): boolean {
	const [over, setOver] = useState(false);
	useEffect(() => {
		const area = form.current?.closest<HTMLElement>('.tc-chat') ?? form.current;
		if (!area || !enabled)
			return;
		const ended = new AbortController();
		const listen = (type: 'dragover' | 'dragleave' | 'drop', handler: (event: DragEvent) => void): void =>
			area.addEventListener(type, handler, { signal: ended.signal });
		listen('dragover', (event) => {
			if (!event.dataTransfer?.types.includes('Files'))
				return;
			event.preventDefault();
			setOver(true);
		});
		listen('dragleave', (event) => {
			if (!area.contains(event.relatedTarget as Node | null))
				setOver(false);
		});
		listen('drop', (event) => {
			setOver(false);
			if (!event.dataTransfer || event.dataTransfer.files.length === 0)
				return;
			event.preventDefault();
			take(event.dataTransfer.files);
		});
		return () => ended.abort();
	}, [form, enabled, take]);
	return over;
}

/* Whole seconds until `until`, counting down; 0 when it is past. */
function useCountdown(until: number | null): number {
	const [now, setNow] = useState(() => Date.now());
	useEffect(() => {
		if (until === null)
			return;
		setNow(Date.now());
		const timer = setInterval(() => setNow(Date.now()), 500);
		return () => clearInterval(timer);
	}, [until]);
	return until === null ? 0 : Math.max(0, Math.ceil((until - now) / 1000));
}

function AttachButton({ props, uploads }: { props: MessageInputProps; uploads: Uploads }): ReactElement {
	const { accept, pickFiles } = props;
	const { labels } = useUi();
	const picker = useRef<HTMLInputElement>(null);

	function pick(): void {
		if (pickFiles)
			void pickFiles().then(uploads.add);
		else
			picker.current?.click();
	}

	return (
		<>
			<input
				ref={picker} type="file" multiple hidden data-testid="file-input" aria-label={labels.attach} accept={accept}
				onChange={(event) => {
					uploads.add([...event.target.files ?? []]);
					event.target.value = '';
				}}
			/>
			<button type="button" className="tc-attach" data-testid="attach-button" aria-label={labels.attach} onClick={pick}>
				<svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
					<path
						d="M20 11.5l-8.2 8.2a5 5 0 0 1-7.1-7.1l8.5-8.4a3.4 3.4 0 0 1 4.8 4.8l-8.5 8.4a1.7 1.7 0 0 1-2.4-2.4l7.8-7.8"
						fill="none" stroke="currentColor" strokeWidth="1.7" strokeLinecap="round"
					/>
				</svg>
			</button>
		</>
	);
}

function EditBar({ composer }: { composer: Composer }): ReactElement {
	const { labels } = useUi();
	return (
		<div className="tc-edit-bar" data-testid="edit-bar">
			<strong>{labels.editing}</strong>
			<span>{labels.editingHint}</span>
			<button type="button" className="tc-plain" onClick={composer.stopEditing}>{labels.cancel}</button>
		</div>
	);
}

function ReplyBar({ message, onCancel }: { message: Message; onCancel: () => void }): ReactElement {
	const { labels } = useUi();
	return (
		<div className="tc-reply-bar" data-testid="reply-bar">
			<span className="tc-quote">
				<span className="tc-hidden">{labels.replyingTo} </span>
				<QuoteWords message={message} />
			</span>
			<button type="button" className="tc-close" aria-label={labels.cancelReply} onClick={onCancel}><span aria-hidden="true">×</span></button>
		</div>
	);
}

function ImageAddress({ composer, id, onKeyDown }: { composer: Composer; id: string; onKeyDown: (event: KeyboardEvent) => void }): ReactElement {
	const { labels } = useUi();
	return (
		<div className="tc-input-image">
			<label className="tc-hidden" htmlFor={`${id}image`}>{labels.imageAddress}</label>
			<input
				id={`${id}image`} data-testid="image-url-input" type="url" inputMode="url" value={composer.imageUrl}
				placeholder={labels.imageAddressHint} autoComplete="off"
				onChange={(event) => composer.writeImageUrl(event.target.value)} onKeyDown={onKeyDown}
			/>
		</div>
	);
}

/* What is said below the field: an error, the length, the pause that the server asked for. */
function Hints({ composer, seconds, id }: { composer: Composer; seconds: number; id: string }): ReactElement {
	const { labels } = useUi();
	const { left, error } = composer;
	return (
		<div className="tc-hints" id={`${id}hints`}>
			{error && <span className="tc-error" role="alert">{error}</span>}
			{seconds > 0 && <span className="tc-slow" role="status" data-testid="slow-down">{labels.slowDown(seconds)}</span>}
			{left !== null && (
				<span className={left < 0 ? 'tc-error' : 'tc-left'} data-testid="length-counter">
					{left < 0 ? labels.tooLong(-left) : labels.left(left)}
				</span>
			)}
		</div>
	);
}

export function MessageInput(props: MessageInputProps): ReactElement {
	const { labels } = useUi();
	const { disabledBecause = null } = props;
	if (disabledBecause !== null)
		return <p className="tc-closed" data-testid="input-closed">{disabledBecause || labels.closed}</p>;
	return <Form {...props} />;
}

function Form(props: MessageInputProps): ReactElement {
	const { onUpload, images = true, placeholder, slowUntil = null } = props;
	const { labels } = useUi();
	const id = useId();
	const form = useRef<HTMLFormElement>(null);
	const field = useRef<HTMLTextAreaElement>(null);
	const uploads = useUploads(onUpload);
	const composer = useComposer(props, uploads, field);
	const seconds = useCountdown(slowUntil);
	const over = useDrop(form, onUpload !== undefined, uploads.add);
	useGrowing(field, composer.text);

	function submit(event?: FormEvent): void {
		event?.preventDefault();
		composer.submit();
	}

	function onKeyDown(event: KeyboardEvent): void {
		/* While an input method composes a word, its keys belong to it (229: Safari's last one). */
		if (event.nativeEvent.isComposing || event.keyCode === 229)
			return;
		if (event.key === 'Enter' && !event.shiftKey) {
			event.preventDefault();
			composer.submit();
		} else if (event.key === 'ArrowUp' && !event.shiftKey && composer.editLast())
			event.preventDefault();
		else if (event.key === 'Escape' && composer.editing) {
			event.preventDefault();
			composer.stopEditing();
		} else if (event.key === 'Escape' && composer.replyingTo) {
			event.preventDefault();
			composer.stopReplying();
		}
	}

	function onPaste(event: ClipboardEvent): void {
		if (!onUpload || event.clipboardData.files.length === 0)
			return;
		event.preventDefault();
		uploads.add([...event.clipboardData.files]);
	}

	return (
		<form ref={form} className="tc-input" onSubmit={submit} noValidate data-dropping={over}>
			{over && <div className="tc-drop" aria-hidden="true">{labels.dropHere}</div>}
			{composer.editing && <EditBar composer={composer} />}
			{composer.replyingTo && !composer.editing && <ReplyBar message={composer.replyingTo} onCancel={composer.stopReplying} />}
			{!composer.editing && <Attachments uploads={uploads} />}
			<div className="tc-input-row">
				{onUpload && !composer.editing && <AttachButton props={props} uploads={uploads} />}
				<label className="tc-hidden" htmlFor={`${id}text`}>{labels.compose}</label>
				<textarea
					ref={field} id={`${id}text`} data-testid="message-input" rows={1} value={composer.text} dir="auto" enterKeyHint="send"
					placeholder={placeholder ?? labels.placeholder} aria-describedby={`${id}hints`}
					onChange={(event) => composer.write(event.target.value)} onKeyDown={onKeyDown} onPaste={onPaste}
					onBlur={composer.stopTyping}
				/>
				<button type="submit" className="tc-send" data-testid="send-button" aria-label={composer.editing ? labels.save : labels.send}>
					<svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
						<path d="M12 19V6M6 11.5L12 5.5l6 6" fill="none" stroke="currentColor" strokeWidth="2.2" strokeLinecap="round" strokeLinejoin="round" />
					</svg>
				</button>
			</div>
			{images && !onUpload && !composer.editing && <ImageAddress composer={composer} id={id} onKeyDown={onKeyDown} />}
			<Hints composer={composer} seconds={seconds} id={id} />
		</form>
	);
}
