/*
 * Attachments.tsx: the files attached to the message being written, each with
 * its progress and what can be done about it.
 */

'use client';

import type { ReactElement } from 'react';
import { useUi } from './settings.js';
import type { Upload, Uploads } from './uploads.js';

function State({ upload }: { upload: Upload }): ReactElement {
	const { labels, formats } = useUi();
	if (upload.status === 'failed')
		return <span className="tc-error" role="alert">{labels.uploadFailed(upload.name)}</span>;
	if (upload.status === 'done')
		return <span className="tc-upload-size">{formats.bytes(upload.size)}</span>;
	return <progress max={1} value={upload.progress} aria-label={labels.uploading(upload.name)} />;
}

function Attachment({ upload, uploads }: { upload: Upload; uploads: Uploads }): ReactElement {
	const { labels } = useUi();
	const { id, name, previewUrl, status } = upload;
	return (
		<li className="tc-upload" data-status={status} data-testid="upload">
			{previewUrl ? <img src={previewUrl} alt="" width="40" height="40" /> : <span className="tc-upload-kind" aria-hidden="true">{name.split('.').pop()?.slice(0, 4)}</span>}
			<span className="tc-upload-text">
				<span className="tc-upload-name">{name}</span>
				<State upload={upload} />
			</span>
			{status === 'failed' && <button type="button" className="tc-plain" onClick={() => uploads.retry(id)}>{labels.retry}</button>}
			<button
				type="button" className="tc-close" data-testid="remove-upload"
				aria-label={status === 'uploading' ? labels.cancelUpload(name) : labels.removeFile(name)}
				onClick={() => uploads.remove(id)}
			>
				<span aria-hidden="true">×</span>
			</button>
		</li>
	);
}

export function Attachments({ uploads }: { uploads: Uploads }): ReactElement | null {
	const { labels } = useUi();
	if (uploads.uploads.length === 0)
		return null;
	return (
		<ul className="tc-uploads" aria-label={labels.attachments}>
			{uploads.uploads.map((upload) => <Attachment key={upload.id} upload={upload} uploads={uploads} />)}
		</ul>
	);
}
