// What happened, as it happened: the raw frames of every connection, every
// write with its outcome, and at the end what the tables hold. The checker
// reads nothing else. A history is plain data: JSON there and back is the same.
//
//   { connections: [{ reader, user, opened, closed, code, held: { key: { position, epoch, members } }, log: [{ at, out? , in? }] }],
//     writes: [{ value, writer, room, via, invoked, done, outcome, seq }],
//     rooms: { key: { first_seq, last_seq, members: [user], line: [{ seq, type, id, content, user_id }],
//       cursors: { user: { read, delivered } } } },
//     online: { user: whether },
//     finals: [{ where, compare: { what: [found, expected] } }] }
//
// `log` has what went out and what came in, in one order. A write's outcome is
// `ok` (acknowledged), `failed` (refused for certain) or `unknown`.
// Times are milliseconds of one monotonic clock.
//
// A long run is judged in pieces, so that what is remembered stays bounded:
// cut() gives the history so far and begins another. `held` is what a
// connection that goes on had then, `members` who was in the room before
// first_seq.

export const roomKey = (frame) => `${frame.task_id}/${frame.applicant_id ?? ''}`;

const now = () => Math.round(performance.now() * 1000) / 1000;

export class History {
  constructor() {
    this.records = new Set(); // of connections that are open
    this.begin();
  }

  begin() {
    this.connections = [];
    this.writes = [];
    this.rooms = {};
    this.finals = [];
    this.online = {};
  }

  connection(reader, user) {
    const record = {
      begin: (held) => {
        record.connection = { reader, user, opened: now(), closed: null, code: null, held, log: [] };
        this.connections.push(record.connection);
      },
      sent: (frame) => record.connection.log.push({ at: now(), out: frame }),
      received: (frame) => record.connection.log.push({ at: now(), in: frame }),
      ended: (code) => {
        Object.assign(record.connection, { closed: now(), code });
        this.records.delete(record);
      },
    };
    record.begin({});
    this.records.add(record);
    return record;
  }

  // held: gives by reader's name what it has of its rooms. Nothing may be under way.
  cut(held) {
    const { connections, writes, rooms, finals, online } = this;
    this.begin();
    for (const record of this.records) record.begin(held(record.connection.reader));
    return { connections, writes, rooms, finals, online };
  }

  write(writer, room, via, value) {
    const write = { value, writer, room, via, invoked: now(), done: null, outcome: 'unknown', seq: null };
    this.writes.push(write);
    return {
      ok: (seq) => Object.assign(write, { outcome: 'ok', done: now(), seq }),
      failed: () => Object.assign(write, { outcome: 'failed', done: now() }),
    };
  }
}
