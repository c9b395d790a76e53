/**
 * A whole sampling run as one value, for callers who want the images and not the events.
 */

import { GolddiffError } from '../shared/errors.js';
import type { SampleEvent, SamplePreviewEvent, SampleProgressEvent, SampleSummaryEvent } from './sample-call.js';

export interface SampleRun {
  /** [count, C, H, W] in the data's range, in the order of the samples */
  readonly images: Float32Array;
  readonly count: number;
  readonly shape: readonly [number, number, number];
  /** in the order of arrival */
  readonly progress: readonly SampleProgressEvent[];
  readonly previews: readonly SamplePreviewEvent[];
  readonly summary: SampleSummaryEvent;
}

/** Reads the events to their end. Throws INTERNAL where the stream ends before its summary or with an image missing. */
export async function collectSamples(events: AsyncIterable<SampleEvent>, onProgress?: (event: SampleProgressEvent) => void): Promise<SampleRun> {
  const parts = new Map<number, { values: ArrayLike<number>; rows: number }>();
  const progress: SampleProgressEvent[] = [];
  const previews: SamplePreviewEvent[] = [];
  let shape: readonly [number, number, number] | undefined;
  let summary: SampleSummaryEvent | undefined;
  for await (const event of events) {
    if (event.kind === 'progress') {
      progress.push(event);
      onProgress?.(event);
    } else if (event.kind === 'preview') previews.push(event);
    else if (event.kind === 'images') {
      const [rows = 0, c = 0, h = 0, w = 0] = event.shape;
      shape = [c, h, w];
      parts.set(event.firstSample, { values: event.images, rows });
    } else summary = event;
  }
  if (summary === undefined || shape === undefined) throw new GolddiffError('INTERNAL', 'Expected images and a summary but the stream ended early');
  const size = shape[0] * shape[1] * shape[2];
  const images = new Float32Array(summary.count * size);
  let have = 0;
  for (const [first, { values, rows }] of [...parts].sort(([a], [b]) => a - b)) {
    if (first !== have) break;
    images.set(values, first * size);
    have += rows;
  }
  if (have !== summary.count) throw new GolddiffError('INTERNAL', `Expected ${summary.count} images but image ${have} is missing`);
  return { images, count: summary.count, shape, progress, previews, summary };
}
