/*
 * LivePanel.tsx: how fast messages are delivered, as delivery_stats() says by
 * what the clients themselves have confirmed.
 */

import { useEffect, useState } from 'react';
import type { ReactElement } from 'react';
import type { Backend, DeliveryStats } from './backend.js';

const LOOK_EVERY_MS = 2_000;

function useStats(backend: Backend): DeliveryStats | null {
	const [stats, setStats] = useState<DeliveryStats | null>(null);
	useEffect(() => {
		let current = true;
		const look = (): void => {
			backend.stats().then((found) => {
				if (current)
					setStats(found);
			}, () => {
				if (current)
					setStats(null);
			});
		};
		look();
		const timer = setInterval(look, LOOK_EVERY_MS);
		return () => {
			current = false;
			clearInterval(timer);
		};
	}, [backend]);
	return stats;
}

function milliseconds(value: number | null | undefined): string {
	return value === null || value === undefined ? '–' : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

export function LivePanel({ backend }: { backend: Backend }): ReactElement {
	const stats = useStats(backend);
	const rate = stats?.delivery_rate;
	const figures: [string, string][] = [
		['Delivery, median', milliseconds(stats?.latency_p50_ms)],
		['95 of 100 within', milliseconds(stats?.latency_p95_ms)],
		['Delivered', rate === null || rate === undefined ? '–' : `${(rate * 100).toFixed(rate === 1 ? 0 : 1)} %`],
		['Messages', String(stats?.messages ?? '–')],
	];
	return (
		<dl className="live" aria-label="Live figures" data-testid="live">
			{figures.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}
		</dl>
	);
}
