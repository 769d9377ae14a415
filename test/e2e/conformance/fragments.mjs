// Section 5: messages in fragments, with control frames between them (RFC 6455
// section 5.4), and their limits.
import { BINARY, PING, PONG, TEXT, close, echo, frame, more, ping, text } from '../wire.mjs';

const chops = ['whole', 'frames', 'octets'];
const cases = [];
const add = (id, name, say, expect, rest = {}) => cases.push({ id, name, say, expect, ...rest });

const whole = echo('a');
const piece = (from, to) => whole.slice(from, to);
const first = () => text(piece(0, 9), { fin: false });
const last = () => more(piece(9));

// n fragments of one message, and a ping after each but the last.
function fragments(n, pings = false) {
  const size = Math.ceil(whole.length / n);
  const parts = [];
  for (let i = 0; i < n; i++) {
    parts.push(frame(i === 0 ? TEXT : 0, piece(i * size, (i + 1) * size), { fin: i === n - 1 }));
    if (pings && i < n - 1) parts.push(ping(`p${i}`));
  }
  return parts;
}

add('5.1', 'a ping in two fragments', [frame(PING, 'a', { fin: false }), more('b')], 'close(1002)');
add('5.2', 'a pong in two fragments', [frame(PONG, 'a', { fin: false }), more('b')], 'close(1002)');
chops.forEach((chop, i) => {
  add(`5.${3 + i}`, `a text in two fragments, ${chop}`, [first(), last()], 'reply(a) open', { chop });
  add(`5.${6 + i}`, `a text in two fragments with a ping between, ${chop}`, [first(), ping('p'), last()], 'reply(a) pong(p) open', { chop });
  add(`5.${9 + i}`, `a last continuation of nothing, then a text, ${chop}`, [more(whole), text(echo('b'))], 'close(1002)', { chop });
  add(`5.${12 + i}`, `a continuation of nothing, then a text, ${chop}`, [more(whole, { fin: false }), text(echo('b'))], 'close(1002)', { chop });
  add(`5.15.${i + 1}`, `a whole message, a continuation of nothing, a text, ${chop}`,
    [first(), last(), more('x', { fin: false }), text(echo('b'))], 'reply(a) close(1002)', { chop });
  add(`5.16.${i + 1}`, `a continuation of nothing before each fragment, ${chop}`,
    [more('x', { fin: false }), first(), last(), more('x', { fin: false }), first(), last()], 'close(1002)', { chop });
  add(`5.17.${i + 1}`, `a last continuation of nothing before each fragment, ${chop}`,
    [more('x'), first(), last(), more('x'), first(), last()], 'close(1002)', { chop });
  add(`5.18.${i + 1}`, `a text begins within a text, ${chop}`, [first(), text(piece(9))], 'close(1002)', { chop });
  add(`5.19.${i + 1}`, `five fragments with pings between, ${chop}`, fragments(5, true),
    chop === 'whole' ? /^reply\(a\) (pong\(p\d\) )*pong\(p3\) open$/ : /^reply\(a\) (pong\(p\d\) )+open$/, { chop });
});
add('5.20', 'a text that is not the last begins within a text', [first(), text(piece(9), { fin: false }), more('')], 'close(1002)');
add('5.21', 'a binary message begins within a text', [first(), frame(BINARY, 'x')], 'close(1002)');
add('5.22', 'a binary message in two fragments', [frame(BINARY, 'x', { fin: false }), more('y')], 'close(1003)');
add('5.23', 'each byte a fragment', fragments(whole.length), 'reply(a) open');
add('5.24', 'each byte a fragment, byte by byte', fragments(whole.length), 'reply(a) open', { chop: 'octets' });
add('5.25', 'empty fragments before, within and after', [text('', { fin: false }), more('', { fin: false }),
  more(piece(0, 9), { fin: false }), more('', { fin: false }), more(piece(9), { fin: false }), more('')], 'reply(a) open');
add('5.26', 'a pong between fragments', [first(), frame(PONG, 'x'), last()], 'reply(a) open');
add('5.27', 'a message that never ends, and a ping', [first(), ping('p')], 'pong(p) open', { inMessage: true });
add('5.28', 'two fragmented messages in a row', [first(), last(), ...fragments(3)], 'reply(a) reply(a) open');
add('5.29', 'a close within a message', [first(), close(1000)], 'close(1000)');
add('5.30', 'fragments of max_frame_bytes together', [text(whole.padEnd(40000), { fin: false }), more(' '.repeat(25536))], 'reply(a) open');
add('5.31', 'fragments of one byte more together', [text(whole.padEnd(40000), { fin: false }), more(' '.repeat(25537))], 'close(1009)');
add('5.32', 'a hundred thousand empty fragments', [text('', { fin: false }),
  Buffer.concat(Array.from({ length: 100000 }, () => more('', { fin: false })))], 'close(1009)');
add('5.33', 'an announced length that takes the message past its limit', [text(whole.padEnd(60000), { fin: false }),
  more('   ', { announced: 60000 })], 'close(1009)');

export default cases;
