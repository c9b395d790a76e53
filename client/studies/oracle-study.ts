/**
 * How near an analytical denoiser comes to a neural one, as the tables of GoldDiff tell it: MSE and r^2 on [0, 1] images (image-errors.ts), in two ways.
 * Single-step: the analytical denoiser answers the x_t that the neural one was given. Trajectory: a DDIM sampler (eta 0) runs on the analytical denoiser from
 * the same first noise over the same levels, and its x0hat is compared with the neural one's step by step; the last step is the image.
 */

import type { PathPoint } from '../../shared/math/noise-schedule.js';
import type { GolddiffClient } from '../golddiff-client.js';
import { scoreBatches } from '../score-batches.js';
import type { ScoreResult } from '../score-call.js';
import type { FloatArray } from '../typed-tensor.js';
import type { Denoiser } from '../vocabulary.js';
import { joined, settingsFor, type SettingsOf } from './fidelity.js';
import { imageErrors, type ImageErrors } from './image-errors.js';
import type { Method } from './method.js';
import type { Oracle } from './oracle.js';

export const ORACLE_MODES = ['single-step', 'trajectory'] as const;
export type OracleMode = (typeof ORACLE_MODES)[number];

export interface OracleStudyInput {
  readonly dataSet: string;
  readonly oracle: Oracle;
  readonly denoisers: readonly Denoiser[];
  readonly settings?: SettingsOf;
  readonly methods: readonly Method[];
  readonly label?: number;
  readonly seed: number;
  readonly batchRows: number;
}

/** One denoiser and method at one step; errors are [B] and against the oracle's x0hat. */
export interface OraclePoint {
  readonly denoiser: Denoiser;
  readonly method: string;
  readonly mode: OracleMode;
  readonly t: number;
  readonly alpha: number;
  readonly sigma: number;
  readonly errors: ImageErrors;
  readonly msPerQuery: number;
}

export interface OracleStudy {
  readonly points: readonly OraclePoint[];
  /** last x0hat of the trajectory [B, D] by `denoiser method` */
  readonly finals: ReadonlyMap<string, Float64Array>;
}

export function oracleLooks({ oracle, denoisers, methods }: Pick<OracleStudyInput, 'oracle' | 'denoisers' | 'methods'>): number {
  return oracle.levels.length * denoisers.length * methods.length * ORACLE_MODES.length;
}

export async function studyOracle(
  client: GolddiffClient,
  input: OracleStudyInput,
  signal: AbortSignal,
  onLook?: (done: number, note: string) => void,
): Promise<OracleStudy> {
  const { oracle } = input;
  const points: OraclePoint[] = [];
  const finals = new Map<string, Float64Array>();
  let done = 0;
  for (const denoiser of input.denoisers) {
    for (const method of input.methods) {
      for (const mode of ORACLE_MODES) {
        let x: FloatArray = oracle.firstX;
        for (const [step, level] of oracle.levels.entries()) {
          if (mode === 'single-step') x = oracle.xAt(step);
          const answers = await ask(client, input, { denoiser, method, level, step, x }, signal);
          const x0hat = joined(answers);
          points.push({
            denoiser,
            method: method.name,
            mode,
            ...level,
            errors: imageErrors(x0hat, oracle.x0hatAt(step), oracle.count),
            msPerQuery: answers.reduce((sum, answer) => sum + answer.timings.totalMs, 0) / oracle.count,
          });
          if (mode === 'trajectory') {
            finals.set(`${denoiser} ${method.name}`, x0hat);
            const next = oracle.levels[step + 1];
            if (next !== undefined) x = ddimStep(x, x0hat, level, next);
          }
          onLook?.(++done, `${denoiser} ${method.name}, ${mode}, t = ${level.t}`);
        }
      }
    }
  }
  return { points, finals };
}

interface Question {
  readonly denoiser: Denoiser;
  readonly method: Method;
  readonly level: PathPoint;
  readonly step: number;
  readonly x: FloatArray;
}

function ask(
  client: GolddiffClient,
  input: OracleStudyInput,
  { denoiser, method, level, step, x }: Question,
  signal: AbortSignal,
): Promise<ScoreResult[]> {
  const golden = method.retrieval.kind === 'golden';
  const retrieval = golden ? { ...method.retrieval, presampleSeed: input.seed, presampleStep: step } : method.retrieval;
  const label = input.label === undefined ? {} : { labels: input.label };
  const rest = {
    alpha: level.alpha,
    sigma: level.sigma,
    dataSet: input.dataSet,
    denoiser,
    retrieval,
    resultDtype: 'f64',
    ...label,
    ...settingsFor(input.settings, denoiser),
  } as const;
  return scoreBatches(client, { x, shape: [input.oracle.count, input.oracle.size], batchRows: input.batchRows }, rest, signal);
}

/** x' = alpha' x0hat + sigma' eps with eps = (x - alpha x0hat) / sigma. */
export function ddimStep(x: FloatArray, x0hat: FloatArray, from: PathPoint, to: PathPoint): Float64Array {
  return Float64Array.from(x, (value, i) => to.alpha * x0hat[i]! + (to.sigma * (value - from.alpha * x0hat[i]!)) / from.sigma);
}
