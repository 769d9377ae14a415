// Whether the relay tells the truth about itself: what /readyz says while
// things break, asked several times a second, and what the log says of each
// connection's end.
import { sleep } from '../e2e/world.mjs';

const PAUSE = 200;
const PATIENCE = 2000;

export class HealthWatch {
  constructor(port) {
    this.url = `http://127.0.0.1:${port}/readyz`;
    this.seen = []; // { at, state: 'ready', 'not ready', or 'no answer' }
    this.loop = this.run();
  }

  async run() {
    while (!this.stopped) {
      this.seen.push({ at: performance.now(), state: await this.ask() });
      await sleep(PAUSE);
    }
  }

  ask() {
    return fetch(this.url, { signal: AbortSignal.timeout(PATIENCE) }).then(async (response) => {
      await response.arrayBuffer();
      return response.status === 200 ? 'ready' : 'not ready';
    }, () => 'no answer');
  }

  // What is wrong with the answers since then, as text; '' where they are as expected.
  judge(expected, since) {
    const states = this.seen.filter(({ at }) => at >= since).map(({ state }) => state);
    if (expected === 'down' && !states.some((state) => state !== 'ready')) return `ready all the time, ${states.length} times asked`;
    if (expected === 'up' && states.includes('not ready')) return `${states.filter((state) => state === 'not ready').length} of ${states.length} times not ready`;
    return '';
  }

  async stop() {
    this.stopped = true;
    await this.loop;
  }
}

/*
 * Takes the log of a relay that has ended by itself; gives the connections
 * whose end has no line with time and cause, or more than one.
 */
export function unexplainedEnds(log) {
  const ends = new Map();
  for (const line of log.split('\n')) {
    const [, session, what] = /^\d{4}-\d\d-\d\dT[\d:.]+Z \w+ (?:server|session)\[(\d+)\]: (connected|closed \d+: .|ended: .)/.exec(line) ?? [];
    if (session) ends.set(session, (ends.get(session) ?? 0) + (what === 'connected' ? 0 : 1));
  }
  return [...ends].filter(([, count]) => count !== 1).map(([session, count]) => `connection ${session} has ${count} ends in the log`);
}
