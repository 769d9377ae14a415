/*
 * page.ts: what the browser tells of the page and the network: coming back
 * (network, visibility, back-forward cache), going away (pagehide, freeze), and
 * what other tabs wrote into the shared storage.
 *
 * Works where there is no window or document (Node, workers): what isn't there
 * tells nothing.
 */

export interface PageOwner {
	/** The page or the network is back, or in question: look after the connection. */
	_wake(): void;
	/** The page may be frozen now: it must hold no connection. */
	_sleep(): void;
	/** Another tab wrote (null: removed) this in the storage. */
	_stored(key: string, value: string | null): void;
}

/** Listens until the function that it gives is called. */
export function watchPage(owner: PageOwner): () => void {
	const ended = new AbortController();
	const listen = (target: EventTarget | undefined, types: string, handler: (event: Event) => void): void => {
		for (const type of types.split(' '))
			target?.addEventListener?.(type, handler, { signal: ended.signal });
	};
	const page = globalThis.document as Document | undefined;
	listen(globalThis, 'online offline pageshow', owner._wake);
	listen(globalThis, 'pagehide', owner._sleep);
	listen(page, 'resume', owner._wake);
	listen(page, 'freeze', owner._sleep);
	listen(page, 'visibilitychange', () => {
		if (page?.visibilityState === 'visible')
			owner._wake();
	});
	listen(globalThis, 'storage', (event) => {
		const { key, newValue } = event as StorageEvent;
		if (key !== null)
			owner._stored(key, newValue);
	});
	return () => ended.abort();
}
