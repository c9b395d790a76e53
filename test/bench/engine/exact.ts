/** The exact step of the optimal denoiser against two float32 matrix products with a softmax between, and against what the machine allows. */

import { GolddiffError } from '../../../shared/errors.js';
import { digits, generatedPictures, queriesAt, type QueryFile, type RowSet } from './bench-data.js';
import { capped, dropFrom, interleave, loadInto, loadRivals, repeatsOf, type BenchContext, type Entrant, type Measured } from './bench-context.js';
import type { Rival } from './contestants.js';
import { floorMs } from './floors.js';
import type { ExactReply, ExactRequest } from './requests.js';
import { ratioOf, rounded, shownSpread, spread, threeDigits, type Spread } from './spread.js';
import type { Requirement, Section, Table } from './tables.js';

const DIGITS = 60_000;
const PICTURES = 50_000;
/** All rows matter at 900; one at 0. */
const LEVELS_ONE = [900, 0];
const LEVELS_MANY = [900, 500, 0];
/** TensorFlow.js takes seconds a step and 2 GB at most: it is measured once a batch, on the smaller rows. */
const TFJS_VALUES_MAX = 60_000 * 784;
const TFJS_BATCH_MAX = 16;

/** Under this a floor says nothing: one hop between threads costs as much. */
const FLOOR_MS_MIN = 0.05;

interface Case {
  readonly set: RowSet;
  readonly batch: number;
  readonly query: QueryFile;
  readonly engine: Measured<ExactReply>;
  /** fastest first */
  readonly rivals: Measured<ExactReply>[];
  /** one read of the slice by all cores, milliseconds */
  readonly read: Spread | undefined;
  readonly productsPerMs: number;
  /** largest difference of x0hat from the fastest rival's */
  readonly difference: number;
}

export async function benchExact(context: BenchContext): Promise<Section> {
  const { flags, folder, contestants } = context;
  const notes: string[] = [];
  const cases: Case[] = [];
  const note = (sentence: string): void => void notes.push(sentence);
  const makers = [() => digits(folder, capped(flags, DIGITS)), () => generatedPictures(folder, capped(flags, PICTURES))];
  for (const make of makers) {
    const set = await make();
    await loadInto([contestants.engine], set, flags.partitions);
    const able = contestants.rivals.filter(({ kind }) => kind !== 'tfjs' || set.rows * set.dim <= TFJS_VALUES_MAX);
    const rivals = await loadRivals(able, set, note);
    for (const batch of flags.batches)
      for (const t of batch === 1 ? LEVELS_ONE : LEVELS_MANY) {
        const slow = t !== LEVELS_MANY[0] || batch > TFJS_BATCH_MAX;
        const taking = rivals.filter(({ kind }) => kind !== 'tfjs' || !slow);
        cases.push(await measure(context, set, batch, await queriesAt(folder, set, t), taking, note));
        context.progress(`exact ${set.name} B = ${batch} t = ${t} done`);
      }
    await dropFrom([contestants.engine, ...rivals.map((rival) => rival.process)], set);
  }
  return {
    tables: [mainTable(cases), phaseTable(cases)],
    requirements: requirementsOf(cases, flags.batches),
    notes: [...new Set(notes)],
    results: cases.map(resultOf),
  };
}

async function measure(
  context: BenchContext,
  set: RowSet,
  batch: number,
  query: QueryFile,
  rivals: readonly Rival[],
  note: (sentence: string) => void,
): Promise<Case> {
  const { flags, contestants } = context;
  const layouts = new Map<string, string>();
  const request = (name: string, first: boolean): ExactRequest => ({
    op: 'exact',
    set: set.name,
    queries: query.file,
    batch,
    alpha: query.alpha,
    sigma: query.sigma,
    ...repeatsOf(flags),
    ...(layouts.has(name) && { layout: layouts.get(name)! }),
    ...(first && { wantAnswer: true }),
  });
  const entrant = (name: string, ask: (request: ExactRequest) => Promise<ExactReply>): Entrant<ExactReply> => {
    let first = true;
    return {
      name,
      timesOf: (reply) => reply.times,
      run: async () => {
        const reply = await ask(request(name, first));
        first = false;
        if (reply.layout !== undefined) layouts.set(name, reply.layout);
        return reply;
      },
    };
  };
  const entrants = [contestants.engine, ...rivals.map((rival) => rival.process)].map((one) =>
    entrant(one.name, (asked) => one.request<ExactReply>(asked)),
  );
  const read = await contestants.floors?.readMs(set.rows * set.dim);
  const productsPerMs = (await contestants.floors?.productsPerMs()) ?? 0;
  const [engine, ...others] = await interleave(entrants, flags.rounds, note);
  if (engine?.name !== contestants.engine.name) throw new GolddiffError('INTERNAL', 'The engine failed a step that it was to be measured by');
  const byMedian = others.sort((a, b) => spread(a.times).median - spread(b.times).median);
  return {
    set,
    batch,
    query,
    engine,
    rivals: byMedian,
    read,
    productsPerMs,
    difference: largestDifference(engine.first.x0hat, byMedian[0]?.first.x0hat),
  };
}

export function largestDifference(a: readonly number[] | undefined, b: readonly number[] | undefined): number {
  if (a === undefined || b === undefined) return NaN;
  return a.reduce((worst, value, i) => Math.max(worst, Math.abs(value - b[i]!)), 0);
}

function mainTable(cases: readonly Case[]): Table {
  const rows = cases.map(({ set, batch, query, engine, rivals, read, difference }) => {
    const own = spread(engine.times);
    const best = rivals[0];
    const others = rivals.slice(1).map(({ name, times }) => `${name} ${threeDigits(spread(times).median)}`);
    return [
      set.name,
      String(batch),
      String(query.t),
      shownSpread(own),
      best === undefined ? '-' : shownSpread(spread(best.times)),
      best?.name ?? '-',
      best === undefined ? '-' : threeDigits(ratioOf(spread(best.times), own)),
      read === undefined ? '-' : threeDigits(read.median),
      read === undefined ? '-' : threeDigits(ratioOf(own, read)),
      Number.isNaN(difference) ? '-' : difference.toExponential(0),
      others.length === 0 ? '-' : others.join(', '),
    ];
  });
  const headings = [
    'rows',
    'B',
    't',
    'engine ms',
    'best rival ms',
    'rival',
    'rival / engine',
    'read once ms',
    'engine / read',
    'x0hat off rival',
    'other rivals, median ms',
  ];
  return { title: 'Exact optimal step (minimum / median / maximum)', headings, rows };
}

interface PhaseFloor {
  readonly phase: string;
  readonly ms: Spread;
  /** NaN where it is unknown */
  readonly floorMs: number;
}

/** Logits must read every row once and do a product for every pixel and query; sums as much for the rows that matter. */
function phasesOf({ set, batch, engine, read, productsPerMs }: Case): PhaseFloor[] {
  const names = Object.keys(engine.first.phases ?? {});
  const matter = engine.first.rowsThatMatter;
  const bytes = set.rows * set.dim;
  return names.map((phase) => {
    const ms = spread(engine.replies.flatMap((reply) => reply.phases?.[phase] ?? []));
    if (read === undefined) return { phase, ms, floorMs: NaN };
    const speed = { bytesPerMs: bytes / read.median, productsPerMs };
    if (phase === 'logits') return { phase, ms, floorMs: floorMs({ bytes, products: bytes * batch }, speed) };
    if (phase !== 'weighted sums' || matter === undefined) return { phase, ms, floorMs: NaN };
    const most = Math.max(...matter);
    return { phase, ms, floorMs: floorMs({ bytes: most * set.dim, products: matter.reduce((sum, rows) => sum + rows, 0) * set.dim }, speed) };
  });
}

function phaseTable(cases: readonly Case[]): Table {
  const rows = cases.flatMap((one) =>
    phasesOf(one).map(({ phase, ms, floorMs: floor }) => [
      one.set.name,
      String(one.batch),
      String(one.query.t),
      phase,
      shownSpread(ms),
      Number.isNaN(floor) ? '-' : floor < FLOOR_MS_MIN ? `< ${FLOOR_MS_MIN}` : threeDigits(floor),
      floor >= FLOOR_MS_MIN ? threeDigits(ms.median / floor) : '-',
    ]),
  );
  return {
    title: 'Where the time goes, and the floor of each phase (bytes / memory speed or products / 8-bit peak)',
    headings: ['rows', 'B', 't', 'phase', 'ms', 'floor ms', 'ratio'],
    rows,
  };
}

function requirementsOf(cases: readonly Case[], batches: readonly number[]): Requirement[] {
  const out: Requirement[] = [];
  const atLeast = (name: string, limit: number, chosen: readonly Case[]): void => {
    const ratios = chosen.flatMap(({ engine, rivals }) => (rivals[0] === undefined ? [] : [ratioOf(spread(rivals[0].times), spread(engine.times))]));
    if (ratios.length > 0) out.push({ name, measured: Math.min(...ratios), limit, wanted: 'at least' });
  };
  for (const name of new Set(cases.map(({ set }) => set.name))) {
    const of = (batch: number, ts: readonly number[]): Case[] =>
      cases.filter((c) => c.set.name === name && c.batch === batch && ts.includes(c.query.t));
    if (batches.includes(16)) atLeast(`exact ${name}, B = 16, rival / engine at the worst level`, 2, of(16, LEVELS_MANY));
    atLeast(`exact ${name}, B = 1, t = 900, rival / engine`, 4, of(1, [900]));
    atLeast(`exact ${name}, B = 1, t = 0, rival / engine`, 6, of(1, [0]));
    for (const { engine, read } of of(1, [0]))
      if (read !== undefined)
        out.push({
          name: `exact ${name}, B = 1, t = 0, engine / one read of the slice`,
          measured: ratioOf(spread(engine.times), read),
          limit: 1.5,
          wanted: 'at most',
        });
  }
  return out;
}

function resultOf(one: Case): object {
  const { set, batch, query, engine, rivals, read, productsPerMs, difference } = one;
  return {
    set: set.name,
    rows: set.rows,
    dim: set.dim,
    batch,
    t: query.t,
    engineMs: roundedSpread(spread(engine.times)),
    rivals: rivals.map(({ name, times, first }) => ({ name, layout: first.layout, ms: roundedSpread(spread(times)) })),
    readMs: read && roundedSpread(read),
    productsPerMs: rounded(productsPerMs),
    difference: Number.isNaN(difference) ? null : rounded(difference),
    phases: phasesOf(one).map(({ phase, ms, floorMs: floor }) => ({
      phase,
      ms: roundedSpread(ms),
      floorMs: Number.isNaN(floor) ? null : rounded(floor),
    })),
  };
}

export function roundedSpread({ min, median, max }: Spread): Spread {
  return { min: rounded(min), median: rounded(median), max: rounded(max) };
}
