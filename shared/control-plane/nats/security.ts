/**
 * How a process proves to NATS who it is, and knows that it speaks to the right server: flags and environment to what the library takes. Secrets are no values of
 * flags, which every user of a machine can read in its list of processes: they come from files, which are read anew at every connection so that they may be
 * replaced while the process runs, or from the environment.
 */

import { credsAuthenticator, tokenAuthenticator, usernamePasswordAuthenticator, type Authenticator } from '@nats-io/nats-core';
import type { Option } from 'commander';
import { flag, text } from '../../config.js';
import { argumentError } from '../../errors.js';
import { certificatesIn, checkPair, readNamed } from '../../tls/pem-files.js';
import type { ServerPlaces } from './server-address.js';

export interface NatsSecurityFlags {
  readonly natsTlsCa?: string;
  readonly natsTlsCert?: string;
  readonly natsTlsKey?: string;
  readonly natsCreds?: string;
  readonly natsTokenFile?: string;
  readonly natsUser?: string;
  readonly natsPasswordFile?: string;
}

export interface NatsSecurity {
  /** files in PEM; undefined = TLS only where the server asks for it, against the authorities of this machine */
  readonly tls: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string } | undefined;
  readonly authenticator: Authenticator | undefined;
  /** for sentences: "the credentials of --nats-creds FILE"; undefined = none */
  readonly credentials: string | undefined;
}

/** Variables without a flag of their own. */
export const TOKEN_VARIABLE = 'GOLDDIFF_NATS_TOKEN';
export const PASSWORD_VARIABLE = 'GOLDDIFF_NATS_PASSWORD';

interface SecurityFlag {
  readonly key: keyof NatsSecurityFlags;
  /** without dashes */
  readonly name: string;
  readonly placeholder: string;
  readonly description: string;
}

export const NATS_SECURITY_FLAGS: readonly SecurityFlag[] = [
  {
    key: 'natsTlsCa',
    name: 'nats-tls-ca',
    placeholder: 'FILE',
    description: 'with --nats: certificates (PEM) of the authority that signed those of the servers',
  },
  {
    key: 'natsTlsCert',
    name: 'nats-tls-cert',
    placeholder: 'FILE',
    description: 'with --nats: certificate (PEM) of this process, for servers that ask for one',
  },
  { key: 'natsTlsKey', name: 'nats-tls-key', placeholder: 'FILE', description: 'with --nats: private key (PEM) of --nats-tls-cert' },
  { key: 'natsCreds', name: 'nats-creds', placeholder: 'FILE', description: 'with --nats: credentials file (JWT and seed)' },
  { key: 'natsTokenFile', name: 'nats-token-file', placeholder: 'FILE', description: `with --nats: file of a token; or ${TOKEN_VARIABLE}` },
  {
    key: 'natsUser',
    name: 'nats-user',
    placeholder: 'NAME',
    description: `with --nats: user, whose password is in --nats-password-file or ${PASSWORD_VARIABLE}`,
  },
  { key: 'natsPasswordFile', name: 'nats-password-file', placeholder: 'FILE', description: 'with --nats: file of the password of --nats-user' },
];

/** Each is an environment variable too, as all flags of services. */
export function natsSecurityFlags(): Option[] {
  return NATS_SECURITY_FLAGS.map(({ name, placeholder, description }) => flag({ name, placeholder, description, parser: text }));
}

/** The same flags again, for a process that is started by this one. */
export function natsSecurityArguments(flags: NatsSecurityFlags): string[] {
  return NATS_SECURITY_FLAGS.flatMap(({ key, name }) => (flags[key] === undefined ? [] : [`--${name}`, flags[key]]));
}

/**
 * @param environment of this process
 * @throws ARGUMENT_INVALID for files that cannot be read or are none, a certificate without its key, a user without a password, and more than one kind of credentials
 */
export function natsSecurity(
  flags: NatsSecurityFlags,
  places: Pick<ServerPlaces, 'tls' | 'user' | 'token'>,
  environment: Readonly<Record<string, string | undefined>>,
): NatsSecurity {
  return { tls: tlsOf(flags, places.tls), ...credentialsOf(flags, places, environment) };
}

function tlsOf({ natsTlsCa, natsTlsCert, natsTlsKey }: NatsSecurityFlags, wanted: boolean): NatsSecurity['tls'] {
  if ((natsTlsCert === undefined) !== (natsTlsKey === undefined))
    throw argumentError('--nats-tls-cert and --nats-tls-key', 'both or none', natsTlsKey === undefined ? 'the certificate alone' : 'the key alone');
  const ca = natsTlsCa === undefined ? undefined : { flag: '--nats-tls-ca', file: natsTlsCa };
  if (ca !== undefined) certificatesIn(ca, readNamed(ca));
  if (natsTlsCert !== undefined && natsTlsKey !== undefined) {
    const [cert, key] = [
      { flag: '--nats-tls-cert', file: natsTlsCert },
      { flag: '--nats-tls-key', file: natsTlsKey },
    ];
    checkPair(cert, readNamed(cert), key, readNamed(key));
  }
  if (natsTlsCa === undefined && natsTlsCert === undefined && !wanted) return undefined;
  return {
    ...(natsTlsCa === undefined ? {} : { caFile: natsTlsCa }),
    ...(natsTlsCert === undefined || natsTlsKey === undefined ? {} : { certFile: natsTlsCert, keyFile: natsTlsKey }),
  };
}

type Credentials = Pick<NatsSecurity, 'authenticator' | 'credentials'>;

function credentialsOf(
  flags: NatsSecurityFlags,
  places: Pick<ServerPlaces, 'user' | 'token'>,
  environment: Readonly<Record<string, string | undefined>>,
): Credentials {
  const { natsCreds, natsTokenFile, natsUser } = flags;
  const token = environment[TOKEN_VARIABLE] || undefined;
  const kinds: [name: string, make: () => Credentials][] = [];
  if (natsCreds !== undefined) kinds.push([`--nats-creds ${natsCreds}`, () => fromCreds(natsCreds)]);
  if (natsTokenFile !== undefined) kinds.push([`--nats-token-file ${natsTokenFile}`, () => fromTokenFile(natsTokenFile)]);
  if (token !== undefined) kinds.push([TOKEN_VARIABLE, () => tokenOf(`the token of ${TOKEN_VARIABLE}`, () => token)]);
  if (natsUser !== undefined) kinds.push(['--nats-user', () => fromUser(natsUser, flags.natsPasswordFile, environment)]);
  const { user, token: own } = places;
  if (user !== undefined) kinds.push(['the user in --nats', () => userOf(user.name, 'the password in --nats', () => user.password)]);
  if (own !== undefined) kinds.push(['the token in --nats', () => tokenOf('the token in --nats', () => own)]);
  if (kinds.length > 1) throw argumentError('NATS', 'one kind of credentials', kinds.map(([name]) => name).join(' and '));
  if (natsUser === undefined && flags.natsPasswordFile !== undefined) throw argumentError('--nats-password-file', '--nats-user beside it', 'none');
  return kinds[0]?.[1]() ?? { authenticator: undefined, credentials: undefined };
}

function fromCreds(file: string): Credentials {
  const read = rereading(() => readNamed({ flag: '--nats-creds', file }));
  read();
  try {
    // With any nonce: shows whether there is a JWT and a seed in it.
    credsAuthenticator(read)('nonce');
  } catch {
    throw argumentError('--nats-creds', 'a credentials file with a JWT and a seed', file);
  }
  return { authenticator: credsAuthenticator(read), credentials: `the credentials of --nats-creds ${file}` };
}

function fromTokenFile(file: string): Credentials {
  return tokenOf(`the token of --nats-token-file ${file}`, secretIn('--nats-token-file', file));
}

function tokenOf(told: string, token: () => string): Credentials {
  return { authenticator: tokenAuthenticator(token), credentials: told };
}

function fromUser(name: string, passwordFile: string | undefined, environment: Readonly<Record<string, string | undefined>>): Credentials {
  const password = environment[PASSWORD_VARIABLE] || undefined;
  if (passwordFile !== undefined && password !== undefined)
    throw argumentError('the password of --nats-user', `--nats-password-file or ${PASSWORD_VARIABLE}`, 'both');
  if (passwordFile !== undefined) return userOf(name, `--nats-password-file ${passwordFile}`, secretIn('--nats-password-file', passwordFile));
  if (password === undefined) throw argumentError('the password of --nats-user', `--nats-password-file or ${PASSWORD_VARIABLE}`, 'neither');
  return userOf(name, PASSWORD_VARIABLE, () => password);
}

function userOf(name: string, from: string, password: () => string): Credentials {
  return { authenticator: usernamePasswordAuthenticator(name, password), credentials: `user ${name} with ${from}` };
}

/** The first line of a file, without the newline that editors add. */
function secretIn(name: string, file: string): () => string {
  const read = rereading(() => {
    const [line = ''] = readNamed({ flag: name, file }).toString().split(/\r?\n/, 1);
    if (line === '') throw argumentError(name, 'a file whose first line is the secret', `${file}, where it is empty`);
    return line;
  });
  read();
  return read;
}

/** Reads again at each call; where that fails for once, as while a file is being replaced, it is what was there before. */
function rereading<T>(read: () => T): () => T {
  let last: T | undefined;
  return () => {
    try {
      last = read();
    } catch (error) {
      if (last === undefined) throw error;
    }
    return last;
  };
}
