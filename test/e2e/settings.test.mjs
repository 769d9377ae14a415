// Settings of the real program: what ends it with status 2, and what SIGHUP
// changes while people talk.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { World, freePort, sleep, token, until } from './world.mjs';

let world;
before(async () => { world = await World.open(); });
after(() => world.close());

const program = process.env.TASKCHAT_RELAY;
const file = (name, text) => {
  const where = path.join(world.directory, name);
  fs.writeFileSync(where, text, { mode: 0o600 });
  return where;
};

function run(args, env = {}) {
  return spawnSync(program, args, { encoding: 'utf8', env: { PATH: process.env.PATH, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '', ...env }, timeout: 60000 });
}

async function reload(relay, line) {
  const before = relay.log.length;
  relay.kill('SIGHUP');
  await until(`the reload: ${line}`, () => line.test(relay.log.slice(before)));
}

async function stop(relay) {
  relay.kill('SIGTERM');
  assert.deepEqual(await relay.gone, { code: 0, signal: null }, relay.log);
}

// A token by any algorithm, with node's own crypto.
function sign(header, claims, key) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part(header)}.${part({ exp: Math.floor(Date.now() / 1000) + 3600, ...claims })}`;
  const pss = { padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: crypto.constants.RSA_PSS_SALTLEN_DIGEST };
  const options = { RS256: {}, PS256: pss, ES256: { dsaEncoding: 'ieee-p1363' } }[header.alg];
  const signature = options ? crypto.sign('sha256', Buffer.from(text), { key, ...options }) : crypto.createHmac('sha256', key).update(text).digest();
  return `${text}.${signature.toString('base64url')}`;
}

test('what is wrong ends it with status 2, and is named', () => {
  const secret = file('short', 'too short\n');
  const cases = [
    [['-c', file('bad.conf', '# comment\nlisten = 127.0.0.1:1\nhartbeat = 1s\n')], {}, /bad\.conf, line 3: hartbeat: unknown key/],
    [['-c', '/nonexistent.conf'], {}, /\/nonexistent\.conf: .*No such file/],
    [['--hartbeat', '1s'], {}, /--hartbeat: unknown flag/],
    [['--heartbeat'], {}, /heartbeat: the value is missing/],
    [['--heartbeat', '1'], {}, /heartbeat: not a duration/],
    [[], { TASKCHAT_MAX_CONNECTIONS: 'many' }, /TASKCHAT_MAX_CONNECTIONS: max_connections: not a whole number/],
    [['-c', file('secret.conf', `\njwt_secret_file = ${secret}\n`)], {}, /secret\.conf, line 2: jwt_secret_file: .*short: .*32 bytes/],
    [[], { TASKCHAT_JWT_SECRET: 'sh0rt-s3cret' }, /environment, TASKCHAT_JWT_SECRET: jwt_secret: .*32 bytes/],
    [['--jwt-secret', 'sh0rt-s3cret'], {}, /--jwt-secret: jwt_secret: a secret is given by/],
    [['--jwt-secret-file', '/nonexistent'], { TASKCHAT_JWT_SECRET: crypto.randomBytes(32).toString('hex') }, /jwt_secret_file: \/nonexistent: No such file/],
    [['--jwks-file', '/nonexistent'], {}, /jwks_file: \/nonexistent: No such file/],
    [['--web-root', '/nonexistent'], {}, /web_root: not a directory/],
  ];
  for (const [args, env, reason] of cases) {
    const { status, stdout, stderr } = run(args, env);
    assert.equal(status, 2, `${args}: ${stderr}`);
    assert.match(stderr, reason);
    assert.equal(stderr.trim().split('\n').length, 1, stderr);
    assert.doesNotMatch(stderr + stdout, /s3cret/);
  }
});

test('help, version, check and print', () => {
  assert.match(run(['--help']).stdout, /allowed_origins/);
  assert.match(run(['--version', '--heartbeat']).stdout, /^taskchat-relay \d+\.\d+\.\d+\n$/);
  const good = run(['--check-config', '--heartbeat=2s'], { TASKCHAT_JWT_SECRET: crypto.randomBytes(32).toString('hex') });
  assert.equal(good.status, 0, good.stderr);
  const secret = crypto.randomBytes(32).toString('hex');
  const printed = run(['--print-config', '--heartbeat', '2s', '--database', 'postgres://u:hidden-w0rd@h/d'], { TASKCHAT_JWT_SECRET: secret, TASKCHAT_LOG_FORMAT: 'json' });
  assert.equal(printed.status, 0);
  assert.match(printed.stdout, /^heartbeat = 2s$/m);
  assert.match(printed.stdout, /^log_format = json$/m);
  assert.doesNotMatch(printed.stdout, new RegExp(`hidden-w0rd|${secret}`));
  const again = run(['-c', file('printed.conf', printed.stdout), '--print-config'], { TASKCHAT_JWT_SECRET: secret });
  assert.equal(again.stdout, printed.stdout.replace('# the password of database is not shown\n', ''));
});

test('SIGHUP: new limits hold for those who are in; what needs a restart is said; a broken file changes nothing', async () => {
  const admin = await freePort();
  const moved = await freePort();
  const conf = path.join(world.directory, 'live.conf');
  const port = world.port;
  const database = world.relayUrl();
  const write = (text) => file('live.conf', `listen = 127.0.0.1:${port}\nadmin_listen = 127.0.0.1:${admin}\ndatabase = ${database}\n${text}`);
  write('');
  const live = await world.startBare(['-c', conf], port);
  await world.task('live', 'ben');
  const ada = await world.login('ada');
  for (let i = 0; i < 20; i++) await ada.good({ type: 'ping' });

  write('rate_commands = 1\nrate_commands_burst = 2\nlog_format = json\nlog_level = debug\n');
  await reload(live, /settings read again/);
  const replies = await Promise.all(Array.from({ length: 12 }, () => ada.ask({ type: 'get_rooms' })));
  assert.ok(replies.some((r) => !r.ok && r.error.code === 'rate_limited'), JSON.stringify(replies[11]));
  const ben = await world.login('ben');
  assert.equal(ben.of('welcome')[0].heartbeat, 25);
  for (const line of live.log.slice(live.log.indexOf('{')).trim().split('\n')) {
    const { time, level, module, message } = JSON.parse(line);
    assert.ok(!Number.isNaN(Date.parse(time)) && level && module && message, line);
  }

  write('heartbeat = 3s\n');
  await reload(live, /settings read again/);
  assert.equal((await world.login('cy')).of('welcome')[0].heartbeat, 3);

  file('live.conf', `listen = 127.0.0.1:${moved}\nadmin_listen = 127.0.0.1:${admin}\ndatabase = dbname=elsewhere\nmax_connections = 7\nheartbeat = 4s\n`);
  await reload(live, /settings read again/);
  for (const key of ['listen', 'database', 'max_connections']) assert.match(live.log, new RegExp(`"${key}" has changed: restart to apply it`));
  assert.equal((await world.login('dee')).of('welcome')[0].heartbeat, 4);
  await assert.rejects(fetch(`http://127.0.0.1:${moved}/healthz`));

  write('heartbeat = 5s\nnonsense = 1\n');
  await reload(live, /the old settings stay: .*live\.conf, line 5: nonsense: unknown key/);
  assert.equal((await world.login('eve')).of('welcome')[0].heartbeat, 4);
  fs.rmSync(conf);
  await reload(live, /the old settings stay: .*live\.conf: .*No such file/);

  file('live.conf', `listen = 127.0.0.1:${port}\nadmin_listen = 127.0.0.1:${moved}\ndatabase = ${database}\n`);
  await reload(live, /settings read again/);
  assert.equal((await fetch(`http://127.0.0.1:${moved}/healthz`)).status, 200);
  await assert.rejects(fetch(`http://127.0.0.1:${admin}/healthz`));
  assert.equal(ada.closed, null);
  await stop(live);
});

test('keys change without a gap: a key set with ids, PEM beside it, the secret all along', async () => {
  const rsa = [0, 1].map(() => crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }));
  const ec = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const set = (...keys) => file('jwks.json', JSON.stringify({ keys: keys.map(([key, kid]) => ({ ...key.publicKey.export({ format: 'jwk' }), kid, use: 'sig' })) }));
  const pem = file('public.pem', ec.publicKey.export({ type: 'spki', format: 'pem' }));
  const jwks = set([rsa[0], 'old']);
  const relay = await world.startRelay({ 'jwks-file': jwks, 'jwt-public-key-file': pem, 'jwt-issuer': '' });
  const login = async (header, key) => {
    const client = world.client('ada', { token: sign(header, { sub: 'ada' }, key) });
    return until('an answer', () => (client.of('welcome').length ? 'in' : client.closed));
  };
  const old = await world.login('ada', { token: sign({ alg: 'RS256', kid: 'old' }, { sub: 'ada' }, rsa[0].privateKey) });
  assert.equal(await login({ alg: 'PS256', kid: 'old' }, rsa[0].privateKey), 'in');
  assert.equal(await login({ alg: 'ES256' }, ec.privateKey), 'in');
  assert.equal(await login({ alg: 'RS256', kid: 'new' }, rsa[1].privateKey), 4401);
  assert.equal(await login({ alg: 'HS256' }, rsa[0].publicKey.export({ type: 'spki', format: 'pem' })), 4401);
  set([rsa[0], 'old'], [rsa[1], 'new']);
  await reload(relay, /settings read again/);
  assert.equal(await login({ alg: 'RS256', kid: 'old' }, rsa[0].privateKey), 'in');
  assert.equal(await login({ alg: 'RS256', kid: 'new' }, rsa[1].privateKey), 'in');
  set([rsa[1], 'new']);
  await reload(relay, /settings read again/);
  assert.equal(await login({ alg: 'RS256', kid: 'old' }, rsa[0].privateKey), 4401);
  assert.equal(await login({ alg: 'RS256', kid: 'new' }, rsa[1].privateKey), 'in');
  fs.writeFileSync(jwks, '{"keys":');
  await reload(relay, /the old settings stay: .*jwks_file: .*jwks\.json/);
  assert.equal(await login({ alg: 'RS256', kid: 'new' }, rsa[1].privateKey), 'in');
  await old.good({ type: 'ping' });
  await old.bad({ type: 'authenticate', token: sign({ alg: 'RS256', kid: 'old' }, { sub: 'ada' }, rsa[0].privateKey) }, 'unauthenticated');
  await old.good({ type: 'authenticate', token: sign({ alg: 'ES256' }, { sub: 'ada' }, ec.privateKey) });
  await stop(relay);
});

test('expiry, renewal, tickets; no token in the log', async () => {
  const relay = await world.startRelay({ 'jwt-leeway': '1s', 'ticket-session': '3s', 'log-level': 'debug' });
  const old = token('ben', { expires: 10 });
  const first = token('ada', { expires: 10 });
  const ada = await world.login('ada', { token: first });
  const ben = await world.login('ben', { token: old });
  await ben.bad({ type: 'authenticate', token: token('eve') }, 'forbidden');
  await ben.bad({ type: 'authenticate', token: 'nonsense' }, 'unauthenticated');
  await ben.bad({ type: 'authenticate', token: token('ben', { expires: -10 }) }, 'unauthenticated');
  await ben.bad({ type: 'authenticate', ticket: 'nonsense' }, 'unauthenticated');
  const renewed = token('ben');
  await ben.good({ type: 'authenticate', token: renewed });
  await ada.event('token_expiring');
  assert.equal(await until('the end', () => ada.closed), 4401);
  await ben.good({ type: 'ping' });

  const [{ ticket }] = await world.sql("SELECT taskchat.create_ticket('cy') AS ticket");
  const cy = world.client(null);
  await cy.opened();
  await cy.good({ type: 'authenticate', ticket });
  await cy.event('welcome');
  const again = world.client(null);
  await again.opened();
  await again.bad({ type: 'authenticate', ticket }, 'unauthenticated');
  assert.equal(await until('the refusal', () => again.closed), 4401);
  const [{ ticket: late }] = await world.sql("SELECT taskchat.create_ticket('cy', '1 second') AS ticket");
  await sleep(1500);
  const tardy = world.client(null);
  await tardy.opened();
  await tardy.bad({ type: 'authenticate', ticket: late }, 'unauthenticated');
  assert.equal(await until("the end of the ticket's session", () => cy.closed), 4401);
  for (const secret of [first, old, renewed, ticket, late, first.split('.')[2]]) assert.ok(!relay.log.includes(secret));
  await stop(relay);
});
