/*
 * MessageList.tsx: the conversation: messages, notices and what is on its way,
 * oldest first. It stays at the end while the reader is there, keeps the place
 * while older lines are loaded before it, and marks as read what was on the
 * screen.
 */

import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import type { ReactElement, RefObject } from 'react';
import type { LineEntry, Room, RoomState } from '../client/index.js';
import { useRoomState, useTaskChat } from './hooks.js';
import { MessageItem, NoticeItem, PendingItem } from './MessageItem.js';
import { day, describeNotice, plainName } from './names.js';
import type { NameOf } from './names.js';

export interface MessageListProps {
	room: Room;
	nameOf?: NameOf;
}

/* Nearer to the end than this (in pixels) counts as being there. */
const NEAR_END = 48;
const NEAR_START = 80;

/* Who has read up to which own message: seq of the newest one read → names. */
function readMarks(state: RoomState, me: string | null, nameOf: NameOf): Map<number, string> {
	const mine = state.entries.filter((entry) => entry.kind === 'message' && entry.message.sender_id === me);
	const readers = new Map<number, string[]>();
	for (const member of state.members) {
		if (member.user_id === me)
			continue;
		const last = mine.findLast((entry) => entry.seq <= member.last_read_seq);
		if (last)
			readers.set(last.seq, [...(readers.get(last.seq) ?? []), nameOf(member.user_id)]);
	}
	/* In a talk of two the word alone says it. */
	const alone = state.members.length <= 2;
	return new Map([...readers].map(([seq, names]) => [seq, alone ? 'Seen' : `Seen by ${names.join(', ')}`]));
}

function senderOf(entry: LineEntry | undefined): string | null {
	return entry?.kind === 'message' && !entry.message.is_system_message ? entry.message.sender_id : null;
}

interface EntryContext {
	state: RoomState;
	me: string | null;
	nameOf: NameOf;
}

/* The entries with a heading for each day and a name where the sender changes. */
function entryItems({ state, me, nameOf }: EntryContext): ReactElement[] {
	const marks = readMarks(state, me, nameOf);
	const items: ReactElement[] = [];
	let lastDay = '';
	state.entries.forEach((entry, index) => {
		if (entry.kind === 'notice') {
			items.push(
				<NoticeItem key={entry.seq} seq={entry.seq} type={entry.event.type}>
					{describeNotice(entry.event, nameOf)}
				</NoticeItem>,
			);
			return;
		}
		const { message } = entry;
		const thisDay = day(message.created_at);
		const newDay = thisDay !== lastDay;
		if (newDay)
			items.push(<li key={`day ${thisDay} ${entry.seq}`} className="tc-day">{thisDay}</li>);
		lastDay = thisDay;
		const sender = message.sender_id;
		const repeated = !newDay && sender !== null && senderOf(state.entries[index - 1]) === sender;
		items.push(
			<MessageItem
				key={entry.seq} message={message} mine={sender !== null && sender === me}
				name={repeated || sender === null ? null : nameOf(sender)} seen={marks.get(entry.seq) ?? null}
			/>,
		);
	});
	return items;
}

interface Place {
	atEnd: boolean;
	height: number;
	firstSeq: number | undefined;
}

/* Keeps the end in view, or the place where older lines came in before it. */
function useStablePlace(list: RefObject<HTMLDivElement | null>, state: RoomState): RefObject<Place> {
	const place = useRef<Place>({ atEnd: true, height: 0, firstSeq: undefined });
	const firstSeq = state.entries[0]?.seq;
	useLayoutEffect(() => {
		const element = list.current;
		if (!element)
			return;
		const before = place.current;
		if (before.atEnd)
			element.scrollTop = element.scrollHeight;
		else if (firstSeq !== undefined && before.firstSeq !== undefined && firstSeq < before.firstSeq)
			element.scrollTop += element.scrollHeight - before.height;
		place.current = { ...before, height: element.scrollHeight, firstSeq };
	}, [list, state, firstSeq]);
	useEffect(() => {
		const element = list.current;
		const content = element?.firstElementChild;
		if (!element || !content || typeof ResizeObserver === 'undefined')
			return;
		/* Images and the window change heights after rendering. */
		const observer = new ResizeObserver(() => {
			if (place.current.atEnd)
				element.scrollTop = element.scrollHeight;
			place.current.height = element.scrollHeight;
		});
		observer.observe(content);
		observer.observe(element);
		return () => observer.disconnect();
	}, [list]);
	return place;
}

/* Marks as read while the end is in view and the page is looked at. */
function useReadMarks(room: Room, state: RoomState, atEnd: boolean): void {
	const { lastSeq, phase } = state;
	useEffect(() => {
		function mark(): void {
			if (atEnd && phase === 'joined' && lastSeq > 0 && document.visibilityState === 'visible')
				room.markRead(lastSeq);
		}
		mark();
		document.addEventListener('visibilitychange', mark);
		return () => document.removeEventListener('visibilitychange', mark);
	}, [room, lastSeq, phase, atEnd]);
}

export function MessageList({ room, nameOf = plainName }: MessageListProps): ReactElement {
	const { connection } = useTaskChat();
	const state = useRoomState(room);
	const list = useRef<HTMLDivElement>(null);
	const place = useStablePlace(list, state);
	const [atEnd, setAtEnd] = useState(true);
	const [olderFailed, setOlderFailed] = useState(false);
	useReadMarks(room, state, atEnd);

	const loadOlder = useCallback(() => {
		setOlderFailed(false);
		room.loadOlder().catch(() => setOlderFailed(true));
	}, [room]);

	function onScroll(): void {
		const element = list.current;
		if (!element)
			return;
		const isAtEnd = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END;
		place.current.atEnd = isAtEnd;
		setAtEnd(isAtEnd);
		if (element.scrollTop < NEAR_START && !isAtEnd && !olderFailed)
			loadOlder();
	}

	function toEnd(): void {
		list.current?.scrollTo({ top: list.current.scrollHeight, behavior: 'smooth' });
	}

	const empty = state.phase === 'joined' && state.entries.length === 0 && state.pending.length === 0;
	return (
		<div className="tc-list-frame">
			<div
				ref={list} className="tc-list" data-testid="message-list" role="log" tabIndex={0} aria-label="Messages"
				aria-busy={state.loadingOlder || state.phase === 'joining'} onScroll={onScroll}
			>
				<ul>
					{state.hasOlder && (
						<li className="tc-older">
							<button type="button" data-testid="load-older" disabled={state.loadingOlder} onClick={loadOlder}>
								{state.loadingOlder ? 'Loading…' : olderFailed ? 'Could not load. Try again' : 'Earlier messages'}
							</button>
						</li>
					)}
					{empty && <li className="tc-empty">No messages yet. Say hello!</li>}
					{entryItems({ state, me: connection.userId, nameOf })}
					{state.pending.map((pending) => (
						<PendingItem key={pending.clientMsgId} pending={pending} room={room} />
					))}
				</ul>
			</div>
			{!atEnd && (
				<button type="button" className="tc-to-end" onClick={toEnd}>
					{state.unread > 0 ? `${state.unread} new` : 'Latest'} <span aria-hidden="true">↓</span>
				</button>
			)}
		</div>
	);
}
