/** Placement documents, one key for each data set; the revision of the key is what a write is compared with. */

import { argumentError } from '../../errors.js';
import type { PlacementDocument, Placements } from '../control-plane.js';
import { decodeDocument, encodeDocument, keyToken } from './codec.js';
import { call, unlessOvertaken } from './session.js';
import type { StateBucket } from './state-bucket.js';

export class NatsPlacements implements Placements {
  constructor(private readonly state: StateBucket) {}

  async get(dataSet: string): Promise<PlacementDocument | undefined> {
    return (await this.#read(dataSet))?.document;
  }

  async compareAndSet(document: PlacementDocument, expectedEpoch: number): Promise<boolean> {
    if (document.epoch <= expectedEpoch) throw argumentError('epoch', `more than the expected epoch ${expectedEpoch}`, document.epoch);
    const stored = await this.#read(document.dataSet);
    if ((stored?.document.epoch ?? 0) !== expectedEpoch) return false;
    const { bucket } = this.state;
    const [key, bytes] = [keyOf(document.dataSet), encodeDocument(document)];
    const write = (): Promise<number> => (stored === undefined ? bucket.create(key, bytes) : bucket.update(key, bytes, stored.revision));
    return (await unlessOvertaken('take a placement', write)) !== undefined;
  }

  watch(dataSet: string, onChange: (document: PlacementDocument) => void): () => void {
    const key = keyOf(dataSet);
    const stop = this.state.watch.on((entry) => {
      if (entry.key === key && entry.operation === 'PUT') onChange(decodeDocument<PlacementDocument>(entry.value));
    });
    this.state.watch.start();
    return stop;
  }

  #read(dataSet: string): Promise<{ document: PlacementDocument; revision: number } | undefined> {
    return call('show a placement', async () => {
      const entry = await this.state.bucket.get(keyOf(dataSet));
      return entry === null ? undefined : { document: decodeDocument<PlacementDocument>(entry.value), revision: entry.revision };
    });
  }
}

function keyOf(dataSet: string): string {
  return `placement.${keyToken(dataSet)}`;
}
