/**
 * What a sampling run leaves in its folder: samples.npy, samples.png, trajectory.png where there were previews, run.json.
 */

import path from 'node:path';

import { writeNpy } from '../shared/dataset/npy.js';
import { makeFolder, writeFileAtomically } from './atomic-file.js';
import type { SampleRun } from './collect-samples.js';
import type { DataSetInfo } from './golddiff-client.js';
import { imageGridPng } from '../shared/pictures/image-grid.js';
import { trajectoryPng, type TrajectoryColumn } from './pictures/trajectory-picture.js';
import type { SampleInput } from './sample-call.js';
import { versions } from './versions.js';

/** More tiles make no picture; the rest is in samples.npy. */
const GRID_IMAGES_MAX = 256;

/** Writes the files, each replaced as a whole. Gives their names. */
export async function writeSampleArtifacts(folder: string, run: SampleRun, report: object): Promise<string[]> {
  const names = ['samples.npy', 'samples.png'];
  await makeFolder(folder);
  await writeNpy(path.join(folder, 'samples.npy'), run.images, [run.count, ...run.shape]);
  const shown = Math.min(run.count, GRID_IMAGES_MAX);
  const size = run.shape[0] * run.shape[1] * run.shape[2];
  const grid = { values: run.images.subarray(0, shown * size), count: shown, shape: run.shape };
  await writeFileAtomically(path.join(folder, 'samples.png'), await imageGridPng(grid));
  const columns = trajectoryColumns(run);
  if (columns.length > 0) {
    names.push('trajectory.png');
    await writeFileAtomically(
      path.join(folder, 'trajectory.png'),
      await trajectoryPng(columns, 'Posterior mean after each step, from noise to image'),
    );
  }
  names.push('run.json');
  await writeFileAtomically(path.join(folder, 'run.json'), `${JSON.stringify(report, undefined, 2)}\n`);
  return names;
}

/** The previews of the first batch in the order of the steps. */
export function trajectoryColumns(run: SampleRun): TrajectoryColumn[] {
  const first = run.previews.filter((preview) => preview.firstSample === 0).sort((a, b) => a.step - b.step);
  const named = new Set(first.map((preview) => preview.t)).size === first.length;
  return first.map(({ images, shape, t, sigma }) => {
    const [count = 0, c = 0, h = 0, w = 0] = shape;
    return { label: named ? `t = ${t}` : `σ = ${sigma.toPrecision(2)}`, images: { values: images, count, shape: [c, h, w] } };
  });
}

/** The run as run.json tells it: what was asked for, what it took, how far it can be trusted. */
export function describeRun(dataSet: DataSetInfo, input: SampleInput, run: SampleRun, cluster: object): object {
  const { kind: _, ...summary } = run.summary;
  const steps = new Map<number, typeof run.progress>();
  for (const event of run.progress) steps.set(event.step, [...(steps.get(event.step) ?? []), event]);
  return {
    versions: versions(),
    dataSet: {
      name: dataSet.name,
      shape: dataSet.shape,
      rows: dataSet.rows,
      partitions: dataSet.partitions.length,
      contentHash: dataSet.contentHash,
    },
    cluster,
    settings: { ...input, initialNoise: input.initialNoise === undefined ? undefined : { shape: input.initialNoise.shape } },
    summary,
    steps: [...steps].map(([step, events]) => ({
      step,
      t: events[0]?.t,
      alpha: events[0]?.alpha,
      sigma: events[0]?.sigma,
      totalMs: sum(events.map((e) => e.timings?.totalMs ?? 0)),
      screenMs: sum(events.map((e) => e.timings?.screenMs ?? 0)),
      aggregateMs: sum(events.map((e) => e.timings?.aggregateMs ?? 0)),
      workerComputeMs: sum(events.map((e) => e.timings?.workerComputeMs ?? 0)),
      goldenRowsMean: mean(events.flatMap((e) => e.goldenRows)),
      effectiveSupportMean: mean(events.flatMap((e) => e.effectiveSupport)),
      tailMassBoundMax: Math.max(...events.flatMap((e) => e.tailMassBound)),
    })),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : sum(values) / values.length;
}
