/** The precisions of an OpenStep, checked and with their support sets. */

import type { OpenStep__Output } from '../proto/generated/golddiff/v1/OpenStep.js';
import type { Precision__Output } from '../proto/generated/golddiff/v1/Precision.js';
import { argumentError, GolddiffError } from '../shared/errors.js';
import type { SupportSet } from '../shared/math/support-set.js';
import type { Precision, StepPrecision } from './backends/backend.js';

/** The held set of a hash. */
export type FindSupports = (sha256: string) => SupportSet | undefined;

/**
 * Undefined where the step has one weight for each row.
 * @throws ARGUMENT_INVALID; SUPPORTS_MISSING for a set that this worker does not hold: send it and ask again
 */
export function decodePrecision(
  open: OpenStep__Output,
  batch: number,
  shape: readonly [number, number, number],
  find: FindSupports,
): StepPrecision | undefined {
  const { precisions, precisionOf: of } = open;
  if (precisions.length === 0) {
    if (of.length !== 0) throw argumentError('open.precision_of', 'no entry where there are no precisions', `${of.length} entries`);
    return undefined;
  }
  if (of.length !== batch || of.some((kind) => kind >= precisions.length))
    throw argumentError('open.precision_of', `${batch} numbers below ${precisions.length}`, of);
  const found = precisions.map((precision, i) => decodeKind(precision, `open.precisions[${i}]`, shape, find));
  const groups = found[0]!.groups;
  const everywhere = found.filter(({ precision }) => precision.kind === 'equivariant').length;
  if (everywhere > 0 && everywhere < found.length) throw argumentError('open.precisions', 'equivariant for all or none', 'some of each');
  const other = found.findIndex((kind) => kind.groups !== groups);
  if (other >= 0) throw argumentError(`open.precisions[${other}]`, `${groups} groups, as the first has`, `${found[other]!.groups} groups`);
  return { groups, kinds: found.map((kind) => kind.precision), of: Uint32Array.from(of) };
}

function decodeKind(
  precision: Precision__Output,
  field: string,
  [channels, height, width]: readonly [number, number, number],
  find: FindSupports,
): { readonly groups: number; readonly precision: Precision } {
  if (precision.supports !== undefined) {
    const set = find(precision.supports);
    if (set === undefined) throw new GolddiffError('SUPPORTS_MISSING', `This worker does not hold the support set ${precision.supports}`, { field });
    const D = channels * height * width;
    if (set.rowValues !== D || set.groups < 1 || D % set.groups !== 0)
      throw argumentError(`${field}.supports`, `a set of ${D} values and groups that divide them`, `${set.rowValues} values, ${set.groups} groups`);
    return { groups: set.groups, precision: { kind: 'supports', set } };
  }
  const kind = precision.equivariant === undefined ? 'window' : 'equivariant';
  const side = precision[kind] ?? 0;
  if (side % 2 !== 1 || side > 2 * Math.max(height, width)) throw argumentError(`${field}.${kind}`, 'an odd number of pixels within the image', side);
  return { groups: height * width, precision: { kind, side } };
}
