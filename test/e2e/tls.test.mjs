// TLS by configuration: clients, versions, certificates that change under way.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { Client, World, token, until } from './world.mjs';

let world;
let relay;
let directory;
before(async () => {
  world = await World.open();
  directory = path.join(world.directory, 'tls');
  fs.mkdirSync(directory);
  certificate('one');
  certificate('two');
  use('one');
  relay = await world.startRelay(settings(), world.port, { ready: false });
  await up();
});
after(() => world.close());

const file = (name) => path.join(directory, name);
const settings = () => ({ 'tls-certificate': file('certificate.pem'), 'tls-key': file('key.pem') });

function certificate(name, kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']) {
  execFileSync('openssl', ['req', '-x509', ...kind, '-nodes', '-days', '2',
    '-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
    '-keyout', file(`${name}.key`), '-out', file(`${name}.pem`)], { stdio: 'ignore' });
}

function use(name, key = name) {
  fs.copyFileSync(file(`${name}.pem`), file('certificate.pem'));
  fs.copyFileSync(file(`${key}.key`), file('key.pem'));
}

function get(route) {
  return new Promise((resolve, reject) => {
    https.get({ host: '127.0.0.1', port: world.port, path: route, rejectUnauthorized: false, agent: false }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode));
    }).on('error', reject);
  });
}

const up = () => until('the relay', () => get('/readyz').then((status) => status === 200, () => false));

function shown(options = {}) {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host: '127.0.0.1', port: world.port, rejectUnauthorized: false, ...options }, () => {
      resolve({ name: socket.getPeerCertificate().subject.CN, version: socket.getProtocol(), alpn: socket.alpnProtocol });
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

async function login(user) {
  const client = new Client(`wss://127.0.0.1:${world.port}/ws`, { headers: { authorization: `Bearer ${token(user)}` }, ca: fs.readFileSync(file('certificate.pem')) });
  world.clients.push(client);
  await client.event('welcome');
  return client;
}

const reload = async (line) => {
  const before = relay.log.length;
  relay.kill('SIGHUP');
  await until('the reload', () => line.test(relay.log.slice(before)));
};

test('wss with node, https with curl', async () => {
  await world.task('secret', 'ben');
  const ada = await login('ada');
  await ada.good({ type: 'join_task_room', task_id: 'secret' });
  await ada.good({ type: 'send_message', task_id: 'secret', content: 'x'.repeat(16000) });
  await ada.event('message_received');
  for (let i = 0; i < 30; i++) await world.as('ben', 'SELECT taskchat.send_message($1, $2)', ['secret', 'y'.repeat(16000)]);
  await until('all of them', () => ada.of('message_received').length === 31);
  // Many records of TLS at once, and none is left lying.
  const pings = Array.from({ length: 40 }, (_, i) => ada.ask({ type: 'ping', padding: 'z'.repeat(60000 + i) }));
  for (const reply of await Promise.all(pings)) assert.equal(reply.ok, true);
  const page = await ada.good({ type: 'get_messages', task_id: 'secret', limit: 15 });
  assert.ok(page.messages.length > 5);
  assert.equal(execFileSync('curl', ['-sS', '--cacert', file('certificate.pem'), `https://localhost:${world.port}/healthz`], { encoding: 'utf8' }).trim(), 'ok');
});

test('TLS 1.2 and 1.3 only, HTTP/1.1 only', async () => {
  assert.equal((await shown({ maxVersion: 'TLSv1.2' })).version, 'TLSv1.2');
  assert.equal((await shown()).version, 'TLSv1.3');
  await assert.rejects(shown({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }));
  assert.equal((await shown({ ALPNProtocols: ['h2', 'http/1.1'] })).alpn, 'http/1.1');
  const plain = spawnSync('curl', ['-s', '--max-time', '5', `http://127.0.0.1:${world.port}/healthz`]);
  assert.notEqual(plain.status, 0);
});

test('a renewed certificate counts from the next connection on; others stay', async () => {
  const ada = await login('ada');
  assert.equal((await shown()).name, 'one');
  use('two');
  await reload(/settings read again/);
  assert.equal((await shown()).name, 'two');
  await ada.good({ type: 'ping' });
  use('one', 'two');
  await reload(/the old settings stay: .*tls_key: .*not that of tls_certificate/);
  assert.equal((await shown()).name, 'two');
  fs.rmSync(file('key.pem'));
  await reload(/the old settings stay: .*tls_key/);
  assert.equal((await shown()).name, 'two');
  await ada.good({ type: 'ping' });
  use('one');
  await reload(/settings read again/);
  assert.equal((await shown()).name, 'one');
  assert.equal(ada.closed, null);
});

test('what does not fit together is refused before anything is opened', () => {
  const program = process.env.TASKCHAT_RELAY;
  certificate('other');
  certificate('rsa', ['-newkey', 'rsa:1024']);
  fs.writeFileSync(file('empty.pem'), '');
  const cases = [
    [file('one.pem'), file('two.key'), /tls_key: .*not that of tls_certificate/],
    [file('one.pem'), file('nowhere.key'), /tls_key: .*cannot be read/],
    [file('nowhere.pem'), file('one.key'), /tls_certificate: .*cannot be read/],
    [file('empty.pem'), file('one.key'), /tls_certificate: .*no certificate/],
    [file('one.key'), file('one.key'), /tls_certificate: .*no certificate/],
    [file('one.pem'), file('one.pem'), /tls_key: .*no private key/],
    [file('rsa.pem'), file('rsa.key'), /tls_certificate: .*too weak/],
  ];
  for (const [certificateFile, keyFile, reason] of cases) {
    const { status, stderr } = spawnSync(program, ['--tls-certificate', certificateFile, '--tls-key', keyFile], { encoding: 'utf8' });
    assert.equal(status, 2, stderr);
    assert.match(stderr, reason);
  }
  assert.equal(spawnSync(program, ['--check-config', '--tls-certificate', file('one.pem'), '--tls-key', file('one.key')]).status, 0);
});
