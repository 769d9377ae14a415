/*
 * settings.ts: what the demo page is told by /demo.json, a file that its
 * launcher writes: the first task, its people with their tokens, and where
 * the application's own back end is.
 */

export interface DemoUser {
	user_id: string;
	name: string;
	role: string;
	token: string;
}

export interface DemoSettings {
	task_id: string;
	task_title: string;
	ws_url?: string;
	users: DemoUser[];
	api_url: string;
}

/** Fetches the settings; rejects when the file isn't there or isn't whole. */
export async function fetchSettings(): Promise<DemoSettings> {
	const answer = await fetch('/demo.json', { cache: 'no-store' });
	if (!answer.ok)
		throw new Error(`/demo.json: HTTP ${answer.status}`);
	const settings = (await answer.json()) as DemoSettings;
	if (!settings.task_id || !settings.api_url || !Array.isArray(settings.users))
		throw new Error('/demo.json does not name a task, its users and the back end');
	return settings;
}

/** The relay's address: as told, else that of the page's own host. */
export function socketUrl(settings: DemoSettings): string {
	if (settings.ws_url)
		return settings.ws_url;
	const url = new URL('/ws', window.location.href);
	url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
	return url.href;
}

/** A token for this user as the launcher gives it now. */
export async function freshToken(userId: string): Promise<string> {
	const { users } = await fetchSettings();
	const user = users.find((one) => one.user_id === userId);
	if (!user)
		throw new Error(`/demo.json has no token for ${userId}`);
	return user.token;
}
