// The package's client, as packed, in Node against the real relay: nothing is
// lost while the relay is killed again and again, and what it has beside rooms.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import WebSocket from 'ws';
import { World, token, until } from './world.mjs';

const web = fileURLToPath(new URL('../../relay/web', import.meta.url));
let world;
let unpacked;
let taskchat;
const clients = [];

before(async () => {
  unpacked = fs.mkdtempSync(path.join(os.tmpdir(), 'client-'));
  const packed = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--no-update-notifier', '--pack-destination', unpacked], { cwd: web, encoding: 'utf8' });
  execFileSync('tar', ['-xzf', path.join(unpacked, JSON.parse(packed)[0].filename), '-C', unpacked]);
  taskchat = await import(pathToFileURL(path.join(unpacked, 'package/dist/client/index.js')));
  world = await World.open();
  await world.startRelay();
});
after(async () => {
  for (const client of clients) client.close();
  fs.rmSync(unpacked, { recursive: true });
  await world.close();
});

function connect(user, options = {}) {
  const client = new taskchat.TaskChatClient({
    url: `ws://127.0.0.1:${world.port}/ws`, getToken: () => token(user), WebSocket, backoffCap: 2000, ...options,
  });
  clients.push(client);
  client.connect();
  return client;
}

async function join(client, task) {
  const room = client.room(task);
  room.join();
  await until(`the room ${task}`, () => room.getState().phase === 'joined');
  return room;
}

const texts = (room) => room.getState().entries.flatMap((e) => (e.kind === 'message' ? [e.message.content] : []));

test('a relay that is killed three times in a conversation loses and doubles nothing', async () => {
  await world.task('storm', 'ben');
  const ada = await join(connect('ada'), 'storm');
  const ben = await join(connect('ben'), 'storm');
  const committed = [];
  const expected = { ada: [], ben: [] };
  const say = (room, who, text) => {
    expected[who].push(text);
    committed.push(room.send({ content: text }).committed);
  };
  for (let round = 0; round < 3; round++) {
    for (let count = 0; count < 8; count++) {
      say(ada, 'ada', `ada ${round} ${count}`);
      say(ben, 'ben', `ben ${round} ${count}`);
    }
    // Some are under way now; others are sent while nobody is there.
    const relay = world.relays.find((r) => !r.ended);
    relay.kill('SIGKILL');
    await relay.gone;
    say(ada, 'ada', `ada ${round} alone`);
    await world.as('ben', "SELECT taskchat.send_message('storm', $1)", [`by SQL ${round}`]);
    await world.startRelay();
  }
  await Promise.all(committed);
  const rows = await world.sql("SELECT seq::int, content FROM taskchat.task_messages WHERE task_id = 'storm' ORDER BY seq");
  assert.equal(rows.length, expected.ada.length + expected.ben.length + 3);
  for (const room of [ada, ben]) {
    await until('the whole line', () => texts(room).length === rows.length);
    assert.deepEqual(texts(room), rows.map((row) => row.content));
    assert.deepEqual(room.getState().pending, []);
  }
  for (const who of ['ada', 'ben'])
    assert.deepEqual(texts(ada).filter((text) => text.startsWith(who)), expected[who]);
});

test('states of messages, edits, deletions, rooms and notifications', async () => {
  await world.task('more', 'ben');
  const adaClient = connect('ada');
  const benClient = connect('ben');
  const ada = await join(adaClient, 'more');
  const ben = await join(benClient, 'more');
  const list = new taskchat.RoomList(adaClient);
  list.start();
  const told = [];
  const bell = new taskchat.NotificationList(benClient, (one) => told.push(one.kind));
  bell.start();
  await until('the lists', () => list.getState().loaded && bell.getState().loaded);

  const { committed } = ada.send({ content: 'first' });
  const message = await committed;
  await until('delivery', () => ada.statusOf(message) === 'delivered');
  ben.markRead();
  await until('reading', () => ada.statusOf(message) === 'read');
  await ada.edit(message.id, 'second');
  await until('the edit', () => texts(ben).at(-1) === 'second');
  await ada.delete(message.id);
  await until('the deletion', () => texts(ben).at(-1) === '');
  await until('the list', () => list.getState().rooms[0]?.task_id === 'more' && list.getState().rooms[0].last_seq === ada.getState().lastSeq);

  await world.sql("SELECT taskchat.notify_user('ben', 'payment')");
  await until('the notification', () => told.includes('payment'));
  await bell.markRead(bell.getState().notifications[0].id);
  assert.equal(bell.getState().unread, 0);
  const [row] = await world.sql("SELECT count(*)::int FROM taskchat.notifications WHERE user_id = 'ben' AND read_at IS NULL");
  assert.equal(row.count, 0);
});

test('a log-in that runs out is renewed on the living connection', async () => {
  await world.task('renewal', 'ben');
  const asked = [];
  const client = connect('ben', { getToken: ({ fresh }) => {
    asked.push(fresh);
    return token('ben', { expires: fresh ? 3600 : 62 });
  } });
  await until('the log-in', () => client.getState().status === 'open');
  await until('the renewal', () => asked.includes(true));
  assert.equal(client.getState().status, 'open');
});

test('where sockets are blocked it goes on over HTTP, and changes over when one can be opened', async () => {
  await world.task('blocked', 'ben');
  let blocked = true;
  class Guarded {
    constructor(...args) {
      if (!blocked) return new WebSocket(...args);
      setTimeout(() => this.onclose?.({ code: 1006, reason: '' }), 5);
    }
    close() {}
  }
  const client = connect('ben', { WebSocket: Guarded, backoffBase: 100 });
  const room = await join(client, 'blocked');
  assert.equal(client.getState().transport, 'http');
  assert.equal(room.getState().role, 'worker');
  assert.deepEqual(room.getState().members.map(({ user_id, role }) => [user_id, role]).sort(), [['ada', 'creator'], ['ben', 'worker']]);
  assert.equal(room.getState().myReadSeq, room.getState().lastSeq);
  const ada = await join(connect('ada'), 'blocked');
  ada.send({ content: 'to the blocked one' });
  await until('the message', () => texts(room).includes('to the blocked one'));
  await room.send({ content: 'from the blocked one' }).committed;
  await until('the answer', () => texts(ada).includes('from the blocked one'));
  await until('the own message', () => texts(room).includes('from the blocked one'));
  const { message: { id } } = room.getState().entries.at(-1);
  await assert.rejects(room.edit(id, 'changed'), { name: 'TaskChatError', code: 'unavailable', message: 'edit_message needs a WebSocket' });
  room.markRead();
  await until('reading', () => ada.getState().readSeq === ada.getState().lastSeq);
  blocked = false;
  await until('the socket', () => client.getState().transport === 'socket', 60000);
  await until('the room again', () => room.getState().phase === 'joined');
  assert.equal((await room.edit(id, 'from the one who was blocked')).content, 'from the one who was blocked');
  await until('the change', () => texts(ada).includes('from the one who was blocked'));
  ada.send({ content: 'by socket' });
  for (const one of [room, ada]) await until('the last one', () => texts(one).includes('by socket'));
  assert.deepEqual(texts(room), texts(ada));
});
