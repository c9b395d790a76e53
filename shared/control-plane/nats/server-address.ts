/** Addresses of NATS servers as people write them. The library takes host:port alone: what else stands in an address would be dropped without a word. */

import type { Parser } from '../../config.js';
import { argumentError } from '../../errors.js';

/** "nats://a:4222,b:4222"; user and password, or a token, may stand before an @, as NATS has it, and tls:// asks for TLS. */
export const natsServers: Parser<string[]> = (text, name) => {
  const parts = text.split(',').map((part) => part.trim());
  const form = /^((nats|tls):\/\/)?([^\s@/]+@)?(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?$/;
  // Not with what was received: there may be a password in it.
  if (parts.some((part) => !form.test(part))) throw argumentError(name, 'nats://HOST:PORT, or several with commas,', withoutSecrets(text));
  return parts;
};

export interface ServerPlaces {
  /** host:port or host */
  readonly servers: readonly string[];
  /** one of them begins with tls:// */
  readonly tls: boolean;
  /** "user:password" or "token" of the addresses, decoded; undefined = none has any */
  readonly user: { readonly name: string; readonly password: string } | undefined;
  readonly token: string | undefined;
}

/** @throws ARGUMENT_INVALID where two addresses have different users: the library knows one for all */
export function serverPlaces(addresses: readonly string[]): ServerPlaces {
  const parsed = addresses.map((address) => {
    const [, scheme, userInfo, place] = /^(?:(\w+):\/\/)?(?:([^@]+)@)?(.+)$/.exec(address)!;
    return { scheme, userInfo, place: place! };
  });
  const users = [...new Set(parsed.flatMap(({ userInfo }) => userInfo ?? []))];
  if (users.length > 1) throw argumentError('--nats', 'one user for all servers', `${users.length} different ones`);
  const [name, password] = (users[0] ?? '').split(/:(.*)/s).map(decodeURIComponent);
  return {
    servers: parsed.map(({ place }) => place),
    tls: parsed.some(({ scheme }) => scheme === 'tls'),
    user: name && password !== undefined ? { name, password } : undefined,
    token: name && password === undefined ? name : undefined,
  };
}

/** For sentences and logs: one address, or several with commas, right or wrong. */
export function withoutSecrets(text: string): string {
  const parts = text.split(',').map((part) => part.replace(/^(\s*\w+:\/\/)?.*@/, '$1***@'));
  return parts.join(',');
}
