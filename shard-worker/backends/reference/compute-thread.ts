/** Entry of a compute thread of the reference backend. */

import { parentPort, workerData } from 'node:worker_threads';
import { invariant } from '../../../shared/errors.js';
import { serveCompute } from './compute-loop.js';
import type { ThreadSettings } from './compute-messages.js';
import { ResidentPartition } from './resident-partition.js';

invariant(parentPort !== null, 'a compute thread is started as a worker thread');
serveCompute(parentPort, { settings: workerData as ThreadSettings, makePartition: (rows) => new ResidentPartition(rows) });
