/** GoldDiff against the exact step at low noise, and its search part against FAISS flat. MNIST sizes of SCIENCE.md: k 3000..6000. */

import { digits, queriesAt, type RowSet } from './bench-data.js';
import { capped, dropFrom, interleave, loadInto, repeatsOf, type BenchContext, type Entrant } from './bench-context.js';
import { roundedSpread } from './exact.js';
import type { ExactReply, GoldenReply, GoldenRequest, SearchReply } from './requests.js';
import { ratioOf, shownSpread, spread, threeDigits } from './spread.js';
import type { Requirement, Section } from './tables.js';

const ROWS = 60_000;
const K_MIN = 3_000;
const K_MAX = 6_000;
const BATCH = 8;
const LEVELS = [300, 200, 100, 0];
const EXACT = 'exact';
const PAPER = 'golden, pool by noise level';
const SMALL_POOL = 'golden, pool of k_max';

export async function benchGolden(context: BenchContext): Promise<Section> {
  const { flags, folder, contestants } = context;
  const notes: string[] = [];
  const set = await digits(folder, capped(flags, ROWS));
  const faiss = contestants.rivals.find(({ kind }) => kind === 'faiss');
  const processes = [contestants.engine, ...(faiss ? [faiss.process] : [])];
  await loadInto(processes, set, flags.partitions);
  const [kMin, kMax] = [Math.min(K_MIN, Math.ceil(set.rows / 20)), Math.min(K_MAX, Math.ceil(set.rows / 10))];
  const rows: string[][] = [];
  const requirements: Requirement[] = [];
  const results: object[] = [];
  for (const t of LEVELS) {
    const query = await queriesAt(folder, set, t);
    const common = { set: set.name, queries: query.file, batch: BATCH, alpha: query.alpha, sigma: query.sigma, ...repeatsOf(flags) };
    const golden = (name: string, candidatePool: number): Entrant<ExactReply | GoldenReply> => ({
      name,
      timesOf: (reply) => reply.times,
      run: () =>
        contestants.engine.request<GoldenReply>({
          op: 'golden',
          ...common,
          kMin,
          kMax,
          candidatePool,
          kFixed: 0,
          search: 'scan',
        } satisfies GoldenRequest),
    });
    const exact: Entrant<ExactReply | GoldenReply> = {
      name: EXACT,
      timesOf: (reply) => reply.times,
      run: () => contestants.engine.request<ExactReply>({ op: 'exact', ...common }),
    };
    const measured = await interleave([exact, golden(PAPER, 0), golden(SMALL_POOL, kMax)], flags.rounds, (sentence) => notes.push(sentence));
    const base = measured.find(({ name }) => name === EXACT);
    if (base === undefined) continue;
    for (const { name, times, replies, first } of measured) {
      const own = spread(times);
      const phases = Object.keys(first.phases ?? {}).map(
        (phase) => [phase, spread(replies.flatMap((reply) => reply.phases?.[phase] ?? [])).median] as const,
      );
      const sizes = 'pool' in first ? [String(first.pool), String(first.subset)] : [String(set.rows), String(set.rows)];
      const faster = ratioOf(spread(base.times), own);
      rows.push([
        String(t),
        name,
        ...sizes,
        shownSpread(own),
        threeDigits(faster),
        phases.map(([phase, ms]) => `${phase} ${threeDigits(ms)}`).join(', '),
      ]);
      results.push({ t, name, pool: Number(sizes[0]), subset: Number(sizes[1]), ms: roundedSpread(own), phases: Object.fromEntries(phases) });
      if (name === PAPER)
        requirements.push({ name: `golden step of the paper, t = ${t}, exact / golden`, measured: faster, limit: 1, wanted: 'at least' });
    }
    context.progress(`golden t = ${t} done`);
  }
  const headings = ['t', 'step', 'pool', 'subset', 'ms', 'exact / this', 'phases, median ms'];
  const steps = { title: `Golden step, paper variant, k ${kMin}..${kMax}, ${set.name}, B = ${BATCH}`, headings, rows };
  const search = await benchSearch(context, set, notes);
  await dropFrom(processes, set);
  return { tables: [steps, search.table], requirements, notes: [...new Set(notes)], results: { steps: results, search: search.results } };
}

/** The nearest rows by full distance and by proxy: the part of the step that a vector search library has too. */
async function benchSearch(context: BenchContext, set: RowSet, notes: string[]) {
  const { flags, folder, contestants } = context;
  const faiss = contestants.rivals.find(({ kind }) => kind === 'faiss');
  const query = await queriesAt(folder, set, 300);
  const rows: string[][] = [];
  const results: object[] = [];
  for (const factor of [1, 2])
    for (const k of [100, Math.min(K_MIN, Math.ceil(set.rows / 20))]) {
      const request = {
        op: 'search',
        set: set.name,
        queries: query.file,
        batch: BATCH,
        alpha: query.alpha,
        sigma: query.sigma,
        shape: set.shape,
        factor,
        k,
        ...repeatsOf(flags),
      };
      const entrants = [contestants.engine, ...(faiss ? [faiss.process] : [])].map((one): Entrant<SearchReply> => ({
        name: one.name,
        timesOf: (reply) => reply.times,
        run: () => one.request<SearchReply>(request),
      }));
      const measured = await interleave(entrants, flags.rounds, (sentence) => notes.push(sentence));
      const [own, rival] = [
        measured.find(({ name }) => name === contestants.engine.name),
        measured.find(({ name }) => name !== contestants.engine.name),
      ];
      if (own === undefined) continue;
      rows.push([
        factor === 1 ? `full, ${set.dim} values` : `proxy, ${set.dim / factor ** 2} values`,
        String(k),
        shownSpread(spread(own.times)),
        rival === undefined ? '-' : shownSpread(spread(rival.times)),
        rival === undefined ? '-' : threeDigits(ratioOf(spread(rival.times), spread(own.times))),
      ]);
      results.push({ factor, k, engineMs: roundedSpread(spread(own.times)), faissMs: rival && roundedSpread(spread(rival.times)) });
      context.progress(`search by ${factor === 1 ? 'full distance' : 'proxy'}, k = ${k} done`);
    }
  const headings = ['distance', 'k', 'engine ms', 'FAISS flat ms', 'FAISS / engine'];
  return { table: { title: `Exact search of the k nearest rows, ${set.name}, B = ${BATCH}, t = 300`, headings, rows }, results };
}
