/**
 * The candidate index of one partition: a navigable small-world graph (hnswlib) over the proxies of its rows, as float32 values in [-1, 1].
 *
 * Rows nearest to a noisy x at scale a by |pool(x) - a pool(y)| are those nearest to pool(x) / a by |pool(x) / a - pool(y)|, so one graph serves every
 * noise level. The graph is a function of the rows alone (fixed seed, rows added in order), so every replica of a partition finds the same candidates.
 *
 * Everything here is synchronous and takes as long as it takes: for index threads only. The library's asynchronous calls are not used: one that is under
 * way when its thread ends brings the whole process down.
 */

import hnswlib from 'hnswlib-node';
import { invariant } from '../../shared/errors.js';
import { poolRow, type ProxyGeometry } from '../../shared/math/proxy.js';
import { HNSW_EF_CONSTRUCTION, HNSW_M, HNSW_SEED, searchWidth } from './index-parameters.js';

/** What is indexed: rows as PartitionRows holds them. */
export interface IndexedRows {
  /** n */
  readonly rows: number;
  /** [C, H, W] */
  readonly shape: readonly [number, number, number];
  /** [n, D]; u8 stands for u/127.5 - 1 */
  readonly values: Uint8Array | Float32Array;
}

export class HnswIndex {
  readonly #graph: hnswlib.HierarchicalNSW;

  private constructor(
    graph: hnswlib.HierarchicalNSW,
    /** n, once all are added */
    readonly rows: number,
    /** d */
    readonly proxyValues: number,
  ) {
    this.#graph = graph;
  }

  static empty(rows: number, proxyValues: number): HnswIndex {
    const graph = new hnswlib.HierarchicalNSW('l2', proxyValues);
    graph.initIndex({ maxElements: Math.max(1, rows), m: HNSW_M, efConstruction: HNSW_EF_CONSTRUCTION, randomSeed: HNSW_SEED });
    return new HnswIndex(graph, rows, proxyValues);
  }

  /** A file that `save` wrote and whose checksum has been verified: the library follows the links of a file without looking where they lead. */
  static load(file: string, rows: number, proxyValues: number): HnswIndex {
    const graph = new hnswlib.HierarchicalNSW('l2', proxyValues);
    graph.readIndexSync(file);
    const count = graph.getCurrentCount();
    if (count !== rows) throw new Error(`it holds ${count} rows where the partition has ${rows}`);
    return new HnswIndex(graph, rows, proxyValues);
  }

  /** Rows added so far: 0 .. this number - 1. */
  get count(): number {
    return this.#graph.getCurrentCount();
  }

  /** Adds the next row. `point` holds its d proxy values. */
  add(point: number[]): void {
    this.#graph.addPoint(point, this.#graph.getCurrentCount());
  }

  /**
   * Rows near to a point, by index, ascending: `wanted` of them, or less where the graph does not reach so many. Cost: about 1.5 `wanted` rows are
   * expanded, each with up to 32 distances of d values.
   */
  search(point: number[], wanted: number): Uint32Array {
    invariant(this.count === this.rows, 'an index is searched once it is complete');
    if (wanted === 0 || this.rows === 0) return new Uint32Array(0);
    this.#graph.setEf(searchWidth(wanted, this.rows));
    return Uint32Array.from(this.#graph.searchKnn(point, Math.min(wanted, this.rows)).neighbors).sort();
  }

  /** Writes the graph. */
  save(file: string): void {
    this.#graph.writeIndexSync(file);
  }
}

/** Proxy of one row in the data's range: averages over squares of pixels. */
export function proxyPoint({ values, shape }: IndexedRows, row: number, geometry: ProxyGeometry, scratch: Float64Array): number[] {
  poolRow(values, row * shape[0] * shape[1] * shape[2], shape, geometry, scratch);
  const bytes = values instanceof Uint8Array;
  return Array.from(scratch, (value) => (bytes ? value / 127.5 - 1 : value));
}
