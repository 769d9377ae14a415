// A WebSocket client of bytes: it says exactly what a case wants said, whether
// the protocol allows it or not, and notes what comes back. Nothing of a
// WebSocket library is used, as a library would refuse to misbehave.
import crypto from 'node:crypto';
import net from 'node:net';

export const TEXT = 1, BINARY = 2, CONTINUATION = 0, CLOSE = 8, PING = 9, PONG = 10;

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const ALIVE = '\u2665alive';

export const bytes = (...parts) => Buffer.concat(parts.map((part) => typeof part === 'number' ? Buffer.from([part])
  : Array.isArray(part) ? Buffer.from(part) : Buffer.from(part)));

// One frame of a client (RFC 6455 section 5.2). mask: false leaves it out;
// announced: another length than the payload's; length: 7, 16 or 64 bits,
// where the shortest form is not wanted.
export function frame(opcode, payload = '', { fin = true, rsv = 0, mask = true, announced, length } = {}) {
  const body = Buffer.from(payload);
  const size = BigInt(announced ?? body.length);
  const form = length ?? (size < 126n ? 7 : size < 65536n ? 16 : 64);
  const head = Buffer.alloc(form === 7 ? 2 : form === 16 ? 4 : 10);
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  if (form === 7) head[1] = Number(size);
  else if (form === 16) { head[1] = 126; head.writeUInt16BE(Number(size), 2); } else { head[1] = 127; head.writeBigUInt64BE(size, 2); }
  if (!mask) return Buffer.concat([head, body]);
  head[1] |= 0x80;
  const key = crypto.randomBytes(4);
  return Buffer.concat([head, key, body.map((byte, i) => byte ^ key[i % 4])]);
}

export const text = (payload, options) => frame(TEXT, payload, options);
export const ping = (payload, options) => frame(PING, payload, options);
export const pong = (payload, options) => frame(PONG, payload, options);
export const more = (payload, options) => frame(CONTINUATION, payload, options);
export function close(code, reason = '') {
  if (code === undefined) return frame(CLOSE);
  return frame(CLOSE, bytes([code >> 8, code & 255], Buffer.from(reason)));
}

// A frame of the protocol that is answered at once with its own ref.
export const echo = (ref) => JSON.stringify({ type: 'ping', ref });

export function handshake(headers = {}, { method = 'GET', path = '/ws', version = 'HTTP/1.1', host = 'localhost' } = {}) {
  const all = { Host: host, Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version': '13', ...headers };
  const lines = Object.entries(all).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : value === null ? [] : [value]).map((one) => `${name}: ${one}`));
  return [`${method} ${path} ${version}`, ...lines, '', ''].join('\r\n');
}

export const acceptFor = (key) => crypto.createHash('sha1').update(key + GUID).digest('base64');

export class Wire {
  constructor(port) {
    this.received = Buffer.alloc(0);
    this.head = null;
    this.frames = [];
    this.ended = false;
    this.waiters = new Set();
    this.socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('data', (data) => { this.received = Buffer.concat([this.received, data]); this.parse(); });
    // A reset is an end like another: what counts is what was said before it.
    this.socket.on('error', (error) => { this.error = error.code; this.end(); });
    this.socket.on('end', () => this.end());
    this.socket.on('close', () => this.end());
  }

  static async open(port, headers, options) {
    const wire = new Wire(port);
    await wire.say(handshake(headers, options));
    await wire.until(() => wire.head);
    return wire;
  }

  end() {
    this.ended = true;
    this.wake();
  }

  wake() {
    for (const waiter of [...this.waiters]) waiter();
  }

  // Waits until the test holds or the connection has ended; false after limit ms.
  async until(test, limit = 60000) {
    if (test()) return true;
    return new Promise((resolve) => {
      const finish = (value) => { this.waiters.delete(look); clearTimeout(timer); resolve(value); };
      const look = () => { if (test()) finish(true); else if (this.ended) finish(false); };
      const timer = setTimeout(() => finish(false), limit);
      this.waiters.add(look);
      look();
    });
  }

  say(data) {
    return new Promise((resolve) => {
      if (this.ended || this.socket.destroyed) resolve(false);
      else this.socket.write(data, () => resolve(true));
    });
  }

  // chop: whole (one write), frames (a write each) or octets (a write a byte).
  async sayAll(parts, chop = 'whole') {
    if (chop === 'whole') return this.say(Buffer.concat(parts));
    for (const part of parts) {
      const pieces = chop === 'frames' ? [part] : Array.from(part, (byte) => Buffer.from([byte]));
      for (const piece of pieces) {
        // More would only meet a socket that is closed, and drown what it said.
        if (this.ended || this.closeCode() !== null) return;
        await this.say(piece);
        await new Promise(setImmediate);
      }
    }
  }

  parse() {
    if (this.head === null) {
      const at = this.received.indexOf('\r\n\r\n');
      if (at < 0) return;
      const [first, ...lines] = this.received.subarray(0, at).toString('latin1').split('\r\n');
      const headers = {};
      for (const line of lines) {
        const [, name, value] = /^([^:]+): *(.*)$/.exec(line) ?? [null, 'malformed', line];
        (headers[name.toLowerCase()] ??= []).push(value);
      }
      this.head = { first, status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1] ?? 0), headers };
      this.received = this.received.subarray(at + 4);
    }
    while (this.head.status === 101 && this.parseFrame());
    this.wake();
  }

  parseFrame() {
    const data = this.received;
    if (data.length < 2) return false;
    let size = data[1] & 0x7f, at = 2;
    if (size === 126) { if (data.length < 4) return false; size = data.readUInt16BE(2); at = 4; }
    else if (size === 127) { if (data.length < 10) return false; size = Number(data.readBigUInt64BE(2)); at = 10; }
    if (data.length < at + size) return false;
    const payload = data.subarray(at, at + size);
    this.received = data.subarray(at + size);
    this.frames.push({ fin: data[0] >> 7, rsv: (data[0] >> 4) & 7, opcode: data[0] & 15, masked: data[1] >> 7, payload });
    return true;
  }

  texts() {
    return this.frames.filter((f) => f.opcode === TEXT).map((f) => JSON.parse(f.payload.toString()));
  }

  replies() {
    return this.texts().filter((f) => f.type === 'reply');
  }

  // 1005 where the frame holds no code, null where none came.
  closeCode() {
    const last = this.frames.find((f) => f.opcode === CLOSE);
    if (!last) return null;
    return last.payload.length < 2 ? 1005 : last.payload.readUInt16BE(0);
  }

  // What a server must never do, whatever it was sent (RFC 6455 section 5).
  faults() {
    const found = [];
    this.frames.forEach((f, i) => {
      if (f.masked) found.push('a masked frame');
      if (f.rsv) found.push('reserved bits');
      if (![TEXT, CLOSE, PING, PONG].includes(f.opcode)) found.push(`opcode ${f.opcode}`);
      if (!f.fin) found.push('a fragment');
      if (f.opcode >= 8 && f.payload.length > 125) found.push('a long control frame');
      if (f.opcode === CLOSE && i < this.frames.length - 1) found.push('a frame after close');
    });
    return found;
  }

  // Whether the connection still answers a frame (inMessage: none may be said)
  // and a ping. One ping of several at once is enough to be answered.
  async alive(inMessage = false) {
    const ponged = () => this.frames.some((f) => f.opcode === PONG && f.payload.toString() === ALIVE);
    const replied = () => inMessage || this.replies().some((f) => f.ref === ALIVE);
    if (!inMessage) await this.say(text(echo(ALIVE)));
    for (let i = 0; i < 240 && !this.ended && this.closeCode() === null; i++) {
      if (!ponged()) await this.say(ping(ALIVE));
      if (await this.until(() => this.closeCode() !== null || (ponged() && replied()), 250)) break;
    }
    return this.closeCode() === null && ponged() && replied();
  }

  // Everything in one line: "reply(1) pong(Hello) open", "close(1002)", …
  summary(alive) {
    const said = this.replies().filter((f) => f.ref !== ALIVE)
      .map((f) => f.ok ? `reply(${f.ref ?? ''})` : `error(${f.error.code})`);
    const ponged = this.frames.filter((f) => f.opcode === PONG && f.payload.toString() !== ALIVE)
      .map((f) => `pong(${f.payload.length > 20 ? `${f.payload.length} bytes` : f.payload.toString('latin1')})`);
    const end = this.closeCode() !== null ? `close(${this.closeCode()})` : this.ended ? 'dropped' : alive ? 'open' : 'silent';
    return [...said, ...ponged, end].join(' ');
  }

  async destroy() {
    this.socket.destroy();
    await this.until(() => this.ended);
  }
}
