// A relay on `ws` and `pg` (node-ws-server.mjs), as a peer.
import { prepare, STORE } from './plain.mjs';

const program = new URL('node-ws-server.mjs', import.meta.url).pathname;

// What passes NOTIFY's limit of 8,000 bytes goes as an id, to be fetched.
export const SEND = `WITH m AS (${STORE})
SELECT id, pg_notify('messages', CASE WHEN octet_length(content) < 3500 THEN row_to_json(m)::text ELSE json_build_object('id', id)::text END) FROM m`;

export default {
  name: 'node-ws',
  title: 'node: ws + pg',
  statement: SEND,
  prepare,
  command: ({ port, url, secret, heartbeat }) => [process.execPath, program, port, url, secret, heartbeat],
  // Its ids follow no commit order, so only a resume, which has to, goes by them.
  dialect: (mode) => [
    ['path', '/'],
    ['header', 'Authorization: Bearer {token}'],
    ['expect', '"welcome"'],
    ['say', '{"type":"join","ref":1,"rooms":[{"task":"{task}"}]}'],
    ['expect', '^{"type":"joined"'],
    ['send', '{"type":"send","ref":{number},"task":"{task}","content":"{content}"}'],
    ['reply', '^{"type":"reply","ref":'],
    ['refused', '^{"type":"error"'],
    ...(mode === 'resume' ? [
      ['seq', '"id":'],
      ['resume', '{"type":"join","ref":1,"rooms":[{rooms}]}'],
      ['resume_room', '{"task":"{task}","after":{seq}}'],
    ] : []),
  ],
};
