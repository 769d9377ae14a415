// Behind a reverse proxy: who is believed, and Debian's nginx with the sample
// configuration.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Client, World, freePort, sleep, token, until } from './world.mjs';

const here = path.dirname(new URL(import.meta.url).pathname);
const sample = path.join(here, '../../relay/nginx.conf.example');
const nginxProgram = ['/usr/sbin/nginx', path.join(here, '.nginx/usr/sbin/nginx')].find((file) => fs.existsSync(file));

let world;
before(async () => { world = await World.open(); });
after(() => world.close());

async function stop(relay) {
  relay.kill('SIGTERM');
  assert.deepEqual(await relay.gone, { code: 0, signal: null }, relay.log);
}

// The log comes over a pipe of its own, and may be behind the answers.
const said = (relay, line) => until(`${line} in the log`, () => line.test(relay.log));

// The status of a handshake, 101 when it succeeded.
function handshake(headers, url = `ws://127.0.0.1:${world.port}/ws`, options = {}) {
  return new Promise((resolve, reject) => {
    const client = new Client(url, { headers, ...options });
    client.socket.on('open', () => {
      resolve(101);
      client.socket.terminate();
    });
    client.socket.on('unexpected-response', (request, response) => {
      resolve(response.statusCode);
      request.destroy();
    });
    client.socket.on('error', reject);
  });
}

const origin = (value, more = {}) => ({ origin: value, ...more });

test('without trusted_proxies nobody is believed', async () => {
  const relay = await world.startRelay();
  const own = `127.0.0.1:${world.port}`;
  const ada = await world.login('ada', { headers: { 'x-forwarded-for': '203.0.113.9' } });
  await said(relay, /connected from 127\.0\.0\.1\n/);
  assert.doesNotMatch(relay.log, /203\.0\.113\.9/);
  assert.equal(await handshake(origin(`http://${own}`)), 101);
  assert.equal(await handshake(origin(`HTTP://${own}`)), 101);
  assert.equal(await handshake({}), 101);
  for (const bad of ['http://127.0.0.1', `http://${own}.example`, `http://x.${own}`, 'https://chat.example', 'null', 'junk', `http://${own}, http://${own}`])
    assert.equal(await handshake(origin(bad)), 403, bad);
  assert.equal(await handshake(origin('https://chat.example', { 'x-forwarded-host': 'chat.example' })), 403);
  assert.equal(await handshake(origin('http://chat.example', { host: 'chat.example:80' })), 101);
  assert.equal(await handshake(origin('https://chat.example', { host: 'chat.example:443' })), 101);
  assert.equal(await handshake(origin('https://chat.example', { host: 'chat.example:80' })), 403);
  await ada.good({ type: 'ping' });
  await stop(relay);
});

test('a trusted proxy names client and host', async () => {
  const relay = await world.startRelay({ 'trusted-proxies': '10.0.0.0/8, 127.0.0.0/8' });
  await world.login('ada', { headers: { 'x-forwarded-for': '6.6.6.6, 203.0.113.9, 10.1.1.1' } });
  await said(relay, /connected from 203\.0\.113\.9\n/);
  await world.login('ben', { headers: { 'X-Forwarded-For': '[2001:db8::7]:5000' } });
  await said(relay, /connected from 2001:db8::7\n/);
  await world.login('cy', { headers: { 'x-forwarded-for': 'nonsense' } });
  await said(relay, /connected from 127\.0\.0\.1\n/);
  assert.equal(await handshake(origin('https://chat.example', { 'X-Forwarded-Host': 'chat.example' })), 101);
  assert.equal(await handshake(origin('https://evil.example', { 'X-Forwarded-Host': 'chat.example' })), 403);
  await stop(relay);
});

test('allowed_origins takes the place of the same host, and changes by SIGHUP', async () => {
  const file = path.join(world.directory, 'origins.conf');
  const write = (list) => fs.writeFileSync(file, `allowed_origins = ${list}\n`);
  write('https://a.example, https://b.example:8443, null');
  const relay = await world.startRelay({}, world.port, { args: ['-c', file] });
  for (const good of ['https://a.example', 'https://A.example:443', 'https://b.example:8443', 'null'])
    assert.equal(await handshake(origin(good)), 101, good);
  for (const bad of ['http://a.example', 'https://a.example:444', 'https://b.example', `http://127.0.0.1:${world.port}`, 'https://a.example.evil.example', 'a.example', '*'])
    assert.equal(await handshake(origin(bad)), 403, bad);
  const ada = await world.login('ada');
  write('*');
  relay.kill('SIGHUP');
  await until('the reload', () => /settings read again/.test(relay.log));
  assert.equal(await handshake(origin('http://anywhere.example')), 101);
  await ada.good({ type: 'ping' });
  await stop(relay);
});

// nginx with the sample's own lines; only addresses, names and files are others.
async function startNginx(relayPort) {
  const directory = path.join(world.directory, 'nginx');
  const port = await freePort();
  fs.mkdirSync(directory);
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost',
    '-addext', 'subjectAltName=DNS:localhost', '-keyout', `${directory}/key.pem`, '-out', `${directory}/certificate.pem`], { stdio: 'ignore' });
  const text = fs.readFileSync(sample, 'utf8')
    .replace('server 127.0.0.1:8765;', `server 127.0.0.1:${relayPort};`)
    .replace('listen 443 ssl;', `listen 127.0.0.1:${port} ssl;`)
    .replace('server_name chat.example.org;', 'server_name localhost;')
    .replace('/etc/nginx/chat.example.org.pem', `${directory}/certificate.pem`)
    .replace('/etc/nginx/chat.example.org.key', `${directory}/key.pem`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${directory}/${name};`).join(' ');
  fs.writeFileSync(`${directory}/nginx.conf`, `daemon off; pid ${directory}/pid; error_log ${directory}/error.log; events {}
http { access_log off; ${temporary}
${text}}`);
  const child = spawn(nginxProgram, ['-e', `${directory}/error.log`, '-p', directory, '-c', `${directory}/nginx.conf`], { stdio: ['ignore', 'ignore', 'inherit'] });
  child.gone = new Promise((resolve) => child.on('exit', resolve));
  return { child, port, certificate: fs.readFileSync(`${directory}/certificate.pem`) };
}

test('nginx with the sample configuration: WebSockets, HTTP, address, origin', async () => {
  assert.ok(nginxProgram, 'nginx is there');
  const relay = await world.startRelay({ 'trusted-proxies': '127.0.0.1', heartbeat: '1s' });
  const nginx = await startNginx(world.port);
  try {
    const url = `wss://localhost:${nginx.port}/ws`;
    const options = { ca: nginx.certificate };
    await until('nginx', () => handshake({}, url, options).then((status) => status === 101, () => false));
    await world.task('proxied', 'ben');
    const ada = new Client(url, { headers: { authorization: `Bearer ${token('ada')}`, 'x-forwarded-for': '6.6.6.6', origin: `https://localhost:${nginx.port}` }, ...options });
    world.clients.push(ada);
    await ada.event('welcome');
    await ada.good({ type: 'join_task_room', task_id: 'proxied' });
    await world.as('ben', "SELECT taskchat.send_message('proxied', 'through nginx')");
    await ada.event('message_received');
    await sleep(2500);
    await ada.good({ type: 'ping' });
    assert.doesNotMatch(relay.log, /6\.6\.6\.6/);
    assert.equal(await handshake(origin('https://evil.example'), url, options), 403);
    assert.equal(execFileSync('curl', ['-sS', '--cacert', path.join(world.directory, 'nginx/certificate.pem'), `https://localhost:${nginx.port}/healthz`], { encoding: 'utf8' }).trim(), 'ok');
    ada.socket.close(1000);
    assert.equal(await until('the close', () => ada.closed), 1000);
  } finally {
    nginx.child.kill('SIGTERM');
    await nginx.child.gone;
  }
  await stop(relay);
});
