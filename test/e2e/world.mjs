// A world for one test file: a throw-away cluster, relays, and WebSocket
// clients that remember every frame. What the relay says on stderr is kept, and
// close() fails where a sanitizer spoke, or where a frame had another shape than
// asyncapi.yaml tells.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import WebSocket from 'ws';
import { frameMisfit } from './shapes.mjs';

const here = path.dirname(new URL(import.meta.url).pathname);
const clusterScript = path.join(here, '../env/cluster.sh');
const relayProgram = process.env.TASKCHAT_RELAY ?? path.join(here, '../../relay/taskchat-relay');
const secret = crypto.randomBytes(32).toString('hex');

// How long what must happen may take on a machine that is busy with other things.
const PATIENCE = 60000;

export { PATIENCE, WebSocket, pg, secret, sleep };

export async function until(what, test, limit = PATIENCE) {
  const end = Date.now() + limit;
  for (;;) {
    const value = await test();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await sleep(20);
  }
}

export async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export function token(user, { expires = 3600, key = secret } = {}) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: user, exp: Math.floor(Date.now() / 1000) + expires })}`;
  return `${text}.${crypto.createHmac('sha256', key).update(text).digest('base64url')}`;
}

export class Client {
  constructor(url, options) {
    this.frames = [];
    this.socket = new WebSocket(url, 'taskchat.v1', options);
    this.closed = null;
    this.asked = new Map();
    this.misfits = [];
    this.socket.on('message', (data) => this.hear(JSON.parse(data.toString())));
    this.socket.on('close', (code) => { this.closed = code; });
    this.socket.on('error', (error) => { this.error = error; });
    this.refs = 0;
  }

  hear(frame) {
    this.frames.push(frame);
    const wrong = frameMisfit(frame, frame.type === 'reply' ? this.asked.get(frame.ref) : undefined);
    if (wrong) this.misfits.push(wrong);
  }

  async ask(frame, limit) {
    const ref = ++this.refs;
    this.asked.set(ref, frame.type);
    this.send({ ...frame, ref });
    return until(`the reply to ${frame.type}`, () => this.frames.find((f) => f.type === 'reply' && f.ref === ref), limit);
  }

  async good(frame) {
    const reply = await this.ask(frame);
    assert.equal(reply.ok, true, JSON.stringify(reply));
    return reply.data;
  }

  async bad(frame, code) {
    const reply = await this.ask(frame);
    assert.equal(reply.ok, false, JSON.stringify([frame, reply]).slice(0, 300));
    assert.equal(reply.error.code, code, JSON.stringify(reply));
    return reply.error;
  }

  send(frame) {
    this.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  event(type, test = () => true) {
    return until(`the event ${type}`, () => this.frames.find((f) => f.type === type && test(f)));
  }

  of(type) {
    return this.frames.filter((f) => f.type === type);
  }

  opened() {
    return until('the connection', () => this.socket.readyState === WebSocket.OPEN);
  }
}

export class World {
  // env: of PostgreSQL's environment; doorbell: 'shared' is preloaded for it.
  static async open(settings = {}, { env = {}, doorbell = 'inline' } = {}) {
    const world = new World();
    world.directory = fs.mkdtempSync(path.join(process.env.TMPDIR ?? os.tmpdir(), 'w-'));
    world.settings = settings;
    world.relays = [];
    world.clients = [];
    world.log = '';
    fs.mkdirSync(path.join(world.directory, 'pg'), { mode: 0o700 });
    const conf = path.join(world.directory, 'more.conf');
    fs.writeFileSync(conf, doorbell === 'shared' ? "shared_preload_libraries = 'taskchat'\ntaskchat.doorbell = 'shared'\n" : '');
    world.url = execFileSync(clusterScript, ['start', path.join(world.directory, 'pg')], { encoding: 'utf8', env: { ...process.env, ...env, TASKCHAT_PG_CONF: conf } }).trim().split('\n').pop();
    await world.connect();
    await world.sql('CREATE ROLE e2e_relay LOGIN IN ROLE taskchat_relay');
    world.port = await freePort();
    return world;
  }

  async connect() {
    this.pool = new pg.Pool({ connectionString: this.url, max: 4 });
    this.pool.on('error', () => {});
  }

  async sql(text, values) {
    return (await this.pool.query(text, values)).rows;
  }

  // SQL as a user: a transaction with the identity set.
  async as(user, text, values) {
    const connection = await this.pool.connect();
    try {
      await connection.query('BEGIN');
      await connection.query('SELECT taskchat.act_as($1)', [user]);
      const { rows } = await connection.query(text, values);
      await connection.query('COMMIT');
      return rows;
    } finally {
      connection.release();
    }
  }

  async task(id, ...workers) {
    await this.sql('SELECT taskchat.open_room($1, $2)', [id, 'ada']);
    for (const worker of workers) await this.sql('SELECT taskchat.add_member($1, $2)', [id, worker]);
  }

  relayUrl() {
    return execFileSync(clusterScript, ['url', path.join(this.directory, 'pg'), 'e2e_relay'], { encoding: 'utf8' }).trim();
  }

  // program: another relay than the one under test; args: further words of its command line; env: of its environment.
  async startRelay(settings = {}, port = this.port, { program = relayProgram, args = [], ready = true, env } = {}) {
    const all = { listen: `127.0.0.1:${port}`, 'admin-listen': `127.0.0.1:${await freePort()}`, database: this.relayUrl(), ...this.settings, ...settings };
    return this.startBare([...args, ...Object.entries(all).flatMap(([key, value]) => [`--${key}`, String(value)])], port, { program, ready, env });
  }

  // A relay with these arguments and no others.
  async startBare(args, port = this.port, { program = relayProgram, ready = true, env = {} } = {}) {
    const child = spawn(program, args, { env: { ...process.env, ...env, TASKCHAT_JWT_SECRET: secret }, stdio: ['ignore', 'ignore', 'pipe'] });
    child.log = '';
    child.stderr.on('data', (data) => { this.log += data; child.log += data; });
    child.gone = new Promise((resolve) => child.on('exit', (code, signal) => { child.ended = true; resolve({ code, signal }); }));
    this.relays.push(child);
    if (ready) await this.ready(port);
    return child;
  }

  async ready(port = this.port) {
    await until('the relay', async () => {
      try {
        return (await fetch(`http://127.0.0.1:${port}/readyz`)).status === 200;
      } catch {
        return false;
      }
    });
  }

  client(user, options = {}) {
    const headers = user ? { authorization: `Bearer ${options.token ?? token(user)}` } : {};
    const client = new Client(`ws://127.0.0.1:${options.port ?? this.port}/ws${options.query ?? ''}`, { headers: { ...headers, ...options.headers } });
    this.clients.push(client);
    return client;
  }

  // Rejects as soon as the connection is closed.
  async login(user, options) {
    const client = this.client(user, options);
    await until(`${user} to be logged in`, () => client.of('welcome').length > 0 || client.closed !== null);
    if (client.of('welcome').length === 0) throw new Error(`${user} was not let in: ${client.closed}`);
    return client;
  }

  async close() {
    for (const client of this.clients) client.socket.terminate();
    for (const relay of this.relays) {
      if (!relay.ended) {
        relay.kill('SIGTERM');
        const { code, signal } = await relay.gone;
        assert.deepEqual({ code, signal }, { code: 0, signal: null }, this.log);
      }
    }
    await this.pool.end().catch(() => {});
    execFileSync(clusterScript, ['stop', path.join(this.directory, 'pg')]);
    fs.rmSync(this.directory, { recursive: true });
    assert.deepEqual(this.clients.flatMap((client) => client.misfits), []);
    assert.doesNotMatch(this.log, /Sanitizer|runtime error/);
  }
}
