/*
 * notificationList.ts: the user's notifications, newest first, kept up to
 * date: for a bell with a list. Toasts need no list: client.on('notification').
 */

import type { TaskChatClient } from './client.js';
import type { Notification, TaskChatError } from './protocol.js';
import { Store } from './store.js';

export interface NotificationListState {
	/** Newest first. */
	notifications: readonly Notification[];
	hasMore: boolean;
	loaded: boolean;
	/** How many of the loaded ones are unread. */
	unread: number;
	error: TaskChatError | null;
}

const PAGE = 50;

export class NotificationList extends Store<NotificationListState> {
	readonly #client: TaskChatClient;
	#items: Notification[] = [];
	#hasMore = false;
	#loaded = false;
	#error: TaskChatError | null = null;
	#stop: (() => void)[] = [];

	/** Nothing is fetched before start(). */
	constructor(client: TaskChatClient) {
		super();
		this.#client = client;
	}

	/** Fetches the newest ones, and follows until stop(). */
	start(): void {
		this.stop();
		const look = (): void => {
			if (!this.#loaded && this.#client.getState().status === 'open') {
				this.#loaded = true;
				void this.#fetch({ limit: PAGE });
			}
		};
		this.#stop = [
			this.#client.subscribe(look),
			this.#client.on('notification', (notification) => this.#take([notification])),
		];
		look();
	}

	stop(): void {
		for (const stop of this.#stop)
			stop();
		this.#stop = [];
	}

	/** One page more of older ones. */
	async loadMore(): Promise<void> {
		const oldest = this.#items.at(-1);
		if (oldest && this.#hasMore)
			await this.#fetch({ before_seq: oldest.seq, limit: PAGE });
	}

	/** Marks one as read; rejects with a TaskChatError. */
	async markRead(id: string): Promise<void> {
		this.#take([await this.#client.markNotificationRead(id)]);
	}

	async #fetch(page: { before_seq?: number; limit: number }): Promise<void> {
		try {
			const { notifications, has_more } = await this.#client.getNotifications(page);
			this.#hasMore = has_more;
			this.#error = null;
			this.#take(notifications);
		} catch (error) {
			this.#loaded = page.before_seq !== undefined;
			this.#error = error as TaskChatError;
			this.changed();
		}
	}

	#take(came: Notification[]): void {
		const ids = new Set(came.map((one) => one.id));
		this.#items = [...came, ...this.#items.filter((one) => !ids.has(one.id))].sort((a, b) => b.seq - a.seq);
		this.changed();
	}

	protected override build(): NotificationListState {
		return {
			notifications: this.#items, hasMore: this.#hasMore, loaded: this.#loaded, error: this.#error,
			unread: this.#items.filter((one) => one.read_at === null).length,
		};
	}
}
