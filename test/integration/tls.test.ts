/** TLS as processes meet it: a whole cluster over it, the clients and the workers that it refuses, and certificates that are replaced while it runs. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';

import { status as GrpcStatus } from '@grpc/grpc-js';

import { serviceProgram } from '../../client/embedded-cluster.js';
import { connect, type ClientTls } from '../../client/golddiff-client.js';
import { ServiceProcess } from '../../client/service-process.js';
import { writeNpy } from '../../shared/dataset/npy.js';
import type { GolddiffError } from '../../shared/errors.js';
import { TlsFiles } from '../../shared/tls/tls-files.js';
import { startBruteForceWorker, type BruteForceWorker } from '../coordinator/brute-force-worker.js';
import { randomDataSet } from '../coordinator/test-data.js';
import { InstalledCertificates, opensslMissing, TestAuthority, type KeyPair } from '../support/certificates.js';
import { ending, program } from '../support/command.js';
import { importMnist, mnistTestImages, temporaryFolder } from '../support/data-sets.js';
import { Fleet } from '../support/fleet.js';
import { until } from '../support/until.js';

const skip = opensslMissing ?? false;
const LONG_MS = 120_000;
const QUERIES = 6;
/** Of randomDataSet's rows. */
const DIM = 16;
let dataDir: string;
let queries: string;

before(async () => {
  if (skip !== false) return;
  dataDir = await importMnist(0, 400, 8);
  queries = path.join(temporaryFolder(), 'x.npy');
  await writeNpy(queries, Float32Array.from(mnistTestImages(QUERIES)), [QUERIES, 784]);
});

function golddiff(words: readonly string[], tls: ClientTls = {}): Promise<{ status: number | null; said: string[] }> {
  const names = { caFile: 'CA', certFile: 'CERT', keyFile: 'KEY', serverName: 'SERVER_NAME' };
  return ending(words, Object.fromEntries(Object.entries(tls).map(([key, value]) => [`GOLDDIFF_TLS_${names[key as keyof ClientTls]}`, value])));
}

/** The bytes of x0hat and of the score of the queries, by the command. */
async function denoised(where: readonly string[], tls: ClientTls): Promise<[Buffer, Buffer]> {
  const folder = temporaryFolder();
  const [output, score] = [path.join(folder, 'x0.npy'), path.join(folder, 'score.npy')];
  const how = ['--t', '300', '--denoiser', 'optimal', '--retrieval', 'exact', '--result-dtype', 'f64'];
  const ended = await golddiff(['denoise', ...where, '--input', queries, ...how, '--output', output, '--score', score], tls);
  assert.deepEqual(ended, { status: 0, said: [] });
  return [readFileSync(output), readFileSync(score)];
}

test('coordinator, workers and clients over mTLS: the plain answer bit for bit, strangers kept out, certificates replaced', { skip }, async (t) => {
  const [authority, next, stranger] = [new TestAuthority('an authority'), new TestAuthority('the next'), new TestAuthority('a stranger')];
  const installed = new InstalledCertificates([authority.caFile], authority.sign('everyone'));
  const { caFile, certFile, keyFile } = installed;
  const ours: ClientTls = { caFile, certFile, keyFile };
  const fleet = await Fleet.start({ dataDir, workers: 2, tls: ours });
  try {
    const [{ address }] = fleet.coordinators as [ServiceProcess];
    const workerAddress = fleet.workers.get('worker-00')!.address;
    const client: ClientTls = { caFile: authority.caFile, ...authority.sign('a client') };

    // The variables count for nothing where the command runs a cluster of its own, in plain text.
    const [secure, plain] = [await denoised(['--endpoint', address], client), await denoised(['--data', dataDir, '--shards', '2'], client)];
    assert.deepEqual(secure, plain);

    const { caFile: own, certFile: clientCert } = client;
    const foreign = stranger.sign('a client');
    const expired = authority.sign('a client', { days: -1 });
    const refused: [ClientTls, number, string][] = [
      [{ ...client, caFile: stranger.caFile }, 1, `The certificate of ${address} is not of the authority in --tls-ca ${stranger.caFile}`],
      [{ caFile: own! }, 1, `${address} asks for a certificate of ours (--tls-cert and --tls-key)`],
      [
        { caFile: own!, ...foreign },
        1,
        `${address} closed the connection: it may not accept the certificate of --tls-cert ${foreign.certFile}, which its log would tell`,
      ],
      [
        { ...client, serverName: 'another' },
        1,
        `The certificate of ${address} is not for another, but for IP:127.0.0.1; --tls-server-name expects another`,
      ],
      [{ caFile: own!, certFile: clientCert! }, 2, 'Expected both or none for --tls-cert and --tls-key but received "the certificate alone"'],
      [{}, 1, `${address} closed the connection before it said a word: it may expect TLS (--tls-ca)`],
    ];
    const commands = [['cluster', 'status'], ['health'], ['health'], ['jobs', 'list', '--patience-ms', '600000'], ['health'], ['health']];
    const endings = await Promise.all(refused.map(([tls], i) => golddiff([...commands[i]!, '--endpoint', address], tls)));
    assert.deepEqual(
      endings,
      refused.map(([, status, sentence]) => ({ status, said: [sentence] })),
    );
    const { status, said } = await golddiff(['health', '--endpoint', address], { caFile: own!, ...expired });
    assert.equal(status, 2);
    assert.match(said.join(), /^Expected a certificate that has not expired for --tls-cert but received ".*, which expired on /);
    assert.deepEqual(await golddiff(['health', '--endpoint', workerAddress, '--wait', '60'], client), { status: 0, said: [] });

    // All of it at once, the authority too: connections that are there go on, and every new one meets the new files.
    const settled = connect(address, { tls: client });
    const fresh: ClientTls = { caFile: next.caFile, ...next.sign('a client') };
    const state = (tls: ClientTls): Promise<string> => {
      const asking = connect(address, { tls });
      return asking.health('', { timeoutMs: LONG_MS }).then(
        (health) => (asking.close(), health),
        (error: GolddiffError) => (asking.close(), error.code),
      );
    };
    try {
      assert.equal(await settled.health('', { timeoutMs: LONG_MS }), 'SERVING');
      assert.equal(await state(fresh), 'TLS_FAILED');
      installed.replace([next.caFile], next.sign('everyone'));
      const seenMs = await until(async () => (await state(fresh)) === 'SERVING', 'the coordinator lets in clients of the next authority', LONG_MS);
      t.diagnostic(`certificates and authority counted ${Math.round(seenMs)} ms after they were replaced`);
      assert.equal(await state(client), 'TLS_FAILED');
      assert.equal(await settled.health('', { timeoutMs: LONG_MS }), 'SERVING');
      // A worker that starts anew has the new ones alone, and the coordinator that runs dials it with its own new ones.
      await fleet.killWorker('worker-01');
      await fleet.restartWorker('worker-01');
      await fleet.placed();
      assert.deepEqual(await denoised(['--endpoint', address], fresh), plain);
    } finally {
      settled.close();
    }
  } finally {
    await fleet.stop();
  }
});

test(
  'a coordinator does without workers whose TLS does not hold, says of each why, and answers UNAVAILABLE when no other is left',
  { skip },
  async () => {
    const [authority, stranger] = [new TestAuthority('an authority'), new TestAuthority('a stranger')];
    const data = randomDataSet({ rows: 12, partitions: 4 });
    const folder = temporaryFolder();
    writeFileSync(path.join(folder, 'manifest.json'), JSON.stringify(data.manifest));
    const ca = authority.caFile;
    const own = authority.sign('the coordinator');
    const files = ({ certFile: cert, keyFile: key }: KeyPair, trusts = ca) => new TlsFiles({ ca: trusts, cert, key }, { nowUnixMs: () => 0 });
    const [good, expired, elsewhere, foreign] = [
      authority.sign('good'),
      authority.sign('old', { days: -1 }),
      authority.sign('elsewhere', { reachedAs: 'DNS:elsewhere.example' }),
      stranger.sign('foreign'),
    ];
    const kinds = {
      good: files(good),
      expired: files(expired),
      elsewhere: files(elsewhere),
      foreign: files(foreign),
      wary: files(good, stranger.caFile),
    };
    const workers: BruteForceWorker[] = [];
    let coordinator: ServiceProcess | undefined;
    let client: ReturnType<typeof connect> | undefined;
    try {
      for (const [workerId, tls] of Object.entries(kinds)) workers.push(await startBruteForceWorker({ workerId, data, tls }));
      workers.push(await startBruteForceWorker({ workerId: 'plain', data }));
      const at = Object.fromEntries(workers.map(({ workerId, address }) => [workerId, address]));
      const reasons = new Map<string, string>();
      coordinator = await ServiceProcess.start({
        name: 'coordinator',
        program: serviceProgram('coordinator'),
        args: [
          ...[
            '--data',
            folder,
            '--workers',
            Object.values(at).join(),
            '--expected-workers',
            '1',
            '--placement-wait-ms',
            '0',
            '--listen',
            '127.0.0.1:0',
          ],
          ...['--metrics-listen', 'off', '--tls-ca', ca, '--tls-cert', own.certFile, '--tls-key', own.keyFile],
        ],
        readyTimeoutMs: LONG_MS,
        onLogLine: (line) => {
          const entry = JSON.parse(line) as { msg: string; address: string; reason: string };
          if (entry.msg === 'a worker cannot be reached over TLS') reasons.set(entry.address, entry.reason);
        },
      });
      client = connect(coordinator.address, { tls: { caFile: ca, ...authority.sign('a client') } });
      const score = (): Promise<unknown> =>
        client!.score({ x: new Float64Array(DIM), shape: [1, DIM], t: 100, denoiser: 'optimal' }, { timeoutMs: LONG_MS });
      await score();
      await until(() => reasons.size === 5, 'every other worker has its reason', LONG_MS);
      assert.deepEqual(Object.fromEntries(reasons), {
        [at['expired']!]: `The certificate of ${at['expired']} has expired`,
        [at['elsewhere']!]:
          `The certificate of ${at['elsewhere']} is not for 127.0.0.1, but for DNS:elsewhere.example; --tls-server-name expects another`,
        [at['foreign']!]: `The certificate of ${at['foreign']} is not of the authority in --tls-ca ${ca}`,
        [at['wary']!]:
          `${at['wary']} closed the connection: it may not accept the certificate of --tls-cert ${own.certFile}, which its log would tell`,
        [at['plain']!]: `Expected TLS from ${at['plain']} but it speaks plain text`,
      });
      workers[0]!.stop();
      await assert.rejects(
        score(),
        (error: GolddiffError) => error.grpcStatus === GrpcStatus.UNAVAILABLE && /^(PARTITION_MISSING|WORKER_LOST)$/.test(error.code),
      );
    } finally {
      client?.close();
      await coordinator?.stop(LONG_MS);
      workers.forEach((worker) => worker.stop());
    }
  },
);

test('a process that is started wrongly ends with status 2 and one sentence', { skip }, async () => {
  const authority = new TestAuthority('an authority');
  const [own, other] = [authority.sign('own'), authority.sign('other')];
  const start = (service: string, ...more: string[]) => golddiff([service, '--data', dataDir, '--metrics-listen', 'off', ...more]);
  const open = (listen: string) =>
    `Expected --tls-cert and --tls-key, or --plaintext, with an address that is not loopback for --listen but received "${listen}"`;
  const cases: [ReturnType<typeof golddiff>, string][] = [
    [start('shard-worker', '--listen', '0.0.0.0:0'), open('0.0.0.0:0')],
    [start('coordinator', '--listen', '[::]:0', '--workers', '127.0.0.1:1'), open('[::]:0')],
    [
      start('shard-worker', '--tls-cert', own.certFile, '--tls-key', other.keyFile),
      `Expected the private key of --tls-cert for --tls-key but received "${other.keyFile}, which is of another"`,
    ],
    [
      golddiff(['cluster', '--data', dataDir, '--shards', '1', '--listen', '0.0.0.0:0', '--log-level', 'silent']),
      `The coordinator did not start: ${open('0.0.0.0:0')}`,
    ],
  ];
  for (const [ending, sentence] of cases) assert.deepEqual(await ending, { status: 2, said: [sentence] });
});

test('a cluster in the foreground runs over TLS, or in plain text on every address where that is chosen', { skip }, async () => {
  const authority = new TestAuthority('an authority');
  const own = authority.sign('everyone', { reachedAs: 'DNS:cluster.example' });
  const { caFile } = authority;
  const tls: ClientTls = { caFile, ...own, serverName: 'cluster.example' };
  const secure = [
    '--tls-ca',
    caFile,
    '--tls-cert',
    own.certFile,
    '--tls-key',
    own.keyFile,
    '--tls-server-name',
    'cluster.example',
    '--listen',
    '127.0.0.1:0',
  ];
  const cases: [string[], ClientTls | undefined][] = [
    [secure, tls],
    [['--listen', '0.0.0.0:0', '--plaintext'], undefined],
  ];
  for (const [words, dialling] of cases) {
    // Variables are for dialling other clusters.
    const env = { ...process.env, GOLDDIFF_TLS_CERT: 'nowhere', GOLDDIFF_PLAINTEXT: 'perhaps' };
    const child = spawn(process.execPath, [program, 'cluster', '--data', dataDir, '--shards', '1', '--json', ...words], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env,
    });
    try {
      const line = await new Promise<string>((resolve, reject) => {
        child.stdout.once('data', (text: Buffer) => resolve(text.toString()));
        child.once('exit', (code) => reject(new Error(`the cluster ended with ${code}`)));
      });
      const { endpoint } = JSON.parse(line) as { endpoint: string };
      const client = connect(endpoint.replace('0.0.0.0', '127.0.0.1'), dialling === undefined ? {} : { tls: dialling });
      try {
        assert.equal((await client.cluster.status({ timeoutMs: LONG_MS })).coverage, 1);
      } finally {
        client.close();
      }
    } finally {
      child.kill('SIGINT');
      if (child.exitCode === null) await new Promise((resolve) => child.once('exit', resolve));
    }
  }
});
