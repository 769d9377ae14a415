// The packed client in a real browser: tabs that share an outbox, a closed tab,
// a reload, the back-forward cache, sign-out. No components: those have their
// own tests.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { PATIENCE, World, token, until } from './world.mjs';

const web = fileURLToPath(new URL('../../relay/web', import.meta.url));
let world;
let browser;
let context;
let settings;

// A page that holds nothing but a client with one room.
function script() {
  return `
    import { TaskChatClient } from ${JSON.stringify(path.join(web, 'dist/client/index.js'))};
    const client = new TaskChatClient({
      url: location.origin.replace('http', 'ws') + '/ws', getToken: () => ${JSON.stringify(token('ben'))}, userId: 'ben', backoffCap: 1000,
    });
    const room = client.room('tabs');
    room.join();
    client.connect();
    Object.assign(window, {
      client, room,
      texts: () => room.getState().entries.flatMap((e) => (e.kind === 'message' ? [e.message.content] : [])),
      pending: () => room.getState().pending.map((one) => one.draft.content),
    });`;
}

// The same client in a worker, where there is no page and no storage.
function workerScript() {
  return `
    import { TaskChatClient } from ${JSON.stringify(path.join(web, 'dist/client/index.js'))};
    const client = new TaskChatClient({
      url: location.origin.replace('http', 'ws') + '/ws', getToken: () => ${JSON.stringify(token('ben'))}, backoffCap: 1000,
    });
    const room = client.room('tabs');
    room.subscribe(() => {
      const { phase, entries } = room.getState();
      postMessage({ phase, texts: entries.flatMap((e) => (e.kind === 'message' ? [e.message.content] : [])) });
    });
    room.join();
    client.connect();
    onmessage = ({ data }) => room.send({ content: data });`;
}

before(async () => {
  world = await World.open();
  const root = path.join(world.directory, 'www');
  fs.mkdirSync(root);
  fs.writeFileSync(path.join(root, 'index.html'), '<!doctype html><title>tab</title><script type="module" src="/app.js"></script>');
  execFileSync(path.join(web, 'node_modules/.bin/esbuild'), ['--bundle', '--format=esm', `--outfile=${root}/worker.js`], {
    input: workerScript(), stdio: ['pipe', 'ignore', 'inherit'],
  });
  fs.writeFileSync(path.join(root, 'other.html'), '<!doctype html><title>other</title>');
  execFileSync(path.join(web, 'node_modules/.bin/esbuild'), ['--bundle', '--format=esm', `--outfile=${root}/app.js`], {
    input: script(), stdio: ['pipe', 'ignore', 'inherit'],
  });
  settings = { 'web-root': root };
  await world.startRelay(settings);
  await world.task('tabs', 'ben');
  browser = await chromium.launch({ executablePath: process.env.TASKCHAT_CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'], timeout: PATIENCE });
  context = await browser.newContext();
  context.setDefaultTimeout(PATIENCE);
});
after(async () => {
  await browser?.close();
  await world.close();
});

async function openTab() {
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${world.port}/`);
  await until('the room', () => page.evaluate(() => window.room?.getState().phase === 'joined'));
  return page;
}

const texts = (page) => page.evaluate(() => window.texts?.() ?? []);
const pending = (page) => page.evaluate(() => window.pending());
const stored = async () => (await world.sql("SELECT content FROM taskchat.task_messages WHERE task_id = 'tabs' ORDER BY seq")).map((row) => row.content);

test('tabs share an outbox, and what a closed tab left is sent once by the other', async () => {
  const closing = await openTab();
  const staying = await openTab();
  const [relay] = world.relays;
  relay.kill('SIGKILL');
  await relay.gone;
  await closing.evaluate(() => { for (const content of ['a1', 'a2', 'a3']) window.room.send({ content }); });
  await until('what the first tab wrote', async () => (await pending(staying)).length === 3);
  await staying.evaluate(() => window.room.send({ content: 'b1' }));
  assert.deepEqual(await pending(staying), ['a1', 'a2', 'a3', 'b1']);
  await closing.close();
  await world.startRelay(settings);
  await until('the messages', async () => (await texts(staying)).length === 4, 60000);
  assert.deepEqual(await texts(staying), ['a1', 'a2', 'a3', 'b1']);
  assert.deepEqual(await stored(), ['a1', 'a2', 'a3', 'b1']);
  await until('an empty outbox', async () => (await pending(staying)).length === 0);
  await staying.close();
});

test('two tabs that send at a time send each message once and in order', async () => {
  const tabs = [await openTab(), await openTab()];
  await Promise.all(tabs.map((tab, which) => tab.evaluate((name) => {
    for (let count = 0; count < 10; count++) window.room.send({ content: `${name}:${count}` });
  }, which)));
  await until('all of them', async () => (await texts(tabs[0])).length === 24 && (await texts(tabs[1])).length === 24, 60000);
  const rows = await stored();
  assert.equal(rows.length, 24);
  for (const which of ['0', '1'])
    assert.deepEqual(rows.filter((text) => text.startsWith(`${which}:`)), Array.from({ length: 10 }, (_, count) => `${which}:${count}`));
  for (const tab of tabs) {
    assert.deepEqual(await texts(tab), rows);
    await until('an empty outbox', async () => (await pending(tab)).length === 0);
    await tab.close();
  }
});

test('resumes after another page and after a reload, and signs out without a trace', async () => {
  const tab = await openTab();
  await tab.goto(`http://127.0.0.1:${world.port}/other.html`);
  await world.as('ada', "SELECT taskchat.send_message('tabs', 'while away')");
  await tab.goBack();
  await until('what was missed', async () => (await texts(tab)).includes('while away'), 60000);
  await tab.evaluate(() => { window.client.close(); window.room.send({ content: 'over a reload' }); window.room.setDraft('half'); });
  await tab.reload();
  await until('what waited', async () => (await texts(tab)).includes('over a reload'), 60000);
  assert.equal((await stored()).filter((text) => text === 'over a reload').length, 1);
  assert.equal(await tab.evaluate(() => window.room.getDraft()), 'half');
  await tab.evaluate(() => window.client.signOut());
  assert.deepEqual(await tab.evaluate(() => Object.keys(localStorage)), []);
});

test('in a worker: joins, sends, and resumes after the relay was killed', async () => {
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${world.port}/other.html`);
  await page.evaluate(() => {
    window.worker = new Worker('/worker.js', { type: 'module' });
    window.worker.onmessage = ({ data }) => { window.told = data; };
    window.worker.onerror = ({ message }) => { window.told = { phase: message, texts: [] }; };
  });
  const told = () => page.evaluate(() => window.told ?? { phase: 'nothing', texts: [] });
  await until('the room in the worker', async () => (await told()).phase === 'joined');
  await page.evaluate(() => window.worker.postMessage('from a worker'));
  await until('its message', async () => (await told()).texts.includes('from a worker'));
  const relay = world.relays.find((one) => !one.ended);
  relay.kill('SIGKILL');
  await relay.gone;
  await page.evaluate(() => window.worker.postMessage('while nobody was there'));
  await world.startRelay(settings);
  await until('what waited', async () => (await told()).texts.includes('while nobody was there'), 60000);
  assert.deepEqual((await told()).texts.slice(-2), ['from a worker', 'while nobody was there']);
  assert.equal((await stored()).filter((text) => text === 'while nobody was there').length, 1);
  await page.close();
});
