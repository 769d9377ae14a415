/*
 * main.tsx: the demo page: the creator and the worker of one task side by
 * side, each with a connection of their own, as if on two machines.
 */

import { StrictMode, useMemo } from 'react';
import type { ReactElement } from 'react';
import { createRoot } from 'react-dom/client';
import { TaskChatClient } from '../client/index.js';
import { TaskChatProvider, TaskMessaging } from '../react/index.js';
import '../react/styles.css';
import './demo.css';
import { fetchSettings, freshToken, socketUrl } from './settings.js';
import type { DemoSettings, DemoUser } from './settings.js';
import { StatusBar } from './StatusBar.js';

interface Person extends DemoUser {
	client: TaskChatClient;
}

function connect(settings: DemoSettings): Person[] {
	return settings.users.map((user) => {
		const client = new TaskChatClient({
			url: socketUrl(settings),
			getToken: ({ fresh }) => (fresh ? freshToken(user.user_id) : user.token),
		});
		client.connect();
		return { ...user, client };
	});
}

function Panel({ person, taskId, resolveUser }: {
	person: Person; taskId: string; resolveUser: (userId: string) => { name: string };
}): ReactElement {
	return (
		<div className="panel" data-testid={`panel-${person.role}`}>
			<TaskChatProvider client={person.client} resolveUser={resolveUser}>
				<TaskMessaging taskId={taskId} title={`${person.name} (${person.role})`} />
			</TaskChatProvider>
		</div>
	);
}

function Page({ settings, people }: { settings: DemoSettings; people: Person[] }): ReactElement {
	const names = useMemo(() => new Map(people.map((person) => [person.user_id, person.name])), [people]);
	const resolveUser = useMemo(() => (userId: string) => ({ name: names.get(userId) ?? userId }), [names]);
	const [first] = people;
	return (
		<>
			<header className="page-header">
				<div className="page-title">
					<span className="page-brand"><img src="/icon.svg" alt="" width="22" height="22" /> taskchat demo</span>
					<h1>{settings.task_title}</h1>
				</div>
				{first && (
					<StatusBar
						room={first.client.room(settings.task_id)} statusUrl={settings.status_url} taskId={settings.task_id}
					/>
				)}
			</header>
			<main className="panels">
				{people.map((person) => (
					<Panel key={person.user_id} person={person} taskId={settings.task_id} resolveUser={resolveUser} />
				))}
			</main>
		</>
	);
}

async function start(): Promise<void> {
	const place = document.getElementById('page');
	if (!place)
		return;
	const root = createRoot(place);
	try {
		const settings = await fetchSettings();
		root.render(<StrictMode><Page settings={settings} people={connect(settings)} /></StrictMode>);
	} catch (problem) {
		root.render(<p className="page-problem" role="alert">The demo is not set up: {String(problem)}</p>);
	}
}

void start();
