// Section 7: closing, its codes and reasons (RFC 6455 sections 5.5.1 and 7.4).
import { CLOSE, bytes, close, echo, frame, more, ping, text } from '../wire.mjs';
import { sized } from './framing.mjs';

const cases = [];
const add = (id, name, say, expect, rest = {}) => cases.push({ id, name, say, expect, ...rest });

add('7.1.1', 'a message, then close', [text(echo('a')), close(1000)], 'reply(a) close(1000)');
add('7.1.2', 'two closes', [close(1000), close(1000)], 'close(1000)');
add('7.1.3', 'a ping after close', [close(1000), ping('late')], 'close(1000)');
add('7.1.4', 'a text after close', [close(1000), text(echo('late'))], 'close(1000)');
add('7.1.5', 'close between the fragments of a text', [text('{"type":"pi', { fin: false }), close(1000), more('ng","ref":"late"}')], 'close(1000)');
add('7.1.6', 'a large text, close, a ping', [text(sized('a', 65536)), close(1000), ping('late')], 'reply(a) close(1000)');
add('7.1.7', 'close byte by byte', [close(1000, 'done')], 'close(1000)', { chop: 'octets' });
add('7.3.1', 'an empty close', [close()], ['close(1005)', 'close(1000)']);
add('7.3.2', 'half a code', [frame(CLOSE, bytes([3]))], 'close(1002)');
add('7.3.3', 'a code alone', [close(1000)], 'close(1000)');
add('7.3.4', 'a code and a reason', [close(1000, 'Hello, world!')], 'close(1000)');
add('7.3.5', 'a reason of 123 bytes', [close(1000, '*'.repeat(123))], 'close(1000)');
add('7.3.6', 'a reason of 124 bytes', [close(1000, '*'.repeat(124))], 'close(1002)');
add('7.3.7', 'a reason in Greek', [close(1000, 'κόσμε')], 'close(1000)');
[[0xce, 0xba, 0xed, 0xa0, 0x80], [0xff], [0xc0, 0xaf], [0xe2, 0x82], [0xf4, 0x90, 0x80, 0x80]].forEach((reason, i) =>
  add(`7.5.${i + 1}`, `a reason that is no UTF-8 (${Buffer.from(reason).toString('hex')})`, [close(1000, reason)], 'close(1007)'));
[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999].forEach((code, i) =>
  add(`7.7.${i + 1}`, `code ${code}`, [close(code)], [`close(${code})`, 'close(1000)']));
[0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535].forEach((code, i) => {
  add(`7.9.${i + 1}.1`, `code ${code}, which nobody may send`, [close(code)], 'close(1002)');
  add(`7.9.${i + 1}.2`, `code ${code} with a reason`, [close(code, 'reason')], 'close(1002)');
});

export default cases;
