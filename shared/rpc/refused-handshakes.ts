/**
 * Says in the log of a server whom it did not let in, and why: the client itself sees little more than a connection that ends. Once for each reason of each peer in a while,
 * since a client that is refused tries again. One that never says a word, as a probe of the port does, is no refusal.
 */

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Server } from '@grpc/grpc-js';
import { TLS_REFUSAL_LOG_MS, TLS_REFUSED_PEERS_MAX } from '../limits.js';
import type { Logger } from '../log.js';
import { verdictOf, type CertificateVerdict } from '../tls/certificate-verdict.js';
import { onHttp2Server } from './http2-servers.js';

/** What the verification of a client's certificate found. */
const VERDICTS: Readonly<Partial<Record<CertificateVerdict, string>>> = {
  expired: 'its certificate has expired',
  'not yet valid': 'its certificate does not hold yet',
  'unknown authority': 'its certificate is not of the authority in --tls-ca',
  'other purpose': 'its certificate is not meant for clients (extended key usage)',
};
/** What ended a handshake without one, as Node names it. */
const REASONS: Readonly<Record<string, string>> = {
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: 'it shows no certificate',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it speaks plain text',
  ERR_SSL_HTTP_REQUEST: 'it speaks plain text',
};

export function logRefusedHandshakes(server: Server, log: Logger): void {
  const toldMs = new Map<string, number>();
  onHttp2Server(server, (http2Server) => {
    // A socket that is closed by then knows the address of its peer only if it was asked for it before.
    http2Server.prependListener('connection', (socket: Socket) => void socket.remoteAddress);
    http2Server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket & { readonly _parent?: Socket }) => {
      const peer = socket.remoteAddress ?? socket._parent?.remoteAddress ?? 'unknown';
      const reason = refusalOf(error, socket.authorizationError);
      if (reason === undefined) return log.debug({ peer, code: error.code }, 'a connection ended before its TLS handshake did');
      const nowMs = performance.now();
      const key = `${peer} ${reason}`;
      if (nowMs - (toldMs.get(key) ?? -Infinity) < TLS_REFUSAL_LOG_MS) return;
      if (toldMs.size >= TLS_REFUSED_PEERS_MAX) toldMs.clear();
      toldMs.set(key, nowMs);
      log.warn({ peer, reason }, 'a client was not let in');
    });
  });
}

/** @param verdict what Node makes of the client's certificate; no text where there was none to judge. Undefined = no refusal */
function refusalOf(error: NodeJS.ErrnoException, verdict: unknown): string | undefined {
  if (typeof verdict === 'string') return VERDICTS[verdictOf(verdict) ?? 'invalid'] ?? `its certificate does not hold (${verdict})`;
  const code = error.code ?? '';
  if (REASONS[code] !== undefined) return REASONS[code];
  return code === 'ECONNRESET' || code === 'EPIPE' ? undefined : `its handshake failed (${code || error.message.split('\n', 1)[0]})`;
}
