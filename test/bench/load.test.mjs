// The generator against a server that fans out what it is sent, and does one
// thing wrong: what it counts must be what was done.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { compile } from './run.mjs';

// The end-to-end tests' packages are there wherever tests run.
const { WebSocketServer } = createRequire(new URL('../e2e/', import.meta.url))('ws');

const PLAIN = [['path', '/{task}'], ['send', '{content}']];
const NUMBERED = [...PLAIN, ['seq', '"seq":']];

let directory;
let load;
before(() => {
  directory = mkdtempSync(path.join(process.env.TMPDIR ?? os.tmpdir(), 'l-'));
  ({ load } = compile(directory));
});
after(() => rmSync(directory, { recursive: true, force: true }));

// Sends a room's messages to all in it, or what deliver(text, n, client) makes of
// them for each: n and client count from 0. Resolves to the server.
function serve(deliver) {
  const rooms = new Map();
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  server.on('connection', (socket, { url }) => {
    if (!rooms.has(url)) rooms.set(url, { sockets: [], messages: 0 });
    const room = rooms.get(url);
    room.sockets.push(socket);
    socket.on('message', (data) => {
      const n = room.messages++;
      room.sockets.forEach((to, client) => {
        for (const text of [deliver(data.toString(), n, client, to, rooms)].flat()) if (text) to.send(text);
      });
    });
  });
  return new Promise((resolve) => { server.once('listening', () => resolve(server)); });
}

async function generate(deliver, options = {}, dialect = PLAIN) {
  const server = await serve(deliver);
  const file = path.join(directory, 'dialect');
  writeFileSync(file, dialect.map((pair) => `${pair.join(' ')}\n`).join(''));
  const all = { port: server.address().port, dialect: file, publish: 'socket', clients: 6, rooms: 2, rate: 100, messages: 40, settle: 0, limit: 60, ...options };
  const words = Object.entries(all).map(([key, value]) => `${key}=${value}`);
  try {
    return await new Promise((resolve) => {
      execFile(load, words, (error, out, log) => resolve({ status: error ? error.code : 0, log, ...(out ? JSON.parse(out) : {}) }));
    });
  } finally {
    for (const socket of server.clients) socket.terminate();
    server.close();
  }
}

const counts = ({ status, deliveries, missing, duplicate, reordered, strange }) => ({ status, deliveries, missing, duplicate, reordered, strange });

test('everything arrives', async () => {
  const run = await generate((text) => text);
  assert.deepEqual(counts(run), { status: 0, deliveries: 120, missing: 0, duplicate: 0, reordered: 0, strange: 0 });
  assert.equal(run.committed, 40);
  assert.ok(run.latency_ms.p50 > 0 && run.latency_ms.p50 <= run.latency_ms.p99 && run.latency_ms.p99 <= run.latency_ms.max * 1.02);
});

test('in the closed loop too', async () => {
  const run = await generate((text) => text, { rate: 0, in_flight: 4 });
  assert.deepEqual(counts(run), { status: 0, deliveries: 120, missing: 0, duplicate: 0, reordered: 0, strange: 0 });
});

test('a message that one client doesn\'t get is missing', async () => {
  const run = await generate((text, n, client) => (n === 5 && client === 1 ? [] : text));
  assert.deepEqual(counts(run), { status: 1, deliveries: 118, missing: 2, duplicate: 0, reordered: 0, strange: 0 });
});

test('a message that one client gets twice is a duplicate', async () => {
  const run = await generate((text, n, client) => (n === 5 && client === 1 ? [text, text] : text));
  assert.deepEqual(counts(run), { status: 1, deliveries: 122, missing: 0, duplicate: 2, reordered: 0, strange: 0 });
});

test('a message that comes after one that was sent when it was done is reordered', async () => {
  const held = new Map();
  const run = await generate((text, n, client, to) => {
    if (client !== 1 || (n !== 5 && n !== 6)) return text;
    if (n === 5) held.set(to, text);
    return n === 5 ? [] : [text, held.get(to)];
  });
  assert.deepEqual(counts(run), { status: 1, deliveries: 120, missing: 0, duplicate: 0, reordered: 2, strange: 0 });
});

test('a number that goes back is reordered', async () => {
  const run = await generate((text, n, client) => JSON.stringify({ seq: client === 2 && n === 7 ? 3 : n + 1, text }), {}, NUMBERED);
  assert.deepEqual(counts(run), { status: 1, deliveries: 120, missing: 0, duplicate: 0, reordered: 2, strange: 0 });
});

test('a message of another room is strange', async () => {
  const run = await generate((text, n, client, to, rooms) => {
    if (n === 3 && client === 0) for (const room of rooms.values()) if (!room.sockets.includes(to)) room.sockets[0].send(text);
    return text;
  });
  assert.deepEqual(counts(run), { status: 1, deliveries: 122, missing: 0, duplicate: 0, reordered: 0, strange: 2 });
});

test('latency counts from when a message was due', async () => {
  let stalled = false;
  const run = await generate((text, n) => {
    if (n === 10 && !stalled) {
      stalled = true;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    }
    return text;
  });
  assert.equal(run.status, 0);
  assert.ok(run.latency_ms.max >= 290, JSON.stringify(run.latency_ms));
  assert.ok(run.latency_ms.p90 >= 100, 'those that were due meanwhile waited too');
});

test('who stalls isn\'t waited for', async () => {
  const run = await generate((text) => text, { stalled: 2 });
  assert.deepEqual(counts(run), { status: 0, deliveries: 80, missing: 0, duplicate: 0, reordered: 0, strange: 0 });
  assert.equal(run.stalled_closed, 0);
});

test('a closed connection ends the run, with its code', async () => {
  const run = await generate((text, n, client, to) => {
    if (n === 5 && client === 1) to.close(4409);
    return text;
  });
  assert.equal(run.status, 2);
  assert.match(run.log, /was closed with 4409/);
});
