/**
 * Which values of a row vote for which weight group: for each group the indices of its values as runs of neighbours. In a locality mask neighbours in
 * raster order mostly go together, so that runs are a seventh of the entries at high noise and half of them at low noise.
 */

import { createHash } from 'node:crypto';
import { argumentError, invariant } from '../errors.js';

export interface SupportSet {
  /** D */
  readonly rowValues: number;
  /** G */
  readonly groups: number;
  /** [G + 1] runs of group g are firstRun[g] .. firstRun[g + 1] - 1 */
  readonly firstRun: Uint32Array;
  /** [R, 2] start and end (exclusive) of each run; within a group ascending, with a gap between two */
  readonly runs: Uint32Array;
}

const HEADER_WORDS = 3;

/**
 * @param votes votes(value, group): whether the value is in the group's support
 */
export function makeSupportSet(rowValues: number, groups: number, votes: (value: number, group: number) => boolean): SupportSet {
  const firstRun = new Uint32Array(groups + 1);
  const runs: number[] = [];
  for (let g = 0; g < groups; g++) {
    firstRun[g] = runs.length / 2;
    let start = -1;
    for (let p = 0; p <= rowValues; p++) {
      const inside = p < rowValues && votes(p, g);
      if (inside && start < 0) start = p;
      if (inside || start < 0) continue;
      runs.push(start, p);
      start = -1;
    }
  }
  firstRun[groups] = runs.length / 2;
  return { rowValues, groups, firstRun, runs: Uint32Array.from(runs) };
}

/** [G] values in each group's support. */
export function supportSizes({ groups, firstRun, runs }: SupportSet): Uint32Array {
  return Uint32Array.from({ length: groups }, (_, g) => {
    let size = 0;
    for (let r = firstRun[g]!; r < firstRun[g + 1]!; r++) size += runs[2 * r + 1]! - runs[2 * r]!;
    return size;
  });
}

/** [D] 1 = value p votes for its own group, p mod G. */
export function votesForItself({ rowValues, groups, firstRun, runs }: SupportSet): Uint8Array {
  return Uint8Array.from({ length: rowValues }, (_, p) => {
    const g = p % groups;
    for (let r = firstRun[g]!; r < firstRun[g + 1]!; r++) if (runs[2 * r]! <= p && p < runs[2 * r + 1]!) return 1;
    return 0;
  });
}

/** As in proto SupportSet. */
export function encodeSupportSet({ rowValues, groups, firstRun, runs }: SupportSet): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(HEADER_WORDS + firstRun.length + runs.length);
  words.set([rowValues, groups, runs.length / 2]);
  words.set(firstRun, HEADER_WORDS);
  words.set(runs, HEADER_WORDS + firstRun.length);
  return new Uint8Array(words.buffer);
}

/** sha256 of the encoded set, hex: its name. */
export function supportSetHash(encoded: Uint8Array): string {
  return createHash('sha256').update(encoded).digest('hex');
}

/**
 * On shared memory, so that compute threads see it without a copy. The bytes may lie anywhere.
 * @throws ARGUMENT_INVALID for bytes that are no support set: what is accepted never points outside a row
 */
export function decodeSupportSet(encoded: Uint8Array, field = 'supports.data'): SupportSet {
  if (encoded.length % 4 !== 0 || encoded.length < 4 * (HEADER_WORDS + 1))
    throw argumentError(field, 'a header and whole words', `${encoded.length} bytes`);
  const bytes = new Uint8Array(new SharedArrayBuffer(encoded.length));
  bytes.set(encoded);
  const words = new Uint32Array(bytes.buffer);
  const [rowValues, groups, runCount] = [words[0]!, words[1]!, words[2]!];
  if (words.length !== HEADER_WORDS + groups + 1 + 2 * runCount)
    throw argumentError(field, `${groups} groups and ${runCount} runs`, `${words.length} words`);
  const firstRun = words.subarray(HEADER_WORDS, HEADER_WORDS + groups + 1);
  const runs = words.subarray(HEADER_WORDS + groups + 1);
  if (firstRun[0] !== 0 || firstRun[groups] !== runCount) throw argumentError(field, 'groups that begin with run 0 and end with the last', 'others');
  for (let g = 0; g < groups; g++) {
    const last = firstRun[g + 1]!;
    if (last < firstRun[g]! || last > runCount) throw argumentError(field, `runs of group ${g} after those before it`, `${last}`);
    let from = 0;
    for (let r = firstRun[g]!; r < last; r++) {
      const start = runs[2 * r]!;
      const end = runs[2 * r + 1]!;
      if (start < from || end <= start || end > rowValues)
        throw argumentError(field, `ascending runs of ${rowValues} values in group ${g}`, `${start}..${end}`);
      from = end + 1;
    }
  }
  return { rowValues, groups, firstRun, runs };
}

/** Bytes that a set takes where it is kept. */
export function supportSetBytes(set: SupportSet): number {
  invariant(set.firstRun.length === set.groups + 1, 'a set has its groups');
  return 4 * (HEADER_WORDS + set.firstRun.length + set.runs.length);
}
