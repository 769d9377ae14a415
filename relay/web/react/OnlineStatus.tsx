/*
 * OnlineStatus.tsx: who is in the room, who of them is there now, and when the
 * others were there last. The words say what the dots show.
 */

'use client';

import { useEffect, useState } from 'react';
import type { ReactElement } from 'react';
import type { Member } from '../client/index.js';
import { Avatar } from './Avatar.js';
import { usePeople, useUi } from './settings.js';

export interface OnlineStatusProps {
	members: readonly Member[];
	/** How many there are, where `members` are only the first of them. */
	total?: number;
	/** The task, to tell who looks at it just now. */
	taskId?: string;
	/** The reader, who isn't listed. */
	userId?: string | null;
	/** How many people are named before "and N more" [4]. */
	max?: number;
}

const MINUTE = 60_000;

/* "5 minutes ago" grows old: render again every minute. */
function useMinutes(): void {
	const [, setMinute] = useState(0);
	useEffect(() => {
		const timer = setInterval(() => setMinute((minute) => minute + 1), MINUTE);
		return () => clearInterval(timer);
	}, []);
}

function PresenceItem({ member, taskId }: { member: Member; taskId: string | undefined }): ReactElement {
	const { labels, formats } = useUi();
	const { name } = usePeople()(member.user_id);
	let presence = labels.offline;
	if (member.is_online)
		presence = member.current_task_id !== null && member.current_task_id === taskId ? labels.hereNow : labels.online;
	else if (member.last_seen)
		presence = labels.lastSeen(formats.ago(member.last_seen));
	return (
		<li data-user-id={member.user_id} data-online={member.is_online}>
			<Avatar userId={member.user_id} online={member.is_online} />
			<span className="tc-presence-who">
				<span className="tc-presence-name">{name}</span>
				{' '}
				<span className="tc-presence-words">{`${labels.role(member.role)} · ${presence}`}</span>
			</span>
		</li>
	);
}

/* Who is there first, then by who was there last. */
function byPresence(one: Member, other: Member): number {
	return Number(other.is_online) - Number(one.is_online)
		|| (other.last_seen ?? '').localeCompare(one.last_seen ?? '');
}

export function OnlineStatus({ members, total = members.length, taskId, userId = null, max = 4 }: OnlineStatusProps): ReactElement {
	const { labels } = useUi();
	useMinutes();
	const others = members.filter((member) => member.user_id !== userId);
	const shown = [...others].sort(byPresence).slice(0, max);
	const more = total - (members.length - others.length) - shown.length;
	return (
		<ul className="tc-presence" data-testid="online-status" aria-label={labels.people}>
			{shown.map((member) => <PresenceItem key={member.user_id} member={member} taskId={taskId} />)}
			{more > 0 && <li className="tc-presence-words">{labels.andMore(more)}</li>}
		</ul>
	);
}
