import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { onHttp2Server } from '../../../shared/rpc/http2-servers.js';

test('the HTTP/2 server of a bound address is handed over before it listens, to everyone who asked', async () => {
  const server = new Server();
  const seen: string[] = [];
  onHttp2Server(server, (http2Server) => seen.push(`first ${http2Server.listening}`));
  onHttp2Server(server, (http2Server) => seen.push(`second ${http2Server.listening}`));
  await new Promise<void>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve())),
  );
  server.forceShutdown();
  assert.deepEqual(seen, ['first false', 'second false']);
});

test('a server that is made otherwise is left as it is', () => {
  onHttp2Server({} as Server, () => assert.fail());
});
