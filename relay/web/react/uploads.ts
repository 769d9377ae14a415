/*
 * uploads.ts: the files that are attached to the message being written. Each
 * goes up at once through the application's own function, can be cancelled,
 * tried again and removed.
 */

'use client';

import { useCallback, useEffect, useRef, useState } from 'react';
import type { JsonObject, MessageDraft } from '../client/index.js';

/**
 * Puts a file somewhere and gives its URL. Calls `progress` with a part of 1;
 * stops when `signal` is aborted.
 */
export type OnUpload = (file: File, progress: (part: number) => void, signal: AbortSignal) => Promise<string>;

export interface Upload {
	id: number;
	name: string;
	size: number;
	isImage: boolean;
	/** A picture of the file for this page, or null. */
	previewUrl: string | null;
	/** From 0 to 1. */
	progress: number;
	status: 'uploading' | 'done' | 'failed';
	url: string | null;
	metadata: JsonObject;
}

interface Job {
	file: File;
	abort: AbortController;
}

/* Width and height, so that the box of the picture is known before it is loaded; nothing where it can't be read. */
async function measure(file: File): Promise<JsonObject> {
	if (!file.type.startsWith('image/') || typeof createImageBitmap === 'undefined')
		return {};
	try {
		const bitmap = await createImageBitmap(file);
		const { width, height } = bitmap;
		bitmap.close();
		return { width, height };
	} catch {
		/* A kind of picture that this browser can't decode is sent without a size. */
		return {};
	}
}

function previewOf(file: File): string | null {
	return file.type.startsWith('image/') && typeof URL.createObjectURL === 'function' ? URL.createObjectURL(file) : null;
}

export interface Uploads {
	uploads: readonly Upload[];
	/** True while one is under way. */
	busy: boolean;
	add(files: Iterable<File>): void;
	remove(id: number): void;
	retry(id: number): void;
	/** Takes the finished ones out, as drafts of messages. */
	take(): MessageDraft[];
}

/** Keeps the attached files of one input. */
export function useUploads(onUpload: OnUpload | undefined): Uploads {
	const [uploads, setUploads] = useState<readonly Upload[]>([]);
	const jobs = useRef(new Map<number, Job>());
	const nextId = useRef(1);

	const change = useCallback((id: number, to: Partial<Upload>) => {
		setUploads((all) => all.map((one) => (one.id === id ? { ...one, ...to } : one)));
	}, []);

	const start = useCallback(async (id: number, file: File) => {
		if (!onUpload)
			return;
		const abort = new AbortController();
		jobs.current.set(id, { file, abort });
		change(id, { status: 'uploading', progress: 0 });
		try {
			const measured = measure(file);
			const url = await onUpload(file, (part) => change(id, { progress: Math.min(1, Math.max(0, part)) }), abort.signal);
			change(id, { status: 'done', progress: 1, url, metadata: { name: file.name, size: file.size, ...await measured } });
		} catch {
			/* What went wrong is the application's to log; a cancelled one is gone already. */
			change(id, { status: 'failed' });
		}
	}, [onUpload, change]);

	const add = useCallback((files: Iterable<File>) => {
		for (const file of files) {
			const id = nextId.current++;
			const shown: Upload = {
				id, name: file.name, size: file.size, isImage: file.type.startsWith('image/'), previewUrl: previewOf(file),
				progress: 0, status: 'uploading', url: null, metadata: {},
			};
			setUploads((all) => [...all, shown]);
			void start(id, file);
		}
	}, [start]);

	const remove = useCallback((id: number) => {
		jobs.current.get(id)?.abort.abort();
		jobs.current.delete(id);
		setUploads((all) => {
			const gone = all.find((one) => one.id === id);
			if (gone?.previewUrl)
				URL.revokeObjectURL(gone.previewUrl);
			return all.filter((one) => one.id !== id);
		});
	}, []);

	const retry = useCallback((id: number) => {
		const job = jobs.current.get(id);
		if (job)
			void start(id, job.file);
	}, [start]);

	/* Whoever leaves cancels, and lets the pictures go. */
	const shown = useRef(uploads);
	useEffect(() => {
		shown.current = uploads;
	}, [uploads]);
	useEffect(() => {
		const running = jobs.current;
		return () => {
			for (const { abort } of running.values())
				abort.abort();
			for (const { previewUrl } of shown.current)
				if (previewUrl)
					URL.revokeObjectURL(previewUrl);
		};
	}, []);

	function take(): MessageDraft[] {
		const done = uploads.filter((one) => one.status === 'done' && one.url !== null);
		for (const { id } of done)
			remove(id);
		return done.map((one) => ({
			content: '', message_type: one.isImage ? 'image' : 'file', file_url: one.url ?? '', metadata: one.metadata,
		}));
	}

	return { uploads, busy: uploads.some((one) => one.status === 'uploading'), add, remove, retry, take };
}
