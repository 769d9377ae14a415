// A conversation over the real relay: log-in, rooms, messages, errors.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { World, freePort, sleep, token, until } from './world.mjs';

let world;
before(async () => {
  world = await World.open({ 'presence-grace': '200ms', 'typing-timeout': '500ms', 'auth-timeout': '60s' });
  await world.startRelay();
});
after(() => world.close());

test('two members talk: reply, event, order, read mark, typing', async () => {
  await world.task('talk', 'ben');
  const ada = await world.login('ada');
  const ben = await world.login('ben');
  const snapshot = await ada.good({ type: 'join_task_room', task_id: 'talk' });
  assert.equal(snapshot.role, 'creator');
  assert.equal(snapshot.last_seq, 2);
  assert.deepEqual(snapshot.events.map((e) => e.type), ['member_joined', 'member_joined']);
  await ben.good({ type: 'join_task_room', task_id: 'talk' });
  ben.send({ type: 'typing_indicator', task_id: 'talk', is_typing: true });
  await ada.event('typing_indicator', (e) => e.user_id === 'ben' && e.is_typing);
  const { message, duplicate } = await ben.good({ type: 'send_message', task_id: 'talk', content: 'hello', client_msg_id: 'm1' });
  assert.equal(duplicate, false);
  const event = await ada.event('message_received');
  assert.deepEqual(event.message, message);
  assert.equal(event.seq, 3);
  await ben.event('message_received', (e) => e.message.id === message.id);
  await ada.event('typing_indicator', (e) => e.user_id === 'ben' && !e.is_typing);
  assert.equal(ben.of('typing_indicator').length, 0);
  const again = await ben.good({ type: 'send_message', task_id: 'talk', content: 'other', client_msg_id: 'm1' });
  assert.equal(again.duplicate, true);
  assert.equal(again.message.id, message.id);
  assert.deepEqual(await ada.good({ type: 'mark_read', task_id: 'talk', seq: 3 }), { last_read_seq: 3 });
  await ben.event('message_read', (e) => e.user_id === 'ada' && e.last_read_seq === 3);
  ben.send({ type: 'ack', task_id: 'talk', seq: 3 });
  await ada.event('message_delivered', (e) => e.user_id === 'ben' && e.last_delivered_seq === 3);
  assert.equal(ada.of('message_received').length, 1);
});

test('what SQL writes reaches the sockets, and typing ends by itself', async () => {
  await world.task('sql', 'ben');
  const ada = await world.login('ada');
  await ada.good({ type: 'join_task_room', task_id: 'sql' });
  await world.as('ben', "SELECT taskchat.send_message('sql', 'from SQL')");
  await world.as('ben', "INSERT INTO taskchat.task_messages (task_id, content) VALUES ('sql', 'plain INSERT')");
  await world.sql("SELECT taskchat.send_system_message('sql', 'system')");
  await world.sql(`SELECT taskchat.publish_task_update('sql', '{"status": {"old": "a", "new": "b"}}')`);
  await ada.event('task_update', (e) => e.changes.status.new === 'b');
  assert.deepEqual(ada.of('message_received').map((e) => e.message.content), ['from SQL', 'plain INSERT', 'system']);
  const ben = await world.login('ben');
  await ben.good({ type: 'join_task_room', task_id: 'sql' });
  ben.send({ type: 'typing_indicator', task_id: 'sql', is_typing: true });
  await ada.event('typing_indicator', (e) => e.is_typing);
  await ada.event('typing_indicator', (e) => !e.is_typing);
});

test('who joins hears of cursors only that have moved', async () => {
  await world.task('moved', 'ben');
  const [ada, ben] = [await world.login('ada'), await world.login('ben')];
  for (const client of [ada, ben]) await client.good({ type: 'join_task_room', task_id: 'moved' });
  await ben.good({ type: 'ack', task_id: 'moved', seq: 2 });
  await ada.event('message_delivered', (e) => e.user_id === 'ben');
  const late = await world.login('ada');
  await late.good({ type: 'join_task_room', task_id: 'moved' });
  await late.event('message_delivered', (e) => e.user_id === 'ben');
  assert.deepEqual(late.of('message_read'), []);
});

test('history and the line in pages', async () => {
  await world.task('pages', 'ben');
  for (let i = 1; i <= 5; i++) await world.as('ben', 'SELECT taskchat.send_message($1, $2)', ['pages', `m${i}`]);
  const ada = await world.login('ada');
  const page = await ada.good({ type: 'get_messages', task_id: 'pages', limit: 2 });
  assert.deepEqual(page.messages.map((m) => m.content), ['m5', 'm4']);
  assert.equal(page.has_more, true);
  const rest = await ada.good({ type: 'get_messages', task_id: 'pages', before_seq: page.messages[1].seq });
  assert.deepEqual(rest.messages.map((m) => m.content), ['m3', 'm2', 'm1']);
  assert.equal(rest.has_more, false);
  const line = await ada.good({ type: 'get_events', task_id: 'pages', after_seq: 2, limit: 3 });
  assert.deepEqual(line.events.map((e) => e.seq), [3, 4, 5]);
  assert.equal(line.has_more, true);
});

test('a resume brings exactly what was missed, or says reset', async () => {
  await world.task('resume', 'ben');
  const ada = await world.login('ada');
  const first = await ada.good({ type: 'join_task_room', task_id: 'resume' });
  await ada.good({ type: 'leave_task_room', task_id: 'resume' });
  await world.as('ben', "SELECT taskchat.send_message('resume', 'missed')");
  const second = await ada.good({ type: 'join_task_room', task_id: 'resume', after_seq: first.last_seq, epoch: first.epoch });
  assert.deepEqual(second.events.map((e) => e.message.content), ['missed']);
  assert.equal(second.reset, false);
  assert.equal(second.complete, true);
  assert.equal((await ada.good({ type: 'join_task_room', task_id: 'resume', after_seq: 99 })).reset, true);
  assert.equal((await ada.good({ type: 'join_task_room', task_id: 'resume', after_seq: 1, epoch: 'other' })).reset, true);
  const many = await ada.good({ type: 'join_task_rooms', rooms: [{ task_id: 'resume', after_seq: 2 }, { task_id: 'nothing' }] });
  assert.deepEqual(many.rooms[0].events.map((e) => e.seq), [3]);
  assert.equal(many.rooms[1].error.code, 'forbidden');
  assert.equal(ada.of('message_received').length, 0);
});

test('a stranger gets nothing, and a removed member nothing more', async () => {
  await world.task('closed-circle', 'ben');
  const eve = await world.login('eve');
  for (const type of ['join_task_room', 'get_messages', 'get_events'])
    await eve.bad({ type, task_id: 'closed-circle' }, 'forbidden');
  await eve.bad({ type: 'send_message', task_id: 'closed-circle', content: 'x' }, 'forbidden');
  await eve.bad({ type: 'join_task_room', task_id: 'no-such-task' }, 'forbidden');
  const ben = await world.login('ben');
  await ben.good({ type: 'join_task_room', task_id: 'closed-circle' });
  await world.sql("SELECT taskchat.remove_member('closed-circle', 'ben')");
  await ben.event('removed_from_room', (e) => e.reason === 'removed');
  await world.sql("SELECT taskchat.send_system_message('closed-circle', 'secret')");
  await sleep(300);
  assert.deepEqual(ben.frames.filter((f) => f.task_id === 'closed-circle').slice(-2).map((f) => f.type), ['member_left', 'removed_from_room']);
  assert.equal(eve.frames.filter((f) => f.type !== 'reply' && f.type !== 'welcome').length, 0);
});

test('presence follows connections, a reload does not blink', async () => {
  await world.task('presence', 'pia');
  const ada = await world.login('ada');
  await ada.good({ type: 'join_task_room', task_id: 'presence' });
  const ben = await world.login('pia');
  await ada.event('user_presence', (e) => e.user_id === 'pia' && e.is_online);
  ben.socket.close();
  await ada.event('user_presence', (e) => e.user_id === 'pia' && !e.is_online);
  const asked = await ada.good({ type: 'user_presence', user_ids: ['pia', 'eve'] });
  assert.deepEqual(asked.presence.map((p) => [p.user_id, p.is_online]), [['pia', false]]);
});

test('a personal notification reaches every connection of the user', async () => {
  const one = await world.login('ned');
  const two = await world.login('ned');
  await world.sql(`SELECT taskchat.notify_user('ned', 'payment', '{"amount": 5}')`);
  for (const client of [one, two]) assert.deepEqual((await client.event('notification')).payload, { amount: 5 });
});

test('applicants have a conversation of their own', async () => {
  await world.task('apply', 'ben');
  await world.sql("SELECT taskchat.add_member('apply', 'zoe', 'applicant')");
  const zoe = await world.login('zoe');
  const joined = await zoe.good({ type: 'join_task_room', task_id: 'apply' });
  assert.equal(joined.applicant_id, 'zoe');
  const ada = await world.login('ada');
  await ada.good({ type: 'join_task_room', task_id: 'apply', applicant_id: 'zoe' });
  await zoe.good({ type: 'send_message', task_id: 'apply', content: 'May I?' });
  const event = await ada.event('message_received');
  assert.equal(event.applicant_id, 'zoe');
  const ben = await world.login('ben');
  await ben.bad({ type: 'get_messages', task_id: 'apply', applicant_id: 'zoe' }, 'forbidden');
});

test('log-in by first frame, by ticket once, renewal, and refusals', async () => {
  await world.task('login');
  const first = world.client(null);
  await first.opened();
  await first.bad({ type: 'join_task_room', task_id: 'login' }, 'unauthenticated');
  await first.good({ type: 'authenticate', token: token('ada') });
  await first.event('welcome', (w) => w.user_id === 'ada');
  await first.good({ type: 'authenticate', token: token('ada', { expires: 7200 }) });
  await first.bad({ type: 'authenticate', token: token('eve') }, 'forbidden');
  assert.equal(first.closed, null);
  const [{ ticket }] = await world.sql("SELECT taskchat.create_ticket('ada') AS ticket");
  const second = world.client(null);
  await second.opened();
  await second.good({ type: 'authenticate', ticket });
  for (const frame of [{ type: 'authenticate', ticket }, { type: 'authenticate', token: token('ada', { expires: -3600 }) },
    { type: 'authenticate', token: token('ada', { key: 'x'.repeat(32) }) }, { type: 'authenticate', token: 'rubbish' }]) {
    const client = world.client(null);
    await client.opened();
    await client.bad(frame, 'unauthenticated');
    await until('the close', () => client.closed);
    assert.equal(client.closed, 4401);
  }
  const strict = await freePort();
  await world.startRelay({ 'auth-timeout': '800ms' }, strict);
  const silent = world.client(null, { port: strict });
  await until('the time-out', () => silent.closed);
  assert.equal(silent.closed, 4401);
  const url = world.client(null, { query: `?token=${token('ada')}` });
  await until('the refusal', () => url.error);
  const origin = world.client('ada', { headers: { origin: 'http://evil.example' } });
  await until('the refusal', () => origin.error);
  assert.match(origin.error.message, /403/);
});

test('bad frames get a clear error and cost nobody else anything', async () => {
  await world.task('bad', 'ben');
  const ada = await world.login('ada');
  await ada.good({ type: 'join_task_room', task_id: 'bad' });
  const ben = await world.login('ben');
  const table = [
    [{ type: 'no_such_type' }, 'unknown_type'],
    [{ task_id: 'bad' }, 'bad_request'],
    [{ type: 'join_task_room' }, 'bad_request'],
    [{ type: 'join_task_room', task_id: 7 }, 'bad_request'],
    [{ type: 'send_message', task_id: 'bad' }, 'bad_request'],
    [{ type: 'send_message', task_id: 'bad', content: '' }, 'bad_request'],
    [{ type: 'send_message', task_id: 'bad', content: 7 }, 'bad_request'],
    [{ type: 'send_message', task_id: 'bad', content: 'x'.repeat(16385) }, 'too_large'],
    [{ type: 'send_message', task_id: 'bad', content: 'a\u0000b' }, 'bad_request'],
    [{ type: 'send_message', task_id: 'bad', content: 'x', message_type: 'video' }, 'bad_request'],
    [{ type: 'send_message', task_id: 'bad', content: 'x', message_type: 'image', file_url: 'javascript:alert(1)' }, 'bad_request'],
    [{ type: 'send_message', task_id: 'bad', content: 'x', reply_to: 'no uuid' }, 'bad_request'],
    [{ type: 'mark_read', task_id: 'bad', seq: 'x' }, 'bad_request'],
    [{ type: 'typing_indicator', task_id: 'bad', is_typing: true }, 'not_joined'],
  ];
  for (const [frame, code] of table) {
    if (code === 'bad_request' && JSON.stringify(frame).includes('\\u0000')) {
      ben.send({ ...frame, ref: 'nul' });
      await until('the error', () => ben.frames.find((f) => f.ok === false && /0000/.test(f.error.message)));
    } else await ben.bad(frame, code);
  }
  for (const text of ['{', '[]', 'null', '{"type":"ping",}', "{'type':'ping'}", '{"type":"ping","x":NaN}', '{"type":"ping"} x']) {
    const before = ben.of('reply').length;
    ben.send(text);
    await until('the error', () => ben.of('reply').length > before);
    assert.equal(ben.of('reply').pop().error.code, 'bad_request', text);
  }
  assert.deepEqual(await ben.good({ type: 'ping' }), {});
  const large = await world.login('ben');
  large.send({ type: 'ping', x: 'x'.repeat(70000) });
  await until('the close', () => large.closed);
  assert.equal(large.closed, 1009);
  await ben.good({ type: 'send_message', task_id: 'bad', content: 'still here' });
  await ada.event('message_received', (e) => e.message.content === 'still here');
});
