/**
 * Steps of the pca denoiser over the ten levels of the paper's sampler: GoldDiff (paper, pool of k_max) and exact. One rival: the public algorithm in torch, with a
 * dense mask. Floors: reading the rows that are scored, and a float32 multiply-add for each of them and each value that votes.
 */

import path from 'node:path';

import { digits, generatedPictures, queriesAt, type RowSet } from './bench-data.js';
import { capped, dropFrom, interleave, loadInto, loadRivals, repeatsOf, type BenchContext, type Entrant, type Measured } from './bench-context.js';
import { largestDifference, roundedSpread } from './exact.js';
import { floorMs } from './floors.js';
import type { ExactReply, GoldenReply, MaskReply, MaskRequest, PcaRequest } from './requests.js';
import { proxyGeometry } from '../../../shared/math/proxy.js';
import { ratioOf, shownSpread, spread, threeDigits } from './spread.js';
import type { Requirement, Section } from './tables.js';

const BATCH = 8;
const LEVELS = [900, 800, 700, 600, 500, 400, 300, 200, 100, 0];
const GOLDEN = 'golden';
const EXACT = 'exact';
/** Mean of the ten golden steps on the digits, on two AVX-512 cores. */
const GOLDEN_MS_MAX = 40;

interface Case {
  readonly make: (context: BenchContext) => Promise<RowSet>;
  readonly threshold: number;
  readonly kMin: number;
  readonly kMax: number;
  readonly levels: readonly number[];
  /** of them: an exact step takes ten times as long */
  readonly exactLevels: readonly number[];
}

const CASES: readonly Case[] = [
  {
    make: ({ flags, folder }) => digits(folder, capped(flags, 60_000)),
    threshold: 0.02,
    kMin: 3_000,
    kMax: 6_000,
    levels: LEVELS,
    exactLevels: [900, 500, 300, 0],
  },
  {
    make: ({ flags, folder }) => generatedPictures(folder, capped(flags, 50_000)),
    threshold: 0.03,
    kMin: 2_500,
    kMax: 5_000,
    levels: [900, 500, 0],
    exactLevels: [900, 0],
  },
];

type Reply = ExactReply | GoldenReply;

export async function benchPca(context: BenchContext): Promise<Section> {
  const { flags, folder, contestants } = context;
  const notes: string[] = [];
  const note = (sentence: string): void => void notes.push(sentence);
  const rows: string[][] = [];
  const results: object[] = [];
  const requirements: Requirement[] = [];
  const floatsPerMs = (await contestants.floors?.floatProductsPerMs()) ?? 0;
  for (const { make, threshold, levels, exactLevels, ...wish } of CASES) {
    const set = await make(context);
    const kMin = Math.min(wish.kMin, Math.ceil(set.rows / 20));
    const kMax = Math.min(wish.kMax, Math.ceil(set.rows / 10));
    await loadInto([contestants.engine], set, flags.partitions);
    const rivals = await loadRivals(contestants.rivals, set, note);
    const read = await contestants.floors?.readMs(set.rows * set.dim);
    const goldenMs: number[] = [];
    for (const t of levels) {
      const query = await queriesAt(folder, set, t);
      const files = { supports: path.join(folder, `${set.name}-t${t}.supports`), mask: path.join(folder, `${set.name}-t${t}-mask.npy`) };
      const level = { alpha: query.alpha, sigma: query.sigma };
      const mask = await contestants.engine.request<MaskReply>({ op: 'mask', set: set.name, ...level, threshold, ...files } satisfies MaskRequest);
      const common = { set: set.name, queries: query.file, batch: BATCH, ...level, ...repeatsOf(flags), wantAnswer: true };
      const engine = (name: string, request: object): Entrant<Reply> => ({
        name,
        timesOf: (reply) => reply.times,
        run: () => contestants.engine.request<Reply>({ ...common, supports: files.supports, ...request }),
      });
      const entrants = [engine(GOLDEN, { op: 'golden', kMin, kMax, candidatePool: kMax, kFixed: 0, search: 'scan' })];
      if (exactLevels.includes(t)) entrants.push(engine(EXACT, { op: 'exact', warmUp: 0, wantAnswer: false }));
      const measured: Measured<Reply>[] = [];
      for (const entrant of entrants) measured.push(...(await interleave([entrant], flags.rounds, note)));
      const golden = measured.find(({ name }) => name === GOLDEN);
      if (golden === undefined || !('pool' in golden.first)) continue;
      goldenMs.push(spread(golden.times).median);
      const { pool, subset } = golden.first;
      const { factor } = proxyGeometry(set.shape, 0);
      const asked: PcaRequest = { op: 'pca', ...common, mask: files.mask, shape: set.shape, factor, pool, subset };
      const peers = await interleave(
        rivals.map((rival): Entrant<Reply> => ({
          name: rival.process.name,
          timesOf: (reply) => reply.times,
          run: () => rival.process.request<ExactReply>({ ...asked, repeats: 2, warmUp: 0 }),
        })),
        1,
        note,
      );
      for (const { name, times, replies, first } of measured) {
        const scored = name === EXACT ? set.rows : subset;
        const floor =
          read === undefined || floatsPerMs === 0
            ? NaN
            : floorMs(
                { bytes: BATCH * scored * set.dim, products: BATCH * scored * (mask.entries + set.dim) },
                { bytesPerMs: (set.rows * set.dim) / read.median, productsPerMs: floatsPerMs },
              );
        const own = spread(times);
        const peer = name === GOLDEN ? peers[0] : undefined;
        const phases = Object.keys(first.phases ?? {}).map(
          (phase) => [phase, spread(replies.flatMap((reply) => reply.phases?.[phase] ?? [])).median] as const,
        );
        rows.push([
          set.name,
          String(t),
          name,
          String(scored),
          threeDigits(mask.entries / set.dim),
          threeDigits(mask.runs / set.dim),
          shownSpread(own),
          Number.isNaN(floor) ? '-' : threeDigits(floor),
          peer === undefined ? '-' : threeDigits(spread(peer.times).median),
          peer === undefined ? '-' : threeDigits(ratioOf(spread(peer.times), own)),
          peer === undefined ? '-' : largestDifference(first.x0hat, peer.first.x0hat).toExponential(0),
          phases.map(([phase, ms]) => `${phase} ${threeDigits(ms)}`).join(', '),
        ]);
        results.push({
          set: set.name,
          t,
          name,
          rows: scored,
          entries: mask.entries,
          runs: mask.runs,
          ms: roundedSpread(own),
          floorMs: floor,
          rivalMs: peer && roundedSpread(spread(peer.times)),
          phases: Object.fromEntries(phases),
        });
      }
      context.progress(`pca ${set.name} t = ${t} done`);
    }
    const mean = goldenMs.reduce((sum, ms) => sum + ms, 0) / goldenMs.length;
    note(
      `${set.name}: golden step ${threeDigits(mean)} ms in the mean of medians over ${goldenMs.length} levels, k ${kMin}..${kMax}, threshold ${threshold}`,
    );
    if (set.dim === 784)
      requirements.push({ name: `golden pca step, ${set.name}, mean over levels, ms`, measured: mean, limit: GOLDEN_MS_MAX, wanted: 'at most' });
    await dropFrom([contestants.engine, ...rivals.map((rival) => rival.process)], set);
  }
  const headings = [
    'rows',
    't',
    'step',
    'scored',
    'votes',
    'runs',
    'ms',
    'floor ms',
    'torch ms',
    'torch / this',
    'x0hat off torch',
    'phases, median ms',
  ];
  const title = `pca steps, B = ${BATCH} (votes and runs: of one value's mask; floor: rows read once by each query, one float32 multiply-add for each vote)`;
  return { tables: [{ title, headings, rows }], requirements, notes: [...new Set(notes)], results };
}
