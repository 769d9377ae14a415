// Bytes below the level of frames that a client library would say: what the
// conformance cases leave out, and what an attacker would try.
import crypto from 'node:crypto';
import { BINARY, CLOSE, bytes, close, echo, frame, more, ping, text } from '../wire.mjs';

// Masked by a key of zeros, so that what arrives is what was meant.
const noise = (size) => crypto.createHash('shake256', { outputLength: size }).update('noise').digest();

export default [
  ['HTTP in place of a frame', ['GET / HTTP/1.1\r\nHost: x\r\n\r\n'].map(Buffer.from), 'close(1002)'],
  ['a second handshake', [Buffer.from('GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n')], 'close(1002)'],
  ['TLS in place of a frame', [bytes([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3])], 'close(1002)'],
  ['a kilobyte of noise', [bytes([0xf7], noise(1024))], 'close(1002)'],
  ['zeros', [Buffer.alloc(64)], 'close(1002)'],
  ['ones', [Buffer.alloc(64, 0xff)], 'close(1002)'],
  ['a frame without a mask', [text(echo('a'), { mask: false })], 'close(1002)'],
  ['a binary frame', [frame(BINARY, '{"type":"ping"}')], 'close(1003)'],
  ['a binary frame in pieces', [frame(BINARY, '{"type"', { fin: false }), more(':"ping"}')], 'close(1003)'],
  ['a compressed frame', [text(bytes([0xaa, 0x56, 0x4a]), { rsv: 4 })], 'close(1002)'],
  ['a frame too large by one', [text(echo('a').padEnd(65537))], 'close(1009)'],
  ['a frame of a megabyte', [text(' '.repeat(1 << 20))], 'close(1009)'],
  ['fragments too large by one', [text(' '.repeat(65536), { fin: false }), more(' ')], 'close(1009)'],
  ['a gigabyte announced', [text('{', { announced: 1 << 30 })], 'close(1009)'],
  ['seventy thousand empty fragments', [text('', { fin: false }), Buffer.concat(Array.from({ length: 70000 }, () => more('', { fin: false })))], 'close(1009)'],
  ['a continuation of nothing', [more('x')], 'close(1002)'],
  ['a text in a text', [text('{', { fin: false }), text('}')], 'close(1002)'],
  ['bad UTF-8', [text(bytes(Buffer.from('{"type":"'), [0xc0, 0xaf], Buffer.from('"}')))], 'close(1007)'],
  ['half a character', [text(bytes(Buffer.from('{"type":"'), [0xe2, 0x82]))], 'close(1007)'],
  ['a surrogate in UTF-8', [text(bytes([0xed, 0xa0, 0x80]))], 'close(1007)'],
  ['a close of one byte', [frame(CLOSE, [3])], 'close(1002)'],
  ['a close with code 0', [close(0)], 'close(1002)'],
  ['a close with code 1005', [close(1005)], 'close(1002)'],
  ['a close with code 65535', [close(65535)], 'close(1002)'],
  ['ten closes', Array.from({ length: 10 }, () => close(1000)), 'close(1000)'],
  ['a thousand pings', [Buffer.concat(Array.from({ length: 1000 }, () => ping('x')))], /^(pong\(x\) )+open$/],
  ['a thousand empty texts', [Buffer.concat(Array.from({ length: 1000 }, () => text('')))], /^(error\((bad_request|rate_limited)\) )+close\(4429\)$/],
  ['a hundred frames of rubbish', [Buffer.concat(Array.from({ length: 100 }, () => text('rubbish')))], /^(error\(bad_request\) ){99,100}close\(4429\)$/],
];
