/*
 * settings.tsx: what all components share: their words, the language of times,
 * and how a user id becomes a name and a picture. Without a provider there are
 * English words, the system's language, and ids as names.
 */

'use client';

import { createContext, useContext, useMemo, useSyncExternalStore } from 'react';
import type { ReactElement, ReactNode } from 'react';
import { makeFormats } from './format.js';
import type { Formats } from './format.js';
import { defaultLabels } from './labels.js';
import type { Labels } from './labels.js';
import { People } from './people.js';
import type { Person, ResolveUser } from './people.js';

export interface UiSettings {
	/** Words to use instead of the English ones. */
	labels?: Partial<Labels>;
	/** The language of times and sizes (BCP 47) [the system's]. */
	locale?: string;
	/** The time zone of times [the system's]. */
	timeZone?: string;
	/** Gives a user's name and picture; asked once for each user. */
	resolveUser?: ResolveUser;
}

interface Ui {
	labels: Labels;
	formats: Formats;
	people: People;
}

const DEFAULT_UI: Ui = {
	labels: defaultLabels,
	formats: makeFormats(defaultLabels),
	people: new People(),
};

const UiContext = createContext<Ui>(DEFAULT_UI);

/** Gives words, language and names to the components below it. */
export function TaskChatUi({ labels, locale, timeZone, resolveUser, children }: UiSettings & { children?: ReactNode }): ReactElement {
	const people = useMemo(() => new People(resolveUser), [resolveUser]);
	const ui = useMemo(() => {
		const all = { ...defaultLabels, ...labels };
		return { labels: all, formats: makeFormats(all, locale, timeZone), people };
	}, [labels, locale, timeZone, people]);
	return <UiContext.Provider value={ui}>{children}</UiContext.Provider>;
}

/** The words and formats of the nearest provider. */
export function useUi(): { labels: Labels; formats: Formats } {
	return useContext(UiContext);
}

/** Gives people by their ids; renders again when names become known. */
export function usePeople(): (userId: string) => Person {
	const { people } = useContext(UiContext);
	return useSyncExternalStore(people.subscribe, people.getLookup, people.getLookup);
}

/** One user's name and picture. */
export function useUser(userId: string): Person {
	return usePeople()(userId);
}
