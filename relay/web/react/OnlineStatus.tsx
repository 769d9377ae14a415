/*
 * OnlineStatus.tsx: who is in the room, and who of them is there now.
 */

import type { ReactElement } from 'react';
import type { Member, Room } from '../client/index.js';
import { useRoomState, useTaskChat } from './hooks.js';
import { ago, plainName } from './names.js';
import type { NameOf } from './names.js';

export interface OnlineStatusProps {
	room: Room;
	nameOf?: NameOf;
	/** Shows the user's own entry too [false]. */
	showSelf?: boolean;
	/** How many people are named before "and N more" [6]. */
	max?: number;
}

function presenceWords(member: Member, taskId: string): string {
	if (member.is_online)
		return member.current_task_id === taskId ? 'here now' : 'online';
	return member.last_seen ? `last seen ${ago(member.last_seen)}` : 'offline';
}

/** A list of the members with a dot for presence (the words say the same). */
export function OnlineStatus({ room, nameOf = plainName, showSelf = false, max = 6 }: OnlineStatusProps): ReactElement {
	const { connection } = useTaskChat();
	const { members, membersTotal, taskId } = useRoomState(room);
	const others = members.filter((member) => showSelf || member.user_id !== connection.userId);
	const shown = others.slice(0, max);
	const more = membersTotal - (members.length - others.length) - shown.length;
	return (
		<ul className="tc-presence" data-testid="online-status" aria-label="People in this conversation">
			{shown.map((member) => (
				<li key={member.user_id} data-user-id={member.user_id} data-online={member.is_online}>
					<span className="tc-dot" aria-hidden="true" />
					<span className="tc-presence-name">{nameOf(member.user_id)}</span>
					<span className="tc-presence-words">
						{member.role}, {presenceWords(member, taskId)}
					</span>
				</li>
			))}
			{more > 0 && <li className="tc-presence-words">and {more} more</li>}
		</ul>
	);
}
