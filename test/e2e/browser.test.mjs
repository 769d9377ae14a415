// The demo page in a real browser: what one side types the other sees, the
// story goes through SQL, and neither a killed relay nor a cut network costs
// anything.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Demo, input, list, say, seen, side, stored, typing } from './page.mjs';
import { sleep, until } from './world.mjs';

const here = path.dirname(new URL(import.meta.url).pathname);
let demo;
let page;

before(async () => {
  demo = await Demo.open();
  page = await demo.page();
});

after(() => demo?.close());

const count = (on, name, text) => list(on, name).getByText(text, { exact: true }).count();

test('what one side types appears on the other, and is told as read', async () => {
  await say(page, 'worker', 'On my way');
  await seen(page, 'creator', 'On my way');
  await say(page, 'creator', 'Good, see you');
  await seen(page, 'worker', 'Good, see you');
  const row = list(page, 'creator').locator('li', { hasText: 'Good, see you' });
  await row.getByTestId('read-mark').waitFor();
  await typing(page, 'worker', () => side(page, 'creator').getByText('Ben is typing…').isVisible());
  await input(page, 'worker').fill('');
});

test('a relay killed in the conversation: nobody reloads, nothing is lost or doubled', async () => {
  await demo.killRelay();
  await side(page, 'worker').getByTestId('connection-banner').getByText('You are offline').waitFor();
  await say(page, 'worker', 'Sent while it was away');
  await side(page, 'worker').getByText('1 message waits to be sent').waitFor();
  await demo.world.as('ada', "SELECT taskchat.send_message('fence-12', 'Written through SQL meanwhile')");
  await demo.world.startRelay();
  for (const name of ['creator', 'worker'])
    for (const text of ['Sent while it was away', 'Written through SQL meanwhile'])
      await seen(page, name, text);
  await sleep(500);
  for (const name of ['creator', 'worker'])
    for (const text of ['Sent while it was away', 'Written through SQL meanwhile', 'On my way'])
      assert.equal(await count(page, name, text), 1);
});

test('the switch cuts one connection; the catch-up brings what was missed', async () => {
  await side(page, 'worker').getByTestId('network-switch').click();
  await say(page, 'creator', 'Are you there?');
  await say(page, 'worker', 'In a tunnel');
  await side(page, 'worker').getByText('1 message waits to be sent').waitFor();
  assert.equal(await count(page, 'worker', 'Are you there?'), 0);
  await side(page, 'worker').getByTestId('network-switch').click();
  await seen(page, 'worker', 'Are you there?');
  await seen(page, 'creator', 'In a tunnel');
});

test('a picture is chosen, uploaded, sent and shown in a box of its size', async () => {
  await side(page, 'worker').getByTestId('attach-button').click();
  await page.getByTestId('photo-half').click();
  await side(page, 'worker').locator('[data-testid=upload][data-status=done]').waitFor();
  await say(page, 'worker', 'Half of it is white');
  const image = list(page, 'creator').getByRole('img', { name: 'Half of it is white' });
  await image.waitFor();
  await until('the picture', () => image.evaluate((one) => one.complete && one.naturalWidth === 640));
  assert.match(await image.getAttribute('src'), /\/uploads\/[0-9a-f-]+\.png$/);
  await side(page, 'worker').getByTestId('attach-button').click();
  await page.keyboard.press('Escape');
  await page.evaluate(() => {
    const data = new DataTransfer();
    data.items.add(new File(['no picture'], 'notes.png', { type: 'image/png' }));
    document.querySelector('[data-testid=panel-worker] [data-testid=message-list]')
      .dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
  });
  await side(page, 'worker').getByText('notes.png could not be uploaded').waitFor();
  await side(page, 'worker').getByTestId('remove-upload').click();
});

test('an own message is edited with ↑ and deleted, and the other side sees both', async () => {
  await say(page, 'creator', 'Tomorow');
  await seen(page, 'worker', 'Tomorow');
  await stored(page, 'creator', 'Tomorow');
  await input(page, 'creator').press('ArrowUp');
  await side(page, 'creator').getByTestId('edit-bar').waitFor();
  await input(page, 'creator').fill('Tomorrow');
  await input(page, 'creator').press('Enter');
  await seen(page, 'worker', 'Tomorrow');
  assert.match(await list(page, 'worker').locator('li', { hasText: 'Tomorrow' }).innerText(), /edited/);
  const row = list(page, 'creator').locator('li', { hasText: 'Tomorrow' });
  await row.hover();
  await row.getByRole('button', { name: 'Message actions' }).click();
  await row.getByRole('button', { name: 'Delete' }).click();
  await row.getByRole('button', { name: 'Delete' }).click();
  await seen(page, 'worker', 'This message was deleted');
});

test('the creator answers an applicant in private, and badges tell what is unread', async () => {
  const conversations = side(page, 'creator').getByTestId('conversation-list');
  const cleo = conversations.getByRole('button', { name: /Cleo/ });
  await until('two of Cleo', async () => /2 unread messages/.test(await cleo.textContent()));
  await cleo.click();
  await seen(page, 'creator', 'I could start on Thursday.');
  await until('the badge to go', async () => await cleo.getByTestId('unread-badge').count() === 0);
  await demo.world.as('dan', "SELECT taskchat.send_message('fence-12', 'Any news?', applicant_id => 'dan')");
  const dan = conversations.getByRole('button', { name: /Dan/ });
  await until('two for Dan', async () => /2 unread messages/.test(await dan.textContent()));
  await conversations.getByRole('button', { name: /Task chat/ }).click();
});

test('two tabs of one browser share what waits to be sent', async () => {
  const context = page.context();
  const other = await demo.tab(context);
  for (const name of ['creator', 'worker']) await seen(other, name, 'On my way');
  await demo.killRelay();
  await side(page, 'worker').getByText('You are offline').waitFor();
  await say(page, 'worker', 'Written in the first tab');
  await seen(other, 'worker', 'Written in the first tab');
  await demo.world.startRelay();
  await seen(other, 'creator', 'Written in the first tab');
  await seen(page, 'creator', 'Written in the first tab');
  await sleep(700);
  for (const one of [page, other])
    assert.equal(await count(one, 'creator', 'Written in the first tab'), 1);
  const rows = await demo.world.sql("SELECT 1 FROM taskchat.task_messages WHERE content = 'Written in the first tab'");
  assert.equal(rows.length, 1);
  await other.close();
});

test('the whole story, by its buttons: every step is SQL, every person is told', async () => {
  // A toast goes by itself: it is looked for from before it comes.
  const toast = (name, text, act) => Promise.all([side(page, name).getByTestId('toasts').getByText(text).waitFor(), act()]);
  const step = (id) => page.getByTestId(`step-${id}`).click();
  await step('post');
  await page.getByRole('heading', { name: 'Paint the back fence' }).first().waitFor();
  await toast('creator', 'Ben would like to do this task.', () => side(page, 'worker').getByTestId('apply').click());
  await step('ask');
  await seen(page, 'creator', /Is the paint included/);
  await seen(page, 'worker', /two coats/);
  await toast('worker', 'You are in!', () => step('accept'));
  for (const name of ['creator', 'worker']) await seen(page, name, 'Status: open → assigned');
  await step('start');
  for (const name of ['creator', 'worker']) await seen(page, name, 'Status: assigned → in progress');
  await step('photo');
  await list(page, 'creator').getByRole('img', { name: 'Half way there!' }).waitFor();
  await step('finish');
  await seen(page, 'creator', 'Status: in progress → completed');
  await toast('worker', '€ 120.00 are on their way to you.', () => step('pay'));
  await until('the figures', async () => /\d ms/.test(await page.getByTestId('live').innerText()));
});

test('files of this computer and the page itself: no error was left in the page', async () => {
  await side(page, 'worker').getByTestId('file-input').setInputFiles(path.join(here, '../../relay/web/demo/screenshot.png'));
  await side(page, 'worker').locator('[data-testid=upload][data-status=done]').waitFor();
  await say(page, 'worker', 'A file');
  await list(page, 'creator').getByRole('img', { name: 'A file' }).waitFor();
  assert.deepEqual(demo.complaints, []);
});
