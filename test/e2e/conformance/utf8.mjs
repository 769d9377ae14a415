// Section 6: UTF-8 (RFC 3629) in messages, whole, across fragments and at once
// where it goes wrong (RFC 6455 sections 5.6 and 8.1).
import { bytes, more, text } from '../wire.mjs';

const cases = [];
const add = (id, name, say, expect, rest = {}) => cases.push({ id, name, say, expect, ...rest });

const HEAD = Buffer.from('{"type":"ping","ref":"');
const TAIL = Buffer.from('"}');
const around = (sequence) => bytes(HEAD, sequence, TAIL);

// A message in fragments of the given sizes; the last takes the rest.
function split(message, ...sizes) {
  const parts = [];
  let at = 0;
  for (const size of sizes) {
    parts.push(message.subarray(at, at + size));
    at += size;
  }
  parts.push(message.subarray(at));
  return parts.map((part, i) => (i === 0 ? text : more)(part, { fin: i === parts.length - 1 }));
}
const eachByte = (message) => split(message, ...Array.from({ length: message.length - 1 }, () => 1));

// Every good sequence goes whole, in two fragments cut within it, and byte by byte.
function good(id, name, sequence) {
  const message = around(sequence);
  const expect = `reply(${Buffer.from(sequence).toString()}) open`;
  add(`${id}.1`, `${name}`, [text(message)], expect);
  add(`${id}.2`, `${name}, cut in two`, split(message, HEAD.length + 1), expect);
  add(`${id}.3`, `${name}, a fragment a byte`, eachByte(message), expect);
}

function bad(id, name, sequence) {
  const message = around(sequence);
  add(`${id}.1`, `${name}`, [text(message)], 'close(1007)');
  add(`${id}.2`, `${name}, cut in two`, split(message, HEAD.length + 1), 'close(1007)');
  add(`${id}.3`, `${name}, a fragment a byte`, eachByte(message), 'close(1007)');
}

// ---- 6.1 nothing ----
add('6.1.1', 'an empty text', [text('')], 'error(bad_request) open');
add('6.1.2', 'three empty fragments', [text('', { fin: false }), more('', { fin: false }), more('')], 'error(bad_request) open');
add('6.1.3', 'an empty, a full, an empty fragment', [text('', { fin: false }), more(around(Buffer.from('a')), { fin: false }), more('')], 'reply(a) open');

// ---- 6.2, 6.5, 6.7 … 6.11, 6.22: what is allowed, at the ends of each range ----
const char = (code) => Buffer.from(String.fromCodePoint(code));
[['Greek', Buffer.from('κόσμε')], ['Latin, Greek, symbols', Buffer.from('Hello-µ@ßöäüàá-UTF-8!!')], ['a word in Japanese', Buffer.from('メッセージ')],
  ['an emoji with a joiner', Buffer.from('👩‍💻')], ['a combining accent', Buffer.from('e\u0301')]].forEach(([name, sequence], i) => good(`6.2.${i + 1}`, name, sequence));
[0x7f, 0x80, 0x7ff, 0x800, 0xfff, 0x1000, 0xcfff, 0xd000, 0xd7ff, 0xe000, 0xfffd, 0xffff, 0x10000, 0x3ffff, 0x40000, 0xfffff, 0x100000, 0x10ffff]
  .forEach((code, i) => good(`6.7.${i + 1}`, `U+${code.toString(16).toUpperCase().padStart(4, '0')}`, char(code)));
[0xfffe, 0xfdd0, 0xfdef, ...Array.from({ length: 16 }, (_, i) => (i + 1) * 0x10000 + 0xfffe), ...Array.from({ length: 15 }, (_, i) => (i + 1) * 0x10000 + 0xffff)]
  .forEach((code, i) => good(`6.22.${i + 1}`, `the noncharacter U+${code.toString(16).toUpperCase()}`, char(code)));
good('6.23.1', 'a byte order mark within', char(0xfeff));

// ---- 6.3, 6.6, 6.12 … 6.21: what is not ----
[
  ['a lone continuation 80', [0x80]], ['a lone continuation BF', [0xbf]], ['two continuations', [0x80, 0xbf]],
  ['all continuations', Array.from({ length: 64 }, (_, i) => 0x80 + i)],
  ['C2 alone', [0xc2]], ['DF alone', [0xdf]], ['C2 before a space', [0xc2, 0x20]],
  ['E0 alone', [0xe0]], ['E1 80 cut short', [0xe1, 0x80]], ['EF BF cut short', [0xef, 0xbf]], ['E1 before two letters', [0xe1, 0x61, 0x61]],
  ['F0 alone', [0xf0]], ['F1 80 cut short', [0xf1, 0x80]], ['F1 80 80 cut short', [0xf1, 0x80, 0x80]], ['F4 8F BF cut short', [0xf4, 0x8f, 0xbf]],
  ['FE', [0xfe]], ['FF', [0xff]], ['FE FE FF FF', [0xfe, 0xfe, 0xff, 0xff]],
  ['overlong / in two', [0xc0, 0xaf]], ['overlong / in three', [0xe0, 0x80, 0xaf]], ['overlong / in four', [0xf0, 0x80, 0x80, 0xaf]],
  ['overlong NUL in two', [0xc0, 0x80]], ['C1 BF', [0xc1, 0xbf]], ['overlong U+07FF in three', [0xe0, 0x9f, 0xbf]], ['overlong U+FFFF in four', [0xf0, 0x8f, 0xbf, 0xbf]],
  ['five bytes', [0xf8, 0x88, 0x80, 0x80, 0x80]], ['six bytes', [0xfc, 0x84, 0x80, 0x80, 0x80, 0x80]],
  ['the surrogate D800', [0xed, 0xa0, 0x80]], ['the surrogate DBFF', [0xed, 0xaf, 0xbf]], ['the surrogate DC00', [0xed, 0xb0, 0x80]], ['the surrogate DFFF', [0xed, 0xbf, 0xbf]],
  ['a pair of surrogates', [0xed, 0xa0, 0x80, 0xed, 0xb0, 0x80]], ['U+110000', [0xf4, 0x90, 0x80, 0x80]], ['F5', [0xf5, 0x80, 0x80, 0x80]], ['F7 BF BF BF', [0xf7, 0xbf, 0xbf, 0xbf]],
  ['good Greek, then a surrogate, then text', [...Buffer.from('κόσμε'), 0xed, 0xa0, 0x80, ...Buffer.from('edited')]],
].forEach(([name, sequence], i) => bad(`6.3.${i + 1}`, name, sequence));
[[0xc3], [0xe2, 0x82], [0xf0, 0x9f, 0x92]].forEach((sequence, i) =>
  add(`6.6.${i + 1}`, `the message ends ${sequence.length} bytes into a character`, [text(bytes(HEAD, sequence))], 'close(1007)'));
add('6.6.4', 'a fragment ends within a character, and the message with the next', [text(bytes(HEAD, [0xe2, 0x82]), { fin: false }), more('')], 'close(1007)');

// ---- 6.4 at once: nothing may be awaited that cannot make it good ----
add('6.4.1', 'bad within the second of three fragments, the third is never sent',
  [text(bytes(HEAD, Buffer.from('κόσμε')), { fin: false }), more(bytes([0xf4, 0x90, 0x80, 0x80]), { fin: false })], 'close(1007)', { chop: 'frames' });
add('6.4.2', 'bad at the end of the second fragment, the third is never sent',
  [text(bytes(HEAD, Buffer.from('κόσμε'), [0xf4]), { fin: false }), more(bytes([0x90]), { fin: false })], 'close(1007)', { chop: 'frames' });
add('6.4.3', 'bad within one frame, the rest of which is never sent',
  [text(bytes(HEAD, Buffer.from('κόσμε'), [0xf4, 0x90, 0x80, 0x80]), { announced: 200 })], 'close(1007)', { chop: 'octets' });
add('6.4.4', 'bad at the last byte sent of one frame',
  [text(bytes(HEAD, Buffer.from('κόσμε'), [0xf4, 0x90]), { announced: 200 })], 'close(1007)', { chop: 'octets' });
add('6.4.5', 'good so far, the rest is never sent', [text(bytes(HEAD, [0xf4, 0x8f]), { fin: false })], 'open', { inMessage: true });

export default cases;
