/*
 * fakeBrowser.ts: as much of a browser as the client looks at, with several
 * tabs: a storage that all share and that tells the other tabs of changes, web
 * locks, and the events of window and document. A tab can be hidden, frozen,
 * put into the back-forward cache, and closed.
 */

import type { LocksLike, StorageLike, TaskChatClient } from '../client/index.js';

class Target {
	private readonly handlers = new Map<string, Set<(event: object) => void>>();

	readonly addEventListener = (type: string, handler: (event: object) => void, options: { signal: AbortSignal }): void => {
		const handlers = this.handlers.get(type) ?? new Set();
		this.handlers.set(type, handlers);
		handlers.add(handler);
		options.signal.addEventListener('abort', () => handlers.delete(handler));
	};

	tell(type: string, event: object = {}): void {
		for (const handler of [...this.handlers.get(type) ?? []])
			handler(event);
	}

	/** How many listen, to anything. */
	count(): number {
		return [...this.handlers.values()].reduce((sum, handlers) => sum + handlers.size, 0);
	}
}

interface Request {
	tab: FakeTab;
	start(): Promise<void>;
	done(): void;
}

export class FakeBrowser {
	readonly items = new Map<string, string>();
	readonly tabs: FakeTab[] = [];
	/* By name: the first one holds the lock. */
	readonly queues = new Map<string, Request[]>();
	/** True: every write is refused, as by a full disk. */
	full = false;

	tab(): FakeTab {
		const tab = new FakeTab(this);
		this.tabs.push(tab);
		return tab;
	}

	/** The names in the storage that contain `part`. */
	names(part = ''): string[] {
		return [...this.items.keys()].filter((name) => name.includes(part));
	}

	grant(name: string): void {
		const [first] = this.queues.get(name) ?? [];
		if (!first)
			return;
		const end = (): void => {
			first.done();
			this.drop(name, first);
		};
		void first.start().then(end, end);
	}

	drop(name: string, request: Request): void {
		const queue = this.queues.get(name) ?? [];
		const held = queue[0] === request;
		this.queues.set(name, queue.filter((one) => one !== request));
		if (held)
			queueMicrotask(() => this.grant(name));
	}
}

export class FakeTab {
	readonly window = new Target();
	readonly document = Object.assign(new Target(), { visibilityState: 'visible' });
	readonly storage: StorageLike;
	readonly locks: LocksLike;

	constructor(readonly browser: FakeBrowser) {
		this.storage = this.makeStorage();
		this.locks = {
			request: (name, callback) => new Promise<void>((done) => {
				const queue = browser.queues.get(name) ?? [];
				browser.queues.set(name, [...queue, { tab: this, start: callback, done }]);
				if (queue.length === 0)
					queueMicrotask(() => browser.grant(name));
			}),
		};
	}

	/** Connects a client as one that lives in this tab. */
	connect(client: TaskChatClient): void {
		const { addEventListener, document } = globalThis;
		Object.assign(globalThis, { addEventListener: this.window.addEventListener, document: this.document });
		client.connect();
		Object.assign(globalThis, { addEventListener, document });
	}

	/** The user looks at it, or not. */
	show(visible: boolean): void {
		this.document.visibilityState = visible ? 'visible' : 'hidden';
		this.document.tell('visibilitychange');
	}

	/** The tab is gone: it hears nothing, and its locks are free. */
	close(): void {
		this.browser.tabs.splice(this.browser.tabs.indexOf(this), 1);
		for (const [name, queue] of this.browser.queues)
			for (const request of queue.filter((one) => one.tab === this))
				this.browser.drop(name, request);
	}

	private write(key: string, value: string | null): void {
		if (this.browser.full && value !== null)
			throw new DOMException('full', 'QuotaExceededError');
		if (value === null)
			this.browser.items.delete(key);
		else
			this.browser.items.set(key, value);
		for (const other of this.browser.tabs)
			if (other !== this)
				queueMicrotask(() => other.window.tell('storage', { key, newValue: value }));
	}

	private makeStorage(): StorageLike {
		const { items } = this.browser;
		return {
			get length() {
				return items.size;
			},
			key: (index) => [...items.keys()][index] ?? null,
			getItem: (key) => items.get(key) ?? null,
			setItem: (key, value) => this.write(key, value),
			removeItem: (key) => this.write(key, null),
		};
	}
}
