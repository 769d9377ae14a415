/*
 * PhotoPicker.tsx: a small dialogue that offers the pictures which the demo
 * ships, and the computer's own files.
 */

import { useEffect, useRef } from 'react';
import type { ReactElement } from 'react';
import { PHOTOS, photoFile } from './photos.js';
import type { Photo } from './photos.js';

interface PhotoPickerProps {
	/** The chosen files; none when it was cancelled. */
	onPick: (files: File[]) => void;
}

export function PhotoPicker({ onPick }: PhotoPickerProps): ReactElement {
	const dialog = useRef<HTMLDialogElement>(null);
	const own = useRef<HTMLInputElement>(null);
	useEffect(() => dialog.current?.showModal(), []);

	async function pick(photo: Photo): Promise<void> {
		onPick([await photoFile(photo)]);
	}

	return (
		<dialog ref={dialog} className="photos" aria-label="Choose a picture" onClose={() => onPick([])}>
			<div className="photos-grid">
				{PHOTOS.map((photo) => (
					<button key={photo.name} type="button" data-testid={`photo-${photo.name}`} onClick={() => void pick(photo)}>
						<img src={photo.url} alt="" width="160" height="100" />
						{photo.label}
					</button>
				))}
			</div>
			<div className="photos-end">
				<button type="button" onClick={() => own.current?.click()}>From this computer…</button>
				<button type="button" onClick={() => dialog.current?.close()}>Cancel</button>
			</div>
			<input
				ref={own} type="file" hidden aria-label="A picture from this computer" accept="image/png,image/jpeg,image/webp"
				onChange={(event) => onPick([...event.target.files ?? []])}
			/>
		</dialog>
	);
}
