import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { certificatesIn, checkPair, notAfterUnixMs, readNamed } from '../../../shared/tls/pem-files.js';
import { opensslMissing, TestAuthority } from '../../support/certificates.js';
import { temporaryFolder } from '../../support/data-sets.js';

const skip = opensslMissing ?? false;
const named = (flag: string, file: string) => ({ flag, file });

test('a file that cannot be read is refused under the name of its flag', () => {
  const file = path.join(temporaryFolder(), 'none');
  assert.throws(() => readNamed(named('--tls-ca', file)), {
    code: 'ARGUMENT_INVALID',
    message: `Expected a file that can be read (ENOENT) for --tls-ca but received ${JSON.stringify(file)}`,
  });
});

test('every certificate of a bundle is found, and a file without one is refused', { skip }, () => {
  const authorities = [new TestAuthority('one'), new TestAuthority('other')];
  const bundle = authorities.map(({ caFile }) => `# ${caFile}\n${readFileSync(caFile, 'utf8')}`).join('\n');
  const subjects = certificatesIn(named('--tls-ca', 'bundle'), Buffer.from(bundle)).map(({ subject }) => subject);
  assert.deepEqual(subjects, ['CN=one', 'CN=other']);
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
  for (const text of ['', 'no certificate', broken, bundle + broken])
    assert.throws(() => certificatesIn(named('--tls-ca', 'file'), Buffer.from(text)), {
      code: 'ARGUMENT_INVALID',
      message: 'Expected a file with a certificate in PEM for --tls-ca but received "file"',
    });
});

test('a pair gives its certificate with the end of its days; a key of another, or none, is refused', { skip }, () => {
  const authority = new TestAuthority('an authority');
  const [own, other, expired] = [authority.sign('own'), authority.sign('other'), authority.sign('old', { days: -1 })];
  const pair = (certFile: string, keyFile: string) =>
    checkPair(named('--tls-cert', certFile), readFileSync(certFile), named('--tls-key', keyFile), readFileSync(keyFile));
  const certificate = pair(own.certFile, own.keyFile);
  assert.equal(certificate.subject, 'CN=own');
  assert.ok(Math.abs(notAfterUnixMs(certificate) - (Date.now() + 2 * 86_400_000)) < 3_600_000, certificate.validTo);
  assert.ok(notAfterUnixMs(pair(expired.certFile, expired.keyFile)) < Date.now());
  assert.throws(() => pair(own.certFile, other.keyFile), {
    message: `Expected the private key of --tls-cert for --tls-key but received "${other.keyFile}, which is of another"`,
  });
  assert.throws(() => pair(own.certFile, own.certFile), {
    message: /^Expected a file with a private key in PEM, without a passphrase, for --tls-key/,
  });
  const locked = path.join(temporaryFolder(), 'locked.key');
  writeFileSync(locked, '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n');
  assert.throws(() => pair(own.certFile, locked), { message: /without a passphrase/ });
});
