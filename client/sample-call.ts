/**
 * Images from noise: what to sample, and the events that come back.
 */

import type { SampleEvent__Output } from '../proto/generated/golddiff/v1/SampleEvent.js';
import type { SampleRequest } from '../proto/generated/golddiff/v1/SampleRequest.js';
import { GolddiffError } from '../shared/errors.js';
import { encodeRetrieval, type RetrievalChoice } from './retrieval.js';
import { listOf, type Coverage, type DenoiserSettings, type MassRows, type Timings } from './score-call.js';
import { decodeFloats, decodeTensor, encodeRows, type FloatArray } from './typed-tensor.js';
import { boundWord, DENOISERS, enumOf, SAMPLERS, SCHEDULES, type BoundWord, type Denoiser, type Sampler, type ScheduleWord } from './vocabulary.js';

export interface SampleInput {
  /** images, 1 .. 65536; may be left out where initialNoise is given */
  readonly count?: number;
  /** default 10 */
  readonly steps?: number;
  /** default 'ddim' */
  readonly sampler?: Sampler;
  /** default: 'ddpm-linear' for ddim and ddpm, 'edm' for edm-heun and edm-euler */
  readonly schedule?: ScheduleWord;
  /** ddim: 0 (deterministic) .. 1 (ancestral) */
  readonly eta?: number;
  /** 0 .. 2^53 - 1; noise is a function of (seed, sample, step) alone */
  readonly seed?: number;
  /** counter of the first image, to split one run over requests */
  readonly firstSample?: number;
  /** the first x itself, at the scale of the first noise level */
  readonly initialNoise?: { readonly values: FloatArray; readonly shape: readonly number[] };
  readonly dataSet?: string;
  /** default 'optimal', which ends at training rows; the command line takes 'pca' and golden retrieval */
  readonly denoiser?: Denoiser;
  readonly denoiserSettings?: DenoiserSettings;
  /** default exact */
  readonly retrieval?: RetrievalChoice;
  readonly temperature?: number;
  /** one for all images or one for each */
  readonly labels?: number | readonly number[];
  /** steps between previews of x0hat; 0 = none */
  readonly previewEvery?: number;
  /** images in a preview, the first ones; default 8 */
  readonly previewCount?: number;
  readonly allowPartial?: boolean;
  /** queries in one step, 1 .. 256, default 64; does not change the images */
  readonly batchRows?: number;
  readonly returnMassRows?: boolean;
}

/** Comes after every score evaluation of every batch. Arrays are [B]. */
export interface SampleProgressEvent {
  readonly kind: 'progress';
  /** 1 .. steps */
  readonly step: number;
  readonly steps: number;
  readonly firstSample: number;
  readonly batchRows: number;
  readonly evaluationsDone: number;
  readonly evaluationsTotal: number;
  readonly t: number;
  readonly alpha: number;
  readonly sigma: number;
  readonly effectiveSupport: readonly number[];
  readonly goldenRows: readonly number[];
  readonly tailMassBound: readonly number[];
  readonly tailMassKind: BoundWord;
  readonly logEvidence: readonly number[];
  readonly coverage: Coverage | undefined;
  readonly timings: Timings | undefined;
  readonly massRows: MassRows | undefined;
}

/** x0hat of the first images of a batch, as bytes [b, C, H, W]. */
export interface SamplePreviewEvent {
  readonly kind: 'preview';
  readonly step: number;
  readonly firstSample: number;
  readonly t: number;
  readonly sigma: number;
  readonly images: Uint8Array;
  readonly shape: readonly number[];
}

/** Images firstSample .. firstSample + b - 1, [b, C, H, W] in the data's range; every image comes exactly once. */
export interface SampleImagesEvent {
  readonly kind: 'images';
  readonly firstSample: number;
  readonly images: FloatArray;
  readonly shape: readonly number[];
}

/** The last event. */
export interface SampleSummaryEvent {
  readonly kind: 'summary';
  readonly count: number;
  readonly steps: number;
  readonly evaluations: number;
  readonly rowsScored: number;
  readonly totalMs: number;
  readonly tailMassBoundMax: number;
  readonly tailMassKind: BoundWord;
  readonly coverageMin: number;
}

export type SampleEvent = SampleProgressEvent | SamplePreviewEvent | SampleImagesEvent | SampleSummaryEvent;

/** Throws ARGUMENT_INVALID for what can be seen here to be wrong; the server checks the rest. */
export function encodeSampleRequest(input: SampleInput): SampleRequest {
  return {
    dataSet: input.dataSet ?? '',
    count: input.count ?? 0,
    steps: input.steps ?? 0,
    sampler: enumOf(SAMPLERS, 'sampler', input.sampler ?? 'ddim'),
    schedule: input.schedule === undefined ? 'SCHEDULE_UNSPECIFIED' : enumOf(SCHEDULES, 'schedule', input.schedule),
    eta: input.eta ?? 0,
    seed: input.seed ?? 0,
    firstSample: input.firstSample ?? 0,
    initialNoise: input.initialNoise === undefined ? null : encodeRows('initialNoise', input.initialNoise.values, input.initialNoise.shape),
    denoiser: enumOf(DENOISERS, 'denoiser', input.denoiser ?? 'optimal'),
    denoiserSettings: input.denoiserSettings ?? null,
    retrieval: encodeRetrieval(input.retrieval),
    temperature: input.temperature ?? 0,
    labels: listOf(input.labels),
    previewEvery: input.previewEvery ?? 0,
    previewCount: input.previewCount ?? 0,
    allowPartial: input.allowPartial ?? false,
    batchRows: input.batchRows ?? 0,
    returnMassRows: input.returnMassRows ?? false,
  };
}

/** Undefined for a kind of event that this client does not know: a newer server may send more. */
export function decodeSampleEvent(message: SampleEvent__Output): SampleEvent | undefined {
  if (message.progress) {
    const { tailMassKind, coverage, timings, massRows, ...rest } = message.progress;
    return {
      kind: 'progress',
      ...rest,
      tailMassKind: boundWord(tailMassKind),
      coverage: coverage ?? undefined,
      timings: timings ?? undefined,
      massRows: massRows ?? undefined,
    };
  }
  if (message.preview) {
    const { x0hat, ...rest } = message.preview;
    const { values, shape } = decodeTensor('preview.x0hat', present('preview.x0hat', x0hat));
    if (!(values instanceof Uint8Array)) throw new GolddiffError('TENSOR_INVALID', 'Expected U8 for preview.x0hat but received floats');
    return { kind: 'preview', ...rest, images: values, shape };
  }
  if (message.images) {
    const { values, shape } = decodeFloats('images.images', present('images.images', message.images.images));
    return { kind: 'images', firstSample: message.images.firstSample, images: values, shape };
  }
  if (message.summary) return { kind: 'summary', ...message.summary, tailMassKind: boundWord(message.summary.tailMassKind) };
  return undefined;
}

function present<T>(field: string, value: T | null): T {
  if (value === null) throw new GolddiffError('TENSOR_INVALID', `Expected a tensor for ${field} but received none`, { field });
  return value;
}
