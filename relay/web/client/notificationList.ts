/*
 * notificationList.ts: the user's notifications, newest first, kept up to
 * date, and each new one told once and in order: the live ones, and after a
 * lost connection or a reload those that were missed. For a bell with a list,
 * and for toasts.
 */

import type { TaskChatClient } from './client.js';
import { asError } from './protocol.js';
import type { Notification, TaskChatError } from './protocol.js';
import { Store } from './store.js';

export interface NotificationListState {
	/** Newest first. */
	notifications: readonly Notification[];
	/** There are older ones: loadMore(). */
	hasMore: boolean;
	/** False until the list came for the first time. */
	loaded: boolean;
	/** How many of the loaded ones are unread. */
	unread: number;
	/** Why they could not be fetched, or null. */
	error: TaskChatError | null;
}

const CURSOR = 'notified';
const PAGE = 50;
const MISSED_PAGE = 200;

export class NotificationList extends Store<NotificationListState> {
	readonly #client: TaskChatClient;
	readonly #onNew: ((notification: Notification) => void) | undefined;
	#items: Notification[] = [];
	#hasMore = false;
	#loaded = false;
	#error: TaskChatError | null = null;
	#stop: (() => void)[] = [];
	#wasOpen = false;
	#userId: string | null = null;
	/* Live ones that came while others were fetched. */
	#held: Notification[] | null = null;

	/** Nothing is fetched before start(). `onNew` is told of each notification that wasn't told before. */
	constructor(client: TaskChatClient, onNew?: (notification: Notification) => void) {
		super();
		this.#client = client;
		this.#onNew = onNew;
	}

	/** Fetches the newest ones, and follows until stop(). */
	start(): void {
		this.stop();
		const look = (): void => {
			const { status, userId } = this.#client.getState();
			if (userId !== this.#userId)
				this.#forget(userId);
			const isOpen = status === 'open';
			if (isOpen && !this.#wasOpen)
				void this.#catchUp(this.#held = []);
			this.#wasOpen = isOpen;
		};
		this.#stop = [
			this.#client.subscribe(look),
			this.#client.on('notification', (notification) => {
				if (this.#held)
					this.#held.push(notification);
				else
					this.#take([notification], true);
			}),
		];
		look();
	}

	stop(): void {
		for (const stop of this.#stop)
			stop();
		this.#stop = [];
		this.#wasOpen = false;
		this.#held = null;
	}

	/** One page more of older ones. */
	async loadMore(): Promise<void> {
		const oldest = this.#items.at(-1);
		if (!oldest || !this.#hasMore)
			return;
		try {
			await this.#older(oldest.seq);
		} catch (error) {
			this.#failed(error);
		}
	}

	/** Marks one as read; rejects with a TaskChatError. */
	async markRead(id: string): Promise<void> {
		this.#take([await this.#client.markNotificationRead(id)], false);
	}

	/* After a log-in: what came since the last one that was told, and for the first time a page to show. */
	async #catchUp(held: Notification[]): Promise<void> {
		try {
			const cursor = this.#client._vault.get(CURSOR);
			if (cursor !== null)
				await this.#missed(Number(cursor), held);
			if (!this.#loaded && held === this.#held)
				await this.#older();
			this.#error = null;
		} catch (error) {
			/* The cursor stands where it was: the next log-in asks again. */
			this.#failed(error);
		}
		if (held !== this.#held)
			return;
		this.#held = null;
		this.#take(held, true);
	}

	async #missed(after: number, held: Notification[]): Promise<void> {
		for (let more = true, last = after; more && held === this.#held;) {
			const page = await this.#client.getNotifications({ after_seq: last, limit: MISSED_PAGE });
			this.#take(page.notifications, true);
			last = page.notifications.at(-1)?.seq ?? last;
			more = page.has_more && page.notifications.length > 0;
		}
	}

	async #older(before?: number): Promise<void> {
		const page = await this.#client.getNotifications(
			before === undefined ? { limit: PAGE } : { before_seq: before, limit: PAGE },
		);
		this.#hasMore = page.has_more;
		this.#loaded = true;
		this.#take(page.notifications, false);
	}

	/* `fresh`: in the order of seq, and to be told unless they were. */
	#take(came: Notification[], fresh: boolean): void {
		const ids = new Set(came.map((one) => one.id));
		this.#items = [...came, ...this.#items.filter((one) => !ids.has(one.id))].sort((a, b) => b.seq - a.seq);
		this._changed();
		const told = Number(this.#client._vault.get(CURSOR) ?? 0);
		const newest = Math.max(told, ...came.map((one) => one.seq));
		/* Without a cursor the first page is history; an empty one begins at 0. */
		this.#client._vault.set(CURSOR, String(newest));
		if (fresh)
			for (const one of came)
				if (one.seq > told)
					this.#onNew?.(one);
	}

	#failed(error: unknown): void {
		this.#error = asError(error);
		this._changed();
	}

	#forget(userId: string | null): void {
		this.#userId = userId;
		this.#items = [];
		this.#loaded = this.#hasMore = false;
		this._changed();
	}

	/** @internal */
	protected override _build(): NotificationListState {
		return {
			notifications: this.#items, hasMore: this.#hasMore, loaded: this.#loaded, error: this.#error,
			unread: this.#items.filter((one) => one.read_at === null).length,
		};
	}
}
