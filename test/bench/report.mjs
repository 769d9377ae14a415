// What a benchmark found: medians over the rounds, and tables of them.

const of = (key) => (run) => run[key];
const time = (key, quantile) => (run) => run[key]?.[quantile];
const sum = (numbers) => Object.values(numbers).reduce((a, b) => a + b, 0);

// name: [title, what a run says, digits, modes]
const SENDING = ['messages', 'commands'];
const FIGURES = {
  rate: ['messages/s', of('messages_per_second'), 0, SENDING],
  delivery: ['relay CPU, µs/delivery', of('server_cpu_us_per_delivery'), 2, SENDING],
  message: ['relay CPU, µs/message', of('server_cpu_us_per_message'), 1, SENDING],
  postgres: ['PostgreSQL CPU, µs/message', of('postgres_cpu_us_per_message'), 0, SENDING],
  p50: ['latency p50, ms', time('latency_ms', 'p50'), 2, SENDING],
  p99: ['latency p99, ms', time('latency_ms', 'p99'), 2, SENDING],
  after50: ['after the commit p50, ms', time('after_commit_ms', 'p50'), 2, SENDING],
  after99: ['after the commit p99, ms', time('after_commit_ms', 'p99'), 2, SENDING],
  memory: ['memory, KiB/connection', of('server_pss_kib_per_connection'), 2, ['idle']],
  idle: ['CPU, µs/s', of('server_cpu_us_per_second'), 0, ['idle']],
  login: ['relay CPU, µs/log-in', of('server_cpu_us_per_login'), 0, ['login']],
  loginPostgres: ['PostgreSQL CPU, µs/log-in', of('postgres_cpu_us_per_login'), 0, ['login']],
  resumed: ['until all had all, s', of('seconds'), 2, ['resume']],
  resumeCpu: ['relay CPU, s', of('server_cpu_s'), 2, ['resume']],
  batches: ['statements that join', (run) => run.batches || undefined, 0, ['resume']],
  calls: ['system calls/delivery', (run) => run.calls && sum(run.calls) / run.deliveries, 3, ['calls']],
};

// Undefined where this run has none.
function figure(run, name) {
  const [, says, , modes] = FIGURES[name];
  const value = modes.includes(run.mode) ? says(run) : undefined;
  return Number.isFinite(value) ? value : undefined;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.floor(sorted.length / 2)]) / 2;
}

// runs: [{workload, peer, round, error?, delivered, …}] → workload → peer → {runs, failed, <figure>: median}
export function summarize(runs) {
  const summary = {};
  for (const { workload, peer } of runs) {
    const all = runs.filter((run) => run.workload === workload && run.peer === peer);
    const good = all.filter((run) => run.delivered);
    const row = { runs: all.length, failed: all.length - good.length };
    for (const name of Object.keys(FIGURES)) {
      const values = good.map((run) => figure(run, name)).filter((value) => value !== undefined);
      if (values.length > 0) row[name] = median(values);
    }
    (summary[workload] ??= {})[peer] = row;
  }
  return summary;
}

export const figureTitle = (name) => FIGURES[name][0];
export const written = (name, value) => (value === undefined ? '–' : value.toFixed(FIGURES[name][2]));

// A run in one line.
export function told(run) {
  const figures = Object.keys(FIGURES).filter((name) => figure(run, name) !== undefined).map((name) => `${figureTitle(name)} ${written(name, figure(run, name))}`);
  const faults = ['missing', 'duplicate', 'reordered', 'strange'].filter((kind) => run[kind] > 0).map((kind) => `${run[kind]} ${kind}`);
  return `${run.workload} ${run.round + 1} ${run.peer}: ${run.error ?? [...figures, ...faults].join('; ')}${run.delivered ? '' : ' FAILED'}`;
}

// The figures that somebody has in this workload, in FIGURES' order.
export const figuresOf = (rows) => Object.keys(FIGURES).filter((name) => Object.values(rows).some((row) => row[name] !== undefined));

export function table(title, rows, titles) {
  const names = figuresOf(rows);
  return [
    `### ${title}`, '',
    `| | ${names.map(figureTitle).join(' | ')} | runs |`,
    `| --- | ${names.map(() => '---:').join(' | ')} | ---: |`,
    ...Object.entries(rows).map(([peer, row]) =>
      `| ${titles[peer]} | ${names.map((name) => written(name, row[name])).join(' | ')} | ${row.runs}${row.failed > 0 ? `, ${row.failed} failed` : ''} |`),
    '',
  ].join('\n');
}
