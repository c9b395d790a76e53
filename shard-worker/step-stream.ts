/**
 * The data plane: one stream that carries many steps, told apart by step_id. It outlives any step, so it ends only when the coordinator ends it or when
 * the worker drains and its last step is over.
 */

import type { StepRequest__Output } from '../proto/generated/golddiff/v1/StepRequest.js';
import type { OpenStep__Output } from '../proto/generated/golddiff/v1/OpenStep.js';
import type { StepResponse } from '../proto/generated/golddiff/v1/StepResponse.js';
import { argumentError, asGolddiffError, GolddiffError } from '../shared/errors.js';
import { ENDED_STEPS_REMEMBERED, GROUPS_PER_THREAD } from '../shared/limits.js';
import type { Logger } from '../shared/log.js';
import { groupedBytes } from '../shared/math/grouped-partial.js';
import type { WorkerMetrics } from '../shared/metrics.js';
import { observeTraced } from '../shared/metrics-text.js';
import type { Tracing } from '../shared/tracing.js';
import type { Backend } from './backends/backend.js';
import type { CandidateSearch } from './candidates/candidate-search.js';
import type { PartitionStore } from './partition-store.js';
import type { StepAdmission } from './step-admission.js';
import { decodeOpen, type StepOpening } from './step-messages.js';
import { failureOf, StepSession } from './step-session.js';
import type { SupportStore } from './support-store.js';

export interface StepStreamSettings {
  readonly store: PartitionStore;
  readonly backend: Backend;
  /** absent = proxies are always scanned */
  readonly candidates?: CandidateSearch | undefined;
  /** what steps with support sets name */
  readonly supports: SupportStore;
  readonly admission: StepAdmission;
  readonly metrics: WorkerMetrics;
  /** absent = nothing is traced */
  readonly tracing?: Tracing | undefined;
  readonly log: Logger;
  /** resolves when the peer takes more; rejects when nobody reads */
  readonly write: (response: StepResponse) => Promise<void>;
  /** fires when the worker drains: no new steps, and the stream ends with its last one */
  readonly draining: AbortSignal;
}

export class StepStream {
  readonly #settings: StepStreamSettings;
  readonly #sessions = new Map<number, StepSession>();
  /** Failed steps, oldest first: the rest of what was sent for them is not answered again. */
  readonly #failed = new Set<number>();
  #writing: Promise<void> = Promise.resolve();
  #onIdle: (() => void) | undefined;

  constructor(settings: StepStreamSettings) {
    this.#settings = settings;
  }

  /** Serves until the requests end or break, or the worker has drained; then every step that is left is closed. */
  async serve(requests: AsyncIterable<StepRequest__Output>): Promise<void> {
    const drained = new Promise<void>((resolve) => (this.#onIdle = resolve));
    const onDraining = (): void => this.#checkIdle();
    this.#settings.draining.addEventListener('abort', onDraining);
    onDraining();
    try {
      const reading = this.#read(requests);
      await Promise.race([reading, drained]);
      // A drained stream still waits for its last words to leave; the reader ends with the call.
      reading.catch(() => {});
      await this.#writing;
    } finally {
      this.#settings.draining.removeEventListener('abort', onDraining);
      for (const session of [...this.#sessions.values()]) session.close();
    }
  }

  async #read(requests: AsyncIterable<StepRequest__Output>): Promise<void> {
    for await (const request of requests) this.#take(request);
  }

  #take(request: StepRequest__Output): void {
    const id = request.stepId;
    if (request.open) {
      const open = this.#sessions.get(id);
      if (open) open.fail(argumentError('step_id', 'a number that no open step has', id));
      else this.#open(id, request.open);
      if (request.body === undefined) return;
    }
    const session = this.#sessions.get(id);
    if (request.close) {
      session?.close();
      this.#failed.delete(id);
    } else if (session) {
      if (request.xChunk) this.#settings.metrics.dataPlaneBytes.inc({ direction: 'received' }, request.xChunk.data.length);
      session.handle(request);
    } else if (!this.#failed.has(id)) {
      this.#refuse(id, argumentError('step_id', 'an open step', id));
    }
  }

  #open(id: number, open: OpenStep__Output): void {
    const { store, backend, candidates, supports, admission, metrics, tracing, draining, log } = this.#settings;
    this.#failed.delete(id);
    try {
      if (draining.aborted) throw new GolddiffError('DRAINING', 'The worker is stopping and opens no more steps');
      const { shape, present, spanOf } = store.dataSet(open.dataSet);
      const opening = decodeOpen(open, shape, (sha256) => supports.get(sha256));
      store.checkHeld(open.dataSet, open.epoch, opening.partitions);
      const leave = admission.enter(stateBytes(opening, backend.computeThreads));
      const showOpen = (): void => {
        metrics.openSteps.set(admission.openSteps);
        metrics.openStepBytes.set(admission.openBytes);
      };
      showOpen();
      const session = new StepSession({
        opening,
        present,
        spanOf,
        backend,
        shape,
        candidates,
        send: (reply) => this.#send({ stepId: id, ...reply }),
        onEnd: (outcome, failure) => {
          leave();
          showOpen();
          metrics.steps.inc({ outcome });
          this.#sessions.delete(id);
          if (failure) {
            this.#remember(id);
            const level = failure.code === 'INTERNAL' ? 'error' : 'warn';
            log[level]({ requestId: open.requestId, stepId: id, code: failure.code, err: failure.cause }, failure.message);
          }
          this.#checkIdle();
        },
        onCompute: (phase, seconds, span) => observeTraced(metrics.computeSeconds, { phase }, seconds, span),
        // Only what was asked under a trace: a worker begins none of its own.
        startSpan: (name, traceparent) =>
          traceparent === '' ? undefined : tracing?.start(name, 'server', traceparent, { requestId: open.requestId }),
        onRows: (stage, rows) => metrics.rowsScored.inc({ stage }, rows),
        onSent: (bytes) => metrics.dataPlaneBytes.inc({ direction: 'sent' }, bytes),
      });
      this.#sessions.set(id, session);
      metrics.dataPlaneBytes.inc({ direction: 'received' }, open.x.length);
      session.begin(open.x);
    } catch (thrown) {
      this.#refuse(id, asGolddiffError(thrown), open.requestId);
    }
  }

  #refuse(id: number, error: GolddiffError, requestId?: string): void {
    this.#settings.metrics.steps.inc({ outcome: 'failed' });
    this.#settings.log.warn({ requestId, stepId: id, code: error.code }, error.message);
    this.#remember(id);
    this.#send({ stepId: id, failure: failureOf(error) }).catch(() => {});
  }

  #remember(id: number): void {
    this.#failed.add(id);
    if (this.#failed.size > ENDED_STEPS_REMEMBERED) {
      const [oldest] = this.#failed;
      if (oldest !== undefined) this.#failed.delete(oldest);
    }
  }

  /** One message at a time, so that a peer that does not read holds each step at its next reply. */
  #send(response: StepResponse): Promise<void> {
    const sent = this.#writing.then(() => this.#settings.write(response));
    this.#writing = sent.catch(() => {});
    return sent;
  }

  #checkIdle(): void {
    if (this.#settings.draining.aborted && this.#sessions.size === 0) this.#onIdle?.();
  }
}

/** Bytes of the queries, and of the partials of groups that are held at once while they are merged. */
function stateBytes({ batch, rowValues, partitions, queries }: StepOpening, computeThreads: number): number {
  const partials = Math.min(partitions.length, GROUPS_PER_THREAD * computeThreads + Math.ceil(Math.log2(partitions.length + 1)));
  const groups = queries.precision === undefined ? 0 : partials * groupedBytes(batch, queries.precision.groups, rowValues);
  return batch * rowValues * 8 + groups;
}
