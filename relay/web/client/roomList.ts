/*
 * roomList.ts: the user's rooms with unread counts and last messages, kept up
 * to date: for a list of conversations.
 *
 * The server counts. What happens in a room shows at once as far as the event
 * tells it, and the list is asked for again, at most once a second.
 */

import type { TaskChatClient } from './client.js';
import { asError, roomKey } from './protocol.js';
import type { AnyRoomEvent, RoomListItem, TaskChatError } from './protocol.js';
import { Pace } from './pace.js';
import { Store } from './store.js';

export interface RoomListState {
	/** Latest first. */
	rooms: readonly RoomListItem[];
	/** There are more than those: loadMore(). */
	hasMore: boolean;
	/** False until the list came for the first time. */
	loaded: boolean;
	/** Unread messages of all listed rooms that aren't muted. */
	unread: number;
	/** Why the list could not be fetched, or null. */
	error: TaskChatError | null;
}

const PAGE = 50;
const MOST = 200;
const AGAIN_MS = 1_000;
/* Events that change nothing that a list shows. */
const QUIET = /^(typing_indicator|user_presence|message_delivered|room_state|member_)/;

export class RoomList extends Store<RoomListState> {
	readonly #client: TaskChatClient;
	readonly #pace = new Pace(AGAIN_MS, () => void this.#fetch());
	#rooms: RoomListItem[] = [];
	#wanted = PAGE;
	#hasMore = false;
	#loaded = false;
	#error: TaskChatError | null = null;
	#stop: (() => void)[] = [];
	#wasOpen = false;

	/** Nothing is fetched before start(). */
	constructor(client: TaskChatClient) {
		super();
		this.#client = client;
	}

	/** Fetches the list, and follows it until stop(). */
	start(): void {
		this.stop();
		const look = (): void => {
			const isOpen = this.#client.getState().status === 'open';
			if (isOpen && !this.#wasOpen)
				this.#pace._ask();
			this.#wasOpen = isOpen;
		};
		this.#stop = [this.#client.subscribe(look), this.#client.on('event', (event) => this.#event(event))];
		look();
	}

	stop(): void {
		for (const stop of this.#stop)
			stop();
		this.#stop = [];
		this.#wasOpen = false;
		this.#pace._cancel();
	}

	/** One page more. */
	loadMore(): void {
		this.#wanted = this.#rooms.length + PAGE;
		this.#pace._ask();
	}

	#event(event: AnyRoomEvent): void {
		if (QUIET.test(event.type))
			return;
		const mine = this.#client.getState().userId;
		if (event.type === 'message_read' && event.user_id !== mine)
			return;
		const key = roomKey(event);
		const room = this.#rooms.find((one) => roomKey(one) === key);
		if (room)
			this.#show(room, event);
		this.#pace._ask();
	}

	#show(room: RoomListItem, event: AnyRoomEvent): void {
		let next = room;
		if (event.type === 'room_activity')
			next = { ...room, last_seq: event.last_seq, unread: event.unread };
		else if (event.type === 'message_received')
			next = { ...room, last_seq: event.seq, last_message: event.message };
		else if (event.type === 'message_read' && event.last_read_seq >= room.last_seq)
			next = { ...room, unread: 0 };
		const others = this.#rooms.filter((one) => one !== room);
		if (event.type === 'removed_from_room')
			this.#rooms = others;
		else if (next.last_seq > room.last_seq)
			this.#rooms = [next, ...others];
		else
			this.#rooms = this.#rooms.map((one) => (one === room ? next : one));
		this._changed();
	}

	async #fetch(): Promise<void> {
		try {
			const rooms: RoomListItem[] = [];
			let more = true;
			while (more && rooms.length < this.#wanted) {
				const limit = Math.min(MOST, this.#wanted - rooms.length);
				const page = await this.#client.getRooms({ limit, offset: rooms.length });
				rooms.push(...page.rooms);
				more = page.has_more && page.rooms.length > 0;
			}
			this.#rooms = rooms;
			this.#hasMore = more;
			this.#loaded = true;
			this.#error = null;
		} catch (error) {
			this.#error = asError(error);
		}
		this._changed();
	}

	/** @internal */
	protected override _build(): RoomListState {
		return {
			rooms: this.#rooms, hasMore: this.#hasMore, loaded: this.#loaded, error: this.#error,
			unread: this.#rooms.reduce((sum, room) => sum + (room.muted ? 0 : room.unread), 0),
		};
	}
}
