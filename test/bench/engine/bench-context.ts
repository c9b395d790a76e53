/** What every sub-benchmark gets, and the interleaving of rounds that they share. */

import type { Contestants, Rival } from './contestants.js';
import type { LineProcess } from './line-process.js';
import type { MeasuredBackend } from './open-backend.js';
import type { LoadRequest, Repeats } from './requests.js';
import type { RowSet } from './bench-data.js';

export interface BenchFlags {
  readonly backend: MeasuredBackend;
  readonly threads: number;
  readonly rounds: number;
  /** of the rows in one process */
  readonly partitions: number;
  /** of one contestant in one round, in milliseconds */
  readonly budget: number;
  /** caps every set: for trying the bench out; undefined = full size */
  readonly rows?: number;
  readonly batches: readonly number[];
  readonly install: boolean;
}

export interface BenchContext {
  readonly flags: BenchFlags;
  /** for data; gone after the run */
  readonly folder: string;
  readonly contestants: Contestants;
  readonly progress: (line: string) => void;
}

/** BLAS threads spin for a while after their last product; the next contestant must not share the cores with them. */
const SETTLE_MS = 120;
const REPEATS_MAX = 30;

export function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}

export function repeatsOf(flags: BenchFlags): Repeats {
  return { repeats: REPEATS_MAX, budgetMs: flags.budget };
}

/** Rows of a set under the cap. */
export function capped(flags: BenchFlags, rows: number): number {
  return Math.min(rows, flags.rows ?? rows);
}

export interface Entrant<T> {
  readonly name: string;
  readonly run: () => Promise<T>;
  readonly timesOf: (reply: T) => readonly number[];
}

export interface Measured<T> {
  readonly name: string;
  readonly times: number[];
  /** of the first round */
  readonly first: T;
  readonly replies: T[];
}

/** After the first round a rival that is so many times slower than the fastest rival runs no more: its figure is clear. */
const OUTCLASSED = 2;

/** Rounds over all entrants in turn, so that what else the machine does falls on all alike. One that fails is told and left out. */
export async function interleave<T>(
  entrants: readonly Entrant<T>[],
  rounds: number,
  onFailure: (sentence: string) => void,
  pause = settle,
): Promise<Measured<T>[]> {
  const measured = new Map<string, Measured<T>>();
  const out = new Set<string>();
  for (let round = 0; round < rounds; round++) {
    for (const { name, run, timesOf } of entrants) {
      if (out.has(name)) continue;
      await pause();
      try {
        const reply = await run();
        const known = measured.get(name);
        if (known === undefined) measured.set(name, { name, times: [...timesOf(reply)], first: reply, replies: [reply] });
        else {
          known.times.push(...timesOf(reply));
          known.replies.push(reply);
        }
      } catch (error) {
        out.add(name);
        onFailure(error instanceof Error ? error.message : String(error));
      }
    }
    // The first is the one that all others are compared with: it runs in every round, and outclasses nobody.
    const others = [...measured.values()].filter(({ name }) => name !== entrants[0]?.name);
    const best = Math.min(...others.map(({ times }) => Math.min(...times)));
    for (const { name, times } of others) if (Math.min(...times) > best * OUTCLASSED) out.add(name);
  }
  return [...measured.values()];
}

export async function loadInto(processes: readonly LineProcess[], set: RowSet, partitions: number): Promise<void> {
  const request: LoadRequest = { op: 'load', set: set.name, file: set.file, shape: set.shape, rows: set.rows, partitions };
  for (const one of processes) await one.request(request);
}

/** The rivals that took the rows; one that cannot is told and left out. */
export async function loadRivals(rivals: readonly Rival[], set: RowSet, onFailure: (sentence: string) => void): Promise<Rival[]> {
  const loaded: Rival[] = [];
  for (const rival of rivals) {
    try {
      await loadInto([rival.process], set, 0);
      loaded.push(rival);
    } catch (error) {
      onFailure(error instanceof Error ? error.message : String(error));
    }
  }
  return loaded;
}

export async function dropFrom(processes: readonly LineProcess[], set: RowSet): Promise<void> {
  for (const one of processes) await one.request({ op: 'drop', set: set.name });
}
