import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { it } from 'node:test';

import { Server, ServerCredentials } from '@grpc/grpc-js';

import { setReceiveWindow } from '../../../shared/rpc/receive-window.js';

/** What a client may send at once: [over the connection, on a new stream]. */
async function windowsOf(prepare: (server: Server) => void): Promise<[number, number]> {
  const server = new Server();
  prepare(server);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  const session = http2.connect(`http://127.0.0.1:${port}`);
  try {
    await once(session, 'remoteSettings');
    // The window of the connection travels behind the settings.
    await new Promise<void>((resolve, reject) => session.ping((error) => (error ? reject(error) : resolve())));
    return [session.state.remoteWindowSize!, session.remoteSettings.initialWindowSize!];
  } finally {
    session.destroy();
    server.forceShutdown();
  }
}

it('a client may send a whole window at once, on a stream and over the connection', async () => {
  const bytes = 8 * 1024 * 1024;
  assert.deepEqual(await windowsOf((server) => setReceiveWindow(server, bytes)), [bytes, bytes]);
});

it('without it a client may send 64 KiB, which is what the window is for', async () => {
  assert.deepEqual(await windowsOf(() => {}), [65_535, 65_535]);
});
