/*
 * PersonPanel.tsx: one person's side of the page, with a connection of its
 * own, as if on another machine: the chat of the task, toasts, and a switch
 * that cuts the network.
 */

import { useCallback, useState } from 'react';
import type { ReactElement } from 'react';
import type { TaskChatClient } from '../client/index.js';
import { TaskChatProvider, TaskMessaging } from '../react/index.js';
import type { ResolveUser } from '../react/index.js';
import type { Backend, Task } from './backend.js';
import type { Network } from './network.js';
import { PhotoPicker } from './PhotoPicker.js';
import type { DemoUser } from './settings.js';
import { Toasts } from './Toasts.js';

export interface Person extends DemoUser {
	client: TaskChatClient;
	network: Network;
}

export interface PersonPanelProps {
	person: Person;
	task: Task;
	backend: Backend;
	resolveUser: ResolveUser;
	/** The open conversation, where the page decides it. */
	applicantId?: string | null;
	onSelect?: (applicantId: string | null) => void;
	/** The person applies for the task. */
	onApply: () => void;
}

function NetworkSwitch({ person }: { person: Person }): ReactElement {
	const [up, setUp] = useState(person.network.isUp());
	function toggle(): void {
		person.network.set(!up);
		setUp(!up);
		if (!up)
			person.client.connect();
	}
	return (
		<button type="button" className="switch" role="switch" aria-checked={up} data-testid="network-switch" onClick={toggle}>
			<span className="switch-track" aria-hidden="true" />
			Network
		</button>
	);
}

/* Before applying there is no chat to show, only the task. */
function Offer({ task, resolveUser, onApply, person }: PersonPanelProps & { resolveUser: ResolveUser }): ReactElement {
	const creator = resolveUser(task.creator_id);
	return (
		<section className="offer" aria-label={`${person.name} · ${person.role}`}>
			<p className="offer-who">{person.name} · looking for work</p>
			<h2>{task.title}</h2>
			<p>{'name' in creator ? creator.name : task.creator_id} · € {task.price}</p>
			<button type="button" className="primary" data-testid="apply" onClick={onApply}>Apply for this task</button>
		</section>
	);
}

/* The pictures of the demo in place of the system's dialogue. */
function usePhotos(): { pick: () => Promise<File[]>; picker: ReactElement | null } {
	const [resolve, setResolve] = useState<((files: File[]) => void) | null>(null);
	const pick = useCallback(() => new Promise<File[]>((done) => setResolve(() => done)), []);
	const onPick = useCallback((files: File[]) => setResolve((done: ((files: File[]) => void) | null) => {
		done?.(files);
		return null;
	}), []);
	return { pick, picker: resolve && <PhotoPicker onPick={onPick} /> };
}

export function PersonPanel(props: PersonPanelProps): ReactElement {
	const { person, task, backend, resolveUser, applicantId, onSelect } = props;
	const { pick, picker } = usePhotos();
	const { user_id: userId } = person;
	const isIn = task.creator_id === userId || task.worker_id === userId || task.applicants.includes(userId);
	/* The creator chooses; the worker begins in the private room, and moves on when accepted. */
	const room = applicantId !== undefined ? applicantId : task.worker_id === userId ? null : userId;
	return (
		<div className="panel" data-testid={`panel-${person.role}`}>
			<TaskChatProvider client={person.client} resolveUser={resolveUser} locale="en-GB">
				{isIn
					? (
						<TaskMessaging
							taskId={task.id} applicantId={room} {...(onSelect && { onSelect })} title={`${person.name} · ${person.role}`}
							onUpload={backend.upload} pickFiles={pick} actions={<NetworkSwitch person={person} />}
						/>
					)
					: <Offer {...props} />}
				<Toasts />
			</TaskChatProvider>
			{picker}
		</div>
	);
}
