import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { it, test } from 'node:test';
import { Command } from 'commander';
import {
  natsSecurity,
  natsSecurityArguments,
  natsSecurityFlags,
  PASSWORD_VARIABLE,
  TOKEN_VARIABLE,
  type NatsSecurityFlags,
} from '../../../../shared/control-plane/nats/security.js';
import { opensslMissing, TestAuthority } from '../../../support/certificates.js';
import { temporaryFolder } from '../../../support/data-sets.js';

const folder = temporaryFolder();
const noPlaces = { tls: false, user: undefined, token: undefined };
const security = (flags: NatsSecurityFlags, env: Record<string, string> = {}, places = {}) => natsSecurity(flags, { ...noPlaces, ...places }, env);
function file(name: string, content: string): string {
  const there = path.join(folder, name);
  writeFileSync(there, content);
  return there;
}

it('asks for nothing where nothing is said, and for TLS where an address does', () => {
  assert.deepEqual(security({}), { tls: undefined, authenticator: undefined, credentials: undefined });
  assert.deepEqual(security({}, {}, { tls: true }).tls, {});
});

it('takes secrets from files, the environment and addresses, and tells where they came from but never what they are', () => {
  const tokenFile = file('token', 'first\nmore\n');
  const passwordFile = file('password', 'pass word\r\n');
  const cases: [ReturnType<typeof security>, object, string][] = [
    [security({ natsTokenFile: tokenFile }), { auth_token: 'first' }, `the token of --nats-token-file ${tokenFile}`],
    [security({}, { [TOKEN_VARIABLE]: 't' }), { auth_token: 't' }, `the token of ${TOKEN_VARIABLE}`],
    [security({}, {}, { token: 'x' }), { auth_token: 'x' }, 'the token in --nats'],
    [
      security({ natsUser: 'u', natsPasswordFile: passwordFile }),
      { user: 'u', pass: 'pass word' },
      `user u with --nats-password-file ${passwordFile}`,
    ],
    [security({ natsUser: 'u' }, { [PASSWORD_VARIABLE]: 'p' }), { user: 'u', pass: 'p' }, `user u with ${PASSWORD_VARIABLE}`],
    [security({}, {}, { user: { name: 'u', password: 'p' } }), { user: 'u', pass: 'p' }, 'user u with the password in --nats'],
  ];
  for (const [found, sent, told] of cases) {
    assert.deepEqual(found.authenticator?.(), sent);
    assert.equal(found.credentials, told);
  }
});

it('reads files anew at each connection, and keeps what it had while one is being replaced', () => {
  const tokenFile = file('changing', 'old');
  const { authenticator } = security({ natsTokenFile: tokenFile });
  file('changing', 'new');
  assert.deepEqual(authenticator?.(), { auth_token: 'new' });
  file('changing', '');
  assert.deepEqual(authenticator?.(), { auth_token: 'new' });
  rmSync(tokenFile);
  assert.deepEqual(authenticator?.(), { auth_token: 'new' });
});

it('refuses with one sentence what cannot be meant', () => {
  const secret = file('secret', 's');
  const wrong: [() => unknown, RegExp][] = [
    [
      () => security({ natsTokenFile: path.join(folder, 'none') }),
      /^Expected a file that can be read \(ENOENT\) for --nats-token-file but received ".*none"$/,
    ],
    [() => security({ natsTokenFile: file('empty', '\n') }), /^Expected a file whose first line is the secret for --nats-token-file/],
    [() => security({ natsCreds: secret }), /^Expected a credentials file with a JWT and a seed for --nats-creds but received/],
    [() => security({ natsTlsCa: secret }), /^Expected a file with a certificate in PEM for --nats-tls-ca but received/],
    [() => security({ natsTlsCert: secret }), /^Expected both or none for --nats-tls-cert and --nats-tls-key but received "the certificate alone"$/],
    [
      () => security({ natsUser: 'u' }),
      /^Expected --nats-password-file or GOLDDIFF_NATS_PASSWORD for the password of --nats-user but received "neither"$/,
    ],
    [() => security({ natsUser: 'u', natsPasswordFile: secret }, { [PASSWORD_VARIABLE]: 'p' }), /but received "both"$/],
    [() => security({ natsPasswordFile: secret }), /^Expected --nats-user beside it for --nats-password-file/],
    [
      () => security({ natsTokenFile: secret }, { [TOKEN_VARIABLE]: 't' }),
      /^Expected one kind of credentials for NATS but received "--nats-token-file \S+ and GOLDDIFF_NATS_TOKEN"$/,
    ],
    [() => security({ natsUser: 'u' }, { [PASSWORD_VARIABLE]: 'p' }, { token: 'x' }), /"--nats-user and the token in --nats"$/],
  ];
  for (const [call, message] of wrong) assert.throws(call, { code: 'ARGUMENT_INVALID', message });
});

test('certificate and key must be there and belong together', { skip: opensslMissing ?? false }, () => {
  const authority = new TestAuthority('a test authority');
  const [one, other] = [authority.sign('one'), authority.sign('other')];
  assert.deepEqual(security({ natsTlsCa: authority.caFile, natsTlsCert: one.certFile, natsTlsKey: one.keyFile }).tls, {
    caFile: authority.caFile,
    ...one,
  });
  assert.throws(() => security({ natsTlsCert: one.certFile, natsTlsKey: other.keyFile }), {
    code: 'ARGUMENT_INVALID',
    message: /^Expected the private key of --nats-tls-cert for --nats-tls-key but received ".*, which is of another"$/,
  });
  assert.throws(() => security({ natsTlsCert: one.certFile, natsTlsKey: one.certFile }), { message: /^Expected a file with a private key in PEM/ });
});

it('has a flag, a variable and an argument for a child for each', () => {
  const command = new Command();
  for (const option of natsSecurityFlags()) command.addOption(option);
  const args = ['--nats-tls-ca', 'ca', '--nats-user', 'u', '--nats-password-file', 'p'];
  const flags = command.parse(args, { from: 'user' }).opts<NatsSecurityFlags>();
  assert.deepEqual(flags, { natsTlsCa: 'ca', natsUser: 'u', natsPasswordFile: 'p' });
  assert.deepEqual(natsSecurityArguments(flags), args);
  assert.deepEqual(
    command.options.map(({ envVar }) => envVar),
    ['TLS_CA', 'TLS_CERT', 'TLS_KEY', 'CREDS', 'TOKEN_FILE', 'USER', 'PASSWORD_FILE'].map((name) => `GOLDDIFF_NATS_${name}`),
  );
});
