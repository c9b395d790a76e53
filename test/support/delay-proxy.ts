/** A TCP proxy that holds every piece back for a while drawn by a seeded generator, so that answers arrive in another order each time. */

import net from 'node:net';

export interface DelayProxy {
  readonly address: string;
  close(): Promise<void>;
}

/** @param delayMs delay of the n-th piece of a connection in one direction; pieces of one direction stay in order */
export async function startDelayProxy(target: string, delayMs: () => number): Promise<DelayProxy> {
  const [host, port] = [target.slice(0, target.lastIndexOf(':')), Number(target.slice(target.lastIndexOf(':') + 1))];
  const sockets = new Set<net.Socket>();
  const server = net.createServer((near) => {
    const far = net.connect(port, host);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    forward(near, far, delayMs);
    forward(far, near, delayMs);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

function forward(from: net.Socket, to: net.Socket, delayMs: () => number): void {
  let last = Promise.resolve();
  from.on('data', (piece) => {
    const due = new Promise((resolve) => setTimeout(resolve, delayMs()));
    last = last
      .then(() => due)
      .then(() => {
        if (!to.destroyed) to.write(piece);
      });
  });
}
