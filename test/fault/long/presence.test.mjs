// Presence with the settings as they are by default: how long somebody counts
// as online who is not. Each test measures one promise and prints it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { World, freePort, sleep, until } from '../../e2e/world.mjs';
import { Proxy } from '../proxy.mjs';

let world;
let second;
before(async () => {
  world = await World.open();
  await world.task('pair', 'ben', 'eve');
  second = await freePort();
  await world.startRelay();
});
after(() => world.close());

const isOnline = async (viewer, user) => (await viewer.good({ type: 'user_presence', user_ids: [user] })).presence[0].is_online;

async function viewer() {
  const ada = await world.login('ada');
  await ada.good({ type: 'join_task_room', task_id: 'pair' });
  return ada;
}

// Milliseconds until the user is offline, by asking and by the room's event.
async function offline(ada, user, began) {
  await until(`${user} offline`, async () => !(await isOnline(ada, user)), 90000);
  await until('the event', () => ada.of('user_presence').filter((e) => e.user_id === user).at(-1)?.is_online === false, 10000);
  const ms = Date.now() - began;
  console.log(`${user} counted as online for ${ms} ms more`);
  return ms;
}

test('a client that vanished without a word is offline within 45 s', async () => {
  const ada = await viewer();
  const wire = await Proxy.open({ port: 0, host: '127.0.0.1' }, { port: world.port, host: '127.0.0.1' });
  await world.login('ben', { port: wire.server.address().port });
  await until('ben online', () => isOnline(ada, 'ben'));
  await sleep(1000);
  const began = Date.now();
  wire.blackhole();
  assert.ok(await offline(ada, 'ben', began) <= 45000);
  await until('the reason', () => /closed 4408: heartbeat lost/.test(world.log));
  await wire.close();
  ada.socket.close(1000);
});

test('after kill -9 of their relay people are offline within 30 s, or elsewhere without a blink', async () => {
  const ada = await viewer();
  const doomed = await world.startRelay({}, second);
  await world.login('ben', { port: second });
  await world.login('eve', { port: second });
  const otherTab = await world.login('eve');
  for (const user of ['ben', 'eve']) await until(`${user} online`, () => isOnline(ada, user));
  const seen = ada.frames.length;
  const began = Date.now();
  doomed.kill('SIGKILL');
  await doomed.gone;
  assert.ok(await offline(ada, 'ben', began) <= 30000);
  await sleep(15000);
  assert.deepEqual(ada.frames.slice(seen).filter((e) => e.type === 'user_presence' && e.user_id === 'eve' && !e.is_online), []);
  assert.equal(await isOnline(ada, 'eve'), true);
  otherTab.socket.close(1000);
  ada.socket.close(1000);
});

test('a page that is loaded again never blinks, two tabs of which one goes neither', async () => {
  const ada = await viewer();
  let page = await world.login('ben');
  const tab = await world.login('eve');
  const other = await world.login('eve');
  for (const user of ['ben', 'eve']) await until(`${user} online`, () => isOnline(ada, user));
  const seen = ada.frames.length;
  for (let i = 0; i < 5; i++) {
    page.socket.close(1001); // as browsers do
    await sleep(1500);
    page = await world.login('ben');
  }
  tab.socket.close(1000);
  await sleep(15000);
  assert.deepEqual(ada.frames.slice(seen).filter((e) => e.type === 'user_presence' && !e.is_online), []);
  const began = Date.now();
  other.socket.close(1000);
  assert.ok(await offline(ada, 'eve', began) <= 15000);
});
