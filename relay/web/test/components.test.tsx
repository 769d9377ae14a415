// @vitest-environment happy-dom
/*
 * The five components on a fake server: what they show, what they send, and
 * whether axe-core finds fault with them.
 */

import axe from 'axe-core';
import { act } from 'react';
import type { ReactElement } from 'react';
import { createRoot } from 'react-dom/client';
import type { Root } from 'react-dom/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CloseCode } from '../client/index.js';
import { TaskChatProvider, TaskMessaging } from '../react/index.js';
import { describeNotice, describeTyping, safeUrl } from '../react/names.js';
import { FakeServer, member } from './fakeServer.js';
import type { FakeRoom } from './fakeServer.js';
import { makeClient } from './setup.js';

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

const NAMES: Record<string, string> = { ann: 'Ann', bo: 'Bo' };

let server: FakeServer;
let fake: FakeRoom;
let root: Root;
let place: HTMLElement;

async function settle(): Promise<void> {
	await act(() => new Promise<void>((resolve) => setTimeout(resolve, 5)));
}

async function show(element: ReactElement = <TaskMessaging taskId="t1" title="Fence" nameOf={(id) => NAMES[id] ?? id} />): Promise<void> {
	const client = makeClient(server);
	client.connect();
	await act(async () => root.render(<TaskChatProvider client={client}>{element}</TaskChatProvider>));
	await settle();
}

function find(testId: string): HTMLElement {
	const element = place.querySelector<HTMLElement>(`[data-testid="${testId}"]`);
	if (!element)
		throw new Error(`no ${testId}`);
	return element;
}

/* Writes into a field as a user does: React listens to the native setter's event. */
async function write(testId: string, text: string): Promise<void> {
	const field = find(testId) as HTMLInputElement | HTMLTextAreaElement;
	const setter = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), 'value')?.set;
	await act(async () => {
		setter?.call(field, text);
		field.dispatchEvent(new Event('input', { bubbles: true }));
	});
}

async function press(testId: string): Promise<void> {
	await act(async () => find(testId).click());
	await settle();
}

beforeEach(() => {
	server = new FakeServer();
	fake = server.addRoom('t1', [member('ann', 'creator'), member('bo')]);
	place = document.createElement('main');
	document.body.append(place);
	root = createRoot(place);
});

afterEach(async () => {
	await act(async () => root.unmount());
	place.remove();
});

describe('TaskMessaging', () => {
	it('shows the conversation, people and connection', async () => {
		server.say(fake, 'bo', 'Hi Ann');
		server.say(fake, null, 'Welcome');
		server.append(fake, { type: 'task_update', changes: { status: { old: 'open', new: 'in_progress' } } });
		await show();
		const item = place.querySelector('li[data-seq="1"]');
		expect(item?.getAttribute('data-message-id')).toBe('m1');
		expect(item?.textContent).toContain('Hi Ann');
		expect(item?.textContent).toContain('Bo');
		expect(find('message-list').textContent).toContain('Task updated: status: open → in progress');
		expect(find('online-status').textContent).toContain('Bo');
		expect(find('connection-state').dataset.state).toBe('connected');
	});

	it('sends text, shows it as own, and marks it as seen', async () => {
		await show();
		await write('message-input', 'Hello Bo');
		await press('send-button');
		const item = place.querySelector('li[data-seq="1"]');
		expect(item?.textContent).toContain('Hello Bo');
		expect(item?.className).toContain('tc-mine');
		expect((find('message-input') as HTMLTextAreaElement).value).toBe('');
		expect(place.querySelector('[data-testid="read-mark"]')).toBeNull();
		await act(async () => server.tell(fake, { type: 'message_read', user_id: 'bo', last_read_seq: 1 }));
		expect(find('read-mark').textContent).toBe('Seen');
	});

	it('sends on Enter, not on Shift+Enter, and nothing when empty', async () => {
		await show();
		const key = (shiftKey: boolean): Promise<void> => act(async () => {
			find('message-input').dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', shiftKey, bubbles: true, cancelable: true }));
		});
		await key(false);
		await write('message-input', 'line');
		await key(true);
		expect(server.frames('send_message')).toHaveLength(0);
		await key(false);
		expect(server.frames('send_message')).toHaveLength(1);
	});

	it('sends images by URL, and only http and https', async () => {
		await show();
		await write('image-url-input', 'javascript:alert(1)');
		await press('send-button');
		expect(place.querySelector('[role="alert"]')?.textContent).toContain('https://');
		expect(server.frames('send_message')).toHaveLength(0);
		await write('image-url-input', 'https://example.org/a.png');
		await write('message-input', 'The fence');
		await press('send-button');
		expect(server.frames('send_message')[0]).toMatchObject({
			message_type: 'image', file_url: 'https://example.org/a.png', content: 'The fence',
		});
		expect(place.querySelector('li[data-seq="1"] img')?.getAttribute('src')).toBe('https://example.org/a.png');
	});

	it('never makes a link or image of another scheme', async () => {
		server.say(fake, 'bo', 'look', { message_type: 'image', file_url: 'javascript:alert(1)' });
		server.say(fake, 'bo', '<img src=x onerror=alert(1)>');
		server.say(fake, 'bo', '', { message_type: 'file', file_url: 'https://example.org/plan%20a.pdf' });
		await show();
		expect(place.querySelectorAll('li[data-seq] img')).toHaveLength(0);
		const links = [...place.querySelectorAll('li[data-seq] a')];
		expect(links.map((link) => [link.getAttribute('href'), link.textContent])).toEqual([
			['https://example.org/plan%20a.pdf', 'plan a.pdf'],
		]);
		expect(links[0]?.getAttribute('rel')).toContain('noopener');
	});

	it('shows who types, and tells that its user does', async () => {
		await show();
		await act(async () => server.tell(fake, { type: 'typing_indicator', user_id: 'bo', is_typing: true }));
		expect(find('typing-indicator').textContent).toBe('Bo is typing…');
		await write('message-input', 'H');
		expect(server.frames('typing_indicator')).toMatchObject([{ is_typing: true }]);
	});

	it('shows a failed message with what can be done', async () => {
		await show();
		server.override('send_message', () => ({ error: { code: 'conflict', message: 'It cannot be sent.' } }));
		await write('message-input', 'x');
		await press('send-button');
		expect(find('pending-message').dataset.status).toBe('failed');
		expect(find('pending-message').textContent).toContain('It cannot be sent.');
		server.override('send_message', () => null);
		await press('retry-button');
		expect(place.querySelectorAll('[data-testid="pending-message"]')).toHaveLength(0);
		expect(place.querySelector('li[data-seq="1"]')).not.toBeNull();
	});

	it('shows a lost connection and a pending message, and closed rooms', async () => {
		await show();
		server.say(fake, 'bo', 'x');
		server.up = false;
		await act(async () => server.socket.end(CloseCode.lost));
		expect(find('connection-state').dataset.state).toBe('reconnecting');
		await write('message-input', 'later');
		await press('send-button');
		expect(find('pending-message').dataset.status).toBe('sending');
	});

	it('offers no input in closed rooms and to observers', async () => {
		await show();
		await act(async () => { server.append(fake, { type: 'room_closed' }); });
		expect(place.querySelector('textarea')).toBeNull();
		expect(place.textContent).toContain('This conversation is closed.');
	});

	it('loads earlier messages', async () => {
		for (let count = 1; count <= 60; count++)
			server.say(fake, 'bo', `message ${count}`);
		await show();
		expect(place.querySelectorAll('li[data-seq]')).toHaveLength(50);
		await press('load-older');
		expect(place.querySelectorAll('li[data-seq]')).toHaveLength(60);
	});

	it('marks as read what is on the screen', async () => {
		server.say(fake, 'bo', 'x');
		await show();
		expect(server.frames('mark_read')).toMatchObject([{ seq: 1 }]);
	});

	it('has no fault that axe-core finds', async () => {
		server.say(fake, 'bo', 'Hi');
		server.say(fake, 'ann', 'Hello', { message_type: 'image', file_url: 'https://example.org/a.png' });
		server.append(fake, { type: 'task_update', changes: { status: { old: 'open', new: 'assigned' } } });
		await show();
		const { violations } = await axe.run(place, { rules: { 'color-contrast': { enabled: false } } });
		expect(violations.map((violation) => violation.id)).toEqual([]);
		const log = find('message-list');
		expect(log.getAttribute('role')).toBe('log');
		expect(log.tabIndex).toBe(0);
	});
});

describe('words', () => {
	it('names events and typists', () => {
		const nameOf = (id: string): string => NAMES[id] ?? id;
		const at = { task_id: 't1', applicant_id: null, seq: 1 };
		expect(describeNotice({ ...at, type: 'member_joined', user_id: 'bo', role: 'worker' }, nameOf)).toBe('Bo joined as a worker');
		expect(describeNotice({ ...at, type: 'task_update', changes: { status: { old: null, new: 'open' }, price: 5 } }, nameOf))
			.toBe('Task updated: status: none → open, price: 5');
		expect(describeTyping(['Ann', 'Bo'])).toBe('Ann and Bo are typing…');
		expect(describeTyping(['Ann', 'Bo', 'Cy'])).toBe('Several people are typing…');
	});

	it('lets only http and https through', () => {
		expect(safeUrl('https://example.org/a b')).toBe('https://example.org/a%20b');
		for (const text of ['javascript:alert(1)', 'data:text/html,x', ' ', 'a.png', '//example.org/x', null, undefined])
			expect(safeUrl(text)).toBeNull();
	});
});
