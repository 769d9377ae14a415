// The checker must be able to fail: a good history passes, and each planted
// anomaly is found under its name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { check, converged } from './checker.mjs';
import { unexplainedEnds } from './health.mjs';

const message = (seq, content) => ({ type: 'message_received', task_id: 't', applicant_id: null, seq, message: { id: `id-${seq}`, seq, content } });
const member = (seq, type, user_id) => ({ type, task_id: 't', applicant_id: null, seq, user_id, role: 'worker' });
const LINE = [member(1, 'member_joined', 'ada'), member(2, 'member_joined', 'ben'), message(3, 'a'), message(4, 'b'), message(5, 'c'),
  message(6, 'd'), member(7, 'member_left', 'ben'), message(8, 'e')];
const snapshot = (events, rest = {}) => ({ task_id: 't', applicant_id: null, first_seq: 1, last_seq: events.at(-1)?.seq ?? 0, epoch: 'e1', events, complete: true, reset: false, ...rest });
const stored = (event) => ({ seq: event.seq, type: event.type, id: event.message?.id, content: event.message?.content, user_id: event.user_id });
const state = (type, rest) => ({ at: 8, in: { type, task_id: 't', applicant_id: null, user_id: 'ada', ...rest } });
const reply = (ref, data) => ({ at: 0, in: { type: 'reply', ref, ok: true, data } });

// Ada stays with one break after seq 5; Ben is removed at 7.
function good() {
  return structuredClone({
    connections: [
      { reader: 'ada-1', user: 'ada', opened: 0, closed: 5, code: 1006, log: [
        { at: 0, out: { type: 'join_task_room', task_id: 't', ref: 1 } }, reply(1, snapshot(LINE.slice(0, 3))),
        { at: 1, in: LINE[3] }, { at: 2, in: LINE[4] }] },
      { reader: 'ben-1', user: 'ben', opened: 0, closed: null, code: null, log: [
        { at: 0, out: { type: 'join_task_room', task_id: 't', ref: 1 } }, reply(1, snapshot(LINE.slice(0, 2))),
        ...LINE.slice(2, 7).map((event) => ({ at: 3, in: event })),
        { at: 4, in: { type: 'removed_from_room', task_id: 't', applicant_id: null, reason: 'removed' } }] },
      { reader: 'ada-1', user: 'ada', opened: 6, closed: null, code: null, log: [
        { at: 6, out: { type: 'join_task_rooms', rooms: [{ task_id: 't', after_seq: 5, epoch: 'e1' }], ref: 1 } },
        reply(1, { rooms: [snapshot(LINE.slice(5, 7), { members: [{ user_id: 'ada', is_online: false, last_read_seq: 5, last_delivered_seq: 0 }] })] }),
        { at: 7, in: LINE[7] }, state('user_presence', { is_online: true }), state('message_delivered', { last_delivered_seq: 8 })] },
    ],
    writes: LINE.filter((event) => event.message).map((event) => ({ value: event.message.content, writer: 'w', room: 't/', via: 'socket',
      invoked: event.seq * 10, done: event.seq * 10 + 5, outcome: 'ok', seq: event.seq })),
    rooms: { 't/': { first_seq: 1, last_seq: 8, line: LINE.map(stored), cursors: { ada: { read: 5, delivered: 8 } } } },
    online: { ada: true },
    finals: [{ where: 'ada', compare: { unread: [0, 0] } }],
  });
}

test('a good history has no anomaly', () => {
  assert.deepEqual(check(good()), []);
});

const planted = {
  lost: (h) => { h.writes.push({ value: 'gone', writer: 'w', room: 't/', via: 'sql', invoked: 900, done: 901, outcome: 'ok', seq: 9 }); },
  'stored twice': (h) => { h.rooms['t/'].line[4].content = 'a'; },
  'refused but stored': (h) => { Object.assign(h.writes[0], { outcome: 'failed' }); },
  'told another seq': (h) => { h.writes[2].seq = 4; },
  'gap in the table': (h) => { h.rooms['t/'].line.splice(5, 1); },
  'counter apart from the line': (h) => { h.rooms['t/'].last_seq = 9; },
  'seq order is not commit order': (h) => { h.writes[1].invoked = 70; h.writes[1].done = 71; h.writes[3].done = 69; },
  twice: (h) => { h.connections[1].log.splice(4, 0, structuredClone(h.connections[1].log[3])); },
  missing: (h) => { h.connections[1].log.splice(3, 1); },
  'other than the table': (h) => { h.connections[0].log[2].in.message.content = 'x'; },
  'not in the table': (h) => { h.connections[2].log.push({ at: 8, in: message(9, 'phantom') }); },
  'told to a non-member': (h) => { h.connections[1].log.splice(-1, 1, { at: 5, in: LINE[7] }); },
  'after leaving': (h) => { h.connections[1].log.push({ at: 5, in: LINE[7] }); },
  'needless reset': (h) => { h.connections[2].log[1].in.data.rooms[0].reset = true; },
  'epoch changed without reset': (h) => { h.connections[2].log[1].in.data.rooms[0].epoch = 'e2'; },
  'did not converge': (h) => { h.finals[0].compare.unread = [1, 0]; },
};

for (const [kind, plant] of Object.entries(planted)) {
  test(`finds: ${kind}`, () => {
    const history = good();
    plant(history);
    const found = check(history);
    assert.ok(found.some((anomaly) => anomaly.kind === kind), JSON.stringify(found));
  });
}

// The second half of good(), as a history that begins after seq 4.
function continued() {
  const history = good();
  const [first, ben] = history.connections;
  for (const connection of [first, ben]) connection.held = { 't/': { position: 4, epoch: 'e1' } };
  first.log.splice(0, 3);
  ben.log.splice(0, 4);
  history.writes = history.writes.filter((write) => write.seq > 4);
  Object.assign(history.rooms['t/'], { first_seq: 5, members: ['ada', 'ben'] });
  history.rooms['t/'].line.splice(0, 4);
  return history;
}

test('a history that goes on from another one', () => {
  assert.deepEqual(check(continued()), []);
  const lost = continued();
  lost.connections[1].log.shift();
  assert.ok(check(lost).some((anomaly) => anomaly.kind === 'missing'));
  const stranger = continued();
  stranger.rooms['t/'].members = ['ada'];
  assert.ok(check(stranger).some((anomaly) => anomaly.kind === 'told to a non-member'));
});

test('finds what a resume left out, and what it brought again', () => {
  const short = good();
  short.connections[2].log[1].in.data.rooms[0].events.shift();
  assert.ok(check(short).some((anomaly) => anomaly.kind === 'missing'));
  const long = good();
  long.connections[2].log[1].in.data.rooms[0].events.unshift(LINE[4]);
  assert.ok(check(long).some((anomaly) => anomaly.kind === 'twice'));
});

const stale = {
  presence: (log) => { log.splice(-2, 1); },
  'presence, told by a state of the room': (log) => { log.push({ at: 9, in: { type: 'room_state', task_id: 't', applicant_id: null, members: [{ user_id: 'ada', is_online: false, last_read_seq: 5, last_delivered_seq: 8 }] } }); },
  'the read cursor': (log) => { log.push(state('message_read', { last_read_seq: 4 })); },
  'the delivery cursor': (log) => { log.pop(); },
};
for (const [what, plant] of Object.entries(stale)) {
  test(`finds what is stale at the end: ${what}`, () => {
    const history = good();
    plant(history.connections[2].log);
    assert.deepEqual(check(history).map((anomaly) => anomaly.kind), ['did not converge']);
    assert.equal(converged(history), false);
    assert.equal(converged(good()), true);
  });
}

test('finds a reader who is behind at the end', () => {
  const history = good();
  history.connections[2].log.splice(-3, 1);
  assert.deepEqual(check(history).map((anomaly) => anomaly.kind), ['missing']);
});

test('finds a connection whose end the log does not explain', () => {
  const line = (text) => `2026-01-01T00:00:00.000Z info ${text}\n`;
  const good = [line('server[1]: connected from ::1'), line('server[2]: connected from ::1'), line('session[1]: closed 4409: too slow'), line('server[2]: ended: the connection broke')];
  assert.deepEqual(unexplainedEnds(good.join('')), []);
  assert.equal(unexplainedEnds(good.slice(0, 3).join('')).length, 1);
  assert.equal(unexplainedEnds([...good, line('session[2]: closed 1001: going away')].join('')).length, 1);
  assert.equal(unexplainedEnds(good.join('').replace('session[1]: closed 4409: too slow', 'session[1]: closed 4409: ')).length, 1);
});
