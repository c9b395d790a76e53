/** Why a connection to NATS will not come about however often it is tried: in one sentence that says what to change. */

import { connect } from 'node:net';
import { errors } from '@nats-io/nats-core';
import { GolddiffError } from '../../errors.js';
import { NATS_GREETING_TIMEOUT_MS } from '../../limits.js';
import { verdictOf } from '../../tls/certificate-verdict.js';
import type { NatsSecurity } from './security.js';

/** Of servers that are named without one. */
const NATS_PORT = 4222;
const GREETING_CHARS_MAX = 64 * 1024;
const NO_TLS = "server does not support 'tls'";

/** @param where the servers, without secrets. @returns undefined for what may pass by itself, such as a server that is not there yet */
export function connectionRefusal(error: unknown, where: string, { tls, credentials }: NatsSecurity): GolddiffError | undefined {
  const refused = (message: string): GolddiffError => new GolddiffError('CONTROL_PLANE_REFUSED', message, {}, { cause: error });
  if (error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError) {
    if (credentials === undefined)
      return refused(`The NATS server at ${where} asks for credentials: --nats-creds, --nats-token-file or --nats-user, or their variables`);
    return refused(`The NATS server at ${where} refused ${credentials} (${error.message})`);
  }
  if (!(error instanceof Error)) return undefined;
  if (error.message.includes(NO_TLS))
    return refused(`Expected TLS from the NATS server at ${where}, as tls:// or a --nats-tls flag asks for, but it offers none`);
  const code = String((error as NodeJS.ErrnoException).code ?? '');
  if (verdictOf(code) !== undefined) {
    const judge =
      tls?.caFile === undefined ? 'the authorities that this machine knows; --nats-tls-ca names another' : `that of --nats-tls-ca ${tls.caFile}`;
    return refused(`The certificate of the NATS server at ${where} does not hold (${error.message}) against ${judge}`);
  }
  return undefined;
}

/**
 * Of a server that takes the connection and then says nothing. Under TLS 1.3 a client is done before the server has looked at its certificate; the library does not
 * notice the alert that follows, and waits. What a server asks for stands in the first line that it sends to anyone.
 *
 * @param servers host:port or host. @returns undefined where no server asks for certificates of clients
 */
export async function refusalBySilence(servers: readonly string[], { tls }: NatsSecurity): Promise<GolddiffError | undefined> {
  for (const server of servers) {
    const info = await greeting(server);
    if (info?.tls_verify !== true) continue;
    const ours =
      tls?.certFile === undefined
        ? 'a certificate of ours: --nats-tls-cert and --nats-tls-key'
        : `a certificate of ours and did not take that of --nats-tls-cert ${tls.certFile}`;
    return new GolddiffError('CONTROL_PLANE_REFUSED', `The NATS server at ${server} asks for ${ours}`);
  }
  return undefined;
}

interface Greeting {
  readonly tls_verify?: boolean;
}

function greeting(server: string): Promise<Greeting | undefined> {
  const [, host = '', port = ''] = /^\[?([^\]]*?)\]?(?::(\d+))?$/.exec(server) ?? [];
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port || NATS_PORT), timeout: NATS_GREETING_TIMEOUT_MS });
    let text = '';
    const end = (info: Greeting | undefined): void => {
      socket.destroy();
      resolve(info);
    };
    socket.on('data', (piece) => {
      text += piece.toString();
      if (!text.includes('\n') && text.length < GREETING_CHARS_MAX) return;
      try {
        end(JSON.parse(/^INFO (.*)/.exec(text)?.[1] ?? '') as Greeting);
      } catch {
        end(undefined);
      }
    });
    for (const event of ['error', 'timeout', 'close'] as const) socket.on(event, () => end(undefined));
  });
}
