// Who writes what while things break. Every value is unique. A writer goes on
// until it is stopped, with a pause between two writes; what it is told goes
// into the history: `ok` only where the answer says so, `failed` only where the
// answer excludes that anything was stored.
import { WebSocket, sleep, token } from '../e2e/world.mjs';

// Answers after which the message is certainly not stored.
const CERTAIN = new Set(['forbidden', 'bad_request', 'too_large', 'room_closed', 'rate_limited', 'limit_exceeded', 'unauthenticated', 'not_found', 'conflict']);

class Writer {
  constructor(history, name, room, pause) {
    Object.assign(this, { history, name, room, pause });
    this.n = 0;
    this.stopped = false;
  }

  start() {
    this.stopped = false;
    this.loop = this.run();
    return this;
  }

  // Waits for the write that is under way; start() goes on.
  async rest() {
    this.stopped = true;
    await this.loop;
  }

  async run() {
    while (!this.stopped) {
      const value = `${this.name}-${++this.n}`;
      await this.send(value, this.history.write(this.name, this.key(), this.via, value));
      await sleep(this.pause * (0.5 + Math.random()));
    }
  }

  key() {
    return `${this.room}/`;
  }

  async stop() {
    await this.rest();
    await this.end?.();
  }
}

/*
 * Sends over a socket, again with the same client_msg_id until an answer comes.
 */
export class SocketWriter extends Writer {
  via = 'socket';

  constructor(history, name, room, pause, user, address) {
    super(history, name, room, pause);
    Object.assign(this, { user, address });
  }

  async send(value, write) {
    while (true) {
      const reply = await this.attempt(value);
      if (reply?.ok) return write.ok(reply.data.message.seq);
      if (reply && CERTAIN.has(reply.error.code) && reply.error.code !== 'rate_limited') return write.failed();
      if (this.stopped && this.giveUp) return undefined;
      await sleep(reply?.error.retry_after_ms ?? 100 + Math.random() * 300);
    }
  }

  // The reply, or null when the connection did not bring one.
  async attempt(value) {
    const socket = await this.connected();
    if (!socket) return null;
    const ref = `${value}/${Math.random()}`;
    return new Promise((resolve) => {
      const finish = (reply) => {
        clearTimeout(timer);
        socket.off('message', hear);
        socket.off('close', lost);
        resolve(reply);
      };
      const hear = (data) => {
        const frame = JSON.parse(data.toString());
        if (frame.type === 'reply' && frame.ref === ref) finish(frame);
      };
      const lost = () => finish(null);
      const timer = setTimeout(() => {
        socket.terminate();
        finish(null);
      }, 15000);
      socket.on('message', hear);
      socket.on('close', lost);
      socket.send(JSON.stringify({ type: 'send_message', task_id: this.room, content: value, client_msg_id: value, ref }));
    });
  }

  async connected() {
    if (this.socket?.readyState === WebSocket.OPEN) return this.socket;
    const socket = new WebSocket(this.address(), 'taskchat.v1', { headers: { authorization: `Bearer ${token(this.user)}` }, handshakeTimeout: 5000 });
    const open = await new Promise((resolve) => {
      socket.on('open', () => resolve(true));
      socket.on('error', () => resolve(false));
      socket.on('close', () => resolve(false));
    });
    this.socket = open ? socket : null;
    return this.socket;
  }

  end() {
    this.socket?.terminate();
  }
}

/*
 * Sends over HTTP; a request without a certain answer stays unknown.
 */
export class HttpWriter extends Writer {
  via = 'http';

  constructor(history, name, room, pause, user, base) {
    super(history, name, room, pause);
    Object.assign(this, { user, base });
  }

  async send(value, write) {
    let response;
    let body;
    try {
      response = await fetch(`${this.base()}/api/tasks/${this.room}/send-message`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token(this.user)}`, 'content-type': 'application/json' },
        body: JSON.stringify({ content: value, client_msg_id: value }),
        signal: AbortSignal.timeout(10000),
      });
      body = await response.json();
    } catch {
      return; // no answer: unknown
    }
    if (response.ok) write.ok(body.message.seq);
    else if (CERTAIN.has(body.error?.code)) write.failed();
  }
}

/*
 * Sends by SQL, as an application's back end does, sometimes rolled back.
 */
export class SqlWriter extends Writer {
  via = 'sql';

  constructor(history, name, room, pause, user, pool) {
    super(history, name, room, pause);
    Object.assign(this, { user, pool });
  }

  async send(value, write) {
    let connection;
    try {
      connection = await this.pool().connect();
    } catch {
      write.failed();
      return;
    }
    let committing = false;
    try {
      await connection.query('BEGIN');
      await connection.query('SELECT taskchat.act_as($1)', [this.user]);
      const { rows } = await connection.query('SELECT (taskchat.send_message($1, $2)).seq', [this.room, value]);
      if (this.n % 10 === 0) {
        await connection.query('ROLLBACK');
        write.failed();
      } else {
        committing = true;
        await connection.query('COMMIT');
        write.ok(Number(rows[0].seq));
      }
      connection.release();
    } catch (error) {
      connection.release(true);
      // An error that the server sent before COMMIT rolled it back, and so did a connection lost before.
      if (!committing || (error.code && !/^(08|57)/.test(error.code))) write.failed();
    }
  }
}

/*
 * A back end that changes who is in, and says what happens to the task.
 */
export class Coordinator {
  // change: async (pool, n) => void; what fails is tried again later.
  constructor(pool, pause, change) {
    Object.assign(this, { pool, pause, change, stopped: false, failures: 0, n: 0 });
  }

  start() {
    this.stopped = false;
    this.loop = (async () => {
      while (!this.stopped) {
        try {
          await this.change(this.pool(), this.n++);
        } catch {
          this.failures++; // the database is away: the next change comes later
        }
        await sleep(this.pause * (0.5 + Math.random()));
      }
    })();
    return this;
  }

  async rest() {
    this.stopped = true;
    await this.loop;
  }

  stop() {
    return this.rest();
  }
}
