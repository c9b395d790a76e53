/** The Python example against a real cluster of processes: a client that knows nothing of ours but what the server, or proto/, says. */

import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { startEmbeddedCluster, type EmbeddedCluster } from '../../client/embedded-cluster.js';
import { connect, type GolddiffClient, type ScoreResult } from '../../client/golddiff-client.js';
import { readNpy, writeNpy } from '../../shared/dataset/npy.js';
import { packageRoot } from '../../shared/package-root.js';
import { opensslMissing, TestAuthority } from '../support/certificates.js';
import { importPlain, temporaryFolder } from '../support/data-sets.js';

const PYTHON = '/usr/bin/python3';
const SCRIPT = path.join(packageRoot, 'examples', 'python', 'score_batch.py');
const has = (program: string, args: string[]): boolean => spawnSync(program, args, { stdio: 'ignore' }).status === 0;
const skip = has(PYTHON, ['-c', 'import grpc, google.protobuf, numpy']) ? false : 'needs python3-grpcio, python3-protobuf and python3-numpy';
const skipProtoc = skip !== false ? skip : has('protoc', ['--version']) ? false : 'needs protobuf-compiler';

const ROWS = 240;
const SHAPE = [3, 4, 5] as const;
const D = 60;
const BATCH = 5;

interface Statistics {
  data_set: string;
  rows: number;
  tail_mass_kind: string;
  coverage: number;
  log_evidence: number[];
  effective_support: number[];
  golden_rows: number[];
  tail_mass_bound: number[];
}

const dir = temporaryFolder();
const pixels = Uint8Array.from({ length: ROWS * D }, (_, i) => (i * 2_654_435_761) >>> 24);
const dataDir = skip === false ? await importPlain({ pixels, shape: SHAPE, labels: [] }, 4) : '';

describe('examples/python/score_batch.py', { skip }, () => {
  let cluster: EmbeddedCluster;
  let client: GolddiffClient;
  const x = Float32Array.from({ length: BATCH * D }, (_, i) => Math.sin(i * 1.7) * 1.3);

  const python = async (...args: string[]): Promise<string> =>
    (await promisify(execFile)(PYTHON, [SCRIPT, '--endpoint', cluster.endpoint, ...args], { timeout: 60_000 })).stdout;
  const statistics = async (...args: string[]): Promise<Statistics> => JSON.parse(await python(...args, '--json')) as Statistics;
  const agrees = (stats: Statistics, result: ScoreResult): void => {
    assert.deepEqual(stats.log_evidence, [...result.logEvidence]);
    assert.deepEqual(stats.effective_support, [...result.effectiveSupport]);
    assert.deepEqual(stats.golden_rows, [...result.goldenRows]);
    assert.deepEqual(stats.tail_mass_bound, [...result.tailMassBound]);
  };

  before(async () => {
    cluster = await startEmbeddedCluster({ dataDir, shards: 2 });
    client = connect(cluster.endpoint);
    await writeNpy(path.join(dir, 'x.npy'), x, [BATCH, ...SHAPE]);
  });
  after(async () => {
    client?.close();
    await cluster?.stop();
  });

  it('gets from the server, by reflection alone, the bytes that the TypeScript client gets', async () => {
    const stats = await statistics(
      '--x',
      path.join(dir, 'x.npy'),
      '--t',
      '300',
      '--output',
      path.join(dir, 'x0.npy'),
      '--score',
      path.join(dir, 's.npy'),
    );
    const result = await client.score({ x, shape: [BATCH, ...SHAPE], t: 300, returnScore: true });
    agrees(stats, result);
    assert.deepEqual([stats.data_set, stats.rows, stats.tail_mass_kind, stats.coverage], ['plain', ROWS, 'EXACT', 1]);
    for (const [file, values] of [
      ['x0.npy', result.x0hat],
      ['s.npy', result.score],
    ] as const) {
      const array = await readNpy(path.join(dir, file));
      assert.deepEqual(array.shape, [BATCH, ...SHAPE]);
      assert.deepEqual([...array.data], [...(values ?? [])]);
    }
  });

  it('scores a golden subset at a noise level of its own', async () => {
    const stats = await statistics('--x', path.join(dir, 'x.npy'), '--alpha', '1', '--sigma', '0.5', '--golden');
    agrees(stats, await client.score({ x, shape: [BATCH, ...SHAPE], alpha: 1, sigma: 0.5, retrieval: { kind: 'golden' } }));
    assert.equal(stats.tail_mass_kind, 'HEURISTIC');
  });

  it('prints a table for people', async () => {
    const lines = (await python('--random', '3', '--t', '100')).trimEnd().split('\n');
    assert.match(lines[0] ?? '', /^plain: 240 rows of \[3, 4, 5\]; 3 queries in [\d.]+ ms on the server$/);
    assert.equal(lines.length, 5);
  });

  it('builds the same messages from the files in proto/', { skip: skipProtoc }, async () => {
    const args = ['--x', path.join(dir, 'x.npy'), '--t', '300'];
    assert.deepEqual(await statistics(...args, '--proto', path.join(packageRoot, 'proto')), await statistics(...args));
  });

  it('ends with the status and the sentence of a refusal', async () => {
    await assert.rejects(python('--random', '2', '--t', '1000'), { code: 1, stderr: /^INVALID_ARGUMENT: Expected [^\n]+\n$/ });
    await assert.rejects(python('--random', '2', '--t', '1', '--data-set', 'other'), { code: 1, stderr: /^NOT_FOUND: [^\n]+\n$/ });
    await assert.rejects(python('--random', '2'), { code: 2, stderr: /expected --t, or --alpha and --sigma/ });
  });

  it('dials by TLS with a certificate of its own', { skip: opensslMissing ?? false }, async () => {
    const authority = new TestAuthority('an authority');
    const [server, own] = [authority.sign('server', { reachedAs: 'DNS:scores.example' }), authority.sign('a client')];
    const secure = await startEmbeddedCluster({ dataDir, shards: 1, tls: { caFile: authority.caFile, ...server, serverName: 'scores.example' } });
    try {
      const dialled = ['--endpoint', secure.endpoint, '--tls-ca', authority.caFile, '--tls-server-name', 'scores.example'];
      const args = ['--x', path.join(dir, 'x.npy'), '--t', '300'];
      const pair = ['--tls-cert', own.certFile, '--tls-key', own.keyFile];
      assert.deepEqual(await statistics(...args, ...dialled, ...pair), await statistics(...args));
      await assert.rejects(python(...args, ...dialled), { code: 1, stderr: /^UNAVAILABLE: [^\n]+$/m });
    } finally {
      await secure.stop();
    }
  });

  it('is made from the public files alone', async () => {
    const text = await readFile(SCRIPT, 'utf8');
    const imported = [...text.matchAll(/^(?:import|from) (\S+)/gm)].map(([, name]) => name?.split('.')[0]);
    assert.deepEqual([...new Set(imported)].sort(), ['argparse', 'google', 'grpc', 'json', 'numpy', 'pathlib', 'subprocess', 'sys', 'tempfile']);
  });
});
