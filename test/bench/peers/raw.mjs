// The floors: a bare fan-out in C (raw.c), with a send() a delivery and with
// one a socket and turn.
const peer = (name, title, ...more) => ({
  name,
  title,
  program: 'raw.c',
  command: ({ port, heartbeat, programs }) => [programs.raw, port, heartbeat, ...more],
  dialect: () => [['path', '/{task}'], ['send', '{content}']],
});

export const raw = peer('raw', 'raw epoll, one send a delivery');
export const rawCoalesced = peer('raw-coalesced', 'raw epoll, coalesced', 'coalesce');
