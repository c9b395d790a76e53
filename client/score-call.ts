/**
 * One batch of queries and its answer. B queries, D = C*H*W values each; SCIENCE has the formulas.
 */

import type { Coverage__Output } from '../proto/generated/golddiff/v1/Coverage.js';
import type { MassRows__Output } from '../proto/generated/golddiff/v1/MassRows.js';
import type { ScoreRequest } from '../proto/generated/golddiff/v1/ScoreRequest.js';
import type { ScoreResponse__Output } from '../proto/generated/golddiff/v1/ScoreResponse.js';
import type { Timings__Output } from '../proto/generated/golddiff/v1/Timings.js';
import { argumentError, GolddiffError } from '../shared/errors.js';
import { encodeRetrieval, type RetrievalChoice } from './retrieval.js';
import { decodeFloats, encodeRows, type FloatArray } from './typed-tensor.js';
import {
  boundWord,
  DENOISERS,
  enumOf,
  RESULT_DTYPES,
  SCHEDULES,
  type BoundWord,
  type Denoiser,
  type ResultDtype,
  type ScheduleWord,
} from './vocabulary.js';

/** What a denoiser takes beside rows and levels; a setting of another one than that asked for is refused. */
export interface DenoiserSettings {
  /** pca: entries of the raw mask below this share of the largest are 0; in (0, 1], default 0.02 */
  readonly maskThreshold?: number;
  /** patch, patch-equivariant: pixels per side, odd; default by noise level, as published */
  readonly patchSize?: number;
}

export interface ScoreInput {
  /** [B, D] or [B, C, H, W], finite */
  readonly x: FloatArray;
  readonly shape: readonly number[];
  /** timestep of the schedule, 0 .. 999, one for all queries or one for each; or give alpha and sigma */
  readonly t?: number | readonly number[];
  /** default 'ddpm-linear' */
  readonly schedule?: ScheduleWord;
  /** x = alpha * y + sigma * noise; both > 0, one for all queries or one for each */
  readonly alpha?: number | readonly number[];
  readonly sigma?: number | readonly number[];
  /** may be left out where the server has only one */
  readonly dataSet?: string;
  /** default 'optimal' */
  readonly denoiser?: Denoiser;
  readonly denoiserSettings?: DenoiserSettings;
  /** default exact */
  readonly retrieval?: RetrievalChoice;
  /** divides the logits; > 0, default 1 */
  readonly temperature?: number;
  /** the posterior is over rows of that class only; -1 = all rows; one for all queries or one for each */
  readonly labels?: number | readonly number[];
  readonly returnScore?: boolean;
  readonly returnEps?: boolean;
  readonly returnMassRows?: boolean;
  /** answer from the partitions at hand, with coverage below 1, rather than fail */
  readonly allowPartial?: boolean;
  /** default 'f32'; 'f16' is widened on arrival */
  readonly resultDtype?: ResultDtype;
}

/** The share of the data set that the answer was computed over. */
export type Coverage = Coverage__Output;
/** Wall time on the coordinator, in milliseconds. */
export type Timings = Timings__Output;
/** Rows that hold 50, 90 and 99% of the posterior mass, [B] each. */
export type MassRows = MassRows__Output;

export interface ScoreResult {
  readonly shape: readonly number[];
  /** posterior mean, in the data's range */
  readonly x0hat: FloatArray;
  /** (alpha * x0hat - x) / sigma^2, if asked for */
  readonly score: FloatArray | undefined;
  /** (x - alpha * x0hat) / sigma, if asked for */
  readonly eps: FloatArray | undefined;
  /** [B] nats; of pca and patch, as the statistics below, reduced over the groups of values that share weights: see proto ScoreResponse */
  readonly logEvidence: readonly number[];
  /** [B] nats */
  readonly logZ: readonly number[];
  /** [B] rows: (sum w)^2 / sum w^2 */
  readonly effectiveSupport: readonly number[];
  /** [B] in (0, 1] */
  readonly maxWeight: readonly number[];
  /** [B] rows in the sum */
  readonly goldenRows: readonly number[];
  /** [B] bound on the mass of the rows left out, in [0, 1]; pca and patch: half of the bound on |x0hat - exact| of the worst value */
  readonly tailMassBound: readonly number[];
  /** the weakest of tailMassKinds */
  readonly tailMassKind: BoundWord;
  /** [B] */
  readonly tailMassKinds: readonly BoundWord[];
  readonly coverage: Coverage;
  readonly timings: Timings;
  readonly massRows: MassRows | undefined;
  /** [B] the levels used */
  readonly alpha: readonly number[];
  readonly sigma: readonly number[];
}

/** Throws ARGUMENT_INVALID for what can be seen here to be wrong; the server checks the rest. */
export function encodeScoreRequest(input: ScoreInput): ScoreRequest {
  return {
    dataSet: input.dataSet ?? '',
    x: encodeRows('x', input.x, input.shape),
    ...encodeNoise(input),
    denoiser: enumOf(DENOISERS, 'denoiser', input.denoiser ?? 'optimal'),
    denoiserSettings: input.denoiserSettings ?? null,
    retrieval: encodeRetrieval(input.retrieval),
    temperature: input.temperature ?? 0,
    labels: listOf(input.labels),
    returnScore: input.returnScore ?? false,
    returnEps: input.returnEps ?? false,
    returnMassRows: input.returnMassRows ?? false,
    allowPartial: input.allowPartial ?? false,
    resultDtype: enumOf(RESULT_DTYPES, 'resultDtype', input.resultDtype ?? 'f32'),
  };
}

function encodeNoise(input: ScoreInput): Pick<ScoreRequest, 'timesteps' | 'levels'> {
  const levels = input.alpha !== undefined || input.sigma !== undefined;
  if (input.t !== undefined && levels) throw argumentError('t', 'either t or alpha and sigma', 'both');
  if (input.t !== undefined) {
    const t = listOf(input.t);
    // A whole number below 2^32 is all that the wire can carry: anything else would be cut to one in silence.
    t.forEach((value, b) => {
      if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) throw argumentError(`t[${b}]`, 'a whole number, 0 or more,', value);
    });
    return { timesteps: { schedule: enumOf(SCHEDULES, 'schedule', input.schedule ?? 'ddpm-linear'), t } };
  }
  if (input.alpha === undefined || input.sigma === undefined) throw argumentError('t', 'either t or alpha and sigma', 'neither');
  return { levels: { alpha: listOf(input.alpha), sigma: listOf(input.sigma) } };
}

/** One value for all, or one for each. */
export function listOf(values: number | readonly number[] | undefined): number[] {
  return values === undefined ? [] : typeof values === 'number' ? [values] : [...values];
}

export function decodeScoreResponse(response: ScoreResponse__Output): ScoreResult {
  if (response.x0hat === null || response.coverage === null || response.timings === null)
    throw new GolddiffError('INTERNAL', 'Expected x0hat, coverage and timings in the answer but received fewer; is the server of another version?');
  const x0hat = decodeFloats('x0hat', response.x0hat);
  return {
    shape: x0hat.shape,
    x0hat: x0hat.values,
    score: response.score === null ? undefined : decodeFloats('score', response.score).values,
    eps: response.eps === null ? undefined : decodeFloats('eps', response.eps).values,
    logEvidence: response.logEvidence,
    logZ: response.logZ,
    effectiveSupport: response.effectiveSupport,
    maxWeight: response.maxWeight,
    goldenRows: response.goldenRows,
    tailMassBound: response.tailMassBound,
    tailMassKind: boundWord(response.tailMassKind),
    tailMassKinds: response.tailMassKinds.map((kind) => boundWord(kind)),
    coverage: response.coverage,
    timings: response.timings,
    massRows: response.massRows ?? undefined,
    alpha: response.alpha,
    sigma: response.sigma,
  };
}
