// Nothing lost: the relay is killed, PostgreSQL restarts, its processes end.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { World, sleep, token, until } from './world.mjs';

let world;
before(async () => { world = await World.open(); });
after(() => world.close());

const contents = (client) => client.of('message_received').map((e) => e.message.content);

test('terminated and restarted backends: connections stay, what was missed follows', async () => {
  await world.startRelay();
  await world.task('stay', 'ben');
  const ada = await world.login('ada');
  await ada.good({ type: 'join_task_room', task_id: 'stay' });
  const expected = [];
  for (let round = 0; round < 3; round++) {
    await world.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'e2e_relay'");
    const text = `after termination ${round}`;
    await world.as('ben', 'SELECT taskchat.send_message($1, $2)', ['stay', text]);
    expected.push(text);
    await ada.event('message_received', (e) => e.message.content === text);
  }
  const data = path.join(world.directory, 'pg', 'data');
  const ctl = path.join(process.env.TASKCHAT_PG_BIN ?? '/usr/lib/postgresql/15/bin', 'pg_ctl');
  execFileSync(ctl, ['-D', data, '-w', '-m', 'immediate', 'stop'], { stdio: 'ignore' });
  const error = await until('unavailable', async () => {
    const reply = await ada.ask({ type: 'get_messages', task_id: 'stay' });
    return reply.ok ? null : reply.error;
  });
  assert.equal(error.code, 'unavailable');
  await until('503', async () => (await fetch(`http://127.0.0.1:${world.port}/readyz`)).status === 503);
  assert.equal((await fetch(`http://127.0.0.1:${world.port}/healthz`)).status, 200);
  execFileSync(ctl, ['-D', data, '-w', '-l', path.join(world.directory, 'pg', 'restart.log'), 'start'], { stdio: 'ignore' });
  await until('SQL', () => world.sql('SELECT 1').catch(() => null));
  await world.as('ben', "SELECT taskchat.send_message('stay', 'after the restart')");
  expected.push('after the restart');
  await ada.event('message_received', (e) => e.message.content === 'after the restart');
  assert.deepEqual(contents(ada), expected);
  assert.equal(ada.closed, null);
  await world.ready();
});

test('kill -9 of the relay: a resume brings the rest, once and in order', async () => {
  await world.task('kill', 'ben');
  const ada = await world.login('ada');
  const joined = await ada.good({ type: 'join_task_room', task_id: 'kill' });
  await world.as('ben', "SELECT taskchat.send_message('kill', 'one')");
  await ada.event('message_received');
  const relay = world.relays.find((r) => !r.ended);
  relay.kill('SIGKILL');
  await relay.gone;
  await until('the close', () => ada.closed);
  await world.as('ben', "SELECT taskchat.send_message('kill', 'two')");
  await world.startRelay();
  const again = await world.login('ada');
  const resumed = await again.good({ type: 'join_task_room', task_id: 'kill', after_seq: joined.last_seq + 1, epoch: joined.epoch });
  assert.deepEqual(resumed.events.map((e) => e.message.content), ['two']);
  await world.as('ben', "SELECT taskchat.send_message('kill', 'three')");
  await again.event('message_received', (e) => e.message.content === 'three');
  assert.deepEqual(contents(again), ['three']);
});

test('an SQL session that holds one room delays no other', async () => {
  await world.task('held', 'ben');
  await world.task('free', 'ben');
  const connection = await world.pool.connect();
  await connection.query('BEGIN');
  await connection.query("SELECT taskchat.act_as('ben')");
  await connection.query("SELECT taskchat.send_message('held', 'idle in transaction')");
  const ada = await world.login('ada');
  const slow = ada.ask({ type: 'send_message', task_id: 'held', content: 'waits' });
  await ada.good({ type: 'send_message', task_id: 'free', content: 'passes' });
  assert.equal((await slow).error.code, 'unavailable');
  await connection.query('COMMIT');
  connection.release();
  await ada.good({ type: 'send_message', task_id: 'held', content: 'now' });
});

test('new_epoch() sends away who is in a room, without any restart; a resume starts anew', async () => {
  await world.task('epoch', 'ben');
  const ada = await world.login('ada');
  const ben = await world.login('ben');
  const joined = await ada.good({ type: 'join_task_room', task_id: 'epoch' });
  const parked = fetch(`http://127.0.0.1:${world.port}/api/tasks/epoch/events?after_seq=${joined.last_seq}&wait=30`,
    { headers: { Authorization: `Bearer ${token('ben')}` } }).then((answer) => answer.json());
  await world.sql('SELECT taskchat.new_epoch()');
  await ada.event('going_away');
  await until('the close', () => ada.closed);
  assert.equal(ada.closed, 1001);
  assert.notEqual((await parked).epoch, joined.epoch);
  const again = await world.login('ada');
  const resumed = await again.good({ type: 'join_task_room', task_id: 'epoch', after_seq: joined.last_seq, epoch: joined.epoch });
  assert.equal(resumed.reset, true);
  assert.notEqual(resumed.epoch, joined.epoch);
  await world.as('ben', "SELECT taskchat.send_message('epoch', 'of the new epoch')");
  await again.event('message_received');
  await ben.good({ type: 'ping' });
  assert.deepEqual([again.closed, ben.closed], [null, null]);
  assert.equal((await fetch(`http://127.0.0.1:${world.port}/readyz`)).status, 200);
});

test('SIGTERM says going_away and closes with 1001', async () => {
  const ada = await world.login('ada');
  const relay = world.relays.find((r) => !r.ended);
  relay.kill('SIGTERM');
  await ada.event('going_away');
  await until('the close', () => ada.closed);
  assert.equal(ada.closed, 1001);
  assert.deepEqual(await relay.gone, { code: 0, signal: null });
  await sleep(50);
});
