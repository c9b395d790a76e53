/**
 * The candidate index of one partition: a navigable small-world graph (hnswlib) over the proxies of its rows, as float32 values in [-1, 1].
 *
 * Rows nearest to a noisy x at scale a by |pool(x) - a pool(y)| are those nearest to pool(x) / a by |pool(x) / a - pool(y)|, so one graph serves every
 * noise level. The graph is a function of the rows alone (fixed seed, rows added in order), so every replica of a partition finds the same candidates.
 *
 * Everything here is synchronous and takes as long as it takes: for index threads only. The library's asynchronous calls are not used: one that is under
 * way when its thread ends brings the whole process down.
 */

import { createRequire } from 'node:module';
import { invariant } from '../../shared/errors.js';
import { poolRow, type ProxyGeometry } from '../../shared/math/proxy.js';
import { HNSW_EF_CONSTRUCTION, HNSW_M, HNSW_SEED, searchWidth } from './index-parameters.js';

/** What is used of hnswlib-node; it is an optional dependency, which a machine without a compiler lacks, so its own types may not be there. */
interface Graph {
  initIndex(options: { maxElements: number; m: number; efConstruction: number; randomSeed: number }): void;
  addPoint(point: number[], label: number): void;
  searchKnn(point: number[], count: number): { readonly neighbors: number[] };
  setEf(ef: number): void;
  getCurrentCount(): number;
  readIndexSync(file: string): void;
  writeIndexSync(file: string): void;
}
interface HnswLibrary {
  readonly HierarchicalNSW: new (space: 'l2', values: number) => Graph;
}
const { HierarchicalNSW } = createRequire(import.meta.url)('hnswlib-node') as HnswLibrary;

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
  readonly #graph: Graph;

  private constructor(
    graph: Graph,
    /** n, once all are added */
    readonly rows: number,
    /** d */
    readonly proxyValues: number,
  ) {
    this.#graph = graph;
  }

  static empty(rows: number, proxyValues: number): HnswIndex {
    const graph = new HierarchicalNSW('l2', proxyValues);
    graph.initIndex({ maxElements: Math.max(1, rows), m: HNSW_M, efConstruction: HNSW_EF_CONSTRUCTION, randomSeed: HNSW_SEED });
    return new HnswIndex(graph, rows, proxyValues);
  }

  /** A file that `save` wrote and whose checksum has been verified: the library follows the links of a file without looking where they lead. */
  static load(file: string, rows: number, proxyValues: number): HnswIndex {
    const graph = new HierarchicalNSW('l2', proxyValues);
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
