/*
 * TypingIndicator.tsx: who is typing. What it shows changes no oftener than
 * the eye can follow, and goes by itself if the end of typing got lost. Its
 * place is kept while nobody types, so that nothing jumps; it is no live
 * region, for it would talk all the time.
 */

'use client';

import { useEffect, useRef, useState } from 'react';
import type { ReactElement } from 'react';
import { usePeople, useUi } from './settings.js';

export interface TypingIndicatorProps {
	/** The ids of those who type. */
	userIds: readonly string[];
	/** Milliseconds after which it goes although nobody said so [10000]. */
	expiresAfter?: number;
}

/* The least time between two changes of what is shown. */
const CALM_MS = 400;

/* The value, but changing at most once in CALM_MS, and empty when nothing came for `expiresAfter`. */
function useCalm(userIds: readonly string[], expiresAfter: number): readonly string[] {
	const key = userIds.join('\n');
	const [shown, setShown] = useState<readonly string[]>(userIds);
	const changedAt = useRef(0);
	useEffect(() => {
		const show = setTimeout(() => {
			changedAt.current = Date.now();
			setShown(key === '' ? [] : key.split('\n'));
		}, Math.max(0, changedAt.current + CALM_MS - Date.now()));
		return () => clearTimeout(show);
	}, [key]);
	useEffect(() => {
		if (userIds.length === 0)
			return;
		const expire = setTimeout(() => setShown([]), expiresAfter);
		return () => clearTimeout(expire);
	}, [userIds, expiresAfter]);
	return shown;
}

export function TypingIndicator({ userIds, expiresAfter = 10_000 }: TypingIndicatorProps): ReactElement {
	const { labels } = useUi();
	const person = usePeople();
	const shown = useCalm(userIds, expiresAfter);
	return (
		<div className="tc-typing" data-testid="typing-indicator" data-active={shown.length > 0}>
			{shown.length > 0 && (
				<>
					<span className="tc-typing-dots" aria-hidden="true"><i /><i /><i /></span>
					<span>{labels.typing(shown.map((userId) => person(userId).name))}</span>
				</>
			)}
		</div>
	);
}
