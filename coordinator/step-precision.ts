/** The precisions of a step made ready for the workers: masks computed, sets named, and what the answer needs to know of the groups. */

import type { Precision } from '../proto/generated/golddiff/v1/Precision.js';
import { invariant } from '../shared/errors.js';
import type { DenoiserPlan, PrecisionPlan } from './denoisers/denoiser.js';
import type { DataSetStatistics, LocalitySupports } from './statistics/data-set-statistics.js';
import { rowValues, type StepPlan } from './step-plan.js';

export interface ReadyPrecision {
  /** G */
  readonly groups: number;
  readonly kinds: readonly ReadyKind[];
  /** [B] which of the kinds a query has */
  readonly of: Uint32Array;
}

export interface ReadyKind {
  /** as OpenStep names it */
  readonly message: Precision;
  /** what workers must hold before */
  readonly supports: Pick<LocalitySupports, 'sha256' | 'data'> | undefined;
  /** [G] values that vote */
  readonly voters: Uint32Array;
  /** [G] 1 = every row has the same values there, so that no weight matters */
  readonly constant: Uint8Array;
  /** [D] 1 = the value votes for the group that it belongs to */
  readonly votesForItself: Uint8Array;
  /** weights that a row has in a group: 1, or one for each location that its patches come from */
  readonly weightsPerRow: number;
}

/** What `makeReady` needs of DataSetStatistics. */
export type PrecisionSource = Pick<DataSetStatistics, 'locality'>;

/** Undefined for a step with one weight for each row. @throws what making a mask throws */
export async function makeReady(plan: StepPlan, source: PrecisionSource, signal: AbortSignal): Promise<ReadyPrecision | undefined> {
  const { denoiser } = plan;
  if (denoiser.route !== 'groups') return undefined;
  const kinds: ReadyKind[] = [];
  // One after the other: they share one thread, and the first failure ends the step.
  for (const precision of denoiser.precisions) kinds.push(await readyKind(precision, plan, denoiser, source, signal));
  return { groups: denoiser.groups, kinds, of: denoiser.of };
}

async function readyKind(
  precision: PrecisionPlan,
  { manifest }: StepPlan,
  { groups }: Extract<DenoiserPlan, { route: 'groups' }>,
  source: PrecisionSource,
  signal: AbortSignal,
): Promise<ReadyKind> {
  if (precision.kind === 'equivariant') {
    const { side } = precision;
    return {
      message: { equivariant: side },
      supports: undefined,
      // Outside the image query and row are zero, and compared all the same.
      voters: new Uint32Array(groups).fill(manifest.shape[0] * side ** 2),
      constant: new Uint8Array(groups),
      votesForItself: new Uint8Array(rowValues(manifest)).fill(1),
      weightsPerRow: groups,
    };
  }
  if (precision.kind === 'window') {
    const voters = windowVoters(manifest.shape, precision.side);
    const votesForItself = new Uint8Array(rowValues(manifest)).fill(1);
    return {
      message: { window: precision.side },
      supports: undefined,
      voters,
      constant: new Uint8Array(groups),
      votesForItself,
      weightsPerRow: 1,
    };
  }
  const { sha256, data, voters, constant, votesForItself } = await source.locality(precision.ratio, precision.threshold, signal);
  invariant(voters.length === groups, 'a mask has a column for each value');
  return { message: { supports: sha256 }, supports: { sha256, data }, voters, constant, votesForItself, weightsPerRow: 1 };
}

/** Values in the window around each location, as much of it as lies in the image. */
function windowVoters([channels, height, width]: readonly [number, number, number], side: number): Uint32Array {
  const reach = (side - 1) / 2;
  const inside = (place: number, extent: number): number => Math.min(extent, place + reach + 1) - Math.max(0, place - reach);
  return Uint32Array.from({ length: height * width }, (_, g) => channels * inside(Math.floor(g / width), height) * inside(g % width, width));
}
