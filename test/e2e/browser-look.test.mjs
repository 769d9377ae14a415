// The demo page as people use it who see, hear or point otherwise: axe in
// light and dark, the keyboard alone, a screen reader's announcements, a phone.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { Demo, input, list, say, seen, side, stored, typing } from './page.mjs';
import { until } from './world.mjs';

const axePath = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
let demo;

before(async () => { demo = await Demo.open(); });
after(() => demo?.close());

/* Both sides are there. */
async function both(page) {
  for (const name of ['creator', 'worker']) await seen(page, name, /Saturday at nine/);
}

/* The names of the animations while Ben is seen typing, or null as long as he isn't. */
const animated = (page) => page.evaluate(() => {
  const indicator = document.querySelector('[data-testid=panel-creator] [data-testid=typing-indicator]');
  return indicator.textContent.includes('Ben is typing')
    ? document.getAnimations().map((one) => one.animationName ?? one.transitionProperty) : null;
});

async function faults(page) {
  /* Through the debugger: the page's own policy lets no other script in. */
  await page.evaluate(`(() => {${(await import('node:fs')).readFileSync(axePath, 'utf8')}})()`);
  return page.evaluate(async () => {
    const { violations } = await window.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    });
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target} ${node.failureSummary}`));
  });
}

for (const colorScheme of ['light', 'dark'])
  test(`axe finds nothing: ${colorScheme}, in all states`, async () => {
    const page = await demo.page({ colorScheme });
    await both(page);
    const background = await page.evaluate(() => getComputedStyle(document.querySelector('.tc-chat')).backgroundColor);
    assert.equal(/rgb\((\d+)/.exec(background)[1] < 128, colorScheme === 'dark');
    assert.deepEqual(await faults(page), []);
    await side(page, 'worker').getByTestId('network-switch').click();
    await say(page, 'worker', 'later');
    await side(page, 'worker').getByText('1 message waits').waitFor();
    await input(page, 'creator').press('ArrowUp');
    await list(page, 'creator').getByRole('button', { name: 'Message actions' }).last().click();
    await page.getByTestId('theme').focus();
    assert.deepEqual(await faults(page), []);
    await side(page, 'worker').getByTestId('network-switch').click();
    await page.getByTestId('theme').click();
    await until('the other colours', async () => await page.evaluate(() => getComputedStyle(document.querySelector('.tc-chat')).backgroundColor) !== background);
    assert.deepEqual(await faults(page), []);
    await page.context().close();
  });

test('the keyboard alone: in order through the chat, sends, edits, acts', async () => {
  const page = await demo.page();
  await seen(page, 'worker', /Saturday at nine/);
  await side(page, 'worker').getByTestId('network-switch').focus();
  const stops = [];
  for (let presses = 0; presses < 20 && !stops.includes('Send'); presses++) {
    await page.keyboard.press('Tab');
    stops.push(await page.evaluate(() => {
      const { activeElement: one } = document;
      return one.getAttribute('aria-label') ?? one.labels?.[0]?.textContent ?? one.textContent.trim().slice(0, 20);
    }));
  }
  const order = ['Messages', 'Message actions', 'Attach files', 'Message', 'Send'].map((stop) => stops.indexOf(stop));
  assert.deepEqual([...order].sort((a, b) => a - b), order, stops.join(', '));
  assert.ok(!order.includes(-1), stops.join(', '));
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.type('By keyboard');
  await page.keyboard.press('Enter');
  await seen(page, 'creator', 'By keyboard');
  await stored(page, 'worker', 'By keyboard');
  await page.keyboard.press('ArrowUp');
  await until('the text to edit', async () => await input(page, 'worker').inputValue() === 'By keyboard');
  await page.keyboard.press('End');
  await page.keyboard.type(' alone');
  await page.keyboard.press('Enter');
  await seen(page, 'creator', 'By keyboard alone');
  await list(page, 'worker').focus();
  const top = () => list(page, 'worker').evaluate((one) => one.scrollTop);
  const before = await top();
  await page.keyboard.press('PageUp');
  await until('scrolling', async () => await top() < before);
  await page.context().close();
});

test('a screen reader hears what comes in, once, and no history', async () => {
  const page = await demo.page();
  await seen(page, 'creator', /Saturday at nine/);
  const spoken = side(page, 'creator').getByTestId('announcements');
  assert.equal(await spoken.textContent(), '');
  await spoken.evaluate((region) => {
    window.heard = [];
    new MutationObserver((changes) => {
      for (const change of changes) for (const node of change.addedNodes) window.heard.push(node.textContent);
    }).observe(region, { childList: true, subtree: true });
  });
  await demo.world.as('ben', "SELECT taskchat.send_message('fence-12', 'The ladder is here')");
  await seen(page, 'creator', 'The ladder is here');
  await say(page, 'creator', 'My own words');
  await seen(page, 'worker', 'My own words');
  await until('the announcement', () => page.evaluate(() => window.heard.length > 0));
  assert.deepEqual(await page.evaluate(() => window.heard), ['Ben: The ladder is here']);
  assert.equal(await list(page, 'creator').getAttribute('role'), 'log');
  assert.equal(await list(page, 'creator').getAttribute('aria-live'), 'off');
  await page.context().close();
});

test('a phone: one side at a time, nothing wider than the screen, fingers find everything', async () => {
  const page = await demo.page({ viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true });
  await seen(page, 'creator', /Saturday at nine/);
  assert.equal(await side(page, 'worker').isVisible(), false);
  await page.getByTestId('side-worker').tap();
  await side(page, 'creator').waitFor({ state: 'hidden' });
  await say(page, 'worker', 'From the phone');
  await page.getByTestId('side-creator').tap();
  await seen(page, 'creator', 'From the phone');
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth));
  const small = await page.locator('button:visible').evaluateAll((buttons) => buttons
    .map((one) => [one.textContent, one.getBoundingClientRect()])
    .filter(([, { width, height }]) => width < 24 || height < 24).map(([name]) => name));
  assert.deepEqual(small, []);
  assert.deepEqual(await faults(page), []);
  await page.context().close();
});

test('calm: who prefers reduced motion sees none, and what moved is still told', async () => {
  const page = await demo.page({ reducedMotion: 'reduce' });
  await both(page);
  assert.deepEqual(await typing(page, 'worker', () => animated(page)), []);
  await input(page, 'worker').fill('');
  await page.context().close();
  const lively = await demo.page();
  await both(lively);
  assert.notDeepEqual(await typing(lively, 'worker', () => animated(lively)), []);
  await input(lively, 'worker').fill('');
  await lively.context().close();
});

test('right to left: own messages on the left, nothing runs out of its place', async () => {
  const page = await demo.page();
  await seen(page, 'creator', /Saturday at nine/);
  const places = () => list(page, 'creator').evaluate((one) => {
    const middle = (element) => { const { left, right } = element.getBoundingClientRect(); return (left + right) / 2; };
    const of = (mine) => [...one.querySelectorAll(`[data-mine=${mine}] .tc-bubble`)].map(middle);
    const average = (all) => all.reduce((sum, each) => sum + each, 0) / all.length;
    return { mine: average(of(true)), others: average(of(false)), wide: one.scrollWidth - one.clientWidth };
  });
  const before = await places();
  assert.ok(before.mine > before.others);
  await page.evaluate(() => { document.documentElement.dir = 'rtl'; });
  const after = await places();
  assert.ok(after.mine < after.others, JSON.stringify(after));
  assert.equal(after.wide, 0);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0);
  assert.deepEqual(await faults(page), []);
  await page.context().close();
});

test('forced colours: messages have edges', async () => {
  const page = await demo.page({ forcedColors: 'active' });
  await seen(page, 'creator', /Saturday at nine/);
  const edges = await list(page, 'creator').evaluate((one) => [...one.querySelectorAll('.tc-bubble')].map((each) => getComputedStyle(each).borderTopWidth));
  assert.ok(edges.length > 0 && edges.every((width) => width !== '0px'), edges.join());
  await page.context().close();
});

test('an answer: from the menu, by keyboard alone, with what is answered over it on both sides', async () => {
  const page = await demo.page();
  await say(page, 'creator', 'Who has the keys?');
  await seen(page, 'worker', 'Who has the keys?');
  await list(page, 'worker').focus();
  /* To the newest message's actions, and from there into its menu. */
  await until('the actions', async () => {
    await page.keyboard.press('Tab');
    return page.evaluate(() => document.activeElement.getAttribute('aria-label') === 'Message actions');
  });
  await page.keyboard.press('Enter');
  await until('the menu', () => page.evaluate(() => document.activeElement.getAttribute('aria-expanded') === 'true'));
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await side(page, 'worker').getByTestId('reply-bar').getByText('Who has the keys?').waitFor();
  await until('the focus', () => input(page, 'worker').evaluate((one) => one === document.activeElement));
  await page.keyboard.type('I have');
  assert.equal(await input(page, 'worker').inputValue(), 'I have');
  assert.deepEqual(await faults(page), []);
  await input(page, 'worker').press('Enter');
  for (const name of ['creator', 'worker'])
    await list(page, name).locator('li', { hasText: 'I have' }).getByTestId('quote').getByText('Who has the keys?').waitFor();
  assert.deepEqual(await faults(page), []);
  await page.context().close();
});
