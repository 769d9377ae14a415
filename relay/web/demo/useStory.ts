/*
 * useStory.ts: the task that the page shows, read again and again as an
 * application would, and the steps that are taken with it, by hand or one
 * after the other.
 */

import { useCallback, useEffect, useRef, useState } from 'react';
import type { Backend, Task } from './backend.js';
import { STEPS, nextStep } from './story.js';
import type { Scene, Step } from './story.js';

const LOOK_EVERY_MS = 2_000;
const BETWEEN_STEPS_MS = 1_500;

export interface Story {
	scene: Scene | null;
	next: Step | undefined;
	/** The step that is being taken. */
	running: Step['id'] | null;
	playing: boolean;
	/** How the last step was taken. */
	how: string;
	error: string;
	take(step: Step): Promise<boolean>;
	/** Plays the whole story with a new task, or stops. */
	play(): void;
}

/* The task's row, looked at every two seconds. */
function useTask(backend: Backend, firstId: string): [Task | null, (task: Task) => void, string] {
	const [task, setTask] = useState<Task | null>(null);
	const [error, setError] = useState('');
	const id = task?.id ?? firstId;
	useEffect(() => {
		let current = true;
		const look = (): void => {
			backend.task(id).then((found) => {
				if (current) {
					setTask(found);
					setError('');
				}
			}, () => {
				if (current)
					setError('The application’s back end does not answer.');
			});
		};
		look();
		const timer = setInterval(look, LOOK_EVERY_MS);
		return () => {
			current = false;
			clearInterval(timer);
		};
	}, [backend, id]);
	return [task, setTask, error];
}

export function useStory(
	backend: Backend, firstId: string, people: Pick<Scene, 'creator' | 'worker'>, look: Scene['look'],
): Story {
	const [task, setTask, lost] = useTask(backend, firstId);
	const [taken, setTaken] = useState<ReadonlySet<string>>(new Set());
	const [running, setRunning] = useState<Step['id'] | null>(null);
	const [playing, setPlaying] = useState(false);
	const [how, setHow] = useState('');
	const [error, setError] = useState('');
	const scene: Scene | null = task && { backend, ...people, task, taken, look };
	const now = useRef(scene);
	useEffect(() => {
		now.current = scene;
	});

	const take = useCallback(async (step: Step): Promise<boolean> => {
		if (!now.current)
			return false;
		setRunning(step.id);
		setHow(step.how);
		setError('');
		try {
			const after = await step.run(now.current);
			setTaken((before) => (step.id === 'post' ? new Set() : new Set([...before, step.id])));
			setTask(after);
			return true;
		} catch (problem) {
			setError(problem instanceof Error ? problem.message : String(problem));
			return false;
		} finally {
			setRunning(null);
		}
	}, [setTask]);

	useEffect(() => {
		if (!playing)
			return;
		let stopped = false;
		const playAll = async (): Promise<void> => {
			for (const step of STEPS) {
				if (stopped || !await take(step))
					break;
				await new Promise((resolve) => setTimeout(resolve, BETWEEN_STEPS_MS));
			}
			setPlaying(false);
		};
		void playAll();
		return () => {
			stopped = true;
		};
	}, [playing, take]);

	return {
		scene, running, playing, how, error: error || lost, take,
		next: scene ? nextStep(scene) : undefined,
		play: () => setPlaying((was) => !was),
	};
}
