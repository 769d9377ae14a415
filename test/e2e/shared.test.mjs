// taskchat.doorbell = 'shared': what is committed reaches the relay without
// NOTIFY, whichever way it was written, and where bells are lost the relay is
// told so and looks at everything.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { World, freePort, pg, sleep, until } from './world.mjs';

let world;
let admin;
let mere; // listens to the channel as anybody may
let channel;
const heard = [];

before(async () => {
  world = await World.open({}, { doorbell: 'shared' });
  admin = await freePort();
  await world.sql("ALTER ROLE e2e_relay SET log_statement = 'all'");
  await world.startRelay({ 'admin-listen': `127.0.0.1:${admin}` });
  [{ channel }] = await world.sql('SELECT channel FROM taskchat.doorbell_channel');
  mere = new pg.Client({ connectionString: world.url });
  await mere.connect();
  mere.on('notification', ({ payload }) => { if (payload[0] !== 'h') heard.push(payload); });
  await mere.query(`LISTEN "${channel}"`);
});
after(async () => {
  await mere.end();
  await world.close();
});

async function count(name, port = admin) {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(new RegExp(`^taskchat_${name} (\\d+)$`, 'm').exec(text)[1]);
}

async function joined(user, task, options) {
  const client = await world.login(user, options);
  await client.good({ type: 'join_task_room', task_id: task });
  return client;
}

const message = (client, content) => client.event('message_received', (e) => e.message.content === content);
const serverLog = () => fs.readFileSync(path.join(world.directory, 'pg/server.log'), 'utf8');

test('events, cursors, typing, presence and notifications come, and nothing of it by NOTIFY', async () => {
  await world.sql('CREATE TABLE jobs (id text PRIMARY KEY, creator_id text NOT NULL, status text NOT NULL)');
  await world.sql("SELECT taskchat.bind_tasks('jobs')");
  await world.sql("INSERT INTO jobs VALUES ('one', 'ada', 'open')");
  await world.sql("SELECT taskchat.add_member('one', 'ben')");
  const other = await freePort();
  await world.startRelay({}, other);
  const ada = await joined('ada', 'one');
  const ben = await joined('ben', 'one', { port: other });
  const carried = await count('events_carried_total');
  await world.as('ben', "SELECT taskchat.send_message('one', 'by a back end')");
  await ben.good({ type: 'send_message', task_id: 'one', content: 'by a client' });
  await message(ada, 'by a client');
  assert.equal(await count('events_carried_total'), carried + 2);
  await world.sql("UPDATE jobs SET status = 'done'");
  await ada.event('task_update');
  ben.send({ type: 'typing_indicator', task_id: 'one', is_typing: true });
  await ada.event('typing_indicator', (e) => e.user_id === 'ben');
  await ben.good({ type: 'mark_read', task_id: 'one', seq: ada.of('task_update')[0].seq });
  await ada.event('message_read', (e) => e.user_id === 'ben');
  await world.sql("SELECT taskchat.notify_user('ada', 'payment')");
  await ada.event('notification');
  ben.socket.terminate();
  await ada.event('user_presence', (e) => e.user_id === 'ben' && !e.is_online);
  const seqs = ada.frames.filter((f) => f.seq !== undefined && f.task_id === 'one').map((f) => f.seq);
  assert.deepEqual(seqs, [...seqs].sort((a, b) => a - b));
  assert.equal(new Set(seqs).size, seqs.length);
  assert.deepEqual(heard, []);
});

test('nobody else can say that bells were lost, nor what happened', async () => {
  await world.sql("INSERT INTO jobs VALUES ('forged', 'ada', 'open')");
  const ada = await joined('ada', 'forged');
  const [{ room_id, last_seq }] = await world.sql("SELECT room_id, last_seq FROM taskchat.task_rooms WHERE task_id = 'forged'");
  const event = { type: 'message_received', task_id: 'forged', applicant_id: null, seq: Number(last_seq) + 1, message: { content: 'forged' } };
  await world.sql('SELECT pg_notify($1, $2), pg_notify($1, $3)', [channel, `E${room_id} ${event.seq}\nben\n${JSON.stringify(event)}`, 'o']);
  await until('the forged bell', () => heard.includes('o'));
  await world.as('ada', "SELECT taskchat.send_message('forged', 'true')");
  await message(ada, 'true');
  assert.deepEqual(ada.of('message_received').map((e) => e.message.content), ['true']);
  assert.doesNotMatch(world.log, /more news than it could keep/);
});

// As poolers do: each session has its server process for itself, and is told another number.
async function pooler(socket) {
  const started = Buffer.from('K\0\0\0\x0c', 'latin1'); // BackendKeyData
  const server = net.createServer((client) => {
    const database = net.connect(path.join(world.directory, 'pg/.s.PGSQL.5432'));
    client.pipe(database);
    database.on('data', (data) => {
      const at = data.indexOf(started);
      if (at >= 0) data.writeInt32BE(1, at + started.length);
      client.write(data);
    });
    for (const [one, other] of [[client, database], [database, client]]) one.on('error', () => {}).on('close', () => other.destroy());
  });
  await new Promise((resolve) => server.listen(socket, resolve));
  return server;
}

test('a pooler between relay and database may name another process', async (t) => {
  const directory = fs.mkdtempSync(path.join(world.directory, 'pooler-'));
  const server = await pooler(path.join(directory, '.s.PGSQL.5432'));
  t.after(() => server.close());
  const [port, adminPort] = [await freePort(), await freePort()];
  const url = world.relayUrl().replaceAll(encodeURIComponent(path.join(world.directory, 'pg')), encodeURIComponent(directory));
  await world.startRelay({ database: url, 'admin-listen': `127.0.0.1:${adminPort}` }, port);
  await world.sql("INSERT INTO jobs VALUES ('pooled', 'ada', 'open')");
  const ada = await joined('ada', 'pooled', { port });
  const carried = await count('events_carried_total', adminPort);
  await world.as('ada', "SELECT taskchat.send_message('pooled', 'hello')");
  await message(ada, 'hello');
  assert.equal(await count('events_carried_total', adminPort), carried + 1);
});

test('a relay that has lost bells looks at everything', async () => {
  await world.sql("INSERT INTO jobs VALUES ('two', 'ada', 'open')");
  await world.sql("SELECT taskchat.add_member('two', 'ben')");
  const ada = await joined('ada', 'two');
  const looked = () => serverLog().split('taskchat.relay_attach(').length;
  await sleep(500);
  const before = looked();
  const [{ pid }] = await world.sql("SELECT pid FROM pg_stat_activity WHERE application_name LIKE '%listener' ORDER BY backend_start LIMIT 1");
  process.kill(pid, 'SIGSTOP');
  try {
    await world.as('ben', "SELECT taskchat.send_message('two', 'before')");
    await world.sql("SELECT count(taskchat.ring('r', i::text)) FROM generate_series(1000000, 1100000) AS i");
    await world.as('ben', "SELECT taskchat.send_message('two', 'after')");
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await message(ada, 'after');
  await until('it to look', () => looked() > before);
  assert.deepEqual(ada.of('message_received').map((e) => e.message.content), ['before', 'after']);
  assert.equal(ada.closed, null);
  await world.as('ben', "SELECT taskchat.send_message('two', 'later')");
  await message(ada, 'later');
});
