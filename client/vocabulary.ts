/**
 * The words of the command line and the library, and the proto enums they stand for: one table for each, both ways.
 */

import { DenoiserKind } from '../proto/generated/golddiff/v1/DenoiserKind.js';
import { argumentError } from '../shared/errors.js';

type DenoiserName = Exclude<keyof typeof DenoiserKind, 'DENOISER_UNSPECIFIED'>;
type WordOf<Name extends string> = Name extends `${infer Head}_${infer Tail}` ? `${Lowercase<Head>}-${WordOf<Tail>}` : Lowercase<Name>;
/** Whatever the proto names: PATCH_EQUIVARIANT is patch-equivariant. */
export type Denoiser = WordOf<DenoiserName>;
export const DENOISERS = Object.fromEntries(
  Object.values(DenoiserKind)
    .filter((name) => name !== 'DENOISER_UNSPECIFIED')
    .map((name) => [name.toLowerCase().replaceAll('_', '-'), name]),
) as Readonly<Record<Denoiser, DenoiserName>>;

export const SCHEDULES = { 'ddpm-linear': 'DDPM_LINEAR', 'ddpm-cosine': 'DDPM_COSINE', edm: 'EDM' } as const;
export type ScheduleWord = keyof typeof SCHEDULES;

export const SAMPLERS = { ddim: 'DDIM', 'edm-heun': 'EDM_HEUN', 'edm-euler': 'EDM_EULER', ddpm: 'DDPM' } as const;
export type Sampler = keyof typeof SAMPLERS;

export const GOLDEN_VARIANTS = { paper: 'PAPER', released: 'RELEASED' } as const;
export type GoldenVariantWord = keyof typeof GOLDEN_VARIANTS;

export const PRESAMPLES = { auto: 'PRESAMPLE_AUTO', all: 'PRESAMPLE_ALL' } as const;
export type PresampleWord = keyof typeof PRESAMPLES;

export const SEARCHES = { auto: 'SEARCH_AUTO', scan: 'SEARCH_SCAN', hnsw: 'SEARCH_HNSW' } as const;
export type SearchWord = keyof typeof SEARCHES;

/** How the rows' weights make an answer: one softmax, or the biased mean over blocks of rows of published baselines. */
export const AGGREGATORS = { softmax: 'SOFTMAX', wss: 'WSS' } as const;
export type AggregatorWord = keyof typeof AGGREGATORS;

export const RESULT_DTYPES = { f32: 'F32', f64: 'F64', f16: 'F16' } as const;
export type ResultDtype = keyof typeof RESULT_DTYPES;

/** How far a bound on the mass left out can be trusted; SCIENCE section 5. */
export type BoundWord = 'exact' | 'certified' | 'heuristic';
const BOUNDS = { BOUND_UNSPECIFIED: 'heuristic', EXACT: 'exact', CERTIFIED: 'certified', HEURISTIC: 'heuristic' } as const satisfies Record<
  string,
  BoundWord
>;

/** The proto name of a word. Throws ARGUMENT_INVALID, naming the field and the words there are. */
export function enumOf<T extends Record<string, string>>(table: T, field: string, word: string): T[keyof T] {
  if (!Object.hasOwn(table, word)) throw argumentError(field, `one of ${Object.keys(table).join(', ')}`, word);
  return table[word as keyof T];
}

/** The weakest reading where a newer server names a kind that this client does not know. */
export function boundWord(kind: string): BoundWord {
  return Object.hasOwn(BOUNDS, kind) ? BOUNDS[kind as keyof typeof BOUNDS] : 'heuristic';
}
