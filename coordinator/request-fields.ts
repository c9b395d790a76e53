/** Fields that several requests have, checked and with their defaults. Every refusal names the field and is one sentence. */

import type { Retrieval__Output } from '../proto/generated/golddiff/v1/Retrieval.js';
import type { ScheduleName__Output } from '../proto/generated/golddiff/v1/ScheduleName.js';
import type { Manifest } from '../shared/dataset/manifest.js';
import { GolddiffError, argumentError, expectation } from '../shared/errors.js';
import { LEVEL_MAX, LEVEL_MIN, MASS_TOLERANCE_MAX, QUERY_VALUE_MAX, SEED_MAX } from '../shared/limits.js';
import type { Schedule } from '../shared/math/noise-schedule.js';

/** @throws DATA_SET_UNKNOWN */
export function checkDataSet(name: string, manifest: Manifest): void {
  if (name !== '' && name !== manifest.name) {
    throw new GolddiffError('DATA_SET_UNKNOWN', expectation('data_set', `a data set that is served here (${manifest.name})`, name), {
      field: 'data_set',
    });
  }
}

/** 0 is read as 1. */
export function temperatureOf(temperature: number): number {
  if (temperature === 0) return 1;
  return inRange('temperature', temperature, LEVEL_MIN, LEVEL_MAX);
}

/** Alpha and sigma of a level: positive, and such that their squares and quotients are numbers. */
export function levelValue(field: string, value: number): number {
  if (value > 0 && Number.isFinite(value)) return inRange(field, value, LEVEL_MIN, LEVEL_MAX);
  throw argumentError(field, 'a finite number above 0', value);
}

export function scheduleOf(name: ScheduleName__Output, field: string, unspecified: Schedule): Schedule {
  if (name === 'SCHEDULE_UNSPECIFIED') return unspecified;
  if (name === 'DDPM_LINEAR' || name === 'DDPM_COSINE' || name === 'EDM') return name;
  throw argumentError(field, 'a ScheduleName', name);
}

/** 0 .. 2^53 - 1. Larger ones arrive rounded, and above the range all the same. */
export function seedOf(field: string, seed: number): number {
  if (Number.isInteger(seed) && seed >= 0 && seed <= SEED_MAX) return seed;
  throw argumentError(field, 'an integer in 0..2^53-1', seed);
}

export function integerIn(field: string, value: number, low: number, high: number): number {
  if (Number.isInteger(value) && value >= low && value <= high) return value;
  throw argumentError(field, `an integer in ${low}..${high}`, value);
}

export function inRange(field: string, value: number, low: number, high: number): number {
  if (value >= low && value <= high) return value;
  throw argumentError(field, `a number in ${low}..${high}`, value);
}

/** A list of one value for all or one for each, as one for each. */
export function broadcast<T>(field: string, values: readonly T[], count: number): readonly T[] {
  if (values.length === count) return values;
  if (values.length === 1) return Array.from({ length: count }, () => values[0]!);
  throw argumentError(field, count === 1 ? '1 value' : `1 or ${count} values`, `${values.length} values`);
}

/** Labels of `count` queries; undefined where all rows count for all of them. */
export function labelsOf(labels: readonly number[], count: number, manifest: Manifest): Int32Array | undefined {
  if (labels.length === 0) return undefined;
  const known = new Set(manifest.classes.filter((c) => c.rows > 0).map((c) => c.label));
  labels.forEach((label, i) => {
    if (label === -1 || known.has(label)) return;
    throw argumentError(`labels[${i}]`, known.size === 0 ? '-1, since the data set has no labels' : '-1 or a label that some row has', label);
  });
  return Int32Array.from(broadcast('labels', labels, count));
}

/** Squares of values must stay finite, or a weight would not be a number. */
export function checkMagnitude(field: string, values: Float64Array, dim: number): void {
  for (let at = 0; at < values.length; at++) {
    if (!(Math.abs(values[at]!) > QUERY_VALUE_MAX)) continue;
    throw argumentError(
      `${field}[${Math.floor(at / dim)}]`,
      `values of at most ${QUERY_VALUE_MAX} in magnitude`,
      `${values[at]} at value ${at % dim}`,
    );
  }
}

/** Enumerations of a retrieval; its sizes are checked against the rows where the step is planned. */
export function checkRetrieval(retrieval: Retrieval__Output | null): void {
  if (retrieval === null) return;
  if (typeof retrieval.kind === 'number') throw argumentError('retrieval.kind', 'a RetrievalKind', retrieval.kind);
  if (typeof retrieval.variant === 'number') throw argumentError('retrieval.variant', 'a GoldenVariant', retrieval.variant);
  if (typeof retrieval.presample === 'number') throw argumentError('retrieval.presample', 'a Presample', retrieval.presample);
  if (typeof retrieval.search === 'number') throw argumentError('retrieval.search', 'a SearchMethod', retrieval.search);
  if (retrieval.search === 'SEARCH_HNSW' && retrieval.variant === 'RELEASED')
    throw argumentError('retrieval.search', 'SEARCH_AUTO or SEARCH_SCAN with variant RELEASED, which chooses among random rows', retrieval.search);
  seedOf('retrieval.presample_seed', retrieval.presampleSeed);
  inRange('retrieval.tolerance', retrieval.tolerance, 0, MASS_TOLERANCE_MAX);
  if (retrieval.tolerance > 0 && retrieval.kind === 'GOLDEN')
    throw argumentError('retrieval.tolerance', '0 with GOLDEN, whose subset proves nothing of the rows outside', retrieval.tolerance);
  if (typeof retrieval.aggregator === 'number') throw argumentError('retrieval.aggregator', 'an Aggregator', retrieval.aggregator);
  const blocks = retrieval.aggregator === 'WSS';
  if (blocks !== retrieval.blockRows > 0)
    throw argumentError('retrieval.block_rows', blocks ? 'the rows of a block, at least 1,' : '0 without WSS', retrieval.blockRows);
  if (blocks && retrieval.search === 'SEARCH_HNSW') throw argumentError('retrieval.search', 'SEARCH_AUTO or SEARCH_SCAN with WSS', retrieval.search);
  const budget = inRange('retrieval.max_tail_mass', retrieval.maxTailMass, 0, 1);
  if (budget === 1) throw argumentError('retrieval.max_tail_mass', 'a share above 0 and below 1, or 0 for any', budget);
  if (budget > 0 && blocks) throw argumentError('retrieval.max_tail_mass', '0 with WSS, which is biased however many rows it has', budget);
  if (budget > 0 && retrieval.kind !== 'GOLDEN')
    throw argumentError('retrieval.max_tail_mass', '0 with EXACT_SCAN, where tolerance says what may be left out', budget);
}
