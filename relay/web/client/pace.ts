/*
 * pace.ts: how often things go out. Pace runs an action at most once an
 * interval, at once when it may and late but surely when it may not; backoff
 * delays are drawn here too.
 *
 * What is sent is the owner's matter: the action reads the newest state when
 * it runs, so calls in between are merged.
 */

export class Pace {
	private readonly interval: number;
	private readonly action: () => void;
	private timer: ReturnType<typeof setTimeout> | null = null;
	private last = Number.NEGATIVE_INFINITY;

	/** Takes the least distance of two runs, in milliseconds. */
	constructor(interval: number, action: () => void) {
		this.interval = interval;
		this.action = action;
	}

	/** Asks for a run: now, or as soon as the interval is over. */
	ask(): void {
		if (this.timer !== null)
			return;
		const wait = this.last + this.interval - Date.now();
		if (wait <= 0)
			this.run();
		else
			this.timer = setTimeout(() => this.run(), wait);
	}

	/** Drops a run that waits. */
	cancel(): void {
		if (this.timer !== null)
			clearTimeout(this.timer);
		this.timer = null;
	}

	private run(): void {
		this.timer = null;
		this.last = Date.now();
		this.action();
	}
}

/** Full jitter: a random part of base · 2^attempt, which never passes `cap` (all in milliseconds). */
export function jitter(base: number, cap: number, attempt: number, random: () => number): number {
	return random() * Math.min(cap, base * 2 ** Math.min(attempt, 30));
}
