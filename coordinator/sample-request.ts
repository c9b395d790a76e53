/** From a SampleRequest to the plan of its run: path, sampler, batches and noise, all checked before the first step. */

import type { DenoiserKind__Output } from '../proto/generated/golddiff/v1/DenoiserKind.js';
import type { DenoiserSettings__Output } from '../proto/generated/golddiff/v1/DenoiserSettings.js';
import type { Retrieval__Output } from '../proto/generated/golddiff/v1/Retrieval.js';
import type { SampleRequest__Output } from '../proto/generated/golddiff/v1/SampleRequest.js';
import type { Manifest } from '../shared/dataset/manifest.js';
import { argumentError } from '../shared/errors.js';
import {
  BATCH_ROWS_DEFAULT,
  BATCH_ROWS_MAX,
  PREVIEW_COUNT_DEFAULT,
  SAMPLE_COUNT_MAX,
  SAMPLE_STEPS_DEFAULT,
  SAMPLE_STEPS_MAX,
} from '../shared/limits.js';
import { fillNormals } from '../shared/math/counter-noise.js';
import { initialNoiseScale, samplingPath, type PathPoint } from '../shared/math/noise-schedule.js';
import { decodeRows } from '../shared/rpc/tensor-codec.js';
import { checkDataSet, checkMagnitude, checkRetrieval, inRange, integerIn, labelsOf, scheduleOf, seedOf, temperatureOf } from './request-fields.js';
import type { DenoiserPlan } from './denoisers/denoiser.js';
import { planDenoiser } from './denoisers/registry.js';
import { SAMPLERS, type SamplerEntry, type SamplerName } from './samplers/registry.js';
import { allowedErrors, blocksOf, eligibleRows, planGolden, rowValues, type StepPlan } from './step-plan.js';

/** A checked request. */
export interface SamplePlan {
  readonly manifest: Manifest;
  /** images of the request, and their first number */
  readonly count: number;
  readonly firstSample: number;
  readonly steps: number;
  readonly path: readonly PathPoint[];
  readonly entry: SamplerEntry;
  readonly eta: number;
  readonly seed: number;
  /** queries in one step */
  readonly batchRows: number;
  /** steps between previews; 0 = none */
  readonly previewEvery: number;
  readonly previewCount: number;
  readonly xDtype: 'F32' | 'F64';
  /** standard deviation of the first x where it is drawn */
  readonly noiseScale: number;
  /** [count, D]; undefined = drawn from the seed */
  readonly initialNoise: Float64Array | undefined;
  readonly retrieval: Retrieval__Output | null;
  readonly denoiser: DenoiserKind__Output;
  readonly denoiserSettings: DenoiserSettings__Output | null;
  readonly temperature: number;
  /** [count] */
  readonly labels: Int32Array | undefined;
  readonly massRows: boolean;
  readonly allowPartial: boolean;
}

/** @throws ARGUMENT_INVALID and TENSOR_INVALID with the field; DATA_SET_UNKNOWN; UNSUPPORTED */
export function planSample(request: SampleRequest__Output, manifest: Manifest): SamplePlan {
  checkDataSet(request.dataSet, manifest);
  const name = samplerOf(request);
  const entry = SAMPLERS[name];
  const steps = integerIn('steps', request.steps || SAMPLE_STEPS_DEFAULT, 1, SAMPLE_STEPS_MAX);
  const schedule = scheduleOf(request.schedule, 'schedule', entry.schedule);
  const path = samplingPath(schedule, steps);
  const initial = request.initialNoise && decodeRows(request.initialNoise, 'initial_noise', { shape: manifest.shape, batchMax: SAMPLE_COUNT_MAX });
  if (initial) checkMagnitude('initial_noise', initial.values, rowValues(manifest));
  if (initial && request.count !== 0 && request.count !== initial.batch)
    throw argumentError('count', `0 or the ${initial.batch} images of initial_noise`, request.count);
  const count = integerIn('count', initial ? initial.batch : request.count, 1, SAMPLE_COUNT_MAX);
  const seed = seedOf('seed', request.seed);
  checkRetrieval(request.retrieval);
  const plan: SamplePlan = {
    manifest,
    count,
    firstSample: integerIn('first_sample', request.firstSample, 0, 2 ** 32 - count),
    steps,
    path,
    entry,
    eta: etaOf(request, name),
    seed,
    batchRows: integerIn('batch_rows', request.batchRows || BATCH_ROWS_DEFAULT, 1, BATCH_ROWS_MAX),
    previewEvery: integerIn('preview_every', request.previewEvery, 0, SAMPLE_STEPS_MAX),
    previewCount: integerIn('preview_count', request.previewCount || PREVIEW_COUNT_DEFAULT, 1, SAMPLE_COUNT_MAX),
    xDtype: initial?.dtype === 'F64' ? 'F64' : 'F32',
    noiseScale: initialNoiseScale(schedule),
    initialNoise: initial?.values,
    retrieval: request.retrieval,
    denoiser: request.denoiser,
    denoiserSettings: request.denoiserSettings,
    temperature: temperatureOf(request.temperature),
    labels: labelsOf(request.labels, count, manifest),
    massRows: request.returnMassRows,
    allowPartial: request.allowPartial,
  };
  // Sizes that do not fit the rows, and settings that do not fit the denoiser, are refused now, not in the middle of a run.
  for (const level of [path[0]!, path[path.length - 1]!]) denoiserOf(plan, ...constantLevels(level, 1));
  planGolden(
    manifest,
    plan.retrieval,
    { presampleSeed: 0, presampleStep: 0, firstQuery: 0 },
    eligibleRows(manifest, plan.labels, count),
    ...constantLevels(path[0]!, count),
  );
  return plan;
}

/** The first x [b, D] of images from .. from + b - 1 of the request. */
export function firstNoise(plan: SamplePlan, from: number, batch: number): Float64Array {
  const dim = rowValues(plan.manifest);
  if (plan.initialNoise) return plan.initialNoise.slice(from * dim, (from + batch) * dim);
  const x = new Float64Array(batch * dim);
  for (let b = 0; b < batch; b++) {
    const row = x.subarray(b * dim, (b + 1) * dim);
    fillNormals(row, plan.seed, plan.firstSample + from + b, 0);
    for (let p = 0; p < dim; p++) row[p] = row[p]! * plan.noiseScale;
  }
  return x;
}

/**
 * The step that scores a batch at one level of the path.
 * @param evaluation score evaluations of this batch before this one: the counter of the pre-sample
 */
export function stepOfBatch(plan: SamplePlan, x: Float64Array, from: number, batch: number, level: PathPoint, evaluation: number): StepPlan {
  const labels = plan.labels?.slice(from, from + batch);
  const eligible = eligibleRows(plan.manifest, labels, batch);
  const [alpha, sigma] = constantLevels(level, batch);
  const counters = { presampleSeed: plan.retrieval?.presampleSeed || plan.seed, presampleStep: evaluation, firstQuery: plan.firstSample + from };
  return {
    manifest: plan.manifest,
    batch,
    dim: rowValues(plan.manifest),
    x,
    xDtype: plan.xDtype,
    alpha,
    sigma,
    temperature: plan.temperature,
    labels,
    eligible,
    golden: planGolden(plan.manifest, plan.retrieval, counters, eligible, alpha, sigma),
    denoiser: denoiserOf(plan, alpha, sigma),
    ...allowedErrors(plan.retrieval),
    ...blocksOf(plan.retrieval),
    massRows: plan.massRows,
    allowPartial: plan.allowPartial,
  };
}

function denoiserOf(plan: SamplePlan, alpha: Float64Array, sigma: Float64Array): DenoiserPlan {
  const { manifest, temperature, retrieval, denoiser, denoiserSettings } = plan;
  return planDenoiser(denoiser, denoiserSettings, {
    manifest,
    alpha,
    sigma,
    temperature,
    golden: retrieval?.kind === 'GOLDEN',
    blocks: retrieval?.aggregator === 'WSS',
  });
}

function constantLevels(level: PathPoint, batch: number): [Float64Array, Float64Array] {
  return [new Float64Array(batch).fill(level.alpha), new Float64Array(batch).fill(level.sigma)];
}

function samplerOf(request: SampleRequest__Output): SamplerName {
  const name = request.sampler;
  if (name === 'SAMPLER_UNSPECIFIED') return 'DDIM';
  if (typeof name === 'number') throw argumentError('sampler', 'a SamplerKind', name);
  return name;
}

function etaOf(request: SampleRequest__Output, name: SamplerName): number {
  const eta = inRange('eta', request.eta, 0, 1);
  if (eta !== 0 && name !== 'DDIM') throw argumentError('eta', `0, since ${name} has none`, eta);
  return eta;
}
