// What goes wrong. Each fault is { about, inject(stage, seconds) }: inject
// breaks something, keeps it broken for about so many seconds, and mends it
// before it returns. The run measures from there until everybody has all.
// `ends` says whose processes it takes: the 'relay', or its 'backends' (also
// where the relay only gives them up). `health` says what /readyz must tell
// meanwhile: 'down' (it fails, at least once) or 'up' (it never does); with
// `found`, seconds that the fault must last to be noticed. Connections stay open,
// but where `cuts` says otherwise.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { sleep } from '../e2e/world.mjs';

const bin = process.env.TASKCHAT_PG_BIN ?? '/usr/lib/postgresql/15/bin';

const plain = path.join(path.dirname(new URL(import.meta.url).pathname), '../../relay/taskchat-relay');
const dataDirectory = (stage) => path.join(stage.world.directory, 'pg', 'data');

function ctl(stage, ...args) {
  execFileSync(path.join(bin, 'pg_ctl'), ['-D', dataDirectory(stage), '-w', '-l', path.join(stage.world.directory, 'pg', 'server.log'), ...args],
    { stdio: 'ignore', env: { ...process.env, ...stage.shim.env() } });
}

function isRunning(stage) {
  try {
    ctl(stage, 'status');
    return true;
  } catch (error) {
    if (error.status !== 3) throw error; // 3: no server is running
    return false;
  }
}

const signal = (pids, name) => {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch (error) {
      if (error.code !== 'ESRCH') throw error; // it ended meanwhile
    }
  }
};

// The time that a fault lasts, and on a slow machine until the health route was
// seen to tell of it. (What it never tells the judge finds.)
async function untilTold(stage, seconds) {
  await sleep(seconds * 1000);
  for (const end = performance.now() + 30000; !stage.isTold() && performance.now() < end;) await sleep(100);
}

async function restartRelay(stage, kill) {
  const relay = stage.relay();
  relay.kill(kill);
  await relay.gone;
}

const stopped = (which) => async (stage, seconds) => {
  const pids = (await stage.backends())[which];
  signal(pids, 'SIGSTOP');
  await sleep(seconds * 1000);
  signal(pids, 'SIGCONT');
};

const terminated = (which) => async (stage, seconds) => {
  const until = performance.now() + seconds * 1000;
  do {
    const pids = (await stage.backends())[which];
    await stage.world.sql('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid', [pids]);
    await sleep(1000);
  } while (performance.now() < until);
};

const killed = (which) => async (stage) => {
  // The postmaster answers with a restart of everything.
  signal((await stage.backends())[which].slice(0, 1), 'SIGKILL');
  await sleep(500);
};

// One of the relay's own functions may not be called for a while.
const revoked = (signature) => async (stage, seconds) => {
  await stage.world.sql(`REVOKE EXECUTE ON FUNCTION taskchat.${signature} FROM taskchat_relay`);
  await sleep(seconds * 1000);
  await stage.world.sql(`GRANT EXECUTE ON FUNCTION taskchat.${signature} TO taskchat_relay`);
};

async function setting(stage, sql, connection = stage.world.pool) {
  await connection.query(sql);
  await connection.query('SELECT pg_reload_conf()');
}

export const faults = {
  'relay killed': {
    about: 'kill -9 of the relay, started again',
    cuts: true,
    health: 'down',
    ends: 'relay',
    async inject(stage, seconds) {
      await restartRelay(stage, 'SIGKILL');
      await untilTold(stage, seconds);
      await stage.startRelay();
    },
  },
  'relay stopped': {
    about: 'SIGSTOP of the relay, then SIGCONT',
    cuts: true,
    health: 'down',
    ends: 'backends',
    async inject(stage, seconds) {
      stage.relay().kill('SIGSTOP');
      await sleep(seconds * 1000);
      stage.relay().kill('SIGCONT');
    },
  },
  'relay upgraded': {
    about: 'SIGTERM under load, the next one started',
    cuts: true,
    ends: 'relay',
    async inject(stage) {
      await restartRelay(stage, 'SIGTERM');
      await stage.startRelay();
    },
  },
  'listener terminated': { about: 'pg_terminate_backend of the LISTEN backend, again and again', ends: 'backends', inject: terminated('listen') },
  'listener stopped': { about: 'SIGSTOP of the LISTEN backend', ends: 'backends', health: 'down', found: 10, inject: stopped('listen') },
  'listener killed': { about: 'kill -9 of the LISTEN backend: crash recovery', ends: 'backends', inject: killed('listen') },
  'commands terminated': { about: 'pg_terminate_backend of the command backends, again and again', ends: 'backends', inject: terminated('command') },
  'commands stopped': { about: 'SIGSTOP of the command backends', ends: 'backends', health: 'down', found: 10, inject: stopped('command') },
  'commands killed': { about: 'kill -9 of a command backend: crash recovery', ends: 'backends', inject: killed('command') },
  'database crashed': {
    about: 'immediate stop of PostgreSQL, away for a while, start',
    health: 'down',
    ends: 'backends',
    async inject(stage, seconds) {
      ctl(stage, '-m', 'immediate', 'stop');
      await untilTold(stage, seconds);
      ctl(stage, 'start');
    },
  },
  'database away for a minute': {
    about: 'immediate stop of PostgreSQL, start a minute later',
    ends: 'backends',
    health: 'down',
    async inject(stage) {
      ctl(stage, '-m', 'immediate', 'stop');
      await sleep(60000);
      ctl(stage, 'start');
    },
  },
  'database restarted': {
    about: 'fast stop of PostgreSQL and start',
    ends: 'backends',
    async inject(stage) {
      ctl(stage, '-m', 'fast', 'stop');
      ctl(stage, 'start');
    },
  },
  'lock held': {
    about: 'an SQL session idle in transaction that holds a room',
    health: 'up',
    async inject(stage, seconds) {
      const connection = await stage.pool.connect();
      await connection.query('BEGIN');
      await connection.query("SELECT taskchat.act_as('ben')");
      await connection.query("SELECT taskchat.send_message('alpha', 'idle in transaction')");
      await sleep(seconds * 1000);
      await connection.query('ROLLBACK');
      connection.release();
    },
  },
  'connections used up': {
    about: 'every connection of PostgreSQL taken, the relay sent away',
    health: 'down',
    ends: 'backends',
    async inject(stage, seconds) {
      const admin = await stage.world.pool.connect();
      const taken = stage.newPool();
      taken.options.max = 200;
      const open = [];
      const take = async () => {
        try {
          open.push(await taken.connect());
          return true;
        } catch (error) {
          if (error.code !== '53300') throw error;
          return false;
        }
      };
      while (await take());
      // The relay's places go to us; it comes back to a full house.
      await admin.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'e2e_relay'");
      const end = performance.now() + seconds * 1000;
      while (performance.now() < end) if (!(await take())) await sleep(20);
      for (const connection of open) connection.release();
      await taken.end();
      admin.release();
    },
  },
  'read only': {
    about: 'the database takes no writes',
    health: 'down',
    async inject(stage, seconds) {
      await setting(stage, 'ALTER SYSTEM SET default_transaction_read_only = on');
      await sleep(seconds * 1000);
      const connection = await stage.world.pool.connect();
      await connection.query('SET default_transaction_read_only = off');
      await connection.query('ALTER SYSTEM RESET default_transaction_read_only');
      await connection.query('SELECT pg_reload_conf()');
      connection.release(true);
    },
  },
  'disk full': {
    about: 'no file of PostgreSQL can grow',
    health: 'down',
    ends: 'backends', // without room for the log the server ends itself
    async inject(stage, seconds) {
      stage.shim.fill();
      await sleep(seconds * 1000);
      stage.shim.empty();
      if (!isRunning(stage)) ctl(stage, 'start');
    },
  },
  'clock steps': {
    about: 'the clocks of relay and database go back ten minutes, forth, and are right again',
    health: 'up',
    async inject(stage, seconds) {
      for (const offset of [-600, 600, 0]) {
        stage.shim.clock(offset);
        await sleep(seconds * 500);
      }
    },
  },
  'commands refused': {
    about: 'the database runs no commands for the relay',
    health: 'down',
    inject: revoked('relay_run(text[], text[], boolean, int, int, int)'),
  },
  'events refused': {
    about: 'the database gives the relay no events',
    health: 'down',
    inject: revoked('relay_fetch(bigint[], bigint[], int)'),
  },
  'database unreachable': {
    about: 'packets between relay and database are dropped, then the connections are gone',
    health: 'down', found: 10,
    ends: 'backends',
    async inject(stage, seconds) {
      stage.database.blackhole();
      await sleep(seconds * 1000);
      stage.database.restore();
    },
  },
  'database slow to answer': {
    about: 'packets between relay and database are held back, then go on',
    health: 'down', found: 10,
    ends: 'backends',
    async inject(stage, seconds) {
      stage.database.blackhole();
      await sleep(seconds * 1000);
      stage.database.restore({ resume: true });
    },
  },
  'clients unreachable': {
    about: 'packets between clients and relay are dropped (half-open), then the connections are gone',
    cuts: true,
    health: 'up',
    async inject(stage, seconds) {
      stage.clients.blackhole();
      await sleep(seconds * 1000);
      stage.clients.restore();
    },
  },
  'clients cut': {
    about: 'all connections of clients reset at once, several times',
    cuts: true,
    health: 'up',
    async inject(stage) {
      for (let i = 0; i < 3; i++) {
        stage.clients.cut();
        await sleep(400);
      }
    },
  },
  'bells forged': {
    about: 'garbage, forged and recorded notifications on the relay\'s channel',
    health: 'up',
    async inject(stage, seconds) {
      const [{ channel }] = await stage.world.sql('SELECT channel FROM taskchat.doorbell_channel');
      const [{ ids }] = await stage.world.sql('SELECT array_agg(room_id) AS ids FROM taskchat.task_rooms');
      const garbage = ['', 'r', 'r-1', 'rx', 'r99999999999999999999', 'q1', 'h', 'p', 'n', 't', 't1', 't1 1 ', `t${ids[0]} 1 stranger`, 'c0', 'x', '\u00e9', 'r1'.repeat(3000), 'o', `E${ids[0]} 1\nada\n{"type":"message_received"}`, `E${ids[0]} 99999\n\n{}`, 'E',
        'e', 'e ', `e${ids[0]}`, `e${ids[0]} `, `e${ids[0]} AAAA`, `e${ids[0]} ${'A'.repeat(7000)}`];
      const recorded = [];
      const ear = await stage.newPool().connect();
      ear.on('notification', ({ payload }) => { if (payload[0] === 'e' && recorded.length < 200) recorded.push(payload); });
      await ear.query('SELECT taskchat.relay_hello()');
      await ear.query(`LISTEN "${channel}"`);
      const end = performance.now() + seconds * 1000;
      // A slow machine takes longer to bring something to record.
      while (performance.now() < end || (recorded.length === 0 && performance.now() < end + 60000)) {
        const elsewhere = recorded.slice(-20).map((payload) => `e${ids[0]} ${payload.split(' ')[1]}`);
        for (const payload of [...garbage, ...ids.map((id) => `r${id}`), ...ids.map((id) => `c${id}`), 'pada', 'nada', ...recorded.slice(-20), ...elsewhere])
          await stage.world.sql('SELECT pg_notify($1, $2)', [channel, payload]);
        await sleep(100);
      }
      ear.release(true);
      if (recorded.length === 0) throw new Error('no message came with its bell');
    },
  },
  'bells run over': {
    about: 'the LISTEN backend stands still while more bells ring than shared memory holds, or than are read at once',
    health: 'up',
    async inject(stage, seconds) {
      const { listen } = await stage.backends();
      for (const pid of listen) process.kill(pid, 'SIGSTOP');
      try {
        await stage.world.sql("SELECT count(taskchat.ring('r', i::text)) FROM generate_series(1000000, 1100000) AS i");
        await sleep(Math.min(seconds, 3) * 1000);
      } finally {
        for (const pid of listen) process.kill(pid, 'SIGCONT');
      }
    },
  },
  'notification queue full': {
    about: 'a session listens in an open transaction, the queue fills, and no bell is rung (at a limit that is soon reached)',
    health: 'up', // the slow poll brings what happens
    async inject(stage, seconds) {
      const admin = await stage.world.pool.connect();
      const idler = await stage.newPool().connect();
      await admin.query('SELECT taskchat.current_user_id()'); // the setting is known from then on
      await setting(stage, 'ALTER SYSTEM SET taskchat.doorbell_queue_limit = 0.0002', admin);
      await idler.query('LISTEN elsewhere');
      await idler.query('BEGIN');
      await idler.query('SELECT 1');
      await admin.query("SELECT count(pg_notify('elsewhere', n || repeat('x', 7900))) FROM generate_series(1, 400) AS n");
      const { rows: [{ usage }] } = await admin.query('SELECT pg_notification_queue_usage() AS usage');
      if (usage < 0.0002) throw new Error(`the queue is only used by ${usage}`);
      await sleep(seconds * 1000);
      await idler.query('COMMIT');
      await setting(stage, 'ALTER SYSTEM RESET taskchat.doorbell_queue_limit', admin);
      idler.release(true);
      admin.release();
    },
  },
  'deadlocks': {
    about: 'sessions that take rooms and members in the wrong order, and serializable ones',
    health: 'up',
    async inject(stage, seconds) {
      const end = performance.now() + seconds * 1000;
      const quarrel = async (first, second, level) => {
        while (performance.now() < end) {
          const connection = await stage.pool.connect();
          try {
            await connection.query(`BEGIN ISOLATION LEVEL ${level}`);
            await connection.query("SET LOCAL deadlock_timeout = '50ms'");
            await connection.query("SELECT taskchat.act_as('ben')");
            await connection.query('SELECT taskchat.send_message($1, $2)', [first, `quarrel ${Math.random()}`]);
            await sleep(20);
            await connection.query('SELECT taskchat.send_message($1, $2)', [second, `quarrel ${Math.random()}`]);
            await connection.query('ROLLBACK');
          } catch (error) {
            if (!/^40/.test(error.code ?? '')) throw error;
            await connection.query('ROLLBACK');
          } finally {
            connection.release();
          }
        }
      };
      await Promise.all([quarrel('alpha', 'gamma', 'READ COMMITTED'), quarrel('gamma', 'alpha', 'SERIALIZABLE')]);
    },
  },
  'late commit': {
    about: 'a long transaction whose events come at its end',
    health: 'up',
    async inject(stage, seconds) {
      const connection = await stage.pool.connect();
      await connection.query('BEGIN');
      await connection.query("SELECT taskchat.publish_task_update('alpha', '{\"late\": true}')");
      await connection.query("SELECT taskchat.publish_task_update('beta', '{\"late\": true}')");
      await sleep(seconds * 1000);
      await connection.query('COMMIT');
      connection.release();
    },
  },
  'prepared transaction': {
    about: 'PREPARE TRANSACTION with a message, committed later: no bell rings',
    health: 'up',
    async inject(stage, seconds) {
      const connection = await stage.pool.connect();
      await connection.query('BEGIN');
      await connection.query("SELECT taskchat.act_as('ben')");
      await connection.query("SELECT taskchat.send_message('beta', $1)", [`prepared ${Math.random()}`]);
      await connection.query("PREPARE TRANSACTION 'fault'");
      await sleep(seconds * 500);
      await connection.query("COMMIT PREPARED 'fault'");
      connection.release();
    },
  },
  'descriptors used up': {
    about: 'the relay may open nothing more while everybody wants to come back',
    cuts: true,
    async inject(stage, seconds) {
      const { pid } = stage.relay();
      const limit = (n) => execFileSync('prlimit', ['--pid', String(pid), `--nofile=${n}:`]);
      const [, before] = /Max open files +(\d+)/.exec(fs.readFileSync(`/proc/${pid}/limits`, 'utf8'));
      limit(fs.readdirSync(`/proc/${pid}/fd`).length - 3);
      stage.clients.cut();
      await sleep(seconds * 1000);
      limit(before);
    },
  },
  'memory used up': {
    // It may end for it, as libev does, and is started again: nothing else may come of it.
    about: 'the relay gets 1 MiB more and then no memory while many connect (the one without sanitizers, which need it all)',
    cuts: true,
    ends: 'relay',
    async inject(stage, seconds) {
      await restartRelay(stage, 'SIGTERM');
      await stage.startRelay({}, undefined, { program: plain });
      await sleep(1000);
      const doomed = stage.relay();
      const { pid } = doomed;
      const [, size] = /VmData:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
      execFileSync('prlimit', ['--pid', String(pid), `--data=${(Number(size) + 1024) * 1024}:`]);
      stage.clients.cut();
      const crowd = Array.from({ length: 300 }, () => net.connect(stage.world.port, '127.0.0.1').on('error', () => {}));
      for (const socket of crowd) socket.write(`GET /ws HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(3000)}\r\n`);
      await sleep(seconds * 1000);
      for (const socket of crowd) socket.destroy();
      if (!doomed.ended) {
        execFileSync('prlimit', ['--pid', String(pid), '--data=unlimited:']);
        await sleep(1000);
        await restartRelay(stage, 'SIGTERM');
      } else if (!/cannot allocate/.test(doomed.log)) throw new Error(`the relay ended with ${doomed.exitCode}, ${doomed.signalCode}: ${doomed.log.slice(-300)}`);
      await stage.startRelay();
    },
  },
  'settings broken': {
    about: 'SIGHUP with a file that is none: the old settings stay',
    health: 'up',
    async inject(stage, seconds) {
      const good = fs.readFileSync(stage.settings);
      fs.writeFileSync(stage.settings, 'heartbeat = never\nno such line\n');
      stage.relay().kill('SIGHUP');
      await sleep(seconds * 500);
      fs.writeFileSync(stage.settings, good);
      stage.relay().kill('SIGHUP');
    },
  },
};
