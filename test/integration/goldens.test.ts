/** The reference trajectories through the whole path (client, coordinator, workers over gRPC), and the same bits for any number of workers. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { startEmbeddedCluster } from '../../client/embedded-cluster.js';
import { connect, type GolddiffClient, type RetrievalChoice, type ScoreResult } from '../../client/golddiff-client.js';
import { importMnist } from '../support/data-sets.js';
import { GOLDEN_DIM, GOLDEN_NAMES, loadGolden, type Golden } from '../support/goldens.js';
import { worstDifference } from '../support/brute-force.js';

const PARTITIONS = 16;
const WORKER_COUNTS = [1, 2, 3, 5, 8];
/** The bounds; sums are float32 at the nodes of the merge tree (2^-24 each), so x0hat has room to spare. */
const X0HAT_TOLERANCE = 1e-5;
const LOG_Z_TOLERANCE = 1e-6;

const GOLDEN_RETRIEVALS: RetrievalChoice[] = [
  { kind: 'golden', variant: 'paper' },
  { kind: 'golden', variant: 'released', presampleSeed: 5, presampleStep: 3 },
];

/** Everything of an answer that must not depend on placement, as one hash. */
function fingerprint(result: ScoreResult): string {
  const hash = createHash('sha256');
  const { x0hat } = result;
  hash.update(new Uint8Array(x0hat.buffer, x0hat.byteOffset, x0hat.byteLength));
  for (const list of [result.logZ, result.effectiveSupport, result.maxWeight, result.goldenRows, result.logEvidence, result.tailMassBound])
    hash.update(Float64Array.from(list));
  for (const list of [result.massRows!.rows50, result.massRows!.rows90, result.massRows!.rows99]) hash.update(Float64Array.from(list));
  return hash.digest('hex');
}

async function scoreAt(client: GolddiffClient, golden: Golden, step: number, retrieval: RetrievalChoice): Promise<ScoreResult> {
  const size = golden.batch * GOLDEN_DIM;
  const x = golden.xt.slice(step * size, (step + 1) * size);
  const level = golden.levels[step]!;
  return client.score({ x, shape: [golden.batch, GOLDEN_DIM], ...level, retrieval, resultDtype: 'f64', returnMassRows: true });
}

for (const name of GOLDEN_NAMES) {
  test(`${name}: exact_optimal at every step with 1, 2, 3, 5 and 8 workers, and the same bits for all, exact and golden`, async (t) => {
    const golden = await loadGolden(name);
    const dataDir = await importMnist(golden.firstRow, golden.rows, PARTITIONS);
    const prints: string[][] = [];
    let worstX0hat = 0;
    let worstLogZ = 0;
    for (const shards of WORKER_COUNTS) {
      const cluster = await startEmbeddedCluster({ dataDir, shards });
      const client = connect(cluster.endpoint);
      const print: string[] = [];
      try {
        for (let step = 0; step < golden.timesteps.length; step++) {
          const exact = await scoreAt(client, golden, step, { kind: 'exact' });
          const size = golden.batch * GOLDEN_DIM;
          worstX0hat = Math.max(worstX0hat, worstDifference(exact.x0hat, golden.exactOptimal.subarray(step * size, (step + 1) * size)));
          exact.logZ.forEach((z, b) => {
            const want = golden.exactLogZ[step * golden.batch + b]!;
            worstLogZ = Math.max(worstLogZ, Math.abs(z - want) / Math.abs(want));
          });
          assert.equal(exact.tailMassKind, 'exact');
          assert.deepEqual(exact.goldenRows, Array(golden.batch).fill(golden.rows));
          assert.equal(exact.coverage.fraction, 1);
          print.push(fingerprint(exact));
          for (const retrieval of GOLDEN_RETRIEVALS) {
            const sparse = await scoreAt(client, golden, step, retrieval);
            assert.equal(sparse.tailMassKind, 'heuristic');
            print.push(fingerprint(sparse));
          }
        }
      } finally {
        client.close();
        await cluster.stop();
      }
      prints.push(print);
    }
    t.diagnostic(`worst x0hat difference ${worstX0hat.toExponential(2)}, worst relative log Z difference ${worstLogZ.toExponential(2)}`);
    assert.ok(worstX0hat <= X0HAT_TOLERANCE, `x0hat is off by ${worstX0hat}`);
    assert.ok(worstLogZ <= LOG_Z_TOLERANCE, `log Z is off by ${worstLogZ}`);
    prints.forEach((print, i) => assert.deepEqual(print, prints[0], `${WORKER_COUNTS[i]} workers against ${WORKER_COUNTS[0]}`));
  });
}
