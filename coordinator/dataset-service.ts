/** DatasetService: what is served, and who holds it now. */

import type { Dataset } from '../proto/generated/golddiff/v1/Dataset.js';
import type { DatasetServiceHandlers } from '../proto/generated/golddiff/v1/DatasetService.js';
import { argumentError } from '../shared/errors.js';
import { PAGE_SIZE_MAX } from '../shared/limits.js';
import { unary } from '../shared/rpc/handlers.js';
import type { ClusterState } from './cluster-state.js';
import { checkDataSet, integerIn } from './request-fields.js';

export function datasetService(cluster: ClusterState): DatasetServiceHandlers {
  return {
    List: unary((request) => {
      integerIn('page_size', request.pageSize, 0, PAGE_SIZE_MAX);
      // One data set is one page: no token was ever handed out.
      if (request.pageToken !== '') throw argumentError('page_token', 'a token of the previous answer', request.pageToken);
      return Promise.resolve({ dataSets: [describeDataSet(cluster)], nextPageToken: '' });
    }),
    Get: unary((request) => {
      checkDataSet(request.name, cluster.manifest);
      return Promise.resolve(describeDataSet(cluster));
    }),
  };
}

export function describeDataSet(cluster: ClusterState): Dataset {
  const { manifest } = cluster;
  return {
    name: manifest.name,
    shape: [...manifest.shape],
    dtype: manifest.dtype === 'u8' ? 'U8' : 'F32',
    rows: manifest.rows,
    classes: manifest.classes.map(({ label, name, rows }) => ({ label, name, rows })),
    partitions: manifest.partitions.map(({ id, rows, sha256 }) => ({ id, rows, sha256, replicas: cluster.replicasOf(id) })),
    contentHash: manifest.contentHash,
    coverage: cluster.coverage().fraction,
    placementEpoch: cluster.placement()?.epoch ?? 0,
  };
}
