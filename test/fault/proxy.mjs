// A wire that can fail: forwards byte streams between a listening address and
// a target, and can hold everything back (packets dropped both ways, as a cable
// that was pulled), or cut what is there.
import net from 'node:net';

export class Proxy {
  // from, to: what net.listen() and net.connect() take ({ port, host } or { path }).
  static async open(from, to) {
    const proxy = new Proxy();
    proxy.to = to;
    proxy.pairs = new Set();
    proxy.held = false;
    proxy.server = net.createServer({ allowHalfOpen: true }, (client) => proxy.accept(client));
    await new Promise((resolve, reject) => {
      proxy.server.once('error', reject);
      proxy.server.listen(from, resolve);
    });
    return proxy;
  }

  accept(client) {
    const server = net.connect(this.to);
    const pair = { client, server };
    this.pairs.add(pair);
    const drop = () => {
      this.pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const [from, to] of [[client, server], [server, client]]) {
      from.on('data', (data) => {
        if (pair.dead) return;
        if (!to.write(data)) {
          from.pause();
          to.once('drain', () => { if (!this.held) from.resume(); });
        }
      });
      from.on('end', () => { if (!pair.dead) to.end(); });
      from.on('error', drop);
      from.on('close', drop);
    }
    if (this.held) this.hold(pair);
  }

  // Nothing passes on these connections any more, and neither side is told:
  // what was sent meanwhile is lost with them.
  hold(pair) {
    pair.client.pause();
    pair.server.pause();
  }

  blackhole() {
    this.held = true;
    for (const pair of this.pairs) this.hold(pair);
  }

  // The connections of before are gone for good (they were silent too long);
  // with resume true they go on where they stood.
  restore({ resume = false } = {}) {
    this.held = false;
    for (const pair of this.pairs) {
      if (resume) {
        pair.client.resume();
        pair.server.resume();
      } else {
        pair.client.destroy();
        pair.server.destroy();
      }
    }
  }

  // All connections of clients end at once, with a reset (TCP only).
  cut() {
    for (const { client, server } of this.pairs) {
      if (!client.destroyed) client.resetAndDestroy();
      server.destroy();
    }
  }

  async close() {
    for (const { client, server } of this.pairs) {
      client.destroy();
      server.destroy();
    }
    await new Promise((resolve) => this.server.close(resolve));
  }
}
