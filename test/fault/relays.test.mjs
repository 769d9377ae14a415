// Several relays on one database, presence that cannot lie, readers that don't
// read, and a database that moves.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { World, WebSocket, freePort, sleep, token, until } from '../e2e/world.mjs';

const bin = process.env.TASKCHAT_PG_BIN ?? '/usr/lib/postgresql/15/bin';
const QUICK = { heartbeat: '2s', presence_grace: '2s' };

let world;
let second;
before(async () => {
  world = await World.open();
  await world.task('pair', 'ben');
  second = await freePort();
});
after(() => world.close());

const flag = (settings) => Object.fromEntries(Object.entries(settings).map(([key, value]) => [key.replaceAll('_', '-'), value]));
const online = async (viewer, user) => (await viewer.good({ type: 'user_presence', user_ids: [user] })).presence[0].is_online;

async function kill(relay, signal = 'SIGKILL') {
  relay.kill(signal);
  await relay.gone;
}

test('two relays: every event through each, typing and presence across', async () => {
  const one = await world.startRelay(flag(QUICK));
  const two = await world.startRelay(flag(QUICK), second);
  const ada = await world.login('ada');
  await ada.good({ type: 'join_task_room', task_id: 'pair' });
  const ben = await world.login('ben', { port: second });
  await ben.good({ type: 'join_task_room', task_id: 'pair' });
  await ada.event('user_presence', (e) => e.user_id === 'ben' && e.is_online);
  await ben.good({ type: 'typing_indicator', task_id: 'pair', is_typing: true });
  await ada.event('typing_indicator', (e) => e.user_id === 'ben' && e.is_typing);
  await ben.good({ type: 'send_message', task_id: 'pair', content: 'from two' });
  await ada.event('message_received', (e) => e.message.content === 'from two');
  await ada.event('typing_indicator', (e) => e.user_id === 'ben' && !e.is_typing);
  await ada.good({ type: 'send_message', task_id: 'pair', content: 'from one' });
  await ben.event('message_received', (e) => e.message.content === 'from one');
  await ben.good({ type: 'mark_read', task_id: 'pair', seq: 4 });
  await ada.event('message_read', (e) => e.user_id === 'ben' && e.last_read_seq === 4);
  await world.sql("SELECT taskchat.notify_user('ben', 'payment', '{}')");
  await ben.event('notification');

  // Two tabs on two relays: one dies, and nobody sees a blink.
  const tab = await world.login('ben');
  const before = ada.of('user_presence').length;
  await kill(two);
  await until('the close', () => ben.closed);
  await sleep(16000); // the dead relay's lease runs out within 15 s
  await until('the lease to end', async () => (await world.sql('SELECT count(*)::int AS n FROM taskchat.leases'))[0].n === 1);
  assert.equal(await online(ada, 'ben'), true);
  assert.deepEqual(ada.of('user_presence').slice(before).filter((e) => e.user_id === 'ben' && !e.is_online), []);
  tab.socket.close(1000);
  await ada.event('user_presence', (e) => e.user_id === 'ben' && !e.is_online);
  await kill(one, 'SIGTERM');
});

test('presence: after kill -9 of a relay its users go offline', async () => {
  const one = await world.startRelay(flag(QUICK));
  const two = await world.startRelay(flag(QUICK), second);
  const ada = await world.login('ada');
  await ada.good({ type: 'join_task_room', task_id: 'pair' });
  await world.login('ben', { port: second });
  await until('ben online', () => online(ada, 'ben'));
  const began = Date.now();
  await kill(two);
  await until('ben offline', async () => !(await online(ada, 'ben')));
  console.log(`# offline ${Date.now() - began} ms after the relay was killed`);
  await ada.event('user_presence', (e) => e.user_id === 'ben' && !e.is_online);
  await kill(one, 'SIGTERM');
});

test('presence: a reload never blinks, a vanished client goes', async () => {
  const relay = await world.startRelay(flag({ ...QUICK, presence_grace: '10s' }));
  const ada = await world.login('ada');
  await ada.good({ type: 'join_task_room', task_id: 'pair' });
  let ben = await world.login('ben');
  await until('ben online', () => online(ada, 'ben'));
  const before = ada.frames.length;
  for (let i = 0; i < 3; i++) {
    ben.socket.close(1000);
    await until('the close', () => ben.closed);
    await sleep(300);
    ben = await world.login('ben');
  }
  await sleep(11000); // longer than the grace
  assert.deepEqual(ada.frames.slice(before).filter((e) => e.type === 'user_presence' && e.user_id === 'ben' && !e.is_online), []);
  // It answers no ping any more: heartbeat, the pong's 8 s, the grace.
  ben.socket.pause();
  ben.socket._socket.pause();
  await until('ben offline', async () => !(await online(ada, 'ben')));
  await kill(relay, 'SIGTERM');
});

test('a reader that does not read is closed, costs little, and catches up', async () => {
  const relay = await world.startRelay();
  await world.task('flood', 'ben', 'eve');
  const slow = await world.login('ben');
  const joined = await slow.good({ type: 'join_task_room', task_id: 'flood' });
  const quick = await world.login('ada');
  await quick.good({ type: 'join_task_room', task_id: 'flood' });
  const memory = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${relay.pid}/status`, 'utf8'))[1]);
  const start = memory();
  slow.socket._socket.pause();
  const content = 'x'.repeat(16000);
  let peak = 0;
  let last = joined.last_seq;
  for (let i = 0; i < 64; i++) {
    await world.sql(`DO $$ BEGIN PERFORM taskchat.act_as('eve'); FOR i IN 1 .. 16 LOOP PERFORM taskchat.send_message('flood', '${content}'); END LOOP; END $$`);
    peak = Math.max(peak, memory());
    // Who reads is waited for: what a busy machine had to catch up with could be too much at once for her, too.
    last += 16;
    await quick.event('message_received', (e) => e.seq === last);
  }
  assert.equal(quick.of('message_received').length, 64 * 16);
  assert.ok(peak - start < 64 * 1024, `the relay grew by ${peak - start} KiB`);
  slow.socket._socket.resume();
  await until('the close', () => slow.closed);
  await until('the reason', () => /too slow/.test(world.log));
  const held = slow.of('message_received').at(-1)?.seq ?? joined.last_seq;
  assert.deepEqual(slow.of('message_received').map((e) => e.seq), Array.from({ length: held - joined.last_seq }, (_, i) => joined.last_seq + 1 + i));
  const again = await world.login('ben');
  let data = await again.good({ type: 'join_task_room', task_id: 'flood', after_seq: held, epoch: joined.epoch });
  let seq = held;
  assert.equal(data.reset, false);
  for (let more = true; more;) {
    for (const event of data.events) assert.equal(event.seq, ++seq);
    more = 'complete' in data ? !data.complete : data.has_more;
    if (more) data = await again.good({ type: 'get_events', task_id: 'flood', after_seq: seq, limit: 200 });
  }
  assert.equal(seq, last);
  await kill(relay, 'SIGTERM');
});

// How often the relay asked for commands and rooms, by what its backends counted before they went.
async function statements() {
  const [{ n }] = await world.sql("SELECT sum(calls)::int AS n FROM pg_stat_user_functions WHERE funcname IN ('relay_run', 'relay_attach')");
  await world.sql('SELECT pg_stat_reset()');
  return n;
}

// Connections in the busiest second of a relay's log.
function busiest(relay) {
  const counts = {};
  for (const [, second] of relay.log.matchAll(/^(\S+)\.\d+Z info server\[\d+\]: connected/gm)) counts[second] = (counts[second] ?? 0) + 1;
  return Math.max(...Object.values(counts));
}

test('2,000 clients come back and resume after the death of their relay, and after its drain', async () => {
  await world.sql("ALTER SYSTEM SET track_functions = 'all'");
  await world.sql('SELECT pg_reload_conf()');
  let relay = await world.startRelay({ 'max-connections-per-user': 1000 });
  await world.sql("DO $$ BEGIN FOR i IN 1 .. 100 LOOP PERFORM taskchat.open_room('many' || i, 'ada'); PERFORM taskchat.add_member('many' || i, 'ben'); END LOOP; END $$");
  const bearer = { ada: token('ada'), ben: token('ben') };
  const positions = new Map();
  const connect = (n) => new Promise((resolve, reject) => {
    const user = n % 2 ? 'ada' : 'ben';
    const task_id = `many${(n % 100) + 1}`;
    const held = positions.get(n);
    const socket = new WebSocket(`ws://127.0.0.1:${world.port}/ws`, 'taskchat.v1', { headers: { authorization: `Bearer ${bearer[user]}` } });
    socket.on('open', () => socket.send(JSON.stringify({ type: 'join_task_room', task_id, ref: 1, ...(held ? { after_seq: held.seq, epoch: held.epoch } : {}) })));
    socket.on('message', (data) => {
      const frame = JSON.parse(data.toString());
      if (frame.type !== 'reply') return;
      if (!frame.ok) {
        socket.terminate(); // it would count as one of the user's connections
        reject(new Error(JSON.stringify(frame)));
      } else resolve({ socket, data: frame.data });
    });
    socket.on('error', reject);
    socket.on('close', (code) => reject(new Error(`closed: ${code}`)));
  });
  const insist = async (n) => {
    for (let pause = 200; ; pause = Math.min(2 * pause, 5000)) {
      try {
        return await connect(n);
      } catch {
        await sleep(Math.random() * pause);
      }
    }
  };
  const all = Array.from({ length: 2000 }, (_, n) => n);
  for (const [n, { data }] of (await Promise.all(all.map(insist))).entries()) positions.set(n, { seq: data.last_seq, epoch: data.epoch });
  await kill(relay);
  await statements();
  await world.sql("DO $$ BEGIN PERFORM taskchat.act_as('ada'); FOR i IN 1 .. 100 LOOP PERFORM taskchat.send_message('many' || i, 'meanwhile'); END LOOP; END $$");
  relay = await world.startRelay({ 'max-connections-per-user': 1000 });
  const began = Date.now();
  const back = await Promise.all(all.map(insist));
  const took = Date.now() - began;
  for (const { data } of back) {
    assert.equal(data.reset, false);
    assert.deepEqual(data.events.map((e) => e.message?.content), ['meanwhile']);
  }

  // The same by a drain: everybody is told when to come back, and comes at another time.
  const told = back.map(({ socket }) => new Promise((resolve) => {
    let retry = null;
    socket.on('message', (data) => {
      const frame = JSON.parse(data.toString());
      if (frame.type === 'going_away') retry = frame.retry_ms;
    });
    socket.on('close', (code) => resolve({ code, retry }));
  }));
  const first = relay;
  first.kill('SIGTERM');
  const away = await Promise.all(told);
  await first.gone;
  const asked = await statements();
  console.log(`# after kill -9: 2,000 clients resumed within ${took} ms; ${asked} statements for their joins and rooms; ${busiest(first)} connections in the busiest second`);
  assert.ok(asked < 1000, 'there was a statement for each client');
  relay = await world.startRelay({ 'max-connections-per-user': 1000 });
  const drained = Date.now();
  const again = await Promise.all(away.map(async ({ code, retry }, n) => {
    assert.equal(code, 1001);
    await sleep(Math.random() * retry);
    return insist(n);
  }));
  console.log(`# after a drain: resumed within ${Date.now() - drained} ms; ${busiest(relay)} connections in the busiest second`);
  for (const { socket } of again) socket.terminate();
  await kill(relay, 'SIGTERM');
});

const ctl = (directory, ...args) => execFileSync(path.join(bin, 'pg_ctl'),
  ['-D', path.join(directory, 'data'), '-w', '-l', path.join(directory, 'server.log'), ...args], { stdio: 'ignore' });

// A copy of the cluster in a directory of its own; socket: where it will listen.
function backup(name, socket, ...options) {
  const copy = path.join(world.directory, name);
  fs.mkdirSync(copy, { mode: 0o700 });
  execFileSync(path.join(bin, 'pg_basebackup'), ['-h', path.join(world.directory, 'pg'), '-U', 'postgres', '-D', path.join(copy, 'data'), '-X', 'stream', '-c', 'fast', ...options], { stdio: 'ignore' });
  fs.appendFileSync(path.join(copy, 'data', 'postgresql.conf'), `\nunix_socket_directories = '${socket ?? copy}'\n`);
  return copy;
}

async function resetAfter(ada, joined) {
  await ada.event('going_away');
  await until('the close', () => ada.closed);
  assert.equal(ada.closed, 1001);
  await world.ready();
  const again = await world.login('ada');
  const resumed = await again.good({ type: 'join_task_room', task_id: 'pair', after_seq: joined.last_seq, epoch: joined.epoch });
  assert.equal(resumed.reset, true);
  assert.notEqual(resumed.epoch, joined.epoch);
  await again.good({ type: 'send_message', task_id: 'pair', content: 'in the new epoch' });
  await again.event('message_received', (e) => e.message.content === 'in the new epoch');
}

test('fail-over to a promoted standby: clients are told, and a resume says reset', async () => {
  const main = path.join(world.directory, 'pg');
  const copy = backup('standby', null, '-R');
  ctl(copy, 'start');
  const relay = await world.startRelay({ database: `host=${main},${copy} user=e2e_relay dbname=taskchat target_session_attrs=read-write` });
  const ada = await world.login('ada');
  const joined = await ada.good({ type: 'join_task_room', task_id: 'pair' });
  const bystander = await world.login('ben');
  ctl(main, '-m', 'immediate', 'stop');
  ctl(copy, 'promote');
  await resetAfter(ada, joined);
  assert.equal(bystander.closed, null);
  await kill(relay, 'SIGTERM');
  ctl(copy, '-m', 'immediate', 'stop');
  ctl(main, 'start');
});

test('restore from a backup that keeps its timeline: new_epoch() makes a resume say reset', async () => {
  const main = path.join(world.directory, 'pg');
  const copy = backup('restored', main);
  const relay = await world.startRelay();
  const ada = await world.login('ada');
  await world.as('ben', "SELECT taskchat.send_message('pair', 'not in the backup')");
  const joined = await ada.good({ type: 'join_task_room', task_id: 'pair' });
  ctl(main, '-m', 'fast', 'stop');
  ctl(copy, 'start');
  await until('SQL', () => world.sql('SELECT taskchat.new_epoch()').catch(() => null));
  await resetAfter(ada, joined);
  await kill(relay, 'SIGTERM');
  ctl(copy, '-m', 'fast', 'stop');
  ctl(main, 'start');
});
