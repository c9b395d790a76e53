/** Mean and covariance of a data set, and the SPD solve behind the PCA mask, against numpy in double. */

import { digits, generatedPictures } from './bench-data.js';
import { capped, dropFrom, loadInto, settle, type BenchContext } from './bench-context.js';
import { roundedSpread } from './exact.js';
import type { StatisticsReply, StatisticsRequest } from './requests.js';
import { noiseLevelAt } from '../../../shared/math/noise-schedule.js';
import { ratioOf, shownSpread, spread, threeDigits } from './spread.js';
import type { Requirement, Section } from './tables.js';

const LEVEL = 500;
/** "Well under a second" and "some seconds" of the requirement, as numbers. */
const LIMITS_MS: Readonly<Record<number, number>> = { 784: 1_000, 3072: 10_000 };

export async function benchStatistics(context: BenchContext): Promise<Section> {
  const { flags, folder, contestants } = context;
  const notes: string[] = [];
  const rows: string[][] = [];
  const results: object[] = [];
  const requirements: Requirement[] = [];
  // The system's numpy with OpenBLAS is the one that Debian users have; one rival is enough here, and the slowest part of the run.
  const rival = contestants.rivals.find(({ kind }) => kind === 'numpy');
  const { alpha, sigma } = noiseLevelAt('DDPM_LINEAR', LEVEL);
  const sets = [() => digits(folder, capped(flags, 60_000)), () => generatedPictures(folder, capped(flags, 50_000))];
  for (const make of sets) {
    const set = await make();
    const processes = [contestants.engine, ...(rival ? [rival.process] : [])];
    await loadInto(processes, set, flags.partitions);
    const replies = new Map<string, StatisticsReply[]>();
    const rounds = Math.min(flags.rounds, set.dim > 1_000 ? 2 : 3);
    for (let round = 0; round < rounds; round++)
      for (const one of processes) {
        if (round > 0 && !replies.has(one.name)) continue;
        await settle();
        const request: StatisticsRequest = { op: 'statistics', set: set.name, alpha, sigma, repeats: 1, budgetMs: 0 };
        try {
          replies.set(one.name, [...(replies.get(one.name) ?? []), await one.request<StatisticsReply>(request)]);
        } catch (error) {
          notes.push(error instanceof Error ? error.message : String(error));
        }
      }
    const [own, other] = [replies.get(contestants.engine.name), rival && replies.get(rival.process.name)];
    for (const [job, pick] of [
      ['mean and covariance', (reply: StatisticsReply) => reply.covarianceMs],
      ['SPD solve, D right sides', (reply: StatisticsReply) => reply.solveMs],
    ] as const) {
      if (own === undefined) continue;
      const ownMs = spread(own.flatMap(pick));
      const otherMs = other && spread(other.flatMap(pick));
      // Symmetric product: half of n D^2. Solve with D right sides: a third of D^3 to factor, D^3 to substitute.
      const multiplyAdds = job.startsWith('mean') ? (set.rows * set.dim ** 2) / 2 : (4 / 3) * set.dim ** 3;
      rows.push([
        set.name,
        String(set.dim),
        job,
        shownSpread(ownMs),
        threeDigits(multiplyAdds / ownMs.median / 1e6),
        otherMs === undefined ? '-' : shownSpread(otherMs),
        otherMs === undefined ? '-' : threeDigits(ratioOf(otherMs, ownMs)),
      ]);
      results.push({
        set: set.name,
        rows: set.rows,
        dim: set.dim,
        job,
        engineMs: roundedSpread(ownMs),
        rival: rival?.process.name,
        rivalMs: otherMs && roundedSpread(otherMs),
      });
      const limit = LIMITS_MS[set.dim];
      if (limit !== undefined) requirements.push({ name: `statistics D = ${set.dim}, ${job}, ms`, measured: ownMs.median, limit, wanted: 'at most' });
    }
    if (own && other) {
      const [a, b] = [own[0]!, other[0]!];
      notes.push(
        `D = ${set.dim}: traces agree with numpy to ${relative(a.trace, b.trace)} (covariance) and ${relative(a.inverseTrace, b.inverseTrace)} (inverse)`,
      );
    }
    await dropFrom(processes, set);
    context.progress(`statistics D = ${set.dim} done`);
  }
  const headings = ['rows', 'D', 'job', 'engine ms', 'G multiply-adds/s', 'numpy ms', 'numpy / engine'];
  return { tables: [{ title: 'Statistics in double', headings, rows }], requirements, notes: [...new Set(notes)], results };
}

function relative(a: number, b: number): string {
  return (Math.abs(a - b) / Math.abs(b)).toExponential(0);
}
