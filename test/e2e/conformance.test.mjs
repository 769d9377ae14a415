// The relay against RFC 6455, in sections 1 to 7 of the case list that
// WebSocket servers are commonly held against. A frame of taskchat.v1 is
// answered by a reply with its ref, which takes the place of an echo.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import closing from './conformance/closing.mjs';
import fragments from './conformance/fragments.mjs';
import framing from './conformance/framing.mjs';
import utf8 from './conformance/utf8.mjs';
import { PONG, Wire } from './wire.mjs';
import { World, token, until } from './world.mjs';

let world, relay, descriptorsBefore;
const descriptors = () => fs.readdirSync(`/proc/${relay.pid}/fd`).length;
before(async () => {
  world = await World.open();
  relay = await world.startRelay();
  descriptorsBefore = descriptors();
});
after(() => world.close());

const fits = (line, expect) => [expect].flat().some((e) => (e instanceof RegExp ? e.test(line) : e === line));
const closes = (expect) => [expect].flat().some((e) => /close/.test(e.source ?? e));

// Says what the case says; gives back what came of it in one line.
async function attempt(one, closing) {
  const wire = await Wire.open(world.port, { Authorization: `Bearer ${token('ada')}` });
  assert.equal(wire.head?.status, 101);
  await wire.until(() => wire.texts().some((f) => f.type === 'welcome'));
  if (one.eachPong) {
    for (const [i, part] of one.say.entries()) {
      await wire.say(part);
      await wire.until(() => wire.frames.filter((f) => f.opcode === PONG).length > i);
    }
  } else await wire.sayAll(one.say, one.chop);
  let alive = false;
  if (closing) {
    await wire.until(() => wire.closeCode() !== null, 3000);
    if (wire.closeCode() === null && !wire.ended) alive = await wire.alive(one.inMessage);
  } else alive = await wire.alive(one.inMessage);
  const line = wire.summary(alive);
  assert.deepEqual(wire.faults(), [], line);
  await wire.destroy();
  return line;
}

const cases = [...framing, ...fragments, ...utf8, ...closing];

test('every case has a number of its own', () => {
  const ids = cases.map((one) => one.id);
  assert.equal(new Set(ids).size, ids.length);
});

for (const one of cases) {
  test(`${one.id} ${one.name}`, async () => {
    const line = await attempt(one, closes(one.expect));
    assert.ok(fits(line, one.expect), `${line} instead of ${one.expect}`);
  });
}

test('every socket of these is closed again by the relay', async () => {
  await until('the descriptors of the beginning', () => descriptors() <= descriptorsBefore);
});
