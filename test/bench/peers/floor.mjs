// The database alone: pgbench sends what taskchat's back ends send, and no relay
// listens. Once with as many connections as the others have, once with one.
import taskchat from './taskchat.mjs';

const script = ({ rooms, roomsEach = 1 }) => `\\set room random(0, ${rooms - 1})
\\set user :room / ${roomsEach}
\\set number random(10000, 99999)
\\set due random(100000000000000, 999999999999999)
SELECT taskchat.act_as('u' || :user::int), (taskchat.send_message('b' || :room::int, rpad('@' || :number || ':' || :due || '@', 64, 'x'))).seq;
`;

const peer = (name, title, more) => ({ name, title, prepare: taskchat.prepare, settings: taskchat.settings, script, ...more });

export const floor = peer('pgbench', 'pgbench, no relay', {});
export const floorOne = peer('pgbench-1', 'pgbench, one connection', { connections: 1 });
