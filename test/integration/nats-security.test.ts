/** NATS with TLS and credentials, as processes meet it: what fits connects, what does not ends in one sentence and status 1. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';

import { startEmbeddedCluster } from '../../client/embedded-cluster.js';
import { connect } from '../../client/golddiff-client.js';
import { createNatsControlPlane } from '../../shared/control-plane/nats/control-plane.js';
import { createLogger } from '../../shared/log.js';
import { opensslMissing, TestAuthority } from '../support/certificates.js';
import { ending } from '../support/command.js';
import { importMnist, temporaryFolder } from '../support/data-sets.js';
import { createNatsOperator } from '../support/nats-credentials.js';
import { natsMissing, startNats, type NatsServers } from '../support/nats-server.js';
import { until } from '../support/until.js';

const skip = natsMissing ?? opensslMissing ?? false;
let dataDir: string;

before(async () => {
  if (skip === false) dataDir = await importMnist(0, 200, 4);
});

async function withNats(flags: readonly string[], body: (nats: NatsServers, url: string) => Promise<void>): Promise<void> {
  const nats = await startNats(1, { more: flags });
  try {
    await body(nats, nats.addresses.join());
  } finally {
    await nats.dispose();
  }
}

const flagsOf = (service: 'coordinator' | 'shard-worker', url: string): string[] => [
  ...[service, '--data', dataDir, '--listen', '127.0.0.1:0', '--metrics-listen', 'off', '--nats', url],
];

test('TLS and a user: a cluster runs over it; a wrong authority or password ends every process with one sentence', { skip }, async () => {
  const [authority, stranger] = [new TestAuthority('an authority'), new TestAuthority('another authority')];
  const server = authority.sign('nats');
  const serverFlags = ['--tls', '--tlscert', server.certFile, '--tlskey', server.keyFile, '--user', 'golddiff', '--pass', 'sesame'];
  await withNats(serverFlags, async (_nats, url) => {
    const passwordFile = path.join(temporaryFolder(), 'password');
    writeFileSync(passwordFile, 'sesame\n');
    const right = ['--nats-tls-ca', authority.caFile, '--nats-user', 'golddiff', '--nats-password-file', passwordFile];
    const push = ['dataset', 'push', dataDir, '--nats', url, '--name', 'digits'];
    assert.deepEqual(await ending([...push, ...right]), { status: 0, said: [] });
    // The control plane and the data have connections of their own, which need the same.
    const running = await startEmbeddedCluster({
      dataDir: 'object-store:digits',
      dataCache: temporaryFolder(),
      shards: 2,
      nats: { servers: [`tls://${url}`], security: right },
    });
    const client = connect(running.endpoint);
    try {
      const { controlPlane, coverage, workers } = await client.cluster.status();
      assert.deepEqual([controlPlane, coverage, workers.length], ['nats', 1, 2]);
      const { jobId } = await client.jobs.submit('over TLS', { count: 2, steps: 2 });
      let state = '';
      for await (const job of client.jobs.watch(jobId)) state = job.state;
      assert.equal(state, 'succeeded');
    } finally {
      client.close();
      await running.stop();
    }

    const wrongAuthority = ['--nats-tls-ca', stranger.caFile, ...right.slice(2)];
    const wrongPassword = { GOLDDIFF_NATS_TLS_CA: authority.caFile, GOLDDIFF_NATS_USER: 'golddiff', GOLDDIFF_NATS_PASSWORD: 'open' };
    const certificate = `The certificate of the NATS server at ${url} does not hold (unable to verify the first certificate) against that of --nats-tls-ca ${stranger.caFile}`;
    const password = `The NATS server at ${url} refused user golddiff with GOLDDIFF_NATS_PASSWORD (Authorization Violation)`;
    const command = ['cluster', '--data', dataDir, '--shards', '1', '--listen', '127.0.0.1:0', '--log-level', 'silent', '--nats', url];
    const refused = [flagsOf('coordinator', url), flagsOf('shard-worker', url), command].flatMap((words) => [
      ending([...words, ...wrongAuthority]),
      ending(words, wrongPassword),
    ]);
    const service = [certificate, password].map((sentence) => ({ status: 1, said: [sentence] }));
    const cluster = [certificate, password].map((sentence) => ({ status: 1, said: [`The shard worker 0 did not start: ${sentence}`] }));
    assert.deepEqual(await Promise.all(refused), [...service, ...service, ...cluster]);
    assert.deepEqual(await ending([...flagsOf('coordinator', url), '--nats-creds', path.join(dataDir, 'none')]), {
      status: 2,
      said: [`Expected a file that can be read (ENOENT) for --nats-creds but received ${JSON.stringify(path.join(dataDir, 'none'))}`],
    });
  });
});

test('credentials files of an operator, by variable as by flag; those of another operator and none are refused', { skip }, async () => {
  const [operator, other] = [createNatsOperator(), createNatsOperator()];
  await withNats(['-c', operator.configFile], async (_nats, url) => {
    const cluster = await startEmbeddedCluster({
      dataDir,
      shards: 1,
      nats: { servers: [url], security: ['--nats-creds', operator.credentialsFile()] },
    });
    const client = connect(cluster.endpoint);
    try {
      assert.equal((await client.cluster.status()).controlPlane, 'nats');
    } finally {
      client.close();
      await cluster.stop();
    }
    const wrong = other.credentialsFile();
    assert.deepEqual(await ending(flagsOf('shard-worker', url), { GOLDDIFF_NATS_CREDS: wrong }), {
      status: 1,
      said: [`The NATS server at ${url} refused the credentials of --nats-creds ${wrong} (Authorization Violation)`],
    });
    assert.deepEqual(await ending(flagsOf('coordinator', url)), {
      status: 1,
      said: [`The NATS server at ${url} asks for credentials: --nats-creds, --nats-token-file or --nats-user, or their variables`],
    });
  });
});

test('certificates of clients, and servers without TLS where it is asked for', { skip }, async () => {
  const authority = new TestAuthority('an authority');
  const server = authority.sign('nats');
  const client = authority.sign('a coordinator');
  const log = createLogger('test', 'silent');
  const serverFlags = ['--tlsverify', '--tlscacert', authority.caFile, '--tlscert', server.certFile, '--tlskey', server.keyFile];
  await withNats(serverFlags, async ({ addresses: servers }) => {
    const own = { natsTlsCa: authority.caFile, natsTlsCert: client.certFile, natsTlsKey: client.keyFile };
    const plane = await createNatsControlPlane({ servers, log, security: own });
    assert.equal((await plane.jobs.submit('j', new Uint8Array(1))).state, 'queued');
    await plane.close();
    await assert.rejects(createNatsControlPlane({ servers, log, security: { natsTlsCa: authority.caFile } }), {
      code: 'CONTROL_PLANE_REFUSED',
      message: `The NATS server at ${servers.join()} asks for a certificate of ours: --nats-tls-cert and --nats-tls-key`,
    });
  });
  await withNats([], async (_nats, url) => {
    assert.deepEqual(await ending(flagsOf('shard-worker', `tls://${url}`)), {
      status: 1,
      said: [`Expected TLS from the NATS server at ${url}, as tls:// or a --nats-tls flag asks for, but it offers none`],
    });
  });
});

test('a token that changes while a process runs is taken from its file at the next connection', { skip }, async (t) => {
  const folder = temporaryFolder();
  const [config, tokenFile] = [path.join(folder, 'nats.conf'), path.join(folder, 'token')];
  const change = (file: string, token: string): void => writeFileSync(file, file === config ? `authorization { token: "${token}" }\n` : token);
  change(config, 'first');
  change(tokenFile, 'first');
  await withNats(['-c', config], async ({ servers: [server], addresses }) => {
    const security = { natsTokenFile: tokenFile };
    const plane = await createNatsControlPlane({ servers: addresses, log: createLogger('test', 'silent'), security });
    try {
      await plane.jobs.submit('before', new Uint8Array(1));
      await server!.kill();
      change(config, 'second');
      await server!.restart();
      await assert.rejects(plane.jobs.get('before'), { code: 'CONTROL_PLANE_LOST' });
      change(tokenFile, 'second');
      const backMs = await until(async () => (await plane.jobs.get('before').catch(() => undefined)) !== undefined, 'it is let in again', 30_000);
      t.diagnostic(`let in again ${Math.round(backMs)} ms after the file had changed`);
    } finally {
      await plane.close();
    }
  });
});
