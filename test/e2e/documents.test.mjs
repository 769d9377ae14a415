// The documents for authors of clients: both are valid by their standards, and
// what the relay says has the shapes that they tell.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { Parser } from '@asyncapi/parser';
import { Validator } from '@seriousme/openapi-schema-validator';
import YAML from 'yaml';
import { asyncapi, misfit, openapi } from './shapes.mjs';
import { World, sleep, token } from './world.mjs';

const fits = (schema, value) => assert.equal(misfit(schema, value), null);
const frameFits = (name, value) => fits(`asyncapi#/components/schemas/${name}`, value);

let world;
before(async () => {
  world = await World.open({ 'typing-timeout': '500ms', 'presence-grace': '200ms' });
  await world.startRelay();
  await world.task('doc', 'ben');
});
after(() => world.close());

test('asyncapi.yaml is AsyncAPI 3', async () => {
  const { document, diagnostics } = await new Parser().parse(asyncapi);
  assert.deepEqual(diagnostics.filter((d) => d.severity === 0).map((d) => `${d.path.join('.')}: ${d.message}`), []);
  assert.equal(document.version(), '3.0.0');
});

test('openapi.yaml is OpenAPI 3.1', async () => {
  const { valid, errors } = await new Validator().validate(YAML.parse(openapi));
  assert.ok(valid, JSON.stringify(errors));
});

test('every literal frame of PROTOCOL.md has the shape that asyncapi.yaml tells', () => {
  const session = fs.readFileSync(new URL('../../relay/PROTOCOL.md', import.meta.url), 'utf8').split('## A session')[1];
  const lines = [...session.matchAll(/^([<>]) (\{.*\})$/gm)];
  assert.ok(lines.length >= 10);
  for (const [, side, line] of lines) frameFits(side === '>' ? 'ClientFrame' : 'ServerFrame', JSON.parse(line));
});

test('every frame of a conversation has the shape that asyncapi.yaml tells', async () => {
  const ada = await world.login('ada');
  const ben = await world.login('ben');
  // A frame, and the schema of its reply's data.
  const say = async (client, frame, schema) => {
    frameFits('ClientFrame', frame);
    const data = await client.good(frame);
    if (schema) frameFits(schema, data);
    return data;
  };
  await say(ben, { type: 'join_task_room', task_id: 'doc' }, 'Snapshot');
  const { message } = await say(ada, { type: 'send_message', task_id: 'doc', content: 'hello', client_msg_id: 'a', metadata: { a: 1 } });
  frameFits('Message', message);
  await ben.event('message_received');
  await say(ada, { type: 'join_task_room', task_id: 'doc', after_seq: 1 }, 'Snapshot');
  await say(ben, { type: 'typing_indicator', task_id: 'doc', is_typing: true });
  await ada.event('typing_indicator');
  await say(ben, { type: 'mark_read', task_id: 'doc', seq: 3 });
  await say(ben, { type: 'ack', task_id: 'doc', seq: 3 });
  await ada.event('message_read');
  await say(ada, { type: 'edit_message', message_id: message.id, content: 'hello again' });
  await say(ada, { type: 'delete_message', message_id: message.id });
  await ben.event('message_deleted');
  await say(ada, { type: 'get_messages', task_id: 'doc', limit: 5 }).then(({ messages }) => messages.forEach((m) => frameFits('Message', m)));
  await say(ada, { type: 'get_events', task_id: 'doc', after_seq: 0 }).then(({ events }) => events.forEach((e) => frameFits('DurableEvent', e)));
  await say(ada, { type: 'get_rooms' });
  await say(ada, { type: 'user_presence', user_ids: ['ben'] });
  await world.sql(`SELECT taskchat.publish_task_update('doc', '{"status": {"old": 1, "new": 2}}'), taskchat.notify_user('ada', 'payment', '{}'), taskchat.close_room('doc')`);
  await ada.event('room_closed');
  await ada.event('notification');
  await ada.bad({ type: 'send_message', task_id: 'doc', content: 'late' }, 'room_closed');
  await ada.bad({ type: 'no_such' }, 'unknown_type');
  await world.sql("SELECT taskchat.reopen_room('doc'), taskchat.remove_member('doc', 'ben')");
  await ben.event('removed_from_room');
  await sleep(500);
  for (const client of [ada, ben]) for (const frame of client.frames) frameFits('ServerFrame', frame);
  const seen = new Set([...ada.frames, ...ben.frames].map((f) => f.type));
  for (const type of ['welcome', 'reply', 'message_received', 'message_edited', 'message_deleted', 'member_left', 'task_update', 'room_closed', 'room_opened', 'message_read', 'typing_indicator', 'notification', 'removed_from_room'])
    assert.ok(seen.has(type), `${type} was not seen`);
});

test('every answer over HTTP has the shape that openapi.yaml tells', async () => {
  const document = YAML.parse(openapi);
  const pointer = (path) => path.replaceAll('~', '~0').replaceAll('/', '~1');
  const ask = async (method, route, path, body) => {
    const response = await fetch(`http://127.0.0.1:${world.port}${path}`, { method, headers: { authorization: `Bearer ${token('ada')}`, 'content-type': 'application/json' }, body: body && JSON.stringify(body) });
    const { responses } = document.paths[route][method.toLowerCase()];
    const named = responses[response.status] ?? responses.default;
    assert.ok(named, `${method} ${path}: ${response.status}`);
    const answer = await response.json();
    const base = named.$ref ?? `#/paths/${pointer(route)}/${method.toLowerCase()}/responses/${responses[response.status] ? response.status : 'default'}`;
    fits(`openapi${base}/content/application~1json/schema`, answer);
    return { status: response.status, answer };
  };
  const sent = await ask('POST', '/api/tasks/{task_id}/send-message', '/api/tasks/doc/send-message', { content: 'by HTTP', client_msg_id: 'h' });
  assert.equal(sent.status, 201);
  frameFits('Message', sent.answer.message);
  assert.equal((await ask('POST', '/api/tasks/{task_id}/send-message', '/api/tasks/doc/send-message', { content: 'by HTTP', client_msg_id: 'h' })).status, 200);
  (await ask('GET', '/api/tasks/{task_id}/messages', '/api/tasks/doc/messages?limit=3')).answer.messages.forEach((m) => frameFits('Message', m));
  (await ask('GET', '/api/tasks/{task_id}/events', '/api/tasks/doc/events?after_seq=0')).answer.events.forEach((e) => frameFits('DurableEvent', e));
  await ask('POST', '/api/tasks/{task_id}/read', '/api/tasks/doc/read', { seq: 2 });
  await ask('GET', '/api/rooms', '/api/rooms?limit=1');
  await ask('GET', '/api/user/presence', '/api/user/presence?user_id=ben');
  await ask('POST', '/api/user/presence', '/api/user/presence', { is_online: true, current_task_id: 'doc' });
  assert.equal((await ask('GET', '/api/tasks/{task_id}/messages', '/api/tasks/none/messages')).status, 403);
});
