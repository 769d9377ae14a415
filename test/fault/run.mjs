// Runs faults one after the other under load and judges what everybody saw.
//
//   node run.mjs [--seed N] [--seconds S] [--only "a,b"] [--rounds N] [--history FILE] [--doorbell inline|shared]
//
// --seconds: how long each fault lasts. The order comes from the seed. Where no
// doorbell is named it is shared where seed and round make an even sum, inline
// otherwise. Prints a line a fault (time to recover from the fault's end) and the
// anomalies; ends with 1 if there is one.
import fs from 'node:fs';
import { parseArgs } from 'node:util';
import { check, summary } from './checker.mjs';
import { HealthWatch, unexplainedEnds } from './health.mjs';
import { faults } from './nemesis.mjs';
import { Stage, sleep, until } from './stage.mjs';

const READY_AGAIN = 30000; // milliseconds
const ENOUGH_WITHIN = 300000;

// mulberry32: small, seeded, the same everywhere.
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function shuffled(list, next) {
  const copy = [...list];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [copy[i], copy[j]] = [copy[j], copy[i]];
  }
  return copy;
}

/*
 * names: of nemesis.mjs, in this order. seconds: how long each lasts. limit:
 * milliseconds in which everybody must have caught up. enough: of a history, in
 * how it is now; people go on until it gives true. program: the relay.
 * doorbell: as in World. say: takes a line for people. Gives { anomalies, recovered: [{ name, ms }],
 * history }.
 */
export async function campaign(names, { seconds, limit = 60000, enough = () => true, program, doorbell, say = () => {} }) {
  const stage = await Stage.open({ program, doorbell });
  const health = new HealthWatch(stage.world.port);
  const recovered = [];
  const late = [];
  let history;
  try {
    stage.people();
    await sleep(1000);
    for (const name of names) {
      const began = performance.now();
      const ended = stage.ended();
      stage.isTold = () => health.judge('down', began) === '';
      await faults[name].inject(stage, seconds);
      const wrong = seconds >= (faults[name].found ?? 0) ? health.judge(faults[name].health, began) : '';
      if (wrong) late.push({ kind: 'untruthful health', where: name, what: wrong });
      try {
        const ms = await stage.probe(limit);
        await stage.flow(READY_AGAIN);
        await until('the relay to be ready', () => health.seen.at(-1).state === 'ready', READY_AGAIN);
        recovered.push({ name, ms });
        if (!faults[name].cuts && stage.ended() > ended) late.push({ kind: 'connection lost', where: name, what: `${stage.ended() - ended} of the readers' connections` });
        say(`${name.padEnd(26)} everybody had all after ${ms} ms`);
      } catch (error) {
        late.push({ kind: 'did not catch up', where: name, what: error.message });
        break;
      }
      await sleep(500);
    }
    await until('enough to judge', () => late.length > 0 || enough(stage.history), ENOUGH_WITHIN);
    history = await stage.finish(late.some(({ kind }) => kind === 'did not catch up'));
  } finally {
    await health.stop();
    await stage.close();
  }
  const silent = stage.world.relays.filter((relay) => relay.signalCode === null).flatMap((relay) => unexplainedEnds(relay.log));
  return { anomalies: [...late, ...check(history), ...silent.map((what) => ({ kind: 'end without a cause', where: 'the log', what }))], recovered, history };
}

async function main() {
  const { values } = parseArgs({ options: { seed: { type: 'string', default: '1' }, seconds: { type: 'string', default: '4' }, only: { type: 'string' },
    rounds: { type: 'string', default: '1' }, history: { type: 'string' }, doorbell: { type: 'string' } } });
  const next = random(Number(values.seed));
  const chosen = values.only ? values.only.split(',').map((name) => name.trim()) : Object.keys(faults);
  for (const name of chosen) if (!faults[name]) throw new Error(`no fault is called "${name}"`);
  let bad = 0;
  for (let round = 1; round <= Number(values.rounds); round++) {
    const doorbell = values.doorbell ?? ['shared', 'inline'][(Number(values.seed) + round) % 2];
    console.log(`# seed ${values.seed}, round ${round}, doorbell ${doorbell}`);
    const { anomalies, recovered, history } = await campaign(shuffled(chosen, next), { seconds: Number(values.seconds), doorbell, say: console.log });
    const ok = history.writes.filter((write) => write.outcome === 'ok').length;
    console.log(`# ${history.writes.length} writes (${ok} acknowledged), ${history.connections.length} connections, ${history.connections.reduce((sum, c) => sum + c.log.length, 0)} frames`);
    if (values.history) fs.writeFileSync(values.history, JSON.stringify(history));
    for (const { kind, where, what } of anomalies.slice(0, 50)) console.log(`  ${kind}: ${where}: ${what}`);
    console.log(`# anomalies: ${JSON.stringify(summary(anomalies))}`);
    console.log(`${recovered.length - (anomalies.length ? 1 : 0)} passed, ${anomalies.length ? 1 : 0} failed`);
    bad += anomalies.length;
  }
  process.exitCode = bad ? 1 : 0;
}

if (process.argv[1] === new URL(import.meta.url).pathname) await main();
