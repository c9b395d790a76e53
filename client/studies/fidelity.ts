/**
 * Measures what a choice of rows does to an answer: every method answers the same noisy images as the exact scan of the same denoiser, and is compared with it
 * value by value, beside the bound that the server gives. Per query, with tau the mass of the rows left out, |error| <= tau (hi - lo), which is tau on [0, 1]
 * images (SCIENCE section 5); for the optimal denoiser the true tau is 1 - exp(log Z of the subset - log Z).
 */

import { GolddiffError } from '../../shared/errors.js';
import type { NoiseLevel, PathPoint } from '../../shared/math/noise-schedule.js';
import type { GolddiffClient } from '../golddiff-client.js';
import { scoreBatches } from '../score-batches.js';
import type { DenoiserSettings, ScoreInput, ScoreResult } from '../score-call.js';
import type { FloatArray } from '../typed-tensor.js';
import type { BoundWord, Denoiser } from '../vocabulary.js';
import { imageErrors, type ImageErrors } from './image-errors.js';
import type { Method } from './method.js';
import { massLeftOut } from './rows-needed.js';

/** An error of a pixel below this is rounding of float32 sums, not rows left out; no bound on the mass speaks of it. */
export const ROUNDING = 1e-6;
/** Two log Z of the same rows may differ by some 1e-6 nats where the engine rounds queries (3.3e-6 seen at logits of 400): a smaller mass says nothing. */
export const MASS_ROUNDING = 2e-5;
/** The reference of every other method. */
export const EXACT = 'exact';
/** Denoisers without a sum over rows: there is nothing to leave out. */
const ROWLESS: readonly Denoiser[] = ['wiener'];

export interface FidelityInput {
  readonly dataSet: string;
  readonly denoisers: readonly Denoiser[];
  readonly settings?: SettingsOf;
  /** without the exact scan itself, which is always measured */
  readonly methods: readonly Method[];
  readonly levels: readonly PathPoint[];
  /** [B, D] noisy images at a level */
  readonly queriesAt: (level: PathPoint) => FloatArray;
  readonly count: number;
  /** [B, D] what the noise was added to */
  readonly clean: Float64Array;
  readonly label?: number;
  readonly seed: number;
  readonly batchRows: number;
}

/** One method at one level. Arrays are [B]; errors are on [0, 1] images. */
export interface FidelityPoint {
  readonly denoiser: Denoiser;
  readonly method: string;
  readonly t: number;
  readonly alpha: number;
  readonly sigma: number;
  /** against the exact scan of the same denoiser */
  readonly errors: ImageErrors;
  /** against the clean image */
  readonly cleanMse: readonly number[];
  /** rows in the sum */
  readonly rows: readonly number[];
  /** share of the mass left out; undefined where the denoiser has no one mass per query */
  readonly massLeftOut: readonly number[] | undefined;
  /** the server's bound on it, which bounds the error of a pixel too */
  readonly bound: readonly number[];
  readonly boundKind: BoundWord;
  /** neither the error nor the mass is above the bound */
  readonly holds: readonly boolean[];
  /** wall time on the coordinator */
  readonly msPerQuery: number;
}

export interface Fidelity {
  readonly points: readonly FidelityPoint[];
  /** pairs that the server does not serve, with its reason */
  readonly refused: readonly { readonly denoiser: Denoiser; readonly method: string; readonly reason: string }[];
  /** x0hat of the first image by `denoiser method t`, for a picture */
  readonly firstImages: ReadonlyMap<string, Float64Array>;
}

/** Settings of the denoisers that take some. */
export type SettingsOf = Readonly<Partial<Record<Denoiser, DenoiserSettings>>>;

/**
 * Of the denoisers given, those that the server answers. Cost: one query each, at a level of the study, since what a denoiser prepares for a level (pca: a mask)
 * is kept for later.
 */
export async function offeredDenoisers(
  client: GolddiffClient,
  denoisers: readonly Denoiser[],
  { alpha, sigma }: NoiseLevel,
  dataSet: { readonly name: string; readonly values: number },
  signal: AbortSignal,
  onRefused?: (refusal: GolddiffError) => void,
): Promise<Denoiser[]> {
  const offered: Denoiser[] = [];
  for (const denoiser of denoisers) {
    const probe = { x: new Float64Array(dataSet.values), shape: [1, dataSet.values], alpha, sigma, dataSet: dataSet.name, denoiser };
    try {
      await client.score(probe, { signal });
      offered.push(denoiser);
    } catch (thrown) {
      if (!(thrown instanceof GolddiffError) || thrown.code !== 'UNSUPPORTED') throw thrown;
      onRefused?.(thrown);
    }
  }
  return offered;
}

/** Looks that a study takes, for a progress bar. */
export function fidelityLooks({ denoisers, methods, levels }: Pick<FidelityInput, 'denoisers' | 'methods' | 'levels'>): number {
  return levels.length * denoisers.reduce((sum, denoiser) => sum + 1 + methodsOf(denoiser, methods).length, 0);
}

/** Errors: UNSUPPORTED where the server lacks a denoiser altogether. */
export async function measureFidelity(
  client: GolddiffClient,
  input: FidelityInput,
  signal: AbortSignal,
  onLook?: (done: number, note: string) => void,
): Promise<Fidelity> {
  const points: FidelityPoint[] = [];
  const refused = new Map<string, Fidelity['refused'][number]>();
  const firstImages = new Map<string, Float64Array>();
  let done = 0;
  for (const denoiser of input.denoisers) {
    for (const [step, level] of input.levels.entries()) {
      const ask = (method: Method): Promise<ScoreResult[]> => askOne(client, input, { denoiser, level, step, method }, signal);
      const exactMethod: Method = { name: EXACT, retrieval: { kind: 'exact' } };
      // The first answer of a cluster waits for memory and caches: its time says nothing.
      if (step === 0) await ask(exactMethod);
      const exact = await ask(exactMethod);
      for (const method of [exactMethod, ...methodsOf(denoiser, input.methods)]) {
        try {
          const answers = method === exactMethod ? exact : await ask(method);
          points.push(compare(input, { denoiser, level, method }, answers, exact));
          firstImages.set(
            `${denoiser} ${method.name} ${level.t}`,
            Float64Array.from(answers[0]!.x0hat.subarray(0, input.clean.length / input.count)),
          );
        } catch (thrown) {
          if (!(thrown instanceof GolddiffError) || thrown.code !== 'UNSUPPORTED') throw thrown;
          refused.set(`${denoiser} ${method.name}`, { denoiser, method: method.name, reason: thrown.message });
        }
        onLook?.(++done, `${denoiser} ${method.name}, t = ${level.t}`);
      }
    }
  }
  return { points, refused: [...refused.values()], firstImages };
}

function methodsOf(denoiser: Denoiser, methods: readonly Method[]): readonly Method[] {
  return ROWLESS.includes(denoiser) ? [] : methods;
}

interface Look {
  readonly denoiser: Denoiser;
  readonly level: PathPoint;
  readonly method: Method;
}

function askOne(client: GolddiffClient, input: FidelityInput, look: Look & { readonly step: number }, signal: AbortSignal): Promise<ScoreResult[]> {
  const { denoiser, level, method, step } = look;
  const x = input.queriesAt(level);
  const retrieval = method.retrieval.kind === 'golden' ? { ...method.retrieval, presampleSeed: input.seed, presampleStep: step } : method.retrieval;
  const rest: Omit<ScoreInput, 'x' | 'shape'> = {
    alpha: level.alpha,
    sigma: level.sigma,
    dataSet: input.dataSet,
    denoiser,
    retrieval,
    resultDtype: 'f64',
    ...settingsFor(input.settings, denoiser),
    ...(input.label === undefined ? {} : { labels: input.label }),
  };
  return scoreBatches(client, { x, shape: [input.count, x.length / input.count], batchRows: input.batchRows }, rest, signal);
}

function compare(input: FidelityInput, look: Look, answers: readonly ScoreResult[], exact: readonly ScoreResult[]): FidelityPoint {
  const { denoiser, level, method } = look;
  const x0hat = joined(answers);
  const errors = imageErrors(x0hat, joined(exact), input.count);
  const bound = answers.flatMap((answer) => answer.tailMassBound);
  const logZ = answers.flatMap((answer) => answer.logZ);
  const exactLogZ = exact.flatMap((answer) => answer.logZ);
  const mass = denoiser === 'optimal' ? logZ.map((value, b) => massLeftOut(value, exactLogZ[b]!)) : undefined;
  return {
    denoiser,
    method: method.name,
    t: level.t,
    alpha: level.alpha,
    sigma: level.sigma,
    errors,
    cleanMse: imageErrors(x0hat, input.clean, input.count).mse,
    rows: answers.flatMap((answer) => answer.goldenRows),
    massLeftOut: mass,
    bound,
    boundKind: answers[0]?.tailMassKind ?? 'heuristic',
    holds: errors.worst.map((worst, b) => worst <= bound[b]! + ROUNDING && (mass?.[b] ?? 0) <= bound[b]! + MASS_ROUNDING),
    msPerQuery: answers.reduce((sum, answer) => sum + answer.timings.totalMs, 0) / input.count,
  };
}

/** The part of a request that says the settings of its denoiser. */
export function settingsFor(settings: SettingsOf | undefined, denoiser: Denoiser): Pick<ScoreInput, 'denoiserSettings'> {
  const own = settings?.[denoiser];
  return own === undefined ? {} : { denoiserSettings: own };
}

/** x0hat of all batches, [B, D]. */
export function joined(answers: readonly ScoreResult[]): Float64Array {
  const all = new Float64Array(answers.reduce((sum, { x0hat }) => sum + x0hat.length, 0));
  let at = 0;
  for (const { x0hat } of answers) {
    all.set(x0hat, at);
    at += x0hat.length;
  }
  return all;
}
