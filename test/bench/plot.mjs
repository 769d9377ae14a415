// A workload's medians as an SVG: a panel a figure, a bar a peer. Colours follow
// the reader's light or dark mode.
import { figureTitle, figuresOf, written } from './report.mjs';

const NAMES = 210;
const BARS = 330;
const VALUES = 80;
const LINE = 20;
const HEAD = 30;

const STYLE = `
text { font: 12px system-ui, sans-serif; fill: #24292f; }
.title { font-size: 15px; font-weight: 600; }
.figure { font-weight: 600; }
.value { font-variant-numeric: tabular-nums; }
.bar { fill: #8c959f; }
.ours { fill: #0969da; }
.axis { stroke: #d0d7de; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.bar { fill: #6e7681; }
.ours { fill: #4493f8; }
.axis { stroke: #30363d; }
}`;

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const text = (x, y, kind, words, anchor = 'start') => `<text x="${x}" y="${y}" class="${kind}" text-anchor="${anchor}">${escaped(words)}</text>`;

function panel(figure, rows, titles, top) {
  const bars = Object.entries(rows).filter(([, row]) => row[figure] !== undefined);
  const longest = Math.max(...bars.map(([, row]) => row[figure]), 0) || 1;
  const lines = [text(0, top + 16, 'figure', figureTitle(figure))];
  bars.forEach(([peer, row], i) => {
    const y = top + HEAD + i * LINE;
    const width = Math.max(1, (Math.max(0, row[figure]) / longest) * BARS);
    lines.push(
      text(NAMES - 8, y + 12, 'name', titles[peer], 'end'),
      `<rect x="${NAMES}" y="${y}" width="${width.toFixed(1)}" height="${LINE - 6}" rx="2" class="${peer.startsWith('taskchat') ? 'ours' : 'bar'}"/>`,
      text(NAMES + width + 6, y + 12, 'value', written(figure, row[figure])),
    );
  });
  const bottom = top + HEAD + bars.length * LINE;
  lines.push(`<line x1="${NAMES}" x2="${NAMES}" y1="${top + HEAD - 4}" y2="${bottom - 2}" class="axis"/>`);
  return { lines, bottom };
}

// rows: peer → figures, as report.mjs makes them.
export function plot(title, rows, titles) {
  const lines = [text(0, 18, 'title', title)];
  let top = 28;
  for (const figure of figuresOf(rows)) {
    const drawn = panel(figure, rows, titles, top);
    lines.push(...drawn.lines);
    top = drawn.bottom + 8;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -4 ${NAMES + BARS + VALUES + 16} ${top + 4}" width="${NAMES + BARS + VALUES + 16}" role="img" aria-label="${escaped(title)}">
<style>${STYLE}
</style>
${lines.join('\n')}
</svg>
`;
}
