/*
 * MessageBody.tsx: the inside of a message: text with links, a picture in a
 * box whose size is known before it is loaded, or a file. Content is text,
 * never HTML; an address that is neither http nor https stays text.
 */

'use client';

import { Fragment, memo, useState } from 'react';
import type { CSSProperties, ReactElement } from 'react';
import type { JsonObject, MessageDraft } from '../client/index.js';
import { fileName, linkParts, safeUrl } from './format.js';
import { useUi } from './settings.js';

const MAX_WIDTH = 320;
const MAX_HEIGHT = 260;

function ExternalLink({ url, className, children }: { url: string; className: string; children: ReactElement | string }): ReactElement {
	const { labels } = useUi();
	return (
		<a href={url} target="_blank" rel="noopener noreferrer" className={className}>
			{children}
			<span className="tc-hidden"> ({labels.opensInTab})</span>
		</a>
	);
}

/** A message's words, with links where they name an address. */
export const MessageText = memo(function MessageText({ text }: { text: string }): ReactElement {
	return (
		<p className="tc-text" dir="auto">
			{linkParts(text).map((part, index) => (
				part.url === null
					? <Fragment key={index}>{part.text}</Fragment>
					: <ExternalLink key={index} url={part.url} className="tc-link">{part.text}</ExternalLink>
			))}
		</p>
	);
});

function size(metadata: JsonObject | null | undefined, name: string): number | null {
	const value = metadata?.[name];
	return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : null;
}

/* The box of a picture: by the size that its sender told, else 4:3. */
function box(metadata: JsonObject | null | undefined): CSSProperties {
	const width = size(metadata, 'width');
	const height = size(metadata, 'height');
	if (width === null || height === null)
		return { width: MAX_WIDTH, aspectRatio: '4 / 3' };
	const ratio = Math.min(Math.max(width / height, 0.5), 3);
	return { width: Math.round(Math.min(MAX_WIDTH, MAX_HEIGHT * ratio)), aspectRatio: String(ratio) };
}

function Picture({ url, draft }: { url: string; draft: MessageDraft }): ReactElement {
	const { labels } = useUi();
	const [failed, setFailed] = useState(false);
	return (
		<a href={url} target="_blank" rel="noopener noreferrer" className="tc-image" style={box(draft.metadata)}>
			{failed
				? <span className="tc-image-failed">{labels.imageFailed}</span>
				: (
					<img
						src={url} alt={draft.content || labels.image} loading="lazy" decoding="async" referrerPolicy="no-referrer"
						onError={() => setFailed(true)}
					/>
				)}
		</a>
	);
}

function FileCard({ url, metadata }: { url: string; metadata: JsonObject | null | undefined }): ReactElement {
	const { formats } = useUi();
	const bytes = size(metadata, 'size');
	const name = typeof metadata?.name === 'string' && metadata.name !== '' ? metadata.name : fileName(url);
	return (
		<ExternalLink url={url} className="tc-file">
			<span className="tc-file-card">
				<svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true">
					<path d="M6 3h8l4 4v14H6zM14 3v4h4" fill="none" stroke="currentColor" strokeWidth="1.7" strokeLinejoin="round" />
				</svg>
				<span className="tc-file-name">{name}</span>
				{bytes !== null && <span className="tc-file-size">{formats.bytes(bytes)}</span>}
			</span>
		</ExternalLink>
	);
}

export function MessageBody({ draft }: { draft: MessageDraft }): ReactElement {
	const url = safeUrl(draft.file_url);
	const text = draft.content === '' ? null : <MessageText text={draft.content} />;
	if (draft.message_type === 'image' && url)
		return <><Picture url={url} draft={draft} />{text}</>;
	if (!draft.file_url)
		return text ?? <p className="tc-text" />;
	return (
		<>
			{url ? <FileCard url={url} metadata={draft.metadata} /> : <p className="tc-text">{draft.file_url}</p>}
			{text}
		</>
	);
}
