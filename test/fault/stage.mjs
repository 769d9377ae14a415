// One run: a cluster behind a proxy, relays behind another, people who write
// and read, and at the end the history with what the tables hold. The three
// tasks are rows of an application's table, bound to the rooms.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { World, WebSocket, pg, sleep, token, until } from '../e2e/world.mjs';
import { converged } from './checker.mjs';
import { History } from './history.mjs';
import { Proxy } from './proxy.mjs';
import { Reader } from './reader.mjs';
import { Shim } from './shim.mjs';
import { Visitor } from './visitor.mjs';
import { Coordinator, HttpWriter, SocketWriter, SqlWriter } from './workload.mjs';

const ROOMS = ['alpha', 'beta', 'gamma'];

export class Stage {
  // Whether the health route has told of what goes wrong, where somebody watches it.
  isTold = () => true;

  // program: the relay, where it is not the one under test; doorbell: as in World.
  static async open({ program, doorbell } = {}) {
    const stage = new Stage();
    stage.program = program;
    stage.shim = new Shim(fs.mkdtempSync(path.join(process.env.TMPDIR ?? os.tmpdir(), 'shim-')));
    stage.world = await World.open({}, { env: stage.shim.env(), doorbell });
    stage.settings = path.join(stage.world.directory, 'relay.conf');
    fs.writeFileSync(stage.settings, 'log_level = info\n');
    stage.history = new History();
    stage.readers = [];
    stage.writers = [];
    stage.judged = new Map(); // by room: { last_seq, members } where the history begins
    stage.directory = path.join(stage.world.directory, 'wire');
    fs.mkdirSync(stage.directory, { mode: 0o700 });
    stage.database = await Proxy.open({ path: path.join(stage.directory, '.s.PGSQL.5432') }, { path: path.join(stage.world.directory, 'pg', '.s.PGSQL.5432') });
    stage.clients = await Proxy.open({ port: 0, host: '127.0.0.1' }, { port: stage.world.port, host: '127.0.0.1' });
    stage.pool = stage.newPool();
    await stage.rooms();
    await stage.startRelay();
    return stage;
  }

  newPool() {
    const pool = new pg.Pool({ connectionString: this.world.url, max: 12, connectionTimeoutMillis: 15000, idleTimeoutMillis: 0 });
    pool.on('connect', (client) => client.on('error', () => {}));
    pool.on('error', () => {});
    return pool;
  }

  async rooms() {
    await this.world.sql('CREATE TABLE jobs (id text PRIMARY KEY, creator_id text NOT NULL, status text NOT NULL, price int)');
    await this.world.sql("SELECT taskchat.bind_tasks('jobs', watch => '{status,price}')");
    for (const room of ROOMS) {
      await this.world.sql("INSERT INTO jobs VALUES ($1, 'ada', 'open')", [room]);
      await this.world.task(room, 'ben', 'eve', 'guest');
    }
    await this.world.sql("SELECT taskchat.add_member('alpha', 'otto', 'observer')");
  }

  startRelay(settings = {}, port = this.world.port, { program = this.program } = {}) {
    return this.world.startRelay({ database: `host=${this.directory} user=e2e_relay dbname=taskchat`, 'rate-messages': 1000, 'rate-messages-burst': 1000, ...settings },
      port, { program, args: ['-c', this.settings], env: this.shim.env() });
  }

  relay() {
    return this.world.relays.find((relay) => !relay.ended);
  }

  // How many connections of readers have ended so far.
  ended() {
    return this.readers.reduce((sum, reader) => sum + reader.closes.length, 0);
  }

  address() {
    return `ws://127.0.0.1:${this.clients.server.address().port}/ws`;
  }

  // Process ids of the relay's backends: the one that listens, and the others.
  async backends() {
    const rows = await this.world.sql("SELECT pid, application_name LIKE '%listener' AS listening FROM pg_stat_activity WHERE usename = 'e2e_relay'");
    return { listen: rows.filter((row) => row.listening).map((row) => row.pid), command: rows.filter((row) => !row.listening).map((row) => row.pid) };
  }

  // pause: milliseconds between two writes of one writer. visitors: how many come and go.
  people({ pause = 60, visitors = 1 } = {}) {
    const { history } = this;
    const address = () => this.address();
    const base = () => this.address().replace('ws:', 'http:').replace('/ws', '');
    const pool = () => this.pool;
    this.readers = [
      new Reader(history, 'ada-1', 'ada', ROOMS.map((task_id) => ({ task_id })), address),
      new Reader(history, 'ada-2', 'ada', ROOMS.map((task_id) => ({ task_id })), address),
      new Reader(history, 'ben-1', 'ben', ROOMS.map((task_id) => ({ task_id })), address),
      new Reader(history, 'otto-1', 'otto', [{ task_id: 'alpha' }], address),
      new Reader(history, 'guest-1', 'guest', ROOMS.map((task_id) => ({ task_id })), address),
    ].map((reader) => reader.start());
    this.writers = [
      new SocketWriter(history, 'socket-a', 'alpha', pause, 'ben', address),
      new SocketWriter(history, 'socket-b', 'beta', pause, 'ada', address),
      new SocketWriter(history, 'socket-c', 'alpha', pause, 'eve', address),
      new HttpWriter(history, 'http-a', 'gamma', pause * 2, 'ben', base),
      new HttpWriter(history, 'http-b', 'alpha', pause * 2, 'ada', base),
      new SqlWriter(history, 'sql-a', 'alpha', pause, 'ben', pool),
      new SqlWriter(history, 'sql-b', 'gamma', pause, 'ada', pool),
      new SqlWriter(history, 'sql-c', 'beta', pause, 'eve', pool),
      new Coordinator(pool, pause * 10, (db, n) => db.query(n % 2 ? "SELECT taskchat.add_member('beta', 'guest')" : "SELECT taskchat.remove_member('beta', 'guest')")),
      new Coordinator(pool, pause * 15, (db, n) => db.query("SELECT taskchat.publish_task_update('gamma', $1)", [{ step: n }])),
      new Coordinator(pool, pause * 15, (db, n) => db.query('UPDATE jobs SET status = $1, price = $2', [n % 2 ? 'open' : 'assigned', n])),
      ...Array.from({ length: visitors }, () => new Visitor(['ben', 'eve', 'ada'], ROOMS, pause * 20, { address, base, ticket: (user) => this.ticket(user) })),
    ].map((writer) => writer.start());
  }

  async ticket(user) {
    const { rows } = await this.pool.query('SELECT taskchat.create_ticket($1)', [user]);
    return rows[0].create_ticket;
  }

  // A message by SQL in every room, and the wait until everybody who sits there has it. Gives milliseconds.
  // everyone: also who may just be out of a room.
  async probe(limit = 60000, { everyone = false } = {}) {
    const began = performance.now();
    await until('the database', () => this.pool.query('SELECT 1').then(() => true, () => false), limit);
    const wanted = new Map();
    for (const room of ROOMS) {
      const { rows } = await this.pool.query('SELECT (taskchat.send_system_message($1, $2)).seq', [room, `probe ${Math.random()}`]);
      wanted.set(`${room}/`, Number(rows[0].seq));
    }
    const behind = () => this.readers.flatMap((reader) => [...reader.held.keys()].filter((key) =>
      (everyone || !(reader.user === 'guest' && key === 'beta/')) && !((reader.position(key) ?? 0) >= wanted.get(key))).map((key) => `${reader.name} in ${key}`));
    await until('everybody to have caught up', () => behind().length === 0, limit).catch((error) => {
      throw new Error(`${error.message}: behind are ${behind().join(', ')}`);
    });
    return Math.round(performance.now() - began);
  }

  // Waits until every writer over a socket was acknowledged something that it began after now.
  async flow(limit) {
    const wanted = this.writers.filter((writer) => writer.via === 'socket').map((writer) => ({ writer, n: writer.n + 2 }));
    await until('commands to flow', () => wanted.every(({ writer, n }) => writer.n >= n), limit);
  }

  // What is open now is waited for, unless somebody was behind already.
  async finish(behind) {
    for (const writer of this.writers) writer.giveUp = true;
    await Promise.all(this.writers.map((writer) => writer.stop()));
    await this.settle(behind);
    return this.history;
  }

  async settle(behind) {
    await this.pool.query("SELECT taskchat.add_member('beta', 'guest')");
    if (!behind) {
      await this.probe(undefined, { everyone: true });
      await this.converge();
    }
    await this.readTables();
    if (behind) return;
    // Cursors and presence come a little later than messages. What never comes the checker finds.
    const end = performance.now() + 30000;
    while (!converged(this.history) && performance.now() < end) {
      await sleep(500);
      await this.readTables();
    }
    await this.countUnread();
  }

  // What everybody's list of rooms says (over HTTP, which makes nobody online), beside a count of the tables.
  async countUnread() {
    for (const user of ['ada', 'ben', 'guest', 'eve', 'otto']) {
      const response = await fetch(`http://127.0.0.1:${this.world.port}/api/rooms`, { headers: { authorization: `Bearer ${token(user)}` } });
      const { rooms } = await response.json();
      const { rows } = await this.pool.query(`
        SELECT m.task_id, count(s.id)::int AS unread
          FROM taskchat.task_members m LEFT JOIN taskchat.task_messages s
            ON s.room_id = m.room_id AND s.seq > m.last_read_seq AND s.sender_id IS DISTINCT FROM m.user_id AND s.deleted_at IS NULL
         WHERE m.user_id = $1 GROUP BY m.task_id`, [user]);
      const sorted = (list) => Object.fromEntries(list.map((room) => [room.task_id, room.unread]).sort());
      this.history.finals.push({ where: user, compare: { unread: [sorted(rooms), sorted(rows)] } });
    }
  }

  // The history until now, complete; everybody stays and goes on with another one.
  async piece() {
    await Promise.all(this.writers.map((writer) => writer.rest()));
    await this.settle(false);
    for (const [key, room] of Object.entries(this.history.rooms)) this.judged.set(key, { last_seq: room.last_seq, members: await this.members(key) });
    const readers = new Map(this.readers.map((reader) => [reader.name, reader]));
    const { rooms, online } = this.history;
    const members = (key) => Object.entries(rooms[key].cursors)
      .map(([user_id, { read, delivered }]) => ({ user_id, is_online: online[user_id] ?? false, last_read_seq: read, last_delivered_seq: delivered }));
    const piece = this.history.cut((name) => Object.fromEntries([...readers.get(name).held]
      .map(([key, { position, epoch }]) => [key, { position, epoch, members: members(key) }])));
    for (const writer of this.writers) writer.start();
    return piece;
  }

  async members(key) {
    const { rows } = await this.pool.query("SELECT user_id FROM taskchat.task_members WHERE task_id || '/' || coalesce(applicant_id, '') = $1", [key]);
    return rows.map((row) => row.user_id);
  }

  // Presence as a member sees it at the end: who has a connection is online.
  async converge() {
    const connected = (user) => [...this.readers, ...this.writers].some((one) => one.user === user && one.socket?.readyState === WebSocket.OPEN);
    for (const user of ['ada', 'ben', 'guest', 'eve']) {
      let found;
      await until(`presence of ${user}`, async () => {
        [found] = await this.world.as('ada', 'SELECT is_online FROM taskchat.get_presence($1)', [[user]]);
        return found?.is_online === connected(user);
      }, 60000).catch(() => {}); // what was found last goes into the history
      this.history.online[user] = connected(user);
      this.history.finals.push({ where: user, compare: { online: [found?.is_online, connected(user)] } });
    }
  }

  async cursors(roomId) {
    const { rows } = await this.pool.query('SELECT user_id, last_read_seq, last_delivered_seq FROM taskchat.task_members WHERE room_id = $1', [roomId]);
    return Object.fromEntries(rows.map((row) => [row.user_id, { read: Number(row.last_read_seq), delivered: Number(row.last_delivered_seq) }]));
  }

  async readTables() {
    const { rows: rooms } = await this.pool.query('SELECT room_id, task_id, applicant_id, first_seq, last_seq FROM taskchat.task_rooms');
    for (const room of rooms) {
      const key = `${room.task_id}/${room.applicant_id ?? ''}`;
      const { last_seq: before, members } = this.judged.get(key) ?? { last_seq: 0, members: [] };
      // An edited message has another content for whoever saw it before.
      const { rows } = await this.pool.query(`
        SELECT seq, 'message_received' AS type, id::text, CASE WHEN edited_at IS NULL AND deleted_at IS NULL THEN content END AS content, NULL AS user_id
          FROM taskchat.task_messages WHERE room_id = $1 AND seq > $2
        UNION ALL SELECT seq, kind, NULL, NULL, payload ->> 'user_id' FROM taskchat.task_events WHERE room_id = $1 AND seq > $2
        ORDER BY seq`, [room.room_id, before]);
      this.history.rooms[key] = {
        first_seq: Math.max(before + 1, Number(room.first_seq)),
        last_seq: Number(room.last_seq),
        members,
        cursors: await this.cursors(room.room_id),
        line: rows.map((row) => Object.fromEntries(Object.entries({ ...row, seq: Number(row.seq) }).filter(([, value]) => value !== null))),
      };
    }
  }

  async close() {
    for (const writer of this.writers) writer.giveUp = true;
    await Promise.all(this.writers.map((writer) => writer.stop()));
    await Promise.all(this.readers.map((reader) => reader.stop()));
    await this.clients.close();
    await this.pool.end().catch(() => {});
    try {
      await this.world.close();
    } finally {
      await this.database.close();
      fs.rmSync(this.shim.directory, { recursive: true });
    }
  }
}

export { sleep, until };
