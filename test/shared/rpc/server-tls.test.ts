import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { status as GrpcStatus } from '@grpc/grpc-js';
import { connect, type ClientTls } from '../../../client/golddiff-client.js';
import { GolddiffError } from '../../../shared/errors.js';
import { TlsServerCredentials } from '../../../shared/rpc/server-tls.js';
import { TlsFiles } from '../../../shared/tls/tls-files.js';
import { InstalledCertificates, opensslMissing, TestAuthority } from '../../support/certificates.js';
import { until } from '../../support/until.js';
import { answerOf, ask, clientTlsOf, pathsOf, statusOfForeignClient, tlsServer } from './tls-under-test.js';

const skip = opensslMissing ?? false;

test('with an authority only clients with a certificate of it are let in', { skip }, async () => {
  const [authority, stranger] = [new TestAuthority('an authority'), new TestAuthority('a stranger')];
  const mutual = await tlsServer(pathsOf(authority.caFile, authority.sign('server', { reachedAs: 'IP:127.0.0.1,DNS:server' })));
  const open = await tlsServer(pathsOf(undefined, authority.sign('server')));
  const good = authority.sign('client', { purpose: 'clientAuth' });
  try {
    assert.equal(await ask(mutual.address, clientTlsOf(authority.caFile, good)), 'SERVING');
    assert.equal(await ask(open.address, clientTlsOf(authority.caFile)), 'SERVING');
    const refusals: [string, ClientTls][] = [
      [`asks for a certificate of ours (--tls-cert and --tls-key)`, clientTlsOf(authority.caFile)],
      ...[stranger.sign('client'), authority.sign('a server', { purpose: 'serverAuth' })].map((pair): [string, ClientTls] => [
        `closed the connection: it may not accept the certificate of --tls-cert ${pair.certFile}, which its log would tell`,
        clientTlsOf(authority.caFile, pair),
      ]),
    ];
    for (const [sentence, tls] of refusals) {
      const error = await ask(mutual.address, tls);
      assert.ok(error instanceof GolddiffError, sentence);
      assert.deepEqual([error.code, error.message], ['TLS_FAILED', `${mutual.address} ${sentence}`]);
    }
    // A client of ours would not even start with a certificate that has expired.
    const expired = authority.sign('old', { days: -1 });
    assert.throws(() => connect(mutual.address, { tls: clientTlsOf(authority.caFile, expired) }), { code: 'ARGUMENT_INVALID' });
    assert.equal(await statusOfForeignClient(mutual.address, authority.caFile, good), GrpcStatus.OK);
    assert.equal(await statusOfForeignClient(mutual.address, authority.caFile, expired), GrpcStatus.UNAVAILABLE);
    const plain = await ask(mutual.address, undefined);
    assert.ok(plain instanceof GolddiffError);
    assert.deepEqual(
      [plain.code, plain.message],
      ['WORKER_LOST', `${mutual.address} closed the connection before it said a word: it may expect TLS (--tls-ca)`],
    );
    await until(() => mutual.refusals().length >= 5, 'every refusal is in the log');
    assert.deepEqual(mutual.refusals(), [
      'it shows no certificate',
      'its certificate is not of the authority in --tls-ca',
      'its certificate is not meant for clients (extended key usage)',
      'its certificate has expired',
      'it speaks plain text',
    ]);
  } finally {
    mutual.server.forceStop();
    open.server.forceStop();
  }
});

test('certificate and authority are replaced while the server runs: new connections meet the new, open ones go on', { skip }, async () => {
  const [before, after] = [new TestAuthority('before'), new TestAuthority('after')];
  const installed = new InstalledCertificates([before.caFile], before.sign('server'));
  const running = await tlsServer(pathsOf(installed.caFile, installed));
  const [old, fresh] = [clientTlsOf(before.caFile, before.sign('client')), clientTlsOf(after.caFile, after.sign('client'))];
  const replaced = async (count: number): Promise<void> => {
    await until(() => running.lines.filter(({ msg }) => /^TLS files were replaced/.test(String(msg))).length === count, 'the server has seen it');
  };
  const open = connect(running.address, { tls: old });
  try {
    assert.equal(await answerOf(open), 'SERVING');
    assert.ok((await ask(running.address, fresh)) instanceof GolddiffError);
    // As an operator does it: both authorities for a while, then the new certificate, then the new authority alone.
    installed.replace([before.caFile, after.caFile], before.sign('server'));
    await replaced(1);
    assert.equal(await ask(running.address, old), 'SERVING');
    assert.equal(await ask(running.address, { ...fresh, caFile: before.caFile }), 'SERVING');
    installed.replace([after.caFile], after.sign('server'));
    await replaced(2);
    assert.equal(await ask(running.address, fresh), 'SERVING');
    for (const tls of [old, { ...fresh, caFile: before.caFile }, { ...old, caFile: after.caFile }])
      assert.ok((await ask(running.address, tls)) instanceof GolddiffError, JSON.stringify(tls));
    assert.equal(await answerOf(open), 'SERVING', 'a connection that was there stays');
  } finally {
    open.close();
    running.server.forceStop();
  }
});

test('a session of before a replacement is not resumed: it would let in who is trusted no more', { skip }, async () => {
  const [before, after] = [new TestAuthority('before'), new TestAuthority('after')];
  const installed = new InstalledCertificates([before.caFile], before.sign('server', { reachedAs: 'DNS:server' }));
  const running = await tlsServer(pathsOf(installed.caFile, installed));
  const old = before.sign('client');
  const [host, port] = running.address.split(':') as [string, string];
  /** Whether the session was resumed, and the ticket of a new one; undefined where the connection ended instead. */
  const dial = (session: Buffer | undefined): Promise<{ resumed: boolean; ticket: Buffer | undefined } | undefined> =>
    new Promise((resolve) => {
      const socket = connectTls({
        host,
        port: Number(port),
        servername: 'server',
        ALPNProtocols: ['h2'],
        ca: [before.caFile, after.caFile].map((file) => readFileSync(file)),
        cert: readFileSync(old.certFile),
        key: readFileSync(old.keyFile),
        session,
      });
      let ticket: Buffer | undefined;
      const end = (answered: boolean): void => {
        resolve(answered ? { resumed: socket.isSessionReused(), ticket } : undefined);
        socket.destroy();
      };
      socket.on('session', (given: Buffer) => (ticket = given));
      // The settings of HTTP/2, which a server sends to those it lets in.
      socket.on('data', () => setImmediate(end, true));
      socket.on('close', () => end(false));
      socket.on('error', () => end(false));
    });
  try {
    const first = await dial(undefined);
    assert.equal(first?.resumed, false);
    assert.ok(first.ticket);
    assert.equal((await dial(first.ticket))?.resumed, true, 'a session is resumed where nothing was replaced');
    installed.replace([after.caFile], after.sign('server', { reachedAs: 'DNS:server' }));
    await until(() => running.lines.some(({ msg }) => /^TLS files were replaced/.test(String(msg))), 'the server has seen it');
    assert.equal(await dial(first.ticket), undefined);
  } finally {
    running.server.forceStop();
  }
});

test('a server without a certificate is a fault of the program', { skip }, () => {
  assert.throws(() => new TlsServerCredentials(new TlsFiles({ ca: new TestAuthority('an authority').caFile })), /a server has a certificate/);
});
