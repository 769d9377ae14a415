// The relay that one writes with socket.io and its PostgreSQL adapter, websocket
// only. Back ends send as @socket.io/postgres-emitter does (see socketio.mjs);
// what a socket sends is stored, and told to the room by the server.
//
//   node socketio-server.mjs PORT DATABASE_URL SECRET_FILE HEARTBEAT_SECONDS
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createAdapter } from '@socket.io/postgres-adapter';
import jwt from 'jsonwebtoken';
import pg from 'pg';
import { Server } from 'socket.io';
import { HISTORY, MEMBER, MEMBERS, MISSED, STORE } from './plain.mjs';

const [port, url, secretFile, heartbeat] = process.argv.slice(2);
const secret = readFileSync(secretFile, 'utf8').trim();

const pool = new pg.Pool({ connectionString: url, max: 10 });
const query = (statement, values) => pool.query({ ...statement, values });

const server = createServer();
const io = new Server(server, {
  transports: ['websocket'],
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
  maxHttpBufferSize: 65536,
  pingInterval: Number(heartbeat) * 1000,
  adapter: createAdapter(pool, { errorHandler: (error) => { throw error; } }),
});

io.use((socket, next) => {
  try {
    socket.data.user = jwt.verify(socket.handshake.auth.token ?? '', secret, { algorithms: ['HS256'] }).sub;
    next();
  } catch {
    next(new Error('unauthorized'));
  }
});

// In the room before the history is read, so nothing falls in between.
async function join(socket, { task, after }) {
  if ((await query(MEMBER, [task, socket.data.user])).rowCount === 0) throw new Error('not a member');
  socket.join(task);
  const [{ rows: members }, { rows: messages }] = await Promise.all([
    query(MEMBERS, [task]),
    after === undefined ? query(HISTORY, [task]) : query(MISSED, [task, after]),
  ]);
  return { task, members, messages };
}

async function send(socket, { task, content }) {
  if (!socket.rooms.has(task)) throw new Error('not joined');
  if (typeof content !== 'string' || content === '' || content.length > 16384) throw new Error('bad content');
  const { rows: [message] } = await query({ name: 'store', text: STORE }, [socket.data.user, task, content]);
  io.to(task).emit('message', message);
  return { id: message.id };
}

const answer = (handler, socket) => async (frame, done) => {
  try {
    done({ done: await handler(socket, frame) });
  } catch (error) {
    done({ error: error.message });
  }
};

io.on('connection', (socket) => {
  socket.on('join', answer((_, { rooms }) => Promise.all(rooms.map((room) => join(socket, room))), socket));
  socket.on('send', answer(send, socket));
});

server.listen(Number(port), '127.0.0.1', 4096);
