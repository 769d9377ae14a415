/*
 * network.ts: a network that can be cut by a switch: sockets that are open
 * break without a word, and new ones can't be opened.
 */

import type { WebSocketConstructor, WebSocketLike } from '../client/index.js';

const LOST = 1006;

/* A socket on a cut network: it breaks a moment after it was made. */
class DeadSocket implements WebSocketLike {
	readyState = 0;
	onopen: WebSocketLike['onopen'] = null;
	onmessage: WebSocketLike['onmessage'] = null;
	onclose: WebSocketLike['onclose'] = null;
	onerror: WebSocketLike['onerror'] = null;

	constructor() {
		setTimeout(() => {
			this.readyState = 3;
			this.onclose?.({ code: LOST, reason: '' });
		}, 50);
	}

	send(): void {}

	close(): void {}
}

export class Network {
	readonly WebSocket: WebSocketConstructor;
	private readonly live = new Set<WebSocket>();
	private up = true;

	constructor() {
		const network = this;
		/* A constructor that gives another object is what `new` then gives. */
		this.WebSocket = class {
			constructor(url: string, protocols?: string | string[]) {
				return network.open(url, protocols);
			}
		} as unknown as WebSocketConstructor;
	}

	isUp(): boolean {
		return this.up;
	}

	/** Cuts the network, or brings it back. */
	set(up: boolean): void {
		this.up = up;
		if (up)
			return;
		for (const socket of this.live) {
			const told = socket.onclose;
			socket.onclose = socket.onmessage = socket.onerror = null;
			socket.close();
			told?.call(socket, new CloseEvent('close', { code: LOST }));
		}
		this.live.clear();
	}

	private open(url: string, protocols?: string | string[]): WebSocketLike {
		if (!this.up)
			return new DeadSocket();
		const socket = new WebSocket(url, protocols);
		this.live.add(socket);
		socket.addEventListener('close', () => this.live.delete(socket));
		return socket;
	}
}
