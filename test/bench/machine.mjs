// What a benchmark ran on, for whoever reads its figures.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const said = (program, ...args) => execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();

function packageVersion(name) {
  try {
    return JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), 'utf8')).version;
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
    return null;
  }
}

export function machine(bench) {
  const versions = {
    PostgreSQL: said(path.join(process.env.TASKCHAT_PG_BIN, 'postgres'), '--version').replace(/^.* ([\d.]+)( .*)?$/, '$1'),
    'Node.js': process.versions.node,
    ...Object.fromEntries(['ws', 'pg', 'socket.io', '@socket.io/postgres-adapter'].map((name) => [name, packageVersion(name)])),
  };
  const processor = os.cpus()[0]?.model.trim() ?? 'unknown';
  const pinned = bench.pins.server.length === 0 ? 'nothing pinned (one processor)'
    : `the server under test alone on processor ${bench.pins.server[2]}, the generator, PostgreSQL and pgbench on ${bench.pins.rest[2]}`;
  const text = `${os.cpus().length} × ${processor}, Linux ${os.release()}; ${Object.entries(versions).filter(([, version]) => version).map(([name, version]) => `${name} ${version}`).join(', ')}. `
    + `Pinned: ${pinned}. fsync on. Medians over the runs (the last column), which were made in turns.`;
  return { text, processors: os.cpus().length, processor, kernel: os.release(), versions, pinned };
}
