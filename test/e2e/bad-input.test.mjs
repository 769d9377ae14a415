// Bad input of every kind, each row followed by a look at two others who are in
// conversation: nothing that one client says may cost another anything. The
// table with its outcomes is printed at the end.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import commands from './bad/commands.mjs';
import frames from './bad/frames.mjs';
import http from './bad/http.mjs';
import * as json from './bad/json.mjs';
import tokens from './bad/tokens.mjs';
import { Wire, text } from './wire.mjs';
import { World, secret, sleep, token, until } from './world.mjs';

let world, relay, ada, ben, descriptorsBefore;
const outcomes = [];
const descriptors = () => fs.readdirSync(`/proc/${relay.pid}/fd`).length;
const memory = () => Number(/VmRSS:\s*(\d+)/.exec(fs.readFileSync(`/proc/${relay.pid}/status`, 'utf8'))[1]);

before(async () => {
  // What a sanitizer keeps of freed memory would hide what the relay keeps.
  process.env.ASAN_OPTIONS = `${process.env.ASAN_OPTIONS ?? ''}:quarantine_size_mb=1`;
  world = await World.open({ 'rate-messages': 1000, 'rate-messages-burst': 1000 });
  relay = await world.startRelay();
  await world.task('live', 'ben');
  for (const id of ['own', 'shut']) await world.task(id, 'mal');
  await world.task('seen');
  await world.sql("SELECT taskchat.add_member('seen', 'mal', 'observer'), taskchat.close_room('shut')");
  ada = await world.login('ada');
  ben = await world.login('ben');
  for (const client of [ada, ben]) await client.good({ type: 'join_task_room', task_id: 'live' });
  // Warm: descriptors and memory are counted from a relay that has worked.
  await connect().then((wire) => wire.destroy());
  await sleep(200);
  descriptorsBefore = descriptors();
});

after(async () => {
  const width = Math.max(...outcomes.map(([name]) => name.length));
  for (const [name, outcome] of outcomes) console.log(`# ${name.padEnd(width)}  ${outcome}`);
  await world.close();
});

let said = 0;

// The two go on talking: one message there, seen by both, in order.
async function undisturbed() {
  const content = `still here ${++said}`;
  const { message } = await ben.good({ type: 'send_message', task_id: 'live', content });
  for (const client of [ada, ben]) {
    await client.event('message_received', (e) => e.seq === message.seq && e.message.content === content);
    const heard = client.of('message_received').map((e) => e.seq);
    assert.deepEqual(heard, heard.map((_, i) => heard[0] + i), 'a message is missing or came twice');
    assert.equal(client.closed, null);
    client.frames = client.frames.slice(-50);
  }
}

function row(name, expect, run) {
  test(`${name}: ${expect}`, async () => {
    const outcome = await run();
    outcomes.push([name, outcome]);
    assert.ok(expect instanceof RegExp ? expect.test(outcome) : expect === outcome, `${outcome} instead of ${expect}`);
    await undisturbed();
  });
}

async function connect(headers = { Authorization: `Bearer ${token('mal')}` }) {
  const wire = await Wire.open(world.port, headers);
  assert.equal(wire.head?.status, 101);
  if (headers.Authorization) await wire.until(() => wire.texts().some((f) => f.type === 'welcome'));
  return wire;
}

// Says something over a connection that is logged in; what came of it.
async function tell(parts, closing, replies = 1) {
  const wire = await connect();
  await wire.sayAll(parts);
  if (closing) await wire.until(() => wire.closeCode() !== null);
  else await wire.until(() => wire.closeCode() !== null || wire.replies().length >= replies);
  const alive = wire.closeCode() === null && !wire.ended && await wire.alive();
  const line = wire.summary(alive);
  await wire.destroy();
  return line;
}

for (const [name, parts, expect] of frames) row(`frame: ${name}`, expect, () => tell(parts, /close/.test(expect), 0));

for (const [name, data] of json.good) row(`json: ${name}`, 'reply(1) open', () => tell([text(data)]));
for (const [name, data] of json.bad) row(`json: ${name}`, 'error(bad_request) open', () => tell([text(data)]));

for (const [name, data, code] of commands) {
  const expect = code.includes('|') ? new RegExp(`^error\\((${code})\\) open$`) : `error(${code}) open`;
  row(`command: ${name}`, expect, () => tell([text(typeof data === 'string' ? data : JSON.stringify(data))]));
}

for (const [name, bad] of tokens(secret)) {
  row(`token in a frame: ${name}`, 'error(unauthenticated) close(4401)', async () => {
    const wire = await connect({});
    await wire.say(text(JSON.stringify({ type: 'authenticate', token: bad })));
    await wire.until(() => wire.closeCode() !== null);
    const line = wire.summary(false);
    await wire.destroy();
    return line;
  });
}

for (const [name, bad] of tokens(secret).filter(([, bad]) => bad.length < 12000 && bad.trim() === bad)) {
  row(`token in the header: ${name}`, 'error(unauthenticated) close(4401)', async () => {
    const wire = await Wire.open(world.port, { Authorization: `Bearer ${bad}` });
    await wire.until(() => wire.closeCode() !== null);
    const line = wire.summary(false);
    await wire.destroy();
    return line;
  });
}

for (const [name, request, expect] of http(token('mal'))) {
  row(`http: ${name}`, expect, async () => {
    const wire = new Wire(world.port);
    await wire.say(request);
    await wire.until(() => wire.head);
    const line = wire.head ? String(wire.head.status) : wire.ended ? 'dropped' : 'silent';
    if (wire.head?.status >= 400) {
      assert.deepEqual(wire.head.headers['content-type'], ['application/json']);
      assert.equal('allow' in wire.head.headers, wire.head.status === 405);
    }
    await wire.destroy();
    return line;
  });
}

test('every descriptor is given back', async () => {
  await until('the descriptors of the beginning', () => descriptors() <= descriptorsBefore);
});

test('the memory of one round is used again by the next', async () => {
  const round = async () => {
    for (const [, data] of [...json.bad, ...json.good]) await tell([text(data)]);
    for (const [, parts, expect] of frames) await tell(parts, /close/.test(expect), 0);
    await until('the descriptors of the beginning', () => descriptors() <= descriptorsBefore);
    return memory();
  };
  const sizes = [await round(), await round(), await round()];
  outcomes.push(['memory after each of three rounds (KiB)', sizes.join(' ')]);
  // (What the last ones left to do may still be under way.)
  await until(`the memory of the second round: ${sizes}`, () => memory() - sizes[1] < 2048);
  await undisturbed();
});
