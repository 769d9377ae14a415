/*
 * MessageActions.tsx: what can be done with a message of the list: reply to
 * it, and edit or delete an own one; deleting asks once more.
 */

'use client';

import { useState } from 'react';
import type { ReactElement } from 'react';
import type { Message } from '../client/index.js';
import { useUi } from './settings.js';

/** What can be done with messages; what is left out isn't offered. */
export interface MessageActions {
	onRetry?: (clientMsgId: string) => void;
	onDiscard?: (clientMsgId: string) => void;
	onReply?: (message: Message) => void;
	onEdit?: (message: Message) => void;
	onDelete?: (message: Message) => Promise<unknown> | void;
}

type State = 'closed' | 'open' | 'confirm' | 'failed';

function Confirm({ onDelete, onKeep }: { onDelete: () => void; onKeep: () => void }): ReactElement {
	const { labels } = useUi();
	return (
		<>
			<span>{labels.confirmDelete}</span>
			<button type="button" className="tc-danger" autoFocus onClick={onDelete}>{labels.delete}</button>
			<button type="button" onClick={onKeep}>{labels.keep}</button>
		</>
	);
}

export function Actions({ message, mine, actions, tabStop }: {
	message: Message; mine: boolean; actions: MessageActions; tabStop: boolean;
}): ReactElement | null {
	const { labels } = useUi();
	const [state, setState] = useState<State>('closed');
	const { onReply } = actions;
	const onEdit = mine && message.message_type === 'text' ? actions.onEdit : undefined;
	const onDelete = mine ? actions.onDelete : undefined;
	if (!onReply && !onEdit && !onDelete)
		return null;

	async function remove(): Promise<void> {
		try {
			await onDelete?.(message);
		} catch {
			setState('failed');
		}
	}

	function take(action: (message: Message) => void): void {
		setState('closed');
		action(message);
	}

	return (
		<span
			className="tc-actions" data-open={state !== 'closed'}
			onKeyDown={(event) => {
				if (event.key === 'Escape' && state !== 'closed')
					setState('closed');
			}}
		>
			<button
				type="button" className="tc-more" aria-label={labels.actions} aria-expanded={state !== 'closed'} tabIndex={tabStop || state !== 'closed' ? 0 : -1}
				onClick={() => setState(state === 'closed' ? 'open' : 'closed')}
			>
				<span aria-hidden="true">⋯</span>
			</button>
			{state === 'open' && onReply && <button type="button" onClick={() => take(onReply)}>{labels.reply}</button>}
			{state === 'open' && onEdit && <button type="button" onClick={() => take(onEdit)}>{labels.edit}</button>}
			{state === 'open' && onDelete && <button type="button" onClick={() => setState('confirm')}>{labels.delete}</button>}
			{state === 'confirm' && <Confirm onDelete={() => void remove()} onKeep={() => setState('closed')} />}
			{state === 'failed' && <span role="alert">{labels.deleteFailed}</span>}
		</span>
	);
}

/** ↑ and ↓ go from the actions of one message to those of the next; gives true when they did. */
export function moveAmongActions(list: HTMLElement, key: string, from: Element): boolean {
	const step = key === 'ArrowUp' ? -1 : key === 'ArrowDown' ? 1 : 0;
	const all = [...list.querySelectorAll<HTMLElement>('.tc-more')];
	const at = all.indexOf(from as HTMLElement);
	const next = at < 0 || step === 0 ? undefined : all[at + step];
	next?.focus();
	next?.scrollIntoView({ block: 'nearest' });
	return next !== undefined;
}
