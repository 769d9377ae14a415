/*
 * MessageList.tsx: the conversation: messages, notices and what is on its way,
 * oldest first. Only the rows near the view are in the page (window.ts); the
 * reader's place is kept while older ones are loaded before it, and the end
 * is kept in view while the reader is there.
 *
 * It shows what it is given and knows no client; useConversation() makes
 * its properties from a room.
 */

'use client';

import { memo, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import type { ReactElement, RefObject } from 'react';
import type { LineEntry, Member, PendingMessage } from '../client/index.js';
import { makeMarks, useAnnouncements, useReading, useUnreadLine } from './listState.js';
import type { Reading } from './listState.js';
import { MessageRow } from './MessageRow.js';
import { moveAmongActions } from './MessageActions.js';
import type { MessageActions } from './MessageActions.js';
import { firstUnread, rowAt, rowKeys } from './rows.js';
import { useUi } from './settings.js';
import { useListWindow } from './window.js';
import type { ListWindowHandle } from './window.js';

export interface MessageListProps extends MessageActions {
	/** Messages and notices in order of seq. */
	entries: readonly LineEntry[];
	/** Messages on their way, shown after the entries. */
	pending?: readonly PendingMessage[];
	/** The reader. */
	userId: string | null;
	/** The members, for how far own messages came. */
	members?: readonly Member[];
	/** Up to date with the server [true]: nothing is marked as read before. */
	live?: boolean;
	/** The newest seq that is here [that of the last entry]. */
	lastSeq?: number;
	/** The reader's own read mark, and how many messages of others come after it. */
	readSeq?: number;
	unread?: number;
	hasOlder?: boolean;
	loadingOlder?: boolean;
	/** Asked for when the reader comes near the beginning; rejects when it failed. */
	onLoadOlder?: () => Promise<unknown> | void;
	/** The reader has seen everything up to this seq. */
	onRead?: (seq: number) => void;
}

/* Nearer to the beginning than this (in pixels): older ones are asked for. */
const NEAR_START = 1_200;
/* Where the unread line is put, under the top of the view. */
const UNREAD_BELOW = 56;
/* Where a message that was looked for is put, and how long it is marked. */
const FOUND_BELOW = 120;
const FOUND_MS = 1_600;
const NO_MEMBERS: readonly Member[] = [];
const NOTHING_PENDING: readonly PendingMessage[] = [];

/* Asks for older ones whenever the reader is near the beginning. */
function useOlder(props: MessageListProps, scroller: RefObject<HTMLDivElement | null>): {
	failed: boolean; load(): void; check(): void;
} {
	const { hasOlder = false, loadingOlder = false, onLoadOlder, entries } = props;
	const [failed, setFailed] = useState(false);
	const load = useCallback(() => {
		setFailed(false);
		onLoadOlder?.()?.catch(() => setFailed(true));
	}, [onLoadOlder]);
	const check = useCallback(() => {
		const element = scroller.current;
		if (element && element.clientHeight > 0 && element.scrollTop < NEAR_START && hasOlder && !loadingOlder && !failed)
			load();
	}, [scroller, hasOlder, loadingOlder, failed, load]);
	/* The page that came may not have been enough. */
	useEffect(check, [check, entries.length]);
	return { failed, load, check };
}

/* Once, when the list is live: to the first unread message, if it is out of view. */
function useFirstPlace(props: Reading, model: ListWindowHandle['model']): void {
	const { live, entries, userId, readSeq, unread } = props;
	const done = useRef(false);
	useLayoutEffect(() => {
		if (done.current || !live || entries.length === 0)
			return;
		done.current = true;
		const entry = unread > 0 ? entries[firstUnread({ entries, userId }, readSeq)] : undefined;
		if (entry)
			model.toKey(entry.seq, UNREAD_BELOW);
	}, [live, entries, userId, readSeq, unread, model]);
}

/* When the row that had the focus goes out of the page, the list takes it. */
function useKeptFocus(scroller: RefObject<HTMLDivElement | null>): { onFocus(): void; onBlur(): void } {
	const inside = useRef(false);
	useLayoutEffect(() => {
		if (!inside.current || !scroller.current || scroller.current.contains(document.activeElement))
			return;
		/* An element that is removed tells of no blur. */
		if (document.activeElement && document.activeElement !== document.body)
			inside.current = false;
		else
			scroller.current.focus({ preventScroll: true });
	});
	return useMemo(() => ({
		onFocus: () => {
			inside.current = true;
		},
		onBlur: () => {
			inside.current = false;
		},
	}), []);
}

/* Whoever sends wants to see it. */
function useOwnInView(pendingCount: number, toEnd: () => void): void {
	const before = useRef(pendingCount);
	useEffect(() => {
		if (pendingCount > before.current)
			toEnd();
		before.current = pendingCount;
	}, [pendingCount, toEnd]);
}

/* Brings a message that is answered into view, and marks it for a moment. */
function useFinding(model: ListWindowHandle['model']): { found: number | null; find: (seq: number) => void } {
	const [found, setFound] = useState<number | null>(null);
	useEffect(() => {
		if (found === null)
			return;
		const timer = setTimeout(() => setFound(null), FOUND_MS);
		return () => clearTimeout(timer);
	}, [found]);
	const find = useCallback((seq: number) => {
		model.toKey(seq, FOUND_BELOW);
		setFound(seq);
	}, [model]);
	return { found, find };
}

function Head({ props, older }: { props: MessageListProps; older: { failed: boolean; load(): void } }): ReactElement | null {
	const { labels } = useUi();
	const { entries, pending = NOTHING_PENDING, hasOlder = false, loadingOlder = false, live = true } = props;
	if (hasOlder)
		return (
			<div className="tc-head">
				<button type="button" data-testid="load-older" disabled={loadingOlder} onClick={older.load}>
					{loadingOlder ? labels.loadingOlder : older.failed ? labels.olderFailed : labels.older}
				</button>
			</div>
		);
	if (!live && entries.length === 0)
		return null;
	return <div className="tc-head">{entries.length + pending.length === 0 ? labels.empty : labels.beginning}</div>;
}

function useActions({ onRetry, onDiscard, onReply, onEdit, onDelete }: MessageActions): MessageActions {
	return useMemo(() => ({
		...(onRetry && { onRetry }), ...(onDiscard && { onDiscard }), ...(onReply && { onReply }), ...(onEdit && { onEdit }),
		...(onDelete && { onDelete }),
	}), [onRetry, onDiscard, onReply, onEdit, onDelete]);
}

/** Renders again only when a property is another one. */
export const MessageList = memo(function MessageList(props: MessageListProps): ReactElement {
	const { entries, userId, members = NO_MEMBERS, live = true, readSeq = 0, unread = 0 } = props;
	const { labels, formats } = useUi();
	const pending = props.pending?.length ? props.pending : NOTHING_PENDING;
	const keys = useMemo(() => rowKeys(entries, pending), [entries, pending]);
	const { scroller, list, span, model, version, onScroll, toEnd } = useListWindow(keys);
	const { atEnd } = model;
	const lastSeq = props.lastSeq ?? entries[entries.length - 1]?.seq ?? 0;
	const reading: Reading = { entries, userId, live, lastSeq, readSeq, unread, atEnd };
	const unreadAfter = useUnreadLine(reading, pending.length);
	const said = useAnnouncements(reading);
	const older = useOlder(props, scroller);
	const actions = useActions(props);
	const focus = useKeptFocus(scroller);
	const { found, find } = useFinding(model);
	useFirstPlace(reading, model);
	useReading(reading, model, version, props.onRead);
	useOwnInView(pending.length, toEnd);

	const marks = useMemo(() => makeMarks(entries, members, userId), [entries, members, userId]);
	const unreadAt = useMemo(
		() => (unreadAfter === null ? -1 : firstUnread({ entries, userId }, unreadAfter)), [entries, userId, unreadAfter],
	);
	const talk = { entries, pending, userId, unreadAt, formats };
	const rows = Array.from({ length: span.end - span.start }, (_, at) => rowAt(talk, span.start + at));
	const stop = rows.findLastIndex(({ entry }) => entry?.kind === 'message' && !entry.message.deleted_at && !entry.message.is_system_message);
	return (
		<div className="tc-list-frame">
			<div
				ref={scroller} className="tc-list" data-testid="message-list" role="log" aria-live="off" aria-label={labels.messages}
				aria-busy={!live || props.loadingOlder === true} tabIndex={0} style={{ position: 'relative', overflowAnchor: 'none' }}
				onScroll={() => {
					onScroll();
					older.check();
				}}
				onKeyDown={(event) => {
					if (moveAmongActions(event.currentTarget, event.key, event.target as Element))
						event.preventDefault();
				}}
				{...focus}
			>
				<Head props={props} older={older} />
				<ul ref={list} className="tc-rows" style={{ paddingTop: span.before, paddingBottom: span.after }}>
					{rows.map((row, at) => (
						<MessageRow
							key={row.key} row={row} status={marks.status(row)} seenBy={marks.seenBy(row)} actions={actions}
							tabStop={at === stop} found={found !== null && row.entry?.seq === found} onFind={find}
						/>
					))}
				</ul>
			</div>
			{!atEnd && (
				<button type="button" className="tc-to-end" data-new={unread > 0} data-testid="to-end" onClick={toEnd}>
					{unread > 0 ? labels.newCount(unread) : <span className="tc-hidden">{labels.toLatest}</span>}
					<span aria-hidden="true">↓</span>
				</button>
			)}
			<div className="tc-hidden" role="status" aria-live="polite" aria-atomic="false" data-testid="announcements">
				{said.map(({ key, text }) => <p key={key}>{text}</p>)}
			</div>
		</div>
	);
});
