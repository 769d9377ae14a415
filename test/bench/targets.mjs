// What taskchat has set itself, held against the medians: a table.

const of = (peer, workload, figure) => ({ peer, workload, figure });
const ours = (workload, figure) => of('taskchat', workload, figure);

// what, figure of ours, which way, how much of whose (null: only beside it)
const RATIOS = [
  ['one room, closed loop: relay CPU a delivery', ours('w1-closed', 'delivery'), 'most', [[0.5, 'raw'], [0.3, 'node-ws'], [0.2, 'socketio']]],
  ['one room, paced: relay CPU a delivery', ours('w1-paced', 'delivery'), 'most', [[1.25, 'raw'], [0.6, 'node-ws']]],
  ['pairs, paced: relay CPU a message', ours('w2-paced', 'message'), 'most', [[0.8, 'node-ws'], [null, 'raw']]],
  ['pairs, paced: delivered after the commit, p50', ours('w2-paced', 'after50'), 'most', [[0.7, 'node-ws']]],
  ['pairs, paced: delivered after the commit, p99', ours('w2-paced', 'after99'), 'most', [[0.5, 'node-ws']]],
  ['pairs, closed loop: messages a second', ours('w2-closed', 'rate'), 'least', [[0.8, 'pgbench'], [1.3, 'node-ws']]],
  ['commands: messages a second', ours('w5-commands', 'rate'), 'least', [[3, 'node-ws'], [3, 'socketio'], [7, 'pgbench-1']]],
  ['commands, slower flush: messages a second', ours('w5-slow-flush', 'rate'), 'least', [[3, 'node-ws'], [3, 'socketio'], [7, 'pgbench-1']]],
  ['pairs, paced: PostgreSQL CPU a message', ours('w2-paced', 'postgres'), 'most', [[1.25, 'node-ws']]],
  ['pairs, closed loop: PostgreSQL CPU a message', ours('w2-closed', 'postgres'), 'most', [[1.25, 'node-ws']]],
  ['idle: memory a connection', ours('w3-idle', 'memory'), 'most', [[0.35, 'node-ws']]],
  ['idle: CPU', ours('w3-idle', 'idle'), 'most', [[1.3, 'raw']]],
  ['CPU a log-in with join', ours('w4-login', 'login'), 'most', [[0.3, 'node-ws']]],
];
const BETWEEN = [
  ['CPU a log-in, 10,000 connections : 1,000', ours('w4-at-10000', 'login'), ours('w4-at-1000', 'login'), 0, 1.2],
  ['CPU a message, 10,000 connections : 1,000', ours('growth-10000-connections', 'message'), ours('growth-1000-connections', 'message'), 0.8, 1.2],
  ['CPU a message, 10,000 rooms : 100', ours('growth-10000-rooms', 'message'), ours('growth-100-rooms', 'message'), 0.8, 1.2],
];
const ABSOLUTE = [
  ['idle: memory a connection, KiB', ours('w3-idle', 'memory'), 3],
  ['5,000 rooms resumed, seconds', ours('w6-resume', 'resumed'), 2],
  ['5,000 rooms resumed by 5,000 clients, seconds', ours('w6-resume-many', 'resumed'), 2],
  ['system calls a delivery, one message', ours('calls-single', 'calls'), 1.05],
  ['system calls a delivery, four queued', ours('calls-queued', 'calls'), 0.4],
];

const verdict = (met) => (met ? 'met' : '**not met**');

// Rows whose figures weren't all measured are left out.
export function targets(summary) {
  const value = ({ workload, peer, figure }) => summary[workload]?.[peer]?.[figure];
  const rows = [];
  const add = (what, target, found, met) => rows.push(`| ${what} | ${target} | ${found} | ${met} |`);
  for (const [what, place, kind, limits] of RATIOS) {
    for (const [limit, peer] of limits) {
      const [mine, theirs] = [value(place), value({ ...place, peer })];
      if (mine === undefined || !theirs) continue;
      const ratio = mine / theirs;
      const sign = kind === 'most' ? '≤' : '≥';
      if (limit === null) add(what, `(beside ${peer})`, `${ratio.toFixed(2)} ×`, '');
      else add(what, `${sign} ${limit} × ${peer}`, `${ratio.toFixed(3)} ×`, verdict(kind === 'most' ? ratio <= limit : ratio >= limit));
    }
  }
  for (const [what, one, other, least, most] of BETWEEN) {
    const [a, b] = [value(one), value(other)];
    if (a === undefined || !b) continue;
    add(what, least > 0 ? `${least}–${most} ×` : `≤ ${most} ×`, `${(a / b).toFixed(2)} ×`, verdict(a / b >= least && a / b <= most));
  }
  for (const [what, place, most] of ABSOLUTE) {
    const found = value(place);
    if (found !== undefined) add(what, `≤ ${most}`, found.toFixed(2), verdict(found <= most));
  }
  return ['| figure | target | measured | |', '| --- | --- | ---: | --- |', ...rows].join('\n');
}
