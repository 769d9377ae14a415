/*
 * backend.ts: how the page asks the application's back end (backend.mjs),
 * which does what it does by SQL.
 */

export type TaskStatus = 'open' | 'assigned' | 'in_progress' | 'completed' | 'paid';

export interface Task {
	id: string;
	title: string;
	price: number;
	status: TaskStatus;
	creator_id: string;
	worker_id: string | null;
	applicants: string[];
}

/** As delivery_stats() gives it; counts are numbers or texts of numbers. */
export interface DeliveryStats {
	messages: number | string;
	deliveries_expected: number | string;
	deliveries_confirmed: number | string;
	delivery_rate: number | null;
	latency_p50_ms: number | null;
	latency_p95_ms: number | null;
}

export class Backend {
	private readonly url: string;

	constructor(url: string) {
		this.url = url;
	}

	task(taskId: string): Promise<Task> {
		return this.ask(`/task?task_id=${encodeURIComponent(taskId)}`);
	}

	stats(): Promise<DeliveryStats> {
		return this.ask('/stats');
	}

	createTask(title: string, creatorId: string): Promise<Task> {
		return this.tell('/tasks', { title, creator_id: creatorId });
	}

	apply(taskId: string, userId: string): Promise<Task> {
		return this.tell('/apply', { task_id: taskId, user_id: userId });
	}

	accept(taskId: string, userId: string): Promise<Task> {
		return this.tell('/accept', { task_id: taskId, user_id: userId });
	}

	setStatus(taskId: string, status: TaskStatus): Promise<Task> {
		return this.tell('/status', { task_id: taskId, status });
	}

	pay(taskId: string): Promise<Task> {
		return this.tell('/pay', { task_id: taskId });
	}

	/** Uploads a picture; XMLHttpRequest, because fetch tells no progress of what it sends. */
	readonly upload = (file: File, progress: (part: number) => void, signal: AbortSignal): Promise<string> =>
		new Promise((resolve, reject) => {
			const request = new XMLHttpRequest();
			request.open('POST', `${this.url}/upload`);
			request.responseType = 'json';
			request.upload.onprogress = (event) => progress(event.total > 0 ? event.loaded / event.total : 0);
			request.onload = () => {
				const answer = request.response as { url?: string; error?: string } | null;
				if (request.status === 200 && answer?.url)
					resolve(answer.url);
				else
					reject(new Error(answer?.error ?? `HTTP ${request.status}`));
			};
			request.onerror = () => reject(new Error('the back end does not answer'));
			request.onabort = () => reject(new Error('cancelled'));
			signal.addEventListener('abort', () => request.abort());
			request.send(file);
		});

	private tell<Answer>(path: string, body: object): Promise<Answer> {
		return this.ask(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
	}

	private async ask<Answer>(path: string, init?: RequestInit): Promise<Answer> {
		const answer = await fetch(this.url + path, init);
		const body = (await answer.json()) as Answer & { error?: string };
		if (!answer.ok)
			throw new Error(body.error ?? `HTTP ${answer.status}`);
		return body;
	}
}
