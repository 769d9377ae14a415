/*
 * rows.ts: what stands in each line of the conversation: the entries of the
 * line, then the messages on their way. A row is worked out only when it is
 * shown, from its neighbours, so ten thousand of them cost nothing.
 */

import type { LineEntry, Message, PendingMessage } from '../client/index.js';
import type { Formats } from './format.js';

export type RowKey = number | string;

export interface Conversation {
	entries: readonly LineEntry[];
	pending: readonly PendingMessage[];
	userId: string | null;
	/** The unread line stands before the row with this index; -1: nowhere. */
	unreadAt: number;
	formats: Formats;
}

export interface Row {
	/** For React: the same while a message turns from pending to committed. */
	key: string;
	entry: LineEntry | null;
	pending: PendingMessage | null;
	mine: boolean;
	/** A time on the day that begins here, or null. */
	day: string | null;
	unread: boolean;
	/** The message that this one answers; true: one that isn't loaded; null: none. */
	reply: Message | true | null;
	/** First and last of one sender's messages in a row. */
	first: boolean;
	last: boolean;
}

/* Two messages of one sender further apart than this are no group. */
const GROUP_MS = 5 * 60_000;
/* How many notices are looked past for the message before. */
const LOOK_BACK = 40;

/** The keys of all rows, in order: seqs, then the ids of pending messages. */
export function rowKeys(entries: readonly LineEntry[], pending: readonly PendingMessage[]): RowKey[] {
	const keys: RowKey[] = new Array<RowKey>(entries.length + pending.length);
	for (let index = 0; index < entries.length; index++)
		keys[index] = entries[index]?.seq ?? 0;
	pending.forEach((one, index) => {
		keys[entries.length + index] = one.clientMsgId;
	});
	return keys;
}

interface Spoken {
	sender: string | null;
	time: string;
}

function messageAt(entries: readonly LineEntry[], index: number): Message | null {
	const entry = entries[index];
	return entry?.kind === 'message' ? entry.message : null;
}

/* Who says what stands at this index, and when; null for notices and system messages. */
function spokenAt({ entries, pending, userId }: Conversation, index: number): Spoken | null {
	const waiting = pending[index - entries.length];
	if (waiting)
		return { sender: userId, time: waiting.createdAt };
	const message = messageAt(entries, index);
	return message && !message.is_system_message ? { sender: message.sender_id, time: message.created_at } : null;
}

function together(talk: Conversation, one: Spoken | null, other: Spoken | null): boolean {
	return one !== null && other !== null && one.sender === other.sender
		&& Math.abs(Date.parse(other.time) - Date.parse(one.time)) < GROUP_MS
		&& talk.formats.sameDay(one.time, other.time);
}

/* The time of the nearest message before (−1) or after (1) this index; notices have none. */
function nearTime(entries: readonly LineEntry[], index: number, step: 1 | -1): string | null {
	for (let at = index + step; at >= 0 && at < entries.length && Math.abs(at - index) <= LOOK_BACK; at += step) {
		const message = messageAt(entries, at);
		if (message)
			return message.created_at;
	}
	return null;
}

/* Notices before the first message belong to its day. */
function dayAt(talk: Conversation, index: number, time: string | null): string | null {
	const { entries, formats } = talk;
	if (index === 0)
		return time ?? nearTime(entries, 0, 1);
	if (time === null)
		return null;
	const before = nearTime(entries, Math.min(index, entries.length), -1);
	if (before === null)
		return index > LOOK_BACK ? time : null;
	return formats.sameDay(before, time) ? null : time;
}

/** True for messages of others, which the reader may not have seen. */
function fromOthers(entry: LineEntry | undefined, userId: string | null): boolean {
	return entry?.kind === 'message' && entry.message.sender_id !== userId;
}

/** The index of the first entry after `seq`. */
export function indexAfter(entries: readonly LineEntry[], seq: number): number {
	let low = 0;
	let high = entries.length;
	while (low < high) {
		const middle = (low + high) >> 1;
		if ((entries[middle]?.seq ?? 0) > seq)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/** The index of the first message of others after `seq`, or -1. */
export function firstUnread({ entries, userId }: Pick<Conversation, 'entries' | 'userId'>, seq: number): number {
	let at = indexAfter(entries, seq);
	while (at < entries.length && !fromOthers(entries[at], userId))
		at++;
	return at < entries.length ? at : -1;
}

/* What is answered stands before the answer, mostly not far. */
function replyAt(entries: readonly LineEntry[], index: number, id: string | null): Message | true | null {
	if (id === null)
		return null;
	for (let at = Math.min(index, entries.length) - 1; at >= 0; at--) {
		const message = messageAt(entries, at);
		if (message?.id === id)
			return message;
	}
	return true;
}

/** The row at an index of rowKeys(). */
export function rowAt(talk: Conversation, index: number): Row {
	const { entries, pending, userId, unreadAt } = talk;
	const entry = entries[index] ?? null;
	const waiting = pending[index - entries.length] ?? null;
	const message = messageAt(entries, index);
	const here = spokenAt(talk, index);
	const mine = waiting !== null || (here !== null && userId !== null && here.sender === userId);
	const day = dayAt(talk, index, waiting?.createdAt ?? message?.created_at ?? null);
	const unread = unreadAt === index;
	const id = waiting?.clientMsgId ?? (mine ? message?.client_msg_id : null);
	return {
		key: id ? `c${id}` : `s${entry?.seq ?? index}`,
		entry,
		pending: waiting,
		mine,
		day,
		unread,
		reply: replyAt(entries, index, waiting?.draft.reply_to ?? message?.reply_to ?? null),
		first: day !== null || unread || !together(talk, spokenAt(talk, index - 1), here),
		last: !together(talk, here, spokenAt(talk, index + 1)) || unreadAt === index + 1,
	};
}
