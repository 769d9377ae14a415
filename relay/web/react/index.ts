/*
 * index.ts: what the package gives to React applications. The look is in
 * styles.css, which the application imports.
 */

export { TaskChatProvider, useRoom, useRoomState, useTaskChat } from './hooks.js';
export { MessageInput } from './MessageInput.js';
export type { MessageInputProps } from './MessageInput.js';
export { MessageList } from './MessageList.js';
export type { MessageListProps } from './MessageList.js';
export { OnlineStatus } from './OnlineStatus.js';
export type { OnlineStatusProps } from './OnlineStatus.js';
export { TaskMessaging } from './TaskMessaging.js';
export type { TaskMessagingProps } from './TaskMessaging.js';
export { TypingIndicator } from './TypingIndicator.js';
export type { TypingIndicatorProps } from './TypingIndicator.js';
export type { NameOf } from './names.js';
