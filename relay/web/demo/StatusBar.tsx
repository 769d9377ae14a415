/*
 * StatusBar.tsx: the task's status, and the buttons that change it. They ask
 * the application's back end, which updates the task's row by plain SQL; what
 * the two chats then show comes from the database through the relay.
 */

import { useEffect, useState } from 'react';
import type { ReactElement } from 'react';
import type { Room } from '../client/index.js';
import { useRoomState } from '../react/index.js';

const STATUSES = ['open', 'assigned', 'in_progress', 'completed'] as const;

interface StatusBarProps {
	room: Room;
	statusUrl: string;
	taskId: string;
}

function statusIn(answer: unknown): string | null {
	return typeof answer === 'object' && answer !== null && 'status' in answer && typeof answer.status === 'string'
		? answer.status : null;
}

async function ask(url: string, init?: RequestInit): Promise<string> {
	const answer = await fetch(url, init);
	const status = answer.ok ? statusIn(await answer.json()) : null;
	if (status === null)
		throw new Error(`HTTP ${answer.status}`);
	return status;
}

/* The newest status that the conversation tells of, if any. */
function useToldStatus(room: Room): string | null {
	const last = useRoomState(room).entries.findLast(
		(entry) => entry.kind === 'notice' && entry.event.type === 'task_update' && 'status' in entry.event.changes,
	);
	if (last?.kind !== 'notice' || last.event.type !== 'task_update')
		return null;
	const change = last.event.changes.status;
	return typeof change === 'object' && change !== null && 'new' in change ? String(change.new) : null;
}

export function StatusBar({ room, statusUrl, taskId }: StatusBarProps): ReactElement {
	const told = useToldStatus(room);
	const [first, setFirst] = useState<string | null>(null);
	const [busy, setBusy] = useState(false);
	const [error, setError] = useState('');
	const status = told ?? first;

	useEffect(() => {
		const url = new URL(statusUrl);
		url.searchParams.set('task_id', taskId);
		ask(url.href).then(setFirst, () => setError('The application’s back end does not answer.'));
	}, [statusUrl, taskId]);

	async function change(wanted: string): Promise<void> {
		setBusy(true);
		setError('');
		try {
			setFirst(await ask(statusUrl, {
				method: 'POST',
				headers: { 'Content-Type': 'application/json' },
				body: JSON.stringify({ task_id: taskId, status: wanted }),
			}));
		} catch (problem) {
			setError(`The status could not be changed (${problem instanceof Error ? problem.message : 'unknown'}).`);
		}
		setBusy(false);
	}

	return (
		<div className="status-bar">
			<div className="status-buttons" role="group" aria-label="Task status">
				{STATUSES.map((one) => (
					<button
						key={one} type="button" data-testid={`status-button-${one}`} aria-pressed={one === status}
						disabled={busy} onClick={() => void change(one)}
					>
						{one.replace('_', ' ')}
					</button>
				))}
			</div>
			<p className="status-note" role="status">
				{error || <>Each button runs <code>UPDATE tasks SET status = …</code> in the application’s own table.</>}
			</p>
		</div>
	);
}
