// The demo page in a real browser for one test file: a world with the demo's
// own sample data and back end, and what tests do on the page.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { PATIENCE, World, token, until } from './world.mjs';

const here = path.dirname(new URL(import.meta.url).pathname);
const built = process.env.TASKCHAT_DEMO_PAGE ?? path.join(here, '../../relay/web/dist-demo');
const PEOPLE = [['ada', 'Ada', 'creator'], ['ben', 'Ben', 'worker'], ['cleo', 'Cleo', 'applicant'], ['dan', 'Dan', 'applicant']];

export class Demo {
  static async open(taskId = 'fence-12') {
    const demo = new Demo();
    demo.complaints = [];
    demo.world = await World.open();
    demo.url = `http://127.0.0.1:${demo.world.port}`;
    await demo.world.sql("ALTER DATABASE taskchat SET taskchat.allowed_file_schemes = 'https,http'");
    const psql = path.join(process.env.TASKCHAT_PG_BIN ?? '/usr/lib/postgresql/15/bin', 'psql');
    execFileSync(psql, ['-h', path.join(demo.world.directory, 'pg'), '-U', 'postgres', '-d', 'taskchat', '-qX', '-o', '/dev/null',
      '-v', 'ON_ERROR_STOP=1', '-v', `photos=${demo.url}/photos/`, '-f', path.join(here, '../env/demo.sql')]);
    demo.root = path.join(demo.world.directory, 'web');
    fs.cpSync(built, demo.root, { recursive: true });
    fs.mkdirSync(path.join(demo.root, 'uploads'), { recursive: true });
    const api = await demo.startBackend();
    demo.show(taskId, api);
    demo.world.settings['web-root'] = demo.root;
    await demo.world.startRelay();
    demo.browser = await chromium.launch({
      timeout: PATIENCE,
      executablePath: process.env.TASKCHAT_CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    });
    return demo;
  }

  // The page begins with this task.
  show(taskId, api = this.api) {
    this.api = api;
    fs.writeFileSync(path.join(this.root, 'demo.json'), JSON.stringify({
      task_id: taskId, task_title: taskId, api_url: api,
      users: PEOPLE.map(([user_id, name, role]) => ({ user_id, name, role, token: token(user_id) })),
    }));
  }

  startBackend() {
    const { world, root, url } = this;
    this.backend = spawn(process.execPath, [path.join(here, '../../relay/web/demo/backend.mjs')], {
      env: {
        ...process.env, PORT: '0', ALLOWED_ORIGIN: url, UPLOAD_DIR: path.join(root, 'uploads'), UPLOAD_URL: `${url}/uploads`,
        DATABASE_URL: world.url.replace('postgres@', 'demo_backend@'),
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return new Promise((resolve, reject) => {
      this.backend.once('exit', () => reject(new Error('the demo back end ended')));
      this.backend.stdout.on('data', (line) => resolve(/ready: (\S+)/.exec(line)[1]));
    });
  }

  // A page in a browser of its own (another one for each: nothing is shared).
  async page(options = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    context.setDefaultTimeout(PATIENCE);
    return this.tab(context);
  }

  async tab(context) {
    const page = await context.newPage();
    page.on('pageerror', (error) => this.complaints.push(error.message));
    await page.goto(this.url);
    await input(page, 'creator').waitFor({ state: 'attached' });
    return page;
  }

  async killRelay() {
    const relay = this.world.relays.find((one) => !one.ended);
    relay.kill('SIGKILL');
    await relay.gone;
  }

  async close() {
    await this.browser?.close();
    if (this.backend?.exitCode === null) {
      const gone = new Promise((resolve) => this.backend.once('exit', resolve));
      this.backend.removeAllListeners('exit');
      this.backend.once('exit', () => {});
      this.backend.kill('SIGTERM');
      await Promise.race([gone, new Promise((resolve) => this.backend.once('close', resolve))]);
    }
    await this.world?.close();
  }
}

export const side = (page, name) => page.getByTestId(`panel-${name}`);
export const input = (page, name) => side(page, name).getByTestId('message-input');
export const list = (page, name) => side(page, name).getByTestId('message-list');

export async function say(page, name, text) {
  await input(page, name).fill(text);
  await side(page, name).getByTestId('send-button').click();
}

export const seen = (page, name, text) => list(page, name).getByText(text).last().waitFor({ timeout: PATIENCE });

// The own message stands in the line: as long as it is only on its way, ↑ edits the one before it.
export const stored = (page, name, text) => list(page, name).locator('li[data-seq]', { hasText: text }).waitFor({ timeout: PATIENCE });

// Types on, as typing ends by itself, until the test gives something; gives that.
export function typing(page, name, test) {
  return until('the typing to be told', async () => {
    await input(page, name).press('m');
    return test();
  });
}
