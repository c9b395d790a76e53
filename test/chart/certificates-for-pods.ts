/** Secrets of the kind kubernetes.io/tls for the parts of a release, signed by one authority for the names that the chart gives them. */

import { readFileSync } from 'node:fs';
import { TestAuthority } from '../support/certificates.js';

export type SecretFiles = Readonly<Record<string, string>>;

/** @param authority the certificates are signed by; its own is ca.crt */
export function tlsSecret(authority: TestAuthority, name: string, names: readonly string[]): SecretFiles {
  const pair = authority.sign(name, { reachedAs: names.map((each) => `DNS:${each}`).join(',') });
  return {
    'ca.crt': readFileSync(authority.caFile, 'utf8'),
    'tls.crt': readFileSync(pair.certFile, 'utf8'),
    'tls.key': readFileSync(pair.keyFile, 'utf8'),
  };
}

/** One certificate for all servers of release golddiff in namespace science, as tls.secrets.default, and one for its clients. */
export function releaseSecrets(): Record<string, SecretFiles> {
  const authority = new TestAuthority('golddiff test authority');
  const host = (service: string): string => `golddiff-${service}.science.svc.cluster.local`;
  const servers = ['coordinator', 'worker', 'nats'].flatMap((part) => [host(part), `*.${host(part)}`]);
  return {
    'golddiff-tls': tlsSecret(authority, 'golddiff', [...servers, 'localhost']),
    'golddiff-client-tls': tlsSecret(authority, 'client', ['client']),
  };
}
