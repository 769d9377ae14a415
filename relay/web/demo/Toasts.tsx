/*
 * Toasts.tsx: the notifications of one person, each shown for a while.
 */

import { useCallback, useEffect, useState } from 'react';
import type { ReactElement } from 'react';
import type { Notification } from '../client/index.js';
import { useNotifications, usePeople } from '../react/index.js';

const SHOWN_MS = 6_000;
const AT_MOST = 3;

interface Words {
	title: string;
	text: string;
}

function wordsFor({ kind, payload }: Notification, nameOf: (userId: string) => string): Words {
	const who = typeof payload.applicant_id === 'string' ? nameOf(payload.applicant_id) : 'Somebody';
	switch (kind) {
		case 'application_received':
			return { title: 'New application', text: `${who} would like to do this task.` };
		case 'application_accepted':
			return { title: 'You are in!', text: 'Your application was accepted.' };
		case 'payment_received':
			return { title: 'Payment received', text: `€ ${Number(payload.amount).toFixed(2)} are on their way to you.` };
		default:
			return { title: kind.replaceAll('_', ' '), text: '' };
	}
}

function Toast({ notification, onGone }: { notification: Notification; onGone: (id: string) => void }): ReactElement {
	const person = usePeople();
	const { title, text } = wordsFor(notification, (userId) => person(userId).name);
	const { id } = notification;
	useEffect(() => {
		const timer = setTimeout(() => onGone(id), SHOWN_MS);
		return () => clearTimeout(timer);
	}, [id, onGone]);
	return (
		<div className="toast" data-kind={notification.kind}>
			<span className="toast-text"><strong>{title}</strong><span>{text}</span></span>
			<button type="button" aria-label="Dismiss" onClick={() => onGone(id)}><span aria-hidden="true">×</span></button>
		</div>
	);
}

export function Toasts(): ReactElement {
	const [shown, setShown] = useState<readonly Notification[]>([]);
	const { markRead } = useNotifications(useCallback((one: Notification) => setShown((all) => [...all, one].slice(-AT_MOST)), []));
	const onGone = useCallback((id: string) => {
		setShown((all) => all.filter((one) => one.id !== id));
		markRead(id).catch(() => {
			/* It stays unread in the database, and will be listed as such. */
		});
	}, [markRead]);
	return (
		<div className="toasts" role="status" data-testid="toasts">
			{shown.map((one) => <Toast key={one.id} notification={one} onGone={onGone} />)}
		</div>
	);
}
