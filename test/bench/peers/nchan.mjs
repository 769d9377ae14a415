// nginx with Debian's nchan, as a peer: fan-out only, nothing is stored and
// nobody logs in. Clients send through the socket that they read from.
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const root = new URL('../.nginx', import.meta.url).pathname;
const program = `${root}/usr/sbin/nginx`;
const module = `${root}/usr/lib/nginx/modules/ngx_nchan_module.so`;

// With the module loaded Debian's nginx insists on its own /var/lib/nginx, so it
// gets one that only it sees, as the root of a user namespace.
const apart = (...command) => ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', 'mount -t tmpfs tmpfs /var/lib && mkdir /var/lib/nginx && exec "$@"', 'sh', ...command];

const conf = (directory, port, heartbeat) => `load_module ${module};
daemon off;
worker_processes 1;
user root root;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log warn;
events { worker_connections 60000; }
http {
	access_log off;
	client_body_temp_path ${directory}/body;
	proxy_temp_path ${directory}/proxy;
	fastcgi_temp_path ${directory}/fastcgi;
	uwsgi_temp_path ${directory}/uwsgi;
	scgi_temp_path ${directory}/scgi;
	nchan_shared_memory_size 256M;
	server {
		listen 127.0.0.1:${port} backlog=4096;
		location ~ ^/ws/(b[0-9]+)$ {
			nchan_pubsub websocket;
			nchan_channel_id $1;
			nchan_message_buffer_length 8;
			nchan_subscriber_first_message newest;
			nchan_websocket_ping_interval ${heartbeat};
		}
	}
}
`;

export default {
  name: 'nchan',
  title: 'nginx + nchan',
  available: () => existsSync(module) && spawnSync('unshare', apart('true').slice(1)).status === 0,
  command({ port, directory, heartbeat }) {
    const file = path.join(directory, 'nginx.conf');
    writeFileSync(file, conf(directory, port, heartbeat));
    return apart(program, '-p', directory, '-c', file, '-e', `${directory}/error.log`);
  },
  dialect: () => [['path', '/ws/{task}'], ['send', '{content}']],
};
