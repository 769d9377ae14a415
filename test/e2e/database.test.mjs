// The relay's connections to the database: several servers of which some are
// dead, names that nobody knows, server processes that stop without a word, settings that
// would make the relay a nuisance.
import assert from 'node:assert/strict';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { World, freePort, pg, until } from './world.mjs';

let world;
before(async () => { world = await World.open(); });
after(() => world.close());

const socketDirectory = () => path.join(world.directory, 'pg');

// A port where connections are taken and nothing is ever said.
async function silentServer() {
  const sockets = new Set();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: server.address().port,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

async function stop(relay) {
  relay.kill('SIGTERM');
  assert.deepEqual(await relay.gone, { code: 0, signal: null }, relay.log);
}

test('the next server is tried where one refuses and where one never answers', async () => {
  const silent = await silentServer();
  const relay = await world.startRelay({
    database: `host=127.0.0.1,localhost,${socketDirectory()} port=${await freePort()},${silent.port},5432 user=e2e_relay dbname=taskchat`,
  });
  await world.task('failover', 'ben');
  const ada = await world.login('ada');
  await ada.good({ type: 'send_message', task_id: 'failover', content: 'arrived' });
  assert.match(relay.log, /Connection refused/);
  assert.match(relay.log, /connecting took too long/);
  await stop(relay);
  silent.close();
});

test('a name that nobody knows is looked up beside the loop: health, sockets and a clean end go on', async () => {
  const relay = await world.startRelay({ database: 'host=no-such-host.invalid dbname=taskchat user=e2e_relay' }, world.port, { ready: false });
  await until('the health route', async () => {
    try {
      return (await fetch(`http://127.0.0.1:${world.port}/healthz`)).status === 200;
    } catch {
      return false;
    }
  });
  assert.equal((await fetch(`http://127.0.0.1:${world.port}/readyz`)).status, 503);
  const ada = await world.login('ada');
  await ada.good({ type: 'ping' });
  await ada.bad({ type: 'get_messages', task_id: 'failover' }, 'unavailable');
  await until('the reason', () => /"no-such-host.invalid" cannot be resolved/.test(relay.log), 60000);
  await stop(relay);
});

test('a service file names the server; the password in a connection string is not logged', async () => {
  const relay = await world.startRelay({ database: `service=chat user=e2e_relay password=s3cret-word` }, world.port,
    { program: 'env', args: [`PGSERVICEFILE=${await serviceFile()}`, process.env.TASKCHAT_RELAY] });
  assert.doesNotMatch(relay.log, /s3cret-word/);
  await stop(relay);
});

async function serviceFile() {
  const { writeFileSync } = await import('node:fs');
  const file = path.join(world.directory, 'pg_service.conf');
  writeFileSync(file, `[chat]\nhost=${socketDirectory()}\ndbname=taskchat\n`);
  return file;
}

test('a stopped server process is found and replaced, whichever it is', async () => {
  const relay = await world.startRelay();
  await world.task('stopped', 'ben');
  const ada = await world.login('ada');
  await ada.good({ type: 'join_task_room', task_id: 'stopped' });
  const backends = await world.sql("SELECT pid, application_name AS name FROM pg_stat_activity WHERE usename = 'e2e_relay'");
  assert.ok(backends.length >= 4, JSON.stringify(backends));
  assert.ok(backends.some(({ name }) => /listener/.test(name)), JSON.stringify(backends));
  for (const { pid, name } of backends) {
    process.kill(pid, 'SIGSTOP');
    try {
      await world.as('ben', 'SELECT taskchat.send_message($1, $2)', ['stopped', `without ${name}`]);
      await ada.event('message_received', (e) => e.message.content === `without ${name}`);
      await until(`a command without ${name}`, async () => (await ada.ask({ type: 'get_messages', task_id: 'stopped' }, 30000)).ok, 60000);
      await until(`a write without ${name}`, async () => (await ada.ask({ type: 'mark_read', task_id: 'stopped', seq: 1 }, 30000)).ok, 60000);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await world.ready();
  }
  assert.deepEqual(ada.of('message_received').map((e) => e.message.content), backends.map(({ name }) => `without ${name}`));
  assert.equal(ada.closed, null);
  await stop(relay);
});

test('in a database of serializable transactions the relay is none: what it reads fails no commit of others', async () => {
  await world.sql("ALTER DATABASE taskchat SET default_transaction_isolation = 'serializable'");
  await world.sql(`CREATE TABLE tasks (id text PRIMARY KEY, creator_id text, status text);
    CREATE TABLE prices (id int PRIMARY KEY, price int); INSERT INTO prices VALUES (1, 10);
    INSERT INTO tasks VALUES ('bound', 'ada', 'open')`);
  await world.sql("SELECT taskchat.bind_tasks('tasks')");
  const relay = await world.startRelay();
  const ada = await world.login('ada');
  const business = new pg.Client({ connectionString: world.url });
  await business.connect();
  await business.query('BEGIN ISOLATION LEVEL SERIALIZABLE');
  await business.query('SELECT price FROM prices');
  await world.sql('BEGIN ISOLATION LEVEL SERIALIZABLE; UPDATE prices SET price = 11; COMMIT');
  // Whoever now reads what the transaction is about to write would make it fail.
  await ada.good({ type: 'join_task_room', task_id: 'bound' });
  await ada.good({ type: 'send_message', task_id: 'bound', content: 'hello' });
  await ada.event('message_received');
  await business.query("UPDATE tasks SET status = 'paid' WHERE id = 'bound'");
  await business.query('COMMIT');
  await business.end();
  assert.deepEqual((await ada.event('task_update')).changes, { status: { old: 'open', new: 'paid' } });
  await stop(relay);
});

test('what a commit could not tell, as somebody kept the room, the relay tells soon after', async () => {
  await world.sql("INSERT INTO tasks VALUES ('kept', 'ada', 'open')");
  const relay = await world.startRelay();
  const ada = await world.login('ada');
  await ada.good({ type: 'join_task_room', task_id: 'kept' });
  const keeper = new pg.Client({ connectionString: world.url });
  await keeper.connect();
  await keeper.query("BEGIN ISOLATION LEVEL READ COMMITTED; SELECT taskchat.send_system_message('kept', 'not to stay')");
  await world.sql("UPDATE tasks SET status = 'first' WHERE id = 'kept'");
  await world.sql("UPDATE tasks SET status = 'second' WHERE id = 'kept'");
  assert.deepEqual(await world.sql("SELECT count(*)::int AS waiting FROM taskchat.pending"), [{ waiting: 2 }]);
  await keeper.query('ROLLBACK');
  await keeper.end();
  await until('both changes', () => ada.of('task_update').length === 2);
  assert.deepEqual(ada.of('task_update').map((e) => [e.seq, e.changes.status.new]), [[2, 'first'], [3, 'second']]);
  assert.deepEqual(await world.sql("SELECT count(*)::int AS waiting FROM taskchat.pending"), [{ waiting: 0 }]);
  await stop(relay);
});
