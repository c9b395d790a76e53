/**
 * How much a gRPC server takes before the peer has to wait for leave to send more. HTTP/2 begins with 64 KiB, for each stream and for each connection: the queries
 * of a step, 100 KB and more, would stop on the way to every worker until its event loop has answered. grpc-js lets a client choose ('grpc-node.flow_control_window')
 * and has no option for a server, so this reaches into its Server; where a later version is made otherwise, the window stays small and the test says so.
 */

import type { Server } from '@grpc/grpc-js';
import type { ServerHttp2Session, ServerOptions } from 'node:http2';
import { onHttp2Server } from './http2-servers.js';

interface ServerInside {
  commonServerOptions?: ServerOptions;
}

/** Before the server is bound. @param bytes for each connection, and for each of its streams */
export function setReceiveWindow(server: Server, bytes: number): void {
  const options = (server as unknown as ServerInside).commonServerOptions;
  if (options === undefined) return;
  options.settings = { ...options.settings, initialWindowSize: bytes };
  onHttp2Server(server, (http2Server) => http2Server.on('session', (session: ServerHttp2Session) => session.setLocalWindowSize(bytes)));
}
