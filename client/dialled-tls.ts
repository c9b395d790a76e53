/**
 * How a command dials: flags of TLS, or their environment variables, to what connect() takes. They are variables too, unlike what a command computes with: who one is and
 * whom one trusts is a matter of the machine. Where a command runs a cluster of its own (--data), which is loopback and plain text, variables count for nothing.
 */

import { environmentName, onOff } from '../shared/config.js';
import { defined } from '../shared/defined.js';
import { argumentError } from '../shared/errors.js';
import { SERVER_NAME_FLAG, TLS_FILE_FLAGS } from '../shared/rpc/tls-flags.js';
import type { ClientTls } from './golddiff-client.js';

export interface ClientTlsFlags {
  readonly tls?: boolean;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsServerName?: string;
}

/** Those that have a value. */
export const CLIENT_TLS_FLAGS = [
  ...TLS_FILE_FLAGS.map((file) => ({ ...file, placeholder: 'FILE' })),
  { key: 'tlsServerName', ...SERVER_NAME_FLAG },
] as const satisfies readonly { key: keyof ClientTlsFlags; name: string; placeholder: string; description: string }[];

export const TLS_SWITCH = {
  name: 'tls',
  description: 'dial by TLS, as every other --tls flag does too; without --tls-ca whom this machine trusts is trusted',
} as const;

/** How an endpoint is dialled; undefined = plain text. A flag wins over its variable. @throws ARGUMENT_INVALID for GOLDDIFF_TLS that says neither true nor false */
export function dialledTls(flags: ClientTlsFlags, environment: Readonly<Record<string, string | undefined>> = process.env): ClientTls | undefined {
  const variable = (name: string): string | undefined => environment[environmentName(name)] || undefined;
  const wanted = variable(TLS_SWITCH.name);
  const on = flags.tls ?? (wanted !== undefined && onOff(wanted, environmentName(TLS_SWITCH.name)));
  const values = new Map(CLIENT_TLS_FLAGS.map(({ key, name }) => [key, flags[key] ?? variable(name)]));
  if (!on && [...values.values()].every((value) => value === undefined)) return undefined;
  const [caFile, certFile, keyFile, serverName] = (['tlsCa', 'tlsCert', 'tlsKey', 'tlsServerName'] as const).map((key) => values.get(key));
  return defined({ caFile, certFile, keyFile, serverName });
}

/** @throws ARGUMENT_INVALID for a flag of TLS beside --data: nothing is dialled outside this machine */
export function refuseTlsFlags(flags: ClientTlsFlags): void {
  const given = flags.tls === true ? TLS_SWITCH.name : CLIENT_TLS_FLAGS.find(({ key }) => flags[key] !== undefined)?.name;
  if (given !== undefined) throw argumentError(`--${given}`, '--endpoint HOST:PORT', '--data');
}
