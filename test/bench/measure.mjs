// One measurement: a peer is started on its processor, the generator (load.c) or
// pgbench works on it from the other, and what came of it is one object. Whatever
// happens, it ends within the workload's limit and leaves nothing running.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { people } from './workloads.mjs';

const LIMIT = 120;
const READY_WITHIN = 30;
const TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

// With two processors or more the server under test has the first to itself.
export function pins(processors) {
  const [first, ...others] = processors;
  return others.length === 0 ? { server: [], rest: [] } : { server: ['taskset', '-c', first], rest: ['taskset', '-c', others.join(',')] };
}

// Seconds of processor time of a process, and of its children that live or have ended.
function processorTime(pid) {
  const read = (id) => {
    const fields = readFileSync(`/proc/${id}/stat`, 'utf8').split(') ').pop().split(' ');
    return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS;
  };
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
  return children.reduce((sum, id) => sum + read(id), read(pid));
}

function start(argv, options = {}) {
  const child = spawn(argv[0], argv.slice(1).map(String), { stdio: ['pipe', 'pipe', 'pipe'], ...options });
  child.out = '';
  child.log = '';
  child.stdout.on('data', (data) => { child.out += data; });
  child.stderr.on('data', (data) => { child.log = (child.log + data).slice(-20000); });
  child.stdin.on('error', (error) => { child.log += `${error}\n`; });
  child.gone = new Promise((resolve) => {
    child.on('error', (error) => { child.log += `${error}\n`; resolve({ code: -1 }); });
    child.on('close', (code, signal) => resolve({ code, signal }));
  });
  child.gone.then((end) => { child.ended = end; });
  return child;
}

async function stop(child, signal = 'SIGTERM') {
  if (!child.ended) child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), 20000);
  await child.gone;
  clearTimeout(timer);
}

async function freePorts(n) {
  const servers = await Promise.all(Array.from({ length: n }, () => new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(server));
  })));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

const connects = (port) => new Promise((resolve) => {
  const socket = net.connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true); });
  socket.on('error', () => resolve(false));
});

const isReady = (peer, port) => (peer.ready ? peer.ready(port) : connects(port));

class Server {
  constructor(bench, peer, work, url, relayUrl) {
    Object.assign(this, { bench, peer });
    this.directory = mkdtempSync(path.join(bench.directory, `${peer.name}-`));
    this.options = {
      url, relayUrl, secret: bench.secret, programs: bench.programs, directory: this.directory,
      heartbeat: work.heartbeat ?? 25, settings: work.settings,
    };
  }

  async start() {
    const [port, adminPort] = this.port ? [this.port, this.adminPort] : await freePorts(2);
    Object.assign(this, { port, adminPort });
    this.child = start([...this.bench.pins.server, ...this.peer.command({ ...this.options, port, adminPort })]);
    const end = Date.now() + READY_WITHIN * 1000;
    while (!await isReady(this.peer, port)) {
      if (this.child.ended || Date.now() > end) throw new Error(`${this.peer.name} did not get ready: ${this.child.log}`);
      await sleep(20);
    }
  }

  get pid() {
    return this.child.pid;
  }

  async stop(signal) {
    if (!this.child) return;
    await stop(this.child, signal);
    if (this.child.ended.code > 0) throw new Error(`${this.peer.name} ended with ${this.child.ended.code}: ${this.child.log}`);
  }

  clean() {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function loadArguments(bench, peer, work, server, url) {
  const dialect = path.join(server.directory, 'dialect');
  writeFileSync(dialect, peer.dialect(work.mode).map(([key, value]) => `${key} ${value}\n`).join(''));
  return {
    mode: work.mode ?? 'messages', port: server.port, dialect, secret: bench.secret,
    clients: work.clients, rooms: work.rooms, rooms_each: work.roomsEach ?? 1, server_pids: server.pid, ...work.args,
    ...(peer.statement ? { url, statement: peer.statement, postmaster_pid: bench.cluster.postmaster } : { publish: 'socket' }),
  };
}

// The generator asks for the server to be killed and started again. Fulfilled
// with what counts the batches of the relay from then on.
async function resumeTalk(bench, load, server, database) {
  const said = (word) => new Promise((resolve, reject) => {
    const look = () => load.log.split('\n').includes(word) && resolve();
    load.stderr.on('data', look);
    load.gone.then(() => reject(new Error(`the generator never said ${word}`)));
    look();
  });
  await said('joined');
  await server.stop('SIGKILL');
  load.stdin.write('down\n');
  await said('missed');
  const batches = await bench.cluster.watchBatches(database);
  await server.start();
  load.stdin.write(`up ${server.pid}\n`);
  return batches;
}

// Calls of the kernel by the server between two times, by name.
function countCalls(text, began, ended) {
  const calls = {};
  for (const line of text.split('\n')) {
    const [, at, name] = /^(?:\d+ +)?(\d+\.\d+) ([a-z0-9_]+)\(/.exec(line) ?? [];
    if (name && Number(at) >= began && Number(at) <= ended) calls[name] = (calls[name] ?? 0) + 1;
  }
  return calls;
}

async function runLoad(bench, peer, work, server, database) {
  const url = bench.cluster.url(database);
  const words = Object.entries(loadArguments(bench, peer, work, server, url)).map(([key, value]) => `${key}=${value}`);
  const trace = path.join(server.directory, 'calls');
  const tracer = work.calls ? start(['strace', '-f', '-qq', '-s', '0', '-ttt', '-o', trace, '-p', server.pid]) : null;
  const load = start([...bench.pins.rest, bench.programs.load, ...words]);
  const timer = setTimeout(() => load.kill('SIGKILL'), (work.limit ?? LIMIT) * 1000);
  const talk = work.mode === 'resume' ? resumeTalk(bench, load, server, database) : null;
  const talked = talk?.catch((error) => { load.log += error.message; load.kill('SIGKILL'); });
  const { code } = await load.gone;
  clearTimeout(timer);
  const batches = await talked;
  if (tracer) await stop(tracer, 'SIGINT');
  if (load.out.trim() === '') throw new Error(`the generator ended with ${code}: ${load.log.trim()} ${server.child.log.trim()}`.slice(0, 2000));
  const result = { ...JSON.parse(load.out), delivered: code === 0 };
  if (!peer.statement) for (const name of ['commit_ms', 'after_commit_ms', 'postgres_cpu_us_per_message']) delete result[name];
  if (talk) result.batches = batches();
  if (!tracer) return result;
  return { ...result, mode: 'calls', calls: countCalls(readFileSync(trace, 'utf8'), result.began, result.ended) };
}

// pgbench of the statement that taskchat's messages are sent with; no relay. Its
// backends warm up first, and are left out once it ends.
async function runPgbench(bench, peer, work, database) {
  const [warm, seconds] = [3, 5];
  const script = path.join(bench.directory, 'floor.sql');
  writeFileSync(script, peer.script(work));
  const pgbench = start([...bench.pins.rest, path.join(process.env.TASKCHAT_PG_BIN, 'pgbench'), bench.cluster.url(database), '-n', '-M', 'prepared',
    '-c', peer.connections ?? work.args.senders, '-T', warm + seconds + 2, '-P', 1, '-f', script]);
  const timer = setTimeout(() => pgbench.kill('SIGKILL'), LIMIT * 1000);
  const progress = () => [...pgbench.log.matchAll(/^progress: ([\d.]+) s, ([\d.]+) tps/gm)].map(([, at, rate]) => ({ at: Number(at), rate: Number(rate) }));
  const used = async (lines) => {
    while (!pgbench.ended && progress().length < lines) await sleep(5);
    return processorTime(bench.cluster.postmaster);
  };
  const before = await used(warm);
  const after = await used(warm + seconds);
  const { code } = await pgbench.gone;
  clearTimeout(timer);
  const lines = progress();
  if (code !== 0 || lines.length < warm + seconds) throw new Error(`pgbench ended with ${code}: ${pgbench.log}`);
  const took = lines[warm + seconds - 1].at - lines[warm - 1].at;
  const messages = lines.slice(warm, warm + seconds).reduce((sum, { rate }, i) => sum + rate * (lines[warm + i].at - lines[warm + i - 1].at), 0);
  return { mode: 'messages', messages: Math.round(messages), messages_per_second: messages / took, postgres_cpu_us_per_message: ((after - before) * 1e6) / messages, delivered: true };
}

export async function measure(bench, peer, workload) {
  const work = { ...workload };
  const database = 'measured';
  let server;
  try {
    if (peer.prepare) await bench.cluster.database(database, peer, `${work.clients}-${work.rooms}-${work.roomsEach ?? 1}`, people(work), work.database);
    if (peer.script) return await runPgbench(bench, peer, work, database);
    server = new Server(bench, peer, work, bench.cluster.url(database), bench.cluster.url(database, 'bench_relay'));
    await server.start();
    return await runLoad(bench, peer, work, server, database);
  } finally {
    await server?.stop().finally(() => server.clean());
    if (peer.prepare) await bench.cluster.drop(database);
  }
}
