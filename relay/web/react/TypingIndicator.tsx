/*
 * TypingIndicator.tsx: who is typing. Its place is kept while nobody is, so
 * that nothing jumps; it is no live region, for it would talk all the time.
 */

import type { ReactElement } from 'react';
import type { Room } from '../client/index.js';
import { useRoomState } from './hooks.js';
import { describeTyping, plainName } from './names.js';
import type { NameOf } from './names.js';

export interface TypingIndicatorProps {
	room: Room;
	nameOf?: NameOf;
}

export function TypingIndicator({ room, nameOf = plainName }: TypingIndicatorProps): ReactElement {
	const { typing } = useRoomState(room);
	return (
		<div className="tc-typing" data-testid="typing-indicator" data-active={typing.length > 0}>
			{typing.length > 0 && (
				<>
					<span className="tc-typing-dots" aria-hidden="true"><i /><i /><i /></span>
					<span>{describeTyping(typing.map(nameOf))}</span>
				</>
			)}
		</div>
	);
}
