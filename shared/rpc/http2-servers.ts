/**
 * The HTTP/2 servers inside a gRPC server: grpc-js makes one for each address that it binds, and lets nobody have them. What has no option of its own is set on them as they
 * are made. Where a later version is made otherwise, nothing is set, and the tests of those who use this say so.
 */

import type { Server } from '@grpc/grpc-js';
import type { Http2Server } from 'node:http2';

interface ServerInside {
  createHttp2Server?: (credentials: unknown) => Http2Server;
}

/** Before the server is bound. */
export function onHttp2Server(server: Server, made: (http2Server: Http2Server) => void): void {
  const inside = server as unknown as ServerInside;
  const create = inside.createHttp2Server;
  if (create === undefined) return;
  inside.createHttp2Server = (credentials) => {
    const http2Server = create.call(server, credentials);
    made(http2Server);
    return http2Server;
  };
}
