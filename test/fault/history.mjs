// What happened, as it happened: the raw frames of every connection, every
// write with its outcome, and at the end what the tables hold. The checker
// reads nothing else. A history is plain data: JSON there and back is the same.
//
//   { connections: [{ reader, user, opened, closed, code, log: [{ at, out? , in? }] }],
//     writes: [{ value, writer, room, via, invoked, done, outcome, seq }],
//     rooms: { key: { first_seq, last_seq, epochs: [], line: [{ seq, type, id, content, user_id }] } },
//     finals: [{ where, compare: { what: [found, expected] } }] }
//
// `log` has what went out and what came in, in one order. A write's outcome is
// `ok` (acknowledged), `failed` (refused for certain) or `unknown`.
// Times are milliseconds of one monotonic clock.

export const roomKey = (frame) => `${frame.task_id}/${frame.applicant_id ?? ''}`;

const now = () => Math.round(performance.now() * 1000) / 1000;

export class History {
  constructor() {
    this.connections = [];
    this.writes = [];
    this.rooms = {};
    this.finals = [];
  }

  connection(reader, user) {
    const connection = { reader, user, opened: now(), closed: null, code: null, log: [] };
    this.connections.push(connection);
    return {
      sent: (frame) => connection.log.push({ at: now(), out: frame }),
      received: (frame) => connection.log.push({ at: now(), in: frame }),
      ended: (code) => {
        connection.closed = now();
        connection.code = code;
      },
    };
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
