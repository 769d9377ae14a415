/*
 * index.ts: what the package gives to React applications. The look is in
 * styles.css, which the application imports.
 */

'use client';

export { TaskChatProvider } from './provider.js';
export type { TaskChatProviderProps } from './provider.js';
export { TaskChatUi, usePeople, useUi, useUser } from './settings.js';
export type { UiSettings } from './settings.js';
export type { Person, ResolveUser } from './people.js';
export { defaultLabels } from './labels.js';
export type { Labels } from './labels.js';
export { useClient, useConnection, useNotifications, useRoom, useRoomState, useRooms, useTaskChat } from './hooks.js';
export { useConversation } from './conversation.js';
export type { Conversation } from './conversation.js';
export { conditionOf } from './connection.js';
export type { Condition } from './connection.js';
export type { DraftStore } from './composer.js';
export type { OnUpload } from './uploads.js';
export { TaskMessaging } from './TaskMessaging.js';
export type { TaskMessagingParts, TaskMessagingProps } from './TaskMessaging.js';
export { MessageList } from './MessageList.js';
export type { MessageListProps } from './MessageList.js';
export type { MessageActions } from './MessageActions.js';
export { MessageInput } from './MessageInput.js';
export type { MessageInputProps } from './MessageInput.js';
export { TypingIndicator } from './TypingIndicator.js';
export type { TypingIndicatorProps } from './TypingIndicator.js';
export { OnlineStatus } from './OnlineStatus.js';
export type { OnlineStatusProps } from './OnlineStatus.js';
export { ConnectionBanner } from './ConnectionBanner.js';
export type { ConnectionBannerProps } from './ConnectionBanner.js';
export { ConversationList } from './ConversationList.js';
export type { ConversationListProps } from './ConversationList.js';
export { Avatar } from './Avatar.js';
export type { AvatarProps } from './Avatar.js';
