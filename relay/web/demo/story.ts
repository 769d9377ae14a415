/*
 * story.ts: the story of a task from posting to payment, in steps that the
 * page offers as buttons and plays by itself. Each says by which SQL the
 * application takes it; what people write goes through their own clients.
 */

import type { Room, TaskChatClient } from '../client/index.js';
import type { Backend, Task } from './backend.js';
import { PHOTOS, photoFile } from './photos.js';

export interface Scene {
	backend: Backend;
	creator: { user_id: string; client: TaskChatClient };
	worker: { user_id: string; client: TaskChatClient };
	task: Task;
	/** What chat alone shows: steps taken that the task's row doesn't tell. */
	taken: ReadonlySet<string>;
	/** The creator looks at this conversation (null: the main one). */
	look(applicantId: string | null): void;
}

export interface Step {
	id: 'post' | 'apply' | 'ask' | 'accept' | 'start' | 'photo' | 'finish' | 'pay';
	label: string;
	/** What the application's back end does, or the client. */
	how: string;
	done(scene: Scene): boolean;
	/** Takes the step; gives the task as it is then. */
	run(scene: Scene): Promise<Task>;
}

const TITLES = ['Paint the back fence', 'Paint the front gate', 'Stain the picket fence'];
const UNTIL_SENT_MS = 1_100;
let posted = 0;

function pause(ms: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, ms));
}

/* Types for a while, then says it. */
async function say(room: Room, content: string): Promise<void> {
	const typing = setInterval(() => room.setTyping(true), 500);
	room.setTyping(true);
	await pause(UNTIL_SENT_MS);
	clearInterval(typing);
	room.send({ content });
	await pause(500);
}

function hasReached(task: Task, status: Task['status']): boolean {
	const order: Task['status'][] = ['open', 'assigned', 'in_progress', 'completed', 'paid'];
	return order.indexOf(task.status) >= order.indexOf(status);
}

function roomOf(person: { client: TaskChatClient }, task: Task, applicantId: string | null): Room {
	return person.client.room(task.id, applicantId);
}

async function ask({ creator, worker, task, look }: Scene): Promise<Task> {
	look(worker.user_id);
	await pause(700);
	await say(roomOf(worker, task, worker.user_id), 'Hi! Is the paint included, or shall I bring some?');
	await say(roomOf(creator, task, worker.user_id), 'It is all in the shed. White, two coats.');
	return task;
}

async function sendPhoto({ backend, worker, task, look }: Scene): Promise<Task> {
	look(null);
	const photo = PHOTOS[1];
	if (photo) {
		const url = await backend.upload(await photoFile(photo), () => {}, new AbortController().signal);
		roomOf(worker, task, null).send({
			content: 'Half way there!', message_type: 'image', file_url: url, metadata: { width: 640, height: 400 },
		});
	}
	await pause(600);
	return task;
}

export const STEPS: readonly Step[] = [
	{
		id: 'post', label: 'Post a task', how: 'INSERT INTO tasks (title, creator_id) VALUES (…)',
		done: () => true,
		run: ({ backend, creator, look }) => {
			look(null);
			return backend.createTask(TITLES[posted++ % TITLES.length] ?? 'Paint a fence', creator.user_id);
		},
	},
	{
		id: 'apply', label: 'Apply', how: "SELECT taskchat.add_member(task, 'ben', 'applicant')",
		done: ({ task, worker }) => task.applicants.includes(worker.user_id),
		run: ({ backend, worker, task }) => backend.apply(task.id, worker.user_id),
	},
	{
		id: 'ask', label: 'Ask', how: 'send_message over the WebSocket, in the applicant’s private room',
		done: ({ task, taken }) => task.worker_id !== null || taken.has('ask'),
		run: ask,
	},
	{
		id: 'accept', label: 'Accept', how: "UPDATE tasks SET status = 'assigned'; SELECT taskchat.add_member(task, 'ben', 'worker')",
		done: ({ task }) => task.worker_id !== null,
		run: ({ backend, worker, task, look }) => {
			look(null);
			return backend.accept(task.id, worker.user_id);
		},
	},
	{
		id: 'start', label: 'Start work', how: "UPDATE tasks SET status = 'in_progress'",
		done: ({ task }) => hasReached(task, 'in_progress'),
		run: ({ backend, task }) => backend.setStatus(task.id, 'in_progress'),
	},
	{
		id: 'photo', label: 'Send a photo', how: 'onUpload(file, progress) → url, then send_message',
		done: ({ task, taken }) => hasReached(task, 'completed') || taken.has('photo'),
		run: sendPhoto,
	},
	{
		id: 'finish', label: 'Finish', how: "UPDATE tasks SET status = 'completed'",
		done: ({ task }) => hasReached(task, 'completed'),
		run: ({ backend, task }) => backend.setStatus(task.id, 'completed'),
	},
	{
		id: 'pay', label: 'Pay', how: "SELECT taskchat.notify_user('ben', 'payment_received', …)",
		done: ({ task }) => hasReached(task, 'paid'),
		run: ({ backend, task }) => backend.pay(task.id),
	},
];

/** The step to take next: the first that isn't done; at the end a new task. */
export function nextStep(scene: Scene): Step | undefined {
	return STEPS.find((step) => !step.done(scene)) ?? STEPS[0];
}
