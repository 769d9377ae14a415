// The benchmark itself, for some seconds on a few people, so that it still works
// when it is wanted: the peers that need no further packages, every mode of the
// generator, and what is written of it. Figures of such a run mean nothing.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { machine } from './machine.mjs';
import { plot } from './plot.mjs';
import { measured, openBench, peers, write } from './run.mjs';

const pairs = { clients: 20, rooms: 10, settings: { 'rate-messages': 100000, 'rate-messages-burst': 100000, 'rate-commands': 100000, 'rate-commands-burst': 100000 } };
const small = {
  'w1-closed': { clients: 20, rooms: 1, args: { senders: 4, messages: 100, warm: 10 } },
  'w2-paced': { ...pairs, args: { senders: 4, rate: 100, messages: 100 } },
  'w3-idle': { ...pairs, mode: 'idle', heartbeat: 1, args: { settle: 1, window: 2 } },
  'w4-login': { ...pairs, mode: 'login', args: {} },
  'w5-commands': { ...pairs, mode: 'commands', args: { in_flight: 10, seconds: 1 } },
  'w6-resume': { clients: 2, rooms: 10, roomsEach: 5, mode: 'resume', args: { senders: 4 } },
  'w2-closed': { ...pairs, args: { senders: 4, messages: 100 } },
};
const takers = {
  'w1-closed': ['taskchat', 'raw', 'raw-coalesced'],
  'w2-closed': ['pgbench'],
  'w3-idle': ['taskchat', 'raw'],
};

let bench;
before(async () => { bench = await openBench(); });
after(() => bench.close());

const runs = [];
for (const [name, workload] of Object.entries(small)) {
  for (const peer of takers[name] ?? ['taskchat']) {
    test(`${name} with ${peer}`, { timeout: 120000 }, async () => {
      const run = await measured(bench, name, workload, peers[peer], 0);
      assert.equal(run.delivered, true, JSON.stringify(run));
      runs.push(run);
    });
  }
}

test('medians, tables, targets and plots are written', () => {
  const directory = mkdtempSync(path.join(process.env.TMPDIR ?? os.tmpdir(), 'r-'));
  write(directory, runs, machine(bench));
  assert.deepEqual(readdirSync(directory).sort(), [...Object.keys(small).map((name) => `${name}.svg`), 'results.json', 'results.md'].sort());
  const { summary } = JSON.parse(readFileSync(path.join(directory, 'results.json'), 'utf8'));
  assert.ok(summary['w1-closed'].raw.delivery > 0 && summary['w3-idle'].raw.memory >= 0 && summary['w4-login'].taskchat.login > 0);
  const text = readFileSync(path.join(directory, 'results.md'), 'utf8');
  assert.match(text, /one room, closed loop: relay CPU a delivery \| ≤ 0\.5 × raw \| \d+\.\d+ × \| (met|\*\*not met\*\*) \|/);
  assert.match(text, /5,000 rooms resumed, seconds \| ≤ 2 \|/);
});

test('one bar that would dwarf all others is drawn cut', () => {
  const drawn = (...rates) => plot('Rates', ['rate'], rates.map((rate) => ({ name: 'one', row: { rate }, ours: false })));
  const widths = (svg) => [...svg.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width));
  assert.doesNotMatch(drawn(10, 20, 90), /class="cut"/);
  const cut = drawn(10, 20, 9000);
  assert.equal(cut.match(/class="cut"/g).length, 1);
  assert.ok(widths(cut)[1] === 2 * widths(cut)[0] && widths(cut)[1] > widths(cut)[2] / 2, cut);
  assert.doesNotMatch(drawn(0, 0), /class="cut"|NaN/);
  assert.doesNotMatch(drawn(7), /class="cut"/);
});

// A generator that says so must not come out as a good run.
test('a run that loses messages has failed', { timeout: 60000 }, async () => {
  const mute = { ...peers.raw, dialect: () => [['path', '/b9'], ['send', '{content}']] };
  const run = await measured(bench, 'w2-paced', { ...pairs, limit: 30, args: { senders: 4, rate: 100, messages: 20 } }, mute, 0);
  assert.equal(run.delivered, false);
});
