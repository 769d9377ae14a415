// What is drawn of a benchmark: a plot a workload, with the figures that it is
// about; the workloads that only ask how taskchat grows share one.
import { plot } from './plot.mjs';
import { workloads } from './workloads.mjs';

const FIGURES = {
  'w1-closed': ['delivery', 'rate', 'p99'],
  'w1-paced': ['delivery', 'p50', 'p99'],
  'w2-closed': ['rate', 'message', 'postgres'],
  'w2-paced': ['message', 'postgres', 'after50', 'after99'],
  'w3-idle': ['memory', 'idle'],
  'w4-login': ['login', 'loginPostgres'],
  'w5-commands': ['rate', 'message', 'postgres'],
  'w5-slow-flush': ['rate', 'message', 'postgres'],
  'w6-resume': ['resumed', 'resumeCpu'],
  'w6-resume-many': ['resumed', 'resumeCpu'],
  'calls-single': ['calls'],
  'calls-queued': ['calls'],
};
const GROWTH = {
  'growth-1000-connections': '1,000 connections',
  'growth-10000-connections': '10,000 connections',
  'growth-100-rooms': '100 rooms',
  'growth-10000-rooms': '10,000 rooms',
};

// summary: as report.mjs makes it; titles: of peers. Returns name → SVG.
export function plots(summary, titles) {
  const drawn = {};
  for (const [name, figures] of Object.entries(FIGURES)) {
    if (summary[name]) drawn[name] = plot(workloads[name].title, figures, Object.entries(summary[name]).map(([peer, row]) => ({ name: titles[peer], row, ours: peer.startsWith('taskchat') })));
  }
  const grown = Object.entries(GROWTH).filter(([name]) => summary[name]?.taskchat);
  if (grown.length > 0) drawn.growth = plot('Growth: taskchat, 500 messages a second to rooms of two', ['message', 'postgres'], grown.map(([name, title]) => ({ name: title, row: summary[name].taskchat, ours: true })));
  return drawn;
}
