/*
 * window.ts: which rows of a long list are rendered, and where the list is
 * scrolled to. Rows have any height; a height is guessed until the row was
 * rendered once. What the reader looks at stays where it is: the row at the
 * top of the view is the anchor, whatever is added, removed or turns out to be
 * higher above it; a reader at the end stays at the end.
 *
 * ListWindow knows the page only through the two elements that it is given;
 * useListWindow() ties it to React.
 */

'use client';

import { useCallback, useEffect, useLayoutEffect, useRef, useState, useSyncExternalStore } from 'react';
import type { RefObject } from 'react';

export type Key = number | string;

/** Rows start … end−1 are rendered, between two empty spaces (pixels). */
export interface Span {
	start: number;
	end: number;
	before: number;
	after: number;
}

interface Anchor {
	key: Key;
	/** How far the top of the view is below the top of that row. */
	into: number;
}

const GUESS = 60;
/* Rendered beyond both edges of the view, in pixels. */
const AHEAD = 1_000;
/* Where nothing has a height (no layout): how many of the last rows are rendered. */
const BLIND = 200;
/* So many rows may be rendered beyond that. */
const SLACK = 20;
/* Nearer to the end than this counts as being there. */
const NEAR_END = 16;
const NO_ROWS: readonly Key[] = [];

export class ListWindow {
	/** True while the end is in view: it is kept there. */
	atEnd = true;
	private version = 0;
	private keys: readonly Key[] = NO_ROWS;
	private readonly heights = new Map<Key, number>();
	/* offsets[i] is where row i begins; one more for the end. */
	private offsets = new Float64Array(1);
	private anchor: Anchor | null = null;
	private view = 0;
	/* Where it was scrolled to when that was looked at last. */
	private lastTop = 0;
	private shown: Span = { start: 0, end: 0, before: 0, after: 0 };
	private readonly listeners = new Set<() => void>();
	private scroller: HTMLElement | null = null;
	private list: HTMLElement | null = null;

	/* ---- for React ---- */

	readonly subscribe = (listener: () => void): (() => void) => {
		this.listeners.add(listener);
		return () => {
			this.listeners.delete(listener);
		};
	};

	readonly getVersion = (): number => this.version;

	private bump(): void {
		this.version++;
		for (const listener of [...this.listeners])
			listener();
	}

	/** The rows to render for these keys; keys are unique, and an array never changes. */
	span(keys: readonly Key[]): Span {
		const same = keys === this.keys ? keys.length : this.renew(keys);
		const span = this.wanted(AHEAD);
		const { start } = this.shown;
		/* Where rows come in at the end, those at the other edge don't go one by one. */
		const keep = start < span.start && span.start - start <= SLACK && same > span.start;
		this.shown = keep ? { ...span, start, before: this.offsets[start] ?? 0 } : span;
		return this.shown;
	}

	/** The elements are there (or gone): the list's children are the rendered rows. */
	attach(scroller: HTMLElement | null, list: HTMLElement | null): void {
		this.scroller = scroller;
		this.list = list;
	}

	/* ---- after rendering ---- */

	/** Takes the heights of what was rendered, and puts the view where it belongs. */
	settle(): void {
		if (!this.scroller || !this.list)
			return;
		const viewBefore = this.view;
		this.view = this.scroller.clientHeight;
		const changed = this.measure(this.list);
		if (changed !== null)
			this.addUp(changed);
		this.place(this.scroller, this.list);
		/* A place past the end is the end. */
		const arrived = !this.atEnd && this.nearEnd(this.scroller) && this.visible();
		this.atEnd ||= arrived;
		if (arrived || this.view !== viewBefore || !this.covers(this.wanted(AHEAD / 2)))
			this.bump();
	}

	/** The reader (or place()) has scrolled. */
	scrolled(): void {
		if (!this.scroller || !this.list)
			return;
		const wasAtEnd = this.atEnd;
		const { scrollTop } = this.scroller;
		/* Who was at the end leaves it by going up; what grew meanwhile (fonts, pictures) moves nobody. */
		this.atEnd = this.nearEnd(this.scroller) || (wasAtEnd && scrollTop >= this.lastTop - 1);
		this.lastTop = scrollTop;
		if (this.atEnd)
			this.place(this.scroller, this.list);
		const top = this.scroller.scrollTop - this.list.offsetTop;
		const index = this.indexAt(top);
		const key = this.keys[index];
		this.anchor = this.atEnd || key === undefined ? null : { key, into: top - (this.offsets[index] ?? 0) };
		if (wasAtEnd !== this.atEnd || !this.covers(this.wanted(AHEAD / 2)))
			this.bump();
	}

	/** True while the end is in view, and the list isn't hidden. */
	endIsSeen(): boolean {
		return this.atEnd && this.visible();
	}

	private visible(): boolean {
		return this.scroller?.checkVisibility?.() ?? true;
	}

	private nearEnd({ scrollTop, scrollHeight, clientHeight }: HTMLElement): boolean {
		return scrollHeight - scrollTop - clientHeight < NEAR_END;
	}

	/** Goes to the end, and stays there. */
	toEnd(): void {
		this.anchor = null;
		this.atEnd = true;
		this.bump();
	}

	/** Brings the row to `below` pixels under the top of the view. */
	toKey(key: Key, below = 0): void {
		this.anchor = { key, into: -below };
		this.atEnd = false;
		this.bump();
	}

	/* ---- the arithmetic ---- */

	/* Takes other keys; gives the index of the first that is another one. */
	private renew(keys: readonly Key[]): number {
		let same = 0;
		while (same < this.keys.length && same < keys.length && this.keys[same] === keys[same])
			same++;
		this.keys = keys;
		this.addUp(same);
		return same;
	}

	/* Where the rows begin, from the first one on that has changed. */
	private addUp(from: number): void {
		const count = this.keys.length;
		const before = this.offsets;
		if (before.length !== count + 1) {
			this.offsets = new Float64Array(count + 1);
			this.offsets.set(before.subarray(0, from + 1));
		}
		let sum = this.offsets[from] ?? 0;
		for (let index = from; index < count; index++) {
			this.offsets[index] = sum;
			sum += this.heights.get(this.keys[index] as Key) ?? GUESS;
		}
		this.offsets[count] = sum;
	}

	/* The row that covers this height; the first or last where none does. */
	private indexAt(y: number): number {
		let low = 0;
		let high = this.keys.length - 1;
		while (low < high) {
			const middle = (low + high + 1) >> 1;
			if ((this.offsets[middle] ?? 0) <= y)
				low = middle;
			else
				high = middle - 1;
		}
		return Math.max(low, 0);
	}

	private total(): number {
		return this.offsets[this.keys.length] ?? 0;
	}

	/* Where the view begins, seen from the top of the list. */
	private top(): number {
		const index = this.anchor ? this.keys.lastIndexOf(this.anchor.key) : -1;
		return this.anchor && index >= 0
			? (this.offsets[index] ?? 0) + this.anchor.into
			: this.total() - this.view;
	}

	private wanted(ahead: number): Span {
		const count = this.keys.length;
		if (count === 0)
			return { start: 0, end: 0, before: 0, after: 0 };
		if (this.view === 0) {
			const start = Math.max(0, count - BLIND);
			return { start, end: count, before: 0, after: 0 };
		}
		const top = this.top();
		const start = this.indexAt(top - ahead);
		const end = Math.min(count, this.indexAt(top + this.view + ahead) + 1);
		return { start, end, before: this.offsets[start] ?? 0, after: this.total() - (this.offsets[end] ?? 0) };
	}

	private covers(span: Span): boolean {
		return this.shown.start <= span.start && this.shown.end >= span.end;
	}

	/* ---- the page ---- */

	/* Takes the heights of the rendered rows; gives the first row that has another one, or null. */
	private measure(list: HTMLElement): number | null {
		let changed: number | null = null;
		const rows = list.children;
		for (let at = 0; at < rows.length; at++) {
			const key = this.keys[this.shown.start + at];
			const height = rows[at]?.getBoundingClientRect().height ?? 0;
			if (key === undefined || height === 0 || this.heights.get(key) === height)
				continue;
			this.heights.set(key, height);
			changed ??= this.shown.start + at;
		}
		return changed;
	}

	private place(scroller: HTMLElement, list: HTMLElement): void {
		if (this.view === 0)
			return;
		const end = scroller.scrollHeight - scroller.clientHeight;
		const wanted = this.atEnd || !this.anchor ? end : Math.min(end, Math.max(0, list.offsetTop + this.top()));
		if (Math.abs(scroller.scrollTop - wanted) >= 1)
			scroller.scrollTop = wanted;
		this.lastTop = scroller.scrollTop;
	}
}

export interface ListWindowHandle {
	scroller: RefObject<HTMLDivElement | null>;
	list: RefObject<HTMLUListElement | null>;
	span: Span;
	model: ListWindow;
	/** Another one whenever `model` has changed. */
	version: number;
	onScroll(): void;
	toEnd(): void;
}

/** Renders a window of the rows with these keys (give a new array when they change, the same otherwise). */
export function useListWindow(keys: readonly Key[]): ListWindowHandle {
	const [model] = useState(() => new ListWindow());
	const scroller = useRef<HTMLDivElement>(null);
	const list = useRef<HTMLUListElement>(null);
	/* This store's updates are rendered before the next frame: no scrolling past the rendered rows. */
	const version = useSyncExternalStore(model.subscribe, model.getVersion, model.getVersion);
	const span = model.span(keys);
	const onScroll = useCallback(() => model.scrolled(), [model]);
	const toEnd = useCallback(() => model.toEnd(), [model]);

	useLayoutEffect(() => {
		model.attach(scroller.current, list.current);
		model.settle();
	});

	/* Images, fonts and the window change heights after rendering. */
	useEffect(() => {
		if (typeof ResizeObserver === 'undefined' || !scroller.current || !list.current)
			return;
		const observer = new ResizeObserver(() => model.settle());
		observer.observe(scroller.current);
		observer.observe(list.current);
		return () => observer.disconnect();
	}, [model]);

	return { scroller, list, span, model, version, onScroll, toEnd };
}
