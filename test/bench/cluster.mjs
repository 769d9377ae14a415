// The one throw-away PostgreSQL cluster of a benchmark: the same server and
// settings for every peer, a database of its own for each measurement. Databases
// are copies of templates that are filled once for each peer and set of people.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const script = new URL('../env/cluster.sh', import.meta.url).pathname;

// fsync stays on. No autovacuum and no checkpoint in the middle: they would fall on some and not on others.
// The library is preloaded, which only taskchat's own databases take notice of.
const CONF = `fsync = on
max_connections = 250
shared_buffers = 256MB
max_wal_size = 8GB
checkpoint_timeout = 1h
autovacuum = off
shared_preload_libraries = 'taskchat'
`;

export class Cluster {
  // pin: words that are put before a command, to run it on its processor.
  static async start(directory, pin) {
    const cluster = new Cluster();
    cluster.directory = path.join(directory, 'pg');
    cluster.templates = new Map();
    const conf = path.join(directory, 'pg.conf');
    writeFileSync(conf, CONF);
    execFileSync(pin[0], [...pin.slice(1), script, 'start', cluster.directory], { env: { ...process.env, TASKCHAT_PG_CONF: conf }, stdio: ['ignore', 'ignore', 'inherit'] });
    cluster.postmaster = Number(readFileSync(path.join(cluster.directory, 'data/postmaster.pid'), 'utf8').split('\n')[0]);
    await cluster.sql('taskchat', 'CREATE ROLE bench_relay LOGIN IN ROLE taskchat_relay');
    return cluster;
  }

  url(database, user = 'postgres') {
    return `postgresql://${user}@${this.directory.replaceAll('/', '%2F')}/${database}`;
  }

  // Statements one after the other, each a transaction of its own; what they print, unaligned.
  sql(database, text) {
    return new Promise((resolve, reject) => {
      const psql = spawn(path.join(process.env.TASKCHAT_PG_BIN, 'psql'), [this.url(database), '-qXAt', '-v', 'ON_ERROR_STOP=1', '-c', 'SET client_min_messages = warning', '-f', '-'], { stdio: ['pipe', 'pipe', 'pipe'], timeout: 180000 });
      let out = '';
      let error = '';
      psql.stdout.on('data', (data) => { out += data; });
      psql.stderr.on('data', (data) => { error += data; });
      psql.on('error', reject);
      psql.on('close', (code) => (code === 0 ? resolve(out.trim()) : reject(new Error(`psql: ${error.trim()}`))));
      psql.stdin.on('error', reject);
      psql.stdin.end(text);
    });
  }

  // A fresh database for this peer with these rooms and settings, and the WAL flushed.
  async database(name, peer, key, rooms, settings = {}) {
    const id = `${peer.name}-${key}`;
    if (!this.templates.has(id)) {
      const template = `template_${this.templates.size}`;
      await this.sql('postgres', `CREATE DATABASE ${template}`);
      await peer.prepare({ sql: (text) => this.sql(template, text), rooms });
      this.templates.set(id, template);
    }
    const alter = Object.entries({ ...peer.settings, ...settings }).map(([setting, value]) => `ALTER DATABASE ${name} SET ${setting} = '${value}';`);
    await this.sql('postgres', `DROP DATABASE IF EXISTS ${name} WITH (FORCE);\nCREATE DATABASE ${name} TEMPLATE ${this.templates.get(id)};\n${alter.join('\n')}\nCHECKPOINT;`);
  }

  // From now on the relay's statements in this database are logged. Returns what counts the batches among them.
  async watchBatches(name) {
    await this.sql('postgres', `ALTER ROLE bench_relay IN DATABASE ${name} SET log_statement = 'all'`);
    const log = path.join(this.directory, 'server.log');
    const from = statSync(log).size;
    return () => readFileSync(log).subarray(from).toString().match(/ LOG:  (execute|statement).*relay_run\(/g)?.length ?? 0;
  }

  async drop(name) {
    await this.sql('postgres', `DROP DATABASE ${name} WITH (FORCE)`);
  }

  stop() {
    return new Promise((resolve, reject) => {
      execFile(script, ['stop', this.directory], (error) => (error ? reject(error) : resolve()));
    });
  }
}
