/*
 * main.tsx: the demo page: the creator and the worker of one task side by
 * side, the steps of their story, and how fast messages are delivered.
 */

import { StrictMode, useMemo, useState } from 'react';
import type { ReactElement } from 'react';
import { createRoot } from 'react-dom/client';
import { TaskChatClient } from '../client/index.js';
import '@fontsource-variable/inter/wght.css';
import '../react/styles.css';
import './panels.css';
import './demo.css';
import { Backend } from './backend.js';
import { LivePanel } from './LivePanel.js';
import { Network } from './network.js';
import { PersonPanel } from './PersonPanel.js';
import type { Person } from './PersonPanel.js';
import { fetchSettings, freshToken, socketUrl } from './settings.js';
import type { DemoSettings, DemoUser } from './settings.js';
import { STEPS } from './story.js';
import { StoryRail } from './StoryRail.js';
import { useStory } from './useStory.js';

function connect(user: DemoUser, settings: DemoSettings): Person {
	const network = new Network();
	const client = new TaskChatClient({
		url: socketUrl(settings),
		/* A cut network must not be gone around. */
		httpUrl: null,
		WebSocket: network.WebSocket,
		userId: user.user_id,
		getToken: ({ fresh }) => (fresh ? freshToken(user.user_id) : user.token),
	});
	client.connect();
	return { ...user, client, network };
}

type Theme = 'light' | 'dark' | null;

/* Light, dark, or as the system says. */
function ThemeButton(): ReactElement {
	const [theme, setTheme] = useState<Theme>(null);
	function toggle(): void {
		const isDark = theme ? theme === 'dark' : window.matchMedia('(prefers-color-scheme: dark)').matches;
		const next = isDark ? 'light' : 'dark';
		document.documentElement.dataset.theme = next;
		setTheme(next);
	}
	return (
		<button type="button" className="theme" aria-label="Light or dark" data-testid="theme" onClick={toggle}>
			<svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true">
				<circle cx="10" cy="10" r="7" fill="none" stroke="currentColor" strokeWidth="1.6" />
				<path d="M10 3a7 7 0 0 1 0 14z" fill="currentColor" />
			</svg>
		</button>
	);
}

function Masthead({ backend }: { backend: Backend }): ReactElement {
	return (
		<header className="masthead">
			<div className="brand">
				<img src="/icon.svg" alt="" width="30" height="30" />
				<div>
					<h1>taskchat</h1>
					<p>Real-time chat for the people of a task, inside PostgreSQL</p>
				</div>
			</div>
			<LivePanel backend={backend} />
			<ThemeButton />
		</header>
	);
}

/* On a phone one side shows at a time. */
function SideButtons({ people, side, onSide }: { people: readonly Person[]; side: string; onSide: (side: string) => void }): ReactElement {
	return (
		<div className="sides" role="group" aria-label="Whose side to show">
			{people.map(({ role, name }) => (
				<button key={role} type="button" aria-pressed={side === role} data-testid={`side-${role}`} onClick={() => onSide(role)}>
					{name.split(' ')[0]}
				</button>
			))}
		</div>
	);
}

function Page({ settings, creator, worker }: { settings: DemoSettings; creator: Person; worker: Person }): ReactElement {
	const backend = useMemo(() => new Backend(settings.api_url), [settings]);
	const names = useMemo(() => new Map(settings.users.map((user) => [user.user_id, user.name])), [settings]);
	const resolveUser = useMemo(() => (userId: string) => ({ name: names.get(userId) ?? userId }), [names]);
	const [looked, setLooked] = useState<string | null>(null);
	const [side, setSide] = useState('creator');
	const story = useStory(backend, settings.task_id, { creator, worker }, setLooked);
	const task = story.scene?.task;
	const apply = STEPS.find((step) => step.id === 'apply');
	const panel = task && {
		task, backend, resolveUser,
		onApply: () => {
			if (apply)
				void story.take(apply);
		},
	};
	return (
		<>
			<Masthead backend={backend} />
			<main data-side={side}>
				<div className="task">
					<h2>{task?.title ?? settings.task_title}</h2>
					{task && <span className="task-status" data-status={task.status}>{task.status.replace('_', ' ')}</span>}
				</div>
				<StoryRail story={story} />
				<SideButtons people={[creator, worker]} side={side} onSide={setSide} />
				{panel && (
					<div className="panels">
						<PersonPanel person={creator} {...panel} applicantId={looked} onSelect={setLooked} />
						<PersonPanel person={worker} {...panel} />
					</div>
				)}
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
		const [creator, worker] = ['creator', 'worker'].map((role) => settings.users.find((user) => user.role === role));
		if (!creator || !worker)
			throw new Error('a creator and a worker are needed');
		root.render(
			<StrictMode>
				<Page settings={settings} creator={connect(creator, settings)} worker={connect(worker, settings)} />
			</StrictMode>,
		);
	} catch (problem) {
		root.render(<p className="page-problem" role="alert">The demo is not set up: {String(problem)}</p>);
	}
}

void start();
