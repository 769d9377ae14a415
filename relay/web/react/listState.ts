/*
 * listState.ts: what a list of messages knows of its reader: where the unread
 * line stands, what counts as read, and what a screen reader is told. The list
 * itself is no live region, or it would read history out; what comes in is
 * said once, here.
 */

'use client';

import { useEffect, useRef, useState } from 'react';
import type { LineEntry, Member, MessageStatus } from '../client/index.js';
import { indexAfter } from './rows.js';
import type { Row } from './rows.js';
import { usePeople, useUi } from './settings.js';

/** As much of MessageList's properties as the hooks here need. */
export interface Reading {
	entries: readonly LineEntry[];
	userId: string | null;
	/** Up to date with the server. */
	live: boolean;
	/** The newest seq that is here. */
	lastSeq: number;
	/** The reader's own mark. */
	readSeq: number;
	/** Messages of others after it. */
	unread: number;
	atEnd: boolean;
}

/** Tells at any moment whether the end is in view. */
export interface EndWatch {
	endIsSeen(): boolean;
}

/**
 * The seq after which the unread line stands, or null. It is drawn when unread
 * messages were there on coming (back), or come in while nobody looks; it goes
 * with the reader's own next message.
 */
export function useUnreadLine({ live, readSeq, unread, atEnd }: Reading, ownCount: number): number | null {
	const [line, setLine] = useState<number | null>(null);
	const wasLive = useRef(false);
	const drawn = useRef(false);
	useEffect(() => {
		const cameBack = live && !wasLive.current;
		wasLive.current = live;
		if (unread === 0)
			drawn.current = false;
		else if (live && !drawn.current && (cameBack || !atEnd || document.visibilityState === 'hidden')) {
			drawn.current = true;
			setLine(readSeq);
		}
	}, [live, readSeq, unread, atEnd]);
	useEffect(() => {
		if (ownCount > 0)
			setLine(null);
	}, [ownCount]);
	return line;
}

/** Calls `onRead` while the end is in view and the page is looked at; asks again with each `version`. */
export function useReading(
	{ live, lastSeq }: Reading, end: EndWatch, version: number, onRead: ((seq: number) => void) | undefined,
): void {
	useEffect(() => {
		function mark(): void {
			if (end.endIsSeen() && live && lastSeq > 0 && document.visibilityState === 'visible')
				onRead?.(lastSeq);
		}
		mark();
		document.addEventListener('visibilitychange', mark);
		return () => document.removeEventListener('visibilitychange', mark);
	}, [onRead, lastSeq, live, end, version]);
}

export interface Announcement {
	key: number;
	text: string;
}

/* More than these at once are only counted. */
const SAY_AT_MOST = 3;
const FORGET_AFTER_MS = 8_000;

/** What is to be said of things that came in from others; history never is. */
export function useAnnouncements({ entries, userId, live }: Reading): readonly Announcement[] {
	const { labels } = useUi();
	const person = usePeople();
	const [said, setSaid] = useState<readonly Announcement[]>([]);
	const heard = useRef<number | null>(null);
	useEffect(() => {
		if (!live)
			return;
		const last = entries[entries.length - 1]?.seq ?? 0;
		const before = heard.current;
		heard.current = last;
		if (before === null || last <= before)
			return;
		const fresh = newFromOthers(entries, before, userId);
		if (fresh.length > SAY_AT_MOST)
			setSaid([{ key: last, text: labels.announceMany(fresh.length) }]);
		else if (fresh.length > 0) {
			const nameOf = (id: string): string => person(id).name;
			const more = fresh.map((entry) => ({ key: entry.seq, text: toSpeech(entry, nameOf, labels) }));
			setSaid((known) => [...known, ...more].slice(-SAY_AT_MOST));
		}
	}, [entries, userId, live, labels, person]);
	useEffect(() => {
		if (said.length === 0)
			return;
		const timer = setTimeout(() => setSaid([]), FORGET_AFTER_MS);
		return () => clearTimeout(timer);
	}, [said]);
	return said;
}

function newFromOthers(entries: readonly LineEntry[], after: number, userId: string | null): LineEntry[] {
	const fresh: LineEntry[] = [];
	for (let at = entries.length - 1; at >= 0; at--) {
		const entry = entries[at];
		if (!entry || entry.seq <= after)
			break;
		if (entry.kind === 'notice' || entry.message.sender_id !== userId)
			fresh.unshift(entry);
	}
	return fresh;
}

function toSpeech(entry: LineEntry, nameOf: (id: string) => string, labels: ReturnType<typeof useUi>['labels']): string {
	if (entry.kind === 'notice')
		return labels.notice(entry.event, nameOf);
	const { sender_id: sender, content, message_type: type } = entry.message;
	const text = content || (type === 'image' ? labels.image : entry.message.file_url ?? '');
	return sender === null ? text : labels.announce(nameOf(sender), text);
}

/** How far own messages came, by the marks of the other members. */
export interface Marks {
	status(row: Row): MessageStatus | null;
	seenBy(row: Row): readonly string[];
}

const NOBODY: readonly string[] = [];

/* Further back than this nobody looks for who has seen it. */
const LOOK_BACK = 200;

/* The seq of the newest own message up to this one, or null. */
function newestOwn(entries: readonly LineEntry[], upTo: number, userId: string | null): number | null {
	const end = indexAfter(entries, upTo);
	for (let at = end - 1; at >= Math.max(0, end - LOOK_BACK); at--) {
		const entry = entries[at];
		if (entry?.kind === 'message' && entry.message.sender_id === userId)
			return entry.seq;
	}
	return null;
}

export function makeMarks(entries: readonly LineEntry[], members: readonly Member[], userId: string | null): Marks {
	const others = members.filter((member) => member.user_id !== userId);
	const delivered = Math.max(0, ...others.map((member) => member.last_delivered_seq));
	const read = Math.max(0, ...others.map((member) => member.last_read_seq));
	const seen = new Map<number, string[]>();
	/* In a talk of two the mark at the time says it. */
	for (const { user_id: reader, last_read_seq: upTo } of others.length > 1 ? others : []) {
		const newest = newestOwn(entries, upTo, userId);
		if (newest !== null)
			seen.set(newest, [...(seen.get(newest) ?? []), reader]);
	}
	return {
		status({ entry, pending, mine }) {
			if (pending)
				return pending.status;
			if (!mine || !entry)
				return null;
			if (entry.seq <= read)
				return 'read';
			return entry.seq <= delivered ? 'delivered' : 'sent';
		},
		seenBy: ({ entry }) => (entry && seen.get(entry.seq)) ?? NOBODY,
	};
}
