/**
 * The main job: a real data set becomes images through a sharded cluster, over the public API and nothing else. Import where needed, start a coordinator
 * and its workers as processes, sample, measure, draw, stop everything.
 */

import { stat } from 'node:fs/promises';
import path from 'node:path';

import { openDataSet, type DataSet } from '../shared/dataset/data-set.js';
import { GolddiffError } from '../shared/errors.js';
import { writeFileAtomically } from './atomic-file.js';
import { collectSamples, type SampleRun } from './collect-samples.js';
import { measureConcentration } from './concentration.js';
import type { GolddiffClient } from './golddiff-client.js';
import { importDataSet } from './import/import-data-set.js';
import { openSource } from './import/open-source.js';
import { listenForInterrupts } from './interrupts.js';
import { nearestRowDistances } from './nearest-row.js';
import { concentrationChart } from './pictures/concentration-chart.js';
import { startProgress } from './progress.js';
import { describeRun, writeSampleArtifacts } from './sample-artifacts.js';
import type { SampleInput } from './sample-call.js';
import type { Denoiser } from './vocabulary.js';
import { withClient } from './with-client.js';

export interface DemonstrationOptions {
  /** as of golddiff dataset import */
  readonly source: string;
  /** for the chart: a source of the same shape with images that the data set does not hold */
  readonly heldOutSource: string;
  /** name for people */
  readonly title: string;
  readonly dataDir: string;
  readonly outDir: string;
  readonly shards: number;
  /** images where a worker has nothing faster than the reference backend, which takes seconds for each */
  readonly imagesOnReference: number;
  /** of the workers; default: the fastest that there is */
  readonly backend?: string;
  readonly sampling: SampleInput & { readonly count: number; readonly steps: number; readonly seed: number };
  /** gets one line for each stage and the summary */
  readonly say: (line: string) => void;
}

/** Held-out images in the chart: enough for a median and a band. */
const CHART_QUERIES = 8;
/** Half a grey level in the root mean square: below it two 8-bit images are the same to the eye. */
const SAME_IMAGE_RMS = 1 / 255;

/** Errors: CANCELLED at Ctrl-C; else those of the import, of the cluster's start and of the calls. No process is left behind. */
export async function runDemonstration(wanted: DemonstrationOptions): Promise<void> {
  const startedMs = performance.now();
  await ensureDataSet(wanted);
  wanted.say(`starting a coordinator and ${wanted.shards} shard workers`);
  const { dataDir: data, shards, backend } = wanted;
  await withClient({ data, shards, ...(backend === undefined ? {} : { backend }) }, async ({ client, signal }) => {
    const options = await affordable(wanted, client, signal);
    const dataSet = await client.datasets.get('', { signal });
    const readyMs = performance.now();
    options.say(
      `sampling ${options.sampling.count} images from ${dataSet.rows.toLocaleString('en-US')} rows in ${dataSet.partitions.length} partitions`,
    );
    const run = await sample(client, options, signal);
    const sampledMs = performance.now();
    const distances = await nearestRowDistances(client, run.images, run.count, dataSet, signal);
    options.say(`measuring the concentration of the posterior on ${CHART_QUERIES} held-out images`);
    const concentration = await concentrate(client, options, dataSet, run, signal);
    const measuredMs = performance.now();

    const { svg, png } = await concentrationChart({
      dataSet: options.title,
      rows: dataSet.rows,
      points: concentration,
      queries: 'held-out images noised to each timestep',
    });
    await writeFileAtomically(path.join(options.outDir, 'concentration.svg'), svg);
    await writeFileAtomically(path.join(options.outDir, 'concentration.png'), png);
    const copies = distances.filter((distance) => distance < SAME_IMAGE_RMS).length;
    const seconds = {
      start: (readyMs - startedMs) / 1000,
      sampling: (sampledMs - readyMs) / 1000,
      measuring: (measuredMs - sampledMs) / 1000,
      total: (performance.now() - startedMs) / 1000,
    };
    const report = {
      ...describeRun(dataSet, options.sampling, run, { embedded: true, shards: options.shards }),
      seconds,
      nearestTrainingRow: { sameImageRms: SAME_IMAGE_RMS, samplesThatEqualATrainingRow: copies, rms: distances },
      concentration,
    };
    const names = await writeSampleArtifacts(options.outDir, run, report);
    const { summary } = run;
    const denoiser = options.sampling.denoiser ?? 'optimal';
    const scanned = summary.evaluations * dataSet.rows;
    options.say(
      [
        '',
        `${run.count} images by GoldDiff (${denoiser}) in ${seconds.sampling.toFixed(1)} s: ${options.sampling.steps} steps over gRPC, ${options.shards} shard workers`,
        `rows weighted    ${summary.rowsScored.toLocaleString('en-US')} of ${scanned.toLocaleString('en-US')} (${((100 * summary.rowsScored) / scanned).toFixed(1)}%)`,
        `left out         ${leftOut(run, denoiser)}`,
        `copies           ${copies} of ${run.count} images equal a training image${denoiser === 'optimal' ? ', as the optimal denoiser must at low noise' : ''}`,
        `files            ${[...names, 'concentration.svg', 'concentration.png'].join(', ')}`,
        `                 in ${options.outDir}`,
        `whole job        ${seconds.total.toFixed(1)} s`,
      ].join('\n'),
    );
  });
}

/**
 * The server's bound at the first and the last step. Of the optimal denoiser it is the share of the mass; of the local ones, whose every value has weights of
 * its own, it is what the worst pixel may be off by. Near 1 at the most noise, where nearly every row matters and no small subset proves anything.
 */
function leftOut({ progress, summary }: SampleRun, denoiser: Denoiser): string {
  const at = (event: (typeof progress)[number] | undefined): string =>
    event === undefined ? '' : `${Math.max(...event.tailMassBound).toPrecision(2)} at t = ${event.t}`;
  const what = denoiser === 'optimal' ? 'of the mass, at most' : 'moves a pixel by at most this share of its range:';
  return `${what} ${at(progress[0])}, ${at(progress[progress.length - 1])} (${summary.tailMassKind} bound)`;
}

async function ensureDataSet({ source, title, dataDir, say }: DemonstrationOptions): Promise<void> {
  if ((await openedWhole(dataDir)) !== undefined) return;
  say(`importing ${title} into ${dataDir}`);
  const interrupts = listenForInterrupts();
  const bar = startProgress('importing', 0, 'rows');
  try {
    await importDataSet({
      source,
      out: dataDir,
      force: true,
      signal: interrupts.signal,
      onProgress: ({ rows, rowsTotal }) => {
        bar.setTotal(rowsTotal);
        bar.update(rows);
      },
    });
  } catch (error) {
    throw interrupts.signal.aborted ? interrupts.signal.reason : error;
  } finally {
    bar.stop();
    interrupts.release();
  }
}

/** The data set, if all its files are there with their sizes; what is in them the workers verify. */
async function openedWhole(dir: string): Promise<DataSet | undefined> {
  try {
    const dataSet = await openDataSet(dir);
    for (const { file, bytes } of dataSet.manifest.partitions) if ((await stat(path.join(dir, file))).size !== bytes) return undefined;
    return dataSet;
  } catch {
    return undefined;
  }
}

/** Fewer images where all of them would take minutes. */
async function affordable(options: DemonstrationOptions, client: GolddiffClient, signal: AbortSignal): Promise<DemonstrationOptions> {
  const { sampling, imagesOnReference: count, say } = options;
  const { workers } = await client.cluster.status({ signal });
  if (sampling.count <= count || workers.every(({ backend }) => backend !== 'reference')) return options;
  say(
    `THE NATIVE ENGINE IS MISSING: the reference backend is many times slower, so this makes ${count} images in place of ${sampling.count}; npm run build:native builds it`,
  );
  return { ...options, sampling: { ...sampling, count } };
}

async function sample(client: GolddiffClient, { sampling }: DemonstrationOptions, signal: AbortSignal): Promise<SampleRun> {
  const bar = startProgress('sampling', sampling.steps * sampling.count, 'denoised images');
  try {
    return await collectSamples(client.sample(sampling, { signal }), (event) => bar.update(event.evaluationsDone, `t = ${event.t}`));
  } finally {
    bar.stop();
  }
}

async function concentrate(
  client: GolddiffClient,
  { heldOutSource, sampling }: DemonstrationOptions,
  dataSet: { readonly name: string; readonly shape: readonly number[] },
  run: SampleRun,
  signal: AbortSignal,
): Promise<Awaited<ReturnType<typeof measureConcentration>>> {
  const heldOut = await openSource(heldOutSource);
  if (heldOut.shape.join() !== dataSet.shape.join())
    throw new GolddiffError(
      'DATA_SET_MISMATCH',
      `Expected held-out images of shape [${dataSet.shape.join(', ')}] but received [${heldOut.shape.join(', ')}]`,
    );
  const count = Math.min(CHART_QUERIES, heldOut.rows);
  const images = new Float64Array(count * dataSet.shape.reduce((product, n) => product * n, 1));
  let at = 0;
  for await (const { values } of heldOut.read(0, count, signal))
    for (const value of values) images[at++] = values instanceof Uint8Array ? value / 127.5 - 1 : value;
  const goldenRowsAt = new Map(run.progress.map((event) => [event.t, event.goldenRows[0] ?? 0]));
  const bar = startProgress('measuring', sampling.steps, 'timesteps');
  try {
    const input = { dataSet: dataSet.name, images, count, steps: sampling.steps, seed: sampling.seed, goldenRowsAt };
    return await measureConcentration(client, input, signal, (done, { t }) => bar.update(done, `t = ${t}`));
  } finally {
    bar.stop();
  }
}
