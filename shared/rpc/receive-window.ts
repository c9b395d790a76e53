/**
 * How much a gRPC server takes before the peer has to wait for leave to send more. HTTP/2 begins with 64 KiB, for each stream and for each connection: the queries
 * of a step, 100 KB and more, would stop on the way to every worker until its event loop has answered. grpc-js lets a client choose ('grpc-node.flow_control_window')
 * and has no option for a server, so this reaches into its Server; where a later version is made otherwise, the window stays small and the test says so.
 */

import type { Server } from '@grpc/grpc-js';
import type { Http2Server, ServerHttp2Session, ServerOptions } from 'node:http2';

interface ServerInside {
  commonServerOptions?: ServerOptions;
  createHttp2Server?: (credentials: unknown) => Http2Server;
}

/** Before the server is bound. @param bytes for each connection, and for each of its streams */
export function setReceiveWindow(server: Server, bytes: number): void {
  const inside = server as unknown as ServerInside;
  const create = inside.createHttp2Server;
  const options = inside.commonServerOptions;
  if (create === undefined || options === undefined) return;
  options.settings = { ...options.settings, initialWindowSize: bytes };
  inside.createHttp2Server = (credentials) => {
    const http2Server = create.call(server, credentials);
    http2Server.on('session', (session: ServerHttp2Session) => session.setLocalWindowSize(bytes));
    return http2Server;
  };
}
