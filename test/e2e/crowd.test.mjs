// A large room whose events come faster than they are sent: they gather, and
// each reader still gets every one of them once and in order, and its replies at once.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { World, until } from './world.mjs';

const READERS = 200;
const MESSAGES = 300;

let world;

before(async () => {
  world = await World.open();
  await world.startRelay();
});
after(() => world.close());

test('a large room: every event once and in order, whatever goes on beside it', async () => {
  const users = Array.from({ length: READERS }, (_, i) => `u${i}`);
  await world.sql("SELECT taskchat.open_room(t, 'ada') FROM unnest('{crowd,beside}'::text[]) AS t");
  await world.sql("SELECT count(taskchat.add_member(t, u)) FROM unnest('{crowd,beside}'::text[]) AS t, unnest($1::text[]) AS u WHERE t = 'crowd' OR u IN ('u0', 'u1')", [users]);
  const readers = await Promise.all(users.map((user) => world.login(user)));
  const snapshots = await Promise.all(readers.map((reader) => reader.good({ type: 'join_task_room', task_id: 'crowd' })));
  await Promise.all(readers.slice(0, 2).map((reader) => reader.good({ type: 'join_task_room', task_id: 'beside' })));
  const sender = async (share) => {
    for (let i = 0; i < MESSAGES / 3; i++) await world.as('ada', 'SELECT taskchat.send_message($1, $2)', ['crowd', `${share}-${i}`]);
  };
  const asker = async () => {
    for (let i = 0; i < 50; i++) {
      await readers[i % READERS].good({ type: 'ping' });
      await world.sql("SELECT taskchat.send_system_message('beside', 'x')");
    }
  };
  await Promise.all([sender('a'), sender('b'), sender('c'), asker()]);
  const last = snapshots[0].last_seq + MESSAGES;
  const ofCrowd = (reader) => reader.of('message_received').filter((e) => e.task_id === 'crowd');
  await until('the last message', () => readers.every((reader) => ofCrowd(reader).at(-1)?.seq === last), 60000);
  readers.forEach((reader, i) => {
    const from = snapshots[i].last_seq;
    assert.deepEqual(ofCrowd(reader).map((e) => e.seq), Array.from({ length: last - from }, (_, n) => from + 1 + n));
    assert.deepEqual([reader.closed, reader.of('removed_from_room').length], [null, 0]);
  });
  for (const reader of readers.slice(0, 2)) {
    await until('what is said beside', () => reader.of('message_received').filter((e) => e.task_id === 'beside').length === 50);
    const beside = reader.of('message_received').filter((e) => e.task_id === 'beside').map((e) => e.seq);
    assert.deepEqual(beside, beside.map((_, n) => beside[0] + n));
  }
  // What comes behind events that wait does not overtake them.
  await Promise.all([
    world.as('ada', "SELECT taskchat.send_message('crowd', 'first')"),
    world.as('ada', "SELECT taskchat.send_message('crowd', 'second')"),
  ]);
  await world.sql("SELECT taskchat.remove_member('crowd', 'u5')");
  await readers[5].event('removed_from_room');
  const line = readers[5].frames.filter((f) => f.task_id === 'crowd' && f.type !== 'reply').map((f) => f.type);
  assert.deepEqual(line.slice(-4), ['message_received', 'message_received', 'member_left', 'removed_from_room']);
});
