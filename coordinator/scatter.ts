/**
 * The workers of one attempt at a step, and the rounds of questions that are put to all of them.
 *
 * Every request of a step carries the cuts and sums that it needs, so a replica that has only been sent the open and x can answer any of them: a share of the partitions
 * may change hands at every round, and its new holder has it for the rest of the step. Two ways lead there:
 *
 *   hedge   the answer is later than such answers are, and a token is left: another replica is asked as well, the first whole answer counts (hedging.ts)
 *   retry   the worker failed: another replica is asked instead, at once
 *
 * Partials are merged along the one tree whoever computed them, so that the answer has the same bits. One thing a worker knows that its requests do not say: which
 * candidates an index found. Its share stays with it (WorkerStep.usedIndex), and with its loss the attempt starts over.
 *
 * Where all is well a round costs a timer and a few small objects more than asking all and waiting.
 */

import type { ErrorCode, GolddiffError } from '../shared/errors.js';
import { abortReason } from './admission-queue.js';
import type { Span } from '../shared/tracing.js';
import type { Hedging, ShareTime } from './hedging.js';
import type { RoundStage } from './round-times.js';
import { ShareRace, type RaceHost, type Runner, type WorkerFailure } from './share-race.js';
import type { WorkerLink } from './worker-link.js';
import type { WorkerStep } from './worker-step.js';

/** Partitions of one worker in this attempt. */
export interface Assignment {
  readonly link: WorkerLink;
  /** ascending, at least one */
  readonly partitions: readonly number[];
}

/** Other workers that hold all of the partitions at the same placement, none of them in `avoid`; undefined where there are none for some. */
export type Elsewhere = (partitions: readonly number[], avoid: ReadonlySet<string>) => readonly Assignment[] | undefined;

/** What another worker might do better at the same placement. */
export const TAKEN_OVER: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['WORKER_LOST', 'TLS_FAILED', 'PARTITION_MISSING', 'DRAINING']);

export interface ScatterSettings {
  readonly assignments: readonly Assignment[];
  readonly elsewhere?: Elsewhere | undefined;
  readonly hedging?: Hedging | undefined;
  /** see roundKind */
  readonly kind: string;
  readonly newStep: (assignment: Assignment) => WorkerStep;
  /** sends what comes before the first request */
  readonly open: (step: WorkerStep, link: WorkerLink) => Promise<void>;
  readonly signal: AbortSignal;
  /** what a round is part of, where it is traced */
  readonly span?: () => Span | undefined;
  /** a hedge was faster than this worker */
  readonly onGivenUp?: ((workerId: string) => void) | undefined;
  /** a worker failed, and others took over */
  readonly onTakenOver?: ((failure: WorkerFailure) => void) | undefined;
}

export class Scatter implements RaceHost {
  #runners: readonly Runner[];
  #races: readonly Omit<ShareRace<unknown>, 'result'>[] = [];
  /** workers that failed or were slow in this attempt */
  readonly #avoided = new Set<string>();
  #closed = false;

  constructor(private readonly settings: ScatterSettings) {
    this.#runners = inOrder(settings.assignments.map((assignment) => this.#runner(assignment)));
  }

  /** Of the slowest worker that answered last, so far. */
  get computeMs(): number {
    return Math.max(...this.#runners.map(({ step }) => step.computeMs));
  }

  /**
   * Puts a question to every worker, and gives the answers of whoever came to answer it, one for each, in ascending order of their first partitions.
   * @throws WorkerFailure; what the signal was aborted with
   */
  async round<T>(stage: RoundStage, ask: (step: WorkerStep) => Promise<T>): Promise<T[]> {
    const { hedging, signal } = this.settings;
    const asked = this.#runners;
    const kind = `${stage} ${this.settings.kind}`;
    const startedMs = performance.now();
    const times: ShareTime[] = [];
    const span = this.settings.span?.()?.child(`round ${stage}`, { workers: asked.length });
    const races = asked.map((runner) => {
      const before = runner.step.requests;
      const race = new ShareRace(runner, (each) => this.#ask(each, ask, span), this);
      const note = (): void => {
        if (runner.step.requests === before || race.first === 'failed') return;
        times.push({ workerId: runner.step.workerId, ms: performance.now() - startedMs, givenUp: race.first === 'given up' });
        if (race.first === 'given up') this.#gaveUp(runner);
      };
      return { race, done: hedging === undefined ? race.result : race.result.then((found) => (note(), found)) };
    });
    this.#races = races.map(({ race }) => race);
    const delayMs = hedging?.delayMs(kind, asked.length);
    const watch = delayMs === undefined ? undefined : setInterval(() => this.#look(), delayMs);
    try {
      const found = await Promise.all(races.map(({ done }) => done));
      hedging?.note(kind, times, performance.now(), stage);
      if (this.#races.some(({ winners }, i) => winners[0] !== asked[i])) this.#runners = inOrder(this.#races.flatMap(({ winners }) => winners));
      span?.end();
      return found.flat();
    } catch (thrown) {
      span?.end(thrown);
      throw signal.aborted ? abortReason(signal) : thrown;
    } finally {
      clearInterval(watch);
    }
  }

  /** Ends the step on every worker. Idempotent. */
  close(reason?: GolddiffError): void {
    this.#closed = true;
    for (const race of this.#races) race.close(reason);
    for (const { step } of this.#runners) step.close(reason);
    for (const { winners } of this.#races) for (const { step } of winners) step.close(reason);
  }

  replace(failure: WorkerFailure, { step }: Runner): readonly Runner[] | undefined {
    this.#avoided.add(failure.workerId);
    if (this.#closed || this.settings.signal.aborted || step.usedIndex || !TAKEN_OVER.has(failure.error.code)) return undefined;
    const team = this.settings.elsewhere?.(step.partitions, this.#avoided);
    if (team === undefined) return undefined;
    this.settings.onTakenOver?.(failure);
    return team.map((assignment) => this.#runner(assignment));
  }

  /** Some answers are late. */
  #look(): void {
    const { hedging, elsewhere } = this.settings;
    const waiting = this.#races.filter((race) => !race.settled);
    // Where most are late the round is a long one. A single worker has nobody to be compared with.
    if (this.#races.length > 1 && 2 * waiting.length > this.#races.length) return;
    for (const race of waiting) {
      const { step } = race.runner;
      if (race.hedged || step.usedIndex) continue;
      const team = elsewhere?.(step.partitions, new Set([...this.#avoided, step.workerId]));
      if (team !== undefined && hedging?.take() === true) race.hedge(team.map((assignment) => this.#runner(assignment)));
      else if (!race.denied) {
        race.denied = true;
        hedging?.denied(team === undefined ? 'replicas' : 'budget');
      }
    }
  }

  #gaveUp({ step }: Runner): void {
    this.#avoided.add(step.workerId);
    this.settings.hedging?.won();
    this.settings.onGivenUp?.(step.workerId);
  }

  #runner(assignment: Assignment): Runner {
    return { step: this.settings.newStep(assignment), link: assignment.link };
  }

  #ask<T>(runner: Runner, ask: (step: WorkerStep) => Promise<T>, span: Span | undefined): Promise<T> {
    runner.step.traceparent = span?.traceparent;
    return runner.open ? ask(runner.step) : this.#openAndAsk(runner, ask);
  }

  async #openAndAsk<T>(runner: Runner, ask: (step: WorkerStep) => Promise<T>): Promise<T> {
    await this.settings.open(runner.step, runner.link);
    runner.open = true;
    return ask(runner.step);
  }
}

function inOrder(runners: readonly Runner[]): readonly Runner[] {
  return [...runners].sort((a, b) => a.step.partitions[0]! - b.step.partitions[0]!);
}
