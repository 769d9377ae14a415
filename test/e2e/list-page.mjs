// A page with one MessageList of many messages and nothing else, in one file:
// its add(count) gives how long the page's thread was busy with each addition,
// rendering and layout included, in milliseconds and in order of length.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const web = fileURLToPath(new URL('../../relay/web', import.meta.url));

const script = (messages) => `
  import { createElement, useState } from 'react';
  import { createRoot } from 'react-dom/client';
  import { flushSync } from 'react-dom';
  import { MessageList } from './react/index.ts';

  const message = (seq) => ({ kind: 'message', seq, message: {
    id: 'm' + seq, task_id: 't', applicant_id: null, seq, sender_id: seq % 3 ? 'ben' : 'ada', message_type: 'text',
    content: 'message ' + seq + (seq % 7 ? '' : ' and a few words more'.repeat(seq % 5 + 1)), file_url: null, reply_to: null, metadata: null,
    created_at: new Date(1.79e12 + seq * 30000).toISOString(), read_at: null, edited_at: null, deleted_at: null,
    is_system_message: false, client_msg_id: null,
  } });
  let entries = Array.from({ length: ${messages} }, (_, index) => message(index + 1));
  let show;
  function Page() {
    const [shown, setShown] = useState(entries);
    show = setShown;
    return createElement('div', { className: 'tc-chat', style: { height: 700, width: 560 } },
      createElement('div', { className: 'tc-main' }, createElement(MessageList, { entries: shown, userId: 'ada', readSeq: 5, unread: 3 })));
  }
  createRoot(document.getElementById('page')).render(createElement(Page));
  window.add = async (count) => {
    const times = [];
    for (let left = count; left > 0; left--) {
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 10)));
      entries = [...entries, message(entries.length + 1)];
      const began = performance.now();
      flushSync(() => show(entries));
      times.push(performance.now() - began);
    }
    return times.sort((a, b) => a - b);
  };`;

// Writes the page into a directory; gives its path.
export function writeListPage(directory, messages) {
  execFileSync(path.join(web, 'node_modules/.bin/esbuild'), [
    '--bundle', '--minify', '--format=esm', '--jsx=automatic', '--define:process.env.NODE_ENV="production"', `--outfile=${directory}/list.js`,
  ], { cwd: web, input: script(messages), stdio: ['pipe', 'ignore', 'pipe'] });
  execFileSync(path.join(web, 'node_modules/.bin/esbuild'), ['react/styles.css', '--bundle', `--outfile=${directory}/list.css`], { cwd: web, stdio: 'pipe' });
  const file = path.join(directory, 'list.html');
  fs.writeFileSync(file, '<!doctype html><link rel="stylesheet" href="list.css"><div id="page"></div><script type="module" src="list.js"></script>');
  return file;
}
