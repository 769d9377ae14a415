/*
 * store.ts: a value that others watch, in the shape that React's
 * useSyncExternalStore wants: an immutable value, and listeners that are told
 * (once a turn, however often it changed) that there is a new one.
 */

export abstract class Store<State> {
	readonly #listeners = new Set<() => void>();
	#cached: State | null = null;
	#told = true;

	/** @internal Builds the immutable value from what the owner holds now. */
	protected abstract _build(): State;

	/** The value now; the same object until something changes. */
	readonly getState = (): State => {
		this.#cached ??= this._build();
		return this.#cached;
	};

	/** Calls `listener` after changes; gives the function that ends it. */
	readonly subscribe = (listener: () => void): (() => void) => {
		this.#listeners.add(listener);
		return () => {
			this.#listeners.delete(listener);
		};
	};

	/** @internal The owner says that something changed. */
	_changed(): void {
		this.#cached = null;
		if (!this.#told)
			return;
		this.#told = false;
		queueMicrotask(() => {
			this.#told = true;
			for (const listener of [...this.#listeners])
				listener();
		});
	}
}
