/**
 * What it costs to spread a step over four worker processes of one machine, against one worker and against the backend in one process: at every step of a
 * DDIM walk, and in their mean.
 */

import { threadsOfEach } from '../../../client/threads-of-each.js';
import { digits, importedOnce, queriesAt } from './bench-data.js';
import { capped, interleave, loadInto, repeatsOf, type BenchContext, type Entrant } from './bench-context.js';
import { ClusterSteps, type ClusterReply } from './cluster-steps.js';
import { largestDifference, roundedSpread } from './exact.js';
import type { ExactReply } from './requests.js';
import { ratioOf, shownSpread, spread, threeDigits } from './spread.js';
import type { Requirement, Section } from './tables.js';

const BATCH = 32;
/** Timesteps of ten DDIM steps. */
const LEVELS = [900, 800, 700, 600, 500, 400, 300, 200, 100, 0];
const WORKERS = 4;
/** As many as the most workers: each holds one, and one process holds the same four. */
const PARTITIONS = 4;
/** Untimed steps of each before the first level: V8 compiles what runs a few times in a step only after some dozens of steps. */
const WARM_UP_MS = 3_000;

type Reply = (ExactReply | ClusterReply) & { readonly coordinatorMs?: number[] };

export async function benchLocalWorkers(context: BenchContext): Promise<Section> {
  const { flags, folder, contestants } = context;
  const notes: string[] = [];
  const rows: string[][] = [];
  const results: object[] = [];
  const requirements: Requirement[] = [];
  const set = await digits(folder, capped(flags, 60_000));
  const dataDir = await importedOnce(folder, set, PARTITIONS);
  await loadInto([contestants.engine], { ...set, name: 'bench', file: dataDir }, 0);
  const clusters: { name: string; steps: ClusterSteps }[] = [];
  try {
    for (const shards of [1, WORKERS]) {
      const computeThreads = threadsOfEach(shards, flags.threads);
      const steps = await ClusterSteps.start({ dataDir, shards, computeThreads, backend: flags.backend });
      clusters.push({
        name: `${shards} ${shards === 1 ? 'worker' : 'workers'} of ${computeThreads} ${computeThreads === 1 ? 'thread' : 'threads'}`,
        steps,
      });
    }
    const usual = await queriesAt(folder, set, 100);
    const warmUp = { repeats: Number.MAX_SAFE_INTEGER, budgetMs: WARM_UP_MS };
    await contestants.engine.request({
      op: 'exact',
      set: 'bench',
      queries: usual.file,
      batch: BATCH,
      alpha: usual.alpha,
      sigma: usual.sigma,
      ...warmUp,
    });
    for (const { steps } of clusters) await steps.steps(usual, BATCH, warmUp);
    const means = { alone: 0, one: 0, four: 0, coordinated: 0 };
    let levels = 0;
    for (const t of LEVELS) {
      const query = await queriesAt(folder, set, t);
      const request = { op: 'exact', set: 'bench', queries: query.file, batch: BATCH, alpha: query.alpha, sigma: query.sigma, ...repeatsOf(flags) };
      let first = true;
      const entrants: Entrant<Reply>[] = [
        {
          name: `in one process, ${flags.threads} threads`,
          timesOf: (reply) => reply.times,
          run: () => {
            const asked = { ...request, wantAnswer: first };
            first = false;
            return contestants.engine.request<ExactReply>(asked);
          },
        },
        ...clusters.map(({ name, steps }): Entrant<Reply> => ({
          name,
          timesOf: (reply) => reply.times,
          run: () => steps.steps(query, BATCH, repeatsOf(flags)),
        })),
      ];
      const measured = await interleave(entrants, flags.rounds, (sentence) => notes.push(sentence));
      const [alone, one, four] = measured;
      if (alone === undefined || one === undefined || four === undefined) continue;
      const inProcess = spread(alone.times);
      for (const entry of [alone, one, four]) {
        const own = spread(entry.times);
        const steps = entry.replies.flatMap((reply) => reply.coordinatorMs ?? []);
        const compute = entry.replies.flatMap((reply) => ('computeMs' in reply ? reply.computeMs : []));
        rows.push([
          String(t),
          entry.name,
          shownSpread(own),
          steps.length > 0 ? threeDigits(spread(steps).median) : '-',
          compute.length > 0 ? threeDigits(spread(compute).median) : '-',
          threeDigits(ratioOf(own, inProcess)),
          threeDigits(ratioOf(own, spread(one.times))),
        ]);
        results.push({ t, name: entry.name, ms: roundedSpread(own), coordinatorMs: steps.length > 0 ? roundedSpread(spread(steps)) : null });
      }
      const coordinated = spread(four.replies.flatMap((reply) => reply.coordinatorMs ?? []));
      levels++;
      means.alone += inProcess.median;
      means.one += spread(one.times).median;
      means.four += spread(four.times).median;
      means.coordinated += coordinated.median;
      const answer = 'last' in four.first ? [...four.first.last.x0hat] : undefined;
      notes.push(
        `t = ${t}: |x0hat of 4 workers - in one process| at most ${largestDifference('x0hat' in alone.first ? (alone.first as ExactReply).x0hat : undefined, answer).toExponential(0)}`,
      );
      context.progress(`local workers t = ${t} done`);
    }
    if (levels > 0) {
      const over = `mean of ${levels} DDIM steps`;
      requirements.push(
        { name: `4 local workers, ${over}, time / that of 1 worker`, measured: means.four / means.one, limit: 1.15, wanted: 'at most' },
        {
          name: `4 local workers, ${over}, coordinator's step / in one process`,
          measured: means.coordinated / means.alone,
          limit: 1.15,
          wanted: 'at most',
        },
      );
    }
  } finally {
    for (const { steps } of clusters) await steps.stop();
    await contestants.engine.request({ op: 'drop', set: 'bench' });
  }
  const headings = ['t', 'where', 'ms', "coordinator's step ms", 'busiest worker ms', '/ in one process', '/ 1 worker'];
  return {
    tables: [{ title: `Exact step over local workers, ${set.name}, ${PARTITIONS} partitions, B = ${BATCH}`, headings, rows }],
    requirements,
    notes,
    results,
  };
}
