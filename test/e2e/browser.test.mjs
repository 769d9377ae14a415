// The demo page in a real browser: what one side types the other sees, the
// status button goes through SQL, and a killed relay costs nothing.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { World, sleep, token } from './world.mjs';

const here = path.dirname(new URL(import.meta.url).pathname);
const built = process.env.TASKCHAT_WEB_ROOT ?? path.join(here, '../../relay/web/dist-demo');
const side = (page, name) => page.locator(`[data-testid=panel-${name}]`);
const input = (page, name) => side(page, name).locator('[data-testid=message-input]');
let world;
let browser;
let backend;
let page;
const complaints = [];

// The application of the page: changes the task's row, and knows nothing of taskchat.
function startBackend() {
  return new Promise((resolve) => {
    const server = http.createServer(async (request, response) => {
      response.setHeader('access-control-allow-origin', `http://127.0.0.1:${world.port}`);
      response.setHeader('access-control-allow-headers', 'content-type');
      response.setHeader('content-type', 'application/json');
      let body = '';
      for await (const part of request) body += part;
      if (request.method === 'POST') {
        const { task_id: id, status } = JSON.parse(body);
        await world.sql('UPDATE tasks SET status = $1 WHERE id = $2', [status, id]);
      }
      const [task] = await world.sql("SELECT status FROM tasks WHERE id = 'fence'");
      response.end(JSON.stringify(task));
    }).listen(0, '127.0.0.1', () => resolve(server));
  });
}

before(async () => {
  world = await World.open();
  await world.sql('CREATE TABLE tasks (id text PRIMARY KEY, creator_id text, status text)');
  await world.sql("SELECT taskchat.bind_tasks('tasks')");
  await world.sql("INSERT INTO tasks VALUES ('fence', 'ada', 'open')");
  await world.sql("SELECT taskchat.add_member('fence', 'ben')");
  backend = await startBackend();
  const root = path.join(world.directory, 'web');
  fs.cpSync(built, root, { recursive: true });
  fs.writeFileSync(path.join(root, 'demo.json'), JSON.stringify({
    task_id: 'fence', task_title: 'Paint the fence', status_url: `http://127.0.0.1:${backend.address().port}/status`,
    users: [['ada', 'Ada', 'creator'], ['ben', 'Ben', 'worker']]
      .map(([user_id, name, role]) => ({ user_id, name, role, token: token(user_id) })),
  }));
  world.settings['web-root'] = root;
  await world.startRelay();
  browser = await chromium.launch({
    executablePath: process.env.TASKCHAT_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  page = await browser.newPage();
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(`http://127.0.0.1:${world.port}/`);
  await input(page, 'worker').waitFor();
});

after(async () => {
  await browser?.close();
  backend?.close();
  await world.close();
});

async function say(name, text) {
  await input(page, name).fill(text);
  await side(page, name).locator('[data-testid=send-button]').click();
}

const seen = (name, text) => side(page, name).locator('[data-testid=message-list]').getByText(text).waitFor({ timeout: 15000 });

test('what one side types appears on the other', async () => {
  await say('worker', 'On my way');
  await seen('creator', 'On my way');
  await say('creator', 'Good, see you');
  await seen('worker', 'Good, see you');
});

test('the status button goes through the bound table', async () => {
  await page.locator('[data-testid=status-button-assigned]').first().click();
  for (const name of ['creator', 'worker']) await seen(name, /open → assigned/);
});

test('a relay killed in the conversation: nobody reloads, nothing is lost or doubled', async () => {
  const relay = world.relays.find((r) => !r.ended);
  relay.kill('SIGKILL');
  await relay.gone;
  await sleep(300);
  await say('worker', 'Sent while it was away');
  await world.as('ada', "SELECT taskchat.send_message('fence', 'Written through SQL meanwhile')");
  await world.startRelay();
  await seen('creator', 'Sent while it was away');
  await seen('worker', 'Written through SQL meanwhile');
  await sleep(500);
  for (const name of ['creator', 'worker'])
    for (const text of ['Sent while it was away', 'Written through SQL meanwhile', 'On my way'])
      assert.equal(await side(page, name).locator('[data-testid=message-list]').getByText(text).count(), 1);
  assert.deepEqual(complaints, []);
});
