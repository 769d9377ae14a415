// What processes use, from /proc. Sizes are KiB.
import { readFileSync, readdirSync } from 'node:fs';

const ended = (error) => ['ENOENT', 'ESRCH'].includes(error.code);

/*
 * Takes a process; gives { pid, pss, rss, anonymous, descriptors }, or null
 * where it has ended. `anonymous` is its own memory: no file, nothing of what
 * PostgreSQL shares.
 */
export function usage(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    const size = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)[1]);
    return { pid, pss: size('Pss'), rss: size('Rss'), anonymous: size('Pss_Anon'), descriptors: readdirSync(`/proc/${pid}/fd`).length };
  } catch (error) {
    if (ended(error)) return null;
    throw error;
  }
}

/*
 * Seconds of CPU that a process has used, with its children that have ended.
 */
export function cpu(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop().split(' ');
    return fields.slice(11, 15).reduce((sum, n) => sum + Number(n), 0) / 100;
  } catch (error) {
    if (ended(error)) return 0;
    throw error;
  }
}
