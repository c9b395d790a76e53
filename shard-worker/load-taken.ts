/** A partition from wherever its data set lies: a file of its folder, or one that is fetched into the cache of the machine and pinned there while it is held. */

import { loadPartition, type DataSet, type LoadedPartition } from '../shared/dataset/data-set.js';
import { GolddiffError } from '../shared/errors.js';
import type { Logger } from '../shared/log.js';
import type { Places } from '../shared/places.js';

export interface LoadSettings {
  readonly signal: AbortSignal;
  /** for partitions that are read into memory */
  readonly places: Places;
  readonly log: Logger;
}

/** A cached file that is damaged is fetched again; one that is damaged right after that is the disk's fault. */
const TRIES_MAX = 2;

/**
 * Reads and verifies the partition and hands it over. Gives what lets its file go, once it is no longer held.
 * @throws as loadPartition and DataSetFiles.take; what `use` throws
 */
export async function loadTaken(
  dataSet: DataSet,
  id: number,
  { signal, places, log }: LoadSettings,
  use: (loaded: LoadedPartition) => Promise<void>,
): Promise<() => Promise<void>> {
  const entry = dataSet.manifest.partitions[id];
  for (let tries = 1; ; tries++) {
    // loadPartition says what is wrong with an id that is none.
    const taken = entry && (await dataSet.files?.take(entry, signal));
    try {
      await places.run(async () => use(await loadPartition(dataSet, id, signal, taken?.path)));
      return () => taken?.release() ?? Promise.resolve();
    } catch (thrown) {
      const damaged = taken !== undefined && thrown instanceof GolddiffError && thrown.code === 'FILE_INVALID';
      if (!damaged) {
        await taken?.release();
        throw thrown;
      }
      await taken.discard();
      if (tries >= TRIES_MAX) throw thrown;
      log.warn({ dataSet: dataSet.manifest.name, partition: id }, `a cached file is damaged and fetched again: ${thrown.message}`);
    }
  }
}
