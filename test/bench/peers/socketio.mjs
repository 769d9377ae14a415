// socket.io with its PostgreSQL adapter (socketio-server.mjs), as a peer.
import { prepare, STORE } from './plain.mjs';

const program = new URL('socketio-server.mjs', import.meta.url).pathname;

// A back end's message: what @socket.io/postgres-emitter notifies for
// `emitter.to(room).emit('message', m)`, in one statement with the INSERT.
const SEND = `WITH m AS (${STORE})
SELECT id, pg_notify('socket.io#/', json_build_object('uid', 'emitter', 'nsp', '/', 'type', 3, 'data', json_build_object(
	'packet', json_build_object('type', 2, 'data', json_build_array('message', row_to_json(m)), 'nsp', '/'),
	'opts', json_build_object('rooms', json_build_array(room), 'flags', json_build_object(), 'except', json_build_array())))::text) FROM m`;

export default {
  name: 'socketio',
  title: 'socket.io + postgres-adapter',
  statement: SEND,
  async prepare({ sql, rooms }) {
    await prepare({ sql, rooms });
    await sql('CREATE TABLE socket_io_attachments (id bigserial UNIQUE, created_at timestamptz DEFAULT now(), payload bytea)');
  },
  command: ({ port, url, secret, heartbeat }) => [process.execPath, program, port, url, secret, heartbeat],
  dialect: (mode) => [
    ['path', '/socket.io/?EIO=4&transport=websocket'],
    ['expect', '^0{'],
    ['say', '40{"token":"{token}"}'],
    ['expect', '^40{'],
    ['say', '420["join",{"rooms":[{"task":"{task}"}]}]'],
    ['expect', '^430[{"done"'],
    ['send', '42{number}["send",{"task":"{task}","content":"{content}"}]'],
    ['reply', '^43'],
    ['refused', '[{"error"'],
    ['ping', '2'],
    ['pong', '3'],
    ...(mode === 'resume' ? [
      ['seq', '"id":'],
      ['resume', '420["join",{"rooms":[{rooms}]}]'],
      ['resume_room', '{"task":"{task}","after":{seq}}'],
    ] : []),
  ],
};
