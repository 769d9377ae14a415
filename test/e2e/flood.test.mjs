// Random and mutated frames at full speed over several connections, while two
// others talk: the relay's memory returns to where it was, and nothing that the
// two say is lost. TASKCHAT_FLOOD_FRAMES says how many (100,000 in check-long).
// The latencies are printed and judge nothing.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { BINARY, CLOSE, Wire, close, echo, frame, more, ping, pong, text } from './wire.mjs';
import { World, sleep, token, until } from './world.mjs';

const FRAMES = Number(process.env.TASKCHAT_FLOOD_FRAMES ?? 10000);
const CONNECTIONS = 8;
const seed = Number(process.env.SEED || 1);

// The sanitizers' own memory would hide the relay's: its figures come from the
// plain build beside it.
const sanitized = process.env.TASKCHAT_RELAY;
const plain = path.join(path.dirname(new URL(import.meta.url).pathname), '../../relay/taskchat-relay');

const VALID = [
  { type: 'ping', ref: 1 }, { type: 'authenticate', token: 'x' }, { type: 'join_task_room', task_id: 'own', after_seq: 1, epoch: 'e', ref: 'r' },
  { type: 'join_task_rooms', rooms: [{ task_id: 'own' }, { task_id: 'live' }] }, { type: 'leave_task_room', task_id: 'own' },
  { type: 'send_message', task_id: 'own', content: 'hal', client_msg_id: 'c', metadata: { a: [1, { b: null }] } }, { type: 'get_messages', task_id: 'own', limit: 5 },
  { type: 'get_events', task_id: 'own', after_seq: 0 }, { type: 'mark_read', task_id: 'own', seq: 3 }, { type: 'ack', task_id: 'own', seq: 3 },
  { type: 'typing_indicator', task_id: 'own', is_typing: true }, { type: 'user_presence', user_ids: ['ada'], current_task_id: 'own' }, { type: 'get_rooms' },
].map((one) => Buffer.from(JSON.stringify(one)));

// mulberry32: small, seeded, the same everywhere.
function chance(state) {
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

function mutated(one, random) {
  const data = Buffer.from(one);
  for (let i = random(4); i >= 0; i--) {
    const at = random(data.length);
    switch (random(4)) {
      case 0: data[at] = random(random(100) ? 128 : 256); break;
      case 1: data[at] ^= 1 << random(random(100) ? 7 : 8); break;
      case 2: data.copy(data, at, random(data.length)); break;
      default: data[at] = '{}[]",:\\0x'.charCodeAt(random(10));
    }
  }
  return random(3) ? data : data.subarray(0, random(data.length + 1));
}

const noise = (random) => Buffer.from(Array.from({ length: random(200) }, () => random(256)));

// One frame, or what may pass for one: mostly such that the connection lives on.
function anyFrame(random) {
  const one = VALID[random(VALID.length)];
  switch (random(random(200) ? 1000 : 12)) {
    case 0: return frame(random(16), noise(random), { fin: !random(2), rsv: random(8) });
    case 1: return frame(BINARY, noise(random));
    case 2: return close(random(6000), noise(random).subarray(0, 100));
    case 3: return frame(CLOSE, noise(random).subarray(0, 125));
    case 4: return noise(random);
    case 5: return more(noise(random));
    case 6: return text(noise(random), { announced: random(1 << 20) });
    case 7: return Buffer.concat([text(one.subarray(0, 5), { fin: false }), more(one.subarray(5))]);
    case 8: return ping(noise(random).subarray(0, 125));
    case 9: return pong(noise(random).subarray(0, 125));
    case 10: return text(echo('x').padEnd(random(70000)));
    default: return text(random(4) ? mutated(one, random) : one);
  }
}

let world;
before(async () => {
  world = await World.open({ 'rate-messages': 1000, 'rate-messages-burst': 1000 });
  await world.task('live', 'ben');
  await world.task('own', ...Array.from({ length: CONNECTIONS }, (_, i) => `mal${i}`));
});
after(() => world.close());

// Says frames until the common count is used up; a connection that is closed is
// opened again.
async function attack(user, left, port, random) {
  const seen = { connections: 0, closes: {} };
  while (left.frames > 0) {
    const wire = await Wire.open(port, { Authorization: `Bearer ${token(user)}` });
    assert.equal(wire.head?.status, 101);
    seen.connections++;
    while (left.frames > 0 && !wire.ended && wire.closeCode() === null) {
      const some = Math.min(20, left.frames);
      left.frames -= some;
      await wire.say(Buffer.concat(Array.from({ length: some }, () => anyFrame(random))));
      await new Promise(setImmediate);
    }
    await wire.until(() => wire.closeCode() !== null, 500);
    assert.deepEqual(wire.faults(), []);
    const end = wire.closeCode() ?? (wire.ended ? 'dropped' : 'open');
    seen.closes[end] = (seen.closes[end] ?? 0) + 1;
    await wire.destroy();
  }
  return seen;
}

// ben speaks, ada hears: milliseconds of each message, until stop says so.
async function talk(ada, ben, stop) {
  const times = [];
  while (!stop()) {
    const began = performance.now();
    const { message } = await ben.good({ type: 'send_message', task_id: 'live', content: 'x' });
    await ada.event('message_received', (e) => e.seq === message.seq);
    times.push(performance.now() - began);
    ben.frames = [];
    ada.heard ??= [];
    ada.heard.push(...ada.of('message_received').map((e) => e.seq));
    ada.frames = [];
    await sleep(30);
  }
  const sorted = times.sort((a, b) => a - b);
  return { n: sorted.length, p50: sorted[sorted.length >> 1], p95: sorted[Math.floor(sorted.length * 0.95)], max: sorted.at(-1) };
}

const shown = ({ n, p50, p95, max }) => `${n} messages, p50 ${p50.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms, max ${max.toFixed(1)} ms`;

async function flood(program, count) {
  const relay = await world.startRelay({}, undefined, { program });
  const ada = await world.login('ada');
  const ben = await world.login('ben');
  for (const client of [ada, ben]) await client.good({ type: 'join_task_room', task_id: 'live' });
  const descriptors = () => fs.readdirSync(`/proc/${relay.pid}/fd`).length;
  const memory = () => Number(/VmRSS:\s*(\d+)/.exec(fs.readFileSync(`/proc/${relay.pid}/status`, 'utf8'))[1]);
  const startDescriptors = descriptors();
  const random = chance(seed);
  // What was asked last is worked off in the background, and idle memory is given
  // back: it is waited for, at most a minute.
  const settle = async (enough) => {
    await until('the descriptors of the beginning', () => descriptors() <= startDescriptors);
    for (const end = Date.now() + 60000; memory() > enough && Date.now() < end;) await sleep(500);
    return memory();
  };
  const round = async (frames) => {
    const left = { frames };
    const began = performance.now();
    const seen = await Promise.all(Array.from({ length: CONNECTIONS }, (_, i) => attack(`mal${i}`, left, world.port, random)));
    return { seconds: (performance.now() - began) / 1000, seen };
  };
  const quietEnd = Date.now() + 2000;
  const quiet = await talk(ada, ben, () => Date.now() > quietEnd);
  await round(Math.ceil(count / 4));
  await sleep(6000);
  const warm = await settle(Infinity);
  let ended = false;
  const talking = talk(ada, ben, () => ended);
  const { seconds, seen } = await round(count);
  ended = true;
  const busy = await talking;
  const end = await settle(program === plain ? warm + 2048 : Infinity);
  const closes = {};
  for (const one of seen) for (const [code, n] of Object.entries(one.closes)) closes[code] = (closes[code] ?? 0) + n;
  console.log(`# ${count} frames in ${seconds.toFixed(1)} s over ${seen.reduce((n, one) => n + one.connections, 0)} connections; ended by ${JSON.stringify(closes)}`);
  console.log(`# quiet: ${shown(quiet)}`);
  console.log(`# meanwhile: ${shown(busy)}`);
  console.log(`# memory before ${warm} KiB, after ${end} KiB`);
  assert.deepEqual(ada.heard, ada.heard.map((_, i) => ada.heard[0] + i), 'a message is missing or came twice');
  assert.equal(ada.closed, null);
  for (const client of [ada, ben]) client.socket.terminate();
  relay.kill('SIGTERM');
  assert.deepEqual(await relay.gone, { code: 0, signal: null });
  return { warm, end };
}

test(`${FRAMES} frames: the memory returns to its start`, async () => {
  const { warm, end } = await flood(plain, FRAMES);
  assert.ok(end - warm <= 2048, `${warm} KiB grew to ${end} KiB`);
});

test(`${FRAMES / 2} frames under the sanitizers`, async () => {
  await flood(sanitized, FRAMES / 2);
});
