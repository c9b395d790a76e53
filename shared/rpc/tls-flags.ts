/**
 * Flags of TLS of the processes that serve gRPC. With a certificate and its key a server speaks TLS; with an authority it lets in only clients that have a certificate of it,
 * and a coordinator dials its workers with the same files. Plain text over anything but loopback is there only for who asks for it by name.
 */

import type { Option } from 'commander';
import { flag, onOff, text } from '../config.js';
import { defined } from '../defined.js';
import { argumentError } from '../errors.js';
import type { Logger } from '../log.js';
import { TlsFiles, type TlsPaths } from '../tls/tls-files.js';

export interface TlsFlags {
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  /** plain text on an address that others reach */
  readonly plaintext?: boolean;
}

/** Of the three files; the same words wherever they are flags. */
export const TLS_FILE_FLAGS = [
  { key: 'tlsCert', name: 'tls-cert', description: 'certificate (PEM, intermediates after it) of this process' },
  { key: 'tlsKey', name: 'tls-key', description: 'private key (PEM) of --tls-cert' },
  { key: 'tlsCa', name: 'tls-ca', description: 'certificates (PEM) of the authority that the other side must have one of' },
] as const;

export const SERVER_NAME_FLAG = {
  name: 'tls-server-name',
  placeholder: 'NAME',
  description: 'name that the certificate of the server must have (default: the host that is dialled)',
} as const;

export function tlsFlags(): Option[] {
  return [
    ...TLS_FILE_FLAGS.map(({ name, description }) => flag({ name, placeholder: 'FILE', description, parser: text })),
    flag({
      name: 'plaintext',
      description: 'serve plain text on an address that is not loopback: every host that reaches it may ask, and read along',
      parser: onOff,
      fallback: 'false',
    }),
  ];
}

/** Of a process that dials others, too. */
export function tlsServerNameFlag(): Option {
  return flag({ ...SERVER_NAME_FLAG, parser: text });
}

export function tlsPaths({ tlsCa, tlsCert, tlsKey }: TlsFlags): TlsPaths {
  return defined({ ca: tlsCa, cert: tlsCert, key: tlsKey });
}

/**
 * The files of a server; undefined = plain text.
 * @param listen host:port @throws ARGUMENT_INVALID for plain text that nobody chose, or that was chosen beside TLS, and for what TlsFiles refuses
 */
export function openServerTls(flags: TlsFlags, listen: string, log: Logger): TlsFiles | undefined {
  const paths = tlsPaths(flags);
  if (Object.keys(paths).length > 0) {
    if (paths.ca !== undefined && paths.cert === undefined && paths.key === undefined)
      throw argumentError('--tls-ca', '--tls-cert and --tls-key beside it', 'neither');
    if (flags.plaintext === true) throw argumentError('--plaintext', 'no --tls-cert beside it', 'both');
    return new TlsFiles(paths, { log });
  }
  if (flags.plaintext !== true && !isLoopback(listen))
    throw argumentError('--listen', '--tls-cert and --tls-key, or --plaintext, with an address that is not loopback', listen);
  return undefined;
}

/** @param listen host:port */
export function isLoopback(listen: string): boolean {
  const host = listen
    .slice(0, listen.lastIndexOf(':'))
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
  return host === 'localhost' || /^(0*:)*0*:0*1$/.test(host) || /^(::ffff:)?127(\.\d{1,3}){3}$/.test(host);
}
