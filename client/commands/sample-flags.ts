/** Flags of a sampling run, for the run that is waited for and the job that is not. */

import type { Command } from 'commander';

import { integer, real, text } from '../../shared/config.js';
import { defined } from '../../shared/defined.js';
import { argumentError } from '../../shared/errors.js';
import { readNpy } from '../../shared/dataset/npy.js';
import { SAMPLE_COUNT_MAX, SAMPLE_STEPS_DEFAULT, SAMPLE_STEPS_MAX, SEED_MAX } from '../../shared/limits.js';
import type { SampleInput } from '../sample-call.js';
import { SAMPLERS, SCHEDULES, type Sampler, type ScheduleWord } from '../vocabulary.js';
import { clientFlag } from './client-flag.js';
import { addPosteriorFlags, readDenoiserSettings, readRetrieval, wordOf, type PosteriorFlags } from './flags.js';

export interface SampleFlags extends PosteriorFlags {
  readonly count?: number;
  readonly steps: number;
  readonly sampler: Sampler;
  readonly schedule?: ScheduleWord;
  readonly eta?: number;
  readonly seed: number;
  readonly firstSample: number;
  readonly initialNoise?: string;
  readonly dataSet?: string;
}

export const SAMPLE_COUNT_DEFAULT = 16;

export function addSampleFlags(command: Command): Command {
  command
    .addOption(clientFlag('--count <N>', `images (default ${SAMPLE_COUNT_DEFAULT}, or as many as the first noise has)`, integer(1, SAMPLE_COUNT_MAX)))
    .addOption(clientFlag('--steps <T>', 'steps of the sampler', integer(1, SAMPLE_STEPS_MAX), String(SAMPLE_STEPS_DEFAULT)))
    .addOption(clientFlag('--sampler <NAME>', Object.keys(SAMPLERS).join(' | '), wordOf(SAMPLERS), 'ddim'))
    .addOption(clientFlag('--schedule <NAME>', `${Object.keys(SCHEDULES).join(' | ')} (default by sampler)`, wordOf(SCHEDULES)))
    .addOption(clientFlag('--eta <E>', 'ddim: 0 (deterministic) to 1 (ancestral)', real(0, 1)))
    .addOption(clientFlag('--seed <S>', 'the same seed gives the same images', integer(0, SEED_MAX), '0'))
    .addOption(clientFlag('--first-sample <I>', 'counter of the first image, to split one run', integer(0, SAMPLE_COUNT_MAX), '0'))
    .addOption(clientFlag('--initial-noise <FILE.npy>', 'the first x itself, f4 or f8, [N, D] or [N, C, H, W]', text));
  return addPosteriorFlags(command);
}

/** Errors: ARGUMENT_INVALID for flags that do not go together; what reading the first noise throws. */
export async function readSampleInput(flags: SampleFlags): Promise<SampleInput> {
  const retrieval = readRetrieval(flags);
  if (flags.eta !== undefined && flags.sampler !== 'ddim') throw argumentError('--eta', '--sampler ddim', flags.sampler);
  const initialNoise = flags.initialNoise === undefined ? undefined : await readQueries('--initial-noise', flags.initialNoise);
  return defined({
    count: flags.count ?? initialNoise?.shape[0] ?? SAMPLE_COUNT_DEFAULT,
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
    allowPartial: flags.allowPartial,
    batchRows: flags.batchRows,
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
