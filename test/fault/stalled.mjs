// Readers that do not read: what do they cost the others, and the relay?
//
//   node stalled.mjs [--subscribers 1000] [--stalled 50] [--rate 20] [--messages 1100] [--rounds 1]
//
// The subscribers sit in one room; messages of 16,000 bytes are sent by SQL,
// first with all of them reading, then with some that stop. The generator is
// the benchmark's (test/bench/load.c). Prints both runs' figures and fails
// unless every stalled one was closed for it (4409), all others got all, once
// and in order, the relay stayed within its bounds, and a stalled one that
// comes back gets what it missed.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { World, secret, sleep } from '../e2e/world.mjs';
import taskchat from '../bench/peers/taskchat.mjs';
import { usage } from './usage.mjs';

const BYTES = 16000;
const KERNEL = 128; // KiB that wait in the kernel for one connection
const here = path.dirname(new URL(import.meta.url).pathname);
const bench = path.join(here, '../bench');

function compile(directory) {
  const program = path.join(directory, 'load');
  const sources = ['load.c', 'options.c', 'dialect.c', 'client.c', 'sender.c', 'tally.c', 'process.c'].map((name) => path.join(bench, name));
  const include = execFileSync(path.join(process.env.TASKCHAT_PG_BIN, 'pg_config'), ['--includedir'], { encoding: 'utf8' }).trim();
  execFileSync('cc', ['-O2', '-D_GNU_SOURCE', '-o', program, ...sources, `-I${include}`, '-lpq', '-lcrypto']);
  return program;
}

// A run of the generator; what it prints, and the relay's largest memory meanwhile.
async function run(program, world, relay, { subscribers, stalled, rate, messages }) {
  const dialect = path.join(world.directory, 'dialect');
  const key = path.join(world.directory, 'secret');
  fs.writeFileSync(dialect, taskchat.dialect().map(([name, value]) => `${name} ${value}\n`).join(''));
  fs.writeFileSync(key, secret, { mode: 0o600 });
  const words = Object.entries({ port: world.port, dialect, secret: key, url: world.url, statement: taskchat.statement, server_pids: relay.pid,
    clients: subscribers, rooms: 1, senders: 2, rate, messages, bytes: BYTES, stalled, limit: 600 });
  const before = usage(relay.pid).anonymous;
  const load = spawn(program, words.map(([name, value]) => `${name}=${value}`),
    { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, PGOPTIONS: '-c client_min_messages=warning' } });
  let out = '';
  load.stdout.on('data', (data) => { out += data; });
  const ended = new Promise((resolve) => load.on('close', resolve));
  let peak = before;
  const timer = setInterval(() => { peak = Math.max(peak, usage(relay.pid).anonymous); }, 100);
  const code = await ended;
  clearInterval(timer);
  assert.equal(code, 0, `the generator ended with ${code}: ${out}`);
  const result = { ...JSON.parse(out), memory_kib: { before, peak } };
  console.log(`${stalled} of ${subscribers} stalled: latency ms p50 ${result.latency_ms.p50}, p99 ${result.latency_ms.p99}, max ${result.latency_ms.max};`
    + ` after commit p50 ${result.after_commit_ms.p50}, p99 ${result.after_commit_ms.p99}; ${result.deliveries} deliveries, ${result.missing} missing;`
    + ` relay CPU ${result.server_cpu_s} s; its memory ${before} KiB before, at most ${peak}`);
  return result;
}

// What a stalled one does that comes back: everything after the seq that it had, page by page.
async function catchUp(world, user, held, last) {
  const client = await world.login(user);
  let data = await client.good({ type: 'join_task_room', task_id: 'b0', after_seq: held.seq, epoch: held.epoch });
  let { seq } = held;
  const began = performance.now();
  assert.equal(data.reset, false);
  for (let more = true; more;) {
    for (const event of data.events) assert.equal(event.seq, ++seq);
    more = 'complete' in data ? !data.complete : data.has_more;
    if (more) data = await client.good({ type: 'get_events', task_id: 'b0', after_seq: seq, limit: 200 });
  }
  assert.equal(seq, last);
  console.log(`caught up with ${last - held.seq} messages in ${Math.round(performance.now() - began)} ms`);
}

async function main() {
  const { values } = parseArgs({ options: { subscribers: { type: 'string', default: '1000' }, stalled: { type: 'string', default: '50' },
    rate: { type: 'string', default: '20' }, messages: { type: 'string', default: '1100' }, rounds: { type: 'string', default: '1' } } });
  const [subscribers, stalled, rate, messages, rounds] = ['subscribers', 'stalled', 'rate', 'messages', 'rounds'].map((name) => Number(values[name]));
  const world = await World.open();
  try {
    const program = compile(world.directory);
    await world.sql("SELECT taskchat.open_room('b0', 'u0')");
    await world.sql("SELECT count(taskchat.add_member('b0', 'u' || n)) FROM generate_series(1, $1 - 1) AS n", [subscribers]);
    const relay = await world.startRelay({}, world.port, { program: path.join(here, '../../relay/taskchat-relay') });
    const where = async () => {
      const [{ seq, epoch }] = await world.sql("SELECT last_seq::int AS seq, taskchat.room_epoch(room_id) AS epoch FROM taskchat.task_rooms WHERE task_id = 'b0'");
      return { seq, epoch };
    };
    let held;
    for (let round = 1; round <= rounds; round++) {
      const quiet = await run(program, world, relay, { subscribers, stalled: 0, rate, messages });
      await sleep(3000);
      held = await where();
      const hurt = await run(program, world, relay, { subscribers, stalled, rate, messages });
      const closes = (world.log.match(/closed 4409/g) ?? []).length;
      const past = ((messages * BYTES) / 2 ** 20).toFixed(1);
      console.log(`${closes} closed with 4409; ${past} MiB went past each; p99 ${(hurt.latency_ms.p99 / quiet.latency_ms.p99).toFixed(2)} × the quiet run's`);
      assert.equal(closes, round * stalled);
      assert.ok(hurt.memory_kib.peak - quiet.memory_kib.peak < stalled * (1024 + KERNEL), 'the relay has grown past its bounds');
    }
    await catchUp(world, `u${subscribers - 1}`, held, (await where()).seq);
    console.log('1 passed, 0 failed');
  } finally {
    await world.close();
  }
}

await main();
