/**
 * A canned coordinator that answers Score by brute force in double over 100 small rows, so that a study of it can be checked number by number. It has the
 * optimal denoiser alone, and a golden subset is the true nearest rows.
 */

import type { ScoreRequest__Output } from '../../proto/generated/golddiff/v1/ScoreRequest.js';
import type { ScoreResponse } from '../../proto/generated/golddiff/v1/ScoreResponse.js';
import { GolddiffError } from '../../shared/errors.js';
import { goldenSizes, resolveGolden } from '../../shared/math/golden-schedule.js';
import { startCannedCoordinator, type CannedCoordinator } from './canned-coordinator.js';

export const SMALL_ROWS = 100;
export const SMALL_DIM = 4;

/** [100, 4] in [-1, 1]; rows lie on a curve, so that near ones are near in every value. */
export const smallRows: readonly Float64Array[] = Array.from({ length: SMALL_ROWS }, (_, i) =>
  Float64Array.from({ length: SMALL_DIM }, (_value, p) => Math.sin(i * 0.13 + p * 1.7) * (0.4 + (0.6 * i) / SMALL_ROWS)),
);

export interface SmallPosterior {
  readonly x0hat: Float64Array;
  readonly logZ: number;
  /** falling */
  readonly weights: number[];
  /** log of the weight of the nearest row that was left out, before it is divided by Z; -Infinity = none */
  readonly nextLogit: number;
}

/** Over the k nearest rows. */
export function smallPosterior(x: ArrayLike<number>, alpha: number, sigma: number, k = SMALL_ROWS): SmallPosterior {
  const logits = smallRows
    .map((row, id) => ({ id, logit: -row.reduce((sum, y, p) => sum + (x[p]! - alpha * y) ** 2, 0) / (2 * sigma * sigma) }))
    .sort((a, b) => b.logit - a.logit || a.id - b.id);
  const chosen = logits.slice(0, k);
  const top = chosen[0]!.logit;
  const mass = chosen.reduce((sum, { logit }) => sum + Math.exp(logit - top), 0);
  const weights = chosen.map(({ logit }) => Math.exp(logit - top) / mass);
  const x0hat = Float64Array.from({ length: SMALL_DIM }, (_, p) => chosen.reduce((sum, { id }, i) => sum + weights[i]! * smallRows[id]![p]!, 0));
  return { x0hat, logZ: top + Math.log(mass), weights, nextLogit: logits[k]?.logit ?? -Infinity };
}

/** @param boundOf changes the bound that the server gives, for a test that must see it broken */
export async function startPosteriorServer(boundOf: (bound: number) => number = (bound) => bound): Promise<CannedCoordinator> {
  return startCannedCoordinator({ score: async (request) => answer(request, boundOf) });
}

async function answer(request: ScoreRequest__Output, boundOf: (bound: number) => number): Promise<ScoreResponse> {
  if (request.denoiser !== 'OPTIMAL') throw new GolddiffError('UNSUPPORTED', `Expected OPTIMAL for denoiser but received "${request.denoiser}"`);
  const { shape = [], dtype = 'F64', data = Buffer.alloc(0) } = request.x ?? {};
  const bytes = Uint8Array.from(data).buffer;
  const x = dtype === 'F32' ? Float64Array.from(new Float32Array(bytes)) : new Float64Array(bytes);
  const count = shape[0] ?? 0;
  const [alpha = NaN, sigma = NaN] = [request.levels?.alpha[0], request.levels?.sigma[0]];
  const golden = request.retrieval?.kind === 'GOLDEN';
  const k = golden ? goldenSizes(resolveGolden(request.retrieval!, SMALL_ROWS), SMALL_ROWS, { alpha, sigma }).subset : SMALL_ROWS;
  const posteriors = Array.from({ length: count }, (_, b) => smallPosterior(x.subarray(b * SMALL_DIM, (b + 1) * SMALL_DIM), alpha, sigma, k));
  const x0hat = Float64Array.from(posteriors.flatMap((p) => [...p.x0hat]));
  const each = (of: (p: SmallPosterior) => number): number[] => posteriors.map(of);
  const rowsOf = (share: number) =>
    each(({ weights }) => {
      let sum = 0;
      return weights.findIndex((weight) => (sum += weight) >= share) + 1;
    });
  const tail = ({ nextLogit, logZ }: SmallPosterior): number => {
    const mass = (SMALL_ROWS - k) * Math.exp(nextLogit - logZ);
    return k < SMALL_ROWS ? mass / (1 + mass) : 0;
  };
  return Promise.resolve({
    x0hat:
      request.resultDtype === 'F64'
        ? { dtype: 'F64' as const, shape, data: Buffer.from(x0hat.buffer) }
        : { dtype: 'F32' as const, shape, data: Buffer.from(Float32Array.from(x0hat).buffer) },
    logEvidence: each((p) => p.logZ - Math.log(SMALL_ROWS)),
    logZ: each((p) => p.logZ),
    effectiveSupport: each((p) => 1 / p.weights.reduce((sum, w) => sum + w * w, 0)),
    maxWeight: each((p) => p.weights[0]!),
    goldenRows: each(() => k),
    tailMassBound: each((p) => boundOf(tail(p))),
    tailMassKind: golden ? ('HEURISTIC' as const) : ('EXACT' as const),
    coverage: { rowsReached: SMALL_ROWS, rowsTotal: SMALL_ROWS, fraction: 1, missingPartitions: [] },
    timings: { totalMs: 2 * count },
    massRows: request.returnMassRows ? { rows50: rowsOf(0.5), rows90: rowsOf(0.9), rows99: rowsOf(0.99) } : null,
    alpha: each(() => alpha),
    sigma: each(() => sigma),
  });
}
