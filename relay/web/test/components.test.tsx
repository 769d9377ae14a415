// @vitest-environment happy-dom
/*
 * TaskMessaging with all its parts on a fake server: what a person finds by
 * role and name, what is sent, and whether axe-core finds fault.
 */

import { act, cleanup, configure, render, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import type { UserEvent } from '@testing-library/user-event';
import axe from 'axe-core';
import type { ReactElement } from 'react';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CloseCode } from '../client/index.js';
import type { TaskChatClient } from '../client/index.js';
import { TaskChatProvider, TaskMessaging } from '../react/index.js';
import type { TaskMessagingProps } from '../react/index.js';
import { FakeServer, member } from './fakeServer.js';
import type { FakeRoom } from './fakeServer.js';
import { makeClient } from './setup.js';

const NAMES: Record<string, string> = { ann: 'Ann', bo: 'Bo', cy: 'Cy' };
const resolveUser = (id: string): { name: string } => ({ name: NAMES[id] ?? id });

let server: FakeServer;
let fake: FakeRoom;
let user: UserEvent;
let client: TaskChatClient;

configure({ asyncUtilTimeout: 30_000 });

/* Turns of the loop, and no stretch of time: what takes some turns has then come, however long each of them lasted. */
async function settle(): Promise<void> {
	await act(async () => {
		for (let turns = 0; turns < 10; turns++)
			await new Promise<void>((resolve) => setTimeout(resolve, 1));
	});
}

async function show(props: Partial<TaskMessagingProps> = {}): Promise<void> {
	client = makeClient(server);
	client.connect();
	render(
		<main>
			<TaskChatProvider client={client} resolveUser={resolveUser} locale="en-GB" timeZone="UTC">
				<TaskMessaging taskId="t1" title="Fence" {...props} />
			</TaskChatProvider>
		</main>,
	);
	await settle();
}

const log = (): HTMLElement => screen.getByRole('log', { name: 'Messages' });
const field = (): HTMLElement => screen.getByRole('textbox', { name: 'Message' });
const rows = (): HTMLElement[] => [...log().querySelectorAll<HTMLElement>('li[data-seq]')];

beforeEach(() => {
	localStorage.clear();
	server = new FakeServer();
	fake = server.addRoom('t1', [member('ann', 'creator'), member('bo')]);
	server.override('get_rooms', () => ({ data: { rooms: [], has_more: false } }));
	user = userEvent.setup();
});

afterEach(() => {
	cleanup();
	client.close();
});

describe('reading', () => {
	it('shows messages, notices and people with names', async () => {
		server.say(fake, 'bo', 'Hi Ann');
		server.say(fake, null, 'Welcome');
		server.append(fake, { type: 'task_update', changes: { status: { old: 'open', new: 'in_progress' } } });
		await show();
		const [first, second, third] = rows();
		expect(first?.dataset.messageId).toBe('m1');
		expect(first).toHaveProperty('textContent', expect.stringContaining('Bo'));
		expect(first?.textContent).toContain('Hi Ann');
		expect(first?.querySelector('time')?.textContent).toBe('10:00');
		expect(second?.textContent).toContain('Welcome');
		expect(third?.textContent).toBe('Status: open → in progress');
		expect(within(screen.getByRole('list', { name: 'People in this conversation' })).getByText('Bo')).toBeTruthy();
		expect(screen.getByText('Connected')).toBeTruthy();
	});

	it('separates days and groups messages of one sender', async () => {
		server.say(fake, 'bo', 'old', { created_at: '2026-01-01T10:00:00Z' });
		server.say(fake, 'bo', 'new day', { created_at: '2026-01-02T10:00:00Z' });
		server.say(fake, 'bo', 'soon after', { created_at: '2026-01-02T10:01:00Z' });
		await show();
		expect([...log().querySelectorAll('.tc-day')]).toHaveLength(2);
		expect(rows().map((row) => row.querySelector<HTMLElement>('.tc-message')?.dataset.first)).toEqual(['true', 'true', 'false']);
	});

	it('never makes a link, an image or HTML of what is not http', async () => {
		server.say(fake, 'bo', 'look', { message_type: 'image', file_url: 'javascript:alert(1)' });
		server.say(fake, 'bo', '<img src=x onerror=alert(1)> and https://example.org/a?b=1, (https://example.org/c_(d)).');
		server.say(fake, 'bo', '', { message_type: 'file', file_url: 'https://example.org/plan%20a.pdf' });
		await show();
		expect(log().querySelectorAll('img')).toHaveLength(0);
		const links = within(log()).getAllByRole('link');
		expect(links.map((link) => link.getAttribute('href'))).toEqual([
			'https://example.org/a?b=1', 'https://example.org/c_(d)', 'https://example.org/plan%20a.pdf',
		]);
		for (const link of links)
			expect(link.getAttribute('rel')).toContain('noopener');
		expect(links[2]?.textContent).toContain('plan a.pdf');
	});

	it('gives images a box before they are loaded', async () => {
		server.say(fake, 'bo', 'The fence', {
			message_type: 'image', file_url: 'https://example.org/a.png', metadata: { width: 1600, height: 800 },
		});
		await show();
		const image = within(log()).getByRole('img', { name: 'The fence' });
		expect(image.parentElement?.style.aspectRatio).toMatch(/^2\b/);
		expect(image.parentElement?.style.width).toBe('320px');
	});

	it('marks edited and deleted messages', async () => {
		const one = server.say(fake, 'bo', 'frist');
		const two = server.say(fake, 'bo', 'secret');
		await show();
		await act(async () => {
			server.append(fake, { type: 'message_edited', message: { ...one, content: 'first', edited_at: '2026-01-01T11:00:00Z' } });
			server.append(fake, { type: 'message_deleted', message: { ...two, content: '', deleted_at: '2026-01-01T11:00:00Z' } });
		});
		expect(rows()[0]?.textContent).toContain('first');
		expect(rows()[0]?.textContent).toContain('edited');
		expect(rows()[1]?.textContent).toContain('This message was deleted');
		expect(log().textContent).not.toContain('secret');
	});

	it('loads earlier messages', async () => {
		for (let count = 1; count <= 60; count++)
			server.say(fake, 'bo', `message ${count}`);
		await show();
		expect(rows()).toHaveLength(50);
		await user.click(screen.getByRole('button', { name: 'Earlier messages' }));
		await settle();
		expect(rows()).toHaveLength(60);
		expect(screen.getByText('This is the beginning of the conversation')).toBeTruthy();
	});

	it('marks as read what is on the screen, and draws the unread line on coming', async () => {
		server.say(fake, 'bo', 'one');
		fake.members[0]!.last_read_seq = 1;
		server.say(fake, 'bo', 'two');
		await show();
		await waitFor(() => expect(server.frames('mark_read')).toMatchObject([{ seq: 2 }]));
		const line = within(log()).getByText('New messages');
		expect(line.closest('li')?.dataset.seq).toBe('2');
	});

	it('tells a screen reader of what comes in, once, and not of history', async () => {
		server.say(fake, 'bo', 'old');
		await show();
		expect(log().getAttribute('aria-live')).toBe('off');
		const spoken = screen.getByTestId('announcements');
		expect(spoken.textContent).toBe('');
		await act(async () => { server.say(fake, 'bo', 'news'); });
		await settle();
		expect(spoken.textContent).toBe('Bo: news');
		await act(async () => server.tell(fake, { type: 'message_read', user_id: 'bo', last_read_seq: 2 }));
		expect(spoken.children).toHaveLength(1);
	});
});

describe('writing', () => {
	it('sends on Enter, shows it as own, and how far it came', async () => {
		await show();
		await user.type(field(), 'Hello Bo{Enter}');
		await settle();
		expect(rows()[0]?.textContent).toContain('Hello Bo');
		expect(rows()[0]?.querySelector('[data-mine="true"]')).toBeTruthy();
		expect(field()).toHaveProperty('value', '');
		expect(within(rows()[0] as HTMLElement).getByText('Sent')).toBeTruthy();
		await act(async () => server.tell(fake, { type: 'message_delivered', user_id: 'bo', last_delivered_seq: 1 }));
		expect(within(rows()[0] as HTMLElement).getByText('Delivered')).toBeTruthy();
		await act(async () => server.tell(fake, { type: 'message_read', user_id: 'bo', last_read_seq: 1 }));
		expect(within(rows()[0] as HTMLElement).getByText('Read')).toBeTruthy();
	});

	it('begins a line on Shift+Enter, and sends nothing that is empty', async () => {
		await show();
		await user.type(field(), '  {Enter}');
		await user.clear(field());
		await user.type(field(), 'one{Shift>}{Enter}{/Shift}two');
		expect(server.frames('send_message')).toHaveLength(0);
		await user.keyboard('{Enter}');
		expect(server.frames('send_message')[0]).toMatchObject({ content: 'one\ntwo' });
	});

	it('leaves Enter to an input method', async () => {
		await show();
		await user.type(field(), 'か');
		await act(async () => {
			field().dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true, cancelable: true }));
			field().dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', keyCode: 229, bubbles: true, cancelable: true } as KeyboardEventInit));
		});
		expect(server.frames('send_message')).toHaveLength(0);
	});

	it('keeps a draft for each room over a reload', async () => {
		await show();
		await user.type(field(), 'half a thou');
		cleanup();
		client.close();
		await show();
		expect(field()).toHaveProperty('value', 'half a thou');
		await user.type(field(), 'ght{Enter}');
		cleanup();
		client.close();
		await show();
		expect(field()).toHaveProperty('value', '');
	});

	it('keeps what is written in each room while others are looked at', async () => {
		server.addRoom('t2', [member('ann'), member('bo')]);
		client = makeClient(server, { userId: 'ann' });
		client.connect();
		const page = (taskId: string): ReactElement => (
			<TaskChatProvider client={client}><TaskMessaging taskId={taskId} /></TaskChatProvider>
		);
		const { rerender } = render(page('t1'));
		await settle();
		await user.type(field(), 'for the first');
		rerender(page('t2'));
		await settle();
		expect(field()).toHaveProperty('value', '');
		await user.type(field(), 'for the second');
		rerender(page('t1'));
		await settle();
		expect(field()).toHaveProperty('value', 'for the first');
		rerender(page('t2'));
		await settle();
		expect(field()).toHaveProperty('value', 'for the second');
	});

	it('edits the last own message with ↑, and Esc cancels', async () => {
		const mine = server.say(fake, 'ann', 'Helo');
		server.override('edit_message', (frame) => ({
			data: { message: { ...mine, content: frame.content, edited_at: '2026-01-01T11:00:00Z' } },
		}));
		await show();
		await user.type(field(), '{ArrowUp}');
		expect(field()).toHaveProperty('value', 'Helo');
		await user.keyboard('{Escape}');
		expect(field()).toHaveProperty('value', '');
		await user.keyboard('{ArrowUp}');
		await user.clear(field());
		await user.type(field(), 'Hello{Enter}');
		await settle();
		expect(server.frames('edit_message')).toMatchObject([{ message_id: mine.id, content: 'Hello' }]);
		expect(server.frames('send_message')).toHaveLength(0);
		expect(rows()[0]?.textContent).toContain('Hello');
	});

	it('answers a message from its menu, shows what is answered, and goes there', async () => {
		const asked = server.say(fake, 'bo', 'Where is the ladder?');
		await show();
		const menu = within(rows()[0] as HTMLElement).getByRole('button', { name: 'Message actions' });
		await user.click(menu);
		expect(within(rows()[0] as HTMLElement).queryByRole('button', { name: 'Edit' })).toBeNull();
		await user.click(within(rows()[0] as HTMLElement).getByRole('button', { name: 'Reply' }));
		expect(screen.getByTestId('reply-bar').textContent).toContain('Replying to Bo Where is the ladder?');
		expect(document.activeElement).toBe(field());
		await user.keyboard('In the shed{Enter}');
		await settle();
		expect(server.frames('send_message')).toMatchObject([{ content: 'In the shed', reply_to: asked.id }]);
		expect(screen.queryByTestId('reply-bar')).toBeNull();
		const quote = within(rows()[1] as HTMLElement).getByRole('button', { name: /In reply to Bo Where is the ladder/ });
		await user.click(quote);
		expect(rows()[0]?.dataset.found).toBe('true');
		await user.type(field(), 'no answer{Enter}');
		expect(server.frames('send_message')[1]).not.toHaveProperty('reply_to');
	});

	it('gives an answer up by Esc, by its button, and with another room', async () => {
		server.say(fake, 'bo', 'One');
		server.addRoom('t2', [member('ann'), member('bo')]);
		const reply = async (): Promise<void> => {
			await user.click(screen.getByRole('button', { name: 'Message actions' }));
			await user.click(screen.getByRole('button', { name: 'Reply' }));
		};
		client = makeClient(server);
		client.connect();
		const page = (taskId: string): ReactElement => (
			<TaskChatProvider client={client} resolveUser={resolveUser}><TaskMessaging taskId={taskId} /></TaskChatProvider>
		);
		const { rerender } = render(page('t1'));
		await settle();
		await reply();
		await user.keyboard('{Escape}');
		expect(screen.queryByTestId('reply-bar')).toBeNull();
		await reply();
		await user.click(screen.getByRole('button', { name: 'Cancel the reply' }));
		expect(screen.queryByTestId('reply-bar')).toBeNull();
		await reply();
		rerender(page('t2'));
		await settle();
		expect(screen.queryByTestId('reply-bar')).toBeNull();
	});

	it('says that what is answered is not here, and shows a deleted one as such', async () => {
		const gone = server.say(fake, 'bo', 'Secret');
		server.say(fake, 'bo', 'Far', { reply_to: 'm-unknown' });
		server.say(fake, 'bo', 'Near', { reply_to: gone.id });
		await show();
		await act(async () => { server.append(fake, { type: 'message_deleted', message: { ...gone, content: '', deleted_at: '2026-01-01T11:00:00Z' } }); });
		expect(screen.getAllByTestId('quote').map((quote) => quote.textContent?.replace(/\s+/g, ' '))).toEqual([
			'In reply to An earlier message', 'In reply to Bo This message was deleted',
		]);
	});

	it('has one tab stop for the actions of all messages, and arrow keys between them', async () => {
		for (const text of ['one', 'two', 'three'])
			server.say(fake, 'bo', text);
		await show();
		const menus = within(log()).getAllByRole('button', { name: 'Message actions' });
		expect(menus.map((menu) => menu.tabIndex)).toEqual([-1, -1, 0]);
		act(() => menus[2]?.focus());
		await user.keyboard('{ArrowUp}{ArrowUp}');
		expect(document.activeElement).toBe(menus[0]);
		await user.keyboard('{ArrowDown}{Enter}');
		expect(within(rows()[1] as HTMLElement).getByRole('button', { name: 'Reply' })).toBeTruthy();
	});

	it('deletes an own message after asking', async () => {
		const mine = server.say(fake, 'ann', 'oops');
		server.override('delete_message', () => ({ data: { message: { ...mine, content: '', deleted_at: '2026-01-01T11:00:00Z' } } }));
		await show();
		await user.click(screen.getByRole('button', { name: 'Message actions' }));
		await user.click(screen.getByRole('button', { name: 'Delete' }));
		expect(server.frames('delete_message')).toHaveLength(0);
		await user.click(screen.getByRole('button', { name: 'Delete' }));
		await settle();
		expect(server.frames('delete_message')).toMatchObject([{ message_id: mine.id }]);
		expect(rows()[0]?.textContent).toContain('This message was deleted');
	});

	it('counts bytes near the limit, and sends nothing too long', async () => {
		await show();
		await user.click(field());
		await user.paste('ä'.repeat(8000));
		expect(screen.getByTestId('length-counter').textContent).toBe('384 bytes left');
		await user.paste('ä'.repeat(200));
		expect(screen.getByTestId('length-counter').textContent).toBe('Too long by 16 bytes');
		await user.keyboard('{Enter}');
		expect(server.frames('send_message')).toHaveLength(0);
		expect(screen.getByRole('alert').textContent).toBe('Too long by 16 bytes');
	});

	it('sends images by their address, and only http and https', async () => {
		await show();
		await user.type(screen.getByRole('textbox', { name: 'Image address' }), 'javascript:alert(1){Enter}');
		expect(screen.getByRole('alert').textContent).toContain('https://');
		expect(server.frames('send_message')).toHaveLength(0);
		await user.clear(screen.getByRole('textbox', { name: 'Image address' }));
		await user.type(screen.getByRole('textbox', { name: 'Image address' }), 'https://example.org/a.png');
		await user.type(field(), 'The fence{Enter}');
		expect(server.frames('send_message')[0]).toMatchObject({
			message_type: 'image', file_url: 'https://example.org/a.png', content: 'The fence',
		});
	});

	it('counts down what the server asked to wait', async () => {
		await show();
		server.override('send_message', () => ({ error: { code: 'rate_limited', message: 'slowly', retry_after_ms: 60_000 } }));
		await user.type(field(), 'x{Enter}');
		await settle();
		const seconds = (): number => Number(/Sending again in (\d+) s/.exec(screen.getByTestId('slow-down').textContent)?.[1]);
		const first = seconds();
		expect(first).toBeGreaterThan(30);
		expect(first).toBeLessThanOrEqual(60);
		await waitFor(() => expect(seconds()).toBeLessThan(first));
	});

	it('uploads what is picked, shows progress, and sends the address that came', async () => {
		const steps: { file: File; progress(part: number): void; done(url: string): void; signal: AbortSignal }[] = [];
		await show({
			onUpload: (file, progress, signal) => new Promise((done) => { steps.push({ file, progress, done, signal }); }),
		});
		await user.upload(screen.getByTestId('file-input'), [new File(['abc'], 'a.png', { type: 'image/png' }), new File(['d'], 'b.pdf')]);
		await settle();
		const list = screen.getByRole('list', { name: 'Attachments' });
		await act(async () => steps[0]?.progress(0.5));
		expect(within(list).getByRole('progressbar', { name: 'Uploading a.png' }).getAttribute('value')).toBe('0.5');
		await user.click(within(list).getByRole('button', { name: 'Cancel the upload of b.pdf' }));
		expect(steps[1]?.signal.aborted).toBe(true);
		await user.type(field(), 'Half done{Enter}');
		expect(screen.getByRole('alert').textContent).toBe('The upload is still under way.');
		await act(async () => steps[0]?.done('https://example.org/a.png'));
		await user.type(field(), '{Enter}');
		await settle();
		expect(server.frames('send_message')).toMatchObject([
			{ message_type: 'image', file_url: 'https://example.org/a.png', content: 'Half done', metadata: { name: 'a.png', size: 3 } },
		]);
	});

	it('takes files by paste and drop, and tries a failed upload again', async () => {
		let fails = true;
		await show({ onUpload: async () => {
			if (fails)
				throw new Error('no');
			return 'https://example.org/a.png';
		} });
		const files = [new File(['abc'], 'a.png', { type: 'image/png' })];
		const paste = new Event('paste', { bubbles: true, cancelable: true });
		Object.assign(paste, { clipboardData: { files } });
		await act(async () => { field().dispatchEvent(paste); });
		await settle();
		const drop = new Event('drop', { bubbles: true, cancelable: true });
		Object.assign(drop, { dataTransfer: { files, types: ['Files'] } });
		await act(async () => { log().dispatchEvent(drop); });
		await settle();
		expect(screen.getAllByRole('alert').map((alert) => alert.textContent)).toEqual(['a.png could not be uploaded', 'a.png could not be uploaded']);
		fails = false;
		for (const button of screen.getAllByRole('button', { name: 'Try again' }))
			await user.click(button);
		await settle();
		await user.type(field(), '{Enter}');
		await settle();
		expect(server.frames('send_message')).toHaveLength(2);
	});

	it('offers nothing in closed rooms', async () => {
		await show();
		await act(async () => { server.append(fake, { type: 'room_closed' }); });
		expect(screen.queryByRole('textbox', { name: 'Message' })).toBeNull();
		expect(screen.getByText('This conversation is closed.')).toBeTruthy();
	});

	it('shows a failed message with what can be done', async () => {
		await show();
		server.override('send_message', () => ({ error: { code: 'conflict', message: 'It cannot be sent.' } }));
		await user.type(field(), 'x{Enter}');
		await settle();
		expect(log().textContent).toContain('It cannot be sent.');
		server.override('send_message', () => null);
		await user.click(screen.getByRole('button', { name: 'Try again' }));
		await settle();
		expect(log().textContent).not.toContain('It cannot be sent.');
		expect(rows()).toHaveLength(1);
	});
});

describe('people and connection', () => {
	it('shows who types, and tells that its user does', async () => {
		await show();
		await act(async () => server.tell(fake, { type: 'typing_indicator', user_id: 'bo', is_typing: true }));
		expect(await screen.findByText('Bo is typing…')).toBeTruthy();
		await user.type(field(), 'H');
		expect(server.frames('typing_indicator')).toMatchObject([{ is_typing: true }]);
	});

	it('says that it is offline with what waits, and that it catches up', async () => {
		server.say(fake, 'bo', 'x');
		await show();
		server.up = false;
		await act(async () => server.socket.end(CloseCode.lost));
		await user.type(field(), 'later{Enter}');
		expect(screen.getByTestId('connection-banner').textContent).toContain('You are offline. 1 message waits to be sent.');
		server.up = true;
		await user.click(screen.getByRole('button', { name: 'Try now' }));
		await settle();
		await settle();
		expect(screen.getByTestId('connection-banner').textContent).toBe('');
		expect(rows().map((row) => row.textContent).join()).toContain('later');
	});

	it('lists the private conversations of applicants with what is unread', async () => {
		const apply = server.addRoom('t1', [member('ann', 'creator'), member('cy', 'applicant')], 'cy');
		const said = server.say(apply, 'cy', 'May I?');
		const item = { task_id: 't1', role: 'creator', status: 'open', muted: false };
		server.override('get_rooms', () => ({
			data: {
				rooms: [
					{ ...item, applicant_id: 'cy', last_seq: 1, unread: 1, last_message: said },
					{ ...item, applicant_id: null, last_seq: 0, unread: 0, last_message: null },
				],
				has_more: false,
			},
		}));
		await show();
		const list = await screen.findByRole('list', { name: 'Conversations' });
		const buttons = within(list).getAllByRole('button');
		expect(buttons[0]?.getAttribute('aria-current')).toBe('true');
		expect(buttons[1]?.textContent).toContain('Cy');
		expect(within(list).getByText('1 unread message')).toBeTruthy();
		await user.click(buttons[1] as HTMLElement);
		await settle();
		expect(log().textContent).toContain('May I?');
	});

	it('says it in other words', async () => {
		cleanup();
		client = makeClient(server);
		client.connect();
		render(
			<TaskChatProvider client={client} labels={{ compose: 'Nachricht', send: 'Senden' }} locale="de">
				<TaskMessaging taskId="t1" />
			</TaskChatProvider>,
		);
		await settle();
		expect(screen.getByRole('textbox', { name: 'Nachricht' })).toBeTruthy();
		expect(screen.getByRole('button', { name: 'Senden' })).toBeTruthy();
	});

	it('takes parts of the application instead of its own', async () => {
		await show({ components: { MessageInput: ({ onSend }) => <button type="button" onClick={() => onSend({ content: 'wave' })}>Wave</button> } });
		await user.click(screen.getByRole('button', { name: 'Wave' }));
		expect(server.frames('send_message')[0]).toMatchObject({ content: 'wave' });
	});
});

describe('accessibility', () => {
	it('has no fault that axe-core finds', async () => {
		server.say(fake, 'bo', 'Hi https://example.org');
		server.say(fake, 'ann', 'Hello', { message_type: 'image', file_url: 'https://example.org/a.png' });
		server.append(fake, { type: 'task_update', changes: { status: { old: 'open', new: 'assigned' } } });
		await show({ onUpload: async () => 'https://example.org/x.png' });
		const { violations } = await axe.run(document.body, { rules: { 'color-contrast': { enabled: false }, region: { enabled: false } } });
		expect(violations.map((violation) => violation.id)).toEqual([]);
		expect(log().tabIndex).toBe(0);
	});
});
