/*
 * people.ts: names and pictures of users, asked of the application once for
 * each id. Until it has answered, and where it fails, the id stands for the
 * name.
 */

import type { UserProfile } from '../client/index.js';

export type Person = UserProfile;
export type ResolveUser = (userId: string) => Person | Promise<Person>;

export class People {
	private readonly resolve: ResolveUser | undefined;
	private readonly known = new Map<string, Person>();
	private readonly asked = new Set<string>();
	private readonly listeners = new Set<() => void>();
	private lookup: (userId: string) => Person;

	constructor(resolve?: ResolveUser) {
		this.resolve = resolve;
		this.lookup = this.makeLookup();
	}

	readonly subscribe = (listener: () => void): (() => void) => {
		this.listeners.add(listener);
		return () => {
			this.listeners.delete(listener);
		};
	};

	/** Gives the function that finds people: a new one whenever somebody became known. */
	readonly getLookup = (): ((userId: string) => Person) => this.lookup;

	private makeLookup(): (userId: string) => Person {
		return (userId) => this.find(userId);
	}

	private find(userId: string): Person {
		const person = this.known.get(userId) ?? this.ask(userId);
		if (person)
			return person;
		const stranger = { name: userId };
		this.known.set(userId, stranger);
		return stranger;
	}

	/* What the application says at once; what it says later is kept then. */
	private ask(userId: string): Person | null {
		if (!this.resolve || this.asked.has(userId))
			return null;
		this.asked.add(userId);
		const answer = this.resolve(userId);
		if (!(answer instanceof Promise)) {
			this.known.set(userId, answer);
			return answer;
		}
		answer.then((person) => this.learn(userId, person), () => {
			/* The id stays as the name; the next mount of a provider asks again. */
		});
		return null;
	}

	private learn(userId: string, person: Person): void {
		this.known.set(userId, person);
		this.lookup = this.makeLookup();
		for (const listener of [...this.listeners])
			listener();
	}
}
