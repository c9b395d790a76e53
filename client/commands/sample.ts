/** golddiff sample: images into a folder. */

import { Command } from 'commander';

import { integer, real, text } from '../../shared/config.js';
import { argumentError } from '../../shared/errors.js';
import { readNpy } from '../../shared/dataset/npy.js';
import { SAMPLE_COUNT_MAX, SAMPLE_STEPS_DEFAULT, SAMPLE_STEPS_MAX, SEED_MAX } from '../../shared/limits.js';
import { collectSamples } from '../collect-samples.js';
import { startProgress } from '../progress.js';
import { describeRun, writeSampleArtifacts } from '../sample-artifacts.js';
import type { SampleInput } from '../sample-call.js';
import { SAMPLERS, SCHEDULES, type Sampler, type ScheduleWord } from '../vocabulary.js';
import { withClient } from '../with-client.js';
import {
  addPosteriorFlags,
  addTargetFlags,
  clientFlag,
  defined,
  readDenoiserSettings,
  readRetrieval,
  wordOf,
  type PosteriorFlags,
  type TargetFlags,
} from './flags.js';

interface SampleFlags extends TargetFlags, PosteriorFlags {
  readonly count?: number;
  readonly steps: number;
  readonly sampler: Sampler;
  readonly schedule?: ScheduleWord;
  readonly eta?: number;
  readonly seed: number;
  readonly firstSample: number;
  readonly initialNoise?: string;
  readonly previewEvery: number;
  readonly out: string;
  readonly json?: boolean;
}

const COUNT_DEFAULT = 16;

export function sampleCommand(): Command {
  const command = new Command('sample').description('sample images: samples.npy, samples.png, trajectory.png and run.json into a folder');
  addTargetFlags(command)
    .addOption(clientFlag('--count <N>', `images (default ${COUNT_DEFAULT}, or as many as the first noise has)`, integer(1, SAMPLE_COUNT_MAX)))
    .addOption(clientFlag('--steps <T>', 'steps of the sampler', integer(1, SAMPLE_STEPS_MAX), String(SAMPLE_STEPS_DEFAULT)))
    .addOption(clientFlag('--sampler <NAME>', Object.keys(SAMPLERS).join(' | '), wordOf(SAMPLERS), 'ddim'))
    .addOption(clientFlag('--schedule <NAME>', `${Object.keys(SCHEDULES).join(' | ')} (default by sampler)`, wordOf(SCHEDULES)))
    .addOption(clientFlag('--eta <E>', 'ddim: 0 (deterministic) to 1 (ancestral)', real(0, 1)))
    .addOption(clientFlag('--seed <S>', 'the same seed gives the same images', integer(0, SEED_MAX), '0'))
    .addOption(clientFlag('--first-sample <I>', 'counter of the first image, to split one run', integer(0, SAMPLE_COUNT_MAX), '0'))
    .addOption(clientFlag('--initial-noise <FILE.npy>', 'the first x itself, f4 or f8, [N, D] or [N, C, H, W]', text))
    .addOption(clientFlag('--preview-every <STEPS>', 'draw x0hat every so many steps; 0 = never', integer(0, SAMPLE_STEPS_MAX), '1'))
    .addOption(clientFlag('--out <DIR>', 'folder of the results', text, 'out'))
    .option('--json', 'print run.json on stdout');
  return addPosteriorFlags(command).action(async (flags: SampleFlags) => run(flags));
}

async function run(flags: SampleFlags): Promise<void> {
  const retrieval = readRetrieval(flags);
  if (flags.eta !== undefined && flags.sampler !== 'ddim') throw argumentError('--eta', '--sampler ddim', flags.sampler);
  const initialNoise = flags.initialNoise === undefined ? undefined : await readQueries('--initial-noise', flags.initialNoise);
  const input: SampleInput = defined({
    count: flags.count ?? initialNoise?.shape[0] ?? COUNT_DEFAULT,
    steps: flags.steps,
    sampler: flags.sampler,
    schedule: flags.schedule,
    eta: flags.eta,
    seed: flags.seed,
    firstSample: flags.firstSample,
    initialNoise,
    dataSet: flags.dataSet,
    denoiser: flags.denoiser,
    denoiserSettings: readDenoiserSettings(flags),
    retrieval,
    temperature: flags.temperature,
    labels: flags.labels,
    previewEvery: flags.previewEvery,
    allowPartial: flags.allowPartial,
    batchRows: flags.batchRows,
  });
  await withClient(flags, async ({ client, signal, cluster }) => {
    const dataSet = await client.datasets.get(flags.dataSet, { signal });
    const bar = startProgress('sampling', input.count ?? 0, 'images');
    try {
      const result = await collectSamples(client.sample(input, { signal }), (event) =>
        bar.update(Math.floor((event.evaluationsDone / event.evaluationsTotal) * (input.count ?? 0)), `step ${event.step}/${event.steps}`),
      );
      const where = cluster === undefined ? { endpoint: client.endpoint } : { embedded: true, shards: cluster.workers.length };
      const report = describeRun(dataSet, input, result, where);
      const names = await writeSampleArtifacts(flags.out, result, report);
      if (flags.json) process.stdout.write(`${JSON.stringify(report)}\n`);
      else process.stdout.write(`${result.count} images in ${(result.summary.totalMs / 1000).toFixed(1)} s: ${names.join(', ')} in ${flags.out}\n`);
    } finally {
      bar.stop();
    }
  });
}

/** An array of noisy images: f4 or f8, [B, D] or [B, C, H, W]. */
export async function readQueries(flag: string, file: string): Promise<{ values: Float32Array | Float64Array; shape: readonly number[] }> {
  const { data, shape } = await readNpy(file);
  if (data instanceof Uint8Array) throw argumentError(flag, 'an array of f4 or f8', `${file} of u1`);
  if ((shape.length !== 2 && shape.length !== 4) || data.length === 0)
    throw argumentError(flag, 'an array of shape [B, D] or [B, C, H, W]', `${file} of shape [${shape.join(', ')}]`);
  return { values: data, shape };
}
