import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { connect } from '../../../client/golddiff-client.js';
import { GolddiffError } from '../../../shared/errors.js';
import { channelCredentials } from '../../../shared/rpc/channel-tls.js';
import { TlsFiles } from '../../../shared/tls/tls-files.js';
import { InstalledCertificates, opensslMissing, TestAuthority } from '../../support/certificates.js';
import { until } from '../../support/until.js';
import { answerOf, ask, clientTlsOf, pathsOf, tlsServer } from './tls-under-test.js';

const skip = opensslMissing ?? false;

async function refused(address: string, tls: Parameters<typeof ask>[1], message: string): Promise<void> {
  const error = await ask(address, tls);
  assert.ok(error instanceof GolddiffError, String(error));
  assert.deepEqual([error.code, error.message], ['TLS_FAILED', message]);
}

test('a server whose certificate does not hold is refused, with a sentence that says in what', { skip }, async () => {
  const [authority, stranger] = [new TestAuthority('an authority'), new TestAuthority('a stranger')];
  const tls = clientTlsOf(authority.caFile);
  const good = await tlsServer(pathsOf(undefined, authority.sign('good', { reachedAs: 'IP:127.0.0.1,DNS:worker.example' })));
  const expired = await tlsServer(pathsOf(undefined, authority.sign('old', { days: -1 })));
  const elsewhere = await tlsServer(pathsOf(undefined, authority.sign('elsewhere', { reachedAs: 'DNS:elsewhere.example' })));
  const plain = await tlsServer(undefined);
  try {
    assert.equal(await ask(good.address, tls), 'SERVING');
    assert.equal(await ask(good.address, { ...tls, serverName: 'worker.example' }), 'SERVING');
    assert.equal(await ask(elsewhere.address, { ...tls, serverName: 'elsewhere.example' }), 'SERVING');
    assert.equal(await ask(good.address.replace('127.0.0.1', 'localhost'), { ...tls, serverName: '127.0.0.1' }), 'SERVING');
    await refused(
      good.address,
      clientTlsOf(stranger.caFile),
      `The certificate of ${good.address} is not of the authority in --tls-ca ${stranger.caFile}`,
    );
    await refused(good.address, {}, `The certificate of ${good.address} is not of an authority that this machine trusts; --tls-ca names another`);
    await refused(expired.address, tls, `The certificate of ${expired.address} has expired`);
    await refused(
      elsewhere.address,
      tls,
      `The certificate of ${elsewhere.address} is not for 127.0.0.1, but for DNS:elsewhere.example; --tls-server-name expects another`,
    );
    await refused(plain.address, tls, `Expected TLS from ${plain.address} but it speaks plain text`);
    assert.equal(await ask(plain.address, undefined), 'SERVING');
  } finally {
    for (const { server } of [good, expired, elsewhere, plain]) server.forceStop();
  }
});

test('an environment that turns verification off for Node does not turn it off here', { skip }, async () => {
  const [authority, stranger] = [new TestAuthority('an authority'), new TestAuthority('a stranger')];
  const running = await tlsServer(pathsOf(undefined, authority.sign('server')));
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
  try {
    await refused(
      running.address,
      clientTlsOf(stranger.caFile),
      `The certificate of ${running.address} is not of the authority in --tls-ca ${stranger.caFile}`,
    );
  } finally {
    delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    running.server.forceStop();
  }
});

test('one that hangs up during the handshake, and one that is not there, are told apart', { skip }, async () => {
  const authority = new TestAuthority('an authority');
  const rude = createServer((socket) => void socket.resume().end());
  await new Promise<void>((resolve) => rude.listen(0, '127.0.0.1', resolve));
  const { port } = rude.address() as { port: number };
  const tls = clientTlsOf(authority.caFile);
  const hungUp = await ask(`127.0.0.1:${port}`, tls);
  await new Promise((resolve) => rude.close(resolve));
  assert.ok(hungUp instanceof GolddiffError && hungUp.code === 'TLS_FAILED', String(hungUp));
  assert.match(hungUp.message, new RegExp(`^The TLS handshake with 127.0.0.1:${port} failed: `));
  const absent = await ask(`127.0.0.1:${port}`, tls);
  assert.ok(absent instanceof GolddiffError && absent.code === 'WORKER_LOST', String(absent));
  assert.equal(absent.message, `There is no connection to 127.0.0.1:${port}: connect ECONNREFUSED 127.0.0.1:${port}`);
});

test('a client that runs takes a replaced authority and certificate at its next connection', { skip }, async () => {
  const [before, after] = [new TestAuthority('before'), new TestAuthority('after')];
  const installed = new InstalledCertificates([before.caFile], before.sign('client'));
  const first = await tlsServer(pathsOf(before.caFile, before.sign('server')));
  const client = connect(first.address, { tls: clientTlsOf(installed.caFile, installed) });
  const port = first.address;
  let second: Awaited<ReturnType<typeof tlsServer>> | undefined;
  try {
    assert.equal(await answerOf(client), 'SERVING');
    first.server.forceStop();
    second = await tlsServer(pathsOf(after.caFile, after.sign('server')), port);
    const answer = (): Promise<string> => client.health('', { timeoutMs: 60_000 }).catch((error: GolddiffError) => error.code);
    // The first call may still meet the connection that ended.
    await until(async () => (await answer()) === 'TLS_FAILED', 'it refuses the new server', 60_000);
    installed.replace([after.caFile], after.sign('client'));
    await until(async () => (await answer()) === 'SERVING', 'it takes the new server', 60_000);
  } finally {
    client.close();
    second?.server.forceStop();
    first.server.forceStop();
  }
});

test('without TLS the credentials are plain, and two with the same files are not the same', { skip }, () => {
  assert.equal(channelCredentials(undefined)._isSecure(), false);
  const files = new TlsFiles({ ca: new TestAuthority('an authority').caFile });
  const [one, other] = [channelCredentials({ files }), channelCredentials({ files, serverName: 'other' })];
  assert.deepEqual([one._isSecure(), one._equals(one), one._equals(other)], [true, true, false]);
});
