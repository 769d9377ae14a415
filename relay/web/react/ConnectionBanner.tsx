/*
 * ConnectionBanner.tsx: one line over the conversation while it isn't up to
 * date: connecting, catching up, or offline with what waits to be sent.
 * Nothing is shown while all is well.
 */

'use client';

import { useEffect, useState } from 'react';
import type { ReactElement } from 'react';
import type { Condition } from './connection.js';
import { useUi } from './settings.js';

export interface ConnectionBannerProps {
	condition: Condition;
	/** Messages that wait to be sent [0]. */
	queued?: number;
	/** When the next try is due (milliseconds since 1970), or null. */
	retryAt?: number | null;
	/** What to say where the conversation is refused. */
	refusal?: string;
	/** Tries to connect at once. */
	onReconnect?: () => void;
}

function useSecondsUntil(time: number | null): number {
	const [seconds, setSeconds] = useState(0);
	useEffect(() => {
		if (time === null)
			return;
		const tick = (): void => setSeconds(Math.max(0, Math.ceil((time - Date.now()) / 1000)));
		tick();
		const timer = setInterval(tick, 500);
		return () => clearInterval(timer);
	}, [time]);
	return time === null ? 0 : seconds;
}

export function ConnectionBanner({ condition, queued = 0, retryAt = null, refusal, onReconnect }: ConnectionBannerProps): ReactElement {
	const { labels } = useUi();
	const seconds = useSecondsUntil(condition === 'offline' ? retryAt : null);
	const words: Record<Condition, string> = {
		online: '',
		connecting: labels.connecting,
		'catching-up': labels.catchingUp,
		offline: labels.offlineQueued(queued),
		refused: refusal ?? labels.signedOut,
	};
	return (
		<div className="tc-banner" data-condition={condition} data-testid="connection-banner">
			{condition !== 'online' && (
				<div className="tc-banner-line">
					<span role="status">{words[condition]}</span>
					{condition === 'offline' && seconds > 1 && <span className="tc-banner-soft" aria-hidden="true">{labels.reconnectIn(seconds)}</span>}
					{condition === 'offline' && onReconnect && (
						<button type="button" className="tc-plain" onClick={onReconnect}>{labels.reconnect}</button>
					)}
				</div>
			)}
		</div>
	);
}
