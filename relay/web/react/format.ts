/*
 * format.ts: times, days and sizes as Intl writes them in a language, and
 * URLs that may become links. Formatters are kept, for making one is a
 * hundred times dearer than using it.
 */

import type { Labels } from './labels.js';

export interface Formats {
	/** "14:05" */
	clock(time: string): string;
	/** Date and time in full, for titles. */
	full(time: string): string;
	/** "Today", "Yesterday", or the date. */
	day(time: string, now?: Date): string;
	/** "5 minutes ago", or the day. */
	ago(time: string, now?: number): string;
	/** "1.2 MB" */
	bytes(size: number): string;
	/** True for two times of one calendar day. */
	sameDay(one: string, other: string): boolean;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Makes the formats of a language (undefined: the system's) and time zone. */
export function makeFormats(labels: Labels, locale?: string, timeZone?: string): Formats {
	const zone = timeZone === undefined ? {} : { timeZone };
	const clock = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', ...zone });
	const full = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'short', ...zone });
	const date = new Intl.DateTimeFormat(locale, { weekday: 'short', day: 'numeric', month: 'short', ...zone });
	const dateOfYear = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric', ...zone });
	const key = new Intl.DateTimeFormat('en-CA', { dateStyle: 'short', ...zone });
	const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'always', style: 'short' });
	const megabytes = new Intl.NumberFormat(locale, { style: 'unit', unit: 'megabyte', maximumFractionDigits: 1 });
	const kilobytes = new Intl.NumberFormat(locale, { style: 'unit', unit: 'kilobyte', maximumFractionDigits: 0 });

	function day(time: string, now: Date = new Date()): string {
		const at = new Date(time);
		if (key.format(at) === key.format(now))
			return labels.today;
		if (key.format(at) === key.format(now.getTime() - DAY))
			return labels.yesterday;
		return Math.abs(now.getTime() - at.getTime()) < 180 * DAY ? date.format(at) : dateOfYear.format(at);
	}

	function ago(time: string, now: number = Date.now()): string {
		const passed = Math.max(0, now - Date.parse(time));
		if (passed < MINUTE)
			return labels.justNow;
		if (passed < HOUR)
			return relative.format(-Math.floor(passed / MINUTE), 'minute');
		return passed < DAY ? relative.format(-Math.floor(passed / HOUR), 'hour') : day(time, new Date(now));
	}

	/* Neighbours in a list are asked about again and again; a text of Intl costs a thousand comparisons. */
	const days = new Map<string, string>();
	function dayKey(time: string): string {
		/* No zone changes its day within a quarter of an hour of UTC. */
		const quarter = time.endsWith('Z') ? `${time.slice(0, 14)}${Math.floor(Number(time.slice(14, 16)) / 15)}` : time;
		const known = days.get(quarter);
		if (known !== undefined)
			return known;
		const found = key.format(new Date(time));
		days.set(quarter, found);
		return found;
	}

	return {
		day,
		ago,
		clock: (time) => clock.format(new Date(time)),
		full: (time) => full.format(new Date(time)),
		sameDay: (one, other) => dayKey(one) === dayKey(other),
		bytes: (size) => (size < 1_000_000 ? kilobytes.format(Math.max(1, size / 1000)) : megabytes.format(size / 1_000_000)),
	};
}

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

/** A piece of a text: words, or an address that may become a link. */
export type TextPart = { text: string; url: string | null };

const ADDRESS = /https?:\/\/[^\s<>"'`]+/gi;
/* What ends a sentence rather than an address. */
const TAIL = /[.,;:!?…)\]}]+$/;

function splitTail(found: string): [string, string] {
	const tail = TAIL.exec(found)?.[0] ?? '';
	const address = found.slice(0, found.length - tail.length);
	/* A closing parenthesis that was opened inside belongs to the address. */
	return tail.startsWith(')') && address.includes('(') ? [`${address})`, tail.slice(1)] : [address, tail];
}

/** Cuts a text at the addresses in it. */
export function linkParts(text: string): TextPart[] {
	const parts: TextPart[] = [];
	let at = 0;
	for (const match of text.matchAll(ADDRESS)) {
		const [address] = splitTail(match[0]);
		const url = safeUrl(address);
		if (url === null)
			continue;
		if (match.index > at)
			parts.push({ text: text.slice(at, match.index), url: null });
		parts.push({ text: address, url });
		at = match.index + address.length;
	}
	if (at < text.length)
		parts.push({ text: text.slice(at), url: null });
	return parts;
}
