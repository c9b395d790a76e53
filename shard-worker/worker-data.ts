/** The data sets of a worker, opened with the worker's metrics tied to them. */

import type { NatsFlags } from '../shared/control-plane/nats/flags.js';
import type { DataFetchFlags } from '../shared/dataset/data-flags.js';
import { openData, type OpenData } from '../shared/dataset/open-data.js';
import type { DataLocation } from '../shared/dataset/sources/data-location.js';
import { GolddiffError } from '../shared/errors.js';
import type { Logger } from '../shared/log.js';
import type { WorkerMetrics } from '../shared/metrics.js';
import type { LoadProgress } from './load-progress.js';

export interface WorkerDataFlags extends NatsFlags, DataFetchFlags {
  readonly data: readonly DataLocation[];
}

/** @throws as openData; ARGUMENT_INVALID for two data sets of one name */
export async function openWorkerData(flags: WorkerDataFlags, metrics: WorkerMetrics, progress: LoadProgress, log: Logger): Promise<OpenData> {
  const data = await openData(flags.data, {
    ...flags,
    log,
    partitions: flags,
    onBytes: (source, count) => {
      metrics.fetchedBytes.inc({ source }, count);
      progress.fetched(count);
    },
    onFailure: (source, reason) => metrics.fetchErrors.inc({ source, reason }),
    onCache: (outcome) => metrics.cacheRequests.inc({ outcome }),
    onCacheBytes: (count) => metrics.cacheBytes.set(count),
    onEvicted: (files) => metrics.cacheEvictions.inc(files),
  });
  const names = data.dataSets.map(({ manifest }) => manifest.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return data;
  await data.close();
  throw new GolddiffError('ARGUMENT_INVALID', `Expected data sets with different names for --data but received ${twice} twice`);
}
