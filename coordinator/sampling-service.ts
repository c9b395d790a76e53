/**
 * SamplingService.Sample: batches of images one after the other, each walked down its path by a sampler over the cluster's scores. Sent as it happens: the
 * progress of every score evaluation, previews, finished images in pieces, and a summary at the end. A client that reads slowly slows the run, one that
 * goes away ends it.
 */

import type { SampleEvent } from '../proto/generated/golddiff/v1/SampleEvent.js';
import type { SampleRequest__Output } from '../proto/generated/golddiff/v1/SampleRequest.js';
import type { SamplingServiceHandlers } from '../proto/generated/golddiff/v1/SamplingService.js';
import type { Manifest } from '../shared/dataset/manifest.js';
import { SAMPLE_IMAGES_BYTES_MAX } from '../shared/limits.js';
import { fillNormals } from '../shared/math/counter-noise.js';
import type { PathPoint } from '../shared/math/noise-schedule.js';
import { serverStream, type Write } from '../shared/rpc/handlers.js';
import { encodeTensor } from '../shared/rpc/tensor-codec.js';
import { encoded } from './answer-bytes.js';
import { OwnTime } from './own-time.js';
import { firstNoise, planSample, stepOfBatch, type SamplePlan } from './sample-request.js';
import type { StepAnswer } from './step-answer.js';
import { rowValues } from './step-plan.js';
import type { StepCall, Steps } from './step-scheduler.js';

export function samplingService(manifest: Manifest, scheduler: Steps): SamplingServiceHandlers {
  return {
    Sample: serverStream<SampleRequest__Output, SampleEvent>((request, context, write) =>
      new SampleRun(planSample(request, manifest), scheduler, context, write).run(),
    ),
  };
}

/** Where a run stands between two steps: images before `from` are done, and x of the batch from there stands at place `step` of the path. */
export interface RunState {
  readonly from: number;
  readonly step: number;
  /** score evaluations of this batch so far */
  readonly evaluation: number;
  /** [B, D] */
  readonly x: Float64Array;
}

/** For runs that are kept. */
export interface RunKeeping {
  /** Where to go on. */
  readonly start?: RunState;
  /** Called after every step but the last of a batch; the run waits, and x is its own. */
  keep(state: RunState): Promise<void>;
  /** Takes the images [B, D] of a batch that is done, which then are not sent. */
  done(from: number, images: Float64Array): Promise<void>;
}

/** One call of Sample, or one job. */
export class SampleRun {
  readonly #started = performance.now();
  readonly #dim: number;
  readonly #evaluationsTotal: number;
  #evaluationsDone = 0;
  #rowsScored = 0;
  #tailMassBoundMax = 0;
  #tailMassKind: StepAnswer['tailMassKind'] = 'EXACT';
  #coverageMin = 1;
  /** a second score of the same step, as Heun's, is not shown again */
  #shownStep = -1;

  constructor(
    private readonly plan: SamplePlan,
    private readonly scheduler: Steps,
    private readonly call: StepCall,
    private readonly write: Write<SampleEvent>,
    private readonly keeping?: RunKeeping,
  ) {
    this.#dim = rowValues(plan.manifest);
    this.#evaluationsTotal = plan.entry.evaluations(plan.steps) * plan.count;
  }

  async run(): Promise<void> {
    const { count, batchRows, steps } = this.plan;
    const { start } = this.keeping ?? {};
    if (start !== undefined)
      this.#evaluationsDone = this.plan.entry.evaluations(steps) * start.from + start.evaluation * Math.min(batchRows, count - start.from);
    for (let from = start?.from ?? 0; from < count; from += batchRows) {
      const batch = Math.min(batchRows, count - from);
      const images = await this.#sampleBatch(from, batch);
      if (this.keeping) await this.keeping.done(from, images);
      else await this.#sendImages(from, images);
    }
    const summary = {
      count,
      steps,
      evaluations: this.#evaluationsDone,
      rowsScored: this.#rowsScored,
      totalMs: performance.now() - this.#started,
      tailMassBoundMax: this.#tailMassBoundMax,
      tailMassKind: this.#tailMassKind,
      coverageMin: this.#coverageMin,
    };
    await this.write({ summary });
  }

  async #sampleBatch(from: number, batch: number): Promise<Float64Array> {
    const own = new OwnTime();
    const noteOwn = (): void => this.scheduler.observe?.('sampler', own.take());
    const { plan } = this;
    const start = this.keeping?.start?.from === from ? this.keeping.start : undefined;
    let evaluation = start?.evaluation ?? 0;
    const x = start?.x.slice() ?? firstNoise(plan, from, batch);
    this.#shownStep = -1;
    const images = await plan.entry.sampler({
      path: plan.path,
      batch,
      dim: this.#dim,
      x,
      start: start?.step ?? 0,
      afterStep: (step) => own.away(async () => this.keeping?.keep({ from, step, evaluation, x })),
      eta: plan.eta,
      normals: (out, b, transition) => fillNormals(out, plan.seed, plan.firstSample + from + b, transition),
      denoise: async (x, level, step) => {
        // What is sent is what is sampled from: every worker and every retry sees these very numbers.
        if (plan.xDtype === 'F32') for (let i = 0; i < x.length; i++) x[i] = Math.fround(x[i]!);
        noteOwn();
        return own.away(async () => {
          const answer = await this.scheduler.run(stepOfBatch(plan, x, from, batch, level, evaluation), this.call, this.#evaluationsDone > 0);
          evaluation++;
          await this.#report(answer, level, step, from, batch);
          return answer.x0hat;
        });
      },
    });
    noteOwn();
    return images;
  }

  async #report(answer: StepAnswer, level: PathPoint, step: number, from: number, batch: number): Promise<void> {
    const { plan } = this;
    this.#evaluationsDone += batch;
    this.#rowsScored += answer.goldenRows.reduce((sum, rows) => sum + rows, 0);
    this.#tailMassBoundMax = Math.max(this.#tailMassBoundMax, ...answer.tailMassBound);
    if (answer.tailMassKind !== 'EXACT') this.#tailMassKind = answer.tailMassKind;
    this.#coverageMin = Math.min(this.#coverageMin, answer.coverage.fraction);
    const progress = {
      step: step + 1,
      steps: plan.steps,
      firstSample: from,
      batchRows: batch,
      evaluationsDone: this.#evaluationsDone,
      evaluationsTotal: this.#evaluationsTotal,
      t: level.t,
      alpha: level.alpha,
      sigma: level.sigma,
      effectiveSupport: answer.effectiveSupport,
      goldenRows: answer.goldenRows,
      tailMassBound: answer.tailMassBound,
      tailMassKind: answer.tailMassKind,
      coverage: answer.coverage,
      timings: answer.timings,
      massRows: answer.massRows ?? null,
      logEvidence: answer.logEvidence,
    };
    await this.write({ progress });
    const shown = Math.min(batch, plan.previewCount - from);
    const due = plan.previewEvery > 0 && (step % plan.previewEvery === 0 || step === plan.steps - 1);
    if (!due || shown <= 0 || step === this.#shownStep) return;
    this.#shownStep = step;
    const preview = encoded(() => {
      const x0hat = encodeTensor(answer.x0hat.subarray(0, shown * this.#dim), [shown, ...plan.manifest.shape], 'U8');
      return { preview: { step: step + 1, firstSample: from, t: level.t, sigma: level.sigma, x0hat } };
    });
    await this.write(preview);
  }

  async #sendImages(from: number, images: Float64Array): Promise<void> {
    const rows = Math.max(1, Math.floor(SAMPLE_IMAGES_BYTES_MAX / (this.#dim * 4)));
    const batch = images.length / this.#dim;
    for (let b = 0; b < batch; b += rows) {
      const piece = images.subarray(b * this.#dim, Math.min(batch, b + rows) * this.#dim);
      const shape = [piece.length / this.#dim, ...this.plan.manifest.shape];
      await this.write(encoded(() => ({ images: { firstSample: from + b, images: encodeTensor(piece, shape, 'F32') } })));
    }
  }
}
