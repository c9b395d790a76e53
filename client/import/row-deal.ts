/** Rows of a source on their way to partitions: an import writes them, and one that only wants to know what it would write hashes them. */

import type { Manifest } from '../../shared/dataset/manifest.js';
import { PartitionWriter } from './partition-writer.js';
import { RowPermutation } from './row-permutation.js';
import type { RowSource } from './row-source.js';

export interface DealPlan {
  readonly source: RowSource;
  /** row of the source that becomes row 0 */
  readonly firstRow: number;
  readonly rows: number;
  readonly partitions: number;
  readonly seed: number;
  /** D */
  readonly width: number;
}

export interface DealtBlock {
  /** [rows, D] */
  readonly values: Uint8Array | Float32Array;
  /** -1 where there are none */
  readonly labels: readonly number[];
  /** rows dealt until now, this block's too */
  readonly rowsDealt: number;
}

export class RowDeal {
  readonly writer: PartitionWriter;
  readonly #permutation: RowPermutation;
  readonly #classRows = new Map<number, number>();

  /** @param dir undefined = nothing is written, see PartitionWriter */
  constructor(
    private readonly plan: DealPlan,
    dir: string | undefined,
  ) {
    const { rows, partitions, width, source, seed } = plan;
    this.writer = new PartitionWriter(dir, { rows, partitions, width, dtype: source.dtype });
    this.#permutation = new RowPermutation(rows, seed);
  }

  /** Takes the rows with these labels, the first ones, as dealt by an import before. */
  async resume(labels: Int32Array, signal?: AbortSignal): Promise<void> {
    labels.forEach((label, row) => {
      this.writer.noteRow(this.#partition(row), row, label);
      this.#countLabel(label);
    });
    await this.writer.resume(signal);
  }

  /** Deals the rows from this one on, and gives each block when it is with the writer. */
  async *blocks(fromRow: number, signal?: AbortSignal): AsyncGenerator<DealtBlock, void, undefined> {
    const { source, firstRow, rows } = this.plan;
    let row = fromRow;
    for await (const { rows: count, values, labels } of source.read(firstRow + row, rows - row, signal)) {
      signal?.throwIfAborted();
      const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      const rowBytes = bytes.length / count;
      const dealt: number[] = [];
      for (let place = 0; place < count; place++, row++) {
        const label = labels?.[place] ?? -1;
        this.#countLabel(label);
        dealt.push(label);
        const full = this.writer.append(this.#partition(row), row, label, bytes.subarray(place * rowBytes, (place + 1) * rowBytes));
        if (full !== undefined) await full;
      }
      yield { values, labels: dealt, rowsDealt: row };
    }
    signal?.throwIfAborted();
  }

  /** Of the rows dealt. Named classes are listed even where the slice has none of their rows: a label means the same in every slice. */
  classes(): Manifest['classes'] {
    const { labelled, classNames } = this.plan.source;
    if (!labelled) return [];
    const labels = new Set([...this.#classRows.keys(), ...(classNames?.keys() ?? [])]);
    return [...labels]
      .sort((a, b) => a - b)
      .map((label) => ({ label, name: classNames?.[label] ?? String(label), rows: this.#classRows.get(label) ?? 0 }));
  }

  #partition(row: number): number {
    return this.#permutation.partition(row, this.plan.partitions);
  }

  #countLabel(label: number): void {
    this.#classRows.set(label, (this.#classRows.get(label) ?? 0) + 1);
  }
}
