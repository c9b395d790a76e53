import assert from 'node:assert/strict';
import { NatsPlacements } from '../../../../shared/control-plane/nats/placements.js';
import { openStateBucket } from '../../../../shared/control-plane/nats/state-bucket.js';
import { natsTest, until } from '../../../support/nats-sessions.js';

natsTest('holds the largest placement, under any name, and shows it to another process', async (open) => {
  const states = [await openStateBucket(await open()), await openStateBucket(await open())] as const;
  const [writer, reader] = [new NatsPlacements(states[0]), new NatsPlacements(states[1])];
  const partitions = Array.from({ length: 65_536 }, (_, partition) => ({
    partition,
    replicas: [`worker-${partition % 97}`, `worker-${partition % 89}`],
  }));
  const document = { dataSet: 'a data.set/ü', contentHash: 'ab', epoch: 3, partitions };
  const epochs: number[] = [];
  reader.watch(document.dataSet, ({ epoch }) => epochs.push(epoch));
  assert.equal(await writer.compareAndSet(document, 0), true);
  assert.deepEqual(await reader.get(document.dataSet), document);
  await until(() => epochs.includes(3), 'the watch');
  states.forEach(({ watch }) => watch.stop());
});
