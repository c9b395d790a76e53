/**
 * Softmax statistics where weights belong to groups, on a device in float32. Distances are direct differences: |x - a y|^2 of few values near the data is small, and an
 * expansion would lose it. Each tile of rows gives its own (m, S, Q, least logit, Y); tiles are merged in double on the host.
 */

import { emptyGroupedPartial, type GroupedPartial } from '../../../shared/math/grouped-partial.js';
import { rescale } from '../../../shared/math/partial-posterior.js';
import type { Precision } from '../backend.js';
import type { RowList } from '../reference/row-distances.js';
import type { LogitQueries } from '../reference/step-partition.js';
import type { DeviceRows } from './device-rows.js';
import type { Tensor } from './tensor-ops.js';
import { voteSums, type VoteSums } from './vote-sums.js';

export interface GroupQueries extends LogitQueries {
  /** [B] which of the kinds a query has */
  readonly of: Uint32Array;
  readonly kinds: readonly Exclude<Precision, { kind: 'equivariant' }>[];
  /** G */
  readonly groups: number;
}

/** Largest factor from distances to nats: beyond it rows that are not the nearest weigh nothing, and it is finite in float32. */
const NATS_PER_DISTANCE_MAX = 1e37;

/**
 * @param lists [B] rows of each query
 * @param checkpoint called before every tile of every query; may throw to leave
 * A query's answer depends on its rows alone: tiles are cut by its own list. Errors: an entry (q - c V)^2 is off by about 2^-23 |q| |q - c V|, its sum by its own rounding; so a
 * logit is off by about 2^-22 of itself and 2^-23 |q| |x - a y| / s^2 (docs/adr/0015 has measurements). Cost: a product with the mask for each row and query.
 */
export function deviceGroups(
  rows: DeviceRows,
  queries: GroupQueries,
  lists: readonly RowList[],
  shape: readonly [number, number, number],
  checkpoint: () => void,
): GroupedPartial {
  const { ops, rowValues: D } = rows;
  const out = emptyGroupedPartial(lists.length, queries.groups, D);
  const totals = new Float64Array(lists.length * D);
  lists.forEach((list, b) => (out.rows[b] = list?.length ?? rows.rows));
  queries.kinds.forEach((kind, number) => {
    const own = Array.from(queries.of.keys()).filter((b) => queries.of[b] === number);
    const asked = own.map((b) => deviceQuery(rows, queries, b));
    try {
      for (const votes of own.length === 0 ? [] : voteSums(ops, kind, shape)) {
        const add = (values: Tensor, k: number): void => {
          checkpoint();
          mergeTile(tileStatistics(rows, asked[k]!, values, votes, queries.groups), votes, asked[k]!, out, totals, own[k]!, queries.groups, D);
        };
        try {
          overTiles(
            rows,
            own.map((b) => lists[b]),
            add,
          );
        } finally {
          votes.dispose();
        }
      }
    } finally {
      for (const { q } of asked) q.dispose();
    }
  });
  for (let at = 0; at < totals.length; at++) {
    const group = Math.floor(at / D) * queries.groups + ((at % D) % queries.groups);
    out.sums[at] = totals[at]! / rows.divisor + rows.offset * out.mass[group]!;
  }
  return out;
}

interface DeviceQuery {
  /** [1, D] (x - a offset) / scale */
  readonly q: Tensor;
  /** a / (divisor scale) */
  readonly factor: number;
  /** power of two that keeps squares within float32; a distance on the device counts scale^2 */
  readonly scale: number;
  /** of a distance in double: logit = -distance / divisor */
  readonly divisor: number;
}

function deviceQuery({ rowValues: D, offset, divisor, ops }: DeviceRows, { x, alpha, divisors }: GroupQueries, b: number): DeviceQuery {
  const q = x.slice(b * D, (b + 1) * D).map((value) => value - alpha[b]! * offset);
  const largest = q.reduce((most, value) => Math.max(most, Math.abs(value)), alpha[b]!);
  const scale = 2 ** Math.ceil(Math.log2(largest));
  const tensor = ops.tensor(
    Float32Array.from(q, (value) => value / scale),
    [1, D],
    'float32',
  );
  return { q: tensor, factor: alpha[b]! / divisor / scale, scale, divisor: divisors[b]! };
}

/** Every query's rows, tile by tile: tiles of all rows are shared by the queries that have no list. */
function overTiles(rows: DeviceRows, lists: readonly RowList[], add: (values: Tensor, k: number) => void): void {
  const { ops, tileRows } = rows;
  const use = (make: () => Tensor, queries: readonly number[]): void => {
    const values = ops.tidy(make);
    try {
      for (const k of queries) add(values, k);
    } finally {
      values.dispose();
    }
  };
  const whole = Array.from(lists.keys()).filter((k) => lists[k] === undefined);
  for (let first = 0; whole.length > 0 && first < rows.rows; first += tileRows)
    use(() => rows.values(rows.range(first, Math.min(tileRows, rows.rows - first))), whole);
  lists.forEach((list, k) => {
    for (let first = 0; list !== undefined && first < list.length; first += tileRows)
      use(() => rows.values(rows.chosen(list.subarray(first, first + tileRows))), [k]);
  });
}

/** [4 + D / G, count]: nearest and farthest distance, mass, squared mass, and sums of V by channel, of the groups of `votes`. */
function tileStatistics({ ops, rowValues: D }: DeviceRows, query: DeviceQuery, values: Tensor, votes: VoteSums, G: number): Float32Array {
  const { first, count } = votes;
  const r = values.shape[0]!;
  const natsPerDistance = Math.min(NATS_PER_DISTANCE_MAX, query.scale ** 2 / query.divisor);
  return ops.tidy(() => {
    const distances = votes.sum(ops.square(ops.sub(query.q, ops.mul(values, ops.scalar(query.factor)))));
    const nearest = ops.min(distances, 0, true);
    const weights = ops.exp(ops.mul(ops.sub(nearest, distances), ops.scalar(natsPerDistance)));
    const own = ops.slice(ops.reshape(values, [r, D / G, G]), [0, 0, first], [r, D / G, count]);
    const sums = ops.sum(ops.mul(own, ops.reshape(weights, [r, 1, count])), 0, false);
    const mass = ops.sum(weights, 0, true);
    const massSq = ops.sum(ops.square(weights), 0, true);
    return ops.concat([nearest, ops.max(distances, 0, true), mass, massSq, sums], 0).dataSync();
  });
}

function mergeTile(
  tile: Float32Array,
  { first, count }: VoteSums,
  { scale, divisor }: DeviceQuery,
  { maxLogit, minLogit, mass, massSq }: GroupedPartial,
  totals: Float64Array,
  b: number,
  G: number,
  D: number,
): void {
  for (let k = 0; k < count; k++) {
    const i = b * G + first + k;
    // 0 - rather than -: a row at distance 0 has the logit 0, not -0.
    const logit = 0 - (tile[k]! * scale * scale) / divisor;
    const least = 0 - (tile[count + k]! * scale * scale) / divisor;
    const m = Math.max(maxLogit[i]!, logit);
    const before = rescale(maxLogit[i]!, m);
    const here = rescale(logit, m);
    maxLogit[i] = m;
    minLogit[i] = Math.min(minLogit[i]!, least);
    mass[i] = mass[i]! * before + tile[2 * count + k]! * here;
    massSq[i] = massSq[i]! * before * before + tile[3 * count + k]! * here * here;
    for (let p = first + k, line = 4; p < D; p += G, line++) {
      const at = b * D + p;
      totals[at] = totals[at]! * before + tile[line * count + k]! * here;
    }
  }
}
