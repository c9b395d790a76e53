/**
 * What is kept of a job beside its record: the checkpoint, the images of the batches that are done, the result. All of it is a function of the request alone, so
 * that two coordinators that work on one job for a moment write the same bytes.
 */

import type { Artifacts } from '../../shared/control-plane/control-plane.js';
import { npyHeader } from '../../shared/dataset/npy.js';
import { JOB_GRID_IMAGES_MAX, JOB_RESULT_KEPT_MS } from '../../shared/limits.js';
import { imageGridPng } from '../../shared/pictures/image-grid.js';
import type { RunState } from '../sampling-service.js';

type Shape = readonly [number, number, number];

const HEADER_VALUES = 3;

export class JobArtifacts {
  constructor(
    private readonly artifacts: Artifacts,
    private readonly jobId: string,
  ) {}

  /** The images of a batch first: a checkpoint behind it names them as done. */
  async keepImages(from: number, images: Float32Array): Promise<void> {
    await this.#put(`images/${from}`, bytesOf(images));
  }

  async images(from: number): Promise<Float32Array | undefined> {
    const bytes = await this.artifacts.get(this.#name(`images/${from}`));
    return bytes && new Float32Array(Uint8Array.from(bytes).buffer);
  }

  /** f64: from, step, evaluation, x. */
  async keepState({ from, step, evaluation, x }: RunState): Promise<void> {
    const values = new Float64Array(HEADER_VALUES + x.length);
    values.set([from, step, evaluation]);
    values.set(x, HEADER_VALUES);
    await this.#put('checkpoint', bytesOf(values));
  }

  async state(): Promise<RunState | undefined> {
    const bytes = await this.artifacts.get(this.#name('checkpoint'));
    if (bytes === undefined) return undefined;
    const values = new Float64Array(Uint8Array.from(bytes).buffer);
    const [from, step, evaluation] = values as unknown as [number, number, number];
    return { from, step, evaluation, x: values.slice(HEADER_VALUES) };
  }

  /** samples.npy [count, C, H, W] f4 and samples.png. */
  async keepResult(images: Float32Array, shape: Shape): Promise<void> {
    const size = shape[0] * shape[1] * shape[2];
    const count = images.length / size;
    const shown = Math.min(count, JOB_GRID_IMAGES_MAX);
    const png = await imageGridPng({ values: images.subarray(0, shown * size), count: shown, shape });
    await this.#put('samples.png', png);
    await this.#put('samples.npy', Buffer.concat([npyHeader('f4', [count, ...shape]), bytesOf(images)]));
  }

  /** Values of a result, [count, C, H, W]; undefined where it has expired. */
  async result(): Promise<Float32Array | undefined> {
    const bytes = await this.artifacts.get(this.#name('samples.npy'));
    if (bytes === undefined) return undefined;
    // Of npyHeader: magic and version are 8 bytes, the length of the rest of the header 2.
    const start = 10 + Buffer.from(bytes.buffer, bytes.byteOffset).readUInt16LE(8);
    return new Float32Array(bytes.slice(start).buffer);
  }

  picture(): Promise<Uint8Array | undefined> {
    return this.artifacts.get(this.#name('samples.png'));
  }

  /** What only an unfinished job needs. */
  async clear(batchStarts: readonly number[]): Promise<void> {
    for (const part of ['checkpoint', ...batchStarts.map((from) => `images/${from}`)]) await this.artifacts.delete(this.#name(part));
  }

  #put(part: string, bytes: Uint8Array): Promise<void> {
    return this.artifacts.put(this.#name(part), bytes, JOB_RESULT_KEPT_MS);
  }

  #name(part: string): string {
    return `jobs/${this.jobId}/${part}`;
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array | Float64Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
