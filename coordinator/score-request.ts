/** From a ScoreRequest to the step that answers it, and from the answer to a ScoreResponse. */

import type { ScoreRequest__Output } from '../proto/generated/golddiff/v1/ScoreRequest.js';
import type { ScoreResponse } from '../proto/generated/golddiff/v1/ScoreResponse.js';
import type { Manifest } from '../shared/dataset/manifest.js';
import { argumentError } from '../shared/errors.js';
import { BATCH_ROWS_MAX } from '../shared/limits.js';
import { noiseLevelAt } from '../shared/math/noise-schedule.js';
import { decodeRows, encodeTensor } from '../shared/rpc/tensor-codec.js';
import {
  broadcast,
  checkDataSet,
  checkMagnitude,
  checkRetrieval,
  integerIn,
  labelsOf,
  levelValue,
  scheduleOf,
  temperatureOf,
} from './request-fields.js';
import { planDenoiser } from './denoisers/registry.js';
import type { StepAnswer } from './step-answer.js';
import { allowedErrors, blocksOf, eligibleRows, planGolden, rowValues, type StepPlan } from './step-plan.js';

/** A checked request. */
export interface ScorePlan {
  readonly step: StepPlan;
  readonly respond: (answer: StepAnswer) => ScoreResponse;
}

/** @throws ARGUMENT_INVALID and TENSOR_INVALID with the field; DATA_SET_UNKNOWN; UNSUPPORTED */
export function planScore(request: ScoreRequest__Output, manifest: Manifest): ScorePlan {
  checkDataSet(request.dataSet, manifest);
  const resultDtype = resultDtypeOf(request);
  const dim = rowValues(manifest);
  const { batch, values: x, rank4, dtype } = decodeRows(request.x, 'x', { shape: manifest.shape, batchMax: BATCH_ROWS_MAX });
  checkMagnitude('x', x, dim);
  const { alpha, sigma } = levelsOf(request, batch);
  const temperature = temperatureOf(request.temperature);
  const labels = labelsOf(request.labels, batch, manifest);
  const eligible = eligibleRows(manifest, labels, batch);
  checkRetrieval(request.retrieval);
  const firstQuery = request.retrieval?.firstQuery ?? 0;
  if (request.retrieval) integerIn('retrieval.first_query', firstQuery, 0, 2 ** 32 - batch);
  const counters = { presampleSeed: request.retrieval?.presampleSeed ?? 0, presampleStep: request.retrieval?.presampleStep ?? 0, firstQuery };
  const golden = planGolden(manifest, request.retrieval, counters, eligible, alpha, sigma);
  const query = { manifest, alpha, sigma, temperature, golden: golden !== undefined, blocks: request.retrieval?.aggregator === 'WSS' };
  const step: StepPlan = {
    manifest,
    batch,
    dim,
    x,
    xDtype: dtype === 'F64' ? 'F64' : 'F32',
    alpha,
    sigma,
    temperature,
    labels,
    eligible,
    golden,
    denoiser: planDenoiser(request.denoiser, request.denoiserSettings, query),
    ...allowedErrors(request.retrieval),
    ...blocksOf(request.retrieval),
    massRows: request.returnMassRows,
    allowPartial: request.allowPartial,
  };
  const shape = rank4 ? [batch, ...manifest.shape] : [batch, dim];
  const tensor = (values: Float64Array) => encodeTensor(values, shape, resultDtype);
  const respond = (answer: StepAnswer): ScoreResponse => ({
    x0hat: tensor(answer.x0hat),
    ...(request.returnScore ? { score: tensor(fromMean(step, answer.x0hat, (a, s, x, mean) => (a * mean - x) / s ** 2)) } : {}),
    ...(request.returnEps ? { eps: tensor(fromMean(step, answer.x0hat, (a, s, x, mean) => (x - a * mean) / s)) } : {}),
    logEvidence: answer.logEvidence,
    logZ: answer.logZ,
    effectiveSupport: answer.effectiveSupport,
    maxWeight: answer.maxWeight,
    goldenRows: answer.goldenRows,
    tailMassBound: answer.tailMassBound,
    tailMassKind: answer.tailMassKind,
    tailMassKinds: answer.tailMassKinds,
    coverage: answer.coverage,
    timings: answer.timings,
    massRows: answer.massRows ?? null,
    alpha: [...alpha],
    sigma: [...sigma],
  });
  return { step, respond };
}

function resultDtypeOf(request: ScoreRequest__Output): 'F32' | 'F64' | 'F16' {
  const dtype = request.resultDtype;
  if (dtype === 'DTYPE_UNSPECIFIED') return 'F32';
  if (dtype === 'F32' || dtype === 'F64' || dtype === 'F16') return dtype;
  throw argumentError('result_dtype', 'F32, F64 or F16', dtype);
}

function levelsOf(request: ScoreRequest__Output, batch: number): { alpha: Float64Array; sigma: Float64Array } {
  if (request.timesteps) {
    const schedule = scheduleOf(request.timesteps.schedule, 'timesteps.schedule', 'DDPM_LINEAR');
    const given = request.timesteps.t.map((t, i) => noiseLevelAt(schedule, t, `timesteps.t[${i}]`));
    const levels = broadcast('timesteps.t', given, batch);
    return { alpha: Float64Array.from(levels, (l) => l.alpha), sigma: Float64Array.from(levels, (l) => l.sigma) };
  }
  if (!request.levels) throw argumentError('noise', 'timesteps or levels', 'neither');
  const { alpha, sigma } = request.levels;
  alpha.forEach((value, i) => levelValue(`levels.alpha[${i}]`, value));
  sigma.forEach((value, i) => levelValue(`levels.sigma[${i}]`, value));
  return { alpha: Float64Array.from(broadcast('levels.alpha', alpha, batch)), sigma: Float64Array.from(broadcast('levels.sigma', sigma, batch)) };
}

/** [B, D] of a formula in (alpha, sigma, x, x0hat), in double. */
function fromMean(step: StepPlan, x0hat: Float64Array, formula: (alpha: number, sigma: number, x: number, mean: number) => number): Float64Array {
  const out = new Float64Array(x0hat.length);
  for (let b = 0; b < step.batch; b++) {
    for (let i = b * step.dim; i < (b + 1) * step.dim; i++) out[i] = formula(step.alpha[b]!, step.sigma[b]!, step.x[i]!, x0hat[i]!);
  }
  return out;
}
