// Many rooms of two: messages through send_message() at a steady rate, every
// one delivered to both sockets, once and in order. Prints one JSON line.
//
//   node rooms.mjs [rooms=2500] [messages a second=1000] [seconds=30]
//
// The environment is that of test/env/cluster.sh; PostgreSQL refuses root.
import { readFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { World, sleep } from '../e2e/world.mjs';

const [rooms, rate, seconds] = [2500, 1000, 30].map((value, i) => Number(process.argv[2 + i] ?? value));
const ticks = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

// CPU seconds of a process, and of its children that have ended.
function cpu(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return stat.slice(11, 15).reduce((sum, n) => sum + Number(n), 0) / ticks;
}

const backends = (postmaster) => execFileSync('pgrep', ['-P', String(postmaster)], { encoding: 'utf8' }).trim().split('\n');
const quantile = (sorted, q) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] * 100) / 100;

const world = await World.open();
try {
  const relay = await world.startRelay();
  await world.sql(`DO $$ BEGIN FOR i IN 1 .. ${rooms} LOOP
    PERFORM taskchat.open_room('b' || i, 'c' || i); PERFORM taskchat.add_member('b' || i, 'w' || i); END LOOP; END $$`);
  const last = new Map();
  const latencies = [];
  const faults = { missing: 0, duplicate: 0, disorder: 0 };
  const clients = [];
  for (let i = 1; i <= rooms; i += 50) {
    await Promise.all(Array.from({ length: Math.min(50, rooms - i + 1) }, (_, k) => i + k).flatMap((n) => ['c', 'w'].map(async (side) => {
      const client = await world.login(side + n);
      const joined = await client.good({ type: 'join_task_room', task_id: `b${n}` });
      last.set(client, joined.last_seq);
      client.received = 0;
      client.socket.removeAllListeners('message');
      client.socket.on('message', (data) => {
        const frame = JSON.parse(data.toString());
        if (frame.type !== 'message_received') return;
        latencies.push(performance.timeOrigin + performance.now() - Number(frame.message.content));
        const before = last.get(client);
        if (frame.seq <= before) faults.duplicate++;
        else if (frame.seq !== before + 1) faults.disorder++;
        last.set(client, frame.seq);
        client.received++;
      });
      clients.push(client);
    })));
  }
  const postmaster = Number(readFileSync(path.join(world.directory, 'pg/data/postmaster.pid'), 'utf8').split('\n')[0]);
  const commits = [];
  const cpuBefore = { relay: cpu(relay.pid), postgres: backends(postmaster).reduce((sum, pid) => sum + cpu(pid), 0) };
  const began = performance.now();
  let sent = 0;
  const sender = async () => {
    for (;;) {
      const n = sent++;
      if (n >= rate * seconds) return;
      const wait = began + (n * 1000) / rate - performance.now();
      if (wait > 0) await sleep(wait);
      const at = performance.timeOrigin + performance.now();
      await world.pool.query({ name: 'send', text: 'SELECT (taskchat.send_message($2, $3)).seq FROM taskchat.act_as($1)', values: [`w${(n % rooms) + 1}`, `b${(n % rooms) + 1}`, String(at)] });
      commits.push(performance.timeOrigin + performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: 4 }, sender));
  const took = (performance.now() - began) / 1000;
  for (let i = 0; i < 100 && latencies.length < 2 * rate * seconds; i++) await sleep(100);
  const after = { relay: cpu(relay.pid), postgres: backends(postmaster).reduce((sum, pid) => sum + cpu(pid), 0) };
  faults.missing = 2 * rate * seconds - latencies.length;
  latencies.sort((a, b) => a - b);
  commits.sort((a, b) => a - b);
  console.log(JSON.stringify({
    rooms, rate, seconds, took: Math.round(took * 10) / 10, deliveries: latencies.length, ...faults,
    latency_ms: { p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99), max: quantile(latencies, 1) },
    commit_ms: { p50: quantile(commits, 0.5), p99: quantile(commits, 0.99) },
    cpu_seconds: { relay: Math.round((after.relay - cpuBefore.relay) * 100) / 100, postgres: Math.round((after.postgres - cpuBefore.postgres) * 100) / 100 },
  }));
} finally {
  await world.close();
}
