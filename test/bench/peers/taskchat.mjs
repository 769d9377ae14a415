// taskchat itself. prepare() wants the extension in the database and the role
// bench_relay in the cluster.
const taskchat = {
  name: 'taskchat',
  title: 'taskchat',
  settings: { 'taskchat.doorbell': 'shared' },
  statement: 'SELECT taskchat.act_as($1), (taskchat.send_message($2, $3)).seq',
  async prepare({ sql, rooms }) {
    const created = rooms.map(({ task, users }) => `('${task}', '${users[0]}')`);
    const added = rooms.flatMap(({ task, users }) => users.slice(1).map((user) => `('${task}', '${user}')`));
    await sql(`CREATE EXTENSION taskchat;
SELECT count(taskchat.open_room(t, u)) FROM (VALUES ${created.join(', ')}) AS v (t, u);
${added.length === 0 ? '' : `SELECT count(taskchat.add_member(t, u)) FROM (VALUES ${added.join(', ')}) AS v (t, u);`}
VACUUM ANALYZE;`);
  },
  command({ port, adminPort, relayUrl, secret, heartbeat, settings = {} }) {
    const all = {
      listen: `127.0.0.1:${port}`, 'admin-listen': `127.0.0.1:${adminPort}`, database: relayUrl, 'jwt-secret-file': secret,
      heartbeat: `${heartbeat}s`, 'log-level': 'error', ...settings,
    };
    return [process.env.TASKCHAT_RELAY, ...Object.entries(all).flatMap(([key, value]) => [`--${key}`, String(value)])];
  },
  dialect: () => [
    ['path', '/ws'],
    ['header', 'Authorization: Bearer {token}'],
    ['expect', '"welcome"'],
    ['say', '{"type":"join_task_room","task_id":"{task}","ref":1}'],
    ['expect', '"ref":1,"ok":true'],
    ['send', '{"type":"send_message","task_id":"{task}","content":"{content}","ref":{number}}'],
    ['reply', '^{"type":"reply","ref":'],
    ['refused', '"ok":false'],
    ['seq', '"seq":'],
    ['ack', '{"type":"ack","task_id":"{task}","seq":{seq}}'],
    ['epoch', '"epoch":"'],
    ['last_seq', '"last_seq":'],
    ['reset', '"reset":true'],
    ['resume', '{"type":"join_task_rooms","rooms":[{rooms}],"ref":1}'],
    ['resume_room', '{"task_id":"{task}","after_seq":{seq},"epoch":"{epoch}"}'],
  ],
};

export default taskchat;

// As it is set up without a line in postgresql.conf.
export const inline = { ...taskchat, name: 'taskchat-inline', title: 'taskchat, doorbell inline', settings: {} };
