import { argumentError } from '../errors.js';
import type { PlacementDocument, Placements } from './control-plane.js';
import { Watchers } from './watchers.js';

export class InProcessPlacements implements Placements {
  readonly #documents = new Map<string, PlacementDocument>();
  readonly #watchers = new Watchers<PlacementDocument>();

  async get(dataSet: string): Promise<PlacementDocument | undefined> {
    return this.#documents.get(dataSet);
  }

  async compareAndSet(document: PlacementDocument, expectedEpoch: number): Promise<boolean> {
    if (document.epoch <= expectedEpoch) throw argumentError('epoch', `more than the expected epoch ${expectedEpoch}`, document.epoch);
    if ((this.#documents.get(document.dataSet)?.epoch ?? 0) !== expectedEpoch) return false;
    const stored = structuredClone(document);
    this.#documents.set(document.dataSet, stored);
    this.#watchers.tell(document.dataSet, stored);
    return true;
  }

  watch(dataSet: string, onChange: (document: PlacementDocument) => void): () => void {
    return this.#watchers.add(dataSet, onChange);
  }

  close(): void {
    this.#watchers.clear();
    this.#documents.clear();
  }
}
