/** A shard worker that answers at once, as a process: the real service over InstantBackend, and the echo beside it. Arguments: folders of data sets. */

import { DATA_PLANE_WINDOW_BYTES, INTERNAL_MESSAGE_BYTES_MAX } from '../../shared/limits.js';
import { openDataSet } from '../../shared/dataset/data-set.js';
import { createMetrics } from '../../shared/metrics.js';
import { runService } from '../../shared/process-lifecycle.js';
import { startGrpcServer } from '../../shared/rpc/grpc-server.js';
import { protoPackage } from '../../shared/rpc/proto-package.js';
import { PartitionStore } from '../../shard-worker/partition-store.js';
import { createShardService } from '../../shard-worker/shard-service.js';
import { echoImplementation, echoService } from './echo.js';
import { InstantBackend } from './instant-backend.js';

await runService(
  async (log) => {
    const backend = new InstantBackend();
    const dataSets = await Promise.all(process.argv.slice(2).map((dir) => openDataSet(dir)));
    const store = new PartitionStore({ dataSets, backend, deviceMemoryBytes: Infinity, log });
    const metrics = createMetrics('shard-worker');
    const implementation = createShardService({ workerId: 'instant', store, backend, deviceMemoryBytes: Infinity, metrics });
    const server = await startGrpcServer({
      listen: '127.0.0.1:0',
      services: [
        { service: protoPackage.ShardService.service, implementation },
        { service: echoService, implementation: echoImplementation },
      ],
      log,
      messageBytesMax: INTERNAL_MESSAGE_BYTES_MAX,
      windowBytes: DATA_PLANE_WINDOW_BYTES,
    });
    return {
      ready: { address: server.address },
      stop: () => {
        server.forceStop();
        return Promise.resolve();
      },
    };
  },
  { component: 'instant-worker', logLevel: 'warn' },
);
