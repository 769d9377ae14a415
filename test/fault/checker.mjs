// Reads a history (history.mjs) and says what in it breaks a promise of the
// protocol text. Pure: no network, no clock. Each anomaly is
// { kind, where, what }; an empty list is a history without fault.
import { roomKey } from './history.mjs';

// Every acknowledged message is in the table once, under the seq that its
// writer was told; a refused one is not there; an unanswered one at most once.
function checkWrites(history, report) {
  const stored = new Map();
  for (const [key, room] of Object.entries(history.rooms)) {
    for (const event of room.line) {
      if (event.type !== 'message_received') continue;
      const places = stored.get(event.content) ?? [];
      places.push({ key, seq: event.seq });
      stored.set(event.content, places);
    }
  }
  for (const write of history.writes) {
    const places = stored.get(write.value) ?? [];
    if (places.length > 1) report('stored twice', write.room, write.value);
    if (write.outcome === 'ok' && places.length === 0) report('lost', write.room, write.value);
    if (write.outcome === 'failed' && places.length > 0) report('refused but stored', write.room, write.value);
    if (write.outcome === 'ok' && places.length === 1 && write.seq !== null && places[0].seq !== write.seq)
      report('told another seq', write.room, `${write.value}: told ${write.seq}, stored as ${places[0].seq}`);
    if (places.some((place) => place.key !== write.room)) report('stored elsewhere', write.room, write.value);
  }
}

// The table's own line: first_seq … last_seq, none missing.
function checkTables(history, report) {
  for (const [key, room] of Object.entries(history.rooms)) {
    let expected = room.first_seq;
    for (const event of room.line) {
      if (event.seq !== expected) report('gap in the table', key, `${expected} is missing before ${event.seq}`);
      expected = event.seq + 1;
    }
    if (expected !== room.last_seq + 1) report('counter apart from the line', key, `last_seq ${room.last_seq}, line ends at ${expected - 1}`);
  }
}

// A write that was acknowledged before another one began has the lower seq.
function checkRealTime(history, report) {
  const byRoom = new Map();
  for (const write of history.writes) byRoom.set(write.room, [...(byRoom.get(write.room) ?? []), write]);
  for (const [key, writes] of byRoom) {
    const acknowledged = writes.filter((write) => write.outcome === 'ok' && write.seq !== null);
    const ends = [...acknowledged].sort((a, b) => a.done - b.done);
    let highest = null;
    let next = 0;
    for (const write of [...acknowledged].sort((a, b) => a.invoked - b.invoked)) {
      for (; next < ends.length && ends[next].done < write.invoked; next++)
        if (highest === null || ends[next].seq > highest.seq) highest = ends[next];
      if (highest !== null && highest.seq > write.seq)
        report('seq order is not commit order', key, `${highest.value} (${highest.seq}) was done before ${write.value} (${write.seq}) began`);
    }
  }
}

// Who is a member at each seq, by the line's own events.
function memberships(room) {
  const spans = new Map((room.members ?? []).map((user) => [user, [{ from: 0, to: Infinity }]]));
  for (const event of room.line) {
    if (event.type === 'member_joined') {
      const list = spans.get(event.user_id) ?? [];
      list.push({ from: event.seq, to: Infinity });
      spans.set(event.user_id, list);
    } else if (event.type === 'member_left') {
      const open = spans.get(event.user_id)?.at(-1);
      if (open) open.to = event.seq;
    }
  }
  return spans;
}

const sameEvent = (frame, event) =>
  frame.type === event.type && (event.id === undefined || frame.message?.id === event.id) &&
  (event.content === undefined || frame.message?.content === event.content) &&
  (event.user_id === undefined || frame.user_id === event.user_id);

// One reader's view of one room, through all its connections.
class View {
  constructor(history, key, reader, report) {
    this.room = history.rooms[key];
    this.spans = this.room ? memberships(this.room) : new Map();
    this.where = `${reader.reader} in ${key}`;
    this.user = reader.user;
    this.key = key;
    this.report = report;
    this.position = null; // the last seq that the reader holds
    this.epoch = null;
    this.live = null; // the next live seq on this connection; null: not joined
    this.members = new Map(); // what this connection was told of each: { is_online, last_read_seq, last_delivered_seq }
  }

  // State of one member, whole or in part.
  told({ user_id, is_online, last_read_seq, last_delivered_seq }) {
    const parts = Object.entries({ is_online, last_read_seq, last_delivered_seq }).filter(([, value]) => value !== undefined);
    this.members.set(user_id, { ...this.members.get(user_id), ...Object.fromEntries(parts) });
  }

  toldAll(members) {
    this.members.clear();
    for (const member of members) this.told(member);
  }

  say(kind, what) {
    this.report(kind, this.where, what);
  }

  isMember(seq) {
    return (this.spans.get(this.user) ?? []).some((span) => seq >= span.from && seq <= span.to);
  }

  compare(frame) {
    if (!this.room || frame.seq < this.room.first_seq) return;
    const event = this.room.line[frame.seq - this.room.first_seq];
    if (!event) this.say('not in the table', `seq ${frame.seq} (${frame.type})`);
    else if (!sameEvent(frame, event)) this.say('other than the table', `seq ${frame.seq}: ${frame.type} ${frame.message?.content ?? frame.user_id ?? ''}, table ${event.type} ${event.content ?? event.user_id ?? ''}`);
  }

  // Joined already when the history began.
  carried({ position, epoch, members }) {
    Object.assign(this, { position, epoch, live: position + 1 });
    this.toldAll(members ?? []);
  }

  // A snapshot: what was asked for, and what came.
  joined(asked, data) {
    if (this.room && !this.isMember(data.last_seq)) this.say('told to a non-member', `joined at ${data.last_seq}`);
    const resumed = asked.after_seq !== undefined && !data.reset;
    if (asked.after_seq !== undefined && data.reset && data.epoch === asked.epoch && asked.after_seq <= data.last_seq && asked.after_seq >= data.first_seq - 1)
      this.say('needless reset', `after ${asked.after_seq}, epoch the same`);
    if (resumed && data.epoch !== asked.epoch) this.say('epoch changed without reset', `${asked.epoch} → ${data.epoch}`);
    let expected = resumed ? asked.after_seq + 1 : (data.events[0]?.seq ?? data.last_seq + 1);
    if (!resumed && data.events.length === 0 && data.last_seq >= data.first_seq) this.say('missing', 'a snapshot without events');
    for (const frame of data.events) {
      this.inOrder(frame, expected, 'replay');
      expected = frame.seq + 1;
    }
    if (data.complete && expected !== data.last_seq + 1) this.say('missing', `the replay ends at ${expected - 1}, last_seq is ${data.last_seq}`);
    this.position = expected - 1;
    this.epoch = data.epoch;
    this.live = data.last_seq + 1;
    this.toldAll(data.members ?? []);
  }

  // A page after an incomplete snapshot.
  paged(asked, data) {
    let expected = asked.after_seq + 1;
    for (const frame of data.events) {
      this.inOrder(frame, expected, 'page');
      expected = frame.seq + 1;
    }
    if (this.position !== null && asked.after_seq <= this.position) this.position = Math.max(this.position, expected - 1);
  }

  inOrder(frame, expected, part) {
    if (frame.seq < expected) this.say('twice', `seq ${frame.seq} again in the ${part}`);
    else if (frame.seq > expected) this.say('missing', `${part} goes from ${expected - 1} to ${frame.seq}`);
    this.compare(frame);
  }

  event(frame) {
    if (this.live === null) {
      this.say('after leaving', `seq ${frame.seq}`);
      return;
    }
    this.inOrder(frame, this.live, 'live line');
    if (this.room && frame.seq >= this.room.first_seq && !this.isMember(frame.seq)) this.say('told to a non-member', `seq ${frame.seq}`);
    if (this.position === this.live - 1) this.position = frame.seq;
    this.live = Math.max(this.live, frame.seq + 1);
    if (frame.type === 'member_left') this.members.delete(frame.user_id);
  }

  // Sits in the room still: what it was told of the members last must be so.
  ends(online) {
    for (const [user, cursors] of Object.entries(this.room.cursors ?? {})) {
      const told = this.members.get(user);
      const say = (what, found, expected) => {
        if (found !== expected) this.say('did not converge', `${what} of ${user}: ${found}, is ${expected}`);
      };
      if (user in online) say('presence', told?.is_online ?? false, online[user]);
      say('read', told?.last_read_seq ?? 0, cursors.read);
      say('delivered', told?.last_delivered_seq ?? 0, cursors.delivered);
    }
  }

  gone() {
    this.live = null;
  }
}

const DURABLE = new Set(['message_received', 'message_edited', 'message_deleted', 'member_joined', 'member_left',
  'member_role_changed', 'task_update', 'room_closed', 'room_opened']);

const STATE = new Set(['user_presence', 'message_read', 'message_delivered']);

function readReply(asked, reply, view) {
  if (!reply.ok) return;
  if (asked.type === 'join_task_room') view(roomKey(reply.data)).joined(asked, reply.data);
  else if (asked.type === 'join_task_rooms') {
    reply.data.rooms.forEach((data, i) => {
      if (!data.error) view(roomKey(data)).joined(asked.rooms[i], data);
    });
  } else if (asked.type === 'get_events') view(roomKey(asked)).paged(asked, reply.data);
  else if (asked.type === 'leave_task_room') view(roomKey(asked)).gone();
}

function checkConnection(connection, view) {
  const asked = new Map();
  for (const { out, in: frame } of connection.log) {
    if (out?.ref !== undefined) asked.set(out.ref, out);
    if (!frame) continue;
    if (frame.type === 'reply') {
      if (asked.has(frame.ref)) readReply(asked.get(frame.ref), frame, view);
    } else if (DURABLE.has(frame.type)) view(roomKey(frame)).event(frame);
    else if (frame.type === 'removed_from_room') view(roomKey(frame)).gone();
    else if (frame.type === 'room_state') view(roomKey(frame)).toldAll(frame.members);
    else if (STATE.has(frame.type)) view(roomKey(frame)).told(frame);
  }
}

// Every reader: contiguous, in order, once; the same as the table; nothing to
// strangers; and at the end, whoever still sits in a room holds all of it, and
// knows who is there and how far they have read.
function checkReaders(history, report) {
  const readers = new Map();
  for (const connection of history.connections) {
    const list = readers.get(connection.reader) ?? [];
    list.push(connection);
    readers.set(connection.reader, list);
  }
  for (const [name, connections] of readers) {
    const views = new Map();
    const view = (key) => {
      if (!views.has(key)) views.set(key, new View(history, key, { reader: name, user: connections[0].user }, report));
      return views.get(key);
    };
    for (const connection of connections) {
      for (const one of views.values()) one.gone();
      for (const [key, held] of Object.entries(connection.held ?? {})) view(key).carried(held);
      checkConnection(connection, view);
    }
    if (connections.at(-1).closed !== null) continue;
    for (const one of views.values())
      if (one.live !== null && one.room && one.position !== one.room.last_seq)
        report('missing', one.where, `holds up to ${one.position}, the room has ${one.room.last_seq}`);
    for (const one of views.values()) if (one.live !== null && one.room) one.ends(history.online ?? {});
  }
}

/*
 * Takes a history that is being made; whether everybody who sits in a room was
 * told how its members are.
 */
export function converged(history) {
  let good = true;
  checkReaders(history, (kind) => { good &&= kind !== 'did not converge'; });
  return good;
}

function checkFinals(history, report) {
  for (const final of history.finals)
    for (const [what, [found, expected]] of Object.entries(final.compare))
      if (JSON.stringify(found) !== JSON.stringify(expected))
        report('did not converge', final.where, `${what}: ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`);
}

/*
 * Takes a history; gives the list of anomalies, in no particular order.
 */
export function check(history) {
  const anomalies = [];
  const report = (kind, where, what) => anomalies.push({ kind, where, what });
  checkTables(history, report);
  checkWrites(history, report);
  checkRealTime(history, report);
  checkReaders(history, report);
  checkFinals(history, report);
  return anomalies;
}

// Counts by kind, for people.
export function summary(anomalies) {
  const counts = {};
  for (const { kind } of anomalies) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}
