/*
 * people.ts: names and pictures of users, as the application's resolveUser
 * gives them. Each is asked for once; a look-up that failed is tried again
 * after a while, when somebody wants to show that user again.
 */

export interface UserProfile {
	name: string;
	avatarUrl: string | null;
}

/** Looks a user up in the application; called once a user. */
export type UserResolver = (userId: string) => Promise<UserProfile> | UserProfile;

interface Entry {
	profile: UserProfile;
	answer: Promise<UserProfile>;
}

const ASK_AGAIN_MS = 30_000;

export class People {
	readonly #resolver: UserResolver | undefined;
	readonly #changed: () => void;
	readonly #entries = new Map<string, Entry>();

	constructor(resolver: UserResolver | undefined, changed: () => void) {
		this.#resolver = resolver;
		this.#changed = changed;
	}

	/** The user as known now (the id for a name while nothing is), and the answer to come. */
	get(userId: string): Entry {
		let entry = this.#entries.get(userId);
		if (!entry) {
			entry = { profile: { name: userId, avatarUrl: null }, answer: this.#ask(userId) };
			this.#entries.set(userId, entry);
		}
		return entry;
	}

	/** Forgets everybody. */
	clear(): void {
		this.#entries.clear();
	}

	async #ask(userId: string): Promise<UserProfile> {
		const unknown = { name: userId, avatarUrl: null };
		try {
			const profile = (await this.#resolver?.(userId)) ?? unknown;
			const entry = this.#entries.get(userId);
			if (entry)
				entry.profile = profile;
			if (this.#resolver)
				this.#changed();
			return profile;
		} catch {
			/* People are shown by their ids meanwhile. */
			setTimeout(() => this.#entries.delete(userId), ASK_AGAIN_MS);
			return unknown;
		}
	}
}
