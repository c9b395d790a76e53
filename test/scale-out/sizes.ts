import { Fleet } from '../support/fleet.js';
import type { BatchCase } from './batches.js';
import { measureBatch, type BatchMeasurement, type MeasureSettings } from './measure-batch.js';

export interface SizesSettings {
  readonly dataDir: string;
  /** workers, of one compute thread each */
  readonly sizes: readonly number[];
  readonly cases: readonly BatchCase[];
  readonly measure: MeasureSettings;
  readonly onProgress?: (sentence: string) => void;
}

/** Every case on a cluster of each size, one cluster after the other. */
export async function measureSizes({ dataDir, sizes, cases, measure, onProgress }: SizesSettings): Promise<BatchMeasurement[]> {
  const measured: BatchMeasurement[] = [];
  for (const workers of sizes) {
    const fleet = await Fleet.start({ dataDir, workers });
    try {
      for (const batchCase of cases) {
        measured.push(await measureBatch(fleet, batchCase, measure));
        onProgress?.(`${batchCase.method} at t = ${batchCase.t} on ${workers} workers: ${measured.at(-1)!.wallMs.toFixed(1)} ms`);
      }
    } finally {
      await fleet.stop();
    }
  }
  return measured;
}
