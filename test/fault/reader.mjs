// A client as the protocol text wants it: joins its rooms, keeps the last seq
// and epoch of each, and comes back by itself. Every frame goes into the
// history; it decides nothing about right and wrong.
import { WebSocket, sleep, token } from '../e2e/world.mjs';
import { roomKey } from './history.mjs';

const JOIN_AGAIN = 1000;

export class Reader {
  // address: gives the URL to connect to, asked anew each time.
  // rooms: [{ task_id, applicant_id? }].
  constructor(history, name, user, rooms, address) {
    Object.assign(this, { history, name, user, address });
    this.held = new Map(rooms.map((room) => [roomKey(room), { room, position: null, epoch: null, joined: false }]));
    this.stopped = false;
    this.refs = 0;
    this.asked = new Map();
    this.heard = 0;
    this.closes = [];
  }

  start() {
    this.loop = this.run();
    return this;
  }

  async run() {
    while (!this.stopped) {
      const code = await this.connect();
      this.closes.push(code);
      if (!this.stopped) await sleep(100 + Math.random() * 400);
    }
  }

  connect() {
    const record = this.history.connection(this.name, this.user);
    const socket = new WebSocket(this.address(), 'taskchat.v1', { headers: { authorization: `Bearer ${token(this.user)}` }, handshakeTimeout: 5000 });
    this.socket = socket;
    this.record = record;
    this.welcome = false;
    for (const held of this.held.values()) held.joined = false;
    return new Promise((resolve) => {
      let heartbeat;
      let quiet = 0;
      socket.on('open', () => {
        // The far side may be gone without a word: no answer for 20 s ends it.
        heartbeat = setInterval(() => {
          if (++quiet > 10) socket.terminate();
          else this.ask({ type: 'ping' });
          this.joinMissing();
        }, 2000);
      });
      socket.on('message', (data) => {
        quiet = 0;
        this.receive(JSON.parse(data.toString()));
      });
      socket.on('error', () => {});
      socket.on('close', (code) => {
        clearInterval(heartbeat);
        this.asked.clear();
        record.ended(code);
        resolve(code);
      });
    });
  }

  send(frame) {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    this.record.sent(frame);
    this.socket.send(JSON.stringify(frame));
  }

  ask(frame) {
    const asked = { ...frame, ref: ++this.refs };
    this.asked.set(asked.ref, asked);
    this.send(asked);
  }

  joinMissing() {
    const rooms = [...this.held.values()].filter((held) => !held.joined && !(held.asked > performance.now() - JOIN_AGAIN));
    if (rooms.length === 0 || !this.welcome) return;
    for (const held of rooms) held.asked = performance.now();
    this.ask({ type: 'join_task_rooms', rooms: rooms.map(({ room, position, epoch }) => ({ ...room, ...(position === null ? {} : { after_seq: position, epoch }) })) });
  }

  receive(frame) {
    this.record.received(frame);
    this.heard++;
    if (frame.type === 'welcome') {
      this.welcome = true;
      for (const held of this.held.values()) held.asked = undefined;
      this.joinMissing();
    } else if (frame.type === 'reply') this.reply(frame);
    else if (frame.type === 'removed_from_room') {
      const held = this.held.get(roomKey(frame));
      if (held) held.joined = false;
    } else if (frame.seq !== undefined && frame.task_id !== undefined) {
      const held = this.held.get(roomKey(frame));
      if (held && held.position !== null && frame.seq === held.position + 1) held.position = frame.seq;
      if (held?.joined && frame.type === 'message_received') this.confirm(held.room, frame.seq);
    }
  }

  // Now and then, as somebody who looks.
  confirm(room, seq) {
    if (seq % 5 === 0) this.send({ type: 'ack', ...room, seq });
    if (seq % 17 === 0) this.ask({ type: 'mark_read', ...room, seq });
  }

  reply(frame) {
    const asked = this.asked.get(frame.ref);
    this.asked.delete(frame.ref);
    if (!frame.ok || asked === undefined) return;
    if (asked.type === 'join_task_rooms') for (const data of frame.data.rooms) if (!data.error) this.joined(data);
    if (asked.type === 'get_events') this.paged(asked, frame.data);
  }

  joined(data) {
    const held = this.held.get(roomKey(data));
    held.joined = true;
    held.epoch = data.epoch;
    held.position = data.events.at(-1)?.seq ?? (data.complete ? data.last_seq : held.position);
    if (!data.complete) this.ask({ type: 'get_events', ...held.room, after_seq: held.position, limit: 200 });
  }

  paged(asked, data) {
    const held = this.held.get(roomKey(asked));
    held.position = Math.max(held.position, data.events.at(-1)?.seq ?? 0);
    if (data.has_more) this.ask({ type: 'get_events', ...held.room, after_seq: held.position, limit: 200 });
  }

  position(key) {
    const held = this.held.get(key);
    return held?.joined ? held.position : null;
  }

  async stop() {
    this.stopped = true;
    this.socket?.close(1000);
    const timer = setTimeout(() => this.socket?.terminate(), 2000);
    await this.loop;
    clearTimeout(timer);
  }
}
