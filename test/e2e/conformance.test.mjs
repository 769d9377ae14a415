// The relay against RFC 6455, in sections 1 to 7 of the case list that
// WebSocket servers are commonly held against. A frame of taskchat.v1 is
// answered by a reply with its ref, which takes the place of an echo.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import closing from './conformance/closing.mjs';
import exceptions from './conformance/exceptions.mjs';
import fragments from './conformance/fragments.mjs';
import framing from './conformance/framing.mjs';
import utf8 from './conformance/utf8.mjs';
import { PONG, Wire } from './wire.mjs';
import { World, token } from './world.mjs';

let world;
before(async () => {
  world = await World.open();
  await world.startRelay();
});
after(() => world.close());

const closes = (one) => [one.expect].flat().some((e) => /close/.test(e.source ?? e));

// Says what the case says; gives back what came of it in one line.
async function run(one) {
  const wire = await Wire.open(world.port, { Authorization: `Bearer ${token('ada')}` });
  assert.equal(wire.head?.status, 101);
  await wire.until(() => wire.texts().some((f) => f.type === 'welcome'));
  await wire.sayAll(one.say, one.chop);
  let alive = false;
  if (closes(one)) {
    await wire.until(() => wire.closeCode() !== null, 3000);
    if (wire.closeCode() === null && !wire.ended) alive = await wire.alive(one.inMessage);
    else if (one.answered) await wire.until(() => wire.ended);
    else await wire.awaitClose();
  } else alive = await wire.alive(one.inMessage);
  const line = wire.summary(alive);
  assert.deepEqual(wire.faults(), [], line);
  if (one.lastPong && !exceptions[one.id])
    assert.ok(wire.frames.some((f) => f.opcode === PONG && f.payload.toString() === one.lastPong), `the last ping goes unanswered: ${line}`);
  await wire.destroy();
  return line;
}

const fits = (line, expect) => [expect].flat().some((e) => (e instanceof RegExp ? e.test(line) : e === line));

const cases = [...framing, ...fragments, ...utf8, ...closing];

test('every case has a number of its own, and every exception a case', () => {
  const ids = cases.map((one) => one.id);
  assert.equal(new Set(ids).size, ids.length);
  for (const id of Object.keys(exceptions)) assert.ok(ids.includes(id), id);
});

for (const one of cases) {
  const exception = exceptions[one.id];
  test(`${one.id} ${one.name}${exception ? ` (not by the rules: ${exception.why})` : ''}`, async () => {
    const line = await run(one);
    if (!exception) assert.ok(fits(line, one.expect), `${line} instead of ${one.expect}`);
    else {
      assert.ok(!fits(line, one.expect), `keeps the rules now: take it from the list of exceptions (${line})`);
      assert.ok(fits(line, exception.does), `${line} instead of ${exception.does}`);
    }
  });
}
