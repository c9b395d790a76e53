import assert from 'node:assert/strict';
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { TlsFiles, type TlsMaterial } from '../../../shared/tls/tls-files.js';
import { InstalledCertificates, opensslMissing, TestAuthority } from '../../support/certificates.js';
import { until } from '../../support/until.js';
import { collectingLogger } from '../rpc/server-under-test.js';

const skip = opensslMissing ?? false;
const pathsOf = ({ caFile, certFile, keyFile }: InstalledCertificates) => ({ ca: caFile, cert: certFile, key: keyFile });

test('files that cannot be meant are refused at the start', { skip }, () => {
  const authority = new TestAuthority('an authority');
  const [own, expired] = [authority.sign('own'), authority.sign('old', { days: -1 })];
  const ca = authority.caFile;
  const cases: [ConstructorParameters<typeof TlsFiles>[0], RegExp][] = [
    [{ ca, cert: own.certFile }, /^Expected both or none for --tls-cert and --tls-key but received "the certificate alone"$/],
    [{ ca, key: own.keyFile }, /but received "the key alone"$/],
    [{ ca: own.keyFile }, /^Expected a file with a certificate in PEM for --tls-ca/],
    [{ cert: own.certFile, key: expired.keyFile }, /^Expected the private key of --tls-cert for --tls-key/],
    [
      { cert: expired.certFile, key: expired.keyFile },
      /^Expected a certificate that has not expired for --tls-cert but received ".*, which expired on \d{4}-\d\d-\d\dT[\d:]{8}Z"$/,
    ],
    [{ ca: expired.certFile }, /^Expected certificates of an authority that have not expired for --tls-ca/],
  ];
  for (const [paths, message] of cases) assert.throws(() => new TlsFiles(paths), { code: 'ARGUMENT_INVALID', message });
  assert.deepEqual(Object.keys(new TlsFiles({}).material), []);
  assert.deepEqual(Object.keys(new TlsFiles({ ca }).material), ['ca']);
});

test('a replacement is told to whoever watches, once, and a context is made of it', { skip }, async () => {
  const [before, after] = [new TestAuthority('before'), new TestAuthority('after')];
  const installed = new InstalledCertificates([before.caFile], before.sign('old'));
  const lines: Record<string, unknown>[] = [];
  const files = new TlsFiles(pathsOf(installed), { log: collectingLogger(lines), checkMs: 5 });
  const told: TlsMaterial[] = [];
  const first = files.context;
  const unwatch = files.watch((material) => void told.push(material));
  try {
    await files.check();
    assert.equal(told.length, 0);
    assert.equal(files.context, first);
    installed.replace([after.caFile], after.sign('new', { days: 3 }));
    await until(() => told.length > 0, 'the replacement is seen');
    await files.check();
    assert.equal(told.length, 1);
    assert.equal(told[0], files.material);
    assert.notEqual(files.context, first);
    assert.ok(files.material.notAfterUnixMs! > Date.now() + 2.5 * 86_400_000);
    assert.deepEqual(
      lines.map(({ msg }) => msg),
      ['TLS files were replaced; new connections use them'],
    );
  } finally {
    unwatch();
  }
  installed.replace([before.caFile], before.sign('once more'));
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(told.length, 1, 'nobody looks any more');
});

test('what cannot be used is not taken up, and is said once; half of a replacement is no fault', { skip }, async () => {
  const authority = new TestAuthority('an authority');
  const [old, fresh, expired] = [authority.sign('old'), authority.sign('fresh'), authority.sign('expired', { days: -1 })];
  const installed = new InstalledCertificates([authority.caFile], old);
  const lines: Record<string, unknown>[] = [];
  const files = new TlsFiles(pathsOf(installed), { log: collectingLogger(lines) });
  const before = files.material;

  copyFileSync(fresh.certFile, installed.certFile);
  await files.check();
  assert.equal(files.material, before, 'the new certificate lies beside the old key');
  copyFileSync(fresh.keyFile, installed.keyFile);
  await files.check();
  assert.notEqual(files.material, before);
  assert.deepEqual(
    lines.map(({ level }) => level),
    [30],
  );

  const used = files.material;
  const bad: [() => void, RegExp][] = [
    [() => installed.replace([authority.caFile], expired), /has not expired for --tls-cert/],
    [() => writeFileSync(installed.caFile, 'gone'), /a certificate in PEM for --tls-ca/],
    [() => rmSync(installed.keyFile), /can be read \(ENOENT\) for --tls-key/],
  ];
  for (const [spoil, reason] of bad) {
    lines.length = 0;
    spoil();
    for (let i = 0; i < 4; i++) await files.check();
    assert.equal(files.material, used);
    assert.equal(lines.length, 1);
    assert.match(String(lines[0]!['reason']), reason);
  }
  // The very files of before are no replacement.
  lines.length = 0;
  installed.replace([authority.caFile], fresh);
  await files.check();
  assert.deepEqual([files.material, lines.length], [used, 0]);
});

test('a certificate that expires while it is used is told', { skip }, async () => {
  const authority = new TestAuthority('an authority');
  const lines: Record<string, unknown>[] = [];
  let nowUnixMs = Date.now();
  const installed = new InstalledCertificates([authority.caFile], authority.sign('own'));
  const files = new TlsFiles(pathsOf(installed), { log: collectingLogger(lines), nowUnixMs: () => nowUnixMs });
  await files.check();
  nowUnixMs += 3 * 86_400_000;
  for (let i = 0; i < 3; i++) await files.check();
  assert.deepEqual(
    lines.map(({ reason }) => reason),
    [`the certificate of ${installed.certFile} has expired`],
  );
});
