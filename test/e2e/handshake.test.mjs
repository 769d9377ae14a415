// The opening handshake against RFC 6455 section 4.2 (and RFC 9112 below it):
// who is let in, and what everybody else is told.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Wire, acceptFor, echo, handshake, text } from './wire.mjs';
import { World, token } from './world.mjs';

let world;
before(async () => {
  world = await World.open();
  await world.startRelay();
});
after(() => world.close());

const key = (length) => Buffer.alloc(length, 7).toString('base64');

// A name, what is said, and the status that must come.
const table = [
  ['the plain handshake', handshake(), [101]],
  ['Upgrade in capitals', handshake({ Upgrade: 'WebSocket' }), [101]],
  ['Connection in capitals', handshake({ Connection: 'UPGRADE' }), [101]],
  ['Connection as a list', handshake({ Connection: 'keep-alive, Upgrade' }), [101]],
  ['names of headers in small letters', handshake().replace(/^[A-Za-z-]+(?=:)/gm, (name) => name.toLowerCase()), [101]],
  ['no space after the colons', handshake().replace(/: /g, ':'), [101]],
  ['much space before values', handshake().replace(/: /g, ':   '), [101]],
  ['other headers', handshake({ 'X-Other': 'x', Cookie: 'a=b', 'Accept-Language': 'de' }), [101]],
  ['an origin of the same host', handshake({ Origin: 'http://localhost' }), [101]],
  ['the sub-protocol', handshake({ 'Sec-WebSocket-Protocol': 'taskchat.v1' }), [101]],
  ['the sub-protocol among others', handshake({ 'Sec-WebSocket-Protocol': 'chat, taskchat.v1, other' }), [101]],
  ['another sub-protocol alone', handshake({ 'Sec-WebSocket-Protocol': 'chat' }), [101]],
  ['a sub-protocol that ours begins', handshake({ 'Sec-WebSocket-Protocol': 'taskchat.v10, taskchat' }), [101]],
  ['sub-protocols in two headers', handshake({ 'Sec-WebSocket-Protocol': ['chat', 'taskchat.v1'] }), [101]],
  ['an offered extension', handshake({ 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' }), [101]],
  ['an unknown extension', handshake({ 'Sec-WebSocket-Extensions': 'x-unknown' }), [101]],
  ['a tab before values', handshake().replace(/: /g, ':\t'), [101]],
  ['space behind values', handshake().replace(/: (.*)\r/g, ': $1 \r'), [101]],
  ['a query without secrets', handshake({}, { path: '/ws?v=1' }), [101]],

  ['another path', handshake({}, { path: '/' }), [404]],
  ['a path below', handshake({}, { path: '/ws/x' }), [404]],
  ['POST', handshake({ 'Content-Length': '0' }, { method: 'POST' }), [405]],
  ['HEAD', handshake({}, { method: 'HEAD' }), [405]],
  ['HTTP/1.0', handshake({}, { version: 'HTTP/1.0' }), [400]],
  ['no Upgrade', handshake({ Upgrade: null }), [426]],
  ['Upgrade to something else', handshake({ Upgrade: 'h2c' }), [426]],
  ['no Connection', handshake({ Connection: null }), [400]],
  ['Connection without upgrade', handshake({ Connection: 'keep-alive' }), [400]],
  ['no Host', handshake({ Host: null }), [400]],
  ['no key', handshake({ 'Sec-WebSocket-Key': null }), [400]],
  ['an empty key', handshake({ 'Sec-WebSocket-Key': '' }), [400]],
  ['a key of 15 bytes', handshake({ 'Sec-WebSocket-Key': key(15) }), [400]],
  ['a key of 17 bytes', handshake({ 'Sec-WebSocket-Key': key(17) }), [400]],
  ['a key that is no base64', handshake({ 'Sec-WebSocket-Key': '!!!!!!!!!!!!!!!!!!!!!!==' }), [400]],
  ['a key without its end', handshake({ 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ' }), [400]],
  ['a key of 1000 bytes', handshake({ 'Sec-WebSocket-Key': key(1000) }), [400]],
  ['two keys', handshake({ 'Sec-WebSocket-Key': [key(16), key(16)] }), [400]],
  ['no version', handshake({ 'Sec-WebSocket-Version': null }), [426]],
  ['version 8', handshake({ 'Sec-WebSocket-Version': '8' }), [426]],
  ['version 0', handshake({ 'Sec-WebSocket-Version': '0' }), [426]],
  ['version 14', handshake({ 'Sec-WebSocket-Version': '14' }), [426]],
  ['version 13x', handshake({ 'Sec-WebSocket-Version': '13x' }), [426]],
  ['version 1313', handshake({ 'Sec-WebSocket-Version': '1313' }), [426]],
  ['two versions', handshake({ 'Sec-WebSocket-Version': ['13', '13'] }), [400]],
  ['a foreign origin', handshake({ Origin: 'http://evil.example' }), [403]],
  ['the origin null', handshake({ Origin: 'null' }), [403]],
  ['an origin that begins like the host', handshake({ Origin: 'http://localhost.evil.example' }), [403]],
  ['two origins', handshake({ Origin: ['http://localhost', 'http://evil.example'] }), [400]],
  ['a token in the URL', handshake({}, { path: `/ws?token=${'x'.repeat(200)}` }), [400]],
  ['a token in the URL, escaped', handshake({}, { path: '/ws?%74oken=xyz' }), [400]],
  ['a ticket in the URL', handshake({}, { path: '/ws?a=b&ticket=xyz' }), [400]],
];

// What comes of it, as the table writes it.
async function outcome(wire) {
  await wire.until(() => wire.head);
  return wire.head ? wire.head.status : wire.ended ? 'ended' : 'silent';
}

for (const [name, say, expect] of table) {
  test(`${name}: ${expect.join(' or ')}`, async () => {
    const wire = new Wire(world.port);
    await wire.say(say);
    const got = await outcome(wire);
    assert.ok(expect.includes(got), `${got}: ${wire.head?.first}`);
    if (got === 426) assert.deepEqual(wire.head.headers['sec-websocket-version'], ['13']);
    if (got !== 101) {
      // It is no WebSocket connection: a frame must not be answered as one.
      const before = wire.received.length;
      await wire.say(text(echo('x')));
      await wire.until(() => wire.received.length > before && /"ref":"x"/.test(wire.received.toString()), 100);
      assert.doesNotMatch(wire.received.toString(), /"ref":"x"/);
    }
    await wire.destroy();
  });
}

test('the answer: accept, upgrade, the sub-protocol only if it was offered, no extension', async () => {
  const one = await Wire.open(world.port, { 'Sec-WebSocket-Key': key(16), 'Sec-WebSocket-Extensions': 'permessage-deflate' });
  assert.equal(one.head.first.split(' ')[0], 'HTTP/1.1');
  assert.equal(one.head.headers.upgrade[0].toLowerCase(), 'websocket');
  assert.equal(one.head.headers.connection[0].toLowerCase(), 'upgrade');
  assert.deepEqual(one.head.headers['sec-websocket-accept'], [acceptFor(key(16))]);
  assert.equal(one.head.headers['sec-websocket-extensions'], undefined);
  assert.equal(one.head.headers['sec-websocket-protocol'], undefined);
  const two = await Wire.open(world.port, { 'Sec-WebSocket-Protocol': 'other, taskchat.v1' });
  assert.deepEqual(two.head.headers['sec-websocket-protocol'], ['taskchat.v1']);
  const three = await Wire.open(world.port, { 'Sec-WebSocket-Protocol': 'taskchat.v10, other' });
  assert.equal(three.head.status, 101);
  assert.equal(three.head.headers['sec-websocket-protocol'], undefined);
  for (const wire of [one, two, three]) await wire.destroy();
});

test('byte by byte, and with the first frame in the same packet', async () => {
  const slow = new Wire(world.port);
  await slow.sayAll([Buffer.from(handshake({ Authorization: `Bearer ${token('ada')}` }))], 'octets');
  await slow.until(() => slow.texts().length > 0);
  assert.equal(slow.texts()[0].type, 'welcome');
  const quick = new Wire(world.port);
  await quick.say(Buffer.concat([Buffer.from(handshake({ Authorization: `Bearer ${token('ada')}` })), text(echo('early'))]));
  await quick.until(() => quick.replies().length > 0);
  assert.equal(quick.replies()[0].ref, 'early');
  await slow.destroy();
  await quick.destroy();
});
