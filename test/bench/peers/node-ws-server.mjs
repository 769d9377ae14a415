// The relay that one writes with `ws` and `pg`: messages are rows of a plain
// table, NOTIFY carries each to the relay, which sends it to the sockets in its
// room.
//
//   node node-ws-server.mjs PORT DATABASE_URL SECRET_FILE HEARTBEAT_SECONDS
//
// What costs nothing to do well is done well: the payload has the whole message
// (nothing is fetched for it), one JSON.stringify and one Buffer for all
// sockets of a room, prepared statements, a pool, no compression. The tables
// are in plain.mjs.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import jwt from 'jsonwebtoken';
import pg from 'pg';
import { WebSocket, WebSocketServer } from 'ws';
import { SEND } from './node-ws.mjs';
import { HISTORY, MEMBER, MEMBERS, MISSED } from './plain.mjs';

const [port, url, secretFile, heartbeat] = process.argv.slice(2);
const secret = readFileSync(secretFile, 'utf8').trim();
const MAX_WAITING = 1 << 20;

const pool = new pg.Pool({ connectionString: url, max: 10 });
const rooms = new Map(); // task → Set of sockets
const query = (statement, values) => pool.query({ ...statement, values });

function broadcast(message) {
  const sockets = rooms.get(message.room);
  if (!sockets) return;
  const frame = Buffer.from(JSON.stringify({ type: 'message', ...message }));
  for (const socket of sockets) {
    if (socket.bufferedAmount > MAX_WAITING) socket.terminate();
    else socket.send(frame, { binary: false });
  }
}

// The socket is in the room before the history is read, so nothing falls in
// between; what comes both ways the client tells by the id.
async function join(socket, { task, after }) {
  if ((await query(MEMBER, [task, socket.user])).rowCount === 0) throw new Error('not a member');
  if (socket.readyState !== WebSocket.OPEN) throw new Error('closed');
  if (!rooms.has(task)) rooms.set(task, new Set());
  rooms.get(task).add(socket);
  socket.tasks.add(task);
  const [{ rows: members }, { rows: messages }] = await Promise.all([
    query(MEMBERS, [task]),
    after === undefined ? query(HISTORY, [task]) : query(MISSED, [task, after]),
  ]);
  return { task, members, messages };
}

const commands = {
  async join(socket, { rooms: wanted }) {
    return { type: 'joined', rooms: await Promise.all(wanted.map((room) => join(socket, room))) };
  },

  async send(socket, { task, content }) {
    if (!socket.tasks.has(task)) throw new Error('not joined');
    if (typeof content !== 'string' || content === '' || content.length > 16384) throw new Error('bad content');
    const { rows } = await query({ name: 'send', text: SEND }, [socket.user, task, content]);
    return { type: 'reply', id: rows[0].id };
  },
};

async function onFrame(socket, data) {
  let frame;
  try {
    frame = JSON.parse(data);
    if (!Object.hasOwn(commands, frame.type)) throw new Error('unknown type');
    const { type, ...rest } = await commands[frame.type](socket, frame);
    socket.send(JSON.stringify({ type, ref: frame.ref, ...rest }));
  } catch (error) {
    socket.send(JSON.stringify({ type: 'error', ref: frame?.ref, error: error.message }));
  }
}

function onClose(socket) {
  for (const task of socket.tasks) {
    const sockets = rooms.get(task);
    sockets.delete(socket);
    if (sockets.size === 0) rooms.delete(task);
  }
}

function onSocket(socket, user) {
  socket.user = user;
  socket.tasks = new Set();
  socket.alive = true;
  socket.on('message', (data) => onFrame(socket, data));
  socket.on('pong', () => { socket.alive = true; });
  socket.on('close', () => onClose(socket));
  socket.on('error', () => socket.terminate());
  socket.send('{"type":"welcome"}');
}

// Throws where the token is none of ours.
function userOf(request) {
  const [, token] = /^Bearer (.+)$/.exec(request.headers.authorization ?? '') ?? [];
  return jwt.verify(token ?? '', secret, { algorithms: ['HS256'] }).sub;
}

const server = createServer((request, response) => response.writeHead(200).end('ok\n'));
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 65536 });
server.on('upgrade', (request, connection, head) => {
  let user;
  try {
    user = userOf(request);
  } catch {
    connection.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n');
    return;
  }
  sockets.handleUpgrade(request, connection, head, (socket) => onSocket(socket, user));
});

setInterval(() => {
  for (const socket of sockets.clients) {
    if (!socket.alive) {
      socket.terminate();
    } else {
      socket.alive = false;
      socket.ping();
    }
  }
}, Number(heartbeat) * 1000);

// Without its listener it is of no use: whoever started it starts it again.
const listener = new pg.Client({ connectionString: url });
listener.on('error', (error) => { throw error; });
await listener.connect();
listener.on('notification', async ({ payload }) => {
  const message = JSON.parse(payload);
  broadcast(message.content === undefined ? (await query({ name: 'one', text: 'SELECT * FROM messages WHERE id = $1' }, [message.id])).rows[0] : message);
});
await listener.query('LISTEN messages');
server.listen(Number(port), '127.0.0.1', 4096);
