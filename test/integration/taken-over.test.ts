/** A worker is lost at each of its requests in turn: other replicas go on with its partitions from there, and the answer has the same bits. Both backends, every denoiser. */

import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { startEmbeddedCluster, type EmbeddedCluster } from '../../client/embedded-cluster.js';
import { connect, type ScoreInput } from '../../client/golddiff-client.js';
import { encodeScoreRequest } from '../../client/score-call.js';
import { DataSetStatistics } from '../../coordinator/statistics/data-set-statistics.js';
import { planScore } from '../../coordinator/score-request.js';
import type { ClusterView } from '../../coordinator/step-assignments.js';
import type { StepAnswer } from '../../coordinator/step-answer.js';
import { StepRunner } from '../../coordinator/step-runner.js';
import type { LinkedStep, WorkerLink } from '../../coordinator/worker-link.js';
import { WorkerLinks } from '../../coordinator/worker-links.js';
import { openDataSet } from '../../shared/dataset/data-set.js';
import { COVARIANCE_FILE, readManifest } from '../../shared/dataset/manifest-validation.js';
import { GolddiffError } from '../../shared/errors.js';
import { createLogger } from '../../shared/log.js';
import { fillNormals } from '../../shared/math/counter-noise.js';
import { createMetrics } from '../../shared/metrics.js';
import { protoPackage } from '../../shared/rpc/proto-package.js';
import { importMnist } from '../support/data-sets.js';

const DIM = 784;
const BATCH = 4;
const VICTIM = 'worker-1';
/** No step asks a worker more often. */
const REQUESTS_MAX = 12;
const log = createLogger('test', 'silent');

/** Links of which one loses its worker at the request that is wanted. */
class LosingLinks extends WorkerLinks {
  /** 0 = never */
  losesAt = 0;
  sent = 0;
  readonly #patched = new WeakSet<WorkerLink>();

  override get(workerId: string, address: string): WorkerLink {
    const link = super.get(workerId, address);
    if (workerId === VICTIM && !this.#patched.has(link)) {
      this.#patched.add(link);
      const open = link.openStep.bind(link);
      link.openStep = () => this.#losing(open());
    }
    return link;
  }

  #losing(step: LinkedStep): LinkedStep {
    return {
      send: async (body) => {
        if (++this.sent === this.losesAt) throw new GolddiffError('WORKER_LOST', 'as asked for');
        await step.send(body);
      },
      next: () => step.next(),
      close: (reason) => step.close(reason),
      end: () => step.end(),
    };
  }
}

const x = new Float64Array(BATCH * DIM);
fillNormals(x, 4, 0, 0);
const input = { x: Float32Array.from(x, (value) => 0.6 * value), shape: [BATCH, DIM] };
const golden = { kind: 'golden', kMin: 40, kMax: 90 } as const;
const CASES: Record<string, ScoreInput> = {
  'exact with mass rows': { ...input, t: 300, returnMassRows: true },
  'exact at low noise': { ...input, t: 20 },
  'golden as in the paper': { ...input, t: 500, retrieval: golden },
  'golden as in the paper, where proofs hold': { ...input, t: 100, retrieval: { ...golden, kMin: 100, kMax: 200 } },
  'golden as released': { ...input, t: 300, retrieval: { ...golden, variant: 'released' } },
  'golden over labels': { ...input, t: 300, retrieval: golden, labels: [1, 2, -1, 3] },
  'pca over a golden subset': { ...input, t: 300, retrieval: golden, denoiser: 'pca' },
  'patch over all rows': { ...input, t: 300, denoiser: 'patch' },
  'blocks of rows': { ...input, t: 300, retrieval: { ...golden, aggregator: 'wss', blockRows: 50 } },
};

let dataDir: string;
before(async () => {
  dataDir = await importMnist(0, 1_200, 12);
});
after(() => rm(path.join(dataDir, COVARIANCE_FILE), { force: true }));

const bitsOf = ({ timings: _timings, x0hat, ...rest }: StepAnswer): string => JSON.stringify([Buffer.from(x0hat.buffer).toString('base64'), rest]);

async function withRunner(
  cluster: EmbeddedCluster,
  body: (runner: StepRunner, links: LosingLinks, takeovers: () => Promise<number>) => Promise<void>,
) {
  const client = connect(cluster.endpoint);
  const { placementEpoch: epoch, partitions } = await client.cluster.status();
  client.close();
  const manifest = await readManifest(dataDir);
  const document = {
    dataSet: manifest.name,
    contentHash: manifest.contentHash,
    epoch,
    partitions: partitions.map(({ id, replicas }) => ({ partition: id, replicas })),
  };
  const view: ClusterView = {
    placement: () => document,
    addressOf: (id) => cluster.workers[Number(id.split('-')[1])]?.address,
    changed: () => assert.fail('nothing is waited for'),
    suspect: () => {},
    refresh: () => assert.fail('no epoch is stale'),
  };
  const links = new LosingLinks();
  const metrics = createMetrics('coordinator');
  const statistics = new DataSetStatistics({ dataSet: await openDataSet(dataDir), cluster: view, links, log, placementWaitMs: 0 });
  try {
    const takeovers = async (): Promise<number> => (await metrics.retries.get()).values.find(({ labels }) => labels.scope === 'share')?.value ?? 0;
    await body(new StepRunner({ cluster: view, links, statistics, log, placementWaitMs: 0, metrics }), links, takeovers);
  } finally {
    links.close();
    await statistics.close();
  }
}

for (const backend of ['auto', 'reference']) {
  test(`whatever request a worker is lost at, the others go on with the same bits: backend ${backend}`, async (t) => {
    const cluster = await startEmbeddedCluster({ dataDir, shards: 3, replicas: 2, backend });
    try {
      const manifest = await readManifest(dataDir);
      const { requestSerialize, requestDeserialize } = protoPackage.ScoreService.service.Score;
      await withRunner(cluster, async (runner, links, takeovers) => {
        for (const [name, score] of Object.entries(CASES)) {
          const { step } = planScore(requestDeserialize(requestSerialize(encodeScoreRequest(score))), manifest);
          const run = async (losesAt: number): Promise<string> => {
            Object.assign(links, { losesAt, sent: 0 });
            return bitsOf(await runner.run(step, { requestId: name, signal: new AbortController().signal, remainingMs: () => Infinity }));
          };
          const expected = await run(0);
          const requests = links.sent;
          assert.ok(requests > 0 && requests <= REQUESTS_MAX, `${name}: ${requests} requests`);
          const before = await takeovers();
          for (let losesAt = 1; losesAt <= requests; losesAt++) assert.equal(await run(losesAt), expected, `${name}, lost at request ${losesAt}`);
          assert.equal((await takeovers()) - before, requests);
          t.diagnostic(`${name}: taken over at each of ${requests} requests`);
        }
      });
    } finally {
      await cluster.stop();
    }
  });
}
