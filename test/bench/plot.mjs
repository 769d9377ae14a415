// Figures as an SVG: a panel a figure, a bar a row. Colours follow the reader's
// light or dark mode.
import { figureTitle, written } from './report.mjs';

const NAMES = 200;
const BARS = 380;
const VALUES = 70;
const LINE = 20;
const HEAD = 28;
const DWARFS = 5;

const STYLE = `
text { font: 12px system-ui, sans-serif; fill: #24292f; }
.title { font-size: 15px; font-weight: 600; }
.figure { font-weight: 600; }
.value { font-variant-numeric: tabular-nums; }
.bar { fill: #8c959f; }
.ours { fill: #0969da; }
.axis { stroke: #d0d7de; }
.cut { stroke: #fff; stroke-width: 3; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.bar { fill: #6e7681; }
.ours { fill: #4493f8; }
.axis { stroke: #30363d; }
.cut { stroke: #0d1117; }
}`;

const escaped = (words) => words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
const text = (x, y, kind, words, anchor = 'start') => `<text x="${x.toFixed(1)}" y="${y}" class="${kind}" text-anchor="${anchor}">${escaped(words)}</text>`;

// What a whole bar stands for: the largest value, unless it would dwarf all
// others; then the next one, and the largest is drawn cut.
function scale(values) {
  const [first, second = first] = [...values].sort((a, b) => b - a);
  return (second > 0 && first > DWARFS * second ? second * 1.25 : first) || 1;
}

function panel(figure, rows, top) {
  const longest = scale(rows.map(({ row }) => row[figure]));
  const lines = [text(0, top + 16, 'figure', figureTitle(figure))];
  rows.forEach(({ name, row, ours }, i) => {
    const y = top + HEAD + i * LINE;
    const width = Math.max(1, Math.min(1, Math.max(0, row[figure]) / longest) * BARS);
    lines.push(
      text(NAMES - 8, y + 11, 'name', name, 'end'),
      `<rect x="${NAMES}" y="${y}" width="${width.toFixed(1)}" height="${LINE - 6}" rx="2" class="${ours ? 'ours' : 'bar'}"/>`,
      text(NAMES + width + 6, y + 11, 'value', written(figure, row[figure])),
    );
    if (row[figure] > longest) lines.push(`<line x1="${NAMES + BARS - 24}" x2="${NAMES + BARS - 16}" y1="${y + LINE - 4}" y2="${y - 2}" class="cut"/>`);
  });
  const bottom = top + HEAD + rows.length * LINE;
  lines.push(`<line x1="${NAMES}" x2="${NAMES}" y1="${top + HEAD - 4}" y2="${bottom - 2}" class="axis"/>`);
  return { lines, bottom };
}

// figures: names of report.mjs's; rows: [{name, row: figure → median, ours}].
export function plot(title, figures, rows) {
  const lines = [text(0, 16, 'title', title)];
  let top = 26;
  for (const figure of figures) {
    const having = rows.filter(({ row }) => row[figure] !== undefined);
    if (having.length === 0) continue;
    const drawn = panel(figure, having, top);
    lines.push(...drawn.lines);
    top = drawn.bottom + 6;
  }
  const width = NAMES + BARS + VALUES;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -4 ${width + 16} ${top + 8}" width="${width + 16}" height="${top + 8}" role="img" aria-label="${escaped(title)}">
<style>${STYLE}
</style>
${lines.join('\n')}
</svg>
`;
}
