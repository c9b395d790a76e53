/** Steps over the public API of an embedded cluster, as a contestant in the interleaving. */

import { startEmbeddedCluster, type EmbeddedCluster } from '../../../client/embedded-cluster.js';
import { connect, type GolddiffClient, type RetrievalChoice, type ScoreResult } from '../../../client/golddiff-client.js';
import { readNpy } from '../../../shared/dataset/npy.js';
import { repeated } from './repeat.js';
import type { QueryFile } from './bench-data.js';
import type { MeasuredBackend } from './open-backend.js';
import type { Repeats } from './requests.js';

export interface ClusterReply {
  /** seen by the client */
  readonly times: number[];
  /** seen by the coordinator */
  readonly coordinatorMs: number[];
  /** the busiest worker's own compute */
  readonly computeMs: number[];
  readonly last: ScoreResult;
}

export class ClusterSteps {
  private constructor(
    readonly cluster: EmbeddedCluster,
    readonly client: GolddiffClient,
  ) {}

  static async start(settings: {
    dataDir: string;
    shards: number;
    computeThreads: number;
    backend: MeasuredBackend;
    metrics?: boolean;
  }): Promise<ClusterSteps> {
    const cluster = await startEmbeddedCluster(settings);
    return new ClusterSteps(cluster, connect(cluster.endpoint));
  }

  async steps(query: QueryFile, batch: number, repeats: Repeats, retrieval?: RetrievalChoice): Promise<ClusterReply> {
    const { data, shape } = await readNpy(query.file);
    const x = Float32Array.from(data.subarray(0, batch * shape[1]!));
    const input = { x, shape: [batch, shape[1]!], alpha: query.alpha, sigma: query.sigma, ...(retrieval && { retrieval }) };
    const { times, values } = await repeated(() => this.client.score(input), repeats);
    return {
      times,
      coordinatorMs: values.map(({ timings }) => timings.totalMs),
      computeMs: values.map(({ timings }) => timings.workerComputeMs),
      last: values.at(-1)!,
    };
  }

  async stop(): Promise<void> {
    this.client.close();
    await this.cluster.stop();
  }
}
