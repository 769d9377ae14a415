// A long run at a moderate rate with random faults: does memory grow, do
// descriptors leak, is anything lost over time?
//
//   node soak.mjs [--seconds 3600] [--seed 1] [--every 30] [--pause 150] [--doorbell shared]
//
// Three phases, by what the faults in them take away, so that there are long
// lives to look at:
//
//   all live on       (40 %) neither the relay's process nor its backends end
//   relay lives on    (35 %) the database and its connections break, too
//   all faults        (25 %) every fault of nemesis.mjs
//
// Prints a line of what is used every so many seconds, what the checker says
// every five minutes (a history that long is kept at most), and a table at the
// end. It is the relay as it is installed, without sanitizers. Ends with 1 for
// an anomaly, or where memory or descriptors of what lives on grew.
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { check, summary } from './checker.mjs';
import { faults } from './nemesis.mjs';
import { random } from './run.mjs';
import { Stage, sleep } from './stage.mjs';
import { cpu, usage } from './usage.mjs';

const PIECE = 300; // seconds of history that are judged at once
const GROWTH = { share: 0.1, size: 1024, descriptors: 8 }; // noise: a tenth and 1 MiB
const program = path.join(path.dirname(new URL(import.meta.url).pathname), '../../relay/taskchat-relay');

const sum = (list) => list.reduce((total, n) => total + n, 0);
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

const phases = [
  { name: 'all live on', share: 0.4, lives: ['relay', 'backends', 'application'], names: Object.keys(faults).filter((name) => !faults[name].ends) },
  { name: 'relay lives on', share: 0.35, lives: ['relay'], names: Object.keys(faults).filter((name) => faults[name].ends !== 'relay') },
  { name: 'all faults', share: 0.25, lives: [], names: Object.keys(faults) },
];

class Soak {
  constructor(stage, next, { every }) {
    Object.assign(this, { stage, next, every, samples: [], anomalies: [], writes: 0, frames: 0, recovered: [] });
    this.began = performance.now();
  }

  seconds() {
    return (performance.now() - this.began) / 1000;
  }

  // One line of what everybody uses; null while the relay or the database is away.
  async sample(phase) {
    const relay = usage(this.stage.relay()?.pid ?? 0);
    const rows = await this.stage.world.sql("SELECT pid, usename = 'e2e_relay' AS ours FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
      .catch(() => []);
    const backends = rows.filter((row) => row.ours).map((row) => usage(row.pid)).filter((found) => found);
    const application = rows.filter((row) => !row.ours).map((row) => usage(row.pid)).filter((found) => found);
    if (!relay || backends.length === 0) return;
    const sample = { at: Math.round(this.seconds()), phase, relay, backends, application };
    this.samples.push(sample);
    const each = (list) => `${list.length} of ${Math.round(sum(list.map((one) => one.anonymous)) / Math.max(1, list.length))} KiB`;
    console.log(`${String(sample.at).padStart(5)} s  ${phase.padEnd(15)} relay ${relay.pid}: own ${relay.anonymous} PSS ${relay.pss} RSS ${relay.rss} KiB, ${relay.descriptors} descriptors;`
      + ` its backends ${each(backends)}; application's ${each(application)}`);
  }

  watch(phase) {
    let failed = null;
    const timer = setInterval(() => this.sample(phase).catch((error) => { failed = error; }), this.every * 1000);
    return () => {
      clearInterval(timer);
      if (failed) throw failed;
    };
  }

  async judge() {
    const history = await this.stage.piece();
    const found = check(history);
    this.anomalies.push(...found);
    this.writes += history.writes.filter((write) => write.outcome === 'ok').length;
    const frames = sum(history.connections.map((connection) => connection.log.length));
    this.frames += frames;
    console.log(`# ${Math.round(this.seconds())} s: ${history.writes.length} writes, ${history.connections.length} connections, ${frames} frames; anomalies: ${JSON.stringify(summary(found))}`);
    for (const { kind, where, what } of found.slice(0, 20)) console.log(`  ${kind}: ${where}: ${what}`);
  }

  async fault(name) {
    await faults[name].inject(this.stage, 2 + this.next() * 6);
    const ms = await this.stage.probe();
    this.recovered.push(ms);
    console.log(`# ${Math.round(this.seconds())} s: ${name}, everybody had all after ${ms} ms`);
  }

  async phase({ name, names }, seconds) {
    const end = this.seconds() + seconds;
    let judged = this.seconds();
    const unwatch = this.watch(name);
    while (this.seconds() < end) {
      await sleep(1000 * (3 + this.next() * 12));
      await this.fault(names[Math.floor(this.next() * names.length)]);
      if (this.seconds() - judged > PIECE) {
        await this.judge();
        judged = this.seconds();
      }
    }
    await this.judge();
    unwatch();
  }
}

// Start, middle and end of a phase: medians of a fifth of its samples each, the
// first tenth left out (everything has to warm up). At: 0, 1, 2.
function thirds(samples, value) {
  const warm = samples.slice(Math.floor(samples.length / 10));
  const width = Math.max(1, Math.floor(warm.length / 5));
  const middle = Math.floor((warm.length - width) / 2);
  return [warm.slice(0, width), warm.slice(middle, middle + width), warm.slice(-width)].map((part) => Math.round(median(part.map(value)) ?? NaN));
}

const measures = {
  'relay own memory, KiB': { of: 'relay', value: (s) => s.relay.anonymous },
  'relay PSS, KiB': { value: (s) => s.relay.pss }, // what it shares depends on others
  'relay RSS, KiB': { of: 'relay', value: (s) => s.relay.rss },
  'relay descriptors': { of: 'relay', value: (s) => s.relay.descriptors, descriptors: true },
  'its backends, own memory, mean KiB': { of: 'backends', value: (s) => sum(s.backends.map((b) => b.anonymous)) / s.backends.length },
  'its backends, own memory, largest KiB': { of: 'backends', value: (s) => Math.max(...s.backends.map((b) => b.anonymous)) },
  'its backends\' descriptors, mean': { of: 'backends', value: (s) => sum(s.backends.map((b) => b.descriptors)) / s.backends.length, descriptors: true },
  'application\'s backends, own memory, largest KiB': { of: 'application', value: (s) => Math.max(0, ...s.application.map((b) => b.anonymous)) },
};

// Prints the table; gives what grew.
function table(samples) {
  const grew = [];
  console.log(`\n${'phase'.padEnd(16)}${'what'.padEnd(50)}${['start', 'middle', 'end'].map((word) => word.padStart(9)).join('')}`);
  for (const { name, lives } of phases) {
    const own = samples.filter((sample) => sample.phase === name);
    if (own.length === 0) continue;
    for (const [what, { of, value, descriptors }] of Object.entries(measures)) {
      const [start, middle, end] = thirds(own, value);
      const bound = descriptors ? middle + GROWTH.descriptors : middle * (1 + GROWTH.share) + GROWTH.size;
      const grows = lives.includes(of) && end > bound;
      if (grows) grew.push(`${name}: ${what}: ${middle} in the middle, ${end} at the end`);
      console.log(`${name.padEnd(16)}${what.padEnd(50)}${[start, middle, end].map((n) => String(n).padStart(9)).join('')}${grows ? '  grows' : ''}`);
    }
    for (const of of lives.filter((one) => one !== 'application')) {
      const pids = new Set(own.flatMap((sample) => (of === 'relay' ? [sample.relay.pid] : sample.backends.map((b) => b.pid))));
      console.log(`${name.padEnd(16)}${`${of}: processes seen`.padEnd(50)}${String(pids.size).padStart(9)}`);
      if (of === 'relay' && pids.size > 1) grew.push(`${name}: the relay's process did not live on`);
    }
  }
  return grew;
}

async function main() {
  const { values } = parseArgs({ options: { seed: { type: 'string', default: '1' }, seconds: { type: 'string', default: '3600' },
    every: { type: 'string', default: '30' }, pause: { type: 'string', default: '150' },
    doorbell: { type: 'string', default: 'shared' } } });
  os.setPriority(19);
  const stage = await Stage.open({ program, doorbell: values.doorbell });
  try {
    stage.people({ pause: Number(values.pause), visitors: 2 });
    const soak = new Soak(stage, random(Number(values.seed)), { every: Number(values.every) });
    for (const phase of phases) {
      const before = { cpu: cpu(process.pid), at: soak.seconds() };
      await soak.phase(phase, phase.share * Number(values.seconds));
      console.log(`# ${phase.name}: ${Math.round(soak.seconds() - before.at)} s; CPU of this program ${Math.round(cpu(process.pid) - before.cpu)} s, of the relay in its life ${Math.round(cpu(stage.relay().pid))} s`);
    }
    const visitors = stage.writers.filter((writer) => writer.visits);
    console.log(`# ${soak.writes} acknowledged writes, ${soak.frames} frames, ${soak.recovered.length} faults, ${sum(visitors.map((one) => one.visits))} visits (${sum(visitors.map((one) => one.broken))} cut short)`);
    const grew = table(soak.samples);
    for (const line of grew) console.log(`# ${line}`);
    console.log(`# anomalies: ${JSON.stringify(summary(soak.anomalies))}`);
    const bad = soak.anomalies.length + grew.length;
    console.log(`${bad ? 0 : 1} passed, ${bad ? 1 : 0} failed`);
    process.exitCode = bad ? 1 : 0;
  } finally {
    await stage.close();
  }
}

await main();
