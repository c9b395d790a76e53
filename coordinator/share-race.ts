/**
 * One question of a step to whoever answers for some partitions: the worker that has them, and those that are asked as well because it is late, or instead because it
 * failed. The first whole answer counts. Whoever else is still at it is told to stop: workers give the compute back within about a millisecond.
 */

import { asGolddiffError, type GolddiffError } from '../shared/errors.js';
import type { WorkerLink } from './worker-link.js';
import type { WorkerStep } from './worker-step.js';

/** A worker in a step, with its partitions. */
export interface Runner {
  readonly step: WorkerStep;
  readonly link: WorkerLink;
  /** the step has been opened there */
  open?: boolean;
}

/** The error of one worker: whoever planned the attempt may go elsewhere. */
export class WorkerFailure extends Error {
  override readonly name = 'WorkerFailure';
  constructor(
    readonly workerId: string,
    readonly error: GolddiffError,
    readonly link: WorkerLink,
    readonly partitions: readonly number[],
  ) {
    super(error.message, { cause: error });
  }
}

export interface RaceHost {
  /** Runners for all partitions of `holder`, when the last one at work on them has failed; undefined = the failure counts. */
  replace(failure: WorkerFailure, holder: Runner): readonly Runner[] | undefined;
}

export class ShareRace<T> {
  /** With the answers of all runners that won, or with the last WorkerFailure. */
  readonly result: Promise<T[]>;
  /** who answered, or the first while nobody has */
  winners: readonly Runner[];
  settled = false;
  hedged = false;
  /** a hedge was due, and could not be made */
  denied = false;
  /** how the first worker came to its end */
  first: 'asked' | 'answered' | 'failed' | 'given up' = 'asked';
  readonly #running = new Set<readonly Runner[]>();
  #resolve: (found: T[]) => void = () => {};
  #reject: (failure: unknown) => void = () => {};

  constructor(
    readonly runner: Runner,
    private readonly ask: (runner: Runner) => Promise<T>,
    private readonly host: RaceHost,
  ) {
    this.winners = [runner];
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#start(this.winners);
  }

  /** Asks these as well; they hold the same partitions. */
  hedge(team: readonly Runner[]): void {
    this.hedged = true;
    this.#start(team);
  }

  close(reason?: GolddiffError): void {
    for (const team of this.#running) closeAll(team, reason);
  }

  #start(team: readonly Runner[]): void {
    this.#running.add(team);
    const [only, another] = team;
    const answers =
      another === undefined ? this.#answerOf(only!).then((found) => [found]) : Promise.all(team.map((runner) => this.#answerOf(runner)));
    answers.then(
      (found) => this.#won(team, found),
      (failure: WorkerFailure) => this.#failed(team, failure),
    );
  }

  async #answerOf(runner: Runner): Promise<T> {
    try {
      return await this.ask(runner);
    } catch (thrown) {
      throw new WorkerFailure(runner.step.workerId, asGolddiffError(thrown), runner.link, runner.step.partitions);
    }
  }

  #won(team: readonly Runner[], found: T[]): void {
    if (this.settled) return;
    this.settled = true;
    this.#running.delete(team);
    if (this.first === 'asked') this.first = team.includes(this.runner) ? 'answered' : 'given up';
    for (const other of this.#running) closeAll(other);
    this.winners = team;
    this.#resolve(found);
  }

  #failed(team: readonly Runner[], failure: WorkerFailure): void {
    this.#running.delete(team);
    closeAll(team);
    if (this.settled) return;
    if (team.includes(this.runner)) this.first = 'failed';
    else this.hedged = false;
    if (this.#running.size > 0) return;
    const next = this.host.replace(failure, this.runner);
    if (next !== undefined) return this.#start(next);
    this.settled = true;
    this.#reject(failure);
  }
}

function closeAll(team: readonly Runner[], reason?: GolddiffError): void {
  for (const { step } of team) step.close(reason);
}
