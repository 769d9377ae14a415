/*
 * names.ts: what the components write for people, times, URLs and events.
 *
 * Only words are made here; who is named how is the application's matter
 * (NameOf).
 */

import type { LineEntry, MemberRole } from '../client/index.js';

/** Gives the name to show for a user id. */
export type NameOf = (userId: string) => string;

export const plainName: NameOf = (userId) => userId;

/** The URL if it may become a link or an image (http and https only), else null. */
export function safeUrl(text: string | null | undefined): string | null {
	try {
		const url = new URL(text ?? '');
		return url.protocol === 'https:' || url.protocol === 'http:' ? url.href : null;
	} catch {
		return null;
	}
}

/** The last part of a URL's path, for the text of a link. */
export function fileName(url: string): string {
	const last = new URL(url).pathname.split('/').pop() ?? '';
	try {
		return decodeURIComponent(last) || new URL(url).hostname;
	} catch {
		return last;
	}
}

/** "14:05" */
export function clock(time: string): string {
	return new Date(time).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
}

/** "Today", "Yesterday", or the date. */
export function day(time: string, now: Date = new Date()): string {
	const at = new Date(time);
	const yesterday = new Date(now);
	yesterday.setDate(now.getDate() - 1);
	if (at.toDateString() === now.toDateString())
		return 'Today';
	if (at.toDateString() === yesterday.toDateString())
		return 'Yesterday';
	return at.toLocaleDateString(undefined, { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' });
}

/** "just now", "5 min ago", "3 h ago", or the date. */
export function ago(time: string, now: number = Date.now()): string {
	const minutes = Math.floor((now - Date.parse(time)) / 60_000);
	if (minutes < 1)
		return 'just now';
	if (minutes < 60)
		return `${minutes} min ago`;
	return minutes < 24 * 60 ? `${Math.floor(minutes / 60)} h ago` : day(time);
}

/** "in_progress" → "in progress" */
export function words(value: unknown): string {
	if (value === null || value === undefined)
		return 'none';
	return typeof value === 'object' ? JSON.stringify(value) : String(value).replaceAll('_', ' ');
}

function describeChange(field: string, change: unknown): string {
	if (typeof change === 'object' && change !== null && 'new' in change)
		return `${words(field)}: ${'old' in change ? `${words(change.old)} → ` : ''}${words(change.new)}`;
	return `${words(field)}: ${words(change)}`;
}

function withArticle(role: MemberRole): string {
	return role === 'applicant' || role === 'observer' ? `an ${role}` : role === 'creator' ? 'the creator' : `a ${role}`;
}

/** One line that says what a notice of the conversation means. */
export function describeNotice(event: Extract<LineEntry, { kind: 'notice' }>['event'], nameOf: NameOf): string {
	switch (event.type) {
		case 'member_joined':
			return `${nameOf(event.user_id)} joined as ${withArticle(event.role)}`;
		case 'member_left':
			return `${nameOf(event.user_id)} left`;
		case 'member_role_changed':
			return `${nameOf(event.user_id)} is now ${withArticle(event.role)}`;
		case 'room_closed':
			return 'The conversation was closed';
		case 'room_opened':
			return 'The conversation was opened again';
		case 'task_update': {
			const changes = Object.entries(event.changes ?? {});
			return `Task updated: ${changes.map(([field, change]) => describeChange(field, change)).join(', ')}`;
		}
	}
}

/** "Ann is typing", "Ann and Bo are typing", "Several people are typing". */
export function describeTyping(names: readonly string[]): string {
	const [first, second, third] = names;
	if (first === undefined)
		return '';
	if (second === undefined)
		return `${first} is typing…`;
	return third === undefined ? `${first} and ${second} are typing…` : 'Several people are typing…';
}
