// The short selection of `make check`: some faults under load, and two relays
// that must be found out. The whole is run.mjs, by `make check-faults`.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { build, mutants } from './mutants.mjs';
import { campaign } from './run.mjs';

const SELECTION = ['relay killed', 'listener terminated', 'commands stopped', 'lock held', 'clients unreachable', 'bells forged',
  'deadlocks', 'database crashed', 'relay upgraded'];

// A slow machine takes longer to write, and to be told, what proves something.
const written = ({ writes }) => writes.filter((write) => write.outcome === 'ok').length > 300;
const told = ({ connections }) => connections.reduce((sum, { log }) => sum + log.length, 0) > 5000;

const SHARED = ['relay killed', 'listener terminated', 'bells run over', 'lock held', 'bells forged', 'database crashed', 'late commit'];

for (const [doorbell, names] of [['inline', SELECTION], ['shared', SHARED]]) {
  test(`nothing lost, nothing twice, in order, nothing to strangers; doorbell ${doorbell}`, async () => {
    const { anomalies, recovered, history } = await campaign(names, { seconds: 2, doorbell, enough: written });
    assert.deepEqual(anomalies, []);
    assert.equal(recovered.length, names.length);
    assert.ok(written(history), 'too little was written to prove anything');
  });
}

for (const name of Object.keys(mutants)) {
  test(`a relay that ${name === 'without catch-up' ? 'does not catch up' : name} is found out`, async () => {
    const { directory, program } = build(name);
    try {
      const { anomalies } = await campaign(['listener terminated', 'database slow to answer'], { seconds: 3, limit: 15000, enough: told, program });
      assert.notDeepEqual(anomalies, []);
    } finally {
      fs.rmSync(directory, { recursive: true });
    }
  });
}
