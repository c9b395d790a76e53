import assert from 'node:assert/strict';
import { it } from 'node:test';
import { InProcessPlacements } from '../../../shared/control-plane/in-process-placements.js';

it('keeps its own copy of a document', async () => {
  const placements = new InProcessPlacements();
  const replicas = ['a'];
  await placements.compareAndSet({ dataSet: 'd', contentHash: 'x', epoch: 1, partitions: [{ partition: 0, replicas }] }, 0);
  replicas.push('b');
  assert.deepEqual((await placements.get('d'))?.partitions[0]?.replicas, ['a']);
});
