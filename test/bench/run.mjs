// The driver of `make bench`: every peer in turn on the same work, round after
// round, and what came of it. Called by test/bench/run.
//
//   node run.mjs DIRECTORY      where results go: runs.jsonl (a line a run),
//                               results.json (medians), results.md, *.svg
//
// WORKLOADS, PEERS: names, those of workloads.mjs and peers/ (all); ROUNDS (3);
// MINUTES (60) after which no further run is begun.
// The environment is that of test/env/cluster.sh. Exit status 1 where a message
// was lost, doubled or late in order, or a run came to nothing.
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import crypto from 'node:crypto';
import os from 'node:os';
import path from 'node:path';
import { Cluster } from './cluster.mjs';
import { measure, pins } from './measure.mjs';
import { machine } from './machine.mjs';
import { floor, floorOne } from './peers/floor.mjs';
import nchan from './peers/nchan.mjs';
import nodeWs from './peers/node-ws.mjs';
import { raw, rawCoalesced } from './peers/raw.mjs';
import socketio from './peers/socketio.mjs';
import taskchat, { inline } from './peers/taskchat.mjs';
import { plots } from './plots.mjs';
import { summarize, table, told } from './report.mjs';
import { targets } from './targets.mjs';
import { workloads } from './workloads.mjs';

const here = path.dirname(new URL(import.meta.url).pathname);
export const peers = Object.fromEntries([taskchat, inline, nodeWs, socketio, nchan, raw, rawCoalesced, floor, floorOne].map((peer) => [peer.name, peer]));

// Processors that this process may run on.
function processors() {
  const list = /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))[1];
  return list.split(',').flatMap((part) => {
    const [from, to = from] = part.split('-').map(Number);
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
}

export function compile(directory) {
  const build = (name, sources, ...libraries) => {
    const program = path.join(directory, name);
    execFileSync('cc', ['-O2', '-g', '-Wall', '-Wextra', '-Wno-unused-parameter', '-D_GNU_SOURCE', ...sources.map((source) => path.join(here, source)), '-o', program, ...libraries], { stdio: 'inherit' });
    return program;
  };
  const include = execFileSync(process.env.PG_CONFIG, ['--includedir'], { encoding: 'utf8' }).trim();
  return {
    load: build('load', ['load.c', 'options.c', 'dialect.c', 'client.c', 'sender.c', 'tally.c', 'process.c'], `-I${include}`, '-lpq', '-lcrypto'),
    raw: build('raw', ['peers/raw.c'], '-lcrypto'),
  };
}

// Everything that measure() needs: programs, secret, cluster.
export async function openBench() {
  const directory = mkdtempSync(path.join(process.env.TMPDIR ?? os.tmpdir(), 'b-'));
  const bench = { directory, pins: pins(processors()), programs: compile(directory), secret: path.join(directory, 'secret') };
  writeFileSync(bench.secret, crypto.randomBytes(32).toString('hex'), { mode: 0o600 });
  bench.cluster = await Cluster.start(directory, bench.pins.rest);
  bench.close = async () => {
    await bench.cluster.stop();
    rmSync(directory, { recursive: true, force: true });
  };
  return bench;
}

export async function measured(bench, name, workload, peer, round) {
  const run = { workload: name, peer: peer.name, round };
  try {
    return { ...run, ...await measure(bench, peer, workload) };
  } catch (error) {
    return { ...run, delivered: false, error: error.message };
  }
}

function chosen(wanted, all, what) {
  const names = (wanted ?? '').split(/[ ,]+/).filter(Boolean);
  const found = names.flatMap((name) => Object.keys(all).filter((one) => one === name || one.startsWith(`${name}-`)));
  for (const name of names) if (!Object.keys(all).some((one) => one === name || one.startsWith(`${name}-`))) throw new Error(`there is no ${what} ${name}: ${Object.keys(all).join(' ')}`);
  return names.length === 0 ? Object.keys(all) : [...new Set(found)];
}

const READING = `The same work for everybody; a run counts only where every message came to everybody once and in order. \`make bench\` repeats it, [peers/](../peers) has the peers, [workloads.mjs](../workloads.mjs) the work.

- Messages are sent through SQL, as a back end does; in W5 through the clients' own sockets. In a closed loop the next one goes when one has been stored and delivered to all; paced ones go at their time, and latency counts from when a message was due. The generator shares a processor with PostgreSQL; where messages are paced it asks Linux for short turns, so that a time says when something came rather than when it was its turn to look.
- taskchat checks rights for each message, numbers each room's line and keeps what was missed; its relay hears a bell, which brings a lone message along, or fetches. Bells go through PostgreSQL's shared memory; those of "taskchat, doorbell inline" are notifications, and sealed. node and socket.io store a plain row, and the notification carries the whole message.
- nchan and the two raw servers have no database and no log-in: they are what fan-out alone costs. pgbench has no relay: it is what storing alone costs.
- CPU is that of the server's processes, or of all of PostgreSQL's, while messages go; memory is the proportional set size, without what the empty server has.`;

export function write(directory, runs, about) {
  const summary = summarize(runs);
  const titles = Object.fromEntries(Object.values(peers).map((peer) => [peer.name, peer.title]));
  const tables = Object.entries(summary).map(([name, rows]) => table(workloads[name].title, rows, titles));
  writeFileSync(path.join(directory, 'results.json'), `${JSON.stringify({ about, summary }, null, 1)}\n`);
  writeFileSync(path.join(directory, 'results.md'), ['# What `make bench` measured', '', about.text, '', READING, '', '## Targets', '', targets(summary), '', '## All figures', '', ...tables].join('\n').trimEnd() + '\n');
  for (const [name, svg] of Object.entries(plots(summary, titles))) writeFileSync(path.join(directory, `${name}.svg`), svg);
}

// All of it once, then all again: what disturbs the machine for a while falls on everybody.
function* order(names, wanted, rounds) {
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      if (round >= (workloads[name].rounds ?? rounds)) continue;
      for (const peer of wanted) if (workloads[name].peers.includes(peer)) yield [name, peer, round];
    }
  }
}

async function main(directory) {
  const rounds = Number(process.env.ROUNDS || 3);
  const end = Date.now() + Number(process.env.MINUTES || 60) * 60000;
  const names = chosen(process.env.WORKLOADS, workloads, 'workload');
  const wanted = chosen(process.env.PEERS, peers, 'peer').filter((name) => {
    const there = peers[name].available?.() ?? true;
    if (!there) console.log(`${name} cannot run here, and is left out`);
    return there;
  });
  const bench = await openBench();
  const runs = [];
  try {
    const about = machine(bench);
    console.log(about.text);
    for (const [name, peer, round] of order(names, wanted, rounds)) {
      if (Date.now() > end) break;
      const run = await measured(bench, name, workloads[name], peers[peer], round);
      runs.push(run);
      console.log(told(run));
      appendFileSync(path.join(directory, 'runs.jsonl'), `${JSON.stringify(run)}\n`);
      write(directory, runs, about);
    }
  } finally {
    await bench.close();
  }
  return runs.every((run) => run.delivered) ? 0 : 1;
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  process.exitCode = await main(process.argv[2]);
}
