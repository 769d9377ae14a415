/*
 * provider.tsx: TaskChatProvider gives everything below it a client, words and
 * names. The client is the application's own, or made here from `url` and
 * `getToken`; only one that was made here is connected and closed here.
 */

'use client';

import { useEffect, useMemo, useState } from 'react';
import type { ReactElement, ReactNode } from 'react';
import { TaskChatClient } from '../client/index.js';
import type { ClientOptions } from '../client/index.js';
import { ClientContext } from './hooks.js';
import { TaskChatUi } from './settings.js';
import type { UiSettings } from './settings.js';

type OwnClient = { client: TaskChatClient };
type NewClient = { client?: undefined } & ClientOptions;

export type TaskChatProviderProps = (OwnClient | NewClient) & UiSettings & { children?: ReactNode };

/* The options count once; for another user give the provider another `key`. */
function MadeClient({ options, children }: { options: ClientOptions; children: (client: TaskChatClient) => ReactNode }): ReactNode {
	const [client] = useState(() => new TaskChatClient(options));
	useEffect(() => {
		client.connect();
		return () => client.close();
	}, [client]);
	return children(client);
}

/* Names come from resolveUser here, else from the client's. */
function Provided({ client, ui, children }: { client: TaskChatClient; ui: UiSettings; children: ReactNode }): ReactElement {
	const byClient = useMemo(() => (userId: string) => client.resolveUser(userId), [client]);
	return (
		<ClientContext.Provider value={client}>
			<TaskChatUi resolveUser={byClient} {...ui}>{children}</TaskChatUi>
		</ClientContext.Provider>
	);
}

export function TaskChatProvider(props: TaskChatProviderProps): ReactNode {
	const { labels, locale, timeZone, resolveUser, children, ...rest } = props;
	const ui: UiSettings = {
		...(labels && { labels }), ...(locale && { locale }), ...(timeZone && { timeZone }), ...(resolveUser && { resolveUser }),
	};
	if (rest.client)
		return <Provided client={rest.client} ui={ui}>{children}</Provided>;
	return <MadeClient options={rest}>{(client) => <Provided client={client} ui={ui}>{children}</Provided>}</MadeClient>;
}
