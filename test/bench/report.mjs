// What a benchmark found: medians over the rounds, and tables of them.

// name: [title, what the run says, digits]
const FIGURES = {
  rate: ['messages/s', (run) => run.messages_per_second, 0],
  delivery: ['relay µs/delivery', (run) => run.server_cpu_us_per_delivery, 2],
  message: ['relay µs/message', (run) => run.server_cpu_us_per_message, 1],
  postgres: ['PostgreSQL µs/message', (run) => run.postgres_cpu_us_per_message, 0],
  p50: ['latency p50 ms', (run) => run.latency_ms?.p50, 2],
  p99: ['latency p99 ms', (run) => run.latency_ms?.p99, 2],
  after50: ['after commit p50 ms', (run) => run.after_commit_ms?.p50, 2],
  after99: ['after commit p99 ms', (run) => run.after_commit_ms?.p99, 2],
  commit50: ['commit p50 ms', (run) => run.commit_ms?.p50, 2],
  calls: ['system calls/delivery', (run) => run.calls && Object.values(run.calls).reduce((a, b) => a + b, 0) / run.deliveries, 3],
};

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)];

// runs: [{workload, peer, round, error?, delivered, …}] → workload → peer → {runs, failed, <figure>: median}
export function summarize(runs) {
  const summary = {};
  for (const { workload, peer } of runs) {
    const all = runs.filter((run) => run.workload === workload && run.peer === peer);
    const good = all.filter((run) => run.delivered);
    const row = { runs: all.length, failed: all.length - good.length };
    for (const [name, [, of]] of Object.entries(FIGURES)) {
      const values = good.map(of).filter((value) => Number.isFinite(value));
      if (values.length > 0) row[name] = median(values);
    }
    (summary[workload] ??= {})[peer] = row;
  }
  return summary;
}

export const figureTitle = (name) => FIGURES[name][0];
export const written = (name, value) => (value === undefined ? '–' : value.toFixed(FIGURES[name][2]));

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
