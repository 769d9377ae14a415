// Prints ports of 127.0.0.1 that were free a moment ago: as many as asked for.
import { createServer } from 'node:net';

const count = Number(process.argv[2] ?? 1);
const servers = [];
for (let i = 0; i < count; i++) {
  const server = createServer();
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  servers.push(server);
}
console.log(servers.map((server) => server.address().port).join('\n'));
for (const server of servers) server.close();
