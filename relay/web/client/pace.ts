/*
 * pace.ts: how often things go out. Pace runs an action at most once an
 * interval, at once when it may and late but surely when it may not; backoff
 * delays are drawn here too.
 *
 * What is sent is the owner's matter: the action reads the newest state when
 * it runs, so calls in between are merged.
 */

/** A timer that may not be set; clearTimeout takes both. */
export type Timer = ReturnType<typeof setTimeout> | undefined;

export class Pace {
	readonly #interval: number;
	readonly #action: () => void;
	#timer: Timer;
	#last = 0;

	/** Takes the least distance of two runs, in milliseconds. */
	constructor(interval: number, action: () => void) {
		this.#interval = interval;
		this.#action = action;
	}

	/** Asks for a run: in the next turn, or as soon as the interval is over. */
	_ask(): void {
		const wait = this.#last + this.#interval - Date.now();
		/* A clock that was set back must not make the wait longer. */
		this.#timer ??= setTimeout(() => {
			this.#timer = undefined;
			this.#last = Date.now();
			this.#action();
		}, Math.max(0, Math.min(wait, this.#interval)));
	}

	/** Drops a run that waits. */
	_cancel(): void {
		clearTimeout(this.#timer);
		this.#timer = undefined;
	}
}

/** Full jitter: a random part of base · 2^attempt, which never passes `cap` (all in milliseconds). */
export function jitter(base: number, cap: number, attempt: number): number {
	return Math.random() * Math.min(cap, base * 2 ** attempt);
}
