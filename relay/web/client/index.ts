/*
 * index.ts: what the package gives to those who use no framework.
 */

export { TaskChatClient } from './client.js';
export type { ClientEvents, ClientOptions, ClientState, UserProfile } from './client.js';
export { NotificationList } from './notificationList.js';
export type { NotificationListState } from './notificationList.js';
export { Room } from './room.js';
export type { RoomPhase, RoomState } from './roomState.js';
export { RoomList } from './roomList.js';
export type { RoomListState } from './roomList.js';
export type { LineEntry, NoticeEvent } from './line.js';
export type { LocksLike, PendingMessage, PendingStatus, SentMessage } from './outbox.js';
export type { CredentialSource, SocketStatus, WebSocketConstructor, WebSocketLike } from './socket.js';
export type { StorageLike } from './vault.js';
export * from './protocol.js';
