/*
 * vault.ts: what outlives a reload, for one user: the outbox, drafts, cursors.
 * Its names begin with the user's id, so that users of one browser never see
 * each other's; before the user is known it is kept in memory only.
 *
 * The browser's localStorage is the default, which all tabs share. Where it is
 * missing (Node, workers) or refuses (private windows, full), things live as
 * long as the page.
 */

/** As much of the Storage interface as is used. */
export interface StorageLike {
	readonly length: number;
	key(index: number): string | null;
	getItem(key: string): string | null;
	setItem(key: string, value: string): void;
	removeItem(key: string): void;
}

function memory(): StorageLike {
	const items = new Map<string, string>();
	return {
		get length() {
			return items.size;
		},
		key: (index) => [...items.keys()][index] ?? null,
		getItem: (key) => items.get(key) ?? null,
		setItem: (key, value) => void items.set(key, value),
		removeItem: (key) => void items.delete(key),
	};
}

/** The browser's own storage, or null where there is none; reading the property alone may throw. */
export function ownStorage(): StorageLike | null {
	try {
		return globalThis.window?.localStorage ?? null;
	} catch {
		return null;
	}
}

/* Whose things were kept last. */
const LAST = 'taskchat';

export class Vault {
	readonly #shared: StorageLike | null;
	#store = memory();
	/** What the names of this user begin with; '' while no user is known. */
	_prefix = '';

	constructor(shared: StorageLike | null) {
		this.#shared = shared;
	}

	/** The user is known: what was kept until now is the user's. */
	_open(userId: string): void {
		const kept = this._prefix ? [] : this.list('');
		this._prefix = `taskchat:${JSON.stringify(userId)}:`;
		this.#store = this.#shared ?? memory();
		this.#write(LAST, userId);
		for (const [name, value] of kept)
			this.set(name, value);
	}

	/** Removes all of this user's (where none is known, of the last one), and knows no user any more. */
	_clear(): void {
		const last = this._prefix ? null : this.#shared?.getItem(LAST);
		if (typeof last === 'string')
			this._open(last);
		for (const [name] of this.list(''))
			this.set(name, null);
		this.#write(LAST, null);
		this._prefix = '';
		this.#store = memory();
	}

	get(name: string): string | null {
		return this.#store.getItem(this._prefix + name);
	}

	/** Keeps a value (null removes it); gives false where the storage is full or forbidden. */
	set(name: string, value: string | null): boolean {
		return this.#write(this._prefix + name, value);
	}

	/** The names that begin with `kind`, and their values. */
	list(kind: string): [string, string][] {
		const found: [string, string][] = [];
		for (let index = 0; index < this.#store.length; index++) {
			const key = this.#store.key(index) ?? '';
			if (key.startsWith(this._prefix + kind))
				found.push([key.slice(this._prefix.length), this.#store.getItem(key) ?? '']);
		}
		return found;
	}

	#write(key: string, value: string | null): boolean {
		try {
			if (value === null)
				this.#store.removeItem(key);
			else
				this.#store.setItem(key, value);
			return true;
		} catch {
			return false;
		}
	}
}
