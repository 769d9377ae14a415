/*
 * Where a long list is scrolled to, without a page: the two elements are
 * stand-ins with the numbers that a browser would give.
 */

import { beforeEach, describe, expect, it } from 'vitest';
import { ListWindow } from '../react/window.js';

const VIEW = 500;
const ROW = 40;

/* Rows of ROW pixels; `more` is what they have grown by in all. */
class Page {
	more = 0;
	readonly model = new ListWindow();
	readonly scroller: HTMLElement;
	keys: number[];
	private span = { start: 0, end: 0, before: 0, after: 0 };

	constructor(count: number) {
		this.keys = Array.from({ length: count }, (_, index) => index + 1);
		const page = this;
		this.scroller = {
			clientHeight: VIEW, scrollTop: 0, checkVisibility: () => true,
			get scrollHeight() {
				return page.span.before + (page.span.end - page.span.start) * ROW + page.span.after + page.more;
			},
		} as unknown as HTMLElement;
		const list = {
			offsetTop: 0,
			get children() {
				return Array.from({ length: page.span.end - page.span.start }, () => ({ getBoundingClientRect: () => ({ height: ROW }) }));
			},
		} as unknown as HTMLElement;
		this.model.attach(this.scroller, list);
	}

	/* As React does: as often as the model asks for it. */
	render(): void {
		for (let version = -1; version !== this.model.getVersion();) {
			version = this.model.getVersion();
			this.span = this.model.span(this.keys);
			this.model.settle();
		}
	}

	get toEnd(): number {
		const { scrollHeight, clientHeight, scrollTop } = this.scroller;
		return scrollHeight - clientHeight - scrollTop;
	}

	/* How far below the top of the view the row stands. */
	below(key: number): number {
		return this.span.before + (this.keys.indexOf(key) - this.span.start) * ROW - this.scroller.scrollTop;
	}

	get rendered(): { start: number; end: number } {
		return this.span;
	}
}

let page: Page;

beforeEach(() => {
	page = new Page(1000);
	page.render();
});

describe('at the end', () => {
	it('begins there, with a window of the rows', () => {
		expect(page.toEnd).toBe(0);
		expect(page.rendered.end).toBe(1000);
		expect(page.rendered.start).toBeGreaterThan(900);
	});

	it('stays there when rows grow before the event of its own scrolling comes', () => {
		page.more = 60;
		page.model.scrolled();
		expect(page.model.atEnd).toBe(true);
		expect(page.toEnd).toBe(0);
	});

	it('is left by going up, and come back to', () => {
		page.scroller.scrollTop -= 100;
		page.model.scrolled();
		expect(page.model.atEnd).toBe(false);
		page.more = 60;
		page.model.scrolled();
		expect(page.model.atEnd).toBe(false);
		page.scroller.scrollTop += 1000;
		page.model.scrolled();
		expect(page.model.atEnd).toBe(true);
	});

	it('what comes in is rendered, and few rows go for each', () => {
		const { start } = page.rendered;
		for (let key = 1001; key <= 1010; key++) {
			page.keys = [...page.keys, key];
			page.render();
		}
		expect(page.rendered).toMatchObject({ start, end: 1010 });
		for (let key = 1011; key <= 1100; key++) {
			page.keys = [...page.keys, key];
			page.render();
		}
		expect(page.rendered.end - page.rendered.start).toBeLessThan(80);
		expect(page.toEnd).toBe(0);
	});
});

describe('elsewhere', () => {
	it('older rows before the view move nothing in it', () => {
		page.scroller.scrollTop = 400 * 60;
		page.model.scrolled();
		page.render();
		const key = page.keys[page.rendered.start + 20] ?? 0;
		const before = page.below(key);
		expect(before).toBeGreaterThan(-1000);
		page.keys = [...Array.from({ length: 50 }, (_, index) => index - 50), ...page.keys];
		page.render();
		expect(page.below(key)).toBe(before);
	});
});
