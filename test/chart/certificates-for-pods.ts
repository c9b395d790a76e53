/** Secrets of the kind kubernetes.io/tls for the parts of a release, signed by one authority for the names that the chart gives them. */

import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { TestAuthority } from '../support/certificates.js';

export type SecretFiles = Readonly<Record<string, string>>;

/** @param authority the certificates are signed by; its own is ca.crt */
function tlsSecret(authority: TestAuthority, name: string, names: readonly string[]): SecretFiles {
  const pair = authority.sign(name, { reachedAs: names.map((each) => `DNS:${each}`).join(',') });
  return {
    'ca.crt': readFileSync(authority.caFile, 'utf8'),
    'tls.crt': readFileSync(pair.certFile, 'utf8'),
    'tls.key': readFileSync(pair.keyFile, 'utf8'),
  };
}

/** One certificate for all servers of release golddiff in namespace science, as tls.secrets.default, and one for its clients; new ones at every call. */
export function releaseSecrets(authority: TestAuthority): Record<string, SecretFiles> {
  const host = (service: string): string => `golddiff-${service}.science.svc.cluster.local`;
  const servers = ['coordinator', 'worker', 'nats'].flatMap((part) => [host(part), `*.${host(part)}`]);
  return {
    'golddiff-tls': tlsSecret(authority, 'golddiff', [...servers, 'localhost']),
    'golddiff-client-tls': tlsSecret(authority, 'client', ['client']),
  };
}

export const fingerprintOf = (secret: SecretFiles): string => new X509Certificate(secret['tls.crt']!).fingerprint256;

/** Of the certificate that a NATS server shows, which begins TLS after its first line. */
export async function fingerprintOfNats(address: string, client: SecretFiles): Promise<string> {
  const socket = connect(4222, address);
  try {
    await once(socket, 'data');
    const trusted = { ca: client['ca.crt']!, cert: client['tls.crt']!, key: client['tls.key']!, checkServerIdentity: () => undefined };
    const secure = connectTls({ socket, ...trusted });
    await once(secure, 'secureConnect');
    return secure.getPeerCertificate().fingerprint256;
  } finally {
    socket.destroy();
  }
}
