// The HTTP API over the real relay: routes, statuses, waiting, pages of other
// origins, connections that stay, metrics.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { answerMisfit } from './shapes.mjs';
import { World, sleep, token, until } from './world.mjs';

let world;
let base;
let admin;
before(async () => {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  admin = server.address().port;
  await new Promise((resolve) => server.close(resolve));
  world = await World.open({ 'admin-listen': `127.0.0.1:${admin}`, 'rate-messages': 1 });
  await world.startRelay();
  base = `http://127.0.0.1:${world.port}`;
  await world.task('t', 'ben');
});
after(() => world.close());

async function call(path, { user = 'ada', body, ...options } = {}) {
  const answer = await fetch(base + path, {
    headers: { ...(user ? { authorization: `Bearer ${token(user)}` } : {}), ...options.headers },
    method: options.method ?? (body === undefined ? 'GET' : 'POST'),
    body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await answer.text();
  const data = text && answer.headers.get('content-type') === 'application/json' ? JSON.parse(text) : text;
  if (path.startsWith('/api')) assert.equal(answerMisfit(path, answer.status, data), null);
  return { status: answer.status, headers: answer.headers, data };
}

// Bytes to the relay, and what comes back until there are so many answers, or
// the relay ends the connection; and a little longer, lest there be one too many.
async function raw(text, answers) {
  const socket = net.connect(world.port, '127.0.0.1');
  let got = '';
  let closed = false;
  socket.on('data', (data) => { got += data; });
  socket.on('error', () => {});
  socket.on('close', () => { closed = true; });
  socket.write(text);
  await until('the answers', () => closed || statuses(got).length >= answers);
  await sleep(100);
  socket.destroy();
  return got;
}
const head = (method, path, extra = '') => `${method} ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token('ada')}\r\n${extra}\r\n`;
const statuses = (text) => [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((m) => Number(m[1]));

test('every route', async () => {
  const sent = await call('/api/tasks/t/send-message', { body: { content: 'hello', client_msg_id: 'a' } });
  assert.equal(sent.status, 201);
  assert.equal(sent.data.duplicate, false);
  const again = await call('/api/tasks/t/send-message', { body: { content: 'hello', client_msg_id: 'a' } });
  assert.equal(again.status, 200);
  assert.deepEqual(again.data, { message: sent.data.message, duplicate: true });
  const page = await call('/api/tasks/t/messages?limit=1&unknown=1');
  assert.deepEqual(page.data, { messages: [sent.data.message], has_more: false });
  const line = await call('/api/tasks/t/events?after_seq=1&limit=1');
  assert.deepEqual([line.data.events.map((e) => e.seq), line.data.first_seq, line.data.last_seq, line.data.has_more], [[2], 1, 3, true]);
  assert.match(line.data.epoch, /./);
  assert.deepEqual((await call('/api/tasks/t/read', { user: 'ben', body: { seq: 3 } })).data, { last_read_seq: 3 });
  assert.equal((await call('/api/rooms?limit=1')).data.rooms[0].task_id, 't');
  assert.deepEqual((await call('/api/user/presence?user_id=ben&user_id=eve')).data.presence.map((p) => p.user_id), ['ben']);
  const told = await call('/api/user/presence', { user: 'ben', body: { is_online: true, current_task_id: 't' } });
  assert.deepEqual([told.status, told.data.presence.is_online, told.data.presence.current_task_id], [200, true, 't']);
});

test('ids of every kind, in the path or in the query', async () => {
  for (const id of ['a b', 'ü', 'a&b;c', '50%', '.hidden', 'a?b#c', 'a+b', 'x'.repeat(255)]) {
    await world.task(id);
    for (const path of [`/api/tasks/${encodeURIComponent(id)}/events`, `/api/events?task_id=${encodeURIComponent(id)}`])
      assert.equal((await call(path)).data.events?.[0].task_id, id, path);
  }
  for (const id of ['a/b', '%2F', '/']) assert.equal((await world.task(id), await call(`/api/tasks/${encodeURIComponent(id)}/events`)).data.events[0].task_id, id);
  // Both ways to write a plus in a path; in a query a plus is a space.
  assert.equal((await call('/api/tasks/a+b/events')).data.events[0].task_id, 'a+b');
  assert.equal((await call('/api/events?task_id=a+b')).data.events[0].task_id, 'a b');
  for (const id of ['a/b', '.', '..', '/']) {
    await world.task(id);
    assert.equal((await call(`/api/events?task_id=${encodeURIComponent(id)}`)).data.events[0].task_id, id);
    assert.equal((await call(`/api/send-message?task_id=${encodeURIComponent(id)}`, { body: { content: 'x' } })).status, 201);
  }
  await world.sql("SELECT taskchat.add_member('t', 'zoe', 'applicant')");
  assert.equal((await call('/api/tasks/t/events', { user: 'zoe' })).data.events[0].applicant_id, 'zoe');
  assert.equal((await call('/api/tasks/t/events?applicant_id=zoe')).data.events[0].applicant_id, 'zoe');
  assert.equal((await call('/api/tasks/t/read?applicant_id=zoe', { body: { seq: 1, applicant_id: 'zoe' } })).status, 200);
  assert.equal((await call('/api/tasks/t/read?applicant_id=zoe', { body: { seq: 1, applicant_id: 'eve' } })).data.error.code, 'bad_request');
});

test('errors: status, code, headers', async () => {
  const table = [
    ['/api/rooms', { user: null }, 401, 'unauthenticated'],
    ['/api/rooms', { user: null, headers: { authorization: 'Bearer x' } }, 401, 'unauthenticated'],
    ['/api/nothing', {}, 404, 'not_found'],
    ['/api/tasks/t', {}, 404, 'not_found'],
    ['/api/rooms', { method: 'DELETE' }, 405, 'method_not_allowed'],
    ['/api/tasks/t/read', {}, 405, 'method_not_allowed'],
    ['/api/tasks/nope/messages', {}, 403, 'forbidden'],
    ['/api/rooms?limit=x', {}, 400, 'bad_request'],
    ['/api/tasks/t/messages?before_seq=99999999999999999999', {}, 400, 'bad_request'],
    ['/api/tasks/t/send-message', { body: '[]' }, 400, 'bad_request'],
    ['/api/tasks/t/send-message', { body: { content: '' } }, 400, 'bad_request'],
    ['/api/tasks/t/send-message', { body: { content: 'x'.repeat(20000) } }, 413, 'too_large'],
    ['/api/tasks/t/send-message', { body: { content: 'x'.repeat(70000) } }, 413, 'too_large'],
    [`/api/rooms?token=${token('ada')}`, {}, 400, 'bad_request'],
  ];
  for (const [path, options, status, code] of table) {
    const answer = await call(path, options);
    assert.deepEqual([answer.status, answer.data.error.code], [status, code], path);
    assert.equal(answer.headers.get('www-authenticate') !== null, status === 401, path);
    assert.equal(answer.headers.get('allow') !== null, status === 405, path);
  }
  const refused = await Promise.all(Array.from({ length: 100 }, (_, i) => call('/api/tasks/t/send-message', { user: 'ben', body: { content: `m${i}` } })));
  const limited = refused.filter((r) => r.status === 429);
  assert.ok(limited.length > 0);
  for (const { headers } of limited) assert.equal(headers.get('retry-after'), '1');
});

test('waiting for events', async () => {
  const { data } = await call('/api/tasks/t/events?limit=1');
  const last = data.last_seq;
  const waiting = call(`/api/tasks/t/events?after_seq=${last}&wait=30`);
  await sleep(300);
  await world.sql("SELECT taskchat.send_system_message('t', 'now')");
  assert.deepEqual((await waiting).data.events.map((e) => e.message.content), ['now']);
  const began = Date.now();
  const idle = await call(`/api/tasks/t/events?after_seq=${last + 1}&wait=1`);
  assert.deepEqual([idle.status, idle.data.events, idle.data.has_more], [200, [], false]);
  assert.ok(Date.now() - began >= 900);
  const removed = call('/api/tasks/t/events?after_seq=100000&wait=30', { user: 'ben' });
  await sleep(300);
  await world.sql("SELECT taskchat.remove_member('t', 'ben')");
  assert.equal((await removed).status, 403);
});

test('pages of other origins', async () => {
  const own = await call('/api/rooms', { headers: { origin: base } });
  assert.equal(own.headers.get('access-control-allow-origin'), base);
  assert.equal(own.headers.get('vary'), 'Origin');
  const foreign = await call('/api/rooms', { headers: { origin: 'http://evil.example' } });
  assert.equal(foreign.headers.get('access-control-allow-origin'), null);
  assert.equal(foreign.headers.get('vary'), 'Origin');
  const broken = await call('/api/tasks/%zz/events', { headers: { origin: base } });
  assert.deepEqual([broken.status, broken.data.error.code, broken.headers.get('access-control-allow-origin')], [400, 'bad_request', base]);
  const asked = await call('/api/tasks/t/read', { user: null, method: 'OPTIONS', headers: { origin: base } });
  assert.equal(asked.status, 204);
  assert.match(asked.headers.get('access-control-allow-methods'), /POST/);
  assert.match(asked.headers.get('access-control-allow-headers'), /authorization/);
  assert.equal((await call('/api/rooms', { user: null, method: 'OPTIONS', headers: { origin: 'http://evil.example' } })).status, 403);
});

test('connections stay, requests behind each other are answered in order, bodies need a length', async () => {
  assert.deepEqual(statuses(await raw(head('GET', '/healthz') + head('GET', '/api/rooms?limit=1') + head('GET', '/healthz'), 3)), [200, 200, 200]);
  assert.deepEqual(statuses(await raw(head('HEAD', '/api/rooms') + head('GET', '/healthz'), 2)), [200, 200]);
  assert.deepEqual(statuses(await raw(`${head('POST', '/api/tasks/t/read', 'Content-Length: 9\r\n')}{"seq":1}${head('GET', '/healthz')}`, 2)), [200, 200]);
  const read = `${head('POST', '/api/tasks/t/read', 'Content-Length: 9\r\n')}{"seq":1}`;
  assert.deepEqual(statuses(await raw(`${head('GET', '/healthz')}${read}${read}${head('GET', '/api/rooms')}${read}`, 5)), [200, 200, 200, 200, 200]);
  assert.deepEqual(statuses(await raw(head('POST', '/api/tasks/t/read'), 1)), [411]);
  assert.deepEqual(statuses(await raw(`${head('POST', '/api/tasks/t/read', 'Transfer-Encoding: chunked\r\n')}9\r\n{"seq":1}\r\n0\r\n\r\n`, 1)), [411]);
  for (const length of ['-9', '9\r\nContent-Length: 9', '0x9', '99999999999999999999'])
    assert.match(String(statuses(await raw(`${head('POST', '/api/tasks/t/read', `Content-Length: ${length}\r\n`)}{"seq":1}`, 1))), /^4(00|13)$/, length);
  assert.equal((await call('/healthz', { user: null })).status, 200);
});

test('every error that is answered is counted, over HTTP and the socket', async () => {
  const counts = async () => Object.fromEntries([...(await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text())
    .matchAll(/^taskchat_errors_total\{code="(\w+)"\} (\d+)$/gm)].map(([, code, n]) => [code, Number(n)]));
  const before = await counts();
  const eve = await world.login('eve');
  for (const frame of ['{', '{}', '{"type":"nonsense"}', '{"type":"mark_read"}', '{"type":"get_events","task_id":"t"}']) eve.send(frame);
  await until('the replies', () => eve.of('reply').length === 5);
  await call('/api/rooms', { user: null });
  await call('/api/nothing');
  await call('/nothing');
  await call('/api/rooms', { method: 'DELETE' });
  await call('/api/tasks/%zz/events');
  await call('/api/rooms?limit=x');
  await call('/api/tasks/t/messages', { user: 'eve' });
  await call('/api/tasks/t/send-message', { body: { content: 'x'.repeat(70000) } });
  await raw(head('POST', '/api/tasks/t/read'), 1);
  await raw('nonsense\r\n\r\n', 1);
  await raw(head('GET', '/ws'), 1);
  const after = await counts();
  const grown = Object.fromEntries(Object.entries(after).map(([code, n]) => [code, n - before[code]]).filter(([, n]) => n > 0));
  assert.deepEqual(grown, { unauthenticated: 1, forbidden: 2, not_found: 2, bad_request: 7, too_large: 1, method_not_allowed: 1, length_required: 1, unknown_type: 1 });
});

test('health and metrics', async () => {
  assert.equal((await fetch(`http://127.0.0.1:${admin}/readyz`)).status, 200);
  assert.equal((await fetch(`http://127.0.0.1:${admin}/healthz`)).status, 200);
  assert.equal((await fetch(`${base}/metrics`)).status, 404);
  assert.equal((await fetch(`http://127.0.0.1:${admin}/api/rooms`)).status, 404);
  const answer = await fetch(`http://127.0.0.1:${admin}/metrics`);
  assert.match(answer.headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
  const declared = new Set();
  for (const line of (await answer.text()).trimEnd().split('\n')) {
    const [, name] = /^# TYPE (\S+) (?:counter|gauge|histogram)$/.exec(line) ?? [];
    if (name) {
      assert.ok(!declared.has(name), name);
      declared.add(name);
    } else if (!line.startsWith('# HELP ')) {
      assert.match(line, /^[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+$/);
      assert.ok(declared.has(/^[a-z_]+/.exec(line)[0].replace(/_(bucket|sum|count)$/, '')), line);
    }
  }
  for (const name of ['connections', 'rooms', 'messages_total', 'queue_bytes', 'database_up', 'closed_total', 'frames_dropped_total', 'command_duration_seconds'])
    assert.ok(declared.has(`taskchat_${name}`), name);
});
