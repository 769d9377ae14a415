// Messages that come with their doorbell: without a fetch, once and in order,
// and only those that were committed. Whoever knows the channel reads nothing
// there and makes the relay say nothing.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { World, freePort, pg, sleep, until } from './world.mjs';

let world;
let admin;
let channel;
let listener; // hears what the relay hears
const heard = [];

before(async () => {
  world = await World.open();
  admin = await freePort();
  await world.startRelay({ 'admin-listen': `127.0.0.1:${admin}`, 'rate-messages': '1000' });
  [{ channel }] = await world.sql('SELECT channel FROM taskchat.doorbell_channel');
  await world.sql('CREATE ROLE eve LOGIN');
  listener = new pg.Client({ connectionString: world.url.replace(/\/\/[^/@]*@/, '//eve@') });
  await listener.connect();
  listener.on('notification', ({ payload }) => heard.push(payload));
  await listener.query(`LISTEN "${channel}"`);
});
after(async () => {
  await listener.end();
  await world.close();
});

// What the relay has counted.
async function counts() {
  const text = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
  const value = (name) => Number(new RegExp(`^taskchat_events_${name}total (\\d+)$`, 'm').exec(text)[1]);
  return { fetched: value(''), carried: value('carried_'), unopened: value('unopened_') };
}

// Statements as a user in one transaction.
async function transaction(user, ...statements) {
  const connection = await world.pool.connect();
  try {
    await connection.query('BEGIN');
    await connection.query('SELECT taskchat.act_as($1)', [user]);
    for (const statement of statements) await connection.query(statement);
    await connection.query('COMMIT');
  } catch (error) {
    await connection.query('ROLLBACK');
    throw error;
  } finally {
    connection.release();
  }
}

const seqs = (client, task) => client.frames.filter((f) => f.task_id === task && f.seq !== undefined).map((f) => f.seq);
const message = (client, task, content) => client.event('message_received', (e) => e.task_id === task && e.message.content === content);

async function joined(user, task) {
  const client = await world.login(user);
  await client.good({ type: 'join_task_room', task_id: task });
  return client;
}

test('the messages of the back end, of an INSERT and of a client come without a fetch, everything else by one', async () => {
  await world.task('alone', 'ben');
  const ada = await joined('ada', 'alone');
  const ben = await joined('ben', 'alone');
  const was = await counts();
  await world.sql('REVOKE EXECUTE ON FUNCTION taskchat.relay_fetch(bigint[], bigint[], int) FROM taskchat_relay');
  await world.as('ben', "SELECT taskchat.send_message('alone', 'one', metadata => '{\"k\": \"ä \\\\n €\"}', client_msg_id => 'c-1')");
  await world.as('ben', "INSERT INTO taskchat.task_messages (task_id, content) VALUES ('alone', E'two\\nlines')");
  await world.sql("SELECT taskchat.send_system_message('alone', 'three')");
  const { message: own } = await ben.good({ type: 'send_message', task_id: 'alone', content: 'four', client_msg_id: 'c-4' });
  for (const client of [ada, ben]) {
    const { message: last } = await message(client, 'alone', 'four');
    assert.deepEqual(last, own);
  }
  assert.deepEqual(seqs(ada, 'alone'), [3, 4, 5, 6]);
  assert.deepEqual(seqs(ben, 'alone'), [3, 4, 5, 6]);
  assert.equal((await counts()).carried, was.carried + 4);
  // An edit needs the fetch, and nothing overtakes it.
  await world.as('ben', 'SELECT taskchat.edit_message($1, $2)', [own.id, 'five']);
  await world.sql("SELECT taskchat.send_system_message('alone', 'six')");
  await sleep(500);
  assert.deepEqual(seqs(ada, 'alone'), [3, 4, 5, 6]);
  await world.sql('GRANT EXECUTE ON FUNCTION taskchat.relay_fetch(bigint[], bigint[], int) TO taskchat_relay');
  await world.sql("SELECT taskchat.send_system_message('alone', 'seven')");
  await message(ada, 'alone', 'seven');
  assert.deepEqual(seqs(ada, 'alone'), [3, 4, 5, 6, 7, 8, 9]);
  // What was told is what the table says.
  const told = ada.frames.filter((f) => f.task_id === 'alone' && f.type === 'message_received');
  const { events } = await ada.good({ type: 'get_events', task_id: 'alone', after_seq: 2 });
  const edited = new Set([6]);
  assert.deepEqual(told.filter((e) => !edited.has(e.seq)), events.filter((e) => e.type === 'message_received' && !edited.has(e.seq)));
  assert.equal(told[0].message.metadata.k, 'ä \\n €');
  assert.equal(told[1].message.content, 'two\nlines');
  assert.equal(told[2].message.sender_id, null);
});

test('two messages of one transaction, and long ones, are fetched', async () => {
  await world.task('many', 'ben');
  const ada = await joined('ada', 'many');
  let was = await counts();
  await transaction('ben', "SELECT taskchat.send_message('many', 'one')", "SELECT taskchat.send_message('many', 'two')");
  await message(ada, 'many', 'two');
  assert.equal((await counts()).carried, was.carried);
  was = await counts();
  const long = 'ä'.repeat(4000);
  await world.as('ben', 'SELECT taskchat.send_message($1, $2)', ['many', long]);
  await message(ada, 'many', long);
  assert.deepEqual(await counts(), { ...was, fetched: was.fetched + 1 });
  await world.as('ben', "SELECT taskchat.send_message('many', 'last')");
  await message(ada, 'many', 'last');
  assert.deepEqual(seqs(ada, 'many'), [3, 4, 5, 6]);
});

test('what is rolled back is not told, whatever else is committed', async () => {
  await world.task('undone', 'ben');
  const ada = await joined('ada', 'undone');
  await transaction('ben', 'SAVEPOINT s', "SELECT taskchat.send_message('undone', 'no')", 'ROLLBACK TO s');
  await transaction('ben', 'SAVEPOINT s', "SELECT taskchat.send_message('undone', 'neither')", 'ROLLBACK TO s', "SELECT taskchat.send_message('undone', 'one')");
  await transaction('ben', "SELECT taskchat.send_message('undone', 'two')", 'SAVEPOINT s', "SELECT taskchat.send_message('undone', 'nor')", 'ROLLBACK TO s');
  await assert.rejects(transaction('ben', "SELECT taskchat.send_message('undone', 'never')", 'SELECT 1/0'));
  await world.sql("SELECT taskchat.send_system_message('undone', 'end')");
  await message(ada, 'undone', 'end');
  assert.deepEqual(ada.of('message_received').map((e) => e.message.content), ['one', 'two', 'end']);
  assert.deepEqual(seqs(ada, 'undone'), [3, 4, 5]);
});

test('who knows the channel reads nothing, and forges nothing', async () => {
  await world.task('eve', 'ben');
  await world.task('eve-2', 'ben');
  const ada = await joined('ada', 'eve');
  await ada.good({ type: 'join_task_room', task_id: 'eve-2' });
  heard.length = 0;
  await world.as('ben', "SELECT taskchat.send_message('eve', 'secret-1')");
  await world.as('ben', "SELECT taskchat.send_message('eve', 'secret-2')");
  await until('the bells', () => heard.filter((payload) => payload.startsWith('e')).length === 2);
  await message(ada, 'eve', 'secret-2');
  const recorded = heard.filter((payload) => payload.startsWith('e'));
  for (const payload of recorded) {
    const bytes = Buffer.from(payload.split(' ')[1], 'base64');
    for (const part of ['secret', 'sender_id', 'message']) // shorter ones stand in random text now and then
      assert.equal(bytes.includes(part) || payload.includes(part), false, part);
  }
  const [{ room_id: other }] = await world.sql("SELECT room_id FROM taskchat.task_rooms WHERE task_id = 'eve-2'");
  const [room, sealed] = recorded[0].split(' ');
  const bytes = Buffer.from(sealed, 'base64');
  const flipped = Buffer.from(bytes);
  flipped[20] ^= 1;
  const was = await counts();
  const forged = [`e${other} ${sealed}`, `${room} ${flipped.toString('base64')}`, `${room} ${sealed.slice(0, -4)}`, `${room} `, room, `${room} ${'A'.repeat(7000)}`, `${room} ????`];
  for (const payload of [...recorded, ...recorded, ...forged]) await listener.query('SELECT pg_notify($1, $2)', [channel, payload]);
  await until('the forged bells', async () => (await counts()).unopened === was.unopened + forged.length);
  assert.equal((await counts()).carried, was.carried);
  await world.as('ben', "SELECT taskchat.send_message('eve', 'after')");
  await world.as('ben', "SELECT taskchat.send_message('eve-2', 'there')");
  await message(ada, 'eve', 'after');
  await message(ada, 'eve-2', 'there');
  assert.deepEqual(seqs(ada, 'eve'), [3, 4, 5]);
  assert.deepEqual(seqs(ada, 'eve-2'), [3]);
  assert.doesNotMatch(world.log, /seal|opened/);
});

test('the last messages before somebody joins, and those meanwhile, come once', async () => {
  await world.task('race', 'ben');
  const ada = await world.login('ada');
  let sent = 0;
  let stop = false;
  const sender = (async () => {
    while (!stop) await world.as('ben', 'SELECT taskchat.send_message($1, $2)', ['race', `m${++sent}`]);
  })();
  for (let i = 0; i < 30; i++) {
    const from = ada.frames.length;
    const { last_seq: last } = await ada.good({ type: 'join_task_room', task_id: 'race' });
    await ada.event('message_received', (e) => e.seq >= last + 3);
    await ada.good({ type: 'leave_task_room', task_id: 'race' });
    const left = ada.frames.length;
    const line = ada.frames.slice(from).filter((f) => f.type === 'message_received').map((f) => f.seq);
    assert.deepEqual(line, line.map((_, n) => last + 1 + n));
    await sleep(20);
    assert.equal(ada.frames.slice(left).filter((f) => f.type === 'message_received').length, 0);
  }
  stop = true;
  await sender;
});
