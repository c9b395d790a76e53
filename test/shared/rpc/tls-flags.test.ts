import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command } from 'commander';
import { createLogger } from '../../../shared/log.js';
import { isLoopback, openServerTls, tlsFlags, tlsPaths, tlsServerNameFlag, type TlsFlags } from '../../../shared/rpc/tls-flags.js';
import { opensslMissing, TestAuthority } from '../../support/certificates.js';

const log = createLogger('test', 'silent');
const open = (flags: TlsFlags, listen = '127.0.0.1:0') => openServerTls(flags, listen, log);

test('loopback is known in every way to write it, and nothing else is', () => {
  for (const host of ['127.0.0.1', '127.8.9.1', 'localhost', 'LOCALHOST', '[::1]', '[0:0:0:0:0:0:0:1]', '[::ffff:127.0.0.1]'])
    assert.equal(isLoopback(`${host}:50051`), true, host);
  for (const host of ['0.0.0.0', '10.0.0.1', '[::]', '[::2]', '[fe80::1]', '127.evil.example', 'localhost.example', '[1::1]', '1270.0.0.1'])
    assert.equal(isLoopback(`${host}:50051`), false, host);
});

test('plain text on an address that others reach has to be chosen', () => {
  assert.equal(open({}), undefined);
  assert.equal(open({ plaintext: true }, '0.0.0.0:1'), undefined);
  assert.throws(() => open({}, '0.0.0.0:50051'), {
    code: 'ARGUMENT_INVALID',
    message: 'Expected --tls-cert and --tls-key, or --plaintext, with an address that is not loopback for --listen but received "0.0.0.0:50051"',
  });
  assert.throws(() => open({ plaintext: false }, '[::]:50051'), { code: 'ARGUMENT_INVALID' });
});

test('files that do not make a server are refused before they are read', () => {
  assert.throws(() => open({ tlsCa: 'ca' }), { message: 'Expected --tls-cert and --tls-key beside it for --tls-ca but received "neither"' });
  assert.throws(() => open({ tlsCert: 'c' }), { message: /^Expected both or none for --tls-cert and --tls-key/ });
  assert.throws(() => open({ tlsCert: 'c', tlsKey: 'k', plaintext: true }), {
    message: 'Expected no --tls-cert beside it for --plaintext but received "both"',
  });
  assert.throws(() => open({ tlsCert: 'nowhere', tlsKey: 'k' }), { message: /can be read \(ENOENT\) for --tls-cert/ });
});

test('with its files a server speaks TLS on any address', { skip: opensslMissing ?? false }, () => {
  const authority = new TestAuthority('an authority');
  const { certFile: tlsCert, keyFile: tlsKey } = authority.sign('own');
  assert.ok(open({ tlsCert, tlsKey }, '0.0.0.0:1')!.material.cert);
  assert.ok(open({ tlsCert, tlsKey, tlsCa: authority.caFile })!.material.ca);
});

test('each flag has its variable, and a switch that a variable turns off is off', () => {
  const parse = (args: string[], env: Record<string, string> = {}): TlsFlags & { tlsServerName?: string } => {
    const command = new Command().exitOverride();
    for (const option of [...tlsFlags(), tlsServerNameFlag()]) command.addOption(option);
    const before = { ...process.env };
    Object.assign(process.env, env);
    try {
      return command.parse(args, { from: 'user' }).opts();
    } finally {
      process.env = before;
    }
  };
  assert.deepEqual(parse([]), { plaintext: false });
  assert.deepEqual(parse(['--plaintext']), { plaintext: true });
  assert.deepEqual(parse(['--plaintext', 'false'], { GOLDDIFF_PLAINTEXT: 'true' }), { plaintext: false });
  assert.equal(parse([], { GOLDDIFF_PLAINTEXT: 'true' }).plaintext, true);
  assert.equal(parse([], { GOLDDIFF_PLAINTEXT: 'false' }).plaintext, false);
  assert.throws(() => parse([], { GOLDDIFF_PLAINTEXT: 'perhaps' }), { message: /^Expected true or false for --plaintext \(or GOLDDIFF_PLAINTEXT\)/ });
  const env = { GOLDDIFF_TLS_CA: 'ca', GOLDDIFF_TLS_CERT: 'cert', GOLDDIFF_TLS_KEY: 'key', GOLDDIFF_TLS_SERVER_NAME: 'name' };
  const flags = parse(['--tls-cert', 'mine'], env);
  assert.deepEqual(flags, { plaintext: false, tlsCa: 'ca', tlsCert: 'mine', tlsKey: 'key', tlsServerName: 'name' });
  assert.deepEqual(tlsPaths(flags), { ca: 'ca', cert: 'mine', key: 'key' });
});
