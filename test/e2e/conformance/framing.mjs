// Sections 1 to 4: frames and their lengths, pings and pongs, reserved bits,
// reserved opcodes; and masking (RFC 6455 sections 5.2, 5.3, 5.5).
import { BINARY, CLOSE, PING, bytes, close, echo, frame, ping, pong, text } from '../wire.mjs';

// The same message in as many bytes as wanted: JSON allows space around it.
export const sized = (ref, size) => echo(ref).padEnd(size, ' ');

const chops = ['whole', 'frames', 'octets'];
const cases = [];
const add = (id, name, say, expect, more = {}) => cases.push({ id, name, say, expect, ...more });

// ---- 1 framing ----
const lengths = [38, 125, 126, 127, 128, 65535, 65536];
lengths.forEach((n, i) => add(`1.1.${i + 1}`, `a text of ${n} bytes`, [text(sized('a', n))], 'reply(a) open'));
add('1.1.8', 'a text of 65536 bytes in chops of 997', chopped(text(sized('a', 65536)), 997), 'reply(a) open', { chop: 'frames' });
add('1.1.9', 'a text of one byte more than is taken', [text(sized('a', 65537))], 'close(1009)');
add('1.1.10', 'an empty text', [text('')], 'error(bad_request) open');
[0, ...lengths].forEach((n, i) => add(`1.2.${i + 1}`, `a binary message of ${n} bytes`, [frame(BINARY, Buffer.alloc(n, 0xfe))], 'close(1003)'));
add('1.3.1', '125 bytes announced in 16 bits', [text(sized('a', 125), { length: 16 })], 'close(1002)');
add('1.3.2', '125 bytes announced in 64 bits', [text(sized('a', 125), { length: 64 })], 'close(1002)');
add('1.3.3', '65535 bytes announced in 64 bits', [text(sized('a', 65535), { length: 64 })], 'close(1002)');
add('1.3.4', 'a length with its highest bit set', [text('', { announced: 1n << 63n })], 'close(1002)');
add('1.3.5', 'a length of 2^63 - 1, and a little of it', [text('{"type":', { announced: (1n << 63n) - 1n })], ['close(1009)', 'close(1002)']);
add('1.3.6', 'a length of 2^31, and a little of it', [text('{"type":', { announced: 1n << 31n })], 'close(1009)');
add('1.3.7', 'a length of max_frame_bytes + 1, and a little of it', [text('{"type":', { announced: 65537n })], 'close(1009)');

function chopped(data, size) {
  const pieces = [];
  for (let at = 0; at < data.length; at += size) pieces.push(data.subarray(at, at + size));
  return pieces;
}

// ---- masking ----
add('1.4.1', 'a text without a mask', [text(echo('a'), { mask: false })], 'close(1002)');
add('1.4.2', 'a ping without a mask', [ping('x', { mask: false })], 'close(1002)');
add('1.4.3', 'a close without a mask', [frame(CLOSE, bytes([3, 232]), { mask: false })], 'close(1002)');
add('1.4.4', 'a masked text, then one without', [text(echo('a')), text(echo('b'), { mask: false })], 'reply(a) close(1002)');
add('1.4.5', 'a binary message without a mask', [frame(BINARY, 'x', { mask: false })], 'close(1002)');

// ---- 2 pings and pongs ----
add('2.1', 'a ping without payload', [ping()], 'pong() open');
add('2.2', 'a ping with a text', [ping('Hello, world!')], 'pong(Hello, world!) open');
add('2.3', 'a ping with bytes that are no text', [ping(bytes([0, 255, 254, 253, 252, 251, 0, 255]))], 'pong(\0\xff\xfe\xfd\xfc\xfb\0\xff) open');
add('2.4', 'a ping of 125 bytes', [ping(Buffer.alloc(125, 0xfe))], 'pong(125 bytes) open');
add('2.5', 'a ping of 126 bytes', [ping(Buffer.alloc(126, 0xfe))], 'close(1002)');
add('2.6', 'a ping of 125 bytes, byte by byte', [ping(Buffer.alloc(125, 0xfe))], 'pong(125 bytes) open', { chop: 'octets' });
add('2.7', 'a pong that nobody asked for, without payload', [pong()], 'open');
add('2.8', 'a pong that nobody asked for, with payload', [pong('unasked')], 'open');
add('2.9', 'a pong that nobody asked for, then a ping', [pong('unasked'), ping('asked')], 'pong(asked) open');
// A pong may be left out where a later ping was answered (section 5.5.3).
add('2.10', 'ten pings at once', Array.from({ length: 10 }, (_, i) => ping(`p${i}`)),
  /^(pong\(p\d\) )*pong\(p9\) open$/);
add('2.11', 'a ping, and another once its pong has come, ten times', Array.from({ length: 10 }, (_, i) => ping(`p${i}`)),
  `${Array.from({ length: 10 }, (_, i) => `pong(p${i}) `).join('')}open`, { eachPong: true });
add('2.12', 'a pong of 126 bytes', [pong(Buffer.alloc(126, 0xfe))], 'close(1002)');
add('2.13', 'a ping with 5 bytes announced in 16 bits', [ping('12345', { length: 16 })], 'close(1002)');

// ---- 3 reserved bits ----
chops.forEach((chop, i) => {
  add(`3.${i + 1}`, `reserved bit ${i + 1} in a text, after a good one, ${chop}`,
    [text(echo('a')), text(echo('b'), { rsv: i + 1 }), ping()], 'reply(a) close(1002)', { chop });
});
add('3.4', 'reserved bit 4 in the first text', [text(echo('a'), { rsv: 4 })], 'close(1002)');
add('3.5', 'reserved bits 5 in a binary message', [frame(BINARY, 'x', { rsv: 5 })], 'close(1002)');
add('3.6', 'reserved bits 6 in a ping', [ping('x', { rsv: 6 })], 'close(1002)');
add('3.7', 'reserved bits 7 in a close', [frame(CLOSE, bytes([3, 232]), { rsv: 7 })], 'close(1002)');
add('3.8', 'reserved bit 1 in a pong', [pong('x', { rsv: 1 })], 'close(1002)');
add('3.9', 'reserved bit 4 in a continuation', [text(echo('a').slice(0, 5), { fin: false }), frame(0, echo('a').slice(5), { rsv: 4 })], 'close(1002)');

// ---- 4 reserved opcodes ----
const reserved = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15];
for (const opcode of reserved) {
  add(`4.${opcode}.1`, `opcode ${opcode} without payload`, [frame(opcode)], 'close(1002)');
  add(`4.${opcode}.2`, `opcode ${opcode} with payload`, [frame(opcode, 'reserved')], 'close(1002)');
  add(`4.${opcode}.3`, `opcode ${opcode} after a text, then a ping`, [text(echo('a')), frame(opcode), ping()], 'reply(a) close(1002)');
  add(`4.${opcode}.4`, `opcode ${opcode} after a text, byte by byte`, [text(echo('a')), frame(opcode, 'x')], 'reply(a) close(1002)', { chop: 'octets' });
  add(`4.${opcode}.5`, `opcode ${opcode} within a message`,
    [text('{"type"', { fin: false }), frame(opcode, 'x'), frame(0, ':"ping"}')], 'close(1002)', { chop: 'frames' });
}
add('4.16', 'a control frame that is no last fragment', [frame(PING, 'x', { fin: false })], 'close(1002)');
add('4.17', 'a close that is no last fragment', [frame(CLOSE, bytes([3, 232]), { fin: false }), close(1000)], 'close(1002)');

export default cases;
