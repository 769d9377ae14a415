// Somebody who comes, does a little of everything that the protocol text
// offers, and goes, politely or not. What a visitor writes is no part of the
// history (it is edited and deleted); the relay must only bear it.
import { WebSocket, sleep, token } from '../e2e/world.mjs';

const ANSWER = 10000;

class Visit {
  constructor(socket) {
    this.socket = socket;
    this.refs = 0;
    this.waiting = new Map();
    socket.on('message', (data) => this.receive(JSON.parse(data.toString())));
    socket.on('close', () => this.end(new Error('closed')));
  }

  receive(frame) {
    const key = frame.type === 'reply' ? frame.ref : frame.type;
    this.waiting.get(key)?.resolve(frame);
    this.waiting.delete(key);
  }

  end(error) {
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }

  // The next frame of this key: a reply's ref, or an event's type.
  next(key) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no answer')), ANSWER);
      this.waiting.set(key, {
        resolve: (frame) => { clearTimeout(timer); resolve(frame); },
        reject: (error) => { clearTimeout(timer); reject(error); },
      });
    });
  }

  async ask(frame) {
    const ref = ++this.refs;
    const answer = this.next(ref);
    this.socket.send(JSON.stringify({ ...frame, ref }));
    const reply = await answer;
    if (!reply.ok) throw new Error(reply.error.code);
    return reply.data;
  }
}

export class Visitor {
  // address, base: give the URLs of socket and HTTP; ticket: gives one for a user.
  constructor(users, rooms, pause, { address, base, ticket }) {
    Object.assign(this, { users, rooms, pause, address, base, ticket, visits: 0, broken: 0 });
  }

  start() {
    this.stopped = false;
    this.loop = (async () => {
      while (!this.stopped) {
        this.user = this.users[this.visits % this.users.length];
        this.room = this.rooms[this.visits % this.rooms.length];
        this.visits++;
        try {
          await (this.visits % 4 ? this.bySocket() : this.byHttp());
        } catch {
          this.broken++; // something was away or gone: the next visit is another one
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

  async bySocket() {
    const byTicket = this.visits % 3 === 0 ? await this.ticket(this.user) : null;
    const socket = new WebSocket(this.address(), 'taskchat.v1',
      { headers: byTicket ? {} : { authorization: `Bearer ${token(this.user)}` }, handshakeTimeout: 5000 });
    socket.on('error', () => {}); // the close event follows, and says so to whoever waits
    try {
      const visit = new Visit(socket);
      const welcome = visit.next('welcome');
      if (byTicket) socket.on('open', () => socket.send(JSON.stringify({ type: 'authenticate', ticket: byTicket })));
      await welcome;
      await this.look(visit);
      await this.say(visit);
      if (this.visits % 5) socket.close(1000);
    } finally {
      if (socket.readyState !== WebSocket.CLOSING) socket.terminate();
    }
  }

  async look(visit) {
    const task_id = this.room;
    await visit.ask({ type: 'get_rooms' });
    const { last_seq } = await visit.ask({ type: 'join_task_room', task_id });
    await visit.ask({ type: 'get_messages', task_id, limit: 20 });
    await visit.ask({ type: 'get_events', task_id, after_seq: Math.max(0, last_seq - 30) });
    await visit.ask({ type: 'ack', task_id, seq: last_seq });
    await visit.ask({ type: 'mark_read', task_id, seq: last_seq });
    await visit.ask({ type: 'user_presence', current_task_id: task_id, user_ids: this.users });
    await visit.ask({ type: 'get_notifications', limit: 5 });
  }

  async say(visit) {
    const task_id = this.room;
    await visit.ask({ type: 'typing_indicator', task_id, is_typing: true });
    const { message } = await visit.ask({ type: 'send_message', task_id, content: `visit ${this.visits}`, metadata: { visit: this.visits } });
    await visit.ask({ type: 'edit_message', message_id: message.id, content: `visit ${this.visits}, put better` });
    if (this.visits % 2) await visit.ask({ type: 'delete_message', message_id: message.id });
    await visit.ask({ type: 'leave_task_room', task_id });
    await visit.ask({ type: 'ping' });
  }

  async byHttp() {
    const options = { headers: { authorization: `Bearer ${token(this.user)}` }, signal: AbortSignal.timeout(ANSWER) };
    for (const route of ['/readyz', '/api/rooms', `/api/tasks/${this.room}/messages?limit=20`, `/api/tasks/${this.room}/events?after_seq=1000000000&wait=1`,
      `/api/user/presence?user_id=${this.users[0]}`, '/api/tasks/no-such-task/messages']) {
      const response = await fetch(this.base() + route, options);
      await response.arrayBuffer();
      if (response.status >= 500) throw new Error(`${route}: ${response.status}`);
    }
  }
}
