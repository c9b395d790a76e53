/** golddiff denoise: the posterior mean of a file of noisy images, and if asked for their score, noise and statistics. */

import path from 'node:path';

import { Command } from 'commander';

import { writeNpy } from '../../shared/dataset/npy.js';
import { integer, oneOf, real, text } from '../../shared/config.js';
import { defined } from '../../shared/defined.js';
import { argumentError } from '../../shared/errors.js';
import { LEVEL_MAX } from '../../shared/limits.js';
import { makeFolder, writeFileAtomically } from '../atomic-file.js';
import { startProgress } from '../progress.js';
import { scoreBatches } from '../score-batches.js';
import type { ScoreInput, ScoreResult } from '../score-call.js';
import type { FloatArray } from '../typed-tensor.js';
import { versions } from '../versions.js';
import { SCHEDULES, type ScheduleWord } from '../vocabulary.js';
import { withClient } from '../with-client.js';
import { clientFlag } from './client-flag.js';
import { addPosteriorFlags, addTargetFlags, readDenoiserSettings, readRetrieval, wordOf, type PosteriorFlags, type TargetFlags } from './flags.js';
import { readQueries } from './sample-flags.js';

interface DenoiseFlags extends TargetFlags, PosteriorFlags {
  readonly input: string;
  readonly t?: number;
  readonly schedule?: ScheduleWord;
  readonly alpha?: number;
  readonly sigma?: number;
  readonly output: string;
  readonly score?: string;
  readonly eps?: string;
  readonly json?: string;
  readonly resultDtype: 'f32' | 'f64';
}

/** Timesteps of every schedule. */
const TIMESTEP_MAX = 999;

export function denoiseCommand(): Command {
  const command = new Command('denoise').description('posterior mean of noisy images: .npy in, .npy out');
  addTargetFlags(command)
    .addOption(clientFlag('--input <X.npy>', 'noisy images, f4 or f8, [B, D] or [B, C, H, W]', text).makeOptionMandatory())
    .addOption(clientFlag('--t <INT>', 'their timestep, 0 (least noise) to 999', integer(0, TIMESTEP_MAX)))
    .addOption(clientFlag('--schedule <NAME>', `with --t: ${Object.keys(SCHEDULES).join(' | ')} (default ddpm-linear)`, wordOf(SCHEDULES)))
    .addOption(clientFlag('--alpha <A>', 'in place of --t: x = A * image + S * noise', real(0, LEVEL_MAX, true)))
    .addOption(clientFlag('--sigma <S>', 'in place of --t, with --alpha', real(0, LEVEL_MAX, true)))
    .addOption(clientFlag('--output <X0.npy>', 'posterior mean', text).makeOptionMandatory())
    .addOption(clientFlag('--score <FILE.npy>', 'also (A * x0 - x) / S^2', text))
    .addOption(clientFlag('--eps <FILE.npy>', 'also (x - A * x0) / S', text))
    .addOption(clientFlag('--json <FILE>', 'also statistics of each image and timings', text))
    .addOption(clientFlag('--result-dtype <DTYPE>', 'f32 | f64', oneOf(['f32', 'f64']), 'f32'));
  return addPosteriorFlags(command).action(async (flags: DenoiseFlags) => run(flags));
}

async function run(flags: DenoiseFlags): Promise<void> {
  const levels = flags.alpha !== undefined || flags.sigma !== undefined;
  if ((flags.t !== undefined) === levels || (levels && (flags.alpha === undefined || flags.sigma === undefined)))
    throw argumentError(
      'the noise level',
      'either --t or both --alpha and --sigma',
      flags.t !== undefined ? 'both' : levels ? 'one of the two' : 'neither',
    );
  if (flags.schedule !== undefined && levels) throw argumentError('--schedule', '--t', '--alpha and --sigma');
  const retrieval = readRetrieval(flags);
  const { values, shape } = await readQueries('--input', flags.input);
  const labels = flags.labels;
  if (labels !== undefined && labels.length !== 1 && labels.length !== shape[0])
    throw argumentError('--labels', `1 or ${shape[0]} classes`, labels.length);
  const rest: Omit<ScoreInput, 'x' | 'shape'> = defined({
    t: flags.t,
    schedule: flags.schedule,
    alpha: flags.alpha,
    sigma: flags.sigma,
    dataSet: flags.dataSet,
    denoiser: flags.denoiser,
    denoiserSettings: readDenoiserSettings(flags),
    retrieval,
    labels,
    temperature: flags.temperature,
    allowPartial: flags.allowPartial,
    returnScore: flags.score !== undefined,
    returnEps: flags.eps !== undefined,
    returnMassRows: flags.json !== undefined,
    resultDtype: flags.resultDtype,
  });
  await withClient(flags, async ({ client, signal }) => {
    const bar = startProgress('denoising', shape[0] ?? 0, 'images');
    const queries = { x: values, shape, batchRows: flags.batchRows };
    const results = await scoreBatches(client, queries, rest, signal, (done) => bar.update(done)).finally(() => bar.stop());
    await write(flags.output, results, shape, (r) => r.x0hat);
    if (flags.score !== undefined) await write(flags.score, results, shape, (r) => r.score);
    if (flags.eps !== undefined) await write(flags.eps, results, shape, (r) => r.eps);
    if (flags.json !== undefined)
      await writeFileAtomically(flags.json, `${JSON.stringify(statistics({ ...flags, retrieval }, results), undefined, 2)}\n`);
    const ms = results.reduce((total, r) => total + r.timings.totalMs, 0);
    process.stdout.write(`${shape[0]} images denoised in ${(ms / 1000).toFixed(2)} s: ${flags.output}\n`);
  });
}

async function write(
  file: string,
  results: readonly ScoreResult[],
  shape: readonly number[],
  pick: (result: ScoreResult) => FloatArray | undefined,
): Promise<void> {
  const parts = results.flatMap((result) => pick(result) ?? []);
  const length = shape.reduce((product, n) => product * n, 1);
  const all = parts[0] instanceof Float64Array ? new Float64Array(length) : new Float32Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  await makeFolder(path.dirname(file));
  await writeNpy(file, all, shape);
}

function statistics(settings: object, results: readonly ScoreResult[]): object {
  const all = (pick: (result: ScoreResult) => readonly number[] | undefined): number[] => results.flatMap((r) => pick(r) ?? []);
  return {
    versions: versions(),
    settings,
    alpha: all((r) => r.alpha),
    sigma: all((r) => r.sigma),
    logEvidence: all((r) => r.logEvidence),
    logZ: all((r) => r.logZ),
    effectiveSupport: all((r) => r.effectiveSupport),
    maxWeight: all((r) => r.maxWeight),
    goldenRows: all((r) => r.goldenRows),
    tailMassBound: all((r) => r.tailMassBound),
    tailMassKinds: results.flatMap((r) => r.tailMassKinds),
    rows50: all((r) => r.massRows?.rows50),
    rows90: all((r) => r.massRows?.rows90),
    rows99: all((r) => r.massRows?.rows99),
    coverageMin: Math.min(...results.map((r) => r.coverage.fraction)),
    timings: results.map((r) => r.timings),
  };
}
