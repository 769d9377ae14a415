// Sockets that say nothing, or too much, or are too many: each is shown the
// door, and another client's conversation goes on.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { PING, Wire } from './wire.mjs';
import { World, sleep, token, until } from './world.mjs';

let world;
before(async () => {
  world = await World.open();
  await world.task('calm', 'ben');
});
after(() => world.close());

// A bare socket that remembers what it heard and when it was closed.
class Bare {
  constructor(text = '') {
    this.heard = '';
    this.closed = null;
    this.began = Date.now();
    this.socket = net.connect(world.port, '127.0.0.1', () => this.socket.write(text));
    this.socket.on('data', (data) => { this.heard += data.toString('latin1'); });
    this.socket.on('error', () => {});
    this.socket.on('close', () => { this.closed = Date.now() - this.began; });
  }

  // Sends the text a piece at a time.
  trickle(pieces, every) {
    let i = 0;
    this.drip = setInterval(() => {
      if (this.closed !== null || i >= pieces.length) clearInterval(this.drip);
      else this.socket.write(pieces[i++]);
    }, every);
    return this;
  }

  gone(limit) {
    return until('the end of the socket', () => this.closed !== null, limit);
  }
}

async function stop(relay) {
  relay.kill('SIGTERM');
  assert.deepEqual(await relay.gone, { code: 0, signal: null }, relay.log);
}

const descriptors = (relay) => fs.readdirSync(`/proc/${relay.pid}/fd`).length;

// Clock ticks of CPU that the process has used.
const cpu = (relay) => {
  const fields = fs.readFileSync(`/proc/${relay.pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return Number(fields[11]) + Number(fields[12]);
};

const conversation = async () => {
  const ada = await world.login('ada');
  await ada.good({ type: 'join_task_room', task_id: 'calm' });
  let n = 0;
  return {
    ada,
    goesOn: async () => {
      const content = `still here ${++n}`;
      await world.as('ben', 'SELECT taskchat.send_message($1, $2)', ['calm', content]);
      await ada.event('message_received', (e) => e.message.content === content);
    },
  };
};

const upgrade = ['GET /ws HTTP/1.1', 'Host: x', 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '', ''].join('\r\n');

test('time limits: silence, headers and bodies by drops, no log-in, no pong', async () => {
  const relay = await world.startRelay({ 'auth-timeout': '1s', heartbeat: '1s' });
  const talk = await conversation();
  const before = descriptors(relay);
  const bare = [
    new Bare(),
    new Bare('GET / HT'),
    new Bare('GET / HTTP/1.1\r\nHost: x\r\n').trickle(Array.from({ length: 600 }, (_, i) => `X-${i}: y\r\n`), 100),
    new Bare('POST /api/tasks/calm/send-message HTTP/1.1\r\nHost: x\r\nContent-Length: 600\r\n\r\n').trickle(Array.from({ length: 600 }, () => ' '), 100),
    new Bare(upgrade),
    new Bare(upgrade).trickle(Array.from({ length: 600 }, () => Buffer.from([0x89, 0x80, 0, 0, 0, 0])), 100),
  ];
  for (const one of bare) await one.gone();
  assert.match(bare[4].heard, /^HTTP\/1\.1 101 /);
  assert.ok(bare[4].heard.includes('\x11\x31'), 'closed with 4401');
  await talk.goesOn();
  assert.equal(talk.ada.closed, null);
  await until('their descriptors', () => descriptors(relay) <= before);
  const mute = await Wire.open(world.port, { Authorization: `Bearer ${token('ben')}` });
  await mute.until(() => mute.frames.some((f) => f.opcode === PING));
  assert.ok(await mute.until(() => mute.closeCode() !== null));
  assert.equal(mute.closeCode(), 4408);
  await mute.destroy();
  const deaf = world.client('ben', { headers: {} });
  await deaf.event('welcome');
  deaf.socket.pause();
  await until('4408 in the log', () => /4408: heartbeat lost/.test(relay.log));
  await talk.goesOn();
  await stop(relay);
});

test('headers without end, and requests one upon the other', async () => {
  const relay = await world.startRelay();
  const talk = await conversation();
  for (const text of [`GET /${'a'.repeat(70000)} HTTP/1.1\r\nHost: x\r\n\r\n`, `GET / HTTP/1.1\r\nHost: x\r\nX: ${'b'.repeat(70000)}\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: x\r\n${Array.from({ length: 5000 }, (_, i) => `X${i}: y\r\n`).join('')}\r\n`]) {
    const bare = new Bare(text);
    await bare.gone();
    assert.doesNotMatch(bare.heard, /^HTTP\/1\.1 2/);
  }
  const piped = new Bare('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(50));
  await until('50 answers', () => piped.heard.split('HTTP/1.1 200').length === 51);
  piped.socket.destroy();
  await talk.goesOn();
  await stop(relay);
});

test('max_connections: one more hears 1013', async () => {
  const relay = await world.startRelay({ 'max-connections': 3 });
  await world.login('ada');
  await world.login('ben');
  const third = await world.login('cy');
  const fourth = world.client('dee');
  assert.equal(await until('the close', () => fourth.closed), 1013);
  assert.equal(third.closed, null);
  third.socket.close();
  await until('its end', () => third.closed);
  await until('room for one', async () => {
    const again = world.client('dee');
    return Promise.race([again.event('welcome'), until('a close', () => again.closed).then(() => null)]);
  });
  await stop(relay);
});

test('when descriptors are short the rest is turned away, no core burns, and those who are in go on', async () => {
  const relay = await world.startRelay({}, world.port, { program: 'bash', args: ['-c', 'ulimit -n 100; exec "$0" "$@"', process.env.TASKCHAT_RELAY] });
  assert.match(relay.log, /only \d+ connections are taken instead of 100000/);
  const talk = await conversation();
  const crowd = Array.from({ length: 300 }, () => new Bare());
  await until('some to be turned away', () => crowd.filter((one) => one.closed !== null).length >= 200);
  assert.ok(descriptors(relay) < 100);
  const used = cpu(relay);
  await sleep(2000);
  assert.ok(cpu(relay) - used < 100, `${cpu(relay) - used} ticks in 2 s`);
  await talk.goesOn();
  for (const one of crowd) one.socket.destroy();
  await until('room again', () => world.login('ben').then(() => true, () => false));
  await stop(relay);
});

test('a slow reader is let go with its queue; the others hear everything', async () => {
  const relay = await world.startRelay({ 'max-queue-bytes': 262144, 'rate-commands': 1000, 'rate-commands-burst': 2000 });
  const talk = await conversation();
  const slow = await world.login('ben');
  await slow.good({ type: 'join_task_room', task_id: 'calm' });
  slow.socket.pause();
  // Who reads is waited for: what a busy machine had to catch up with could be too much at once for her, too.
  for (let i = 0; i < 400 && !/4409/.test(relay.log); i++) {
    await world.as('ben', 'SELECT taskchat.send_message($1, $2)', ['calm', `${i} `.padEnd(16000, 'z')]);
    if (i % 8 === 0) await talk.ada.event('message_received', (e) => e.message.content.startsWith(`${i} `));
  }
  await until('the slow one to be let go', () => /4409: too slow/.test(relay.log));
  await talk.goesOn();
  assert.equal(talk.ada.closed, null);
  await stop(relay);
});

test('SIGTERM: going_away, 1001, the port is free at once, status 0; a second one does not wait', async () => {
  const relay = await world.startRelay({ 'drain-timeout': '60s' });
  const ada = await world.login('ada');
  relay.kill('SIGTERM');
  await ada.event('going_away');
  assert.equal(await until('the close', () => ada.closed), 1001);
  assert.deepEqual(await relay.gone, { code: 0, signal: null }, relay.log);
  const other = await world.startRelay({ 'drain-timeout': '60s' });
  const ben = await world.login('ben');
  ben.socket.pause();
  other.kill('SIGTERM');
  await until('the port', () => fetch(`http://127.0.0.1:${world.port}/healthz`).then(() => false, () => true));
  other.kill('SIGTERM');
  assert.deepEqual(await other.gone, { code: 0, signal: null }, other.log);
});
