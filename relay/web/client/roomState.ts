/*
 * roomState.ts: what a room shows to its user: the value that Room gives to
 * those who watch it. Types alone.
 */

import type { LineEntry } from './line.js';
import type { PendingMessage } from './outbox.js';
import type { Member, MemberRole, RoomOpenness, TaskChatError } from './protocol.js';

/**
 * idle: not joined; joining: on its way (also while the connection is away);
 * joined: live; failed: never let in; removed: let in once, and no more.
 */
export type RoomPhase = 'idle' | 'joining' | 'joined' | 'failed' | 'removed';

export interface RoomState {
	taskId: string;
	applicantId: string | null;
	phase: RoomPhase;
	error: TaskChatError | null;
	role: MemberRole | null;
	status: RoomOpenness;
	members: readonly Member[];
	membersTotal: number;
	/** Messages and notices in order of seq. */
	entries: readonly LineEntry[];
	/** Messages on their way, to show after the entries. */
	pending: readonly PendingMessage[];
	/** Ids of the users who type. */
	typing: readonly string[];
	hasOlder: boolean;
	loadingOlder: boolean;
	/** The newest seq that this client has. */
	lastSeq: number;
	myReadSeq: number;
	/** How far any other member has received, and read: see statusOf(). */
	deliveredSeq: number;
	readSeq: number;
	/** Messages of others after myReadSeq, among the loaded ones. */
	unread: number;
}
