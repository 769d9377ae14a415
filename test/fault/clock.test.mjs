// The wall clock is set while the relay runs: what waits and watches goes by
// another one, and only log-ins go by what o'clock it is.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { World, sleep, until } from '../e2e/world.mjs';
import { Shim } from './shim.mjs';

const HOUR = 3600;

let world;
let shim;
before(async () => {
  world = await World.open();
  const directory = path.join(world.directory, 'shim');
  fs.mkdirSync(directory);
  shim = new Shim(directory);
  await world.task('clock', 'ben');
  await world.startRelay({ 'typing-timeout': '2s' }, world.port, { env: shim.env() });
});
after(() => world.close());

const ready = () => fetch(`http://127.0.0.1:${world.port}/readyz`).then((response) => response.status === 200);

// How often the relay has found the database out of reach. (It may be back before anybody asks for its health.)
const outages = () => (world.log.match(/out of reach/g) ?? []).length;

test('an hour back: typing ends, and a silent LISTEN backend is found', async () => {
  const ada = await world.login('ada');
  const ben = await world.login('ben');
  for (const client of [ada, ben]) await client.good({ type: 'join_task_room', task_id: 'clock' });
  const [{ pid }] = await world.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'taskchat-relay listener'");
  const lost = outages();
  process.kill(pid, 'SIGSTOP');
  shim.clock(-HOUR);
  await ben.good({ type: 'typing_indicator', task_id: 'clock', is_typing: true });
  await ada.event('typing_indicator', (e) => e.is_typing);
  await ada.event('typing_indicator', (e) => !e.is_typing);
  try {
    await until('the relay to notice', () => outages() > lost);
    await until('another backend', ready);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  assert.deepEqual([ada.closed, ben.closed], [null, null]);
  await ben.good({ type: 'send_message', task_id: 'clock', content: 'an hour ago' });
  await ada.event('message_received', (e) => e.message.content === 'an hour ago');
  shim.clock(0);
});

test('forth: a log-in ends when its time has come, and nothing else does', async () => {
  const ada = await world.login('ada');
  const lost = outages();
  shim.clock(HOUR - 45); // the token's last minute
  await ada.event('token_expiring');
  await sleep(5000); // what watches has looked at its clock
  assert.equal(await ready(), true);
  await ada.good({ type: 'join_task_room', task_id: 'clock' });
  shim.clock(HOUR + 45);
  await until('the end', () => ada.closed);
  assert.equal(ada.closed, 4401);
  assert.equal(outages(), lost);
  shim.clock(0);
  await until('the right time to be seen', () => world.login('ada').catch(() => null));
});
