// What is measured: a title, the people, what the generator (load.h) is asked
// to do, and which peers take part.
//
//   clients, rooms, roomsEach   who is where, see people()
//   mode, args                  options of the generator
//   settings                    of the relay, by name
//   database                    settings of PostgreSQL in this workload's database, for every peer
//   heartbeat                   seconds between pings of every server (25)
//   calls                       the server's system calls are counted
//   rounds                      at most: counts differ little
//   limit                       seconds after which a run has failed (120)

const databases = ['taskchat', 'node-ws', 'socketio'];
const everybody = [...databases, 'nchan', 'raw', 'raw-coalesced'];

// Nobody is to be refused for haste.
const unlimited = { 'rate-messages': 1000000, 'rate-messages-burst': 1000000, 'rate-commands': 1000000, 'rate-commands-burst': 1000000 };

// A commit that has to be flushed waits another millisecond first, as on a
// network's disk, and takes along those that come meanwhile (PostgreSQL's manual,
// WAL configuration: commit_delay).
const slowFlush = { commit_delay: 1000, commit_siblings: 0 };

const oneRoom = { clients: 1000, rooms: 1 };
const pairs = (clients) => ({ clients, rooms: clients / 2 });

export const workloads = {
  'w1-closed': {
    title: 'W1: one room of 1,000, 4 messages in flight', peers: everybody,
    ...oneRoom, args: { senders: 4, messages: 1500, warm: 200 },
  },
  'w1-paced': {
    title: 'W1: one room of 1,000, 100 messages a second', peers: everybody,
    ...oneRoom, args: { senders: 4, rate: 100, messages: 600, warm: 100 },
  },
  'w2-closed': {
    title: 'W2: 2,500 rooms of two, 100 messages in flight', peers: ['taskchat', 'taskchat-inline', 'node-ws', 'socketio', 'raw', 'pgbench'],
    ...pairs(5000), args: { senders: 100, seconds: 5, warm: 25000 },
  },
  'w2-paced': {
    title: 'W2: 2,500 rooms of two, 1,000 messages a second', peers: ['taskchat', 'taskchat-inline', 'node-ws', 'socketio', 'raw'],
    ...pairs(5000), args: { senders: 16, rate: 1000, messages: 8000, warm: 1000 },
  },
  'w2-acks': {
    title: 'W2: 2,500 rooms of two, 1,000 messages a second, every delivery acknowledged', peers: ['taskchat'],
    ...pairs(5000), args: { senders: 16, rate: 1000, messages: 10000, warm: 1000, acks: 1 }, settings: unlimited,
  },
  'w3-idle': {
    title: 'W3: 10,000 idle connections', peers: [...databases, 'raw'],
    ...pairs(10000), mode: 'idle', args: { settle: 5, window: 10 }, heartbeat: 5, limit: 240,
  },
  'w4-login': {
    title: 'W4: 5,000 log-ins with join', peers: databases,
    ...pairs(5000), mode: 'login', args: {},
  },
  'w4-at-1000': {
    title: 'W4: 1,000 more log-ins at 1,000 connections', peers: ['taskchat'],
    ...pairs(2000), mode: 'login', args: { base: 1000 },
  },
  'w4-at-10000': {
    title: 'W4: 1,000 more log-ins at 10,000 connections', peers: ['taskchat'],
    ...pairs(11000), mode: 'login', args: { base: 10000 }, limit: 240,
  },
  'w5-commands': {
    title: 'W5: 200 clients send through their sockets as fast as replies come', peers: [...databases, 'pgbench-1'],
    ...pairs(200), mode: 'commands', args: { in_flight: 200, seconds: 5 }, settings: unlimited,
  },
  'w5-slow-flush': {
    title: 'W5: 200 clients send, a flush of the log takes 1 ms more', peers: [...databases, 'pgbench-1'],
    ...pairs(200), mode: 'commands', args: { in_flight: 200, seconds: 5 }, settings: unlimited, database: slowFlush,
  },
  'w6-resume': {
    title: 'W6: 50 clients resume 5,000 rooms after a restart', peers: ['taskchat', 'node-ws'],
    clients: 50, rooms: 5000, roomsEach: 100, mode: 'resume', args: { senders: 16, opening: 50 },
  },
  'w6-resume-many': {
    title: 'W6: 5,000 clients resume a room each after a restart', peers: ['taskchat', 'node-ws'],
    clients: 5000, rooms: 5000, mode: 'resume', args: { senders: 16, opening: 1000 },
  },
  'growth-1000-connections': {
    title: 'Growth: 1,000 connections, 500 messages a second', peers: ['taskchat'],
    ...pairs(1000), args: { senders: 16, rate: 500, messages: 3000, warm: 500 },
  },
  'growth-10000-connections': {
    title: 'Growth: 10,000 connections, 500 messages a second', peers: ['taskchat'],
    ...pairs(10000), args: { senders: 16, rate: 500, messages: 3000, warm: 500 }, limit: 240,
  },
  'growth-100-rooms': {
    title: 'Growth: 200 connections in 100 rooms of two, 500 messages a second', peers: ['taskchat'],
    clients: 200, rooms: 100, args: { senders: 16, rate: 500, messages: 3000, warm: 500 },
  },
  'growth-10000-rooms': {
    title: 'Growth: 200 connections in 10,000 rooms of two, 500 messages a second', peers: ['taskchat'],
    clients: 200, rooms: 10000, roomsEach: 100, args: { senders: 16, rate: 500, messages: 3000, warm: 500 }, limit: 240,
  },
  'calls-single': {
    title: 'System calls: one room of 1,000, 10 messages a second', peers: ['taskchat', 'node-ws', 'raw'],
    ...oneRoom, args: { senders: 1, rate: 10, messages: 50, warm: 10 }, calls: true, rounds: 1,
  },
  'calls-queued': {
    title: 'System calls: one room of 1,000, 4 messages in one transaction, twice a second', peers: ['taskchat', 'node-ws', 'raw'],
    ...oneRoom, args: { senders: 1, rate: 8, burst: 4, messages: 40, warm: 8 }, calls: true, rounds: 1,
  },
};

// The rooms and who is in each, its creator first: the same arithmetic as the
// generator's (load.c).
export function people({ clients, rooms, roomsEach = 1 }) {
  const all = Array.from({ length: rooms }, (_, room) => ({ task: `b${room}`, users: [] }));
  for (let client = 0; client < clients; client++) {
    for (let i = 0; i < roomsEach; i++) all[((client * roomsEach) % rooms) + i].users.push(`u${client}`);
  }
  return all;
}
