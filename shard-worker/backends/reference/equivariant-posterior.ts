/**
 * Softmax statistics over the patches of all rows at all locations (Kamb and Ganguli's equivariant local score machine): for each location of the query, a
 * weight for every row and every location in it, by the distance of the patches around the two.
 *
 * There are (H W)^2 pairs of locations for each row. All pairs of one shift have their windows in one plane of squared differences, so that its running sums give
 * each of their distances for a few additions, whatever the patch: (2H - 1)(2W - 1) planes for a row, of at most (H + side)(W + side) places.
 */

import { invariant } from '../../../shared/errors.js';
import { NEGLIGIBLE_LOGIT_NATS } from '../../../shared/limits.js';
import { emptyGroupedPartial, type GroupedPartial } from '../../../shared/math/grouped-partial.js';
import type { RowList } from './row-distances.js';
import type { RowSource } from './row-source.js';

export interface EquivariantQueries {
  /** [B, D] */
  readonly x: Float64Array;
  /** [B] */
  readonly alpha: Float64Array;
  /** [B] 2 sigma^2 T: logit = -distance / divisor, in nats */
  readonly divisors: Float64Array;
  /** [B] odd */
  readonly sides: readonly number[];
}

/**
 * (m, S, Q, least logit, Y) of each query and location, G = H W, over the patches of the rows of its list; `rows` counts rows, S counts patches. With y' the row
 * and x the query, both zero outside the image,
 *     logit(g, i, h) = -sum over channels and offsets d in the window of (x(g + d) - alpha y'_i(h + d))^2 / divisor,      Y_c(g) = sum exp(logit - m) y_ic(h)
 * for all locations g and h of the image. Rows, then shifts, are added in order; a patch more than NEGLIGIBLE_LOGIT_NATS below the maximum so far adds nothing.
 *
 * @param lists [B] rows of each query
 * @param checkpoint called some ten times a row and query; may throw to leave
 * Double throughout, Y rounded once to float32; a query's answer depends on its rows alone. Cost for each row and query: about 3 C + 5 flop for each place of each
 * plane, and at most (H W)^2 exp.
 */
export function equivariantPosterior(
  source: RowSource,
  queries: EquivariantQueries,
  lists: readonly RowList[],
  shape: readonly [number, number, number],
  checkpoint: () => void,
): GroupedPartial {
  const [C, H, W] = shape;
  const G = H * W;
  const D = C * G;
  invariant(source.rowValues === D, 'rows have the shape of the data set');
  const out = emptyGroupedPartial(lists.length, G, D);
  const raw = new Float64Array(D);
  lists.forEach((list, b) => {
    const side = queries.sides[b]!;
    const reach = (side - 1) / 2;
    const query = padded(queries.x.subarray(b * D, (b + 1) * D), shape, reach, 1);
    const patches = new PatchSums(shape, reach);
    const posterior = new PatchPosterior(shape, queries.divisors[b]!);
    const count = list?.length ?? source.rows;
    out.rows[b] = count;
    for (let k = 0; k < count; k++) {
      source.fill(source.values, (list === undefined ? k : list[k]!) * D, 1, raw, 0, D);
      const row = raw.map((v) => v / source.divisor + source.offset);
      const scaled = padded(row, shape, reach, queries.alpha[b]!);
      for (let u = 1 - H; u < H; u++) {
        checkpoint();
        for (let v = 1 - W; v < W; v++) {
          patches.sum(query, scaled, u, v);
          posterior.add(patches, row, u, v);
        }
      }
    }
    posterior.write(out, b);
  });
  return out;
}

/** The image times a factor, within a border of zeros: [C, H + 2 reach, W + 2 reach]. */
function padded(image: Float64Array, [C, H, W]: readonly [number, number, number], reach: number, factor: number): Float64Array {
  const width = W + 2 * reach;
  const area = (H + 2 * reach) * width;
  const out = new Float64Array(C * area);
  for (let c = 0; c < C; c++)
    for (let i = 0; i < H; i++) for (let j = 0; j < W; j++) out[c * area + (i + reach) * width + j + reach] = factor * image[(c * H + i) * W + j]!;
  return out;
}

/** Distances of the patches of all pairs of locations with one shift between them. */
class PatchSums {
  /**
   * Sums down the columns, of windows side values wide: the distance of pair (i, j) of the [H - |u|, W - |v|] pairs, row by row from the first location of the
   * query that has one, is running[k + below] - running[k] at k = i (W - |v|) + j. They grow with every term, so that no distance is negative.
   */
  readonly running: Float64Array;
  below = 0;
  readonly #line: Float64Array;

  constructor(
    private readonly shape: readonly [number, number, number],
    private readonly reach: number,
  ) {
    const [, H, W] = shape;
    this.running = new Float64Array((H + 2 * reach + 1) * W);
    this.#line = new Float64Array(W + 2 * reach + 1);
  }

  /** Query location (i, j) and row location (i + u, j + v). */
  sum(query: Float64Array, row: Float64Array, u: number, v: number): void {
    const [C, H, W] = this.shape;
    const { reach, running } = this;
    const line = this.#line;
    const width = W + 2 * reach;
    const area = (H + 2 * reach) * width;
    const tall = H - Math.abs(u) + 2 * reach;
    const w = W - Math.abs(v);
    const wide = w + 2 * reach;
    const side = 2 * reach + 1;
    this.below = side * w;
    // Padded place (i, j) is the image's (i - reach, j - reach): the plane begins where the window of the first pair does.
    const from = Math.max(0, -u) * width + Math.max(0, -v);
    const shift = u * width + v;
    running.fill(0, 0, w);
    for (let i = 0; i < tall; i++) {
      let total = 0;
      const start = from + i * width;
      for (let j = 0; j < wide; j++) {
        for (let c = 0, at = start + j; c < C; c++, at += area) {
          const d = query[at]! - row[at + shift]!;
          total += d * d;
        }
        line[j + 1] = total;
      }
      for (let j = 0, above = i * w; j < w; j++, above++) running[above + w] = running[above]! + (line[j + side]! - line[j]!);
    }
  }
}

/** Statistics of one query as they grow: [G] each, and [C, G] sums. */
class PatchPosterior {
  /** of the nearest patch */
  readonly #nearest: Float64Array;
  /** beyond it a patch adds nothing */
  readonly #limit: Float64Array;
  readonly #farthest: Float64Array;
  readonly #mass: Float64Array;
  readonly #massSq: Float64Array;
  readonly #totals: Float64Array;

  constructor(
    private readonly shape: readonly [number, number, number],
    private readonly divisor: number,
  ) {
    const [C, H, W] = shape;
    this.#nearest = new Float64Array(H * W).fill(Infinity);
    this.#limit = new Float64Array(H * W).fill(Infinity);
    this.#farthest = new Float64Array(H * W).fill(-Infinity);
    this.#mass = new Float64Array(H * W);
    this.#massSq = new Float64Array(H * W);
    this.#totals = new Float64Array(C * H * W);
  }

  /** The patches of a row at one shift. Most are too far to add anything: those cost two comparisons. */
  add(patches: PatchSums, row: Float64Array, u: number, v: number): void {
    const [C, H, W] = this.shape;
    const [running, below, farthest, limit] = [patches.running, patches.below, this.#farthest, this.#limit];
    const h = H - Math.abs(u);
    const w = W - Math.abs(v);
    const first = Math.max(0, -u) * W + Math.max(0, -v);
    const shift = u * W + v;
    for (let i = 0, k = 0; i < h; i++) {
      for (let g = first + i * W, end = g + w; g < end; g++, k++) {
        const distance = running[k + below]! - running[k]!;
        if (distance > farthest[g]!) farthest[g] = distance;
        if (distance > limit[g]!) continue;
        this.#addPatch(g, distance, C, H * W, row, g + shift);
      }
    }
  }

  #addPatch(g: number, distance: number, C: number, G: number, row: Float64Array, from: number): void {
    const { divisor } = this;
    const [mass, massSq, totals] = [this.#mass, this.#massSq, this.#totals];
    const nearer = this.#nearest[g]! - distance;
    if (nearer <= 0) {
      const weight = nearer === 0 ? 1 : Math.exp(nearer / divisor);
      mass[g] = mass[g]! + weight;
      massSq[g] = massSq[g]! + weight * weight;
      for (let c = 0; c < C; c++) totals[c * G + g] = totals[c * G + g]! + weight * row[c * G + from]!;
      return;
    }
    const factor = Math.exp(-nearer / divisor);
    this.#nearest[g] = distance;
    this.#limit[g] = distance + NEGLIGIBLE_LOGIT_NATS * divisor;
    mass[g] = mass[g]! * factor + 1;
    massSq[g] = massSq[g]! * factor * factor + 1;
    for (let c = 0; c < C; c++) totals[c * G + g] = totals[c * G + g]! * factor + row[c * G + from]!;
  }

  /** As query b of the partial. */
  write(out: GroupedPartial, b: number): void {
    const G = this.#nearest.length;
    for (let g = 0; g < G; g++) {
      // 0 - rather than -: a patch at distance 0 has the logit 0, not -0.
      out.maxLogit[b * G + g] = 0 - this.#nearest[g]! / this.divisor;
      out.minLogit[b * G + g] = 0 - this.#farthest[g]! / this.divisor;
    }
    out.mass.set(this.#mass, b * G);
    out.massSq.set(this.#massSq, b * G);
    out.sums.set(this.#totals, b * this.#totals.length);
  }
}
