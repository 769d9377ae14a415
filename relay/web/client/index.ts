/*
 * index.ts: what the package gives to those who use no framework.
 */

export { TaskChatClient } from './client.js';
export type { ClientEvents, ClientOptions, ClientState } from './client.js';
export { Room } from './room.js';
export type { RoomPhase, RoomState } from './room.js';
export type { LineEntry, NoticeEvent } from './line.js';
export type { PendingMessage, PendingStatus, SentMessage } from './outbox.js';
export type { CredentialSource, SocketStatus, WebSocketConstructor, WebSocketLike } from './socket.js';
export * from './protocol.js';
