/*
 * notices.ts: the user's notifications, each told once and in order: those
 * that come live, and after a log-in those that were missed. The seq of the
 * last one is kept in the vault, so a closed page misses none either.
 *
 * Nothing is asked for until somebody listens.
 */

import type { Notification } from './protocol.js';
import type { TaskChatSocket } from './socket.js';
import type { Vault } from './vault.js';

const CURSOR = 'notified';
const PAGE = 200;

export class Notices {
	readonly #socket: TaskChatSocket;
	readonly #vault: Vault;
	readonly #tell: (notification: Notification) => void;
	#listening = false;
	/* The seq of the last one told; null: none yet, and older ones are none of our business. */
	#cursor: number | null = null;
	/* Live ones that came while missed ones were fetched. */
	#held: Notification[] | null = null;

	constructor(socket: TaskChatSocket, vault: Vault, tell: (notification: Notification) => void) {
		this.#socket = socket;
		this.#vault = vault;
		this.#tell = tell;
	}

	/** Somebody listens from now on. */
	listen(): void {
		if (this.#listening)
			return;
		this.#listening = true;
		if (this.#socket.isOpen())
			this.connected();
	}

	/** A live one. */
	came(notification: Notification): void {
		if (this.#held)
			this.#held.push(notification);
		else
			this.#next(notification);
	}

	/** A log-in: fetches what was missed. */
	connected(): void {
		if (!this.#listening)
			return;
		const kept = this.#vault.get(CURSOR);
		if (kept !== null)
			this.#cursor = Number(kept);
		void this.#fetch(this.#held = []);
	}

	/** Another user, or none. */
	forget(): void {
		this.#cursor = null;
	}

	async #fetch(held: Notification[]): Promise<void> {
		try {
			for (let more = true; more;) {
				const first = this.#cursor === null;
				const { notifications, has_more } = await this.#socket.request(
					'get_notifications', this.#cursor === null ? { limit: 1 } : { after_seq: this.#cursor, limit: PAGE },
				);
				if (held !== this.#held)
					return;
				if (first)
					this.#remember(notifications[0]?.seq ?? 0);
				else
					notifications.forEach((notification) => this.#next(notification));
				more = has_more && !first;
			}
		} catch {
			/* The cursor stands where it was: the next log-in asks again. */
		}
		if (held !== this.#held)
			return;
		this.#held = null;
		held.forEach((notification) => this.#next(notification));
	}

	#next(notification: Notification): void {
		if (notification.seq <= (this.#cursor ?? 0))
			return;
		this.#remember(notification.seq);
		this.#tell(notification);
	}

	#remember(seq: number): void {
		this.#cursor = seq;
		this.#vault.set(CURSOR, String(seq));
	}
}
