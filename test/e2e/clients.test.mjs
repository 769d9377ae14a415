// Clients that others wrote, with nothing but the documentation: Python's
// websockets, npm's ws, curl with its long-poll. (The
// browser has tests of its own.)
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { World, sleep, token, until } from './world.mjs';

let world;
before(async () => {
  world = await World.open();
  await world.startRelay();
});
after(() => world.close());

test("Debian's python3-websockets: log-in, talk, resume", async () => {
  await world.task('python', 'pia');
  const ada = await world.login('ada');
  await ada.good({ type: 'join_task_room', task_id: 'python' });
  const script = path.join(path.dirname(new URL(import.meta.url).pathname), 'clients/talk.py');
  const child = spawn('/usr/bin/python3', ['-I', script, `ws://127.0.0.1:${world.port}/ws`, token('pia'), 'python'], { stdio: ['pipe', 'pipe', 'pipe'] });
  let out = '', errors = '';
  child.stdout.on('data', (data) => { out += data; });
  child.stderr.on('data', (data) => { errors += data; });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  await ada.event('message_received', (e) => e.message.content === 'from Python');
  await ada.good({ type: 'send_message', task_id: 'python', content: 'to Python' });
  await until('Python to be away', () => out.includes('offline') || errors);
  assert.equal(errors, '');
  for (const content of ['missed 1', 'missed 2']) await ada.good({ type: 'send_message', task_id: 'python', content });
  child.stdin.write('\n');
  assert.equal(await ended, 0, errors);
  assert.deepEqual(JSON.parse(out.split('\n')[1]), { user: 'pia', seq: true, duplicate: true, heard: ['to Python', 'missed 1', 'missed 2'], reset: false, protocol: null });
});

test("npm's ws: frames, events, ping, close", async () => {
  await world.task('ws', 'wim');
  const wim = await world.login('wim');
  await wim.good({ type: 'join_task_room', task_id: 'ws' });
  const { message } = await wim.good({ type: 'send_message', task_id: 'ws', content: 'x' });
  await wim.event('message_received', (e) => e.message.id === message.id);
  const pong = new Promise((resolve) => wim.socket.once('pong', resolve));
  wim.socket.ping('p');
  assert.equal((await pong).toString(), 'p');
  wim.socket.close(1000);
  await until('the close', () => wim.closed);
  assert.equal(wim.closed, 1000);
});

const curl = async (who, route, ...more) => {
  const { stdout } = await promisify(execFile)('curl', ['-sS', '-m', '120', '-w', '\n%{http_code}', '-H', `Authorization: Bearer ${token(who)}`, ...more, `http://127.0.0.1:${world.port}${route}`]);
  const [body, status] = stdout.split(/\n(?=\d+$)/);
  return { status: Number(status), body: JSON.parse(body) };
};

test('curl: send, page, read, and a long-poll that answers when there is something', async () => {
  await world.task('curl', 'cora');
  const sent = await curl('cora', '/api/tasks/curl/send-message', '-H', 'Content-Type: application/json', '-d', '{"content":"from curl","client_msg_id":"c1"}');
  assert.equal(sent.status, 201);
  const seq = sent.body.message.seq;
  assert.equal((await curl('cora', '/api/tasks/curl/messages?limit=1')).body.messages[0].content, 'from curl');
  let answered = false;
  const poll = curl('ada', `/api/tasks/curl/events?after_seq=${seq}&wait=30`).then((answer) => { answered = true; return answer; });
  await sleep(700);
  assert.equal(answered, false, 'it must wait');
  await curl('cora', '/api/tasks/curl/send-message', '-d', '{"content":"at last"}');
  const { body } = await poll;
  assert.deepEqual(body.events.map((e) => [e.seq, e.message.content]), [[seq + 1, 'at last']]);
  assert.deepEqual((await curl('ada', '/api/tasks/curl/read', '-d', `{"seq":${seq}}`)).body, { last_read_seq: seq });
  assert.equal((await curl('eve', '/api/tasks/curl/messages')).status, 403);
});
