/*
 * Avatar.tsx: a user's picture, or the first letters of the name on a colour
 * that is always the same for the user. It says nothing to a screen reader,
 * for the name stands beside it.
 */

'use client';

import type { ReactElement } from 'react';
import { safeUrl } from './format.js';
import { useUser } from './settings.js';

/* How many colours styles.css has for initials. */
const TINTS = 6;

function initials(name: string): string {
	const [first = '', second = ''] = name.trim().split(/\s+/);
	return `${[...first][0] ?? ''}${[...second][0] ?? ''}`.toLocaleUpperCase();
}

function tint(userId: string): number {
	let sum = 0;
	for (let index = 0; index < userId.length; index++)
		sum = (sum * 31 + userId.charCodeAt(index)) >>> 0;
	return sum % TINTS;
}

export interface AvatarProps {
	userId: string;
	/** Shows a dot for being there; null: none. */
	online?: boolean | null;
}

export function Avatar({ userId, online = null }: AvatarProps): ReactElement {
	const { name, avatarUrl } = useUser(userId);
	const url = safeUrl(avatarUrl);
	return (
		<span className="tc-avatar" data-tint={tint(userId)} data-online={online ?? undefined} aria-hidden="true">
			{url ? <img src={url} alt="" width="32" height="32" loading="lazy" referrerPolicy="no-referrer" /> : initials(name)}
		</span>
	);
}
