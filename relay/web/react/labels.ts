/*
 * labels.ts: every word that the components say, in English. An application
 * gives its own for all or some of them (`labels` of TaskChatProvider); what
 * depends on a number, a name or a value is a function.
 *
 * Times, dates and sizes are format.ts's, which asks Intl.
 */

import type { MemberRole, MessageStatus, NoticeEvent } from '../client/index.js';

/** "in_progress" → "in progress" */
export function words(value: unknown): string {
	if (value === null || value === undefined)
		return 'none';
	return typeof value === 'object' ? JSON.stringify(value) : String(value).replaceAll('_', ' ');
}

function capital(text: string): string {
	return text.charAt(0).toLocaleUpperCase() + text.slice(1);
}

function change(field: string, value: unknown): string {
	if (typeof value === 'object' && value !== null && 'new' in value)
		return `${words(field)}: ${'old' in value ? `${words(value.old)} → ` : ''}${words(value.new)}`;
	return `${words(field)}: ${words(value)}`;
}

function asRole(role: MemberRole): string {
	if (role === 'creator')
		return 'the creator';
	return role === 'applicant' || role === 'observer' ? `an ${role}` : `a ${role}`;
}

/* One line that says what a notice of the conversation means. */
function notice(event: NoticeEvent, nameOf: (userId: string) => string): string {
	switch (event.type) {
		case 'member_joined':
			return `${nameOf(event.user_id)} joined as ${asRole(event.role)}`;
		case 'member_left':
			return `${nameOf(event.user_id)} left`;
		case 'member_role_changed':
			return `${nameOf(event.user_id)} is now ${asRole(event.role)}`;
		case 'room_closed':
			return 'The conversation was closed';
		case 'room_opened':
			return 'The conversation was opened again';
		case 'task_update':
			return capital(Object.entries(event.changes ?? {}).map(([field, value]) => change(field, value)).join(', ') || 'task updated');
	}
}

function typing(names: readonly string[]): string {
	const [first, second, third] = names;
	if (first === undefined)
		return '';
	if (second === undefined)
		return `${first} is typing…`;
	return third === undefined ? `${first} and ${second} are typing…` : 'Several people are typing…';
}

const STATUS: Record<MessageStatus, string> = {
	sending: 'Sending', sent: 'Sent', delivered: 'Delivered', read: 'Read', failed: 'Not sent',
};

export const defaultLabels = {
	/* ---- the conversation ---- */
	messages: 'Messages',
	today: 'Today',
	yesterday: 'Yesterday',
	unread: 'New messages',
	newCount: (count: number): string => (count > 99 ? '99+ new' : `${count} new`),
	toLatest: 'Latest messages',
	older: 'Earlier messages',
	loadingOlder: 'Loading earlier messages…',
	olderFailed: 'Could not load. Try again',
	beginning: 'This is the beginning of the conversation',
	empty: 'No messages yet. Say hello!',
	deleted: 'This message was deleted',
	edited: 'edited',
	image: 'Image',
	imageFailed: 'The image cannot be shown',
	opensInTab: 'opens in a new tab',
	seenBy: (names: readonly string[]): string => `Seen by ${names.join(', ')}`,
	status: (status: MessageStatus): string => STATUS[status],
	notSent: 'Not sent',
	retry: 'Try again',
	discard: 'Discard',
	actions: 'Message actions',
	reply: 'Reply',
	inReplyTo: 'In reply to',
	notLoaded: 'An earlier message',
	edit: 'Edit',
	delete: 'Delete',
	confirmDelete: 'Delete it?',
	keep: 'Keep',
	notice,
	/* What a screen reader hears of a message that came in. */
	announce: (name: string, text: string): string => `${name}: ${text}`,
	announceMany: (count: number): string => `${count} new messages`,

	/* ---- writing ---- */
	compose: 'Message',
	placeholder: 'Write a message',
	send: 'Send',
	save: 'Save',
	cancel: 'Cancel',
	replyingTo: 'Replying to',
	cancelReply: 'Cancel the reply',
	editing: 'Editing a message',
	editingHint: 'Enter saves, Esc cancels',
	editFailed: 'The change could not be saved.',
	deleteFailed: 'The message could not be deleted.',
	attach: 'Attach files',
	imageAddress: 'Image address',
	imageAddressHint: 'Image address (https://…)',
	badImageAddress: 'An image needs an address that begins with https:// or http://.',
	tooLong: (over: number): string => `Too long by ${over} bytes`,
	left: (bytes: number): string => `${bytes} bytes left`,
	slowDown: (seconds: number): string => `Too many messages at once. Sending again in ${seconds} s`,
	dropHere: 'Drop files to attach them',
	attachments: 'Attachments',
	uploading: (name: string): string => `Uploading ${name}`,
	uploadFailed: (name: string): string => `${name} could not be uploaded`,
	uploadPending: 'The upload is still under way.',
	cancelUpload: (name: string): string => `Cancel the upload of ${name}`,
	removeFile: (name: string): string => `Remove ${name}`,
	closed: 'This conversation is closed.',
	readOnly: 'You can read this conversation, but not write.',
	notMember: 'You are not in this conversation.',

	/* ---- people and connection ---- */
	people: 'People in this conversation',
	role: (role: MemberRole): string => role,
	hereNow: 'here now',
	online: 'online',
	offline: 'offline',
	lastSeen: (ago: string): string => `last seen ${ago}`,
	justNow: 'just now',
	andMore: (count: number): string => `and ${count} more`,
	typing,
	conversations: 'Conversations',
	mainRoom: 'Task chat',
	privateRoom: 'Private chat',
	unreadCount: (count: number): string => (count === 1 ? '1 unread message' : `${count} unread messages`),
	you: 'You',
	connected: 'Connected',
	/* Where WebSockets are blocked. */
	limited: 'Connected, without typing and editing',
	connecting: 'Connecting…',
	catchingUp: 'Catching up…',
	disconnected: 'Offline',
	offlineQueued: (queued: number): string => (queued === 0
		? 'You are offline. Messages are sent when the connection is back.'
		: `You are offline. ${queued === 1 ? '1 message waits' : `${queued} messages wait`} to be sent.`),
	reconnectIn: (seconds: number): string => `Trying again in ${seconds} s`,
	reconnect: 'Try now',
	signedOut: 'Signed out',
	removed: 'You are no longer in this conversation',
	refused: 'This conversation is not open to you',
};

/** All words; give a Partial of it to replace some. */
export type Labels = typeof defaultLabels;
