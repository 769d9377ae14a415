// A conversation of 10,000 messages in a real browser: scrolled to its top
// without a hole, and what a new message costs then. Times are printed, not
// judged: the machine may be busy.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { writeListPage } from './list-page.mjs';
import { Demo, list, seen } from './page.mjs';
import { PATIENCE } from './world.mjs';

const MESSAGES = 10_000;
const ADDED = 50;
let demo;
let page;

before(async () => {
  demo = await Demo.open();
  await demo.world.sql("INSERT INTO tasks (id, title, creator_id, worker_id) VALUES ('long', 'A long talk', 'ada', 'ben')");
  await demo.world.sql("SELECT taskchat.add_member('long', 'ben', 'worker')");
  await demo.world.as('ben', `SELECT count(taskchat.send_message('long',
    'message ' || n || CASE WHEN n % 7 = 0 THEN repeat(' and a few words more', n % 5 + 1) ELSE '' END)) FROM generate_series(1, ${MESSAGES}) n`);
  demo.show('long');
  page = await demo.page();
  /* It begins at the first unread message; reading begins at the end. */
  await page.getByTestId('panel-creator').getByTestId('to-end').click();
  await seen(page, 'creator', new RegExp(`^message ${MESSAGES}\\b`));
});

after(() => demo?.close());

// Runs in the page: scrolls up by a part of the view in each frame; gives what
// was seen, where the view had a hole, and how long frames took.
function scrollToTop() {
  const scroller = document.querySelector('[data-testid=panel-creator] [data-testid=message-list]');
  const view = scroller.clientHeight;
  const seqs = new Set();
  const frames = [];
  let holes = 0;
  let still = 0;
  let last = performance.now();
  return new Promise((resolve) => {
    const step = (now) => {
      frames.push(now - last);
      last = now;
      const { top, bottom } = scroller.getBoundingClientRect();
      const rows = [...scroller.querySelectorAll('li.tc-row')].map((row) => [row.getBoundingClientRect(), Number(row.dataset.seq)]);
      for (const [, seq] of rows) seqs.add(seq);
      const first = scroller.querySelector('.tc-head')?.getBoundingClientRect();
      const covered = rows[0][0].top <= top || (first && first.bottom > top && first.bottom - rows[0][0].top < 4);
      if (!covered || rows.at(-1)[0].bottom < bottom - view * 0.1) holes++;
      still = scroller.scrollTop < 1 && !scroller.querySelector('[data-testid=load-older]') ? still + 1 : 0;
      if (still > 5) {
        resolve({ seen: seqs.size, holes, frames, rendered: rows.length });
        return;
      }
      scroller.scrollTop -= view * 0.8;
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  });
}

// Runs in the page: waits until so many frames have left the view and what is in it where they were.
function restsForFrames(scroller, wanted) {
  let before;
  let frames = 0;
  return new Promise((resolve) => {
    const look = () => {
      const now = [scroller.scrollTop, scroller.scrollHeight, ...[...scroller.querySelectorAll('li.tc-row')].map((row) => row.dataset.seq)].join();
      frames = now === before ? frames + 1 : 0;
      before = now;
      if (frames >= wanted) resolve();
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
}

test(`${MESSAGES} messages scroll to the top, none missing, no hole in the view`, { timeout: 900_000 }, async (t) => {
  const result = await page.evaluate(scrollToTop);
  const frames = result.frames.slice(1).sort((a, b) => a - b);
  const at = (part) => frames[Math.floor(frames.length * part)].toFixed(1);
  t.diagnostic(`${frames.length} frames: median ${at(0.5)} ms, 95 % ${at(0.95)} ms, longest ${frames.at(-1).toFixed(1)} ms; ${result.rendered} rows in the page`);
  assert.equal(result.holes, 0);
  /* The task's first events are no messages. */
  assert.ok(result.seen >= MESSAGES, `only ${result.seen} rows were in view`);
  assert.ok(result.rendered < 300);
  await list(page, 'creator').getByText('message 1', { exact: true }).waitFor();
});

test('what comes in does not move the reader', async () => {
  const scroller = list(page, 'creator');
  await scroller.evaluate((one) => { one.scrollTop = 3000; });
  await scroller.evaluate(restsForFrames, 10);
  const place = () => scroller.evaluate((one) => {
    const { top } = one.getBoundingClientRect();
    const row = [...one.querySelectorAll('li.tc-row')].find((each) => each.getBoundingClientRect().bottom > top);
    return [row.dataset.seq, Math.round(row.getBoundingClientRect().top - top)];
  });
  const before = await place();
  await demo.world.as('ben', "SELECT taskchat.send_message('long', 'while you read')");
  await page.getByTestId('panel-creator').getByTestId('to-end').getByText('1 new').waitFor();
  assert.deepEqual(await place(), before);
  await page.getByTestId('panel-creator').getByTestId('to-end').click();
  await seen(page, 'creator', 'while you read');
});

test('a new message costs little script, with all of them loaded', async (t) => {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable');
  const script = async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'ScriptDuration').value * 1000;
  };
  await page.waitForTimeout(1500);
  const began = await script();
  for (let n = 1; n <= ADDED; n++)
    await demo.world.as('ben', 'SELECT taskchat.send_message($1, $2)', ['long', `added ${n}`]);
  await seen(page, 'creator', `added ${ADDED}`);
  await seen(page, 'worker', `added ${ADDED}`);
  const each = (await script() - began) / ADDED;
  t.diagnostic(`${each.toFixed(2)} ms of script a message, for both sides of the page together`);
  assert.deepEqual(demo.complaints, []);
});

test('one list alone: what a message costs the page', async (t) => {
  writeListPage(demo.root, MESSAGES);
  const alone = await (await demo.browser.newContext()).newPage();
  alone.setDefaultTimeout(PATIENCE);
  alone.on('pageerror', (error) => demo.complaints.push(error.message));
  await alone.goto(`${demo.url}/list.html`);
  await alone.getByTestId('message-list').waitFor();
  await alone.evaluate('add(20)');
  const times = await alone.evaluate(`add(${ADDED})`);
  assert.equal(times.length, ADDED);
  t.diagnostic(`rendering and layout of a message: median ${times[ADDED >> 1].toFixed(1)} ms, longest ${times.at(-1).toFixed(1)} ms`);
  assert.deepEqual(demo.complaints, []);
  await alone.getByTestId('message-list').getByText(`message ${MESSAGES + 20 + ADDED}`).waitFor();
});
