/**
 * Whose certificate it may be. Where a server is reached by its IP address the library gives Node no name to compare with, and Node then asks for a certificate of
 * "localhost"; what must be in it is the address.
 */

import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';

type IdentityCheck = (host: string, certificate: PeerCertificate) => Error | undefined;

/** @param servers host:port or host, as they were named: for one without a name the certificate must be of an address among them */
export function identityCheck(servers: readonly string[]): IdentityCheck {
  const hosts = servers.map((server) => server.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1'));
  const addresses = hosts.filter((host) => isIP(host) !== 0);
  return (host, certificate) => {
    if (host !== 'localhost' || addresses.length === 0) return checkServerIdentity(host, certificate);
    const errors = addresses.map((address) => checkServerIdentity(address, certificate));
    if (errors.includes(undefined)) return undefined;
    return hosts.includes('localhost') ? checkServerIdentity(host, certificate) : errors[0];
  };
}
