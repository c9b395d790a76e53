/** How an index is built and searched, and what it takes: numbers that do without the library itself. */

/** Links of a row in each layer; twice that in the lowest. */
export const HNSW_M = 16;
/** Rows looked at to place one. With M: 20,000 MNIST proxies are found again with a recall of .99 and above at t <= 300, test/bench/candidate-search.ts. */
export const HNSW_EF_CONSTRUCTION = 200;
/** Of the layers of the graph. */
export const HNSW_SEED = 100;
/** Rows looked at in one search: so many for each candidate wanted, and at least some. */
const EF_PER_CANDIDATE = 1.5;
const EF_MIN = 256;
/** Beside the float32 values of a row: links of the lowest layer, label, lock, place in a table of labels, and a share of the upper layers. */
const OVERHEAD_BYTES_PER_ROW = 250;

/** Rows looked at for `wanted` candidates among `rows`. */
export function searchWidth(wanted: number, rows: number): number {
  return Math.max(1, Math.min(rows, Math.max(EF_MIN, Math.ceil(wanted * EF_PER_CANDIDATE))));
}

/** Memory of an index in bytes, near enough for a budget. */
export function indexBytes(rows: number, proxyValues: number): number {
  return rows * (proxyValues * 4 + OVERHEAD_BYTES_PER_ROW);
}
