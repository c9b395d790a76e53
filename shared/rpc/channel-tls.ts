/**
 * Credentials of a client channel over TLS. The files are looked at again before each connection, so one that is made after a replacement uses what is new. A handshake
 * that fails says in one sentence what was wrong with it, as far as this side can know; see connection-failure.ts for what becomes of it.
 */

import { isIP, type Socket } from 'node:net';
import { checkServerIdentity, connect, type TLSSocket } from 'node:tls';
import { CallCredentials, ChannelCredentials, experimental, type ChannelOptions } from '@grpc/grpc-js';
import type { TlsFiles } from '../tls/tls-files.js';
import { handshakeSentence, TlsHandshakeError } from './connection-failure.js';

export interface ChannelTls {
  readonly files: TlsFiles;
  /** name that the server's certificate must have; absent = the host that is dialled */
  readonly serverName?: string;
}

/** Undefined = plain text. One for all channels of a client: those of one target share a connection only where their credentials are the same. */
export function channelCredentials(tls: ChannelTls | undefined): ChannelCredentials {
  return tls === undefined ? ChannelCredentials.createInsecure() : new TlsChannelCredentials(tls);
}

class TlsChannelCredentials extends ChannelCredentials {
  constructor(private readonly tls: ChannelTls) {
    super();
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return other === this;
  }

  override _createSecureConnector(
    target: experimental.GrpcUri,
    _options: ChannelOptions,
    callCredentials: CallCredentials = CallCredentials.createEmpty(),
  ): experimental.SecureConnector {
    return {
      waitForReady: () => this.tls.files.check(),
      connect: async (socket) => ({ socket: await handshake(socket, target.path, this.tls), secure: true }),
      getCallCredentials: () => callCredentials,
      destroy: () => {},
    };
  }
}

/** @param at host:port, as it was dialled. @throws TlsHandshakeError */
function handshake(socket: Socket, at: string, { files, serverName }: ChannelTls): Promise<TLSSocket> {
  const name = serverName ?? experimental.splitHostPort(at)?.host ?? at;
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => reject(new TlsHandshakeError(handshakeSentence(error, { at, name, caFile: files.paths.ca }), error));
    // An address is no name that a client may ask a server for (RFC 6066), but the certificate must have it all the same.
    const tlsSocket = connect({
      socket,
      secureContext: files.context,
      // Said, so that NODE_TLS_REJECT_UNAUTHORIZED=0 does not turn it off.
      rejectUnauthorized: true,
      ALPNProtocols: ['h2'],
      ...(isIP(name) === 0 ? { servername: name } : {}),
      checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate),
    });
    const closed = (): void => failed(Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' }));
    tlsSocket.once('error', failed);
    tlsSocket.once('close', closed);
    tlsSocket.once('secureConnect', () => {
      tlsSocket.off('error', failed);
      tlsSocket.off('close', closed);
      resolve(tlsSocket);
    });
  });
}
