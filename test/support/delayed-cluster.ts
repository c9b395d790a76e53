/** A cluster whose coordinator reaches each worker through a proxy that delays every piece: by 0 to 8 ms, drawn by a seeded generator, or as the test says. */

import { serviceProgram } from '../../client/embedded-cluster.js';
import { ServiceProcess } from '../../client/service-process.js';
import { philox2x32 } from '../../shared/math/counter-noise.js';
import { startDelayProxy } from './delay-proxy.js';

const DELAY_MS_MAX = 8;
const READY_TIMEOUT_MS = 60_000;

export interface DelayedCluster {
  readonly endpoint: string;
  /** of the coordinator */
  readonly metricsAddress: string;
  readonly workers: readonly ServiceProcess[];
  stop(): Promise<void>;
}

export interface DelayedClusterOptions {
  readonly dataDir: string;
  readonly shards: number;
  readonly replicas?: number;
  readonly seed: number;
  /** of the next piece to or from a worker; absent = drawn */
  readonly delayMs?: (worker: number) => number;
}

export async function startDelayedCluster(options: DelayedClusterOptions): Promise<DelayedCluster> {
  const start = (name: string, service: 'coordinator' | 'shard-worker', args: string[]): Promise<ServiceProcess> =>
    ServiceProcess.start({
      name,
      program: serviceProgram(service),
      args: [...args, '--data', options.dataDir, '--listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0', '--log-level', 'warn'],
      readyTimeoutMs: READY_TIMEOUT_MS,
    });
  const ids = Array.from({ length: options.shards }, (_, i) => i);
  const workers = await Promise.all(
    ids.map((i) => start(`shard worker ${i}`, 'shard-worker', ['--worker-id', `worker-${i}`, '--compute-threads', '1'])),
  );
  const proxies = await Promise.all(
    workers.map((w, i) => {
      let n = 0;
      if (options.delayMs !== undefined) return startDelayProxy(w.address, () => options.delayMs!(i));
      return startDelayProxy(w.address, () => philox2x32(n++, i, options.seed)[0] % (DELAY_MS_MAX + 1));
    }),
  );
  const args = ['--workers', proxies.map((p) => p.address).join(','), '--replicas', String(options.replicas ?? 1)];
  const coordinator = await start('coordinator', 'coordinator', args);
  return {
    endpoint: coordinator.address,
    metricsAddress: coordinator.metricsAddress!,
    workers,
    stop: async () => {
      await coordinator.stop(10_000);
      await Promise.all(workers.map((w) => w.stop(10_000)));
      await Promise.all(proxies.map((p) => p.close()));
    },
  };
}
